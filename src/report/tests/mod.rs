//! The report of a small made-up night, read as its readers read it.

mod night;
mod sentences;

use std::collections::BTreeMap;

use self::night::{book, fact, held, legs, night};
use super::*;

fn text(files: &[Rendered], name: &str) -> String {
    let file = files
        .iter()
        .find(|file| file.name == name)
        .unwrap_or_else(|| panic!("{name} is made"));
    String::from_utf8(file.bytes.clone()).unwrap()
}

/// One item's row of `tables/outcomes.csv`.
fn outcome(input: &Input, item: &str) -> String {
    let table = text(&render(input), "tables/outcomes.csv");
    table
        .lines()
        .find(|line| line.starts_with(&format!("ons4,{item},")))
        .unwrap()
        .to_owned()
}

#[test]
fn the_files_come_in_a_fixed_order_and_their_bytes_survive_the_cube() {
    let input = night();
    let kept: Input = serde_json::from_slice(&serde_json::to_vec(&input).unwrap()).unwrap();
    let files = render(&input);
    assert_eq!(files, render(&kept));
    let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(
        names[..3],
        ["report.html", "report.json", "tables/balance.csv"]
    );
    assert_eq!(names.last(), Some(&"tables/outcomes.csv"));
}

#[test]
fn the_page_runs_nothing_fetches_nothing_and_escapes_names() {
    let page = text(&render(&night()), "report.html");
    assert!(page.starts_with("<!DOCTYPE html><html lang=\"en-GB\">"));
    for forbidden in [
        "<script", "src=", "http:", "https:", "url(", "@import", "<link", "onload", "<Vale>",
    ] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
    assert!(page.contains("Northern &lt;Vale&gt; ICB"));
    assert!(page.contains("Hilltop &amp; Dale Surgery"));
    assert!(page.contains("We cannot promise that nothing was missed at this practice tonight"));
    assert_eq!(
        page.matches("<table").count(),
        page.matches("<caption").count()
    );
    assert_eq!(
        page.matches("<table").count(),
        page.matches("Unit: ").count()
    );
    assert_eq!(page.matches("<svg").count(), 2);
}

#[test]
fn a_night_that_balances_says_so() {
    let files = render(&night());
    assert!(text(&files, "report.html").contains("Yes, everything balances"));
    assert!(!text(&files, "report.html").contains("✗"));
    let table = "\u{feff}practice,opening,received,finished,closing,verdict,unit\r\n\
        Hilltop & Dale Surgery,59,27,12,74,balances,legs\r\n\
        '=cmd|' /C calc'!A0,1003,4,0,1007,balances,legs\r\n\
        All practices,1062,31,12,1081,balances,legs\r\n";
    assert_eq!(text(&files, "tables/balance.csv"), table);
}

#[test]
fn a_leg_that_vanished_is_shown() {
    let mut input = night();
    // Ended by its state, but on no day.
    input.legs[0].state = "completed".to_owned();
    let files = render(&input);
    assert!(text(&files, "report.html").contains("NO, something DOES NOT BALANCE"));
    assert!(
        text(&files, "tables/balance.csv")
            .contains("Hilltop & Dale Surgery,59,27,12,26,DOES NOT BALANCE,legs\r\n")
    );
    assert!(text(&files, "report.json").contains("\"balanced\": false"));
}

#[test]
fn two_wrong_books_do_not_make_a_right_one() {
    let mut input = night();
    input.books[0].received += 1;
    let mut opposite = input.books[0].clone();
    opposite.received -= 2;
    input.books.push(opposite);
    let files = render(&input);
    assert!(
        text(&files, "tables/rooms.csv").contains("pull,72,62,8,2,0,DOES NOT BALANCE,rows\r\n")
    );
    assert!(text(&files, "report.json").contains("\"balanced\": false"));
}

#[test]
fn sensitive_partners_are_one_row_without_a_name() {
    for file in render(&night()) {
        let text = String::from_utf8(file.bytes).unwrap();
        for name in ["Zebra", "Walnut", "q_2026", "r_2026"] {
            assert!(!text.contains(name), "{name} in {}", file.name);
        }
    }
    let table = text(&render(&night()), "tables/partners.csv");
    assert!(table.contains(
        "\"Confidential services, together\",,82,,,,17 17,240,14,6,2,12,,,260,180,60,12,8,5,rows\r\n"
    ));
    assert!(table.contains("Riverside Allotments,charity,41,p_20261122_000042.csv,2026-11-22,42,17,120,7,3,1,6,2026-11-15,7,130,90,30,6,4,5,rows\r\n"));
}

#[test]
fn ages_fall_into_their_bands() {
    let table = text(&render(&night()), "tables/waiting.csv");
    assert!(table.contains("practice,Practice,0,4,2,1,7,entries\r\n"));
    assert!(table.contains("ig,Information governance,4,1,0,0,5,entries\r\n"));
    assert!(table.contains("partner,Partner,0,0,6,0,6,entries\r\n"));
    assert!(table.contains("total,All,4,5,8,1,18,entries\r\n"));
}

#[test]
fn people_are_suppressed_and_anxiety_improves_by_falling() {
    let input = night();
    // 18 of 37 better: 20 of 35 as shown.
    assert_eq!(
        outcome(&input, "satisfaction"),
        "ons4,satisfaction,Life satisfaction,2026-10,higher,35,5.0,5.7,0.7,20,57,10,29,people"
    );
    assert_eq!(
        outcome(&input, "worthwhile"),
        "ons4,worthwhile,Worthwhile,2026-10,higher,*,*,*,*,*,*,0,*,people"
    );
    assert_eq!(
        outcome(&input, "anxiety"),
        "ons4,anxiety,Anxiety,2026-10,lower,35,6.1,4.2,-1.8,25,71,10,29,people"
    );
}

#[test]
fn a_follow_up_of_this_month_or_recorded_in_it_waits_for_its_month() {
    let mut input = night();
    let before = render(&input);
    let mut fresh = fact("happiness", 1, 9, 40);
    fresh.issue = "2026-11".to_owned();
    input.facts.push(fresh.clone());
    fresh.month = "2026-11".to_owned();
    input.facts.push(fresh);
    assert_eq!(render(&input), before);
}

#[test]
fn the_funnel_counts_by_where_referrals_stand() {
    let table = text(&render(&night()), "tables/funnel.csv");
    assert!(table.contains("2026-11,31,25,0,0,0,0,0,1,0,0,legs\r\n"));
    assert!(table.contains("2026-10,1092,1092,1090,87,39,2,0,0,0,0,legs\r\n"));
}

#[test]
fn rounded_operations_hide_small_counts_and_say_so() {
    let mut input = night();
    input.operations = Operations::Rounded;
    let files = render(&input);
    assert!(text(&files, "report.html").contains("Rounded: every count"));
    assert!(
        text(&files, "tables/balance.csv")
            .contains("Hilltop & Dale Surgery,60,25,10,75,balances,legs\r\n")
    );
    let json: serde_json::Value = serde_json::from_str(&text(&files, "report.json")).unwrap();
    assert_eq!(json["waiting"][1]["days_2_7"], "*");
    assert_eq!(json["operations"], "rounded");
}

#[test]
fn an_empty_night_is_a_report_too() {
    let empty = Input {
        sources: Vec::new(),
        partners: Vec::new(),
        legs: Vec::new(),
        held: Vec::new(),
        books: Vec::new(),
        pushes: Vec::new(),
        facts: Vec::new(),
        seal_of_day: None,
        ..night()
    };
    let page = text(&render(&empty), "report.html");
    assert!(
        page.contains("Nothing waits")
            && page.contains("Not sealed yet")
            && page.contains("Yes, everything balances")
    );
}

#[test]
fn what_this_version_does_not_know_is_never_printed_as_it_came() {
    let mut input = night();
    input.held.push(held("TOKEN", "TOKEN", 3, 1));
    input.legs.push(legs(
        "a",
        Some("TOKEN"),
        "TOKEN",
        Opened::Within,
        Ended::No,
        1,
    ));
    input.books.push(Book {
        reasons: BTreeMap::new(),
        ..book("TOKEN", [1, 0, 0, 0], &[])
    });
    let page = text(&render(&input), "report.html");
    assert!(!page.contains("TOKEN"));
    assert!(page.contains("Not known to this version") && page.contains("DOES NOT BALANCE"));
}

#[test]
fn the_schema_names_every_part_of_the_document() {
    let schema: serde_json::Value = serde_json::from_str(&schema()).unwrap();
    let json: serde_json::Value =
        serde_json::from_str(&text(&render(&night()), "report.json")).unwrap();
    for part in json.as_object().unwrap().keys() {
        assert!(schema["properties"].get(part).is_some(), "{part}");
    }
}
