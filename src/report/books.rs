//! The rooms' books of the day: received = accepted + repeated + rejected + held; what each pull promises; what was written back.

use std::collections::BTreeMap;

use super::input::{Book, Certificate, Input, Source};
use super::table_model::{
    Column, RowUnit, TABLE, TableLayout, TableModel, TableRow, ValueKind, count, meaning, of,
    on_page, text, verdict,
};
use super::tables::{Place, Places, Shown};
use super::words;
use crate::domain::Stage;

const ROOM: [Column; 2] = [
    text("room").about("`pull` … `reconcile`."),
    text("room_words").no_csv().name("Room"),
];

const COUNTS: [Column; 6] = [
    count("received").page("Received"),
    count("accepted").page("Accepted"),
    count("repeated").page("Repeated"),
    count("rejected").page("Rejected"),
    count("held").page("Held"),
    verdict(),
];

const PRACTICE: Column = text("practice").or_none();
const PARTNER: Column = text("partner").or_none();

#[rustfmt::skip]
const BY_ROOM: TableLayout = TableLayout {
    key: "rooms",
    row: ("BookRow", "Received = accepted + repeated + rejected + held."),
    unit: RowUnit::Rows,
    notes: &[
        "Data moves through eight rooms, and every row that entered one left it in exactly one of four ways.",
        "Received = accepted + repeated + rejected + held.",
    ],
    columns: &[&ROOM, &[PRACTICE.no_csv(), PARTNER.no_csv()], &COUNTS],
    ..TABLE
};

const BY_PLACE: TableLayout = TableLayout {
    key: "books",
    columns: &[&ROOM, &[PRACTICE, PARTNER], &COUNTS],
    ..BY_ROOM
};

#[rustfmt::skip]
const REASONS: TableLayout = TableLayout {
    key: "reasons",
    row: ("ReasonRow", "Why rows did not go on, by room."),
    unit: RowUnit::Rows,
    columns: &[
        &ROOM,
        &[
            text("reason"),
            meaning("words").page("Reason"),
            count("rows").page("Rows"),
        ],
    ],
    ..TABLE
};

#[rustfmt::skip]
const CERTIFICATES: TableLayout = TableLayout {
    key: "certificates",
    row: ("CertificateRow", "What the day's last pull of a practice promises."),
    unit: RowUnit::Practices,
    notes: &["Each practice's system was asked for its referrals; this says how far the answer can be relied on."],
    columns: &[&[
        on_page("").name("Practice"),
        text("practice"),
        text("ods_code").csv("ods_code"),
        of(ValueKind::Number, "registered_patients").csv("registered_patients").or_none(),
        text("verdict").or_none().about("`complete`, `complete except …` or `unknown`; nothing if nothing was pulled."),
        meaning("words").page("What it promises"),
        on_page("Changes asked for"),
        text("from").or_none(),
        text("to").or_none(),
        of(ValueKind::Number, "requests").or_none().page("Requests"),
        of(ValueKind::Number, "pages").or_none().page("Pages"),
        count("unresolved").or_none().csv("unresolved references").page("Links not found"),
        text("swept").or_none().page("Everything asked again").about("When everything of the last three months was last asked for again."),
        count("unseen").or_none().csv("found only by the sweep").page("Found only then").about("Requests that this found and no reading had."),
    ]],
    ..TABLE
};

#[rustfmt::skip]
const WRITE_BACK: TableLayout = TableLayout {
    key: "write_back",
    row: ("WriteBackRow", "Entries for a practice's record, in one state."),
    file: "write-back",
    unit: RowUnit::Entries,
    notes: &["What partners report goes into the GP record of the person it is about, once and where the practice asks for it; this says how far each entry has come."],
    columns: &[&[
        text("practice").name("Practice"),
        text("state"),
        meaning("words").page("How far"),
        count("entries").page("Entries"),
    ]],
    ..TABLE
};

/// Received, accepted, repeated, rejected, held.
#[derive(Clone, Copy, Default)]
struct Sum {
    rows: [u64; 5],
    /// One of the books does not balance.
    wrong: bool,
}

impl Sum {
    /// Two books that are wrong by opposite amounts stay wrong together.
    fn add(&mut self, book: &Book) {
        let out = [book.accepted, book.repeated, book.rejected, book.held];
        let sum = out.into_iter().try_fold(0, u64::checked_add);
        self.wrong |= sum != Some(book.received);
        for (sum, count) in self
            .rows
            .iter_mut()
            .zip([book.received].into_iter().chain(out))
        {
            *sum = sum.saturating_add(count);
        }
    }

    fn row(
        self,
        room: String,
        practice: Option<String>,
        partner: Option<String>,
        shown: Shown,
    ) -> TableRow {
        let words = words::room(&room);
        let mut row = vec![room.into(), words.into(), practice.into(), partner.into()];
        row.extend(shown.all(self.rows));
        row.push((!self.wrong).into());
        row
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
pub(super) fn by_room(input: &Input, shown: Shown) -> TableModel {
    let mut sums: BTreeMap<Place, Sum> = Stage::ALL
        .iter()
        .map(|stage| (room(stage.code()), Sum::default()))
        .collect();
    for book in &input.books {
        sums.entry(room(&book.stage)).or_default().add(book);
    }
    let rows = sums.into_iter();
    let rows = rows.map(|((_, room), sum)| sum.row(room, None, None, shown));
    let day = words::day(&input.night);
    let title = format!("Rows through the eight rooms on {day}");
    BY_ROOM.filled(rows.collect(), &[("rooms-table", &title)])
}

/// One row for each room, practice and partner that had rows.
pub(super) fn by_place(input: &Input, shown: Shown, places: &Places<'_>) -> TableModel {
    let mut sums: BTreeMap<(Place, Option<Place>, Option<Place>), Sum> = BTreeMap::new();
    for book in &input.books {
        let practice = book.source.as_deref().map(|id| places.practice(id));
        let partner = book.partner.as_deref().map(|id| places.partner(Some(id)));
        sums.entry((room(&book.stage), practice, partner))
            .or_default()
            .add(book);
    }
    let name = |place: Option<Place>| place.map(|(_, name)| name);
    let rows = sums
        .into_iter()
        .map(|(((_, room), practice, partner), sum)| {
            sum.row(room, name(practice), name(partner), shown)
        });
    BY_PLACE.filled(rows.collect(), &[])
}

/// Why rows did not go on, the commonest reason of each room first.
pub(super) fn reasons(input: &Input, shown: Shown) -> TableModel {
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
    let rows = sorted.into_iter().map(|(((_, room), reason), count)| {
        vec![
            room.as_str().into(),
            words::room(&room).into(),
            reason.into(),
            words::reason(reason).into(),
            shown.cell(count).into(),
        ]
    });
    let part = ("reasons-table", "Why rows did not simply go on");
    REASONS.filled(rows.collect(), &[part])
}

/// What the day's last pull of each practice promises.
pub(super) fn certificates(input: &Input, shown: Shown) -> TableModel {
    let rows = input.sources.iter().map(|source| certified(source, shown));
    let title = "What the last reading of each practice promises";
    CERTIFICATES.filled(rows.collect(), &[("certificates", title)])
}

fn certified(source: &Source, shown: Shown) -> TableRow {
    let certificate = source.certificate.as_ref();
    let text = |of: fn(&Certificate) -> Option<&String>| certificate.and_then(of).cloned();
    let verdict = text(|certificate| Some(&certificate.verdict));
    let mut words = words::certificate(verdict.as_deref());
    if certificate.is_some_and(|certificate| certificate.quiet) {
        words.push_str(words::QUIET);
    }
    let (from, to) = (text(|one| one.from.as_ref()), text(|one| one.to.as_ref()));
    let window = match (&from, &to) {
        (Some(from), Some(to)) => Some(format!("{from} to {to}")),
        (None, Some(to)) => Some(format!("everything to {to}")),
        _ => None,
    };
    let swept = certificate.filter(|certificate| certificate.swept.is_some());
    vec![
        format!("{} ({})", source.name, source.ods_code).into(),
        source.name.as_str().into(),
        source.ods_code.as_str().into(),
        source.registered_patients.into(),
        verdict.into(),
        words.into(),
        window.into(),
        from.into(),
        to.into(),
        certificate.map(|certificate| certificate.requests).into(),
        certificate.map(|certificate| certificate.pages).into(),
        certificate
            .map(|certificate| shown.cell(certificate.unresolved))
            .into(),
        text(|certificate| certificate.swept.as_ref()).into(),
        swept
            .map(|certificate| shown.cell(certificate.unseen))
            .into(),
    ]
}

/// Entries for the practices' records by state; states without entries are left out.
pub(super) fn write_back(input: &Input, shown: Shown, places: &Places<'_>) -> TableModel {
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
    let sums = sums.into_iter().filter(|(_, count)| *count > 0);
    let rows = sums.map(|(((_, practice), _, state), count)| {
        let words = words::push_state(state);
        vec![
            practice.into(),
            state.into(),
            words.into(),
            shown.cell(count).into(),
        ]
    });
    let title = "Entries for the practices' records so far";
    WRITE_BACK.filled(rows.collect(), &[("write-back-table", title)])
}
