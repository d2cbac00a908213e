//! Bar charts as inline SVG: no script, no outside font, a title and a description in words for those who cannot see them.
//!
//! Figures go in as they are shown in the table beside the chart, so a hidden one has no bar here either. Lengths are whole units: the same figures give
//! the same bytes on every machine.

use maud::{Markup, html};

use super::super::input::Better;
use super::super::people::InstrumentChange;
use super::super::suppress::{Cell, Mean};
use super::super::table_model::{Datum, TableModel, TableRow};
use super::super::words;
use super::HIDDEN;

/// Width of the drawing; narrow, so that its letters stay readable on a phone.
const WIDTH: i64 = 340;
/// The longest bar, which leaves room for the number behind it.
const BAR_MAX: i64 = 280;

/// How far the referrals of all months have come: the last row of the funnel.
pub(super) fn funnel(funnel: &TableModel) -> Markup {
    let steps = [
        ("Received", "received"),
        ("Matched to a partner", "matched"),
        (
            "Taken on by the partner, or on its waiting list",
            "accepted",
        ),
        ("Support under way or completed", "under_way_or_completed"),
        ("Completed", "completed"),
    ];
    let count = |key| match funnel.rows.last() {
        Some(total) => funnel.count(total, key),
        None => Cell::Number(0),
    };
    let steps = steps.map(|(label, key)| (label, count(key)));
    let top = steps
        .iter()
        .filter_map(|(_, cell)| cell.number())
        .max()
        .unwrap_or(0);
    let told: Vec<String> = steps
        .iter()
        .map(|(label, cell)| format!("{label}: {}", words::count(*cell)))
        .collect();
    html! {
        svg class="chart" viewBox={ "0 0 " (WIDTH) " 222" } role="img" aria-labelledby="funnel-title funnel-desc" {
            title id="funnel-title" { "How far referrals have come, all months together" }
            desc id="funnel-desc" { (told.join("; ")) "." }
            @for ((label, cell), y) in steps.iter().zip((0_i64..).step_by(44)) {
                text x="0" y=(y + 14) class="label" { (label) }
                @let length = share(i128::from(cell.number().unwrap_or(0)), i128::from(top));
                rect x="0" y=(y + 20) width=(length) height="16" class="after" {}
                text x=(length + 6) y=(y + 33) class="value" { (words::count(*cell)) }
            }
        }
    }
}

/// Mean score of each item before and after.
pub(super) fn change(instrument: &InstrumentChange) -> Markup {
    let title = format!("{}-chart-title", instrument.instrument);
    let desc = format!("{}-chart-desc", instrument.instrument);
    let rows = instrument.items.rows.iter();
    let items: Vec<Bars<'_>> = rows.map(|row| Bars::of(&instrument.items, row)).collect();
    let told = items.iter().map(|item| {
        let [before, after] = item.means.map(in_words);
        format!("{}: {before} before, {after} after", item.title)
    });
    let told: Vec<String> = told.collect();
    let height = i64::try_from(items.len()).unwrap_or(0).saturating_mul(68) + 22;
    html! {
        svg class="chart" viewBox={ "0 0 " (WIDTH) " " (height) } role="img" aria-labelledby={ (title) " " (desc) } {
            title id=(title) { (instrument.title) ": mean score before and after" }
            desc id=(desc) { (told.join("; ")) "." }
            rect x="0.5" y="1.5" width="11" height="11" class="before" {}
            text x="18" y="12" class="label" { "First answer" }
            rect x="110" y="1" width="12" height="12" class="after" {}
            text x="128" y="12" class="label" { "Follow-up" }
            @for (item, y) in items.iter().zip((22_i64..).step_by(68)) {
                text x="0" y=(y + 16) class="label" { (item.title) @if item.lower_is_better { " (lower is better)" } }
                @let lengths = item.means.map(|mean| length(mean, item.min, item.max));
                @let [before, after] = item.means.map(in_words);
                @if matches!(item.means[0], Some(Mean::Hidden(_))) {
                    text x="0" y=(y + 36) class="value" { "* " (HIDDEN) }
                } @else {
                    rect x="0.5" y=(y + 22) width=(lengths[0]) height="15" class="before" {}
                    text x=(lengths[0] + 6) y=(y + 34) class="value" { (before) }
                    rect x="0" y=(y + 40) width=(lengths[1]) height="16" class="after" {}
                    text x=(lengths[1] + 6) y=(y + 53) class="value" { (after) }
                }
            }
        }
    }
}

/// What is drawn of an item.
struct Bars<'m> {
    title: &'m str,
    lower_is_better: bool,
    /// Before and after.
    means: [Option<Mean>; 2],
    min: i64,
    max: i64,
}

impl<'m> Bars<'m> {
    fn of(items: &TableModel, row: &'m TableRow) -> Self {
        let mean = |key| match items.value(row, key) {
            Datum::Mean(mean) => Some(*mean),
            _ => None,
        };
        let end = |key| match items.value(row, key) {
            Datum::Signed(end) => *end,
            _ => 0,
        };
        Self {
            title: items.text(row, "title"),
            lower_is_better: items.text(row, "better_is") == Better::Lower.code(),
            means: ["mean_before", "mean_after"].map(mean),
            min: end("min"),
            max: end("max"),
        }
    }
}

fn in_words(mean: Option<Mean>) -> String {
    mean.map_or_else(|| "–".to_owned(), words::mean)
}

/// Length of a mean's bar on the item's scale.
fn length(mean: Option<Mean>, min: i64, max: i64) -> i64 {
    let Some(Mean::Value(value)) = mean else {
        return 0;
    };
    // Tenths: the value has one decimal, so its text gives them exactly.
    let tenths: i128 = format!("{value:.1}").replace('.', "").parse().unwrap_or(0);
    share(
        tenths - i128::from(min) * 10,
        (i128::from(max) - i128::from(min)) * 10,
    )
}

fn share(part: i128, whole: i128) -> i64 {
    if whole <= 0 {
        return 0;
    }
    let length = part.clamp(0, whole) * i128::from(BAR_MAX) / whole;
    i64::try_from(length).unwrap_or(BAR_MAX)
}

#[cfg(test)]
mod tests {
    use super::super::super::suppress::Star;
    use super::*;

    #[test]
    fn bars_stay_on_the_scale() {
        assert_eq!(length(Some(Mean::Value(5.0)), 0, 10), BAR_MAX / 2);
        assert_eq!(length(Some(Mean::Value(12.0)), 0, 10), BAR_MAX);
        assert_eq!(length(Some(Mean::Value(1.0)), 1, 5), 0);
        assert_eq!(length(Some(Mean::Hidden(Star::Star)), 0, 10), 0);
        assert_eq!(share(3, 0), 0);
    }
}
