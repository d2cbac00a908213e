//! What a partner fills in about somebody, and what a right reading of it tells: the truth that each made-up row is held against.

use jiff::civil::Date;

use super::draw::Draw;
use super::layouts::{Holds, MadeLayout, Style};
use super::people::{MadePerson, after};
use crate::domain::{EventKind, LegState, Occasion};
use crate::pipeline::event::{ReportedEvent, What};

const ITEMS: [&str; 4] = ["satisfaction", "worthwhile", "happiness", "anxiety"];
const CAME: [&str; 3] = ["attended", "did-not-attend", "cancelled-by-person"];
const ENDED: [LegState; 2] = [LegState::Completed, LegState::ClosedUnsuccessful];
const NOTES: [&str; 14] = [
    "",
    "",
    "",
    "well",
    "rang twice, no answer",
    "enjoyed it; coming back",
    "café visit, her cousin's group",
    "said \"lovely\", twice",
    "first line\nsecond line; third",
    "5\" step at the door",
    "left\tright | up, down",
    "4 of them came, 2 stayed",
    "prefers Tuesdays; not before 10",
    "-",
];
const WHY: [&str; 3] = ["", "moved away, new address to come", "got what she needed"];

/// A day, and four answers or none.
type Asked = (Date, [Option<i64>; 4]);

/// What a partner fills in on one row.
#[derive(Clone, Debug, Default)]
pub(super) struct Answers {
    seen: Option<(Date, usize)>,
    asked: [Option<Asked>; 2],
    note: &'static str,
    closed: Option<(Date, usize)>,
    why: &'static str,
    group: Option<usize>,
}

impl Answers {
    /// Some answers, or none; `whole`: whoever is asked answers all four questions.
    pub(super) fn drawn(draw: &mut Draw, style: &Style, person: &MadePerson, whole: bool) -> Self {
        let day = |draw: &mut Draw| after(person.referred, 1 + draw.below(36));
        let scores = |draw: &mut Draw| {
            let mut scores =
                [0; 4].map(|_: i64| Some(i64::try_from(draw.below(11)).expect("small")));
            if !whole && draw.once_in(4) {
                scores[draw.below(4)] = None;
            }
            scores
        };
        let seen = (!draw.once_in(4)).then(|| (day(draw), draw.below(3)));
        let mut asked = [None, None];
        for one in asked.iter_mut().take(style.measures) {
            if draw.once_in(2) {
                *one = match (style.asked_when_seen, seen) {
                    (true, None) => None,
                    (true, Some((seen, _))) => Some((seen, scores(draw))),
                    (false, _) => Some((day(draw), scores(draw))),
                };
            }
        }
        let closed = draw
            .once_in(4)
            // Nothing is told of the time behind an ending.
            .then(|| (after(person.referred, 41 + draw.below(20)), draw.below(2)));
        Self {
            seen,
            asked,
            note: *draw.one::<&str>(&NOTES),
            why: if closed.is_some() {
                *draw.one(&WHY)
            } else {
                ""
            },
            closed,
            group: draw.once_in(2).then(|| draw.below(9)),
        }
    }

    /// A further session of somebody: another day, and nothing else.
    pub(super) fn further(draw: &mut Draw, person: &MadePerson, session: usize) -> Self {
        Self {
            seen: Some((after(person.referred, 40 - session), draw.below(3))),
            note: *draw.one::<&str>(&NOTES),
            ..Self::default()
        }
    }

    /// The cell of a column of answers.
    pub(super) fn cell(&self, holds: Holds, style: &Style) -> String {
        let day = |day: Option<Date>| {
            day.map_or(String::new(), |day| day.strftime(style.days).to_string())
        };
        match holds {
            Holds::Seen => day(self.seen.map(|(day, _)| day)),
            Holds::Came => self
                .seen
                .map_or("", |(_, word)| style.came[word])
                .to_owned(),
            Holds::Asked(place) => day(self.asked[place].map(|(day, _)| day)),
            Holds::Score(place, item) => self.asked[place]
                .and_then(|(_, scores)| scores[item])
                .map_or(String::new(), |score| score.to_string()),
            Holds::Note => self.note.to_owned(),
            Holds::Closed => day(self.closed.map(|(day, _)| day)),
            Holds::Outcome => {
                let word = self.closed.map_or("", |(_, word)| style.outcomes[word]);
                word.to_owned()
            }
            Holds::Why => self.why.to_owned(),
            Holds::Own => self.group.map_or(String::new(), |group| group.to_string()),
            _ => String::new(),
        }
    }

    /// Whether some were answered and some were not.
    pub(super) fn answered_in_part(&self) -> bool {
        let mut asked = self.asked.iter().flatten();
        asked.any(|(_, scores)| scores.iter().any(Option::is_none))
    }

    /// What a right reading tells, in the order of the agreement.
    pub(super) fn told(&self, layout: &MadeLayout) -> Vec<ReportedEvent> {
        let mut told = Vec::new();
        if let Some((day, word)) = self.seen {
            told.push(ReportedEvent {
                kind: EventKind::Attendance,
                on: Some(day),
                what: What::Attendance(CAME[word].to_owned()),
            });
        }
        for (asked, occasion) in self
            .asked
            .iter()
            .zip([Occasion::Baseline, Occasion::FollowUp])
        {
            let Some((day, scores)) = asked else { continue };
            told.push(ReportedEvent {
                kind: EventKind::Measure,
                on: Some(*day),
                what: What::Measure {
                    instrument: "ons4".to_owned(),
                    occasion,
                    answers: ITEMS
                        .iter()
                        .map(|item| (*item).to_owned())
                        .zip(*scores)
                        .collect(),
                },
            });
        }
        if !self.note.is_empty() {
            told.push(ReportedEvent {
                kind: EventKind::Note,
                on: None,
                what: What::Note(self.note.to_owned()),
            });
        }
        if let Some((day, word)) = self.closed {
            let reason = if layout.style.reasons { self.why } else { "" };
            told.push(ReportedEvent {
                kind: EventKind::Status,
                on: Some(day),
                what: What::Status {
                    state: ENDED[word],
                    reason: reason.to_owned(),
                },
            });
        }
        told
    }
}
