//! A table on the page.

use maud::{Markup, html};

use super::super::suppress::Cell;
use super::super::table_model::{Datum, PagePart, TableFormat, TableModel, ValueKind};
use super::super::words;
use super::{HIDDEN, charts};

/// Bytes from which a text gets a wide column.
const LONG: usize = 40;

/// What is said above a table, its parts, and what is said below it.
pub(super) fn draw(model: &TableModel) -> Markup {
    html! {
        @for note in model.table.notes { p { (note) } }
        @if model.table.key == "funnel" {
            figure { figcaption { "All months together" } (charts::funnel(model)) }
        }
        @for (nth, part) in model.parts.iter().enumerate() { (draw_part(model, nth, part)) }
        @if let Some(below) = &model.below { p class="class" { (below) } }
    }
}

/// Draws the table in a box that scrolls on its own on a narrow screen, and can be reached with the keyboard. The total is
/// the last row, however many there are.
fn draw_part(model: &TableModel, nth: usize, part: &PagePart) -> Markup {
    let caption = format!("{}-caption", part.id);
    let columns = model.table.columns_in(TableFormat::Page(nth));
    let total = model
        .rows
        .len()
        .checked_sub(1)
        .filter(|_| model.table.total);
    let rows = model.rows.iter().enumerate();
    let rows = rows.filter(|(at, _)| *at < part.rows_max || total == Some(*at));
    html! {
        div class="scroll" role="region" aria-labelledby=(caption) tabindex="0" {
            table {
                caption id=(caption) { (part.title) span class="unit" { "Unit: " (model.table.unit.words().1) } }
                thead {
                    tr {
                        @for (_, column) in &columns {
                            th scope="col" class=[is_figure(column.kind).then_some("n")] { (column.page.unwrap_or_default()) }
                        }
                    }
                }
                tbody {
                    @for (at, row) in rows {
                        tr class=[(total == Some(at)).then_some("total")] {
                            @for (nth, (at, column)) in columns.iter().enumerate() {
                                @if nth == 0 { th scope="row" { (text(column.kind, &row[*at])) } }
                                @else { (cell(column.kind, &row[*at])) }
                            }
                        }
                    }
                    @if model.rows.is_empty() { tr { td colspan=(columns.len()) { "None" } } }
                }
            }
        }
    }
}

/// Whether its values are drawn as numbers, to the right.
fn is_figure(kind: ValueKind) -> bool {
    use ValueKind::{Change, Count, Mean, Number, Percent, Signed};
    matches!(kind, Change | Count | Mean | Number | Percent | Signed)
}

fn cell(kind: ValueKind, value: &Datum) -> Markup {
    let text = text(kind, value);
    html! {
        @match (kind, value) {
            (_, Datum::Rows(below)) => td class="words" { (lines(below)) },
            (_, Datum::Verdict(true)) => td { "✓ " (text) },
            (_, Datum::Verdict(false)) => td class="no" { "✗ " (text) },
            _ if is_figure(kind) => td class="n" { @if text == "*" { (star()) } @else { (text) } },
            _ if text.len() > LONG => td class="long" { (text) },
            _ => td class="words" { (text) },
        }
    }
}

/// Rows below a row: what each is, and how many.
fn lines(below: &TableModel) -> Markup {
    html! {
        @if !below.rows.is_empty() {
            ul { @for row in &below.rows { li { (below.text(row, "words")) ": " (words::count(below.count(row, "legs"))) } } }
        }
    }
}

fn star() -> Markup {
    html! { abbr title=(HIDDEN) { "*" } }
}

/// A count, the hidden one with its meaning.
pub(super) fn count(cell: Cell) -> Markup {
    match cell {
        Cell::Number(_) => html! { (words::count(cell)) },
        Cell::Hidden(_) => star(),
    }
}

/// A value in words.
fn text(kind: ValueKind, value: &Datum) -> String {
    match (kind, value) {
        (_, Datum::Nothing | Datum::Rows(_)) => "–".to_owned(),
        (ValueKind::Day, Datum::Text(day)) => words::day(day),
        (ValueKind::Month, Datum::Text(month)) if month == "total" => "All months".to_owned(),
        (ValueKind::Month, Datum::Text(month)) => words::month(month),
        (_, Datum::Text(text)) => text.clone(),
        (ValueKind::Percent, Datum::Count(Cell::Number(number))) => format!("{number}%"),
        (_, Datum::Count(cell)) => words::count(*cell),
        (_, Datum::Signed(number)) => number.to_string(),
        (_, Datum::SignedList(numbers)) if numbers.is_empty() => "none".to_owned(),
        (_, Datum::SignedList(numbers)) => words::joined(numbers, ", "),
        (ValueKind::Change, Datum::Mean(mean)) => words::change(*mean),
        (_, Datum::Mean(mean)) => words::mean(*mean),
        (_, Datum::Verdict(balances)) => words::verdict(*balances).to_owned(),
    }
}
