//! Three partners' sheets: how each is written, in which order its columns stand, and what each cell of them is.

use std::sync::LazyLock;

use super::draw::Draw;
use super::people::MadePerson;
use crate::partner::agreement::{RuleText, TextKind, built_in};
use crate::partner::{Collect, Rules};
use crate::pipeline::delivered_rows::{ComparedAs, ComparedColumn};
use crate::sheet::{TextEncoding, fold};

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holds {
    Reference,
    Check,
    Action,
    NhsNumber,
    Family,
    Given,
    FullName,
    Born,
    Phone,
    Address,
    Postcode,
    Referred,
    /// Words that were delivered and are compared with nothing.
    Wanted,
    /// A column of the partner's own.
    Own,
    Seen,
    Came,
    /// The day of a questionnaire, by its place; the layout may ask on the day of the session.
    Asked(usize),
    Score(usize, usize),
    Note,
    Closed,
    Outcome,
    Why,
}

/// A column by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MadeColumn {
    pub(super) name: &'static str,
    pub(super) holds: Holds,
}

/// How a partner writes.
pub(super) struct Style {
    delivered: &'static [(&'static str, Holds)],
    /// Answers that stand side by side.
    groups: &'static [&'static [(&'static str, Holds)]],
    collect: &'static str,
    pub(super) delimiter: char,
    pub(super) encoding: TextEncoding,
    pub(super) newline: &'static str,
    pub(super) quote_all: bool,
    pub(super) days: &'static str,
    /// Came, stayed away, cancelled.
    pub(super) came: [&'static str; 3],
    /// Done, lost.
    pub(super) outcomes: [&'static str; 2],
    /// Questionnaires in it.
    pub(super) measures: usize,
    /// The day of the questionnaire is that of the session.
    pub(super) asked_when_seen: bool,
    pub(super) reasons: bool,
}

/// A partner's sheet.
pub(super) struct MadeLayout {
    pub(super) style: &'static Style,
    pub(super) columns: Vec<MadeColumn>,
    rules: &'static Rules,
}

static RULES: LazyLock<[Rules; 3]> = LazyLock::new(|| STYLES.each_ref().map(rules));

static STYLES: [Style; 3] = [
    Style {
        delivered: &[
            ("Our ref", Holds::Reference),
            ("Check", Holds::Check),
            ("What", Holds::Action),
            ("Surname", Holds::Family),
            ("First name", Holds::Given),
            ("Date of birth", Holds::Born),
            ("Phone", Holds::Phone),
            ("Postcode", Holds::Postcode),
            ("Date of referral", Holds::Referred),
            ("Reason", Holds::Wanted),
        ],
        groups: &[
            &[("Session date", Holds::Seen), ("Attended?", Holds::Came)],
            &[
                ("First met", Holds::Asked(0)),
                ("LS1", Holds::Score(0, 0)),
                ("W1", Holds::Score(0, 1)),
                ("H1", Holds::Score(0, 2)),
                ("A1", Holds::Score(0, 3)),
            ],
            &[("Comments", Holds::Note)],
            &[
                ("Last met", Holds::Asked(1)),
                ("LS2", Holds::Score(1, 0)),
                ("W2", Holds::Score(1, 1)),
                ("H2", Holds::Score(1, 2)),
                ("A2", Holds::Score(1, 3)),
            ],
            &[("Closed on", Holds::Closed), ("Outcome", Holds::Outcome)],
        ],
        collect: COMMA,
        delimiter: ',',
        encoding: TextEncoding::Utf8Bom,
        newline: "\r\n",
        quote_all: false,
        days: "%d/%m/%Y",
        came: ["Y", "N", "C"],
        outcomes: ["Finished", "Could not reach"],
        measures: 2,
        asked_when_seen: false,
        reasons: false,
    },
    Style {
        delivered: &[
            ("REF", Holds::Reference),
            ("TYPE", Holds::Action),
            ("NAME", Holds::FullName),
            ("TEL", Holds::Phone),
            ("WHY", Holds::Wanted),
        ],
        groups: &[
            &[("Date seen", Holds::Seen), ("Came", Holds::Came)],
            &[("Remarks", Holds::Note)],
            &[
                ("SAT", Holds::Score(0, 0)),
                ("WORTH", Holds::Score(0, 1)),
                ("HAPPY", Holds::Score(0, 2)),
                ("ANX", Holds::Score(0, 3)),
                ("Date asked", Holds::Asked(0)),
            ],
            &[("Date left", Holds::Closed), ("Result", Holds::Outcome)],
        ],
        collect: SEMICOLON,
        delimiter: ';',
        encoding: TextEncoding::Windows1252,
        newline: "\r\n",
        quote_all: true,
        days: "%d/%m/%Y",
        came: ["Yes", "No", "Rang"],
        outcomes: ["Réussi", "Lost touch"],
        measures: 1,
        asked_when_seen: false,
        reasons: false,
    },
    Style {
        delivered: &[
            ("Reference", Holds::Reference),
            ("NHS no", Holds::NhsNumber),
            ("Family", Holds::Family),
            ("Given", Holds::Given),
            ("Born", Holds::Born),
            ("Address", Holds::Address),
            ("Tel", Holds::Phone),
            ("Token", Holds::Check),
            ("Group", Holds::Own),
        ],
        groups: &[
            &[("Day", Holds::Seen), ("Here", Holds::Came)],
            &[("Notes", Holds::Note)],
            &[
                ("Satisfied", Holds::Score(0, 0)),
                ("Worthwhile", Holds::Score(0, 1)),
                ("Happy", Holds::Score(0, 2)),
                ("Anxious", Holds::Score(0, 3)),
            ],
            &[
                ("Ended", Holds::Closed),
                ("How", Holds::Outcome),
                ("Why", Holds::Why),
            ],
        ],
        collect: TAB,
        delimiter: '\t',
        encoding: TextEncoding::Utf8,
        newline: "\n",
        quote_all: false,
        days: "%Y-%m-%d",
        came: ["yes", "no", "called off"],
        outcomes: ["All done", "Gone"],
        measures: 1,
        asked_when_seen: true,
        reasons: true,
    },
];

const HEAD: &str = r#"[partner]
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
fields = ["patient.name", "patient.birth_date", "patient.phone", "patient.postcode", "patient.address", "patient.nhs_number", "referral.authored_on", "referral.reason", "referral.activity"]
[deliver]
transport = "local"
file = "referrals_{date}_{sequence}.csv"
format = { delimiter = ",", encoding = "utf-8", newline = "lf", quote = "necessary", formula = "escape" }
"#;

const COMMA: &str = r#"
[collect]
transport = "local"
file = "returns*"
dates = "%d/%m/%Y"
[[collect.event]]
kind = "attendance"
on = "Session date"
value = { column = "Attended?", codes = { Y = "attended", N = "did-not-attend", C = "cancelled-by-person" } }
[[collect.event]]
kind = "measure"
instrument = "ons4"
occasion = "baseline"
on = "First met"
items = { satisfaction = "LS1", worthwhile = "W1", happiness = "H1", anxiety = "A1" }
[[collect.event]]
kind = "measure"
instrument = "ons4"
occasion = "follow-up"
on = "Last met"
items = { satisfaction = "LS2", worthwhile = "W2", happiness = "H2", anxiety = "A2" }
[[collect.event]]
kind = "note"
on = "Session date"
column = "Comments"
[[collect.event]]
kind = "status"
on = "Closed on"
value = { column = "Outcome", codes = { "Finished" = "completed", "Could not reach" = "closed-unsuccessful" } }
"#;

const SEMICOLON: &str = r#"
[collect]
transport = "local"
file = "returns*"
dates = "%d/%m/%Y"
[[collect.event]]
kind = "attendance"
on = "Date seen"
value = { column = "Came", codes = { Yes = "attended", No = "did-not-attend", Rang = "cancelled-by-person" } }
[[collect.event]]
kind = "measure"
instrument = "ons4"
occasion = "baseline"
on = "Date asked"
items = { satisfaction = "SAT", worthwhile = "WORTH", happiness = "HAPPY", anxiety = "ANX" }
[[collect.event]]
kind = "note"
on = "Date seen"
column = "Remarks"
[[collect.event]]
kind = "status"
on = "Date left"
value = { column = "Result", codes = { "Réussi" = "completed", "Lost touch" = "closed-unsuccessful" } }
"#;

const TAB: &str = r#"
[collect]
transport = "local"
file = "returns*"
dates = "%Y-%m-%d"
[[collect.event]]
kind = "attendance"
on = "Day"
value = { column = "Here", codes = { yes = "attended", no = "did-not-attend", "called off" = "cancelled-by-person" } }
[[collect.event]]
kind = "measure"
instrument = "ons4"
occasion = "baseline"
on = "Day"
items = { satisfaction = "Satisfied", worthwhile = "Worthwhile", happiness = "Happy", anxiety = "Anxious" }
[[collect.event]]
kind = "note"
on = "Day"
column = "Notes"
[[collect.event]]
kind = "status"
on = "Ended"
value = { column = "How", codes = { "All done" = "completed", "Gone" = "closed-unsuccessful" } }
reason = "Why"
"#;

fn field(holds: Holds) -> Option<&'static str> {
    Some(match holds {
        Holds::Reference => "leg.reference",
        Holds::Check => "leg.check",
        Holds::Action => "leg.action",
        Holds::NhsNumber => "patient.nhs_number",
        Holds::Family => "patient.family",
        Holds::Given => "patient.given",
        Holds::FullName => "patient.name",
        Holds::Born => "patient.birth_date",
        Holds::Phone => "patient.phone",
        Holds::Address => "patient.address",
        Holds::Postcode => "patient.postcode",
        Holds::Referred => "referral.authored_on",
        Holds::Wanted => "referral.reason",
        _ => return None,
    })
}

/// A sheet of one of the three styles; the groups of its answers stand in any order.
pub(super) fn layout(number: usize, draw: &mut Draw) -> MadeLayout {
    let style = &STYLES[number % STYLES.len()];
    let mut groups = style.groups.to_vec();
    if draw.once_in(2) {
        for last in (1..groups.len()).rev() {
            groups.swap(last, draw.below(last + 1));
        }
    }
    let answers = groups.into_iter().flatten();
    let columns = style.delivered.iter().chain(answers);
    MadeLayout {
        style,
        columns: columns
            .map(|(name, holds)| MadeColumn {
                name,
                holds: *holds,
            })
            .collect(),
        rules: &RULES[number % STYLES.len()],
    }
}

fn rules(style: &Style) -> Rules {
    let columns = style.delivered.iter().filter_map(|(name, holds)| {
        let field = field(*holds)?;
        let day = match holds {
            Holds::Born | Holds::Referred => format!("date = \"{}\"\n", style.days),
            _ => String::new(),
        };
        Some(format!(
            "[[deliver.column]]\nheader = \"{name}\"\nfrom = \"{field}\"\n{day}"
        ))
    });
    let columns: String = columns.collect();
    let mut texts = built_in();
    texts.push(RuleText {
        kind: TextKind::Partner,
        built_in: false,
        path: "partners/elm.toml".to_owned(),
        text: [HEAD, &columns, style.collect].concat(),
    });
    Rules::from_texts(&texts).expect("a partner file").0
}

impl MadeLayout {
    pub(super) fn collect(&self) -> &Collect {
        self.rules.partners[0].collect.as_ref().expect("answers")
    }

    /// Whether a check goes out with each row.
    pub(super) fn checked(&self) -> bool {
        self.place(Holds::Check).is_some()
    }

    /// The place of a column from 0.
    pub(super) fn place(&self, holds: Holds) -> Option<usize> {
        self.columns.iter().position(|column| column.holds == holds)
    }

    pub(super) fn heading(&self) -> Vec<String> {
        let names = self.columns.iter().map(|column| column.name.to_owned());
        names.collect()
    }

    /// As what a column is compared with what was sent.
    pub(super) fn compared(&self, column: &MadeColumn) -> Option<ComparedColumn> {
        let compared_as = match column.holds {
            Holds::NhsNumber => ComparedAs::NhsNumber,
            Holds::Family => ComparedAs::Family,
            Holds::Given => ComparedAs::Given,
            Holds::FullName => ComparedAs::FullName,
            Holds::Born => ComparedAs::BirthDate,
            Holds::Phone => ComparedAs::Phone,
            Holds::Address => ComparedAs::Address,
            Holds::Postcode => ComparedAs::Postcode,
            Holds::Referred => ComparedAs::Day,
            _ => return None,
        };
        let day = matches!(column.holds, Holds::Born | Holds::Referred);
        Some(ComparedColumn {
            header: column.name.to_owned(),
            folded: fold(column.name),
            compared_as,
            days: day.then(|| self.style.days.to_owned()),
        })
    }

    /// The cell of a person in a column that was delivered; empty in any other.
    pub(super) fn delivered_cell(&self, holds: Holds, person: &MadePerson) -> String {
        match holds {
            Holds::Reference => person.reference.to_string(),
            Holds::Check => person.check.clone(),
            Holds::Action => "NEW".to_owned(),
            Holds::NhsNumber => person.nhs_number.clone(),
            Holds::Family => person.family.clone(),
            Holds::Given => person.given.clone(),
            Holds::FullName => format!("Ms {} {}", person.given, person.family),
            Holds::Born => person.born.strftime(self.style.days).to_string(),
            Holds::Phone => person.phone.clone(),
            Holds::Address => person.address.clone(),
            Holds::Postcode => person.postcode.clone(),
            Holds::Referred => person.referred.strftime(self.style.days).to_string(),
            Holds::Wanted => "Lonely; wants company, by day".to_owned(),
            _ => String::new(),
        }
    }
}
