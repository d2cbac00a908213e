//! A server that a test started, and ends by its own process id.

use std::process::{Child, Command};

/// A child process; killed when dropped.
pub(crate) struct Process(pub(crate) Child);

impl Process {
    /// Starts a command.
    pub(crate) fn start(command: &mut Command) -> Self {
        Self(
            command
                .spawn()
                .expect("the program is there, or its absence was told before"),
        )
    }

    /// Whether it still runs.
    pub(crate) fn alive(&mut self) -> bool {
        matches!(self.0.try_wait(), Ok(None))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Already ended is as good as ended now.
        self.0.kill().unwrap_or(());
        drop(self.0.wait());
    }
}
