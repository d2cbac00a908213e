//! Kinds of damage, each on a sheet of three people: what becomes of each row, and what is said.

use std::sync::Arc;

use jiff::civil::{Date, date};

use super::*;
use crate::domain::RowToken;
use crate::partner::Rules;
use crate::partner::agreement::{RuleText, TextKind, built_in};
use crate::pipeline::delivered_rows::{ComparedAs, ComparedColumn, Version};
use crate::sheet::{CsvText, ReadLimits, TableMarks};

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
fields = ["patient.name", "patient.birth_date", "patient.phone", "referral.authored_on", "referral.activity"]
[deliver]
transport = "local"
file = "referrals_{date}_{sequence}.csv"
format = { delimiter = ",", encoding = "utf-8", newline = "lf", quote = "necessary", formula = "escape" }
[[deliver.column]]
header = "Our ref"
from = "leg.reference"
[[deliver.column]]
header = "Check"
from = "leg.check"
[[deliver.column]]
header = "Action"
from = "leg.action"
[[deliver.column]]
header = "Surname"
from = "patient.family"
[[deliver.column]]
header = "First name"
from = "patient.given"
[[deliver.column]]
header = "Phone"
from = "patient.phone"
[collect]
transport = "local"
file = "returns*.csv"
dates = "%d/%m/%Y"
KEYS
[[collect.event]]
kind = "attendance"
on = "Seen"
value = { column = "Came", codes = { Y = "attended", N = "did-not-attend" } }
[[collect.event]]
kind = "note"
on = "Seen"
column = "Comments"
[[collect.event]]
kind = "measure"
instrument = "ons4"
occasion = "baseline"
on = "Asked"
items = { satisfaction = "LS", worthwhile = "W", happiness = "H", anxiety = "A" }
[[collect.event]]
kind = "status"
on = "Closed"
value = { column = "Outcome", codes = { Finished = "completed", "Réussi" = "completed" } }
"#;
pub(super) const HEADING: &str = "Our ref,Check,Surname,First name,Phone,Referred,Seen,Came,Comments,LS,W,H,A,Asked,Closed,Outcome";
/// Surname, first name and phone as delivered.
pub(super) const PEOPLE: [(&str, &str, &str); 4] = [
    ("Pear", "Zoë", "07700 900001"),
    ("Quince", "Ben", "07700 900002"),
    ("Rowan", "Cleo", "07700 900003"),
    ("Šimić", "Dai", "07700 900003"),
];
const TODAY: Date = date(2026, 11, 23);

fn rules(keys: &str) -> Rules {
    let mut texts = built_in();
    texts.push(RuleText {
        kind: TextKind::Partner,
        built_in: false,
        path: "partners/elm.toml".to_owned(),
        text: PARTNER.replace("KEYS", keys),
    });
    Rules::from_texts(&texts).unwrap().0
}

fn legs() -> Legs {
    let column = |header: &str, compared_as, days: Option<&str>| ComparedColumn {
        header: header.to_owned(),
        folded: header.to_lowercase(),
        compared_as,
        days: days.map(str::to_owned),
    };
    let columns: Arc<[ComparedColumn]> = Arc::new([
        column("Surname", ComparedAs::Family, None),
        column("First name", ComparedAs::Given, None),
        column("Phone", ComparedAs::Phone, None),
        column("Referred", ComparedAs::Day, Some("%d/%m/%Y")),
    ]);
    let known = PEOPLE
        .iter()
        .zip(1_u8..)
        .map(|((family, given, phone), number)| {
            let cells = [*family, *given, *phone, "01/10/2026"];
            let delivered = Delivered {
                own: true,
                leg: LegId::new(i64::from(number)),
                authored_on: Some(date(2026, 10, 1)),
                closed_on: None,
                ended_on: None,
                versions: vec![Version::new(&check(number), Arc::clone(&columns), &cells)],
            };
            (reference_of(number), delivered)
        });
    known.collect()
}

fn reference_of(number: u8) -> LegReference {
    LegReference::from_random(1 << number)
}

fn check(number: u8) -> String {
    RowToken::from_digest(&[number; 32]).to_string()
}

/// `R1`, `C1`, `N1` stand for the first person's reference, check, and names with phone and day of referral.
pub(super) fn filled(text: &str) -> String {
    let mut text = text.to_owned();
    for ((family, given, phone), number) in PEOPLE.iter().zip(1_u8..) {
        let person = format!("{family},{given},{phone},01/10/2026");
        text = text
            .replace(&format!("R{number}"), &reference_of(number).to_string())
            .replace(&format!("C{number}"), &check(number))
            .replace(&format!("N{number}"), &person);
    }
    text
}

/// What is found of a file, or the kind of why it cannot be used.
pub(super) fn findings(keys: &str, bytes: &[u8]) -> Result<FileFinding, String> {
    let rules = rules(keys);
    let collect = rules.partners[0].collect.as_ref().unwrap();
    let heading = heading_of(collect);
    let marks = TableMarks {
        rows_max: 20,
        heading: &heading,
        of_a_row: &is_reference,
    };
    let limits = ReadLimits::default();
    let text = CsvText::decode_any(bytes, &limits).map_err(|error| error.kind().to_owned())?;
    let sheet = text
        .sheet_by(&limits, marks)
        .map_err(|error| error.kind().to_owned())?;
    let kind = |unusable: Unusable| unusable.kind.to_owned();
    let sheet = with_columns(collect, sheet).map_err(kind)?;
    let legs = legs();
    let sheet = in_its_encoding(collect, sheet, bytes, &legs, (&limits, marks)).map_err(kind)?;
    read(collect, &sheet, &legs, TODAY).map_err(kind)
}

/// What becomes of the file: each row's line, its reason or nothing, and the codes of what is said of it; then what is said of all.
pub(super) fn found(keys: &str, bytes: &[u8]) -> Result<String, String> {
    let found = findings(keys, bytes)?;
    let mut told: Vec<String> = Vec::new();
    for row in &found.rows {
        let said: Vec<&str> = row.repairs.iter().map(|repair| repair.code).collect();
        let differs = if row.differing.is_empty() {
            ""
        } else {
            " differs"
        };
        let back = if row.withdrawn { " back" } else { "" };
        let ends = row.reason.map_or_else(
            || format!("{} told{back}", row.events.len()),
            |reason| reason.code().to_owned(),
        );
        told.push(
            format!("{} {ends}{differs} {}", row.line, said.join(" "))
                .trim()
                .to_owned(),
        );
    }
    let all: Vec<&str> = found.repairs.iter().map(|repair| repair.code).collect();
    told.push(all.join(" "));
    Ok(told.join("; ").trim_end_matches("; ").to_owned())
}

pub(super) fn holds(cases: &[(&str, &str)]) {
    for (rows, expected) in cases {
        let text = filled(&format!("{HEADING}\n{rows}\n"));
        let found = found("", text.as_bytes()).unwrap_or_else(|kind| kind);
        assert_eq!(found, *expected, "{rows}");
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "one table, a line or more a kind")]
fn a_row_whose_cells_may_stand_in_other_columns_is_held() {
    let good = "R1,C1,N1,05/10/2026,Y,well,7,8,7,2,05/10/2026,,";
    let cases = [
        (good.to_owned(), "2 3 told"),
        // A comma in a note that nobody quoted, also where the last cell is empty.
        (
            format!("{good}\nR2,C2,N2,05/10/2026,Y,late, tired,7,8,7,2,05/10/2026,,"),
            "2 3 told; 3 shifted",
        ),
        // A cell that was lost, one that was put in, words beside the table.
        (
            format!("{good}\nR2,C2,N2,05/10/2026,Y,7,8,7,2,05/10/2026,,"),
            "2 3 told; 3 shifted",
        ),
        (
            format!("{good}\nR2,C2,N2,05/10/2026,Y,well,,7,8,7,2,05/10/2026,,"),
            "2 3 told; 3 shifted",
        ),
        (
            format!("{good}\nR2,C2,N2,05/10/2026,Y,well,7,8,7,2,05/10/2026,,,rang twice"),
            "2 3 told; 3 shifted",
        ),
        // A quote that is never closed swallows nothing, and only its own row is held.
        (
            format!(
                "R2,C2,N2,05/10/2026,Y,\"well,7,8,7,2,05/10/2026,,\n{good}\nR3,C3,N3,05/10/2026,Y,\"so, so\",7,8,7,2,05/10/2026,,"
            ),
            "2 shifted; 3 3 told; 4 3 told",
        ),
        (
            format!(
                "{good}\nR2,C2,N2,05/10/2026,Y,\"said \\\"fine, bye\\\" and\",7,8,7,2,05/10/2026,,"
            ),
            "2 3 told; 3 shifted",
        ),
        // The note was deleted with the cells behind it moved to the left.
        (
            format!("{good}\nR2,C2,N2,05/10/2026,Y,7,8,7,2,05/10/2026,,,"),
            "2 3 told; 3 out-of-range",
        ),
        (
            format!("{good}\nR2,C2,N2,05/10/2026,Y,7,8,7,2,,05/10/2026,,"),
            "2 3 told; 3 shifted",
        ),
        // The same with nothing asked: the word of the ending stands where its day belongs.
        (
            format!("{good}\nR2,C2,N2,05/10/2026,Y,,,,,,05/11/2026,Finished,"),
            "2 3 told; 3 shifted",
        ),
        // A cell put in before the scores, in a table that is wide enough.
        (
            format!("{good}\nR2,C2,N2,05/10/2026,Y,well,7,8,7,2,,8,"),
            "2 3 told; 3 shifted",
        ),
        // The file ends within the row.
        (
            format!("{good}\n{good}\nR2,C2,N2,05/10/2026,Y,we"),
            "2 3 told; 3 same-row; 4 shifted",
        ),
        // Two files pasted together.
        (
            format!(
                "{good}\n{}",
                "R2;C2;Quince;Ben;;;05/10/2026;Y;well;7;8;7;2;;;"
            ),
            "2 3 told; 3 shifted",
        ),
    ];
    let cases: Vec<(&str, &str)> = cases
        .iter()
        .map(|(rows, expected)| (rows.as_str(), *expected))
        .collect();
    holds(&cases);
    // In a file of a few rows all of them may have a cell too many.
    holds(&[(
        "R1,C1,N1,05/10/2026,Y,late, 4,7,8,7,05/10/2026,,,",
        "2 shifted",
    )]);
    let cut = filled(&format!("{HEADING}\n{good}\nR2,C2,N2,05/10/2026,Y,we"));
    assert_eq!(found("", cut.as_bytes()).unwrap(), "2 3 told; 3 cut");
    let cut = filled(&format!("{HEADING}\n{good}\nR2,C2,N2,05/10/2026,Y,\"we"));
    assert_eq!(found("", cut.as_bytes()), Err("file-unread:cut".to_owned()));
    // Every row without its empty cells at the end is no damage.
    let ragged = filled(&format!(
        "{HEADING}\nR1,C1,N1,05/10/2026,Y\nR2,C2,N2,06/10/2026,N\nR3,C3,N3,07/10/2026,Y"
    ));
    assert_eq!(
        found("", ragged.as_bytes()).unwrap(),
        "2 1 told; 3 1 told; 4 1 told"
    );
    // But a row that ends within an answer may lack a cell, and a day that is a number is none.
    let ragged = filled(&format!(
        "{HEADING}\nR1,C1,N1,05/10/2026,Y\nR2,C2,N2,06/10/2026\nR3,C3,N3,07/10/2026,Y,late, 4,7,8,7,02/10/2026\nR4,C4,N4,,,late, 4,7,8,7,,8"
    ));
    assert_eq!(
        found("", ragged.as_bytes()).unwrap(),
        "2 1 told; 3 shifted; 4 3 told; 5 shifted"
    );
    // Excel leaves off the columns that are empty in sixteen rows, and no others.
    let wide = "R1,C1,N1,05/10/2026,Y,,,,,,,,\n";
    let block = |narrow: &str| filled(&format!("{HEADING}\n{}{}", wide.repeat(15), narrow));
    let narrow = "R2,C2,N2,05/10/2026,Y\n";
    let last = |text: String| {
        found("", text.as_bytes())
            .unwrap()
            .split("; ")
            .last()
            .unwrap()
            .to_owned()
    };
    assert_eq!(last(block(&narrow.repeat(2))), "18 same-row");
    assert_eq!(last(block(narrow)), "17 shifted");
}

#[test]
fn answers_that_moved_down_are_held_from_the_gap_on() {
    let row =
        |person: u8, answers: &str| format!("R{person},C{person},N{person},{answers},,,,,,,,");
    let rows = [
        row(1, "05/10/2026,Y"),
        row(2, ","),
        row(3, "06/10/2026,N"),
        ",,,,,,07/10/2026,Y,,,,,,,,".to_owned(),
    ];
    holds(&[(
        &rows.join("\n"),
        "2 1 told; 3 shifted; 4 shifted; 5 shifted",
    )]);
}

#[test]
fn headings_and_rows_that_name_nobody_are_told_apart_from_people() {
    let one = "R1,C1,N1,05/10/2026,Y,,,,,,,,";
    let two = "R2,C2,N2,05/10/2026,Y,,,,,,,,";
    let moved = HEADING.replace("LS,W,H,A", "A,W,H,LS");
    let cases = [
        (
            format!("{one}\n{HEADING}\n{two}"),
            "2 1 told; 3 not-a-row; 4 1 told; rows-passed-over",
        ),
        (
            format!("{one}\n{moved}\n{two}"),
            "2 1 told; 3 second-heading; 4 second-heading",
        ),
        (
            format!("Monday group,,,,,,,,,,,,,,,\n{one}"),
            "2 not-a-row; 3 1 told; rows-passed-over",
        ),
        (
            format!("{one}\nTotal,,,,,,,,,14,16,14,4,,,"),
            "2 1 told; 3 not-a-row; rows-passed-over",
        ),
        (
            format!("{one}\nPlease ring me about two of these,,,,,,,,,,,,,,,"),
            "2 1 told; 3 not-a-row; rows-passed-over",
        ),
        (
            format!("{one}\nK7M3-9QXD-4T2P,,,,,,,,,,,,,,,"),
            "2 1 told; 3 bad-reference",
        ),
        (
            format!("{one}\n,,,,,,05/10/2026,Y,,,,,,,,"),
            "2 shifted; 3 shifted",
        ),
        (
            format!("{one}\nR1x,C1,N1,05/10/2026,Y,,,,,,,,"),
            "2 1 told; 3 bad-reference",
        ),
    ];
    let cases: Vec<(&str, &str)> = cases
        .iter()
        .map(|(rows, expected)| (rows.as_str(), *expected))
        .collect();
    holds(&cases);
    let said = |text: &str| found("aliases = { \"When\" = \"Seen\" }", filled(text).as_bytes());
    let titled = format!("Returns; spring\nPrinted on, Monday\n\n{HEADING}\n{one}\n");
    assert_eq!(said(&titled).unwrap(), "5 1 told; rows-above");
    let forms = HEADING
        .to_uppercase()
        .replace("CAME", "Came ?")
        .replace("SEEN", "\u{FEFF}Seen");
    assert_eq!(
        said(&format!("{forms}\n{one}\n")).unwrap(),
        "2 1 told; heading-form"
    );
    assert_eq!(
        said(&format!("{}\n{one}\n", HEADING.replace("LS,", "L,"))),
        Err("file-unread:columns".to_owned())
    );
    assert_eq!(
        said(&format!("{}\n{one}\n", HEADING.replace(",A,", ",,"))),
        Err("file-unread:columns".to_owned())
    );
}

#[test]
fn a_column_is_found_by_what_the_partner_calls_it() {
    let text = filled(&format!(
        "{}\nR1,C1,N1,05/10/2026,Y,,,,,,,,\n",
        HEADING.replace("Seen", "When")
    ));
    assert_eq!(
        found("", text.as_bytes()),
        Err("file-unread:columns".to_owned())
    );
    let aliases = "aliases = { \"When\" = \"Seen\" }";
    assert_eq!(
        found(aliases, text.as_bytes()).unwrap(),
        "2 1 told; heading-form"
    );
}

/// Why a file cannot be used, in words.
fn refusal(text: &str) -> String {
    let rules = rules("");
    let collect = rules.partners[0].collect.as_ref().unwrap();
    let heading = heading_of(collect);
    let marks = TableMarks {
        rows_max: 20,
        heading: &heading,
        of_a_row: &is_reference,
    };
    let limits = ReadLimits::default();
    let text = CsvText::decode_any(filled(text).as_bytes(), &limits).unwrap();
    let sheet = text.sheet_by(&limits, marks).unwrap();
    match with_columns(collect, sheet) {
        Err(unusable) => unusable.why,
        Ok(sheet) => read(collect, &sheet, &legs(), TODAY).err().unwrap().why,
    }
}

#[test]
fn a_refusal_has_the_line_that_would_mend_it() {
    let row = "R1,C1,N1,05/10/2026,Y,,,,,,,,\n";
    let misspelt = format!("{}\n{row}", HEADING.replace("Outcome", "Outcomes"));
    assert_eq!(
        refusal(&misspelt),
        "These columns are missing: \"Outcome\". Do you write \"Outcomes\" for \"Outcome\"? \
         Then the team that runs Kith can use this line: aliases = { \"Outcomes\" = \"Outcome\" }"
    );
    // Nothing like it.
    let other = format!("{}\n{row}", HEADING.replace("Outcome", "Z\u{e9}"));
    assert_eq!(refusal(&other), "These columns are missing: \"Outcome\"");
    // Rows of people above the heading are never passed over.
    let part = HEADING.replace("Outcome", "Result");
    let above = format!("{part}\n{row}{HEADING}\n{}", row.replace('1', "2"));
    assert_eq!(
        refusal(&above),
        "Row 2 is about a person. It stands above the column names we agreed on, which are in row 3"
    );
}

#[test]
fn a_sheet_may_lack_an_event_but_not_a_part_of_one() {
    let heading = "Our ref,Check,Surname,First name,Phone,Referred,Seen,Came,Comments";
    let text = filled(&format!("{heading}\nR1,C1,N1,05/10/2026,Y,\n"));
    assert_eq!(
        found("", text.as_bytes()).unwrap(),
        "2 1 told; columns-not-there columns-not-there"
    );
    // As many columns of their own as are missing may be those under other names.
    let renamed = filled(&format!(
        "{heading},Closed,Result\nR1,C1,N1,05/10/2026,Y,,,\n"
    ));
    assert_eq!(
        found("", renamed.as_bytes()),
        Err("file-unread:columns".to_owned())
    );
}

#[test]
fn two_columns_of_one_name_are_read_where_they_agree() {
    let heading = format!("{HEADING},Came");
    let text = filled(&format!(
        "{heading}\nR1,C1,N1,05/10/2026,Y,,,,,,,,,Y\nR2,C2,N2,05/10/2026,Y,,,,,,,,,N\n"
    ));
    assert_eq!(
        found("", text.as_bytes()).unwrap(),
        "2 1 told; 3 two-columns; column-twice"
    );
}

#[test]
fn columns_that_differ_in_capitals_alone_are_two() {
    let heading = format!("{HEADING},CAME");
    let text = filled(&format!(
        "{heading}\nR1,C1,N1,05/10/2026,Y,,,,,,,,,by bus\n"
    ));
    assert_eq!(found("", text.as_bytes()).unwrap(), "2 1 told");
    let text = filled(&format!(
        "{}\nR1,C1,N1,05/10/2026,Y,,,,,,,,,N\n",
        heading.replace(",Came", ",came")
    ));
    assert_eq!(
        found("", text.as_bytes()).unwrap(),
        "2 two-columns; column-twice"
    );
}

#[test]
fn a_row_without_check_and_identity_is_held_unless_references_are_enough() {
    let text = filled("Our ref,Seen,Came,Comments\nR1,05/10/2026,Y,\n");
    let not_there = "columns-not-there columns-not-there";
    assert_eq!(
        found("", text.as_bytes()).unwrap(),
        format!("2 identity-mismatch; {not_there}")
    );
    let optional = "identity = \"optional\"";
    assert_eq!(
        found(optional, text.as_bytes()).unwrap(),
        format!("2 1 told; {not_there}")
    );
    let required = "identity = \"required\"";
    assert_eq!(
        found(required, text.as_bytes()).unwrap(),
        format!("2 identity-mismatch; {not_there}")
    );
}

#[test]
fn a_good_check_excuses_only_its_own_reference() {
    let rest = "01/10/2026,05/10/2026,Y,,,,,,,,";
    let row = |check: &str, person: &str| format!("R1,{check},{person},{rest}");
    let cases = [
        (row("C1", "Pear,Zoë,07700 900001"), "2 1 told"),
        (row("C1", "PEAR,Zoe,7700900001"), "2 1 told"),
        // A new phone, a new family name, another spelling.
        (row("C1", "Pear,Zoë,01632 960001"), "2 1 told differs"),
        (row("C1", "Ashgrove,Zoë,07700 900001"), "2 1 told differs"),
        (row("C1", "Peare,Zoey,07700 900001"), "2 1 told differs"),
        // Somebody else.
        (
            row("C1", "Ashgrove,Lucian,07700 900001"),
            "2 identity-mismatch",
        ),
        (row("", "Pear,Zoë,01632 960001"), "2 identity-mismatch"),
        (
            row("C9C9C9", "Pear,Zoë,07700 900001"),
            "2 identity-mismatch",
        ),
        (row("#N/A", "Pear,Zoë,########"), "2 1 told"),
        (row("", "P?ar,Zoë,"), "2 identity-mismatch"),
        (row("", "Pear,Zo?,"), "2 1 told; lost-letters"),
    ];
    let cases: Vec<(&str, &str)> = cases
        .iter()
        .map(|(rows, expected)| (rows.as_str(), *expected))
        .collect();
    holds(&cases);
    let of = |number: u8, person: &str| format!("R{number},C{number},{person},{rest}\n");
    let swapped = of(1, "Quince,Zoë,07700 900001") + &of(2, "Pear,Ben,07700 900002");
    // A phone that two people have belongs to neither of them alone.
    let couple = of(1, "Pear,Zoë,07700 900003")
        + &of(2, "Quince,Ben,07700 900003")
        + &of(3, "Rowan,Cleo,07700 900003")
        + &of(4, "Šimić,Dai,07700 900003");
    let anothers = of(1, "Quince,Ben,07700 900001") + &of(2, "Quince,Ben,07700 900002");
    holds(&[
        (swapped.trim_end(), "2 sorted; 3 sorted"),
        (
            couple.trim_end(),
            "2 1 told differs; 3 1 told differs; 4 1 told; 5 1 told",
        ),
        (anothers.trim_end(), "2 identity-mismatch; 3 1 told"),
    ]);
}
