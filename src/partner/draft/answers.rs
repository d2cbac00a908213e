//! Writes the events of a draft: how the partner answers.

use super::columns::Guess;
use super::drafted_column::{strangers, why};
use super::events::Event;
use super::text::{DraftText, pair, quoted};
use crate::partner::agreement::PLACEHOLDER;

/// One event of the draft, over the guesses that it is made of.
pub(super) fn one_event(page: &mut DraftText, guesses: &[Guess], event: &Event) {
    page.line("[[collect.event]]");
    match event {
        Event::Attendance { on, value, missed } => {
            page.line("kind = \"attendance\"");
            on_line(page, guesses, *on);
            let usual: &[(&str, &str)] = if *missed {
                &[("Y", "did-not-attend"), ("N", "attended")]
            } else {
                &[("Y", "attended"), ("N", "did-not-attend")]
            };
            value_line(page, guesses, *value, usual, *missed);
        }
        Event::Status { on, value, reason } => {
            page.line("kind = \"status\"");
            on_line(page, guesses, *on);
            let usual = [
                ("Finished", "completed"),
                ("Could not reach", "closed-unsuccessful"),
            ];
            value_line(page, guesses, *value, &usual, false);
            if let Some(guess) = reason.and_then(|column| guesses.get(column)) {
                page.guess(&pair("reason", &guess.header), &why(guess));
            }
        }
        Event::Measure {
            on,
            occasion,
            items,
        } => {
            page.line("kind = \"measure\"");
            page.line("instrument = \"ons4\"");
            match occasion {
                Ok(word) => page.guess(
                    &pair("occasion", word),
                    "by headers or order; the other word is baseline or follow-up",
                ),
                Err(column) => occasion_line(page, guesses, *column),
            }
            on_line(page, guesses, *on);
            let items: Vec<String> = items
                .iter()
                .filter_map(|(item, column)| Some(pair(item, &guesses.get(*column)?.header)))
                .collect();
            page.guess(
                &format!("items = {{ {} }}", items.join(", ")),
                "the four questions of ONS4, each 0 to 10",
            );
        }
        Event::Note { column } => {
            page.line("kind = \"note\"");
            if let Some(guess) = guesses.get(*column) {
                let reads = format!("kept sealed, never pushed; {}", why(guess));
                page.guess(&pair("column", &guess.header), &reads);
            }
        }
    }
}

fn on_line(page: &mut DraftText, guesses: &[Guess], on: Option<usize>) {
    match on.and_then(|column| guesses.get(column)) {
        Some(guess) => page.guess(&pair("on", &guess.header), &why(guess)),
        None => page.fill_in(
            &pair("on", PLACEHOLDER),
            "the header of the column with the day",
        ),
    }
}

fn occasion_line(page: &mut DraftText, guesses: &[Guess], column: usize) {
    let Some(guess) = guesses.get(column) else {
        return;
    };
    let codes = pairs(guess, &[("Start", "baseline"), ("End", "follow-up")], false);
    let line = coded("occasion", &guess.header, &codes);
    page.guess(&line, &strangers(guess));
}

fn value_line(
    page: &mut DraftText,
    guesses: &[Guess],
    column: Option<usize>,
    usual: &[(&str, &str)],
    missed: bool,
) {
    let Some(guess) = column.and_then(|column| guesses.get(column)) else {
        let line = coded("value", PLACEHOLDER, &joined(usual.iter().copied()));
        page.line("# guess: their sheet has a column for the day or the reason, and none for the answer itself");
        page.fill_in(
            &line,
            "the header of the column with the answer, or take the event out",
        );
        return;
    };
    let codes = pairs(guess, usual, missed);
    let line = coded("value", &guess.header, &codes);
    page.guess(&line, &format!("{}; {}", why(guess), strangers(guess)));
}

/// What their words lead to. Where a column asks whether somebody stayed away, a yes is a no.
fn pairs(guess: &Guess, usual: &[(&str, &str)], missed: bool) -> String {
    let turned = |word: &'static str| match word {
        "attended" if missed => "did-not-attend",
        "did-not-attend" if missed => "attended",
        other => other,
    };
    if guess.codes.is_empty() {
        return joined(usual.iter().copied());
    }
    let known = guess.codes.iter();
    joined(known.map(|(theirs, ours)| (theirs.as_str(), turned(ours))))
}

/// A key that takes a column and its codes.
fn coded(key: &str, column: &str, codes: &str) -> String {
    let column = pair("column", column);
    format!("{key} = {{ {column}, codes = {{ {codes} }} }}")
}

/// `Y = "attended", N = "did-not-attend"`, all in quotes.
fn joined<'w>(pairs: impl Iterator<Item = (&'w str, &'w str)>) -> String {
    let pairs = pairs.map(|(theirs, ours)| format!("{} = {}", quoted(theirs), quoted(ours)));
    pairs.collect::<Vec<_>>().join(", ")
}
