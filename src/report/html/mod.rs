//! The report as one HTML page: no script, nothing fetched, prints on A4, readable on a phone.
//!
//! This file is the page: its head, the list of its chapters, and how a table is drawn; `books` and `referrals` are the chapters, each of which opens
//! with one plain sentence. Invariant: every text goes through maud, which escapes it; the style sheet, our own file, is the only exception.

mod books;
mod charts;
mod referrals;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::input::Operations;
use super::suppress::Cell;
use super::tables::Report;
use super::words;

/// What the mark of a hidden figure means.
const HIDDEN: &str = "Fewer than 8, hidden to protect people";

/// Bytes from which a text gets a wide column.
const LONG: usize = 40;

/// The units of the tables.
const LEGS: &str = "referrals to a partner (one referral to two partners counts twice)";
const ROWS: &str = "rows";
const ENTRIES: &str = "entries";

/// A chapter: its anchor, its heading, its content.
struct Section {
    id: &'static str,
    heading: &'static str,
    body: Markup,
}

/// A cell of a table.
enum Value {
    Text(String),
    /// Short lines, one below the other.
    Lines(Vec<String>),
    /// Drawn as a number, to the right.
    Figure(String),
    Count(Cell),
    Verdict(bool),
}

/// A column: its heading, and what stands in it. One whose heading begins with `#` holds figures.
type GridColumn<Row, T = Value> = (&'static str, fn(&Row) -> T);

/// A table.
struct Grid<'a, Row> {
    rows: &'a [Row],
    id: &'a str,
    caption: &'a str,
    unit: &'a str,
    /// What a row is about.
    name: GridColumn<Row, String>,
    columns: &'a [GridColumn<Row>],
    /// The last row is the sum of the others.
    total: bool,
}

impl<Row> Grid<'_, Row> {
    /// Draws the table in a box that scrolls on its own on a narrow screen, and can be reached with the keyboard.
    fn draw(&self) -> Markup {
        let caption = format!("{}-caption", self.id);
        let total = self.rows.len().checked_sub(1).filter(|_| self.total);
        let (name, name_of) = self.name;
        html! {
            div class="scroll" role="region" aria-labelledby=(caption) tabindex="0" {
                table {
                    caption id=(caption) { (self.caption) span class="unit" { "Unit: " (self.unit) } }
                    thead {
                        tr {
                            th scope="col" { (name) }
                            @for (column, _) in self.columns {
                                @if let Some(column) = column.strip_prefix('#') {
                                    th scope="col" class="n" { (column) }
                                } @else {
                                    th scope="col" { (column) }
                                }
                            }
                        }
                    }
                    tbody {
                        @for (at, row) in self.rows.iter().enumerate() {
                            tr class=[(total == Some(at)).then_some("total")] {
                                th scope="row" { (name_of(row)) }
                                @for (_, value_of) in self.columns { (draw_value(&value_of(row))) }
                            }
                        }
                        @if self.rows.is_empty() {
                            tr { td colspan=(self.columns.len() + 1) { "None" } }
                        }
                    }
                }
            }
        }
    }
}

fn draw_value(value: &Value) -> Markup {
    html! {
        @match value {
            Value::Text(text) if text.len() > LONG => td class="long" { (text) },
            Value::Text(text) => td class="words" { (text) },
            Value::Lines(lines) => td class="words" { @if !lines.is_empty() { ul { @for line in lines { li { (line) } } } } },
            Value::Figure(text) if text == "*" => td class="n" { (star()) },
            Value::Figure(text) => td class="n" { (text) },
            Value::Count(cell) => td class="n" { (count(*cell)) },
            Value::Verdict(true) => td { "✓ balances" },
            Value::Verdict(false) => td class="no" { "✗ DOES NOT BALANCE" },
        }
    }
}

fn star() -> Markup {
    html! { abbr title=(HIDDEN) { "*" } }
}

/// A count, the hidden one with its meaning.
fn count(cell: Cell) -> Markup {
    match cell {
        Cell::Number(_) => html! { (words::count(cell)) },
        Cell::Hidden(_) => star(),
    }
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
    vec![
        Section {
            id: "practices",
            heading: "Was everything read?",
            body: books::practices(report),
        },
        Section {
            id: "balance",
            heading: "The balance",
            body: books::balance(report),
        },
        Section {
            id: "waiting",
            heading: "What waits, and for whom",
            body: books::waiting(report),
        },
        Section {
            id: "states",
            heading: "Where referrals stand",
            body: referrals::states(report),
        },
        Section {
            id: "partners",
            heading: "Partners",
            body: referrals::partners(report),
        },
        Section {
            id: "write-back",
            heading: "Back into the GP record",
            body: books::write_back(report),
        },
        Section {
            id: "funnel",
            heading: "From referral to support",
            body: referrals::funnel(report),
        },
        Section {
            id: "outcomes",
            heading: "What changed for people",
            body: referrals::outcomes(report),
        },
        Section {
            id: "rooms",
            heading: "Every row accounted for",
            body: books::rooms(report),
        },
        Section {
            id: "words",
            heading: "Words used here",
            body: books::terms(),
        },
    ]
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
                        @if report.balanced { "Every referral and every row is accounted for." }
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

/// How much waits, and for whom.
fn waiting(report: &Report) -> Markup {
    let nothing = Cell::Number(0);
    html! {
        div {
            dt { "What waits for somebody?" }
            @if let Some((total, owners)) = report.waiting.split_last() {
                dd class="big" {
                    @if total.ages.entries == nothing { "Nothing waits" }
                    @else if total.ages.entries == Cell::Number(1) { "1 entry waits" }
                    @else { (count(total.ages.entries)) " entries wait" }
                }
                @for owner in owners.iter().filter(|owner| owner.ages.entries != nothing) {
                    dd { (owner.words) ": " (count(owner.ages.entries)) }
                }
            }
        }
    }
}

/// Text of a value that may be absent.
fn or_dash(value: Option<String>) -> String {
    value.unwrap_or_else(|| "–".to_owned())
}
