//! The rate limit of a source: every request takes its turn, whichever client sends it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Turns that were not taken are kept for this long, so that a late wake-up costs nothing.
const KEPT: Duration = Duration::from_millis(100);

/// Turns at a steady rate; without a rate there is no wait.
pub(crate) struct Pace {
    between: Option<Duration>,
    /// When the next turn is, by the timer.
    next: Mutex<Duration>,
}

impl Pace {
    /// So many requests a second.
    pub(crate) fn new(requests_per_second: Option<u32>) -> Self {
        let rate = requests_per_second.filter(|rate| *rate > 0);
        Self {
            between: rate.map(|rate| Duration::from_secs(1) / rate),
            next: Mutex::new(Duration::ZERO),
        }
    }

    /// Takes a turn, and says how long to wait for it.
    pub(crate) fn turn(&self, running: Duration) -> Duration {
        let Some(between) = self.between else {
            return Duration::ZERO;
        };
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let mine = (*next).max(running.saturating_sub(KEPT));
        *next = mine + between;
        mine.saturating_sub(running)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_come_at_the_rate_and_idle_time_is_not_saved_up() {
        let pace = Pace::new(Some(10));
        let ms = Duration::from_millis;
        let waits: Vec<Duration> = (0..4).map(|_| pace.turn(ms(5_000))).collect();
        // Two at once for the tenth of a second that was kept, then one every tenth.
        assert_eq!(waits, [ms(0), ms(0), ms(100), ms(200)]);
        assert_eq!(pace.turn(ms(5_000)), ms(300));
        assert_eq!(Pace::new(None).turn(ms(0)), ms(0));
    }
}
