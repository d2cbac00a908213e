//! Whether the answers of a row stand in their neighbours' columns: a cell that was deleted, put in or cut in two moves all those behind it.
//!
//! What each column of answers holds is found once for a file. Evidence is a cell that its own column cannot mean and a neighbour's can: a number of
//! the scale or an agreed word where a day stands, words that are a number beside answers of which one is missing.

use super::cell_text::typed;
use super::columns::Columns;
use super::days::{DayForm, written_day};
use super::scores::{score, whole_number};
use crate::domain::EventKind;
use crate::partner::fields::CodeMap;
use crate::partner::{Collect, EventRule, InstrumentItem};
use crate::sheet::{Sheet, SheetRow};

/// Digits of a number that may be a score, and is no day.
const SCORE_DIGITS_MAX: usize = 3;

/// A column of words has one number among so many cells at most.
const NUMBERS_SHARE: usize = 4;

/// Where the answers of an event stand.
struct EventPlaces<'r> {
    values: Vec<usize>,
    codes: Option<&'r CodeMap>,
}

/// Answers to a questionnaire that stand side by side, and the words beside them.
struct Scores<'r> {
    /// Each with its scale, from the left.
    items: Vec<(usize, &'r InstrumentItem)>,
    /// The column of words of their own before the first, and behind the last: of these, or of further answers that follow without a gap.
    words_before: Option<usize>,
    words_behind: Option<usize>,
}

/// Where the answers of a file stand.
pub(super) struct AnswerPlaces<'r> {
    events: Vec<EventPlaces<'r>>,
    scores: Vec<Scores<'r>>,
    /// Columns of days, each with the events that have it.
    days: Vec<(usize, Vec<usize>)>,
}

impl<'r> AnswerPlaces<'r> {
    /// Finds the columns of each event in a sheet.
    pub(super) fn of(collect: &'r Collect, columns: &Columns<'_>, sheet: &Sheet) -> Self {
        let mut words = Vec::new();
        let mut places = Self {
            events: Vec::new(),
            scores: Vec::new(),
            days: Vec::new(),
        };
        for (number, event) in collect.events.iter().enumerate() {
            let on = event.on.as_deref().and_then(|on| columns.place(on));
            if let EventRule::Status {
                reason: Some(header),
                ..
            }
            | EventRule::Note { column: header } = &event.told
            {
                words.extend(columns.place(header));
            }
            let (headers, codes): (Vec<&str>, _) = match &event.told {
                EventRule::Attendance { column, codes }
                | EventRule::Status { column, codes, .. }
                | EventRule::Onward { column, codes, .. } => (vec![column], Some(codes)),
                EventRule::Measure {
                    instrument, items, ..
                } => {
                    let mut found: Vec<(usize, &InstrumentItem)> = items
                        .iter()
                        .filter_map(|item| {
                            Some((columns.place(&item.column)?, instrument.item(&item.item)?))
                        })
                        .collect();
                    found.sort_unstable_by_key(|(place, _)| *place);
                    places.scores.push(Scores {
                        items: found,
                        words_before: None,
                        words_behind: None,
                    });
                    let headers = items.iter().map(|item| item.column.as_str());
                    (headers.collect(), None)
                }
                EventRule::Note { column } => (vec![column], None),
                EventRule::Acknowledged(said) => (vec![&said.column], None),
            };
            places.events.push(EventPlaces {
                values: headers
                    .into_iter()
                    .filter_map(|header| columns.place(header))
                    .collect(),
                codes,
            });
            let Some(on) = on else { continue };
            // Words of their own have no day.
            let dated = (event.kind() != EventKind::Note).then_some(number);
            match places.days.iter_mut().find(|(place, _)| *place == on) {
                Some((_, events)) => events.extend(dated),
                None => places.days.push((on, dated.into_iter().collect())),
            }
        }
        words.extend(columns.own().filter(|place| holds_words(sheet, *place)));
        places.find_words(&words);
        places
    }

    /// Finds the words beside each questionnaire; answers to another one may stand between.
    fn find_words(&mut self, words: &[usize]) {
        let scored: Vec<usize> = self
            .scores
            .iter()
            .flat_map(|scores| scores.items.iter().map(|(place, _)| *place))
            .collect();
        for scores in &mut self.scores {
            let (Some((first, _)), Some((last, _))) = (scores.items.first(), scores.items.last())
            else {
                continue;
            };
            let before = (0..*first).rev().find(|place| !scored.contains(place));
            let behind = (last + 1..=last + 1 + scored.len()).find(|place| !scored.contains(place));
            scores.words_before = before.filter(|place| words.contains(place));
            scores.words_behind = behind.filter(|place| words.contains(place));
        }
    }

    /// Whether answers of a row stand beside their own columns. `loose`: the number of its cells does not say that none is missing or too many.
    pub(super) fn have_moved(&self, row: SheetRow<'_>, loose: bool) -> bool {
        self.scores_have_moved(row, loose)
            || self.a_day_is_an_answer(row)
            || (loose && self.ends_within_an_answer(row))
    }

    /// A number of the scale among the words beside the answers, and the answer at the other end is missing.
    fn scores_have_moved(&self, row: SheetRow<'_>, loose: bool) -> bool {
        self.scores.iter().any(|scores| {
            let is_score = |place: usize, scale: &InstrumentItem| {
                let cell = row.cell(place);
                !cell.is_empty() && score(&typed(cell), scale).is_some()
            };
            let (Some((first, scale)), Some((last, _))) =
                (scores.items.first(), scores.items.last())
            else {
                return false;
            };
            let beside = |words: Option<usize>| words.is_some_and(|place| is_score(place, scale));
            let missing = |place: usize| row.cell(place).trim().is_empty();
            let answered = || {
                let mut items = scores.items.iter();
                items.any(|(place, scale)| is_score(*place, scale))
            };
            let to_the_left = missing(*last) && beside(scores.words_before);
            let to_the_right = (loose || missing(*first)) && beside(scores.words_behind);
            (to_the_left || to_the_right) && answered()
        })
    }

    /// Where a day stands that belongs to no answer: a number of a scale, or an agreed word.
    fn a_day_is_an_answer(&self, row: SheetRow<'_>) -> bool {
        self.days.iter().any(|(place, events)| {
            let cell = row.cell(*place);
            let mut events = events.iter().map(|number| &self.events[*number]);
            if cell.trim().is_empty() || events.any(|event| event.is_filled(row)) {
                return false;
            }
            let cell = typed(cell);
            let digits = cell.bytes().filter(u8::is_ascii_digit).count();
            let number = digits <= SCORE_DIGITS_MAX && whole_number(&cell).is_some();
            let a_word = || {
                let mut codes = self.events.iter().filter_map(|event| event.codes);
                codes.any(|codes| codes.get_typed(&cell).is_some())
            };
            written_day(&cell).form == DayForm::None && (number || a_word())
        })
    }

    /// Whether a row ends before the last of several cells that are filled together: one of them was lost, or was not filled.
    fn ends_within_an_answer(&self, row: SheetRow<'_>) -> bool {
        let left_off = |place: &usize| *place >= row.written();
        let full = |place: usize| !row.cell(place).trim().is_empty();
        self.days.iter().any(|(place, events)| {
            let mut events = events.iter().map(|number| &self.events[*number]);
            let dated = full(*place) && !events.clone().any(|event| event.is_filled(row));
            dated && events.any(|event| event.values.iter().any(left_off))
        }) || self
            .events
            .iter()
            .any(|event| event.values.iter().any(left_off) && event.is_filled(row))
    }
}

/// Whether a column of their own holds words: a number is told among numbers by nothing.
fn holds_words(sheet: &Sheet, place: usize) -> bool {
    let cells = sheet.rows().map(|row| row.cell(place));
    let full = cells.filter(|cell| !cell.trim().is_empty());
    let (numbers, words): (Vec<&str>, Vec<&str>) =
        full.partition(|cell| whole_number(&typed(cell)).is_some());
    numbers.len() * NUMBERS_SHARE <= words.len()
}

impl EventPlaces<'_> {
    fn is_filled(&self, row: SheetRow<'_>) -> bool {
        let mut values = self.values.iter();
        values.any(|place| !row.cell(*place).trim().is_empty())
    }
}
