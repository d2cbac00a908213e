//! Partners: what was delivered to each and what came back, sensitive ones folded into one row.

use super::input::{Input, Partner};
use super::suppress::percent;
use super::tables::{FOLDED, PartnerRow, Places, Shown};
use super::words;

/// One row for each partner, and one for all sensitive ones together.
pub(super) fn rows(input: &Input, shown: Shown, places: &Places<'_>) -> Vec<PartnerRow> {
    let named = input.partners.iter().filter(|partner| !partner.sensitive);
    let mut rows: Vec<PartnerRow> = named
        .map(|partner| {
            row(
                partner,
                places.partner(Some(&partner.id)).1,
                &input.night,
                shown,
            )
        })
        .collect();
    if let Some(folded) = folded(input) {
        let mut row = row(&folded, FOLDED.to_owned(), &input.night, shown);
        row.kind = None;
        rows.push(row);
    }
    rows
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

fn row(partner: &Partner, name: String, night: &str, shown: Shown) -> PartnerRow {
    let last = partner.last_drop.as_ref();
    let back = partner.return_rows;
    let returned = [back.accepted, back.repeated, back.rejected, back.held]
        .into_iter()
        .fold(0, u64::saturating_add);
    let (rows_returned, rejected) = (shown.cell(returned), shown.cell(back.rejected));
    PartnerRow {
        name,
        kind: Some(partner.kind.clone()),
        last_file: last.map(|file| file.name.clone()),
        last_file_day: last.map(|file| file.day.clone()),
        sequence: last.map(|file| file.sequence),
        sequence_gaps: partner.sequence_gaps.clone(),
        files: partner.drops,
        new: shown.cell(partner.rows.new),
        amend: shown.cell(partner.rows.amend),
        stop: shown.cell(partner.rows.stop),
        pause: shown.cell(partner.rows.pause),
        returns: partner.returns,
        silent_days: partner
            .last_return_day
            .as_deref()
            .and_then(|day| words::days_between(day, night)),
        last_return_day: partner.last_return_day.clone(),
        rows_returned,
        accepted: shown.cell(back.accepted),
        repeated: shown.cell(back.repeated),
        rejected,
        held: shown.cell(back.held),
        reject_rate: percent(rejected, rows_returned),
    }
}
