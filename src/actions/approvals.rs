//! Which partner files wait for an approval, and exactly what they allow beyond what was approved.
//!
//! In: an open installation, or a config and its mappings beside whatever store there is. Out: one line a partner, for
//! `kith status`, `kith check` and `kith partner approve`. Nothing is written here.

use schemars::JsonSchema;
use serde::Serialize;

use super::Actor;
use crate::config::Config;
use crate::diagnostics::{Code, Diagnostic, Place, Refused};
use crate::domain::encoding::hex;
use crate::domain::{Instant, Reason};
use crate::partner::disclosure::Widening;
use crate::partner::{Partner, Rules};
use crate::pipeline::approval::{self, Approval, How};
use crate::pipeline::run::Env;
use crate::store::{LeaseStage, Store, StoreError};

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
    fn of(wider: &Widening) -> Self {
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

/// The same of a config and its mappings beside the store that there is.
///
/// # Errors
/// The store cannot be read.
pub(crate) async fn of_store(
    store: &dyn Store,
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
            destination: approval::destination_wanted(config, partner),
        };
        let (approval, _) = approval::judge(store, &known, asked).await?;
        lines.extend(ApprovalLine::of(partner, &approval));
    }
    Ok(lines)
}

/// What a person approved.
pub(crate) struct Approved {
    /// What the version allows beyond the one before.
    pub(crate) line: ApprovalLine,
    /// Hash of the version, as digits.
    pub(crate) version: String,
    /// Referrals that waited for it: the next run decides them again.
    pub(crate) waiting: usize,
}

/// Records that a person approves the version of a partner's file that waits: somebody else than whoever changed it.
///
/// # Errors
/// There is no such partner, nothing waits, or the actor wrote it; the store failed.
pub(crate) async fn approve(env: &Env, id: &str, actor: &Actor) -> anyhow::Result<Approved> {
    let partners = &env.rules.partners;
    let ids = partners.iter().map(|partner| partner.id.as_str());
    super::known("partner", id, ids)?;
    let line = of(env).into_iter().find(|line| line.partner == id);
    let place = partners.iter().position(|partner| partner.id == id);
    let (Some(line), Some(place)) = (line, place) else {
        let what = "this version allows nothing beyond what was approved";
        return Err(refused(Code::NothingToApprove, what, id));
    };
    match &line.changed_by {
        None => {
            let what = "the file does not say who changed it, so nobody else can be told apart";
            return Err(refused(Code::ApprovedByWriter, what, id));
        }
        Some(writer) if same_name(writer, &actor.name) => {
            let what = "whoever changed a partner file cannot approve it";
            return Err(refused(Code::ApprovedByWriter, what, id));
        }
        Some(_) => {}
    }
    let lease = env.short_lease(LeaseStage::Act, env.strand).await?;
    let note = env.seal_note(&actor.because).await?;
    let signed = (actor.name.as_str(), note.0);
    let mut batch = lease.batch(env.now());
    batch.notes.push(note);
    let strand = env.partners[place].strand;
    approval::entry(&env.config, &partners[place], strand, How::Approved)
        .put(&mut batch, Some(signed));
    env.store.commit(batch).await?;
    lease.give_back().await?;
    let mut waiting = 0;
    env.each_open_hold(|hold| {
        let of_partner = hold.reason == Reason::NotApproved && hold.partner == strand;
        waiting += usize::from(of_partner);
    })
    .await?;
    Ok(Approved {
        line,
        version: hex(&partners[place].hash),
        waiting,
    })
}

fn refused(code: Code, what: &str, id: &str) -> anyhow::Error {
    let place = Place::detail(format!("partner {id}"));
    Refused(vec![Diagnostic::new(code, what, place)]).into()
}

/// Whether two names are one, however they are spaced and capitalised.
fn same_name(one: &str, other: &str) -> bool {
    let plain = |name: &str| -> Vec<String> {
        let words = name.split_whitespace();
        words.map(str::to_lowercase).collect()
    };
    plain(one) == plain(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_the_same_however_it_is_spaced_and_capitalised() {
        assert!(same_name(" A.  Writer", "a. writer "));
        assert!(!same_name("A. Writer", "B. Writer"));
    }
}
