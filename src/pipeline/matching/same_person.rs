//! Rows of one file that are about one person: copies, two answers to one question, more than anybody does in a day.

use std::collections::HashMap;

use crate::domain::limits::EVENTS_A_DAY_MAX;
use crate::domain::{Disposition, LegId, Reason};
use crate::pipeline::event::{ReportedEvent, RowFinding, Sameness, What};
use crate::sheet::SheetRow;

/// Other rows that are named beside one at most: a file may have all its rows of one person.
const ROWS_NAMED: usize = 5;

/// Settles what rows of one person say together; columns before `first` are not the sender's.
pub(super) fn settle(rows: &[SheetRow<'_>], first: usize, findings: &mut [RowFinding]) {
    let mut of_legs: Vec<(LegId, usize)> = findings
        .iter()
        .enumerate()
        .filter(|(_, finding)| finding.leg.is_some())
        .map(|(place, finding)| (finding.leg, place))
        .collect();
    of_legs.sort_unstable();
    for person in of_legs.chunk_by(|one, other| one.0 == other.0) {
        // Most people stand on one row.
        if let [_] = person {
            continue;
        }
        let places: Vec<usize> = person.iter().map(|(_, place)| *place).collect();
        let copies = take_copies_out(rows, first, findings, &places);
        hold_two_answers(findings, &places);
        hold_too_many(findings, person[0].0, &places);
        end_as_originals(findings, &copies);
    }
}

/// Of rows that are equal in every cell the first counts; gives the places of the others, each with that of the first.
fn take_copies_out(
    rows: &[SheetRow<'_>],
    first_column: usize,
    findings: &mut [RowFinding],
    places: &[usize],
) -> Vec<(usize, usize)> {
    let mut copies = Vec::new();
    let mut first: HashMap<Vec<&str>, usize> = HashMap::new();
    for place in places {
        let row = rows[*place];
        let cells: Vec<&str> = (first_column..row.len())
            .map(|column| row.cell(column).trim())
            .collect();
        let original = *first.entry(cells).or_insert(*place);
        if original == *place || findings[*place].disposition != Disposition::Accepted {
            continue;
        }
        copies.push((*place, original));
        let line = rows[original].line();
        let finding = &mut findings[*place];
        finding.disposition = Disposition::Repeated;
        finding.reason = Some(Reason::SameRow);
        finding.events.clear();
        finding.hint = Some(format!(
            "This row says the same as row {line}. Did the person come twice that day? Then say so in another cell."
        ));
    }
    copies
}

/// Of a row that was not taken in, no copy was taken in either.
fn end_as_originals(findings: &mut [RowFinding], copies: &[(usize, usize)]) {
    for (copy, original) in copies {
        let ended = &findings[*original];
        if ended.disposition == Disposition::Accepted {
            continue;
        }
        let (disposition, reason) = (ended.disposition, ended.reason);
        let (column, hint) = (ended.column.clone(), ended.hint.clone());
        let copy = &mut findings[*copy];
        (copy.disposition, copy.reason) = (disposition, reason);
        (copy.column, copy.hint) = (column, hint);
    }
}

/// Two answers to one question of one day, and two endings: neither is known to be the right one.
fn hold_two_answers(findings: &mut [RowFinding], places: &[usize]) {
    let mut answers: HashMap<Sameness<'_>, Vec<(usize, &ReportedEvent)>> = HashMap::new();
    let mut endings: Vec<(usize, &ReportedEvent)> = Vec::new();
    for place in places {
        let finding = &findings[*place];
        if finding.withdrawn || finding.disposition != Disposition::Accepted {
            continue;
        }
        for event in &finding.events {
            match &event.what {
                What::Measure { .. } => {
                    answers
                        .entry(event.sameness())
                        .or_default()
                        .push((*place, event));
                }
                What::Status { state, .. } if state.terminal() => endings.push((*place, event)),
                _ => {}
            }
        }
    }
    let differ =
        |told: &[(usize, &ReportedEvent)]| told.iter().any(|(_, event)| *event != told[0].1);
    let mut held: Vec<usize> = Vec::new();
    for told in answers.values().filter(|told| differ(told)) {
        held.extend(told.iter().map(|(place, _)| *place));
    }
    if endings.len() > 1
        && endings
            .iter()
            .any(|(_, event)| !same_ending(event, endings[0].1))
    {
        held.extend(endings.iter().map(|(place, _)| *place));
    }
    held.sort_unstable();
    held.dedup();
    let lines: Vec<u64> = held.iter().map(|place| findings[*place].line).collect();
    for place in held {
        let finding = &mut findings[place];
        let others = lines.iter().filter(|line| **line != finding.line);
        let others = others.take(ROWS_NAMED).map(|line| format!("row {line}"));
        let others: Vec<String> = others.collect();
        hold(finding, Reason::CopiedRow);
        let also = others.join(", ");
        finding.hint = Some(format!("See also {also}."));
    }
}

/// Endings with other words of the same state and day are the same.
fn same_ending(one: &ReportedEvent, other: &ReportedEvent) -> bool {
    let state = |event: &ReportedEvent| match &event.what {
        What::Status { state, .. } => Some(*state),
        _ => None,
    };
    one.on == other.on && state(one) == state(other)
}

/// More rows of one kind on one day than anybody has: a column was perhaps filled down.
fn hold_too_many(findings: &mut [RowFinding], leg: LegId, places: &[usize]) {
    let mut told: HashMap<Sameness<'_>, usize> = HashMap::new();
    for place in places {
        let events = findings[*place].events.iter();
        let observed = events.filter(|event| event.kind.observed());
        // A row that has several of a kind has a column for each, as agreed.
        let mut of_row: Vec<Sameness<'_>> = Vec::new();
        for same in observed.map(ReportedEvent::sameness) {
            if !of_row.contains(&same) {
                of_row.push(same);
            }
        }
        for same in of_row {
            *told.entry(same).or_default() += 1;
        }
    }
    if told.values().all(|count| *count <= EVENTS_A_DAY_MAX) {
        return;
    }
    for place in places {
        let finding = &mut findings[*place];
        if finding.leg == leg && finding.disposition == Disposition::Accepted {
            hold(finding, Reason::TooManyEvents);
        }
    }
}

fn hold(finding: &mut RowFinding, reason: Reason) {
    finding.disposition = Disposition::Held;
    finding.reason = Some(reason);
    finding.events.clear();
}
