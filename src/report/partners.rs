//! Partners: what was delivered to each and what came back, sensitive ones folded into one row.

use super::input::{Input, Partner};
use super::suppress::percent;
use super::table_model::{
    Datum, RowUnit, TABLE, TableFormat, TableLayout, TableModel, TableRow, ValueKind, count, of,
    on_page, text,
};
use super::tables::{FOLDED, Places, Shown};
use super::words;

/// The parts on the page: what was sent, and what came back.
const PARTS: [(&str, &str); 2] = [
    ("partners-sent", "Sent to partners so far"),
    ("partners-back", "Returned by partners so far"),
];

#[rustfmt::skip]
const PARTNERS: TableLayout = TableLayout {
    key: "partners",
    row: ("PartnerRow", "A partner's files and rows, both ways."),
    unit: RowUnit::Rows,
    notes: &["Each partner gets numbered files of referrals and sends files back about what happened; a missing number would mean a lost file."],
    columns: &[&[
        text("name").csv("partner").name("Partner"),
        text("kind").or_none(),
        of(ValueKind::Number, "files").later(TableFormat::Json, 4),
        text("last_file").or_none().page("Last file"),
        of(ValueKind::Day, "last_file_day").or_none().csv("last file on").page("On"),
        of(ValueKind::Signed, "sequence").or_none().page("Number of that file"),
        of(ValueKind::SignedList, "sequence_gaps").csv("missing sequences").page("Missing numbers"),
        count("new").page("New"),
        count("amend").csv("changed").page("Changed"),
        count("stop").page("Please stop"),
        count("pause").csv("wait").page("Please wait"),
        of(ValueKind::Number, "returns").part(1, "Files returned"),
        text("last_return_day").or_none().csv("last return on"),
        on_page("").part(1, "Last one on"),
        of(ValueKind::Signed, "silent_days").or_none().part(1, "Days since").about("Days from the last return to the night."),
        count("rows_returned").part(1, "All rows").later(TableFormat::Page(1), 4),
        count("accepted").part(1, "Taken in"),
        count("repeated").part(1, "Known before"),
        count("rejected").part(1, "Not taken in"),
        count("held").part(1, "Being checked"),
        of(ValueKind::Percent, "reject_rate").or_none().csv("reject rate %").part(1, "Not taken in, %").about("Whole per cent of the rows returned."),
    ]],
    ..TABLE
};

/// One row for each partner, and one for all sensitive ones together.
pub(super) fn table(input: &Input, shown: Shown, places: &Places<'_>) -> TableModel {
    let named = input.partners.iter().filter(|partner| !partner.sensitive);
    let named = named.map(|partner| (partner, places.partner(Some(&partner.id)).1));
    let rows = named.map(|(partner, name)| row(partner, &name, &input.night, shown));
    let folded = folded(input).map(|folded| row(&folded, FOLDED, &input.night, shown));
    PARTNERS.filled(rows.chain(folded).collect(), &PARTS)
}

/// The sums of all sensitive partners; no file name, last number or day, which would tell one from
/// another, but every missing number, since a lost file must show.
fn folded(input: &Input) -> Option<Partner> {
    let mut sensitive = input
        .partners
        .iter()
        .filter(|partner| partner.sensitive)
        .peekable();
    sensitive.peek()?;
    let mut sum = Partner {
        sensitive: true,
        ..Partner::default()
    };
    for partner in sensitive {
        sum.sequence_gaps.extend(&partner.sequence_gaps);
        let (rows, back) = (&mut sum.rows, &mut sum.return_rows);
        for (sum, count) in [
            (&mut sum.drops, partner.drops),
            (&mut rows.new, partner.rows.new),
            (&mut rows.amend, partner.rows.amend),
            (&mut rows.stop, partner.rows.stop),
            (&mut rows.pause, partner.rows.pause),
            (&mut sum.returns, partner.returns),
            (&mut back.accepted, partner.return_rows.accepted),
            (&mut back.repeated, partner.return_rows.repeated),
            (&mut back.rejected, partner.return_rows.rejected),
            (&mut back.held, partner.return_rows.held),
        ] {
            *sum = sum.saturating_add(count);
        }
    }
    Some(sum)
}

fn row(partner: &Partner, name: &str, night: &str, shown: Shown) -> TableRow {
    let last = partner.last_drop.as_ref();
    let sent = partner.rows;
    let back = partner.return_rows;
    let back = [back.accepted, back.repeated, back.rejected, back.held];
    let returned = shown.cell(back.into_iter().fold(0, u64::saturating_add));
    let [accepted, repeated, rejected, held] = back.map(|count| shown.cell(count));
    let last_return = partner.last_return_day.as_deref();
    let last_return_words = match last_return {
        Some(day) => Some(words::day(day)),
        // Folded partners have no day of their own.
        None => (partner.returns == 0).then(|| "none yet".to_owned()),
    };
    let mut row: TableRow = vec![
        name.into(),
        (!partner.sensitive).then_some(partner.kind.as_str()).into(),
        partner.drops.into(),
        last.map(|file| file.name.as_str()).into(),
        last.map(|file| file.day.as_str()).into(),
        last.map(|file| file.sequence).into(),
        Datum::SignedList(partner.sequence_gaps.clone()),
    ];
    row.extend(shown.all([sent.new, sent.amend, sent.stop, sent.pause]));
    row.extend([
        partner.returns.into(),
        last_return.into(),
        last_return_words.into(),
        last_return
            .and_then(|day| words::days_between(day, night))
            .into(),
        returned.into(),
        accepted.into(),
        repeated.into(),
        rejected.into(),
        held.into(),
        percent(rejected, returned).into(),
    ]);
    row
}
