//! The rooms' books of the day: received = accepted + repeated + rejected + held; what each pull promises; what was written back.

use std::collections::BTreeMap;

use super::input::{Book, Input};
use super::tables::{CertificateRow, Place, Places, ReasonRow, RoomRow, Shown, WriteBackRow};
use super::words;
use crate::domain::Stage;

#[derive(Clone, Copy, Default)]
struct Sum {
    received: u64,
    accepted: u64,
    repeated: u64,
    rejected: u64,
    held: u64,
    /// One of the books does not balance.
    wrong: bool,
}

impl Sum {
    /// Two books that are wrong by opposite amounts stay wrong together.
    fn add(&mut self, book: &Book) {
        let out = [book.accepted, book.repeated, book.rejected, book.held]
            .into_iter()
            .try_fold(0, u64::checked_add);
        self.wrong |= out != Some(book.received);
        for (sum, count) in [
            (&mut self.received, book.received),
            (&mut self.accepted, book.accepted),
            (&mut self.repeated, book.repeated),
            (&mut self.rejected, book.rejected),
            (&mut self.held, book.held),
        ] {
            *sum = sum.saturating_add(count);
        }
    }

    fn row(
        self,
        room: String,
        practice: Option<String>,
        partner: Option<String>,
        shown: Shown,
    ) -> RoomRow {
        RoomRow {
            room_words: words::room(&room).to_owned(),
            room,
            practice,
            partner,
            received: shown.cell(self.received),
            accepted: shown.cell(self.accepted),
            repeated: shown.cell(self.repeated),
            rejected: shown.cell(self.rejected),
            held: shown.cell(self.held),
            balances: !self.wrong,
        }
    }
}

/// Place of a room in the loop, and its name.
fn room(code: &str) -> Place {
    Stage::from_code(code).map_or((usize::MAX, "unknown".to_owned()), |stage| {
        (
            usize::try_from(stage.number()).unwrap_or(usize::MAX),
            stage.code().to_owned(),
        )
    })
}

/// One row for each of the eight rooms, also for those in which nothing happened.
pub(super) fn by_room(input: &Input, shown: Shown) -> Vec<RoomRow> {
    let mut sums: BTreeMap<Place, Sum> = Stage::ALL
        .iter()
        .map(|stage| (room(stage.code()), Sum::default()))
        .collect();
    for book in &input.books {
        sums.entry(room(&book.stage)).or_default().add(book);
    }
    sums.into_iter()
        .map(|((_, room), sum)| sum.row(room, None, None, shown))
        .collect()
}

/// One row for each room, practice and partner that had rows.
pub(super) fn by_place(input: &Input, shown: Shown, places: &Places<'_>) -> Vec<RoomRow> {
    let mut sums: BTreeMap<(Place, Option<Place>, Option<Place>), Sum> = BTreeMap::new();
    for book in &input.books {
        let practice = book.source.as_deref().map(|id| places.practice(id));
        let partner = book.partner.as_deref().map(|id| places.partner(Some(id)));
        sums.entry((room(&book.stage), practice, partner))
            .or_default()
            .add(book);
    }
    let name = |place: Option<Place>| place.map(|(_, name)| name);
    sums.into_iter()
        .map(|(((_, room), practice, partner), sum)| {
            sum.row(room, name(practice), name(partner), shown)
        })
        .collect()
}

/// Why rows did not go on, the commonest reason of each room first.
pub(super) fn reasons(input: &Input, shown: Shown) -> Vec<ReasonRow> {
    let mut sums: BTreeMap<(Place, &str), u64> = BTreeMap::new();
    for book in &input.books {
        for (reason, count) in book.reasons.iter().filter(|(_, count)| **count > 0) {
            let sum = sums.entry((room(&book.stage), reason)).or_default();
            *sum = sum.saturating_add(*count);
        }
    }
    let mut sorted: Vec<((Place, &str), u64)> = sums.into_iter().collect();
    sorted.sort_by(
        |((room, reason), count), ((other_room, other_reason), other)| {
            room.cmp(other_room)
                .then(other.cmp(count))
                .then(reason.cmp(other_reason))
        },
    );
    sorted
        .into_iter()
        .map(|(((_, room), reason), count)| ReasonRow {
            room_words: words::room(&room).to_owned(),
            room,
            reason: reason.to_owned(),
            words: words::reason(reason).to_owned(),
            rows: shown.cell(count),
        })
        .collect()
}

/// What the day's last pull of each practice promises.
pub(super) fn certificates(input: &Input, shown: Shown) -> Vec<CertificateRow> {
    input
        .sources
        .iter()
        .map(|source| {
            let certificate = source.certificate.as_ref();
            let mut words =
                words::certificate(certificate.map(|certificate| certificate.verdict.as_str()));
            if certificate.is_some_and(|certificate| certificate.quiet) {
                words.push_str(words::QUIET);
            }
            let swept = certificate.filter(|certificate| certificate.swept.is_some());
            CertificateRow {
                practice: source.name.clone(),
                ods_code: source.ods_code.clone(),
                registered_patients: source.registered_patients,
                verdict: certificate.map(|certificate| certificate.verdict.clone()),
                words,
                from: certificate.and_then(|certificate| certificate.from.clone()),
                to: certificate.and_then(|certificate| certificate.to.clone()),
                requests: certificate.map(|certificate| certificate.requests),
                pages: certificate.map(|certificate| certificate.pages),
                unresolved: certificate.map(|certificate| shown.cell(certificate.unresolved)),
                swept: swept.and_then(|certificate| certificate.swept.clone()),
                unseen: swept.map(|certificate| shown.cell(certificate.unseen)),
            }
        })
        .collect()
}

/// Entries for the practices' records by state; states without entries are left out.
pub(super) fn write_back(input: &Input, shown: Shown, places: &Places<'_>) -> Vec<WriteBackRow> {
    let mut sums: BTreeMap<(Place, usize, &str), u64> = BTreeMap::new();
    for pushes in &input.pushes {
        let order = words::PUSH_STATES
            .iter()
            .position(|(state, _)| *state == pushes.state)
            .unwrap_or(usize::MAX);
        let sum = sums
            .entry((places.practice(&pushes.source), order, &pushes.state))
            .or_default();
        *sum = sum.saturating_add(pushes.count);
    }
    sums.into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(((_, practice), _, state), count)| WriteBackRow {
            practice,
            state: state.to_owned(),
            words: words::push_state(state).to_owned(),
            entries: shown.cell(count),
        })
        .collect()
}
