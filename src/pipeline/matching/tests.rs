//! Random small sheets are read as the definition says it, row by row against every other row.

use std::sync::Arc;

use jiff::civil::{Date, date};
use proptest::prelude::*;

use super::*;
use crate::domain::RowToken;
use crate::partner::Rules;
use crate::partner::agreement::{RuleText, TextKind, built_in};
use crate::pipeline::delivered_rows::{ComparedAs, ComparedColumn, Version};
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

fn differs(cell: &str, sent: &str) -> bool {
    !cell.trim().is_empty() && fold(cell) != fold(sent)
}

/// How a row stands beside one version: whether it can be this person's, and how many of its values are others.
fn beside(row: &TestRow, token: Option<bool>, sent: &Sent, with_check: bool) -> (bool, usize) {
    let others = usize::from(differs(&row.2, &sent.1)) + usize::from(differs(&row.3, &sent.2));
    let same = |cell: &str, sent: &str| !cell.trim().is_empty() && fold(cell) == fold(sent);
    let guarded =
        !with_check || token == Some(true) || same(&row.2, &sent.1) || same(&row.3, &sent.2);
    // Another birth date, or the only name unlike, is no correction, whatever the token says.
    (others > 0 || token == Some(false) || !guarded, others)
}

/// The definition, row against row.
#[expect(clippy::too_many_lines, reason = "one definition")]
fn by_definition(legs: &[TestLeg], rows: &[TestRow], with_check: bool) -> (Vec<Verdict>, bool) {
    let own = |row: &TestRow| legs.get(row.0).filter(|leg| leg.own);
    let token = |row: &TestRow, leg: &TestLeg| {
        let written = row.1.filter(|_| with_check)?;
        Some(leg.sent.iter().any(|sent| sent.0 == written))
    };
    let best = |row: &TestRow, leg: &TestLeg| {
        let token = token(row, leg);
        let fits = |sent: &&Sent| token != Some(true) || Some(sent.0) == row.1;
        let sent = leg.sent.iter().filter(fits);
        sent.map(|sent| beside(row, token, sent, with_check))
            .min()
            .unwrap_or((with_check, 0))
    };
    let unlike =
        |row: &TestRow, leg: &TestLeg| token(row, leg) == Some(false) || best(row, leg).1 > 0;
    // The legs of the file that a value was delivered with.
    let holders = |is: &dyn Fn(&Sent) -> bool| {
        let named = (0..legs.len()).filter(|place| rows.iter().any(|row| row.0 == *place));
        let named = named.filter(|place| legs[*place].own);
        let with: Vec<usize> = named
            .filter(|place| legs[*place].sent.iter().any(is))
            .collect();
        with
    };
    let elsewhere = |row: &TestRow, leg: &TestLeg| {
        let alone = |with: &[usize]| with.len() == 1 && with[0] != row.0;
        let foreign = token(row, leg) == Some(false);
        if foreign && alone(&holders(&|sent| Some(sent.0) == row.1)) {
            return true;
        }
        let all =
            |differ: &dyn Fn(&Sent) -> bool| !leg.sent.is_empty() && leg.sent.iter().all(differ);
        let mut found = Vec::new();
        if all(&|sent| differs(&row.2, &sent.1)) {
            found.push(holders(&|sent| fold(&row.2) == fold(&sent.1)));
        }
        if all(&|sent| differs(&row.3, &sent.2)) {
            found.push(holders(&|sent| row.3 == sent.2));
        }
        found
            .iter()
            .all(|with| with.iter().any(|place| *place != row.0))
            && found.iter().any(|with| alone(with))
    };
    let swapped =
        |row: &&TestRow| own(row).is_some_and(|leg| unlike(row, leg) && elsewhere(row, leg));
    let sorted = rows.iter().filter(swapped).count() >= 2;
    let fits = |row: &TestRow| own(row).is_some_and(|leg| !best(row, leg).0);
    let ended = |place: usize| {
        let told = rows
            .iter()
            .filter(|row| row.0 == place && row.6 && fits(row) && !sorted)
            .map(|row| row.4);
        told.chain(legs[place].closed).min()
    };
    let verdict = |row: &TestRow| match legs.get(row.0) {
        None => Verdict::Ends(Reason::NotOurPerson),
        Some(leg) if !leg.own => Verdict::Ends(Reason::NotYourReference),
        Some(_) if sorted => Verdict::Ends(Reason::Sorted),
        Some(_) if !fits(row) => Verdict::Ends(Reason::IdentityMismatch),
        Some(leg)
            if (row.5 && ended(row.0).is_some_and(|day| row.4 > day))
                || (row.6 && leg.closed.is_some_and(|day| row.4 > day)) =>
        {
            Verdict::Ends(Reason::AfterClose)
        }
        Some(_) => Verdict::Fine,
    };
    let mut verdicts: Vec<Verdict> = rows.iter().map(verdict).collect();
    for place in 0..legs.len() {
        settle_by_definition(rows, place, &mut verdicts);
    }
    (verdicts, sorted)
}

/// What the rows of one person say together.
fn settle_by_definition(rows: &[TestRow], place: usize, verdicts: &mut [Verdict]) {
    let cells = |row: &TestRow| {
        (
            row.1,
            row.2.trim().to_owned(),
            row.3.clone(),
            row.4,
            row.5,
            row.6,
        )
    };
    let of_leg: Vec<usize> = (0..rows.len()).filter(|at| rows[*at].0 == place).collect();
    for (position, at) in of_leg.iter().enumerate() {
        let earlier = &of_leg[..position];
        let copied = earlier
            .iter()
            .any(|other| cells(&rows[*other]) == cells(&rows[*at]));
        if verdicts[*at] == Verdict::Fine && copied {
            verdicts[*at] = Verdict::Ends(Reason::SameRow);
        }
    }
    let fine = |verdicts: &[Verdict]| -> Vec<usize> {
        let fine = of_leg.iter().filter(|at| verdicts[**at] == Verdict::Fine);
        fine.copied().collect()
    };
    let endings: Vec<usize> = fine(verdicts)
        .into_iter()
        .filter(|at| rows[*at].6)
        .collect();
    if endings.iter().any(|at| rows[*at].4 != rows[endings[0]].4) {
        for at in endings {
            verdicts[at] = Verdict::Ends(Reason::CopiedRow);
        }
    }
    let many = |day: i8, said: &dyn Fn(&TestRow) -> bool| {
        let told = fine(verdicts)
            .into_iter()
            .filter(|at| rows[*at].4 == day && said(&rows[*at]));
        told.count() > 3
    };
    if (10..20).any(|day| many(day, &|row| row.5) || many(day, &|row| row.6)) {
        for at in fine(verdicts) {
            verdicts[at] = Verdict::Ends(Reason::TooManyEvents);
        }
    }
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
    let column = |header: &str, compared_as| ComparedColumn {
        header: header.to_owned(),
        folded: header.to_owned(),
        compared_as,
        days: None,
    };
    let columns: Arc<[ComparedColumn]> = Arc::new([
        column("surname", ComparedAs::Family),
        column("born", ComparedAs::BirthDate),
    ]);
    let legs = legs.iter().enumerate().map(|(place, leg)| {
        let version = |(number, surname, born): &Sent| {
            let cells = [surname.as_str(), born];
            Version::new(&token(*number), Arc::clone(&columns), &cells)
        };
        let delivered = Delivered {
            own: leg.own,
            leg: LegId::new(i64::try_from(place).unwrap() + 1),
            authored_on: None,
            closed_on: leg.closed.map(november),
            ended_on: None,
            versions: leg.sent.iter().map(version).collect(),
        };
        (reference_of(place), delivered)
    });
    legs.collect()
}

fn found(collect: &Collect, rows: &[TestRow], legs: &[TestLeg]) -> FileFinding {
    let found = read(collect, &sheet(rows), &known(legs), november(23));
    found.map_err(|unusable| unusable.why).unwrap()
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
        let found = found(collect, &rows, &legs);
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
    let finding = found(collect, &rows[..2], &legs);
    // The second row carries the name of a person whom the file does not name.
    assert!(!finding.sorted);
    let finding = found(collect, &rows, &legs);
    assert!(finding.sorted);
    let sorted = |row: &RowFinding| row.reason == Some(Reason::Sorted);
    assert!(finding.rows.iter().all(sorted));
}
