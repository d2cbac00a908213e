//! Which partner files wait for an approval, and exactly what they allow beyond what was approved.
//!
//! In: an open installation, or a config and its mappings beside whatever store there is. Out: one line a partner, for
//! `kith status`, `kith check` and `kith partner approve`. Nothing is written here.

use schemars::JsonSchema;
use serde::Serialize;

use super::open::Refused;
use crate::config::Config;
use crate::diagnostics::{Code, Diagnostic, Place};
use crate::domain::Instant;
use crate::partner::wider::Wider;
use crate::partner::{Partner, Rules};
use crate::pipeline::approval::{self, Approval};
use crate::pipeline::env::Env;
use crate::store::{SqliteStore, Store, StoreError};

/// A partner file that allows more than was approved: nothing new goes out by it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct ApprovalLine {
    pub(crate) partner: String,
    /// Who wrote the version, as the file says; somebody else approves it.
    pub(crate) changed_by: Option<String>,
    /// When a run first saw it, UTC.
    pub(crate) since: Option<String>,
    /// Each thing that it allows and the approved version does not.
    pub(crate) wider: Vec<WiderLine>,
}

/// One thing that a version allows beyond the approved one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct WiderLine {
    /// `share`, `select` or `deliver`.
    pub(crate) section: String,
    /// The key, or the column.
    pub(crate) key: String,
    /// In plain words.
    pub(crate) what: String,
    /// Elements of the record that it can show.
    pub(crate) elements: Vec<String>,
    /// All of it in one line.
    pub(crate) text: String,
}

impl WiderLine {
    fn of(wider: &Wider) -> Self {
        Self {
            section: wider.section.code().to_owned(),
            key: wider.key.clone(),
            what: wider.what.clone(),
            elements: wider.elements.clone(),
            text: wider.text(),
        }
    }
}

impl ApprovalLine {
    fn of(partner: &Partner, approval: &Approval) -> Option<Self> {
        let waiting = approval.waiting()?;
        Some(Self {
            partner: partner.id.clone(),
            changed_by: partner.changed_by.clone(),
            since: waiting.since.map(Instant::utc_text),
            wider: waiting.wider.iter().map(WiderLine::of).collect(),
        })
    }

    /// The warning of runs and checks.
    pub(crate) fn diagnostic(&self) -> Diagnostic {
        Diagnostic::new(
            Code::AwaitsApproval,
            "a wider version of a partner file waits for approval, and nothing new is sent",
            Place::detail(format!("partner {}", self.partner)),
        )
    }

    /// The same for people, one thing a line.
    pub(crate) fn text(&self) -> String {
        let writer = self.changed_by.as_deref().unwrap_or("nobody named");
        let mut text = format!(
            "{} waits for approval (changed by {writer}): kith partner approve {} --by NAME --because \"…\"\n",
            self.partner, self.partner
        );
        for wider in &self.wider {
            text.push_str("    ");
            text.push_str(&wider.text);
            text.push('\n');
        }
        text
    }
}

/// The partner files of an open installation that wait.
pub(crate) fn of(env: &Env) -> Vec<ApprovalLine> {
    env.each_partner()
        .filter_map(|(_, partner, at)| ApprovalLine::of(partner, &at.approval))
        .collect()
}

/// The same before anything is opened: a mappings folder without a store has nothing to be wider than.
///
/// # Errors
/// [`Refused`] if there is a store that cannot be read.
pub(crate) async fn of_files(config: &Config, rules: &Rules) -> Result<Vec<ApprovalLine>, Refused> {
    if !config.store.exists() {
        return Ok(Vec::new());
    }
    let read = async {
        let store = SqliteStore::open(&config.store).await?;
        let lines = lines(&store, config, rules).await;
        store.close().await;
        lines
    };
    read.await
        .map_err(|error| super::open::store_refused(&error, config))
}

async fn lines(
    store: &SqliteStore,
    config: &Config,
    rules: &Rules,
) -> Result<Vec<ApprovalLine>, StoreError> {
    let strands = store.strands().await?;
    let strand = |name: &str| strands.iter().find(|known| known.name == name);
    let Some(installation) = strand("installation") else {
        return Ok(Vec::new());
    };
    let known = approval::recorded(store, installation.id).await?;
    let mut lines = Vec::new();
    for partner in &rules.partners {
        let Some(own) = strand(&format!("partner:{}", partner.id)) else {
            continue;
        };
        let asked = approval::Asked {
            rules,
            partner,
            strand: own.id,
            home: &config.home,
            folder: approval::folder_wanted(config, partner),
        };
        let (approval, _) = approval::judge(store, &known, asked).await?;
        lines.extend(ApprovalLine::of(partner, &approval));
    }
    Ok(lines)
}
