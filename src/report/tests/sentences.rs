//! The sentences of the page, each held against a night with known numbers, in both directions: said where it is so, and not
//! where it is not.

use super::*;
use crate::domain::LegState;

fn page(input: &Input) -> String {
    text(&render(input), "report.html")
}

/// The night with its referrals in these states.
fn night_of(states: &[(&str, Option<&str>, u64)]) -> Input {
    let of = |(state, partner, count): &(&str, Option<&str>, u64)| {
        let ended = if LegState::from_code(state).is_some_and(LegState::terminal) {
            Ended::Within
        } else {
            Ended::No
        };
        legs("a", *partner, state, Opened::Within, ended, *count)
    };
    Input {
        legs: states.iter().map(of).collect(),
        ..night()
    }
}

/// A cell of the first month of the funnel, by its heading.
fn funnel(input: &Input, heading: &str) -> String {
    let table = text(&render(input), "tables/funnel.csv");
    let mut lines = table.trim_start_matches('\u{feff}').lines();
    let headings: Vec<&str> = lines.next().unwrap().split(',').collect();
    let place = headings.iter().position(|one| *one == heading);
    let place = place.unwrap_or_else(|| panic!("no {heading} in {headings:?}"));
    let cells: Vec<&str> = lines.next().unwrap().split(',').collect();
    cells[place].to_owned()
}

const ALL_TOLD: &str = "Word has come of every referral that was sent.";
const NO_WORD: &str = "no word has come yet";

#[test]
fn that_the_books_balance_is_not_said_as_if_word_had_come_of_everybody() {
    for (states, said) in [
        (vec![("accepted", Some("p"), 30)], ALL_TOLD),
        (
            vec![("completed", Some("p"), 1), ("rejected", Some("p"), 2)],
            ALL_TOLD,
        ),
        (
            vec![("sent", Some("p"), 1), ("accepted", Some("p"), 8)],
            "Of 1 referral that was sent no word has come yet: see where referrals stand.",
        ),
        (
            vec![
                ("sent", Some("p"), 21),
                ("delivered", Some("q"), 4),
                ("routed", Some("p"), 3),
            ],
            "Of 25 referrals that were sent no word has come yet: see where referrals stand.",
        ),
    ] {
        let page = page(&night_of(&states));
        assert!(page.contains("Yes, everything balances"), "{states:?}");
        assert!(page.contains(said), "{states:?}");
        assert_ne!(
            page.contains(ALL_TOLD),
            page.contains(NO_WORD),
            "{states:?}"
        );
    }
    // A small number is hidden here as everywhere.
    let mut rounded = night_of(&[("sent", Some("p"), 3)]);
    rounded.operations = Operations::Rounded;
    assert!(page(&rounded).contains("Of * referrals that were sent no word has come yet"));
}

#[test]
fn the_funnel_is_called_by_the_states_that_it_counts() {
    let input = night_of(&[
        ("in-progress", Some("p"), 10),
        ("completed", Some("p"), 20),
        ("accepted", Some("p"), 40),
        ("on-hold", Some("p"), 80),
        ("sent", Some("p"), 160),
        ("entered-in-error", None, 320),
        ("entered-in-error", Some("p"), 640),
    ]);
    // Nobody here knows of whom anybody was seen.
    for (heading, wanted) in [
        ("received", 10 + 20 + 40 + 80 + 160 + 320 + 640),
        ("matched", 10 + 20 + 40 + 80 + 160 + 640),
        ("accepted", 10 + 20 + 40 + 80),
        ("under way or completed", 10 + 20),
        ("completed", 20),
        ("entered in error", 320 + 640),
    ] {
        assert_eq!(funnel(&input, heading), wanted.to_string(), "{heading}");
    }
    for file in render(&input) {
        let text = String::from_utf8(file.bytes).unwrap().to_lowercase();
        for untrue in [
            "attending",
            "attended",
            "by mistake",
            "by_mistake",
            "accounted for",
        ] {
            assert!(!text.contains(untrue), "{untrue} in {}", file.name);
        }
    }
    let page = page(&input);
    for said in [
        "Support under way or completed",
        "Taken on, or on its waiting list",
        "Entered in error",
    ] {
        assert!(page.contains(said), "{said}");
    }
}

#[test]
fn what_is_not_in_the_record_is_not_said_to_be_there() {
    let mut input = night();
    for (state, words) in [
        ("in-file", "In a file for the practice to import"),
        ("refused", "Refused by the practice&#39;s system"),
        ("off", "Not asked for"),
        ("queued", "Waiting to be written"),
    ] {
        input.pushes = vec![Pushes {
            source: "a".to_owned(),
            state: state.to_owned(),
            count: 88,
        }];
        let page = page(&input);
        let plain = words.replace("&#39;", "'");
        assert!(page.contains(words) || page.contains(&plain), "{state}");
        assert!(!page.contains("In the record"), "{state}");
        assert!(
            !page.contains("is written once into the GP record"),
            "{state}"
        );
    }
    input.pushes[0].state = "confirmed".to_owned();
    assert!(page(&input).contains("In the record"));
}

#[test]
fn what_waits_is_said_only_where_something_waits() {
    let mut input = night();
    input.held = Vec::new();
    assert!(page(&input).contains("Nothing waits"));
    input.held = vec![held("tie", "practice", 1, 1)];
    let one = page(&input);
    assert!(one.contains("1 entry waits") && !one.contains("Nothing waits"));
    input.held = vec![held("tie", "practice", 1, 18)];
    assert!(page(&input).contains("18 entries wait"));
}
