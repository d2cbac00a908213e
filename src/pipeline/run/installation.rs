//! What runs and actions are given: config, rules, the ledger, and one entry a source and partner.
//!
//! Built by `app` alone. The store and the transports are reached through their traits.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use jiff::civil::Date;

use super::LedgerAccess;
use tokio::sync::Semaphore;

use crate::config::{Config, Source};
use crate::diagnostics::Diagnostic;
use crate::domain::{Destination, Instant, KeyId, StrandId};
use crate::fhir::client::{ClientError, SourceSession};
use crate::partner::{Partner, Rules, SourceFacts};
use crate::pipeline::approval::Approval;
use crate::pipeline::referral::Setting;
use crate::pipeline::select::{SourceRules, Unnamed};
use crate::seal::HolderKey;
use crate::transport::Transport;

/// A source with its place in the ledger.
pub(crate) struct SourceEnv {
    /// Its section of the config.
    pub(crate) config: Source,
    pub(crate) strand: StrandId,
    pub(crate) key_id: KeyId,
    pub(crate) key: HolderKey,
    /// The way to the folder of its import, where writes go as files.
    pub(crate) import: Option<Arc<dyn Transport>>,
    /// Made by the first stage that asks for a client.
    pub(crate) session: OnceLock<Result<Arc<SourceSession>, ClientError>>,
}

/// A partner's place in the ledger and the way to it; the rules hold the rest, at the same position.
pub(crate) struct PartnerEnv {
    pub(crate) strand: StrandId,
    /// The way to where the approved version sends drops.
    pub(crate) transport: Arc<dyn Transport>,
    /// Where that is.
    pub(crate) destination: Destination,
    pub(crate) approval: Approval,
}

/// Where reports go, and the way there.
pub(crate) struct ReportPlace {
    pub(crate) destination: Destination,
    pub(crate) transport: Arc<dyn Transport>,
}

/// What stages work with. What needs the ledger alone takes its [`LedgerAccess`], to which this dereferences.
pub(crate) struct Env {
    pub(crate) ledger: LedgerAccess,
    pub(crate) config: Config,
    pub(crate) rules: Rules,
    pub(crate) sources: Vec<SourceEnv>,
    /// As long as `rules.partners`, in the same order.
    pub(crate) partners: Vec<PartnerEnv>,
    /// Where the report of each commissioner goes, by id; those without a place have none.
    pub(crate) reports: BTreeMap<String, ReportPlace>,
    /// When a person last took an older store into use.
    pub(crate) restored: Option<Instant>,
    /// What makes the store, its anchor or the clock doubtful; only what looks and writes nothing is given such an installation.
    pub(crate) doubts: Vec<Diagnostic>,
    /// Partner files in error, and what stands in for each.
    pub(crate) broken: Vec<Diagnostic>,
    /// Workers that parse, decide and seal at once.
    pub(crate) workers: usize,
    /// Turns of calls to all GP systems.
    pub(crate) calls: Arc<Semaphore>,
    pub(crate) activity_system: String,
    pub(crate) partner_system: String,
}

impl std::ops::Deref for Env {
    type Target = LedgerAccess;

    fn deref(&self) -> &LedgerAccess {
        &self.ledger
    }
}

impl Env {
    /// What decisions need of a source's config.
    pub(crate) fn source_rules<'a>(&'a self, source: &'a Source) -> SourceRules<'a> {
        SourceRules {
            partners: &self.rules.partners,
            triggers: &self.rules.social_prescribing,
            own_codes: source.codes.as_deref(),
            intents: &source.intents,
            restricted_labels: &source.restricted_labels,
            unnamed: match source.routing.unnamed {
                crate::config::Unnamed::LinkWorker => Unnamed::LinkWorker,
                crate::config::Unnamed::Auto => Unnamed::Auto,
                crate::config::Unnamed::Hold => Unnamed::Hold,
            },
            by_need: source.routing.by_need,
            hold_test_people: source.hold_test_people,
            shadow: source.shadow,
            restored: self.restored,
            partner_system: &self.partner_system,
        }
    }

    /// What views need of a source, under given rules.
    pub(crate) fn setting<'a>(
        &'a self,
        source: &'a Source,
        rules: &'a Rules,
        today: Date,
    ) -> Setting<'a> {
        let source = SourceFacts {
            name: &source.name,
            ods_code: &source.ods_code,
            phone: source.phone.as_deref(),
            safeguarding_phone: source
                .safety
                .iter()
                .find_map(|contact| contact.phone.as_deref()),
        };
        Setting {
            source,
            today,
            activity_system: &self.activity_system,
            rules,
        }
    }

    /// What a strand is of, for people.
    pub(crate) fn subject(&self, strand: StrandId) -> String {
        let source = self.source_at(strand);
        let partner = self.partner_at(strand);
        match (source, partner) {
            (Some(place), _) => format!("source {}", self.sources[place].config.id),
            (_, Some(place)) => format!("partner {}", self.rules.partners[place].id),
            _ => "the installation".to_owned(),
        }
    }

    /// Position of the source of a strand.
    pub(crate) fn source_at(&self, strand: StrandId) -> Option<usize> {
        self.sources
            .iter()
            .position(|source| source.strand == strand)
    }

    /// Position of the partner of a strand.
    pub(crate) fn partner_at(&self, strand: StrandId) -> Option<usize> {
        self.partners
            .iter()
            .position(|partner| partner.strand == strand)
    }

    /// The version of a partner file by which what was sent goes on: the approved one while another one waits.
    pub(crate) fn approved(&self, place: usize) -> (&Rules, &Partner) {
        let approved = self
            .partners
            .get(place)
            .and_then(|at| at.approval.approved());
        approved.unwrap_or_else(|| (&self.rules, &self.rules.partners[place]))
    }

    /// Partner files with their places in the ledger.
    pub(crate) fn each_partner(&self) -> impl Iterator<Item = (usize, &Partner, &PartnerEnv)> {
        self.rules
            .partners
            .iter()
            .zip(&self.partners)
            .enumerate()
            .map(|(place, (partner, env))| (place, partner, env))
    }
}
