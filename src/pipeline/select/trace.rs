//! What a decision looked at, in its order: the same checks, told.
//!
//! In: each check as it is made. Out: steps for `kith why`. Keeps: a decision made in a run and one that is explained go
//! through the same code; a run writes nothing down. A step holds no name, number, address or free text.

use crate::domain::Reason;

/// One check of a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// Its name, as `kith why` prints it.
    pub(crate) check: &'static str,
    /// What was seen, masked.
    pub(crate) saw: String,
    /// Why the decision ends here; `None` where it went on.
    pub(crate) ends: Option<Reason>,
}

/// The steps of a decision, if anybody asked for them.
#[derive(Debug)]
pub(crate) struct Trail(Option<Vec<Step>>);

impl Trail {
    /// For a run: nothing is written down.
    pub(crate) fn silent() -> Self {
        Self(None)
    }

    /// For somebody who asks why.
    pub(crate) fn telling() -> Self {
        Self(Some(Vec::new()))
    }

    /// Notes a check and gives back how it ended.
    pub(crate) fn check(
        &mut self,
        check: &'static str,
        ends: Option<Reason>,
        saw: impl FnOnce() -> String,
    ) -> Option<Reason> {
        if let Some(steps) = &mut self.0 {
            steps.push(Step {
                check,
                saw: saw(),
                ends,
            });
        }
        ends
    }

    /// What was noted.
    pub(crate) fn into_steps(self) -> Vec<Step> {
        self.0.unwrap_or_default()
    }
}
