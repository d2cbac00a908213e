//! The data dictionary of a partner's sheet: every column in plain words, on paper.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{CellContent, FilledBy, SheetColumn, day_in_words, entries};
use crate::partner::agreement::{Partner, Rules};
use crate::sheet::{Encoding, Format};

/// The style of what is printed for partners.
pub(super) const STYLE: &str = include_str!("page.css");

/// The page.
pub(crate) fn page(rules: &Rules, partner: &Partner) -> String {
    let entries = entries(rules, partner);
    let part = |writer: FilledBy| entries.iter().filter(move |entry| entry.writer == writer);
    let page = html! {
        (DOCTYPE)
        html lang="en-GB" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "Your sheet, column by column: " (partner.name) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { "Your sheet, column by column" }
                p class="for" { (partner.name) }
                p class="danger" {
                    strong { "Do not wait for this sheet if you are worried about somebody. " }
                    "In danger now: 999. Otherwise phone the person's practice today. This sheet has no column for a worry."
                }
                h2 { "How to use it" }
                ol {
                    li { "Keep the header row as it is. Columns may be moved, and you may add columns of your own." }
                    li { "Copy the reference with each row: it says whose row it is. Do not sort one column without the others." }
                    li { "Leave a cell empty if you do not know. An empty answer changes nothing." }
                    li { "Save as CSV: " (format_in_words(partner.deliver.format)) "." }
                }
                h2 { "What you are sent" }
                (table(part(FilledBy::Practice)))
                h2 { "What you fill in" }
                @if part(FilledBy::Partner).next().is_none() {
                    p { "Nothing is agreed yet." }
                } @else {
                    (table(part(FilledBy::Partner)))
                }
            }
        }
    };
    page.into_string()
}

fn table<'e>(entries: impl Iterator<Item = &'e SheetColumn>) -> Markup {
    html! {
        table {
            thead { tr { th scope="col" { "Column" } th scope="col" { "What it says" } th scope="col" { "What a cell holds" } } }
            tbody {
                @for entry in entries {
                    tr {
                        th scope="row" { (entry.header) }
                        td { (entry.says) }
                        td { (holds(entry)) }
                    }
                }
            }
        }
    }
}

fn holds(entry: &SheetColumn) -> Markup {
    html! {
        @match &entry.holds {
            CellContent::Text => "text",
            CellContent::Day(pattern) => (day_in_words(pattern)),
            CellContent::Number(None) => "a whole number",
            CellContent::Number(Some((min, max))) => { "a whole number from " (min) " to " (max) },
            CellContent::Words(words) => {
                "one of:"
                ul { @for (word, means) in words { li { b { (word) } " – " (plain(means)) } } }
            },
        }
        @if entry.required { " Never empty." }
        @if let Some(length_max) = entry.length_max { " At most " (length_max) " characters." }
    }
}

/// A word of ours as people say it.
pub(super) fn plain(word: &str) -> String {
    match word {
        "NEW" => "a new referral".to_owned(),
        "AMEND" => "something about a referral changed".to_owned(),
        "STOP" => "please stop; do not contact this person".to_owned(),
        "PAUSE" => "please wait".to_owned(),
        "true" => "yes".to_owned(),
        "false" => "no".to_owned(),
        "asap" => "as soon as possible".to_owned(),
        "stat" => "at once".to_owned(),
        "accepted" => "you have taken the person on".to_owned(),
        "rejected" => "you said no".to_owned(),
        "completed" => "your support is complete".to_owned(),
        "closed-unsuccessful" => "ended without support".to_owned(),
        "did-not-attend" => "did not come".to_owned(),
        "not-seen-late" => "came too late to be seen".to_owned(),
        "cancelled-by-person" => "the person called it off".to_owned(),
        "cancelled-by-provider" => "you called it off".to_owned(),
        "baseline" => "asked at the start".to_owned(),
        "follow-up" => "asked again later".to_owned(),
        other => other.replace('-', " "),
    }
}

fn format_in_words(format: Format) -> String {
    let delimiter = match format.delimiter {
        b'\t' => "tabs",
        b';' => "semicolons",
        b'|' => "bars",
        _ => "commas",
    };
    let encoding = match format.encoding {
        Encoding::Windows1252 => "Windows (ANSI)",
        Encoding::Utf8 | Encoding::Utf8Bom => "UTF-8",
    };
    format!("{delimiter} between the cells, {encoding} letters")
}
