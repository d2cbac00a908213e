//! The columns that a partner fills in, as a person would explain them.

use super::{CellContent, FilledBy, SheetColumn};
use crate::partner::agreement::{Acknowledged, Collect, CollectEvent, EventRule, OccasionFrom};
use crate::partner::fields::CodeMap;

const STOP_SEEN: &str = "whether you have seen a row that says stop or changed";

/// Adds every column that a return needs, each once, in the order in which a drop ends with them.
pub(super) fn add(collect: &Collect, entries: &mut Vec<SheetColumn>) {
    for event in &collect.events {
        if let Some(on) = &event.on {
            let day = CellContent::Day(collect.dates.clone());
            add_one(entries, on, day, "the day on which it happened");
        }
        add_event(entries, event);
    }
    if let Some(acknowledged) = &collect.acknowledged {
        add_listed(entries, acknowledged, "seen and done", STOP_SEEN);
    }
    if let Some(withdrawn) = &collect.withdrawn {
        let says = "whether this row takes back what you told before";
        add_listed(entries, withdrawn, "taken back", says);
    }
}

fn add_one(entries: &mut Vec<SheetColumn>, header: &str, holds: CellContent, says: &str) {
    if header.is_empty() || entries.iter().any(|known| known.header == header) {
        return;
    }
    entries.push(SheetColumn {
        header: header.to_owned(),
        writer: FilledBy::Partner,
        holds,
        required: false,
        length_max: None,
        says: says.to_owned(),
    });
}

fn add_listed(entries: &mut Vec<SheetColumn>, listed: &Acknowledged, means: &str, says: &str) {
    let words = listed
        .values
        .iter()
        .map(|value| (value.clone(), means.to_owned()));
    add_one(
        entries,
        &listed.column,
        CellContent::Words(words.collect()),
        says,
    );
}

/// A column with the partner's own words for ours.
fn add_coded(entries: &mut Vec<SheetColumn>, header: &str, codes: &CodeMap, says: &str) {
    let words = codes
        .entries()
        .map(|(theirs, ours)| (theirs.to_owned(), ours.to_owned()));
    add_one(entries, header, CellContent::Words(words.collect()), says);
}

fn add_event(entries: &mut Vec<SheetColumn>, event: &CollectEvent) {
    match &event.told {
        EventRule::Attendance { column, codes } => {
            add_coded(entries, column, codes, "whether the person came");
        }
        EventRule::Status {
            column,
            codes,
            reason,
        } => {
            let says = "where your support of the person stands";
            add_coded(entries, column, codes, says);
            let says = "why, in your own words; it is not written to the GP record";
            add_one(
                entries,
                reason.as_deref().unwrap_or_default(),
                CellContent::Text,
                says,
            );
        }
        EventRule::Measure {
            instrument,
            occasion,
            items,
        } => {
            if let OccasionFrom::Column { column, codes } = occasion {
                let says = "when in your support the questions were asked";
                add_coded(entries, column, codes, says);
            }
            for item in items {
                let known = instrument.item(&item.item);
                let bounds = known.map(|item| (item.min, item.max));
                let title = known.map_or("", |known| known.title.as_str());
                let says = format!("{}: {title}", instrument.title);
                add_one(entries, &item.column, CellContent::Number(bounds), &says);
            }
        }
        EventRule::Acknowledged(acknowledged) => {
            add_listed(entries, acknowledged, "seen and done", STOP_SEEN);
        }
        EventRule::Note { column } => {
            let says = "your notes; kept sealed, never written to the GP record";
            add_one(entries, column, CellContent::Text, says);
        }
        EventRule::Onward {
            column,
            codes,
            activity,
            consent_column,
            consent_yes,
        } => {
            let says = "the service the person is referred on to";
            add_coded(entries, column, codes, says);
            if let Some((header, codes)) = activity {
                add_coded(entries, header, codes, "what the person is referred on for");
            }
            let yes = vec![(consent_yes.clone(), "the person agreed".to_owned())];
            let says = "whether the person agreed to be referred on";
            add_one(entries, consent_column, CellContent::Words(yes), says);
        }
    }
}
