//! Which windows are asked for, and what is done when a server cannot answer one: begin again, smaller pages, halves.

use std::collections::VecDeque;

use crate::domain::Instant;
use crate::fhir::client::ClientError;
use crate::fhir::resources::bundle::BundleError;

/// Requests asked for on a page; a server may give fewer.
const PAGE: usize = 200;
/// The largest page, asked for where a server leads to no further ones: with what it includes it stays below the limit of
/// entries.
const PAGE_MAX: usize = 600;
/// The smallest page that is asked for when answers are too long.
const PAGE_MIN: usize = 10;
/// How often one window is begun again.
const RESTARTS_MAX: u32 = 2;
/// Cuts of one pull: enough to come from twenty years down to seconds many times over.
const HALVINGS_MAX: u64 = 64;
/// How far back a window without a start is taken to reach when it is cut: before there were such codes.
const OLDEST_SECONDS: i64 = 20 * 366 * 86_400;
/// Windows shorter than this are not cut: FHIR instants may be whole seconds.
const SHORTEST_SECONDS: i64 = 2;

/// Half-open; open where nothing stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) from: Option<Instant>,
    pub(super) until: Option<Instant>,
    /// One of the halves of a window that was read before, to see whether they bring more.
    pub(super) second_look: bool,
}

impl Window {
    fn since(from: Option<Instant>) -> Self {
        Self {
            from,
            until: None,
            second_look: false,
        }
    }
}

/// The windows still to be read, in order, and how they are asked for.
pub(super) struct Plan {
    windows: VecDeque<Window>,
    now: Instant,
    restarts_of_window: u32,
    pub(super) page: usize,
    /// Without what a server need not have.
    pub(super) plain: bool,
    pub(super) restarts: u64,
    pub(super) halvings: u64,
}

impl Plan {
    /// One window from `from` on; it has no end, so that what is written now is read as well.
    pub(super) fn new(from: Option<Instant>, now: Instant) -> Self {
        Self {
            windows: VecDeque::from([Window::since(from)]),
            now,
            restarts_of_window: 0,
            page: PAGE,
            plain: false,
            restarts: 0,
            halvings: 0,
        }
    }

    /// Everything once more, as the server has shown that it can be asked.
    pub(super) fn again(&mut self) {
        self.windows = VecDeque::from([Window::since(None)]);
        self.restarts_of_window = 0;
    }

    /// The window in hand.
    pub(super) fn window(&self) -> Option<Window> {
        self.windows.front().copied()
    }

    /// The window in hand is read.
    pub(super) fn done(&mut self) {
        self.windows.pop_front();
        self.restarts_of_window = 0;
    }

    /// Whether the window in hand may be begun again.
    pub(super) fn restart(&mut self) -> bool {
        let may = self.restarts_of_window < RESTARTS_MAX;
        if may {
            self.restarts_of_window += 1;
            self.restarts += 1;
        }
        may
    }

    /// Whether there is another way to ask for the window in hand after this error; `first` if no page of it came yet.
    pub(super) fn mend(&mut self, error: &ClientError, first: bool) -> bool {
        match error {
            // A page that has expired, or came damaged.
            ClientError::PageExpired { .. }
            | ClientError::Bundle(BundleError::Malformed { .. }) => self.restart(),
            ClientError::TooLarge { .. } | ClientError::Bundle(_) if self.page > PAGE_MIN => {
                self.page = (self.page / 2).max(PAGE_MIN);
                self.restarts += 1;
                true
            }
            ClientError::TooLarge { .. }
            | ClientError::Bundle(_)
            | ClientError::TooManyPages { .. } => self.halve(),
            ClientError::Refused {
                status: 400 | 422 | 501,
                ..
            } if first && !self.plain => {
                self.plain = true;
                true
            }
            _ => false,
        }
    }

    /// Whether the window in hand can be asked for in another way after a full page from which nothing leads on: larger
    /// pages, then halves.
    pub(super) fn widen(&mut self) -> bool {
        // A page that was made smaller would only be too long again.
        if self.page != PAGE {
            return self.halve();
        }
        self.page = PAGE_MAX;
        self.restarts += 1;
        true
    }

    fn halve(&mut self) -> bool {
        let Some(window) = self.window() else {
            return false;
        };
        let until = window.until.unwrap_or(self.now);
        let oldest = self.now.plus_seconds(-OLDEST_SECONDS);
        let from = window.from.unwrap_or(oldest.min(until));
        let seconds = until.0.saturating_sub(from.0) / 1_000_000;
        if seconds < SHORTEST_SECONDS || self.halvings >= HALVINGS_MAX {
            return false;
        }
        // Whole seconds, as they are written: the halves must meet without a gap.
        let middle = Instant(from.plus_seconds(seconds / 2).0 / 1_000_000 * 1_000_000);
        self.cut(window, middle);
        true
    }

    /// Whether the window in hand, which was read to its end, can be read once more in halves: each with a half of the
    /// matches that came, by the times at which they were written.
    pub(super) fn look_again(&mut self, written: &mut [Instant]) -> bool {
        let Some(window) = self.window().filter(|window| !window.second_look) else {
            return false;
        };
        written.sort_unstable();
        let (Some(first), Some(middle)) = (written.first(), written.get(written.len() / 2)) else {
            return false;
        };
        let middle = Instant(middle.0 / 1_000_000 * 1_000_000);
        if *first >= middle || self.halvings >= HALVINGS_MAX {
            return false;
        }
        let second_look = true;
        self.cut(
            Window {
                second_look,
                ..window
            },
            middle,
        );
        true
    }

    /// Windows that are still to be read for a second look, the one in hand among them.
    pub(super) fn second_looks(&self) -> usize {
        let windows = self.windows.iter();
        windows.filter(|window| window.second_look).count()
    }

    /// Puts two halves in the place of the window in hand.
    fn cut(&mut self, window: Window, middle: Instant) {
        self.windows.pop_front();
        self.windows.push_front(Window {
            from: Some(middle),
            ..window
        });
        self.windows.push_front(Window {
            until: Some(middle),
            ..window
        });
        self.restarts_of_window = 0;
        self.halvings += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-11-23T06:00:00Z";
    const TOO_MANY: ClientError = ClientError::TooManyPages { max: 1 };

    fn plan(from: Option<&str>) -> Plan {
        Plan::new(
            from.map(|from| Instant::parse(from).unwrap()),
            Instant::parse(NOW).unwrap(),
        )
    }

    fn windows(plan: &Plan) -> Vec<(String, String)> {
        let text = |at: Option<Instant>| at.map_or_else(String::new, Instant::utc_text);
        let both = |window: &Window| (text(window.from), text(window.until));
        plan.windows.iter().map(both).collect()
    }

    #[test]
    fn halves_meet_and_the_last_has_no_end() {
        let mut plan = plan(Some("2026-11-22T06:00:01Z"));
        assert!(plan.mend(&TOO_MANY, false) && plan.mend(&TOO_MANY, true));
        let texts = windows(&plan);
        let pairs: Vec<(&str, &str)> = texts
            .iter()
            .map(|(from, until)| (from.as_str(), until.as_str()))
            .collect();
        assert_eq!(
            pairs,
            [
                ("2026-11-22T06:00:01Z", "2026-11-22T12:00:00Z"),
                ("2026-11-22T12:00:00Z", "2026-11-22T18:00:00Z"),
                ("2026-11-22T18:00:00Z", ""),
            ]
        );
        plan.done();
        assert_eq!(windows(&plan).len(), 2);
    }

    #[test]
    fn a_window_is_cut_down_to_seconds_and_no_further() {
        let mut plan = plan(None);
        let mut cuts = 0;
        while plan.mend(&TOO_MANY, true) {
            cuts += 1;
        }
        assert!((25..40).contains(&cuts), "{cuts}");
        assert_eq!(windows(&plan)[0].0, "", "the first stays open at its start");
    }

    #[test]
    fn a_window_is_begun_again_a_few_times_and_asked_for_in_other_ways() {
        let mut plan = plan(None);
        let expired = ClientError::PageExpired { page: 2 };
        assert!(plan.mend(&expired, false) && plan.mend(&expired, false));
        assert!(!plan.mend(&expired, false));
        plan.done();
        let too_large = ClientError::TooLarge { max: 1 };
        assert!(plan.mend(&too_large, false));
        assert_eq!(plan.page, 100);
        let refused = ClientError::Refused {
            status: 400,
            code: None,
        };
        assert!(
            !plan.mend(&refused, false),
            "a later page is not asked plainly"
        );
        assert!(plan.mend(&refused, true) && plan.plain);
        assert!(!plan.mend(&refused, true));
        assert!(!plan.mend(&ClientError::Gone, true));
    }

    #[test]
    fn a_full_page_that_leads_nowhere_is_asked_for_larger_and_then_in_halves() {
        let mut plan = plan(None);
        assert!(plan.widen());
        assert_eq!((plan.page, plan.windows.len()), (PAGE_MAX, 1));
        assert!(plan.widen());
        assert_eq!((plan.page, plan.windows.len()), (PAGE_MAX, 2));
        let too_large = ClientError::TooLarge { max: 1 };
        assert!(plan.mend(&too_large, true) && plan.widen());
        assert_eq!((plan.page, plan.windows.len()), (PAGE_MAX / 2, 3));
    }
}
