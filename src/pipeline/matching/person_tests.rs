//! Kinds of damage by which an answer would go to somebody else, on the sheet of [`super::kind_tests`].

use super::kind_tests::{HEADING, filled, findings, found, holds};

#[test]
fn answers_that_moved_down_are_known_whatever_moved_with_them() {
    let scores = |person: u8, scores: &str| {
        format!("R{person},C{person},N{person},,,,{scores},05/10/2026,,")
    };
    let days = |person: u8, day: &str| format!("R{person},C{person},N{person},{day},Y,,,,,,,,");
    // The scores alone moved: the day before which they stand was filled in for everybody.
    let moved = [
        scores(1, "7,8,7,2"),
        scores(2, ",,,"),
        scores(3, "6,6,5,3"),
        ",,,,,,,,,7,8,7,2,,,".to_owned(),
    ];
    // Days alone, as a spreadsheet's numbers.
    let serials = [
        days(1, "46300"),
        days(2, ""),
        days(3, "46301"),
        ",,,,,,46302,,,,,,,,,".to_owned(),
    ];
    // Two cells were put in: two rows of answers stand below.
    let twice = [
        days(1, "05/10/2026"),
        days(2, ""),
        days(3, ""),
        ",,,,,,06/10/2026,,,,,,,,,".to_owned(),
        ",,,,,,07/10/2026,,,,,,,,,".to_owned(),
    ];
    // Sums are beyond the scales, and people stand above as they are.
    let sums = [
        scores(1, "7,8,7,2"),
        scores(2, "6,6,5,3"),
        ",,,,,,,,,13,14,12,5,,,".to_owned(),
    ];
    let means = [
        scores(1, "7,8,7,2"),
        ",,,,,,,,,6.5,7.25,6.5,2,,,".to_owned(),
    ];
    let cases = [
        (
            moved.join("\n"),
            "2 1 told; 3 shifted; 4 shifted; 5 shifted",
        ),
        (
            serials.join("\n"),
            "2 1 told day-number; 3 shifted; 4 shifted; 5 shifted",
        ),
        (
            twice.join("\n"),
            "2 1 told; 3 shifted; 4 shifted; 5 shifted; 6 shifted",
        ),
        (sums.join("\n"), "2 1 told; 3 1 told; 4 no-reference"),
        (means.join("\n"), "2 1 told; 3 no-reference"),
    ];
    let cases: Vec<(&str, &str)> = cases
        .iter()
        .map(|(rows, expected)| (rows.as_str(), *expected))
        .collect();
    holds(&cases);
}

#[test]
fn many_unlike_rows_below_the_last_person_put_everybody_in_doubt() {
    let found = |forms: u8| {
        let below: Vec<String> = (1..=forms)
            .map(|form| {
                let full = |at: u8, cell: &'static str| if form >> at & 1 == 1 { cell } else { "" };
                let scores = [full(0, "7"), full(1, "8"), full(2, "7"), full(3, "2")];
                format!(",,,,,,,{},,{},,,\n", full(4, "Y"), scores.join(","))
            })
            .collect();
        let one = "R1,C1,N1,05/10/2026,Y,,7,8,7,2,05/10/2026,,\nR2,C2,N2,,,,,,,,,,";
        let text = filled(&format!("{HEADING}\n{one}\n{}", below.concat()));
        let ended = found("", text.as_bytes()).unwrap();
        ended.split("; ").take(2).collect::<Vec<_>>().join("; ")
    };
    assert_eq!(found(16), "2 2 told; 3 shifted");
    assert_eq!(found(17), "2 shifted; 3 shifted");
}

#[test]
fn a_column_of_their_own_that_moved_too_hides_no_shift() {
    let row = |person: u8, answers: &str, worker: &str| {
        format!("R{person},C{person},N{person},{answers},,,,,,,,,{worker}\n")
    };
    let rows = |last: &str| {
        let rows = row(1, "05/10/2026,Y", "JB") + &row(2, ",", "") + &row(3, "06/10/2026,N", "JB");
        let text = filled(&format!("{HEADING},Worker\n{rows}{last}\n"));
        found("", text.as_bytes()).unwrap()
    };
    assert_eq!(
        rows(",,,,,,07/10/2026,Y,,,,,,,,,JB"),
        "2 1 told; 3 shifted; 4 shifted; 5 shifted"
    );
    // Something of a person, a word for sums, and what no answer is: no answers without their person.
    for last in [
        ",,Pear,,,,07/10/2026,Y,,,,,,,,,JB",
        ",,,,,,,,,7,8,7,2,,,,Mean",
        ",,,,,,,,,,,,,,,,JB",
    ] {
        let found = rows(last);
        assert!(
            found.starts_with("2 1 told; 3 0 told; 4 1 told; 5 "),
            "{found}"
        );
    }
}

#[test]
fn a_quote_that_is_not_closed_takes_nobody_in() {
    let quoted = |cells: &str| {
        let cells: Vec<String> = cells.split(',').map(|cell| format!("\"{cell}\"")).collect();
        cells.join(",")
    };
    let note = |person: u8, note: &str| {
        format!("R{person},C{person},N{person},05/10/2026,Y,{note},7,8,7,2,05/10/2026,,")
    };
    let heading = quoted(&format!("{HEADING},Remarks"));
    let row = |person: u8| quoted(&filled(&format!("{},well", note(person, "well"))));
    let torn = |person: u8| {
        let row = row(person);
        row.trim_end_matches('"').to_owned()
    };
    let all = format!("{heading}\n{}\n{}\n{}\n", torn(1), row(2), row(3));
    assert_eq!(
        found("", all.as_bytes()).unwrap(),
        "2 shifted; 3 3 told; 4 3 told"
    );
    // A name that holds the delimiter stands before the reference; references are kept as text.
    let names = "Who,Our ref,Check,Seen,Came,Remarks";
    let people =
        "\"Pear, Zoë\",R1,C1,05/10/2026,Y,\"said 5\n\"Quince, Ben\",R2,C2,05/10/2026,Y,well\n";
    let sheet = |text: &str| found("", filled(text).as_bytes()).unwrap();
    assert_eq!(
        sheet(&format!("{names}\n{people}")),
        "2 shifted; 3 1 told; columns-not-there columns-not-there columns-not-there"
    );
    let wrapped = format!(
        "{HEADING}\n{}\n{}\n{}",
        note(1, "\"said 5")
            .replace("R1", "=\"R1\"")
            .replace(",7,8,7,2,05/10/2026,,", ""),
        note(2, "well").replace("R2", "=\"R2\""),
        note(3, "well").replace("R3", "=\"R3\"")
    );
    assert_eq!(
        sheet(&wrapped),
        "2 shifted wrapper; 3 3 told wrapper; 4 3 told wrapper; wrapper"
    );
    // The same where nothing closes it.
    let cut = wrapped.replace("=\"R2\"", "'R2").replace("=\"R3\"", "'R3");
    assert_eq!(
        sheet(&cut),
        "2 shifted wrapper; 3 3 told; 4 3 told; wrapper"
    );
}

#[test]
fn a_row_within_a_note_is_asked_about() {
    let rest = "7,8,7,2,05/10/2026,,";
    let one = format!(
        "R1,C1,N1,05/10/2026,Y,\"from last week:\nR2,C2,N2,05/10/2026,Y,well,{rest}\",{rest}"
    );
    let text = format!("{HEADING}\n{one}\nR3,C3,N3,05/10/2026,Y,well,{rest}\n");
    let rows = findings("", filled(&text).as_bytes()).unwrap().rows;
    let ended = rows.iter().map(|row| {
        let reason = row.reason.map_or("", |reason| reason.code());
        (row.line, reason, row.hint.is_some(), row.leg.number())
    });
    assert_eq!(
        ended.collect::<Vec<_>>(),
        [
            (2, "shifted", true, 1),
            (3, "shifted", true, 2),
            (4, "", false, 3)
        ]
    );
}

#[test]
fn people_in_or_above_the_heading_are_not_passed_over() {
    let one = "R1,C1,N1,05/10/2026,Y,,,,,,,,";
    let two = "R2,C2,N2,05/10/2026,Y,,,,,,,,";
    let refused = |text: String| found("", filled(&text).as_bytes()).unwrap_err();
    // Closed with text behind it, with a cell of the row, and by nothing.
    let noted = one.replace("Y,,", "Y,\"note\",");
    for heading in [
        format!("{HEADING},\"Remarks\n{noted}\n{two}\n"),
        format!("{HEADING},\"Remarks\n{one}\"\n{two}\n"),
        format!("{HEADING},\"Remarks\n{one}\n{two}\n"),
    ] {
        assert_eq!(refused(heading), "file-unread:cut");
    }
    // A sign behind a quote takes nothing in.
    let spaced = filled(&format!("{HEADING},\"Remarks\" ?\n{one},\n"));
    assert_eq!(found("", spaced.as_bytes()).unwrap(), "2 1 told");
    let wrong = HEADING.replace("Outcome", "Outcom");
    assert_eq!(
        refused(format!("{wrong}\n{one}\n{HEADING}\n{two}\n")),
        "file-unread:columns"
    );
    // A title may take rows in too.
    assert_eq!(
        refused(format!("\"Returns\n{one}\"\n{HEADING}\n{two}\n")),
        "file-unread:columns"
    );
}

#[test]
fn days_of_rows_that_are_held_say_in_which_order_they_were_written() {
    let rest = "Y,,,,,,,,";
    let rows = |first: &str| format!("{first}\nR2,C2,N2,05/10/2026,{rest}");
    let cases = [
        // A mistyped reference, another person's name, a cell too many, no reference at all.
        (
            rows(&format!("R1x,C1,N1,10/25/2026,{rest}")),
            "2 bad-reference; 3 date-order",
        ),
        (
            rows(&format!(
                "R1,C1,Ashgrove,Lucian,07700 900001,01/10/2026,10/25/2026,{rest}"
            )),
            "2 identity-mismatch; 3 date-order",
        ),
        (
            rows(&format!("R1,C1,N1,10/25/2026,{rest},")),
            "2 shifted; 3 date-order",
        ),
        (
            rows(&format!(",,Pear,,,,10/25/2026,{rest}")),
            "2 no-reference; 3 date-order",
        ),
        (
            rows(&format!("R1x,C1,N1,25/10/2026,{rest}")),
            "2 bad-reference; 3 1 told",
        ),
        (
            format!("R1,C1,N1,2026-10-04T23:00:00Z,{rest}\nR2,C2,N2,2026-11-04T23:00:00Z,{rest}"),
            "2 bad-date; 3 1 told time-left-out",
        ),
    ];
    let cases: Vec<(&str, &str)> = cases
        .iter()
        .map(|(rows, expected)| (rows.as_str(), *expected))
        .collect();
    holds(&cases);
}

#[test]
fn a_word_that_nobody_agreed_on_takes_nothing_back_and_acknowledges_nothing() {
    let keys = "withdrawn = { column = \"Mistake?\", values = [\"X\"] }\n\
        acknowledged = { column = \"Stopped?\", values = [\"Done\"] }";
    let ends = |mistake: &str, stopped: &str| {
        let row = format!("R1,C1,N1,05/10/2026,Y,,,,,,,,,{mistake},{stopped}");
        let text = filled(&format!("{HEADING},Mistake?,Stopped?\n{row}\n"));
        found(keys, text.as_bytes()).unwrap()
    };
    let cases = [
        ("", "", "2 1 told"),
        ("x", "", "2 1 told back"),
        ("'X", "", "2 1 told back"),
        ("\u{A0}X\u{200B}", "", "2 1 told back"),
        ("Yes", "", "2 unknown-code"),
        ("X?", "", "2 unknown-code"),
        ("#N/A", "", "2 error-cell"),
        ("=A1", "", "2 formula"),
        ("", "done", "2 2 told"),
        ("", "'Done", "2 2 told"),
        ("", "Don", "2 unknown-code"),
        ("", "#REF!", "2 error-cell"),
    ];
    for (mistake, stopped, expected) in cases {
        assert_eq!(ends(mistake, stopped), expected, "{mistake} {stopped}");
    }
}

#[test]
fn a_delivered_column_stands_in_for_no_answer_of_nearly_its_name() {
    let keys = "[[deliver.column]]\nheader = \"SEEN\"\nfrom = \"referral.authored_on\"\ndate = \"%d/%m/%Y\"\n";
    let row = "R1,C1,N1,05/10/2026,Y,,,,,,,,";
    let under = |heading: &str, row: &str| {
        let text = filled(&format!("{heading}\n{row}\n"));
        found(keys, text.as_bytes())
    };
    let refused = Err("file-unread:columns".to_owned());
    assert_eq!(under(&HEADING.replace("Seen", "SEEN"), row), refused);
    // Which of the two this is nobody knows.
    assert_eq!(under(&HEADING.replace("Seen", "seen"), row), refused);
    let both = format!("{HEADING},SEEN");
    let twice = format!("{row},01/10/2026");
    assert_eq!(under(&both, &twice).unwrap(), "2 1 told");
    assert_eq!(
        under(&both.replace("Seen", "seen"), &twice).unwrap(),
        "2 1 told"
    );
}

#[test]
fn a_row_below_a_second_heading_is_the_question_of_its_person() {
    let one = "R1,C1,N1,05/10/2026,Y,,,,,,,,";
    let moved = HEADING.replace("Our ref,Check", "Check,Our ref");
    let under = |rows: &str| {
        let text = filled(&format!("{HEADING}\n{rows}\n"));
        let findings = findings("", text.as_bytes()).unwrap().rows;
        let ended = findings.iter().map(|row| {
            let reason = row.reason.map_or("", |reason| reason.code());
            (reason, row.leg.number())
        });
        ended.collect::<Vec<_>>()
    };
    let below = |row: &str| under(&format!("{one}\n{moved}\n{row}"))[2];
    assert_eq!(
        below("C2,R2,N2,05/10/2026,Y,,,,,,,,"),
        ("second-heading", 2)
    );
    assert_eq!(
        below("R2,C2,N2,05/10/2026,Y,,,,,,,,"),
        ("second-heading", 2)
    );
    // Two of them, and none.
    assert_eq!(
        below("R3,R2,N2,05/10/2026,Y,,,,,,,,"),
        ("second-heading", 3)
    );
    assert_eq!(
        below("C2,R2,N2,05/10/2026,Y,R3,,,,,,,"),
        ("second-heading", 0)
    );
    assert_eq!(below("C2,,N2,05/10/2026,Y,,,,,,,,"), ("second-heading", 0));
    // Answers below it stand under other names: they move nobody above.
    assert_eq!(
        under(&format!("{one}\n{moved}\n,,,,,,07/10/2026,Y,,,,,,,,"))[0],
        ("", 1)
    );
    // A cell was put in before the reference.
    assert_eq!(
        under(&format!("{one}\n,R2,C2,N2,05/10/2026,Y,,,,,,,,"))[1],
        ("shifted", 2)
    );
}

#[test]
fn the_columns_of_a_receipt_are_no_columns_of_their_own() {
    let heading = "Result,What is wrong (2),What to do,Our ref,Check,Surname,First name,Phone,Referred,Seen,Came,Comments,Closed,Outcome,LS,W,H,A,Asked";
    let row = "Please correct,The date,Write it,R1,C1,N1,05/10/2026,Y,,,,,,,,";
    let without = |columns: &str, cells: &str, heading: &str| {
        let heading = heading.replace(columns, "");
        let cut = row.strip_suffix(cells).unwrap();
        found("", filled(&format!("{heading}\n{cut}\n")).as_bytes())
    };
    let closing = ",Closed,Outcome";
    assert_eq!(
        without(closing, ",,", heading).unwrap(),
        "2 1 told; columns-not-there"
    );
    // Other columns of theirs may be those of the event.
    let theirs = heading
        .replace("Result", "Ended")
        .replace("What to do", "How");
    assert_eq!(
        without(closing, ",,", &theirs),
        Err("file-unread:columns".to_owned())
    );
}
