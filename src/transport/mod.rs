//! The place where Kith and others exchange files: the trait, and what every kind of transport owes.
//!
//! Finished drops, receipts and reports go in, returns come out. A kind is a folder today. What a kind must keep, whatever carries the files, is the
//! numbered list of [`Transport`]; `contract` holds every kind to it.

#[cfg(test)]
mod contract;
pub(crate) mod file_name;
pub(crate) mod folder;
#[cfg(test)]
mod memory;
#[cfg(test)]
mod memory_far;
#[cfg(test)]
mod memory_in_runs;
pub(crate) mod pattern;
mod transport_error;

use std::future::Future;
use std::pin::Pin;

pub(crate) use file_name::PartnerFileName;
pub(crate) use folder::{FILE_MODE, FolderTransport};
#[cfg(test)]
pub(crate) use memory::MemoryTransport;
pub(crate) use pattern::Pattern;
#[cfg(test)]
use transport_error::Remedy;
pub(crate) use transport_error::TransportError;
use transport_error::{cannot_sync_folders, failed};

/// What a call of a transport gives back, in time.
pub(crate) type Exchanged<'a, T> =
    Pin<Box<dyn Future<Output = Result<T, TransportError>> + Send + 'a>>;

/// Exchanges files with one partner, with an import at a practice, or with whoever reads a report.
///
/// The duties of every kind:
///
/// 1. **Ready.** `prepare` makes what is missing; a second time it changes nothing. Where it was not called, nothing is made: a place that is gone is an error.
/// 2. **Whole or not at all.** The partner sees a file under its name only when all of its bytes are there; a drop's manifest comes after the drop.
/// 3. **Once.** The same drop published again changes nothing, also where the partner has fetched its file since.
/// 4. **A taken name.** Where another file has a drop's name or its manifest's, it stays, and publishing is [`TransportError::NameTaken`].
/// 5. **A crash before the name.** What a run that died left half-written is seen by nobody, is swept, and the drop is published the next time.
/// 6. **A crash after the name.** A drop whose manifest is missing is finished by publishing it again: the same bytes, under the same name.
/// 7. **A lost answer.** Where a drop may have arrived and nothing says so, publishing answers [`Published::Unknown`], which is no error and no success. Asked
///    again, it finds what arrived.
/// 8. **Fate.** What became of a published drop is one of [`DropOutcome`]: it waits; it is gone; the partner acknowledged it; it failed, and why; or the kind
///    cannot say. What cannot be reached is never gone.
/// 9. **Candidates.** A return is taken as it was listed, or not at all. What tells it from another file of its name is an opaque version. What has grown,
///    changed or been replaced since is [`TransportError::Changed`].
/// 10. **A file that grows.** What lies there is a candidate only when it has stood still for the settle time; an empty file, when it stood so for a day.
/// 11. **Record first.** `take` changes nothing at the partner's side: until `acknowledge`, the return is listed again, for a run that died.
/// 12. **Acknowledged once.** After `acknowledge` the return is kept, done or refused, and is listed no more. Nothing is removed or overwritten: a taken name
///     gets ` (2)`. Under the name that `acknowledge` gave, it can be read again.
/// 13. **The same file twice.** A return sent a second time under the same name is a candidate of its own, with a version of its own.
/// 14. **Receipts.** The receipts of one return stand beside each other under one number; the same ones again change nothing.
/// 15. **Full.** Where there is no room, nothing half-written is left, the error says that IT must act, and the same call succeeds once there is room.
/// 16. **Read-only.** Where nothing may be written, the error says that IT must act, and nothing is lost or moved.
/// 17. **Gone.** Where the place is not there, it is an error for IT, not an empty listing and not a drop that was fetched; `prepare_again` does not make it.
/// 18. **Order.** A listing is by the time at which files were written, then by name, and names each file once, whatever order the other side gives.
/// 19. **Names.** A name of ours is one component that hides nothing; a name that is not is [`TransportError::BadName`] before anything is written. A partner's
///     name may be a person's: it is in no error and no `Debug`.
/// 20. **Limits.** No more files are listed than a run takes, and it is said that there are more. No return is read beyond its limit.
/// 21. **Nothing outside.** Plain files alone are read; no link is followed, also not one that is put in place between two steps.
/// 22. **Capabilities.** What a kind cannot do it says beforehand, as data ([`Capabilities`]), and it answers accordingly.
/// 23. **Reports.** A page that can be made again replaces its predecessor whole.
/// 24. **Errors.** Each says what is to be done (`Remedy`): try again, tell the partner, tell IT; and never a path.
/// 25. **Everything is answered.** Whatever lies there is a candidate, a link or folder too, under any name but those that are left alone: it can be
///     acknowledged, and one that is no plain file cannot be taken.
/// 26. **Grown since.** A file that was put away and has changed since its receipt is named, with a version of its own; it can be taken and acknowledged
///     where it lies.
/// 27. **Written into.** Of drops that lie there, every one that somebody has written into is named; one that nobody touched need not be.
/// 28. **Renewed.** A file that can be made again is put where nothing has its name, or in the place of one with the very bytes that it had; what somebody
///     wrote there stays, and is [`TransportError::NameTaken`].
pub(crate) trait Transport: Send + Sync {
    /// What this kind can do.
    fn capabilities(&self) -> Capabilities;

    /// Makes ready what the exchange needs: folders, a session.
    ///
    /// # Errors
    /// [`TransportError`].
    fn prepare(&self) -> Exchanged<'_, ()>;

    /// The same where drops have lain before: what is missing below the place is made, and a place that is gone itself is an error. It may be
    /// a share that is not mounted, where nobody would see what is made in its stead, and where what lies there would count as fetched.
    ///
    /// # Errors
    /// [`TransportError::Gone`], or any other.
    fn prepare_again(&self) -> Exchanged<'_, ()>;

    /// Removes what a run that died left half-written. Called under the partner's lease.
    ///
    /// # Errors
    /// [`TransportError`].
    fn sweep(&self) -> Exchanged<'_, ()>;

    /// Publishes a finished drop and its manifest. Both names are ours, never built from content.
    ///
    /// # Errors
    /// [`TransportError::NameTaken`] if another file has one of the names, and any other: the drop is not there whole. Whether anybody can
    /// have seen a part of it is said by [`TransportError::unseen`].
    fn publish(&self, drop: OutgoingDrop) -> Exchanged<'_, Published>;

    /// What became of a drop that was published under this name.
    ///
    /// # Errors
    /// [`TransportError`].
    fn fate<'a>(&'a self, name: &'a str) -> Exchanged<'a, DropOutcome>;

    /// The bytes of a published drop's file where it still waits; `None` where it does not, or where the kind cannot say.
    ///
    /// # Errors
    /// [`TransportError::NotRegular`] and [`TransportError::TooLarge`] if something else has its name.
    fn reread<'a>(
        &'a self,
        name: &'a str,
        file_size_bytes_max: u64,
    ) -> Exchanged<'a, Option<Vec<u8>>>;

    /// Those of these drops, each with the name of its manifest, that may have been written into since they were published. Whether one
    /// was is told by its bytes; a kind that cannot tell names all of them.
    ///
    /// # Errors
    /// [`TransportError`].
    fn touched(&self, drops: Vec<(String, String)>) -> Exchanged<'_, Vec<String>> {
        let names = drops.into_iter().map(|(name, _)| name).collect();
        Box::pin(std::future::ready(Ok(names)))
    }

    /// Writes files that can be made again, each in place of what has its name. A name may hold folders of ours: `tables/legs.csv`.
    ///
    /// # Errors
    /// [`TransportError`].
    fn replace(&self, files: Vec<OutgoingFile>) -> Exchanged<'_, ()>;

    /// Puts a file of ours beside the drops: where nothing has its name, or in the place of one that holds the bytes of `before`.
    ///
    /// # Errors
    /// [`TransportError::NameTaken`] if something else has the name, and any other: what was there is there, or nothing is.
    fn renew(&self, file: OutgoingFile, before: Option<Vec<u8>>) -> Exchanged<'_, ()>;

    /// Lists what the partner has put in, by the time at which it was written.
    ///
    /// # Errors
    /// [`TransportError`].
    fn list(&self, terms: ListingTerms) -> Exchanged<'_, Listing>;

    /// Names files that were put away, and that may have changed since their receipts were written. Whether one has is told by its bytes.
    ///
    /// # Errors
    /// [`TransportError`].
    fn changed_since(&self, terms: ListingTerms) -> Exchanged<'_, Vec<Candidate>>;

    /// Reads a return that was listed.
    ///
    /// # Errors
    /// [`TransportError::Changed`] if it is no longer the file that was listed, [`TransportError::TooLarge`], [`TransportError::NotRegular`],
    /// [`TransportError::Forbidden`].
    fn take<'a>(
        &'a self,
        candidate: &'a Candidate,
        file_size_bytes_max: u64,
    ) -> Exchanged<'a, Vec<u8>>;

    /// Says that a return was dealt with, once our record of it is durable, and under which name it is kept.
    ///
    /// # Errors
    /// [`TransportError::Changed`] if it is no longer the file that was listed; it stays where it is then.
    fn acknowledge<'a>(
        &'a self,
        candidate: &'a Candidate,
        how: Acknowledgement,
    ) -> Exchanged<'a, PartnerFileName>;

    /// Reads again a return that is kept under this name, done or else refused; nothing if there is none. It is for a person who names one.
    ///
    /// # Errors
    /// [`TransportError::NotRegular`] and [`TransportError::TooLarge`] if something else has its name.
    fn kept<'a>(
        &'a self,
        name: &'a str,
        file_size_bytes_max: u64,
    ) -> Exchanged<'a, Option<Vec<u8>>>;

    /// Whether receipts with these endings were laid down after this very file was: a run answered it and could not move it away. The last of
    /// them has all these texts in it, by which it tells of this file and not of one whose name has the same stem. A kind that cannot tell says
    /// no, and a second receipt says that the file was known.
    ///
    /// # Errors
    /// [`TransportError`].
    fn answered<'a>(
        &'a self,
        _candidate: &'a Candidate,
        _endings: &'static [&'static str],
        _texts: Vec<String>,
    ) -> Exchanged<'a, bool> {
        Box::pin(std::future::ready(Ok(false)))
    }

    /// Writes the receipts of one return beside each other, and says under which names. The same receipts again change nothing.
    ///
    /// # Errors
    /// [`TransportError`].
    fn write_receipts<'a>(
        &'a self,
        of: &'a PartnerFileName,
        receipts: Vec<Receipt>,
    ) -> Exchanged<'a, Vec<String>>;
}

/// What a kind can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Capabilities {
    /// Returns come by it, and receipts go back.
    pub(crate) returns: bool,
    /// It can say that a drop waits, or no longer does.
    pub(crate) sees_fetched: bool,
    /// It can say that the partner acknowledged a drop, or that it failed.
    pub(crate) hears_acknowledged: bool,
    /// Bytes of a name of ours.
    pub(crate) name_bytes_max: usize,
    /// Bytes of one file; `None` where only the disk ends.
    pub(crate) file_size_bytes_max: Option<u64>,
}

impl Capabilities {
    /// Whether a drop is small enough.
    ///
    /// # Errors
    /// [`TransportError::DropTooLarge`].
    pub(crate) fn takes(&self, bytes: &[u8]) -> Result<(), TransportError> {
        match self.file_size_bytes_max {
            Some(file_size_bytes_max) if bytes.len() as u64 > file_size_bytes_max => {
                Err(TransportError::DropTooLarge {
                    file_size_bytes_max,
                })
            }
            _ => Ok(()),
        }
    }
}

/// A drop ready to leave.
#[derive(Clone, Debug)]
pub(crate) struct OutgoingDrop {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) manifest_name: String,
    pub(crate) manifest: Vec<u8>,
}

/// A file that can be made again.
#[derive(Clone, Debug)]
pub(crate) struct OutgoingFile {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
}

/// What publishing a drop did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Published {
    Now,
    /// Its manifest was there already, so the whole drop once was; nothing was written, even if the file has been fetched since.
    Before,
    /// The answer was lost: the drop may be there or not. The record stays *prepared*, and the next run publishes the same bytes again.
    #[cfg_attr(
        not(test),
        expect(
            dead_code,
            reason = "a folder knows its answer; the fake of the tests loses some"
        )
    )]
    Unknown,
}

/// What became of a published drop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DropOutcome {
    /// The partner has not fetched it.
    Waits,
    /// It is no longer where it was published.
    Gone,
    /// The partner said that it has it.
    #[cfg_attr(
        not(test),
        expect(
            dead_code,
            reason = "no partner tells a folder; the fake of the tests does"
        )
    )]
    Acknowledged,
    /// It did not get there, or something else is in its place; `why` names no file.
    Failed { why: &'static str },
    /// This kind cannot say, or not now.
    CannotSay,
}

/// What is listed, and when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ListingTerms {
    pub(crate) now_micros: i64,
    /// How long a file must have stood still; 0 takes it as it is.
    pub(crate) settle_seconds: u32,
    /// The most that one listing gives.
    pub(crate) files_max: usize,
}

impl ListingTerms {
    /// Whether something has stood still long enough since this instant, in microseconds since 1970. One without a byte is not
    /// answered before a day is over, whatever the settle time: it may be the beginning of a copy.
    fn stood_still(&self, since_micros: i64, is_empty: bool) -> bool {
        let settle_seconds = if is_empty {
            self.settle_seconds.max(EMPTY_SECONDS)
        } else {
            self.settle_seconds
        };
        let age = self.now_micros.saturating_sub(since_micros);
        settle_seconds == 0 || age >= i64::from(settle_seconds) * 1_000_000
    }
}

/// How long a file without a byte is waited for.
pub(crate) const EMPTY_SECONDS: u32 = 86_400;

/// What lies in a partner's `in/`.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// What is to be answered now.
    pub(crate) candidates: Vec<Candidate>,
    /// Files that are empty or may still grow.
    pub(crate) waiting: Vec<PartnerFileName>,
    /// Whether there was more than one listing holds; the next run sees the rest.
    pub(crate) more: bool,
}

impl Listing {
    /// Puts it in order, names nothing twice, and cuts it to what one run takes.
    fn in_order(mut self, files_max: usize) -> Self {
        in_order(&mut self.candidates);
        self.waiting.sort();
        self.waiting.dedup();
        if self.candidates.len() > files_max {
            self.candidates.truncate(files_max);
            self.more = true;
        }
        self
    }
}

fn in_order(candidates: &mut Vec<Candidate>) {
    candidates.sort_by(|one, other| {
        (one.written_micros, &one.name).cmp(&(other.written_micros, &other.name))
    });
    candidates.dedup();
}

/// What lies under a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CandidateKind {
    /// A plain file: it alone is read.
    File,
    Symlink,
    Folder,
    /// A FIFO, socket or device.
    Special,
    /// A second name of a file that lies elsewhere.
    HardLink,
}

/// Where something lies that is to be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LiesIn {
    /// `in/`
    Incoming,
    /// Where it was put away: it has changed since.
    PutAway(Acknowledgement),
}

/// Something that is to be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) name: PartnerFileName,
    pub(crate) kind: CandidateKind,
    pub(crate) lies_in: LiesIn,
    pub(crate) file_size_bytes: u64,
    /// When it was written, in microseconds since 1970: what was written later says the newer word.
    pub(crate) written_micros: i64,
    pub(crate) version: CandidateVersion,
}

impl Candidate {
    /// What is kept in place of something that is not read: the same for the same one, and for no other.
    pub(crate) fn note_unread(&self) -> Vec<u8> {
        let Self {
            file_size_bytes,
            version: CandidateVersion(version),
            ..
        } = self;
        format!("a file of {file_size_bytes} bytes that was not read: {version}\n").into_bytes()
    }
}

/// What tells a file from another one of its name. Only the transport that made it can read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CandidateVersion(Box<str>);

impl CandidateVersion {
    /// The same in words that can be kept, to be held against a later one.
    pub(crate) fn text(&self) -> &str {
        &self.0
    }
}

/// How a return was dealt with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Acknowledgement {
    Done,
    Refused,
}

/// One form of a receipt: `ending` is `receipt.csv`, `receipt.json`.
#[derive(Clone, Debug)]
pub(crate) struct Receipt {
    pub(crate) ending: &'static str,
    pub(crate) bytes: Vec<u8>,
}

/// Our own names are made of template text, dates, sequences and ids; this keeps a mistake there from leaving the place.
fn check_own_name(
    name: &str,
    capabilities: Capabilities,
    folder: &'static str,
) -> Result<(), TransportError> {
    let plain = !name.is_empty()
        && name.len() <= capabilities.name_bytes_max
        && !name.starts_with('.')
        && !name.contains(['/', '\\', '\0']);
    plain
        .then_some(())
        .ok_or(TransportError::BadName { folder })
}
