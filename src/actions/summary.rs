//! What `run --once --json` and `status --json` print (`definitions.md`, "JSON").

use std::collections::{BTreeMap, HashMap};

use schemars::JsonSchema;
use serde::Serialize;

use super::approvals::{self, ApprovalLine};
use super::matters::MatterLine;
use crate::domain::{Action, Clock as _, DropId, Instant, LegId, Reason, RunId, Stage, StrandId};
use crate::pipeline::prepared_drop::last_standing;
use crate::pipeline::run::{Env, LedgerAccess};
use crate::store::rows::BookRow;
use crate::store::{LeaseRow, StoreError};

/// The state of an installation, or what one run did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Summary {
    /// The instant of the run, UTC.
    pub(crate) as_of: String,
    /// Counts by room: of this run, or in `status` of the newest run that has any.
    pub(crate) books: Vec<BookLine>,
    /// Legs by state, all that were ever received.
    pub(crate) legs: BTreeMap<String, u64>,
    /// Each partner's rows: of this run, or in `status` all that were ever sent.
    pub(crate) partners: Vec<PartnerLine>,
    /// What waits for somebody.
    pub(crate) held: Vec<HeldLine>,
    /// What the newest pull of each source can promise.
    pub(crate) certificates: Vec<CertificateLine>,
    /// Partner files that allow more than was approved: nothing new goes out by them.
    pub(crate) approvals: Vec<ApprovalLine>,
}

/// How an installation stands, and what somebody must settle: what `status --json` prints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct InstallationStatus {
    #[serde(flatten)]
    pub(crate) summary: Summary,
    /// The first line of `kith status`: nobody has to act, or the most pressing thing with its command.
    pub(crate) first_line: String,
    /// Everything that somebody must settle, the most pressing first; empty where `status` exits with 0.
    pub(crate) matters: Vec<MatterLine>,
}

/// The counts of a room: `received = accepted + repeated + rejected + held`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct BookLine {
    pub(crate) run: i64,
    pub(crate) stage: String,
    pub(crate) source: Option<String>,
    pub(crate) partner: Option<String>,
    /// Name of a drop, or `return N`.
    pub(crate) file: Option<String>,
    pub(crate) received: u64,
    pub(crate) accepted: u64,
    pub(crate) repeated: u64,
    pub(crate) rejected: u64,
    pub(crate) held: u64,
    pub(crate) reasons: BTreeMap<String, u64>,
}

/// What a partner was sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct PartnerLine {
    pub(crate) id: String,
    /// Rows by `NEW`, `AMEND`, `STOP`, `PAUSE`.
    pub(crate) rows: BTreeMap<String, u64>,
    pub(crate) last_file: Option<String>,
    pub(crate) sequence: i64,
}

/// A question that somebody must settle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct HeldLine {
    pub(crate) number: i64,
    pub(crate) reference: Option<String>,
    pub(crate) reason: String,
    pub(crate) owner: String,
    pub(crate) stage: String,
    pub(crate) source: Option<String>,
    pub(crate) partner: Option<String>,
    /// Number of the return that it is about, if it is about one.
    #[serde(rename = "return")]
    pub(crate) return_number: Option<i64>,
    pub(crate) since: String,
}

/// What a pull can promise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct CertificateLine {
    pub(crate) source: String,
    /// `complete` or `unknown`; with exceptions `complete except`.
    pub(crate) verdict: String,
    pub(crate) except: Option<String>,
    pub(crate) window: WindowLine,
    /// What it saw: pages, requests by status, unresolved references by kind, restarts, the last sweep; counts only.
    pub(crate) evidence: serde_json::Value,
}

/// The window a pull asked for, UTC; open where nothing stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct WindowLine {
    pub(crate) from: Option<String>,
    pub(crate) to: Option<String>,
}

impl Summary {
    /// Whether anything waits for a person; shadow and what is closed at the source do not.
    pub(crate) fn waits(&self) -> bool {
        !self.approvals.is_empty()
            || self.not_whole().next().is_some()
            || self.unwritten() > 0
            || self
                .held
                .iter()
                .any(|hold| Reason::from_code(&hold.reason).is_none_or(|reason| !reason.quiet()))
    }
}

impl Summary {
    /// Entries that a GP system did not take in the run that the books are of: whether it could not be reached, asked to
    /// wait, or its answer was lost.
    pub(crate) fn unwritten(&self) -> u64 {
        let push = Stage::Push.code();
        let books = self.books.iter().filter(|book| book.stage == push);
        let open = [Reason::Unreachable, Reason::AnswerLost];
        let of = |book: &BookLine| -> u64 {
            let counts = open
                .iter()
                .filter_map(|reason| book.reasons.get(reason.code()));
            counts.sum()
        };
        books.map(of).sum()
    }

    /// The pulls that cannot promise that nothing is missing.
    pub(crate) fn not_whole(&self) -> impl Iterator<Item = &CertificateLine> {
        let lines = self.certificates.iter();
        lines.filter(|line| line.verdict != "complete")
    }
}

/// What runs and persons have in hand, a line each.
///
/// # Errors
/// The store failed.
pub(crate) async fn under_way(env: &Env) -> Result<Vec<String>, StoreError> {
    let now = crate::domain::clock::SystemClock.now().0;
    let leases = env.store.leases().await?;
    let held = leases.iter().filter(|row| row.until > now);
    let line = |row: &LeaseRow| {
        let (holder, since) = (&row.holder, Instant(row.since).utc_text());
        let stage = row.lease.stage.code();
        let subject = env.subject(row.lease.strand);
        format!(
            "Under way: {stage} of {subject} (pid {} on {}, since {since})",
            holder.pid, holder.host
        )
    };
    Ok(held.map(line).collect())
}

/// Names of strands.
struct Names<'e> {
    env: &'e Env,
    files: HashMap<DropId, String>,
}

impl Names<'_> {
    fn source(&self, strand: StrandId) -> Option<String> {
        self.env
            .source_at(strand)
            .map(|place| self.env.sources[place].config.id.clone())
    }

    fn partner(&self, strand: StrandId) -> Option<String> {
        self.env
            .partner_at(strand)
            .map(|place| self.env.rules.partners[place].id.clone())
    }

    fn file(&self, id: i64) -> Option<String> {
        (id != 0).then(|| {
            self.files
                .get(&DropId::new(id))
                .cloned()
                .unwrap_or_else(|| format!("return {id}"))
        })
    }

    fn book(&self, row: &BookRow) -> BookLine {
        let counts = &row.counts;
        BookLine {
            run: row.run.number(),
            stage: row.stage.code().to_owned(),
            source: self.source(row.source),
            partner: self.partner(row.partner),
            file: self.file(row.file),
            received: counts.received(),
            accepted: counts.accepted(),
            repeated: counts.repeated(),
            rejected: counts.rejected(),
            held: counts.held(),
            reasons: counts
                .reasons()
                .iter()
                .map(|(reason, n)| (reason.code().to_owned(), *n))
                .collect(),
        }
    }
}

/// What one run did.
pub(crate) async fn of_run(env: &Env, run: RunId) -> anyhow::Result<Summary> {
    let books = env.store.books(run).await?;
    let delivered: Vec<DropId> = books
        .iter()
        .filter(|book| book.stage == Stage::Deliver)
        .map(|book| DropId::new(book.file))
        .collect();
    summary(env, books, Some(&delivered)).await
}

/// How the installation stands.
pub(crate) async fn of_status(env: &Env) -> anyhow::Result<Summary> {
    let last = env.store.last_run().await?.unwrap_or_default();
    let books = env.store.books(last).await?;
    summary(env, books, None).await
}

async fn summary(
    env: &Env,
    books: Vec<BookRow>,
    only: Option<&[DropId]>,
) -> anyhow::Result<Summary> {
    let files = books.iter().map(|book| DropId::new(book.file)).collect();
    let files = env.store.drop_files_by_id(files).await?;
    let names = Names {
        env,
        files: files
            .iter()
            .map(|file| (file.id, file.name.clone()))
            .collect(),
    };
    let mut legs: BTreeMap<String, u64> = BTreeMap::new();
    for count in env.store.leg_counts().await? {
        *legs.entry(count.state.code().to_owned()).or_default() +=
            u64::try_from(count.count).unwrap_or(0);
    }
    Ok(Summary {
        as_of: env.now().utc_text(),
        books: books.iter().map(|book| names.book(book)).collect(),
        legs,
        partners: partners(env, only).await?,
        held: held(env, &names).await?,
        certificates: certificates(env, &names).await?,
        approvals: approvals::of(env),
    })
}

async fn partners(env: &Env, only: Option<&[DropId]>) -> anyhow::Result<Vec<PartnerLine>> {
    let counts = match only {
        Some(only) => env.store.drop_row_counts_of(only.to_vec()).await?,
        None => env.store.drop_row_counts(i64::MAX).await?,
    };
    let mut lines = Vec::with_capacity(env.rules.partners.len());
    for (_, partner, at) in env.each_partner() {
        let mut rows: BTreeMap<String, u64> = Action::ALL
            .iter()
            .map(|action| (action.code().to_owned(), 0))
            .collect();
        for count in counts.iter().filter(|count| count.partner == at.strand) {
            let of = rows.entry(count.action.code().to_owned()).or_default();
            *of += u64::try_from(count.count).unwrap_or(0);
        }
        let last = last_standing(env, at.strand).await?;
        lines.push(PartnerLine {
            id: partner.id.clone(),
            rows,
            sequence: last.as_ref().map_or(0, |file| file.sequence),
            last_file: last.map(|file| file.name),
        });
    }
    Ok(lines)
}

async fn held(ledger: &LedgerAccess, names: &Names<'_>) -> anyhow::Result<Vec<HeldLine>> {
    let mut open = Vec::new();
    ledger.each_open_hold(|hold| open.push(hold)).await?;
    let legs = ledger
        .store
        .legs(
            open.iter()
                .map(|hold| hold.leg)
                .filter(|leg| leg.is_some())
                .collect(),
        )
        .await?;
    let references: HashMap<LegId, String> = legs
        .iter()
        .map(|leg| (leg.id, leg.reference.to_string()))
        .collect();
    Ok(open
        .iter()
        .map(|hold| HeldLine {
            number: hold.number.number(),
            reference: references.get(&hold.leg).cloned(),
            reason: hold.reason.code().to_owned(),
            owner: hold.reason.owner_at(hold.stage).code().to_owned(),
            stage: hold.stage.code().to_owned(),
            source: names.source(hold.source),
            partner: names.partner(hold.partner),
            return_number: hold.return_id.is_some().then(|| hold.return_id.number()),
            since: Instant(hold.since).utc_text(),
        })
        .collect())
}

async fn certificates(
    ledger: &LedgerAccess,
    names: &Names<'_>,
) -> anyhow::Result<Vec<CertificateLine>> {
    let mut lines = Vec::new();
    for row in ledger.store.certificates().await? {
        // A source that is switched off promises nothing.
        let place = names.env.source_at(row.source);
        let config = place.map(|place| &names.env.sources[place].config);
        let Some(source) = config.filter(|config| config.enabled) else {
            continue;
        };
        let source = source.id.clone();
        let evidence: serde_json::Value = serde_json::from_str(&row.evidence).unwrap_or_default();
        let text = |key: &str| {
            evidence
                .get(key)
                .and_then(|value| value.as_str())
                .map(str::to_owned)
        };
        let (verdict, except) = match row.verdict.split_once(" except ") {
            Some((verdict, except)) => (format!("{verdict} except"), Some(except.to_owned())),
            None => (row.verdict.clone(), None),
        };
        lines.push(CertificateLine {
            source,
            verdict,
            except,
            window: WindowLine {
                from: text("from"),
                to: text("to"),
            },
            evidence,
        });
    }
    Ok(lines)
}
