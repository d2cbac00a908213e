//! The tables of the referrals: where they stand, what went to partners and came back, how far they have come, what changed for people.

use super::super::suppress::Mean;
use super::super::tables::{PlaceRow, Report};
use super::{Sheet, cell, cells, or_empty};

/// The tables in their order.
pub(super) fn sheets(report: &Report) -> Vec<Sheet> {
    vec![
        states(report),
        places("practices", &report.by_practice),
        places("partner-referrals", &report.by_partner),
        partners(report),
        funnel(report),
        outcomes(report),
    ]
}

fn states(report: &Report) -> Sheet {
    let mut rows = Vec::new();
    for row in &report.states {
        rows.push(vec![
            row.state.clone(),
            row.words.clone(),
            "all".to_owned(),
            String::new(),
            cell(row.legs),
        ]);
        for why in &row.reasons {
            rows.push(vec![
                row.state.clone(),
                row.words.clone(),
                why.reason.clone(),
                why.words.clone(),
                cell(why.legs),
            ]);
        }
    }
    Sheet {
        file: "states",
        unit: "legs",
        columns: &[
            "state",
            "what it means",
            "reason",
            "what the reason means",
            "legs",
        ],
        rows,
    }
}

fn places(file: &'static str, rows: &[PlaceRow]) -> Sheet {
    let columns = &[
        "name",
        "waiting",
        "on the way",
        "with partner",
        "completed",
        "ended otherwise",
        "legs",
    ];
    let rows = rows.iter().map(|row| {
        let counts = [
            row.waiting,
            row.on_the_way,
            row.with_partner,
            row.completed,
            row.ended_otherwise,
            row.legs,
        ];
        [row.name.clone()]
            .into_iter()
            .chain(cells(&counts))
            .collect()
    });
    Sheet {
        file,
        unit: "legs",
        columns,
        rows: rows.collect(),
    }
}

fn partners(report: &Report) -> Sheet {
    let columns = &[
        "partner",
        "kind",
        "files",
        "last file",
        "last file on",
        "sequence",
        "missing sequences",
        "new",
        "changed",
        "stop",
        "wait",
        "returns",
        "last return on",
        "silent days",
        "rows returned",
        "accepted",
        "repeated",
        "rejected",
        "held",
        "reject rate %",
    ];
    let rows = report.partners.iter().map(|row| {
        let gaps: Vec<String> = row.sequence_gaps.iter().map(i64::to_string).collect();
        let mut cells_of_row = vec![
            row.name.clone(),
            or_empty(row.kind.as_deref()),
            row.files.to_string(),
            or_empty(row.last_file.as_deref()),
            or_empty(row.last_file_day.as_deref()),
            or_empty(row.sequence),
            gaps.join(" "),
        ];
        cells_of_row.extend(cells(&[row.new, row.amend, row.stop, row.pause]));
        cells_of_row.extend([
            row.returns.to_string(),
            or_empty(row.last_return_day.as_deref()),
            or_empty(row.silent_days),
        ]);
        cells_of_row.extend(cells(&[
            row.rows_returned,
            row.accepted,
            row.repeated,
            row.rejected,
            row.held,
        ]));
        cells_of_row.push(row.reject_rate.map_or_else(String::new, cell));
        cells_of_row
    });
    Sheet {
        file: "partners",
        unit: "rows",
        columns,
        rows: rows.collect(),
    }
}

fn funnel(report: &Report) -> Sheet {
    let columns = &[
        "month received",
        "received",
        "matched",
        "accepted",
        "attending",
        "completed",
        "declined by partner",
        "ended early",
        "cancelled",
        "not delivered",
        "by mistake",
    ];
    let rows = report.funnel.iter().map(|row| {
        let reached = [
            row.received,
            row.matched,
            row.accepted,
            row.attending,
            row.completed,
        ];
        let endings = [
            row.declined_by_partner,
            row.ended_early,
            row.cancelled,
            row.not_delivered,
            row.by_mistake,
        ];
        [row.month.clone()]
            .into_iter()
            .chain(cells(&reached))
            .chain(cells(&endings))
            .collect()
    });
    Sheet {
        file: "funnel",
        unit: "legs",
        columns,
        rows: rows.collect(),
    }
}

fn outcomes(report: &Report) -> Sheet {
    let columns = &[
        "instrument",
        "item",
        "title",
        "to month",
        "better is",
        "pairs",
        "mean before",
        "mean after",
        "mean change",
        "better",
        "better %",
        "worse",
        "worse %",
    ];
    let mut rows = Vec::new();
    for instrument in &report.outcomes.instruments {
        for item in &instrument.items {
            rows.push(vec![
                instrument.instrument.clone(),
                item.item.clone(),
                item.title.clone(),
                report.outcomes.to_month.clone(),
                item.better_is.code().to_owned(),
                cell(item.pairs),
                mean(item.mean_before),
                mean(item.mean_after),
                mean(item.mean_change),
                cell(item.better),
                item.better_percent.map_or_else(String::new, cell),
                cell(item.worse),
                item.worse_percent.map_or_else(String::new, cell),
            ]);
        }
    }
    Sheet {
        file: "outcomes",
        unit: "people",
        columns,
        rows,
    }
}

fn mean(mean: Option<Mean>) -> String {
    match mean {
        None => String::new(),
        Some(Mean::Value(value)) => format!("{value:.1}"),
        Some(Mean::Hidden(_)) => "*".to_owned(),
    }
}
