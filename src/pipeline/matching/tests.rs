//! Random small sheets are read as the definition says it, row by row against every other row.

use std::sync::Arc;

use jiff::civil::{Date, date};
use proptest::prelude::*;

use super::*;
use crate::domain::RowToken;
use crate::partner::Rules;
use crate::partner::agreement::{RuleText, TextKind, built_in};
use crate::pipeline::delivered_rows::Version;
use crate::sheet::{ReadLimits, fold, read as read_table};

const PARTNER: &str = r#"[partner]
id = "elm"
name = "Elm Befriending"
kind = "provider"
identifier = { system = "https://fhir.nhs.uk/Id/ods-organization-code", value = "ZZ901" }
contact = { name = "A. Volunteer", email = "hello@example.org" }
verified_on = 2026-11-01
[select]
activities = ["befriending"]
[share]
basis = "data sharing agreement 2026-014"
fields = ["patient.name", "patient.birth_date", "referral.activity"]
[deliver]
transport = "local"
file = "referrals_{date}_{sequence}.csv"
format = { delimiter = ",", encoding = "utf-8", newline = "lf", quote = "necessary", formula = "escape" }
[[deliver.column]]
header = "Our ref"
from = "leg.reference"
[[deliver.column]]
header = "Action"
from = "leg.action"
CHECK
[[deliver.column]]
header = "Surname"
from = "patient.family"
[[deliver.column]]
header = "Born"
from = "patient.birth_date"
[collect]
transport = "local"
file = "returns*.csv"
reference = "Our ref"
dates = "%Y-%m-%d"
[[collect.event]]
kind = "attendance"
on = "Seen"
value = { column = "Came", codes = { Y = "attended" } }
[[collect.event]]
kind = "status"
on = "Seen"
value = { column = "Outcome", codes = { Done = "completed" } }
"#;
const CHECK: &str = "[[deliver.column]]\nheader = \"Check\"\nfrom = \"leg.check\"";

fn rules(with_check: bool) -> Rules {
    let check = if with_check { CHECK } else { "" };
    let mut texts = built_in();
    texts.push(RuleText {
        kind: TextKind::Partner,
        built_in: false,
        path: "partners/elm.toml".to_owned(),
        text: PARTNER.replace("CHECK", check),
    });
    Rules::from_texts(&texts).unwrap().0
}

/// A version that was sent: which of a few tokens, surname and birth date as delivered.
type Sent = (u8, String, String);

/// A leg of a test: whose it is, on which day of November it ended, what was sent of it.
#[derive(Clone, Debug)]
struct TestLeg {
    own: bool,
    closed: Option<i8>,
    sent: Vec<Sent>,
}

/// A row of a test: the place of its leg (beyond the last: nobody's), token, surname, birth date, day, whether they came, whether it is done.
type TestRow = (usize, Option<u8>, String, String, i8, bool, bool);

/// What is told apart here of how a row ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Fine,
    Ends(Reason),
}

fn token(number: u8) -> String {
    RowToken::from_digest(&[number; 32]).to_string()
}

fn reference_of(place: usize) -> LegReference {
    LegReference::from_random(1 << place)
}

fn november(day: i8) -> Date {
    date(2026, 11, day)
}

/// The definition: a value belongs elsewhere if it was delivered with another leg that the file names, one by one.
fn by_definition(legs: &[TestLeg], rows: &[TestRow], with_check: bool) -> (Vec<Verdict>, bool) {
    let own = |row: &TestRow| legs.get(row.0).filter(|leg| leg.own);
    let written = |row: &TestRow| row.1.filter(|_| with_check);
    let differs = |cell: &str, sent: &str| !cell.is_empty() && fold(cell) != fold(sent);
    let fits = |row: &TestRow, sent: &Sent| match written(row) {
        Some(token) => token == sent.0,
        None => !differs(&row.2, &sent.1) && !differs(&row.3, &sent.2),
    };
    let agrees = |row: &TestRow, leg: &TestLeg| {
        let nothing = leg.sent.is_empty() && written(row).is_none();
        nothing || leg.sent.iter().any(|sent| fits(row, sent))
    };
    let elsewhere = |row: &TestRow, leg: &TestLeg| {
        let others = rows.iter().filter(|other| other.0 != row.0).filter_map(own);
        others.flat_map(|other| &other.sent).any(|theirs| {
            written(row) == Some(theirs.0)
                || leg.sent.iter().any(|ours| {
                    let surname = differs(&row.2, &ours.1) && fold(&row.2) == fold(&theirs.1);
                    let born = differs(&row.3, &ours.2) && fold(&row.3) == fold(&theirs.2);
                    surname || born
                })
        })
    };
    let swapped =
        |row: &&TestRow| own(row).is_some_and(|leg| !agrees(row, leg) && elsewhere(row, leg));
    let sorted = rows.iter().filter(swapped).count() >= 2;
    let ended = |place: usize| {
        let told = rows
            .iter()
            .filter(|row| row.0 == place && row.6)
            .map(|row| row.4);
        told.chain(legs[place].closed).min()
    };
    let verdict = |row: &TestRow| match legs.get(row.0) {
        None => Verdict::Ends(Reason::NotOurPerson),
        Some(leg) if !leg.own => Verdict::Ends(Reason::NotYourReference),
        Some(_) if sorted => Verdict::Ends(Reason::Sorted),
        Some(leg) if !agrees(row, leg) => Verdict::Ends(Reason::IdentityMismatch),
        Some(_) if (row.5 || row.6) && ended(row.0).is_some_and(|day| row.4 > day) => {
            Verdict::Ends(Reason::AfterClose)
        }
        Some(_) => Verdict::Fine,
    };
    (rows.iter().map(verdict).collect(), sorted)
}

fn sheet(rows: &[TestRow]) -> Sheet {
    let mut text = "Born,Our ref,Check,surname,Seen,Came,Outcome\n".to_owned();
    for (place, check, surname, born, day, came, done) in rows {
        let cells = [
            born.clone(),
            reference_of(*place).to_string(),
            check.map_or(String::new(), token),
            surname.clone(),
            november(*day).to_string(),
            if *came { "Y" } else { "" }.to_owned(),
            if *done { "Done" } else { "" }.to_owned(),
        ];
        text.push_str(&cells.join(","));
        text.push('\n');
    }
    read_table(text.as_bytes(), &ReadLimits::default()).unwrap()
}

fn known(legs: &[TestLeg]) -> Legs {
    let headers: Arc<[String]> = ["surname", "born"].map(str::to_owned).into();
    let legs = legs.iter().enumerate().map(|(place, leg)| {
        let version = |(number, surname, born): &Sent| {
            let cells = [surname.as_str(), born].into_iter();
            Version::new(&token(*number), Arc::clone(&headers), cells)
        };
        let delivered = Delivered {
            own: leg.own,
            leg: LegId::new(i64::try_from(place).unwrap() + 1),
            authored_on: None,
            closed_on: leg.closed.map(november),
            versions: leg.sent.iter().map(version).collect(),
        };
        (reference_of(place), delivered)
    });
    legs.collect()
}

/// Few values, so that people share them; in several spellings of the same.
fn surname() -> impl Strategy<Value = String> {
    proptest::sample::select(vec!["", "Ash", "ASH", " ash ", "Birch", "Cedar", "De  Elm"])
        .prop_map(str::to_owned)
}

fn born() -> impl Strategy<Value = String> {
    proptest::sample::select(vec!["", "1950-01-01", "1950-01-02"]).prop_map(str::to_owned)
}

fn leg() -> impl Strategy<Value = TestLeg> {
    let sent = proptest::collection::vec((0..4_u8, surname(), born()), 0..3);
    (
        prop::bool::weighted(0.9),
        prop::option::weighted(0.2, 10..20_i8),
        sent,
    )
        .prop_map(|(own, closed, sent)| TestLeg { own, closed, sent })
}

fn row(legs: usize) -> impl Strategy<Value = TestRow> {
    let done = prop::bool::weighted(0.3);
    let check = prop::option::of(0..5_u8);
    (
        0..=legs,
        check,
        surname(),
        born(),
        10..20_i8,
        any::<bool>(),
        done,
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn verdicts_are_those_of_the_definition_by_pairs(
        (legs, rows) in proptest::collection::vec(leg(), 1..6)
            .prop_flat_map(|legs| {
                let rows = proptest::collection::vec(row(legs.len()), 0..8);
                (Just(legs), rows)
            }),
        with_check in any::<bool>(),
    ) {
        let rules = rules_once(with_check);
        let collect = rules.partners[0].collect.as_ref().unwrap();
        prop_assert_eq!(collect.check.is_some(), with_check);
        let found = read(collect, &sheet(&rows), &known(&legs), november(23));
        let (wanted, sorted) = by_definition(&legs, &rows, with_check);
        let verdicts: Vec<Verdict> = found
            .rows
            .iter()
            .map(|row| row.reason.map_or(Verdict::Fine, Verdict::Ends))
            .collect();
        prop_assert_eq!((verdicts, found.sorted), (wanted, sorted));
    }
}

fn rules_once(with_check: bool) -> &'static Rules {
    static RULES: std::sync::OnceLock<[Rules; 2]> = std::sync::OnceLock::new();
    &RULES.get_or_init(|| [false, true].map(rules))[usize::from(with_check)]
}

/// Rows of one person each, whose references are handed on by one row.
fn rotated(count: usize) -> (Vec<TestLeg>, Vec<TestRow>) {
    let legs = (0..count).map(|place| TestLeg {
        own: true,
        closed: None,
        sent: vec![(0, format!("Name{place}"), String::new())],
    });
    let rows = (0..count).map(|place| {
        let surname = format!("Name{}", (place + 1) % count);
        (place, None, surname, String::new(), 12, true, false)
    });
    (legs.collect(), rows.collect())
}

#[test]
fn two_rows_that_carry_each_others_names_are_a_sorted_column_and_one_is_a_mistake() {
    let rules = rules_once(false);
    let collect = rules.partners[0].collect.as_ref().unwrap();
    let (legs, rows) = rotated(3);
    let finding = read(collect, &sheet(&rows[..2]), &known(&legs), november(23));
    // The second row carries the name of a person whom the file does not name.
    assert!(!finding.sorted);
    let finding = read(collect, &sheet(&rows), &known(&legs), november(23));
    assert!(finding.sorted);
    let sorted = |row: &RowFinding| row.reason == Some(Reason::Sorted);
    assert!(finding.rows.iter().all(sorted));
}
