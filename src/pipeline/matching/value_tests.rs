//! Kinds of damage to days, numbers, words and letters, and rows of one person, on the sheet of [`super::kind_tests`].

use super::kind_tests::{HEADING, PEOPLE, filled, found, holds};
use crate::domain::limits::{self, EVENTS_A_DAY_MAX};

#[test]
fn days_numbers_and_words_are_read_in_their_forms_or_held() {
    let seen = |day: &str| format!("R1,C1,N1,{day},Y,,,,,,,,");
    let score = |score: &str| format!("R1,C1,N1,,,,{score},8,7,2,05/10/2026,,");
    let word = |word: &str| format!("R1,C1,N1,,,,,,,,,05/10/2026,{word}");
    let cases = [
        (seen("5/10/2026"), "2 1 told"),
        (seen("2026-10-05"), "2 1 told year-first"),
        (seen("05/10/26"), "2 1 told two-digit-year"),
        (seen("46300"), "2 1 told day-number"),
        (seen("5 October 2026"), "2 1 told month-in-words"),
        (seen("05/10/2026 14:30"), "2 1 told time-left-out"),
        (seen("\u{FF10}5/10/2026"), "2 1 told wide-digits"),
        (seen("10/25/2026"), "2 date-order"),
        (seen("31/02/2026"), "2 bad-date"),
        (seen("05/10"), "2 bad-date"),
        (seen("#VALUE!"), "2 error-cell"),
        (seen("=TODAY()"), "2 formula"),
        (seen("12/12/2026"), "2 in-future"),
        (seen("01/08/2026"), "2 too-early"),
        (seen("40000"), "2 bad-date"),
        (score("7.0"), "2 1 told number-form"),
        (score("\"7,0\""), "2 1 told number-form"),
        (score("7E+00"), "2 1 told number-form"),
        (score("7.5"), "2 out-of-range"),
        (score("7/10"), "2 out-of-range"),
        (score("#DIV/0!"), "2 error-cell"),
        (score("=SUM(A1)"), "2 formula"),
        (word("finished"), "2 1 told"),
        (word("R?ussi"), "2 1 told lost-letters"),
        (word("R&#233;ussi"), "2 1 told lost-letters"),
        (word("Finish"), "2 unknown-code"),
        (word("#REF!"), "2 error-cell"),
    ];
    let cases: Vec<(&str, &str)> = cases
        .iter()
        .map(|(rows, expected)| (rows.as_str(), *expected))
        .collect();
    holds(&cases);
}

#[test]
fn one_day_that_only_the_other_order_reads_puts_its_column_in_doubt() {
    let row = |person: u8, referred: &str, seen: &str| {
        let (family, given, phone) = PEOPLE[usize::from(person) - 1];
        format!("R{person},C{person},{family},{given},{phone},{referred},{seen},Y,,,,,,,,\n")
    };
    let doubt = row(1, "01/10/2026", "10/25/2026")
        + &row(2, "01/10/2026", "05/10/2026")
        + &row(3, "01/10/2026", "25/10/2026");
    // Our own days came back exchanged, and the answers agree: the whole file was saved so.
    let proved = row(1, "10/1/2026", "10/25/2026") + &row(2, "10/1/2026", "10/5/2026");
    let against = row(1, "10/1/2026", "25/10/2026") + &row(2, "10/1/2026", "05/10/2026");
    holds(&[
        (doubt.trim_end(), "2 date-order; 3 date-order; 4 1 told"),
        (
            proved.trim_end(),
            "2 1 told order-of-dates; 3 1 told order-of-dates; order-of-dates",
        ),
        (against.trim_end(), "2 1 told; 3 date-order"),
    ]);
}

#[test]
fn the_delivered_names_decide_between_encodings() {
    let text = filled(&format!(
        "{HEADING}\nR1,C1,N1,05/10/2026,Y,caf\u{e9},,,,,,,\n"
    ));
    let mac: Vec<u8> = text
        .chars()
        .map(|c| match c {
            'ë' => 0x91,
            'é' => 0x8E,
            c => u8::try_from(c).unwrap(),
        })
        .collect();
    assert_eq!(found("", &mac).unwrap(), "2 2 told; encoding");
    let twice = text.replace('ë', "Ã«").replace('é', "Ã©");
    assert_eq!(found("", twice.as_bytes()).unwrap(), "2 2 told; encoding");
    let latin: Vec<u8> = text.chars().map(|c| u8::try_from(c).unwrap()).collect();
    assert_eq!(found("", &latin).unwrap(), "2 2 told");
    // Nothing says what such a byte means.
    let none = text.replace("Zoë", "Zo?").replace('é', "\u{81}");
    let none: Vec<u8> = none.chars().map(|c| u8::try_from(c).unwrap()).collect();
    assert_eq!(found("", &none), Err("file-unread:characters".to_owned()));
}

#[test]
fn rows_of_one_person_are_counted_once_or_asked_about() {
    let row = |answers: &str| format!("R1,C1,N1,{answers}\n");
    let measure = |score: u8| row(&format!(",,,{score},8,7,2,05/10/2026,,"));
    let seen = |note: &str| row(&format!("05/10/2026,Y,{note},,,,,,,"));
    limits::holds_at(EVENTS_A_DAY_MAX, |count| {
        let rows: String = (0..count).map(|note| seen(&note.to_string())).collect();
        let text = filled(&format!("{HEADING}\n{rows}"));
        !found("", text.as_bytes())
            .unwrap()
            .contains("too-many-events")
    });
    let cases = [
        (seen("well") + &seen("well"), "2 2 told; 3 same-row"),
        (measure(7) + &measure(4), "2 copied-row; 3 copied-row"),
        // A copy ends as the row of which it is one.
        (
            measure(7) + &measure(4) + &measure(7),
            "2 copied-row; 3 copied-row; 4 copied-row",
        ),
        (
            row(",,,,,,,,05/10/2026,Finished") + &row(",,,,,,,,06/10/2026,Finished"),
            "2 copied-row; 3 copied-row",
        ),
    ];
    let cases: Vec<(&str, &str)> = cases
        .iter()
        .map(|(rows, expected)| (rows.trim_end(), *expected))
        .collect();
    holds(&cases);
}
