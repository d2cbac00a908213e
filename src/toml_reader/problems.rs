//! The problems of a set of files.
//!
//! Problems come in as they are found; all of them go out, sorted by place. Kept: a problem is told once, and their number
//! has a limit.

use std::cell::{Cell, RefCell};

use super::At;
use crate::diagnostics::{Code, Diagnostic, Place, did_you_mean, more_diagnostics};
use crate::domain::Limits;

/// Every problem of a set of files, in the order found, and the limits within which the files are read.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    found: RefCell<Vec<NotedProblem>>,
    limits: Cell<Limits>,
    /// Problems beyond those that are kept.
    more: Cell<u64>,
}

#[derive(Debug)]
struct NotedProblem {
    problem: Diagnostic,
    /// The keys, any of which would have done, of a table that lacks them all.
    lacks: Vec<&'static str>,
}

impl Problems {
    /// None yet, of files that are read within these limits.
    pub(crate) fn within(limits: &Limits) -> Self {
        let problems = Self::default();
        problems.limits.set(*limits);
        problems
    }

    /// From here on, what is read is read within these limits.
    pub(crate) fn set_limits(&self, limits: &Limits) {
        self.limits.set(*limits);
    }

    /// The limits within which the files are read.
    pub(crate) fn limits(&self) -> Limits {
        self.limits.get()
    }

    fn push(&self, problem: Diagnostic, lacks: &[&'static str]) {
        let mut found = self.found.borrow_mut();
        if found.iter().any(|known| known.problem == problem) {
            return;
        }
        if found.len() >= self.limits().diagnostics_max {
            self.more.set(self.more.get() + 1);
            // What is beyond the limit may be what forbids going on.
            let kept = found.iter().rposition(|known| !known.problem.fatal());
            match kept.filter(|_| problem.fatal()) {
                Some(kept) => drop(found.remove(kept)),
                None => return,
            }
        }
        let lacks = lacks.to_vec();
        found.push(NotedProblem { problem, lacks });
    }

    /// Notes a problem; what is known already, or beyond the limit, adds nothing new.
    pub(crate) fn add(&self, code: Code, what: impl Into<String>, place: &Place) {
        self.push(Diagnostic::new(code, what, place.clone()), &[]);
    }

    /// Notes a problem with a fix that says more than the manual page.
    pub(crate) fn add_fix(
        &self,
        code: Code,
        what: String,
        place: &Place,
        fix: impl Into<Option<String>>,
    ) {
        let problem = Diagnostic::new(code, what, place.clone());
        let problem = match fix.into() {
            Some(fix) => problem.fix(fix),
            None => problem,
        };
        self.push(problem, &[]);
    }

    /// Notes that a word is not known, and of those that are the one nearest to it.
    pub(crate) fn add_unknown<'k>(
        &self,
        code: Code,
        what: String,
        unknown: &At<&str>,
        known: impl IntoIterator<Item = &'k str>,
    ) {
        let fix = did_you_mean(unknown.value, known);
        self.add_fix(code, what, &unknown.place, fix);
    }

    /// Notes that a table lacks all of these keys.
    pub(super) fn add_lack(&self, code: Code, what: String, table: &Place, keys: &[&'static str]) {
        self.push(Diagnostic::new(code, what, table.clone()), keys);
    }

    /// Takes back that a table lacks this key: a misspelt one stands in its place, and is a problem of its own.
    pub(super) fn forget_lack(&self, key: &str, table: &Place) {
        let lacked =
            |noted: &NotedProblem| noted.problem.place() == table && noted.lacks.contains(&key);
        self.found.borrow_mut().retain(|noted| !lacked(noted));
    }

    /// Whether any of them forbids going on.
    pub(crate) fn fatal(&self) -> bool {
        let found = self.found.borrow();
        found.iter().any(|noted| noted.problem.fatal())
    }

    /// All of them, by place; and that there were more than are kept.
    pub(crate) fn into_sorted(self) -> Vec<Diagnostic> {
        let found = self.found.into_inner().into_iter();
        let mut found: Vec<Diagnostic> = found.map(|noted| noted.problem).collect();
        found.sort_by(|a, b| (a.place(), a.code()).cmp(&(b.place(), b.code())));
        found.extend(more_diagnostics(self.more.get()));
        found
    }
}
