//! The time that a client waits by: the machine's, never the one that a run was given.
//!
//! A run as of last week still has to be signed in today, and its waits are real ones. Tests put in a timer that only counts.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use crate::domain::clock::SystemClock;
use crate::domain::{Clock, Instant};

/// Time as a client needs it.
pub(crate) trait Timer: Send + Sync {
    /// The machine's wall clock, for what a server compares with its own.
    fn now(&self) -> Instant;
    /// Time since some start; it never jumps.
    fn running(&self) -> Duration;
    /// Waits.
    fn sleep(&self, time: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}

/// The machine's own.
pub(crate) struct MachineTimer {
    start: std::time::Instant,
}

impl MachineTimer {
    /// Starts one.
    pub(crate) fn new() -> Self {
        Self {
            start: std::time::Instant::now(),
        }
    }
}

impl Timer for MachineTimer {
    fn now(&self) -> Instant {
        SystemClock.now()
    }

    fn running(&self) -> Duration {
        self.start.elapsed()
    }

    fn sleep(&self, time: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(tokio::time::sleep(time))
    }
}
