//! Diagnostics of one file, up to a limit: beyond it they are counted, and the count is told.

use super::{Code, Diagnostic, Place};

/// The first diagnostics of a file, and how many there were beyond them.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeptDiagnostics {
    kept: Vec<Diagnostic>,
    diagnostics_max: usize,
    more: u64,
}

impl KeptDiagnostics {
    /// None yet; so many are kept.
    pub(crate) fn at_most(diagnostics_max: usize) -> Self {
        Self {
            kept: Vec::new(),
            diagnostics_max,
            more: 0,
        }
    }

    /// Keeps one, or counts it.
    pub(crate) fn add(&mut self, diagnostic: Diagnostic) {
        if self.is_full() {
            self.more += 1;
        } else {
            self.kept.push(diagnostic);
        }
    }

    /// Counts some that nobody kept.
    pub(crate) fn add_more(&mut self, more: u64) {
        self.more += more;
    }

    /// Whether one more would only be counted.
    pub(crate) fn is_full(&self) -> bool {
        self.kept.len() >= self.diagnostics_max
    }

    /// Those that are kept, and at last how many there were beyond them.
    pub(crate) fn all(&self) -> Vec<Diagnostic> {
        let mut all = self.kept.clone();
        all.extend(more_diagnostics(self.more));
        all
    }
}

/// That there were so many diagnostics beyond those that are kept; nothing if there was none.
pub(crate) fn more_diagnostics(more: u64) -> Option<Diagnostic> {
    let what = format!("{more} more problems than are kept of one file");
    let place = Place::detail("beyond the ones named");
    (more > 0).then(|| Diagnostic::new(Code::MoreDiagnostics, what, place))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_are_kept_and_the_rest_is_counted() {
        let found =
            |number: usize| Diagnostic::new(Code::Unreadable, number.to_string(), Place::default());
        for (added, more) in [(0, 0), (2, 0), (3, 0), (4, 1), (9, 6)] {
            let mut kept = KeptDiagnostics::at_most(3);
            (0..added).for_each(|number| kept.add(found(number)));
            assert_eq!(kept.is_full(), added >= 3);
            let mut wanted: Vec<_> = (0..added.min(3)).map(found).collect();
            wanted.extend(more_diagnostics(more));
            assert_eq!(kept.all(), wanted, "{added}");
            let said = kept
                .all()
                .iter()
                .any(|one| one.code() == Code::MoreDiagnostics);
            assert_eq!(said, more > 0, "{added}");
        }
        let mut kept = KeptDiagnostics::at_most(3);
        kept.add_more(2);
        assert!(kept.all()[0].render().contains("2 more problems"));
    }
}
