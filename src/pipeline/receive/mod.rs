//! *collect*: takes what partners have put into their folders, and hands each file on as a sheet.
//!
//! In: whatever lies in a partner's `in/`. Out: sheets, and receipts beside them. Keeps: a file is moved only after our record of it
//! is durable; the same bytes under any name are known again (`ledger.md` §5); all that stood still is answered, whatever it is called
//! and whatever it is.

mod copies;
mod refused;
mod unsheetlike;
mod untaken;

pub(crate) use untaken::{Untaken, untaken};

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::diagnostics::{Code, Diagnostic, Place as Where};
use crate::domain::clock::SystemClock;
use crate::domain::encoding::hex;
use crate::domain::{Clock as _, DropId, ReturnId, StrandId, how_to_raise};
use crate::partner::{Collect, Partner};
use crate::pipeline::event::{
    EarlierReturn, Repair, TakenReturn, Unusable, earlier_return, return_lookup,
};
use crate::pipeline::people_list::lists_written_into;
use crate::pipeline::prepared_drop::{ready, written_into};
use crate::pipeline::run::{Env, Only, SeveralAtOnce, StageOutcome};
use crate::seal::{LookupKey, sha256};
use crate::sheet::{CsvText, ReadLimits, Sheet, TableMarks, UnreadableSheet};
use crate::store::StoreError;
use crate::store::rows::{DropState, RETURN_READ, ReturnFile};
use crate::transport::{
    Acknowledgement, Candidate, CandidateKind, LiesIn, Listing, ListingTerms, PartnerFileName,
    Pattern, Receipt, Transport, TransportError,
};

/// The endings of a receipt's two forms.
const RECEIPTS: [&str; 2] = ["receipt.csv", "receipt.json"];

/// Drops of one partner that are looked at: more than a partner leaves lying.
const DROPS: i64 = 100;

/// Partners whose folders are looked into at once.
const LISTED_AT_ONCE: usize = 16;

/// What lies in one partner's `in/`.
pub(crate) struct Inbox {
    /// Place of the partner in the rules.
    place: usize,
    pub(crate) candidates: Vec<Candidate>,
    /// Names of files of ours in `out/` that somebody wrote into.
    pub(crate) written_into: Vec<String>,
}

/// What is found of one partner.
struct LyingFiles {
    listing: Listing,
    written_into: Vec<String>,
}

/// What is found of one partner, or why nobody can say.
type Listed = Result<Result<LyingFiles, TransportError>, StoreError>;

/// The inboxes of every partner that sends returns.
pub(crate) struct Inboxes {
    /// Those that were listed in time, in the order of the partners.
    pub(crate) listed: Vec<Inbox>,
    /// Those whose disks did not answer.
    late: SeveralAtOnce<Listed>,
    files_max: usize,
}

/// Lists the inboxes. A folder that cannot be read is an outcome, and the others go on.
///
/// # Errors
/// The store failed.
pub(crate) async fn inboxes(
    env: &Arc<Env>,
    only: &Only,
    outcome: &mut StageOutcome,
) -> anyhow::Result<Inboxes> {
    let mut listing = SeveralAtOnce::new(LISTED_AT_ONCE);
    let mut in_time = BTreeMap::new();
    for (place, partner, _) in env.each_partner() {
        let Some(collect) = &partner.collect else {
            continue;
        };
        if only.partner.as_ref().is_some_and(|id| *id != partner.id) {
            continue;
        }
        let terms = terms(env, collect, only);
        while listing.is_full() {
            in_time.extend(listing.ended_in_time().await?);
        }
        listing.begin(place, list(Arc::clone(env), place, terms));
    }
    while let Some((place, listed)) = listing.ended_in_time().await? {
        in_time.insert(place, listed);
    }
    let mut inboxes = Inboxes {
        listed: Vec::new(),
        late: listing,
        files_max: env.config.limits.return_files_max,
    };
    for (place, listed) in in_time {
        let inbox = inboxes.inbox(env, place, listed?, outcome);
        inboxes.listed.extend(inbox);
    }
    Ok(inboxes)
}

impl Inboxes {
    /// The next inbox whose disk did not answer in time, once it does; `None` where there are no more.
    ///
    /// # Errors
    /// The store failed.
    pub(crate) async fn next_late(
        &mut self,
        env: &Env,
        outcome: &mut StageOutcome,
    ) -> anyhow::Result<Option<Inbox>> {
        while let Some((place, listed)) = self.late.ended().await? {
            let inbox = self.inbox(env, place, listed?, outcome);
            if inbox.is_some() {
                return Ok(inbox);
            }
        }
        Ok(None)
    }

    /// One inbox; what is odd about it is said.
    fn inbox(
        &self,
        env: &Env,
        place: usize,
        found: Result<LyingFiles, TransportError>,
        outcome: &mut StageOutcome,
    ) -> Option<Inbox> {
        let partner = &env.rules.partners[place];
        let LyingFiles {
            listing,
            written_into,
        } = match found {
            Ok(found) => found,
            Err(error) => {
                let code = match error {
                    TransportError::Gone { .. } => Code::ExchangeGone,
                    _ => Code::ReturnUnsafe,
                };
                outcome.unreachable.push(failed(partner, code, &error));
                return None;
            }
        };
        if listing.more {
            let here = Where::detail(format!("partner {}", partner.id));
            outcome.diagnostics.push(more(self.files_max, here));
        }
        Some(Inbox {
            place,
            candidates: copies::behind_their_sheets(listing.candidates),
            written_into,
        })
    }
}

/// What lies there, once everything is ready.
async fn list(env: Arc<Env>, place: usize, terms: ListingTerms) -> Listed {
    let transport = &env.partners[place].transport;
    if let Err(error) = ready(&env, place).await? {
        return Ok(Err(error));
    }
    let (mut listing, changed) = match listed(&**transport, terms).await {
        Ok(listed) => listed,
        Err(error) => return Ok(Err(error)),
    };
    for candidate in changed {
        if has_other_bytes(&env, place, &candidate).await? {
            listing.candidates.push(candidate);
        }
    }
    let strand = env.partners[place].strand;
    let sent = env
        .store
        .drop_files_in(DropState::Sent, strand, DropId::NONE, DROPS);
    let mut written_into = written_into(&env, place, &sent.await?).await;
    written_into.extend(lists_written_into(&env, place).await?);
    Ok(Ok(LyingFiles {
        listing,
        written_into,
    }))
}

/// What lies in `in/`, and what was put away and may have changed since.
async fn listed(
    transport: &dyn Transport,
    terms: ListingTerms,
) -> Result<(Listing, Vec<Candidate>), TransportError> {
    if !transport.capabilities().returns {
        return Err(TransportError::NotOffered);
    }
    transport.sweep().await?;
    let listing = transport.list(terms).await?;
    Ok((listing, transport.changed_since(terms).await?))
}

/// Whether a file that was put away holds bytes that nobody has judged.
async fn has_other_bytes(
    env: &Env,
    place: usize,
    candidate: &Candidate,
) -> Result<bool, StoreError> {
    let transport = &env.partners[place].transport;
    let bytes_max = env.config.limits.return_bytes_max;
    let bytes = match transport.take(candidate, bytes_max).await {
        Ok(bytes) => bytes,
        Err(TransportError::TooLarge { .. }) => candidate.note_unread(),
        // Removed, locked or changed again since it was listed: the next run looks again.
        Err(_) => return Ok(false),
    };
    let partner = &env.rules.partners[place].id;
    let lookup = return_lookup(env, partner, &sha256(&[&bytes]));
    Ok(env.store.return_by_lookup(lookup).await?.is_none())
}

/// How old a file is goes by the machine's clock, whatever time the run was given.
fn terms(env: &Env, collect: &Collect, only: &Only) -> ListingTerms {
    let settle_seconds = if only.settled {
        collect.settle_seconds
    } else {
        0
    };
    ListingTerms {
        now_micros: SystemClock.now().0,
        settle_seconds,
        files_max: env.config.limits.return_files_max,
    }
}

/// What is said of a file that somebody wrote into after it was put away: to its sender, and to whoever runs Kith.
fn said_of_growth(partner: &Partner) -> (Repair, Diagnostic) {
    let repair = Repair {
        code: "changed-after-taken",
        column: None,
        words: "This file has changed since we took it. We have read it again.".to_owned(),
    };
    let what = "a return was written into after it had been taken: it was judged again";
    let place = Where::detail(format!("partner {}", partner.id));
    (repair, Diagnostic::new(Code::ReturnGrown, what, place))
}

fn unusable(error: &UnreadableSheet) -> Unusable {
    Unusable {
        code: Code::ReturnUnreadable,
        kind: error.kind(),
        why: refused::why(error),
        to_do: refused::what_to_do(error),
        limit: error.limit(),
    }
}

/// What stands in the JSON receipt of a file and of no other one in its folder: its name and its size.
fn texts_of(candidate: &Candidate) -> Vec<String> {
    let name = serde_json::Value::from(candidate.name.reveal());
    let bytes = candidate.file_size_bytes;
    vec![format!("\"name\": {name}"), format!("\"bytes\": {bytes},")]
}

/// That a partner's folder holds more than one run takes.
fn more(files_max: usize, place: Where) -> Diagnostic {
    let what = format!(
        "a partner's in folder holds more than the {files_max} files that one run takes: the rest waits for the next"
    );
    Diagnostic::new(Code::ReturnsWait, what, place).fix(how_to_raise("return_files_max"))
}

fn failed(partner: &Partner, code: Code, error: &TransportError) -> Diagnostic {
    Diagnostic::new(
        code,
        error.to_string(),
        Where::detail(format!("partner {}", partner.id)),
    )
}

impl Inbox {
    /// The partner's strand.
    pub(crate) fn strand(&self, env: &Env) -> StrandId {
        env.partners[self.place].strand
    }

    /// The partner.
    pub(crate) fn partner<'e>(&self, env: &'e Env) -> &'e Partner {
        &env.rules.partners[self.place]
    }

    /// What the partner agreed to send back.
    ///
    /// # Errors
    /// Nothing, and yet it has an inbox.
    pub(crate) fn collect<'e>(&self, env: &'e Env) -> anyhow::Result<&'e Collect> {
        let collect = self.partner(env).collect.as_ref();
        collect.ok_or_else(|| anyhow::anyhow!("an inbox of a partner that sends nothing back"))
    }

    /// What is to be said of a candidate that has changed since it was put away; nothing of one that lies in `in/`.
    pub(crate) fn growth(&self, env: &Env, candidate: &Candidate) -> Option<(Repair, Diagnostic)> {
        let is_put_away = candidate.lies_in != LiesIn::Incoming;
        is_put_away.then(|| said_of_growth(self.partner(env)))
    }

    /// Reads a file.
    ///
    /// # Errors
    /// The folder cannot be read, the file is too large, or it is none.
    pub(crate) async fn read(
        &self,
        env: &Env,
        candidate: &Candidate,
    ) -> Result<Vec<u8>, TransportError> {
        if candidate.kind != CandidateKind::File {
            return Err(TransportError::NotRegular { folder: "in" });
        }
        let transport = &env.partners[self.place].transport;
        let bytes_max = env.config.limits.return_bytes_max;
        transport.take(candidate, bytes_max).await
    }

    /// What a file is, of which this was read, and the sheet in it or why there is none.
    ///
    /// # Errors
    /// The store failed, or the folder cannot be read.
    pub(crate) async fn take(
        &self,
        env: &Env,
        candidate: &Candidate,
        bytes: Result<Vec<u8>, TransportError>,
        marks: TableMarks<'_>,
    ) -> anyhow::Result<(TakenReturn, Result<Sheet, Unusable>)> {
        let limits = &env.config.limits;
        let limits = ReadLimits::of(limits);
        let file_size_bytes = match candidate.kind {
            CandidateKind::File => usize::try_from(candidate.file_size_bytes).unwrap_or(usize::MAX),
            _ => 0,
        };
        // What nobody reads is recorded as having come, and answered.
        let (bytes, refused) = match bytes {
            Ok(bytes) => {
                let refused = unsheetlike::by_its_bytes(&bytes);
                (bytes, refused)
            }
            Err(TransportError::TooLarge { .. }) => {
                let too_large = UnreadableSheet::FileTooLarge {
                    bytes: file_size_bytes,
                    bytes_max: limits.file_size_bytes_max,
                };
                (candidate.note_unread(), Some(unusable(&too_large)))
            }
            Err(error) => match unsheetlike::not_opened(candidate, &error) {
                Some(refused) => (candidate.note_unread(), Some(refused)),
                None => return Err(error.into()),
            },
        };
        let whole = bytes.len() == file_size_bytes;
        let sheet = match refused {
            Some(refused) => Err(refused),
            None => CsvText::decode_any(&bytes, &limits)
                .and_then(|text| text.sheet_by(&limits, marks))
                .map_err(|error| unusable(&error)),
        };
        let sha256 = sha256(&[&bytes]);
        let lookup = return_lookup(env, &self.partner(env).id, &sha256);
        let version = env
            .keys
            .lookup(&[b"version", candidate.version.text().as_bytes()]);
        let same = env.store.return_by_lookup(lookup).await?;
        // The same bytes under another time are no newer word.
        let first = same.as_ref().map(|file| file.written);
        let written_micros = first.map_or(candidate.written_micros, |first| {
            first.min(candidate.written_micros)
        });
        let before = match same {
            Some(file) => self.taken_in_before(env, file, version).await?,
            None => None,
        };
        let taken = TakenReturn {
            partner: self.place,
            name: candidate.name.reveal().to_owned(),
            file_size_bytes,
            whole,
            bytes,
            sha256,
            lookup,
            version,
            written_micros,
            of: ReturnId::NONE,
            answers: Vec::new(),
            again: before.as_ref().is_some_and(|(_, again)| *again),
            id: before.as_ref().map_or(ReturnId::NONE, |(file, _)| file.id),
            before: before.map(|(file, _)| file),
        };
        Ok((taken, sheet))
    }

    /// Why a file cannot be used, told apart by its name: one that is called as returns usually are is a return that got lost.
    pub(crate) fn named(&self, env: &Env, candidate: &Candidate, refused: Unusable) -> Unusable {
        let collect = self.partner(env).collect.as_ref();
        let usual = collect.and_then(|collect| Pattern::parse(&collect.file).ok());
        let is_usual = usual.is_none_or(|usual| usual.matches(candidate.name.reveal()));
        match refused.code {
            Code::ReturnUnreadable | Code::ReturnColumns if !is_usual => Unusable {
                code: Code::ReturnForeign,
                ..refused
            },
            _ => refused,
        }
    }

    /// The record of the same bytes, if they need not be judged again: all of them was taken in, by the rules of today, or it is
    /// the very file that an earlier run answered and could not move away.
    async fn taken_in_before(
        &self,
        env: &Env,
        file: ReturnFile,
        version: LookupKey,
    ) -> anyhow::Result<Option<(ReturnFile, bool)>> {
        let Some(earlier) = earlier_return(env, file).await? else {
            return Ok(None);
        };
        let EarlierReturn { file, frame, .. } = earlier;
        let taken_in =
            file.state == RETURN_READ && frame.whole && frame.rules == hex(&self.partner(env).hash);
        Ok((taken_in || file.version == version).then_some((file, taken_in)))
    }

    /// Puts the receipt out, then the file away; `known`: a run has recorded these bytes before.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub(crate) async fn answer(
        &self,
        env: &Env,
        candidate: &Candidate,
        (csv, json): (Vec<u8>, Vec<u8>),
        (how, known): (Acknowledgement, bool),
    ) -> Result<(), TransportError> {
        let transport = &env.partners[self.place].transport;
        // An earlier run answered this very file and could not move it: one receipt is enough.
        let texts = texts_of(candidate);
        if !known || !transport.answered(candidate, &RECEIPTS, texts).await? {
            let receipts = RECEIPTS
                .into_iter()
                .zip([csv, json])
                .map(|(ending, bytes)| Receipt { ending, bytes });
            transport
                .write_receipts(&candidate.name, receipts.collect())
                .await?;
        }
        transport.acknowledge(candidate, how).await?;
        Ok(())
    }

    /// However many things in `in/` are no returns, they are one line.
    pub(crate) fn in_one_line(&self, env: &Env, outcome: &mut StageOutcome) {
        for code in [Code::ReturnForeign, Code::ReturnUnsafe] {
            let of_code = |said: &Diagnostic| said.code() == code;
            let count = outcome
                .diagnostics
                .iter()
                .filter(|said| of_code(said))
                .count();
            if count < 2 {
                continue;
            }
            outcome.diagnostics.retain(|said| !of_code(said));
            let place = format!("partner {}, {count} of them", self.partner(env).id);
            let what = "what lay in a partner's in folder is no return, and was refused";
            let said = Diagnostic::new(code, what, Where::detail(place));
            outcome.diagnostics.push(said);
        }
    }

    /// Answers a file of ours that somebody wrote into; once, as long as its receipt lies there.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub(crate) async fn answer_our_copy(
        &self,
        env: &Env,
        name: &str,
        (csv, json): (Vec<u8>, Vec<u8>),
    ) -> Result<(), TransportError> {
        let receipts = RECEIPTS.into_iter().zip([csv, json]);
        let receipts = receipts.map(|(ending, bytes)| Receipt { ending, bytes });
        let transport = &env.partners[self.place].transport;
        let name = PartnerFileName::new(name.to_owned());
        transport.write_receipts(&name, receipts.collect()).await?;
        Ok(())
    }

    /// Takes a folder that failed for an outcome: the next run answers.
    ///
    /// # Errors
    /// Any other failure.
    pub(crate) fn settled(
        &self,
        env: &Env,
        result: anyhow::Result<()>,
        outcome: &mut StageOutcome,
    ) -> anyhow::Result<()> {
        let Err(error) = result else { return Ok(()) };
        let error = error.downcast::<TransportError>()?;
        let late = failed(self.partner(env), Code::ReceiptFailed, &error);
        outcome.unreachable.push(late);
        Ok(())
    }
}
