//! Whether what a search brought is all there is: held against the server's count, and read once more in halves.
//!
//! In: how searches ended. Out: how many matches are missing. Kept: a count above what came is believed, one below proves
//! nothing; a window is halved for this once; what the halves bring beyond the whole, of what was there before, or the whole
//! beyond the halves, shows that the server leaves something out.

use super::{Phase, SearchPull};
use crate::domain::Instant;
use crate::fhir::client::search::SearchProgress;

/// Matches on the only page of an answer without a count that are a reason to look once more: it may be all that the
/// server gives on a page.
const FEW: u64 = 3;

/// A window whose halves are read.
#[derive(Default)]
pub(super) struct Recount {
    /// Matches of the whole by the server's count.
    total: u64,
    /// Different matches of the whole.
    whole: u64,
    /// Those that the halves brought and the whole did not.
    new: u64,
    /// Different matches of the halves so far.
    distinct: u64,
    /// Missing in the halves, each by its own count.
    missing: u64,
    /// Whether each half was counted by the server.
    counted: bool,
}

impl Recount {
    /// After a window whose search ended so.
    pub(super) fn after(whole: SearchProgress) -> Self {
        Self {
            total: whole.total.unwrap_or(0),
            whole: whole.distinct,
            counted: true,
            ..Self::default()
        }
    }

    /// A half brought a request that the whole had not.
    pub(super) fn brought(&mut self, written: Option<Instant>, begun: Option<Instant>) {
        // What was written meanwhile could not be there before.
        let later = matches!((written, begun), (Some(at), Some(begun)) if at >= begun);
        self.new += u64::from(!later);
    }

    /// A half came to its end; how many are missing, after the last one.
    pub(super) fn half(&mut self, half: SearchProgress, last: bool) -> u64 {
        self.distinct += half.distinct;
        self.missing += half.missing();
        self.counted &= half.counted();
        if !last {
            return 0;
        }
        // A server that left something out is not believed without a count.
        let caught = self.new.max(self.whole.saturating_sub(self.distinct));
        let caught = if self.counted { 0 } else { caught };
        let short = self.total.saturating_sub(self.distinct);
        self.missing.max(short).max(caught)
    }
}

impl SearchPull<'_> {
    /// Whether the window in hand, which came to its end, is to be read once more in halves; what is missing is noted.
    pub(super) fn looks_again(&mut self, search: SearchProgress) -> bool {
        let second = self.plan.window().is_some_and(|window| window.second_look);
        let last = self.plan.second_looks() < 2;
        let missing = if let Some(look) = self.recount.as_mut().filter(|_| second) {
            look.half(search, last)
        } else {
            // A sweep without a count is taken as it comes: it is the second look at every window.
            let unproven = self.phase == Phase::Window && search.unproven(FEW);
            let doubted = search.missing() > 0 || unproven;
            if doubted && self.plan.look_again(&mut self.written) {
                self.recount = Some(Recount::after(search));
                return true;
            }
            search.missing()
        };
        match self.phase {
            Phase::Sweep if missing > 0 => self.fail_phase(),
            Phase::Sweep => {}
            _ => self.evidence.left_out += missing,
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(distinct: u64, total: Option<u64>) -> SearchProgress {
        SearchProgress {
            distinct,
            total,
            ..SearchProgress::default()
        }
    }

    #[test]
    fn halves_show_what_the_whole_left_out() {
        for (whole, halves, new, missing) in [
            // The halves bring all that was counted.
            ((50, Some(80)), [(40, Some(40)), (40, Some(40))], 30, 0),
            // They bring more, and not all.
            ((50, Some(120)), [(50, Some(60)), (50, Some(60))], 50, 20),
            ((50, Some(80)), [(25, Some(25)), (25, Some(25))], 0, 30),
            // Nobody counts: all that can be said is that the whole was not whole.
            ((50, None), [(50, None), (20, None)], 20, 20),
            ((50, None), [(25, None), (25, None)], 0, 0),
            ((50, None), [(25, Some(9)), (25, Some(9))], 1, 1),
            // What the whole had is in neither half.
            ((50, None), [(20, None), (25, None)], 0, 5),
            ((50, None), [(35, Some(35)), (35, Some(35))], 20, 0),
        ] {
            let mut look = Recount::after(ended(whole.0, whole.1));
            for _ in 0..new {
                look.brought(None, None);
            }
            let [(one, of_one), (two, of_two)] = halves;
            let found = [
                look.half(ended(one, of_one), false),
                look.half(ended(two, of_two), true),
            ];
            assert_eq!(found, [0, missing], "{whole:?} {halves:?}");
        }
    }

    #[test]
    fn what_is_written_meanwhile_was_not_left_out() {
        let mut look = Recount::after(ended(50, None));
        look.brought(Some(Instant(7)), Some(Instant(7)));
        assert_eq!(look.new, 0);
        look.brought(Some(Instant(6)), Some(Instant(7)));
        assert_eq!(look.new, 1);
    }
}
