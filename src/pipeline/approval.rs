//! Which version of each partner file counts: the one in force, or the last one that was approved (`safety.md` §7).
//!
//! In: the file as it is, where its drops go, and what the ledger says of earlier versions. Out: whether it may send what is
//! new. Keeps: the first version that could send anything is approved by being first; a narrower one takes its place at
//! once; one that widens sends nothing new until somebody else than its writer has approved it, and meanwhile what was sent
//! before goes on by the approved text, to the approved place. Texts are kept as they were used, so that each can be read again.

use std::path::Path;

use crate::config::Config;
use crate::domain::{Destination, Instant, NoteId, StrandId};
use crate::partner::disclosure::{AgreementSection, AgreementVersion, Widening, widenings};
use crate::partner::{Partner, Rules};
use crate::seal::{Digest, sha256};
pub(crate) use crate::store::body::How;
use crate::store::rows::LedgerRow;
use crate::store::{Batch, Body, Entry, Kind, Store, StoreError};

/// Versions read at a time.
const PAGE: i64 = 1_000;

/// A version as the ledger has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Recorded {
    pub(crate) at: Instant,
    /// The partner's strand.
    pub(crate) partner: StrandId,
    /// Hash of the partner's bundle.
    pub(crate) file: Digest,
    /// Hash of the text that says where its drops go.
    pub(crate) destination: Digest,
    pub(crate) how: How,
    /// Who approved it.
    pub(crate) by: Option<String>,
}

impl Recorded {
    fn read(row: &LedgerRow) -> Option<Self> {
        let Body::RulesInForce {
            file,
            destination,
            how,
            approved,
        } = row.body()?
        else {
            return None;
        };
        Some(Self {
            at: Instant(row.at),
            partner: StrandId::new(row.subject),
            file,
            destination,
            how,
            by: approved.map(|(by, _)| by),
        })
    }
}

/// Whether the version of a partner file may send what is new.
pub(crate) enum Approval {
    /// None has sent anything yet.
    New,
    /// The one that was recorded last.
    Stands,
    /// Another one, which allows no more.
    Narrower,
    /// Wider than what was approved.
    Waits(Box<Waiting>),
}

/// What a version waits for, and what goes on meanwhile.
pub(crate) struct Waiting {
    /// The approved version; `None` if this program can no longer read it.
    approved: Option<Rules>,
    pub(crate) wider: Vec<Widening>,
    /// When a run first saw it.
    pub(crate) since: Option<Instant>,
}

impl Approval {
    /// What it waits for.
    pub(crate) fn waiting(&self) -> Option<&Waiting> {
        match self {
            Self::Waits(waiting) => Some(waiting),
            Self::New | Self::Stands | Self::Narrower => None,
        }
    }

    /// The approved version, where another one is in force.
    pub(crate) fn approved(&self) -> Option<(&Rules, &Partner)> {
        let rules = self.waiting()?.approved.as_ref()?;
        Some((rules, rules.partners.first()?))
    }

    /// Whether changes can go by an approved version.
    pub(crate) fn changes_may_go(&self) -> bool {
        self.waiting().is_none() || self.approved().is_some()
    }
}

/// Where a partner file and the config send drops now.
pub(crate) fn destination_wanted(config: &Config, partner: &Partner) -> Destination {
    let folder = config
        .transport(&partner.deliver.transport.value)
        .map(|transport| transport.folder(&partner.id));
    Destination::Folder(folder.unwrap_or_default())
}

/// Every version of every partner file that a run has seen, oldest first.
///
/// # Errors
/// The store failed.
pub(crate) async fn recorded(
    store: &dyn Store,
    installation: StrandId,
) -> Result<Vec<Recorded>, StoreError> {
    let mut recorded = Vec::new();
    let mut after = 0;
    loop {
        let rows = store
            .ledger_of_kind(installation, Kind::RulesInForce, after, PAGE)
            .await?;
        let Some(last) = rows.last() else {
            return Ok(recorded);
        };
        after = last.seq;
        recorded.extend(rows.iter().filter_map(Recorded::read));
    }
}

/// Whether the version that waited when this run began was approved since.
///
/// # Errors
/// The store failed.
pub(crate) async fn came_since(
    store: &dyn Store,
    installation: StrandId,
    wanted: &Noted<'_>,
) -> Result<bool, StoreError> {
    let known = recorded(store, installation).await?;
    let mut own = known.iter().filter(|row| row.partner == wanted.strand);
    let last = own.rfind(|row| row.how != How::Waits);
    let same = |row: &Recorded| (row.file, row.destination) == (wanted.file, wanted.destination);
    Ok(last.is_some_and(same))
}

/// What is asked of one partner's version.
pub(crate) struct Asked<'a> {
    pub(crate) rules: &'a Rules,
    pub(crate) partner: &'a Partner,
    /// The partner's strand.
    pub(crate) strand: StrandId,
    pub(crate) home: &'a Path,
    /// Where its drops would go.
    pub(crate) destination: Destination,
}

/// Judges a version, and says where drops go until it is approved.
///
/// # Errors
/// The store failed.
pub(crate) async fn judge(
    store: &dyn Store,
    known: &[Recorded],
    asked: Asked<'_>,
) -> Result<(Approval, Destination), StoreError> {
    let mut own = known.iter().filter(|row| row.partner == asked.strand);
    let Some(last) = own.clone().rfind(|row| row.how != How::Waits) else {
        return Ok((Approval::New, asked.destination));
    };
    let now = asked.destination.text(asked.home);
    let moved = last.destination != sha256(&[now.as_bytes()]);
    if last.file == asked.partner.hash && !moved {
        return Ok((Approval::Stands, asked.destination));
    }
    let bundle = store.rule(last.file).await?;
    let approved = bundle.and_then(|bundle| Rules::from_bundle(&bundle).ok());
    let before = approved
        .as_ref()
        .and_then(|rules| Some((rules, rules.partners.first()?)));
    let mut found = match before {
        Some((rules, partner)) => widenings(
            AgreementVersion { rules, partner },
            AgreementVersion {
                rules: asked.rules,
                partner: asked.partner,
            },
        ),
        None => vec![Widening::new(
            AgreementSection::Share,
            "fields",
            "what was approved can no longer be read, so nothing can be held against it",
        )],
    };
    let mut destination = asked.destination;
    if moved {
        let was = store.rule(last.destination).await?.unwrap_or_default();
        let what = format!("drops went to {was}, they would go to {now}");
        found.push(Widening::new(AgreementSection::Deliver, "transport", what));
        destination = Destination::of_text(asked.home, &was).unwrap_or(destination);
    }
    if found.is_empty() {
        return Ok((Approval::Narrower, destination));
    }
    let since = own
        .rfind(|row| row.how == How::Waits && row.file == asked.partner.hash)
        .map(|row| row.at);
    let waiting = Waiting {
        approved,
        wider: found,
        since,
    };
    Ok((Approval::Waits(Box::new(waiting)), destination))
}

/// One version to record.
pub(crate) struct Noted<'e> {
    partner: &'e Partner,
    strand: StrandId,
    pub(crate) file: Digest,
    pub(crate) destination: Digest,
    goes_to: String,
    how: How,
}

/// The record of a partner's version as it stands now.
pub(crate) fn entry<'p>(
    config: &Config,
    partner: &'p Partner,
    strand: StrandId,
    how: How,
) -> Noted<'p> {
    let goes_to = destination_wanted(config, partner).text(&config.home);
    Noted {
        partner,
        strand,
        file: partner.hash,
        destination: sha256(&[goes_to.as_bytes()]),
        goes_to,
        how,
    }
}

impl Noted<'_> {
    /// Adds the row; `act`: who approved it, and the note that says why.
    pub(crate) fn put(self, batch: &mut Batch, act: Option<(&str, NoteId)>) {
        let body = Body::RulesInForce {
            file: self.file,
            destination: self.destination,
            how: self.how,
            approved: act.map(|(by, note)| (by.to_owned(), note)),
        };
        batch.push(Entry::new(self.strand, body));
        let bundle = self.partner.bundle.clone();
        batch.rules.push((self.file, bundle));
        batch.rules.push((self.destination, self.goes_to));
    }
}
