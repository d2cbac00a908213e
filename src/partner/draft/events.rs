//! Puts the columns that a partner fills in together into events: which date goes with which answer.
//!
//! Guesses come in, [`Event`]s go out. Invariant: every answer column is in one event at most; a date may serve several.

use super::columns::Guess;
use super::words::{occasion, ordinal};

/// An event of the draft; positions are of the guesses.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event {
    Attendance {
        on: Option<usize>,
        /// None where the sheet has the day alone.
        value: Option<usize>,
        missed: bool,
    },
    Measure {
        on: Option<usize>,
        /// A fixed word, or the column that tells.
        occasion: Result<&'static str, usize>,
        items: Vec<(&'static str, usize)>,
    },
    Status {
        on: Option<usize>,
        value: Option<usize>,
        reason: Option<usize>,
    },
    Note {
        column: usize,
    },
}

impl Event {
    /// Every column that the event reads.
    pub(super) fn columns(&self) -> Vec<usize> {
        match self {
            Self::Attendance { on, value, .. } => on.iter().chain(value).copied().collect(),
            Self::Status { on, value, reason } => {
                on.iter().chain(reason).chain(value).copied().collect()
            }
            Self::Measure {
                on,
                occasion,
                items,
            } => {
                let told = occasion.err();
                let items = items.iter().map(|(_, column)| *column);
                on.iter().copied().chain(told).chain(items).collect()
            }
            Self::Note { column } => vec![*column],
        }
    }
}

/// Every event that the columns can tell.
pub(super) fn events(guesses: &[Guess]) -> Vec<Event> {
    let of = |means: &str| -> Vec<usize> {
        guesses
            .iter()
            .enumerate()
            .filter(|(_, guess)| guess.means == Some(means))
            .map(|(index, _)| index)
            .collect()
    };
    let (visits, closings, askings) = (of("attendance.on"), of("status.on"), of("measure.on"));
    let mut all = [visits.as_slice(), &closings, &askings].concat();
    all.sort_unstable();
    let any = |to: usize| near(&all, to);
    let mut events = Vec::new();
    for (missed, means) in [(false, "attendance"), (true, "attendance.missed")] {
        for value in of(means) {
            let on = same_number(guesses, &visits, value)
                .or_else(|| near(&visits, value))
                .or_else(|| near(&closings, value));
            let value = Some(value);
            events.push(Event::Attendance { on, value, missed });
        }
    }
    measures(guesses, &askings, &all, &of, &mut events);
    for value in of("status") {
        let on = near(&closings, value).or_else(|| any(value));
        let reason = near(&of("status.reason"), value);
        let value = Some(value);
        events.push(Event::Status { on, value, reason });
    }
    let (closing, reason) = (
        closings.first().copied(),
        of("status.reason").first().copied(),
    );
    if of("status").is_empty() && closing.or(reason).is_some() {
        events.push(Event::Status {
            on: closing,
            value: None,
            reason,
        });
    }
    let attended = [of("attendance"), of("attendance.missed")].concat();
    let read: Vec<usize> = events.iter().flat_map(Event::columns).collect();
    let alone = |day: &usize| plainly(guesses, *day) && !read.contains(day);
    if attended.is_empty()
        && let Some(on) = visits.iter().copied().find(alone)
    {
        events.push(Event::Attendance {
            on: Some(on),
            value: None,
            missed: false,
        });
    }
    for column in of("note") {
        events.push(Event::Note { column });
    }
    events
}

/// Whether a day is of its kind by its header, not only by being a day.
fn plainly(guesses: &[Guess], column: usize) -> bool {
    guesses.get(column).is_some_and(|guess| guess.sure)
}

/// The nearest of some columns, the one before rather than the one after.
fn near(columns: &[usize], to: usize) -> Option<usize> {
    columns
        .iter()
        .copied()
        .min_by_key(|column| (column.abs_diff(to), *column > to))
}

/// The column with the same number in its header, where headers are numbered.
fn same_number(guesses: &[Guess], columns: &[usize], to: usize) -> Option<usize> {
    let number = |column: usize| ordinal(&guesses.get(column)?.header);
    let wanted = number(to)?;
    columns
        .iter()
        .copied()
        .find(|column| number(*column) == Some(wanted))
}

fn measures(
    guesses: &[Guess],
    askings: &[usize],
    days: &[usize],
    of: &impl Fn(&str) -> Vec<usize>,
    events: &mut Vec<Event>,
) {
    let header = |column: usize| {
        guesses
            .get(column)
            .map_or("", |guess| guess.header.as_str())
    };
    let told_by = of("measure.occasion").first().copied();
    let mut groups: [Vec<(&'static str, usize)>; 2] = [Vec::new(), Vec::new()];
    for (means, item) in [
        ("measure.satisfaction", "satisfaction"),
        ("measure.worthwhile", "worthwhile"),
        ("measure.happiness", "happiness"),
        ("measure.anxiety", "anxiety"),
    ] {
        for (nth, column) in of(means).into_iter().enumerate() {
            let group = match occasion(header(column)) {
                Some("follow-up") => 1,
                Some(_) => 0,
                None => nth.min(1),
            };
            if !groups[group].iter().any(|(known, _)| *known == item) {
                groups[group].push((item, column));
            }
        }
    }
    for (group, (items, word)) in groups
        .into_iter()
        .zip(["baseline", "follow-up"])
        .enumerate()
    {
        let Some((_, first)) = items.first().copied() else {
            continue;
        };
        let by_word = askings
            .iter()
            .copied()
            .find(|column| occasion(header(*column)) == Some(word));
        let by_order = (askings.len() > 1)
            .then(|| askings.get(group).copied())
            .flatten();
        let on = by_word
            .or(by_order)
            .or_else(|| days.iter().copied().filter(|day| *day < first).max())
            .or_else(|| near(days, first));
        let occasion = told_by.filter(|_| group == 0).map_or(Ok(word), Err);
        events.push(Event::Measure {
            on,
            occasion,
            items,
        });
    }
}
