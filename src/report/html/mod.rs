//! The report as one HTML page: no script, nothing fetched, prints on A4, readable on a phone.
//!
//! This file is the page: its head and its chapters, each of which opens with one plain sentence; `table` draws the tables. Invariant: every text goes
//! through maud, which escapes it; the style sheet, our own file, is the only exception.

mod charts;
mod table;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use self::table::{count, draw};
use super::input::Operations;
use super::suppress::Cell;
use super::table_model::TableModel;
use super::tables::Report;
use super::words;

/// What the mark of a hidden figure means.
const HIDDEN: &str = "Fewer than 8, hidden to protect people";

/// A chapter: its anchor, its heading, its content.
struct Section {
    id: &'static str,
    heading: &'static str,
    body: Markup,
}

/// Draws the page.
pub(super) fn render(report: &Report) -> String {
    let day = words::day(&report.night);
    let chapters = chapters(report);
    let page = html! {
        (DOCTYPE)
        html lang="en-GB" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="robots" content="noindex";
                title { "Social prescribing: " (report.commissioner_name) ", " (day) }
                style { (PreEscaped(include_str!("report.css"))) }
            }
            body {
                (head(report, &day))
                nav aria-label="Contents" {
                    ul { @for chapter in &chapters { li { a href={ "#" (chapter.id) } { (chapter.heading) } } } }
                }
                main {
                    @for chapter in &chapters {
                        section id=(chapter.id) aria-labelledby={ (chapter.id) "-heading" } {
                            h2 id={ (chapter.id) "-heading" } { (chapter.heading) }
                            (chapter.body)
                        }
                    }
                }
                footer {
                    p { "Made by Kith from its books for " (day) ". The same night made again gives the same page. The tables are also in the folder “tables”, for Excel." }
                }
            }
        }
    };
    page.into_string()
}

/// Every chapter, in the order of the page.
fn chapters(report: &Report) -> Vec<Section> {
    let of_tables: [(_, _, &[&TableModel]); 7] = [
        ("practices", "Was everything read?", &[&report.certificates]),
        ("balance", "The balance", &[&report.balance]),
        (
            "waiting",
            "What waits, and for whom",
            &[&report.waiting, &report.exceptions],
        ),
        (
            "states",
            "Where referrals stand",
            &[&report.states, &report.by_practice, &report.by_partner],
        ),
        ("partners", "Partners", &[&report.partners]),
        (
            "write-back",
            "Back into the GP record",
            &[&report.write_back],
        ),
        ("funnel", "From referral to support", &[&report.funnel]),
    ];
    let rooms = html! { (draw(&report.rooms)) (draw(&report.reasons)) };
    let others = [
        ("outcomes", "What changed for people", outcomes(report)),
        ("rooms", "Every row in the books", rooms),
        ("words", "Words used here", terms()),
    ];
    let drawn = of_tables.map(|(id, heading, tables)| {
        let body = html! { @for table in tables { (draw(table)) } };
        (id, heading, body)
    });
    let all = drawn.into_iter().chain(others);
    all.map(|(id, heading, body)| Section { id, heading, body })
        .collect()
}

fn outcomes(report: &Report) -> Markup {
    html! {
        p {
            "People were asked the same questions at the start and again later; this shows how their answers differ, over all complete months to "
            (words::month(&report.outcomes.to_month)) "."
        }
        @for change in &report.outcomes.instruments {
            figure { figcaption { "Mean score before and after" } (charts::change(change)) }
            (draw(&change.items))
        }
        p class="class" {
            "* " (HIDDEN) ". Other counts are rounded to the nearest 5, and percentages come from the rounded counts. "
            "The questions are reported one by one and never added up. The change is worked out before rounding. "
            "A difference between the two answers does not say what brought it about: there is no group to compare with."
        }
    }
}

fn terms() -> Markup {
    let terms = [
        (
            "Referral to a partner",
            "One request by a GP practice, to one service. A request that goes to two services counts twice.",
        ),
        (
            "Partner",
            "The charity or community service that supports the person.",
        ),
        (
            "Row",
            "One line of a file, or one record read from a practice's system.",
        ),
        (
            "Entry",
            "One thing that waits for a decision, or one record written for the GP system.",
        ),
        (
            "Accepted, repeated, rejected, held",
            "Went on; was seen before; will not go on as it is, and somebody has been told why; waits for a person or an event.",
        ),
        (
            "Confidential services",
            "Services whose name alone would say something about the people who use them; their figures are shown together.",
        ),
        ("*", HIDDEN),
    ];
    html! {
        p { "The words in this report mean the same wherever they stand." }
        dl class="terms" { @for (term, meaning) in terms { dt { (term) } dd { (meaning) } } }
    }
}

fn head(report: &Report, day: &str) -> Markup {
    html! {
        header class="top" {
            p class="over" { "Social prescribing: reconciliation report" }
            h1 { (report.commissioner_name) ", " (day) }
            p {
                "Kith carries referrals from GP practices to charities and community services, and brings back what happened. "
                "This report shows whether any was lost on the way, who has to act, and what changed for people."
            }
            @if report.provisional {
                p class="notice" { "Provisional: the day is not over, so the figures may still change." }
            }
            @if report.operations == Operations::Rounded {
                p class="notice" {
                    "Rounded: every count in this report is rounded to the nearest 5, and 1 to 7 is shown as *. "
                    "Rows may not add up as printed; whether they balance was decided on the exact counts."
                }
            }
            dl class="facts" {
                div class=[(!report.balanced).then_some("wrong")] {
                    dt { "Do the books balance?" }
                    dd class="big" { @if report.balanced { "✓ Yes, everything balances" } @else { "✗ NO, something DOES NOT BALANCE" } }
                    dd {
                        @if report.balanced { "Every row that came in went on, was known before, was rejected with its reason, or waits for somebody. " (word_of(report.without_word)) }
                        @else { "Look for “DOES NOT BALANCE” below, and tell the IT team that runs Kith." }
                    }
                }
                (waiting(report))
                div {
                    dt { "Seal of the day" }
                    @if let Some(seal) = &report.seal_of_day {
                        dd class="seal" { (seal) }
                        dd { "Keep this page: if anyone changes the books of this day later, they will no longer match this seal." }
                    } @else {
                        dd class="big" { "Not sealed yet" }
                        dd { "A day is sealed in the night after it." }
                    }
                }
            }
        }
    }
}

/// Of how many that were sent nothing has come back: that the books balance says nothing of them.
fn word_of(without: Cell) -> String {
    match without {
        Cell::Number(0) => "Word has come of every referral that was sent.".to_owned(),
        Cell::Number(1) => {
            "Of 1 referral that was sent no word has come yet: see where referrals stand."
                .to_owned()
        }
        cell => format!(
            "Of {} referrals that were sent no word has come yet: see where referrals stand.",
            words::count(cell)
        ),
    }
}

/// How much waits, and for whom.
fn waiting(report: &Report) -> Markup {
    let table = &report.waiting;
    let entries = |row| table.count(row, "entries");
    let nothing = Cell::Number(0);
    html! {
        div {
            dt { "What waits for somebody?" }
            @if let Some((total, owners)) = table.rows.split_last() {
                dd class="big" {
                    @if entries(total) == nothing { "Nothing waits" }
                    @else if entries(total) == Cell::Number(1) { "1 entry waits" }
                    @else { (count(entries(total))) " entries wait" }
                }
                @for owner in owners.iter().filter(|owner| entries(owner) != nothing) {
                    dd { (table.text(owner, "words")) ": " (count(entries(owner))) }
                }
            }
        }
    }
}
