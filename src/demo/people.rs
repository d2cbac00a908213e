//! The made-up people of the demo: who they are, what is wrong with their referral, and what must become of it.
//!
//! Small tables go in, sixty [`Person`]s come out, always the same. Invariant: everybody carries the outcome that follows
//! from how they were made, so that the script can be held against it. Nobody here exists: NHS numbers are from the
//! range that is never issued, telephone numbers from those kept for drama.

use super::names::{DEBT, GYM, LINK, RIVERSIDE, Row, TROUBLED};
use super::services::To;

/// What is odd about a referral.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Trouble {
    None,
    /// No social-prescribing code: a search never returns it.
    NotCoded,
    Revoked,
    EnteredInError,
    Completed,
    Declined,
    DoNotPerform,
    Draft,
    Proposal,
    OnHold,
    /// On hold at first; the practice makes it active later.
    OnHoldAtFirst,
    MissingPatient,
    BadNumber,
    /// The person is named by NHS number only.
    LogicalSubject,
    Restricted,
    Died,
    Child,
    TooOld,
    NoPostcode,
    OutOfArea,
    NoDestination,
    UnknownPerformer,
    NoConsent,
    Urgent,
    UrgentWhereNotTaken,
    LongNote,
    FormulaNote,
    AwkwardNote,
    /// Names an activity, but no service.
    Unnamed,
}

/// What must have become of a referral when the first night is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ScriptedOutcome {
    /// Not even returned by the search.
    NotServed,
    /// Ended at the practice before it began: reason.
    Closed(&'static str),
    /// Held by select: reason.
    Held(&'static str),
    /// Held by map: reason.
    HeldByMap(&'static str),
    Sent(To),
}

/// One made-up person with one referral.
#[derive(Clone, Debug)]
pub(super) struct Person {
    /// From 1; ids, numbers and addresses follow from it.
    pub(super) number: usize,
    pub(super) prefix: &'static str,
    pub(super) given: &'static str,
    pub(super) family: &'static str,
    pub(super) born: &'static str,
    pub(super) authored_on: &'static str,
    pub(super) to: To,
    pub(super) needs: &'static [Need],
    pub(super) note: String,
    pub(super) trouble: Trouble,
}

/// A need: its SNOMED CT code and its words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Need(pub(super) &'static str, pub(super) &'static str);

const LONELY: Need = Need("267076002", "Feeling lonely");
const ISOLATED: Need = Need("422650009", "Social isolation");
const MONEY: Need = Need("160932005", "Financial problem");
const HOUSING: Need = Need("105531004", "Housing unsatisfactory");
const STRESS: Need = Need("73595000", "Stress");

/// Notes of people about whom nothing is odd, in turn.
const NOTES: [&str; 5] = [
    "Would like to meet people; lost confidence since a bereavement.",
    "",
    "Prefers mornings, hard of hearing, please phone twice.",
    "Café volunteer before, would like to start again.",
    "Sleeping badly.",
];
const AWKWARD: &str = "Says: \"no dogs, please\"; lives alone;\nthe bell is broken, so knock.";
const FORMULA: &str = "=HYPERLINK(\"https://example.org/\",\"click here\")";
/// Longer than any column of the demo takes.
const LONG_WORDS: usize = 150;

/// Everybody, in the order of their numbers.
pub(super) fn people() -> Vec<Person> {
    let plain = [
        (To::Riverside, &RIVERSIDE[..]),
        (To::Debt, &DEBT),
        (To::Gym, &GYM),
        (To::Link, &LINK),
    ];
    let mut people: Vec<Person> = Vec::new();
    for (to, rows) in plain {
        for row in rows {
            people.push(person(people.len() + 1, Trouble::None, to, row));
        }
    }
    for (trouble, to, row) in &TROUBLED {
        people.push(person(people.len() + 1, *trouble, *to, row));
    }
    people
}

fn person(number: usize, trouble: Trouble, to: To, row: Row) -> Person {
    let needs: &'static [Need] = match to {
        To::Riverside => &[LONELY],
        // Two reasons are joined by the very character that parts the columns of this partner's file.
        To::Debt => &[MONEY, HOUSING],
        To::Gym => &[ISOLATED],
        To::Link => &[STRESS],
    };
    let note = match trouble {
        Trouble::LongNote => "and so on ".repeat(LONG_WORDS),
        Trouble::FormulaNote => FORMULA.to_owned(),
        Trouble::AwkwardNote => AWKWARD.to_owned(),
        _ => NOTES
            .get(number % NOTES.len())
            .copied()
            .unwrap_or_default()
            .to_owned(),
    };
    let mut parts = row.split('|');
    let mut part = || parts.next().unwrap_or_default();
    Person {
        number,
        prefix: part(),
        given: part(),
        family: part(),
        born: part(),
        authored_on: part(),
        to,
        needs,
        note,
        trouble,
    }
}

impl Person {
    /// Whether the second of the two practices refers this person.
    pub(super) fn second_practice(&self) -> bool {
        self.number.is_multiple_of(2)
    }

    /// What must have become of the referral when the first night is over.
    pub(super) fn outcome(&self) -> ScriptedOutcome {
        match self.trouble {
            Trouble::NotCoded => ScriptedOutcome::NotServed,
            Trouble::Revoked | Trouble::EnteredInError | Trouble::Completed => {
                ScriptedOutcome::Closed("closed-at-source")
            }
            Trouble::Declined => ScriptedOutcome::Closed("declined-by-person"),
            Trouble::DoNotPerform => ScriptedOutcome::Closed("do-not-perform"),
            Trouble::Draft | Trouble::Proposal => ScriptedOutcome::Held("not-an-order"),
            Trouble::OnHold | Trouble::OnHoldAtFirst => ScriptedOutcome::Held("paused-by-gp"),
            Trouble::MissingPatient => ScriptedOutcome::Held("no-patient"),
            Trouble::BadNumber => ScriptedOutcome::Held("nhs-number"),
            Trouble::Restricted => ScriptedOutcome::Held("restricted"),
            Trouble::Died => ScriptedOutcome::Held("died"),
            Trouble::Child => ScriptedOutcome::Held("child"),
            Trouble::TooOld => ScriptedOutcome::Held("criteria"),
            Trouble::NoPostcode => ScriptedOutcome::Held("no-postcode"),
            Trouble::OutOfArea => ScriptedOutcome::Held("area"),
            Trouble::NoDestination => ScriptedOutcome::Held("no-destination"),
            Trouble::UnknownPerformer => ScriptedOutcome::Held("unknown-partner"),
            Trouble::NoConsent => ScriptedOutcome::Held("consent-missing"),
            Trouble::UrgentWhereNotTaken => ScriptedOutcome::Held("urgent"),
            Trouble::LongNote => ScriptedOutcome::HeldByMap("too-long"),
            Trouble::None
            | Trouble::LogicalSubject
            | Trouble::Urgent
            | Trouble::FormulaNote
            | Trouble::AwkwardNote
            | Trouble::Unnamed => ScriptedOutcome::Sent(self.to),
        }
    }

    /// A number of the range that is never issued; with a wrong check digit where that is the trouble.
    pub(super) fn nhs_number(&self) -> String {
        // Eleven apart, so that stepping over a stem without a check digit never meets the next person.
        let first = 999_000_000 + self.number * 11;
        for stem in first..first + 11 {
            let Some(check) = check_digit(stem) else {
                continue;
            };
            let check = if self.trouble == Trouble::BadNumber {
                (check + 1) % 10
            } else {
                check
            };
            return format!("{stem}{check}");
        }
        String::new()
    }

    /// A mobile number of those kept for drama; digits of the person's number at the end.
    pub(super) fn mobile(&self) -> String {
        format!("+447700900{:03}", self.number)
    }

    /// A postcode in the area of the partner with an area, unless that is the trouble.
    pub(super) fn postcode(&self) -> Option<String> {
        let letter = char::from(b"ABDEFGHJLN"[self.number % 10]);
        match self.trouble {
            Trouble::NoPostcode => None,
            Trouble::OutOfArea => Some(format!("BS10 5{letter}Z")),
            _ if self.number.is_multiple_of(3) => Some(format!("BS2 8{letter}Z")),
            _ => Some(format!("BS1 9{letter}Z")),
        }
    }

    /// The FHIR gender that goes with the prefix.
    pub(super) fn gender(&self) -> &'static str {
        match self.prefix {
            "Mr" => "male",
            "Mx" => "other",
            _ => "female",
        }
    }
}

/// The check digit of nine digits; some have none.
///
/// # Source
/// NHS Data Dictionary, NHS NUMBER: modulus 11, weights 10 to 2.
fn check_digit(stem: usize) -> Option<usize> {
    let mut rest = stem;
    let mut sum = 0;
    for weight in 2..=10 {
        sum += rest % 10 * weight;
        rest /= 10;
    }
    match 11 - sum % 11 {
        11 => Some(0),
        10 => None,
        digit => Some(digit),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::domain::NhsNumber;

    #[test]
    fn everybody_has_a_number_of_their_own_that_nobody_has() {
        let people = people();
        assert_eq!(people.len(), 60);
        let numbers: BTreeSet<String> = people.iter().map(Person::nhs_number).collect();
        assert_eq!(numbers.len(), 60);
        for person in &people {
            let number = NhsNumber::parse(&person.nhs_number());
            assert_eq!(
                number.is_ok(),
                person.trouble != Trouble::BadNumber,
                "person {}",
                person.number
            );
            assert!(number.is_err() || number.unwrap().synthetic());
        }
    }

    #[test]
    fn every_kind_of_fate_and_every_partner_occurs() {
        let people = people();
        let outcomes: BTreeSet<ScriptedOutcome> = people.iter().map(Person::outcome).collect();
        let reasons = [
            "not-an-order",
            "paused-by-gp",
            "no-patient",
            "nhs-number",
            "restricted",
            "died",
            "child",
            "criteria",
            "no-postcode",
            "area",
            "no-destination",
            "unknown-partner",
            "consent-missing",
            "urgent",
        ];
        for reason in reasons {
            assert!(
                outcomes.contains(&ScriptedOutcome::Held(reason)),
                "{reason}"
            );
            assert!(
                crate::domain::Reason::from_code(reason).is_some(),
                "{reason}"
            );
        }
        for to in To::ALL {
            assert!(
                people
                    .iter()
                    .filter(|person| person.outcome() == ScriptedOutcome::Sent(to))
                    .count()
                    >= 7,
                "{}",
                to.name()
            );
        }
        for outcome in [
            ScriptedOutcome::NotServed,
            ScriptedOutcome::HeldByMap("too-long"),
            ScriptedOutcome::Closed("closed-at-source"),
        ] {
            assert!(outcomes.contains(&outcome), "{outcome:?}");
        }
    }

    #[test]
    fn names_have_letters_that_files_lose() {
        let names: Vec<&str> = people()
            .iter()
            .flat_map(|person| [person.given, person.family])
            .collect();
        let names = names.concat();
        for letter in ['ë', 'Ł', 'â', 'ø', 'ü', '\'', 'ú', 'é'] {
            assert!(names.contains(letter), "{letter}");
        }
    }
}
