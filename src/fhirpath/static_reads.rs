//! What an expression could read, found without data: the disclosure check's answer.
//!
//! In comes the syntax; out come the paths of every element whose content could reach the result or decide
//! it (a filter discloses too), from the root each starts at. Kept: never too few. Where it cannot be told, the answer
//! is [`Reads::Unbounded`].

use std::collections::BTreeSet;

use super::parse::FOCUS_NAMES;
use super::syntax::{Expr, Function, Operator, PatternUse, StepKind};

/// The elements an expression could read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reads {
    /// Sorted, each once. A path stands for everything below it; an empty one for the whole resource.
    Paths(Vec<Read>),
    Unbounded {
        why: &'static str,
    },
}

/// One element: where its path starts, and the names it goes through; `value.ofType(boolean)` is `value`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Read {
    pub(crate) root: Root,
    pub(crate) path: Vec<String>,
}

impl Read {
    /// Whether another place is this one or a part of it.
    fn covers(&self, other: &Self) -> bool {
        self.root == other.root && other.path.starts_with(&self.path)
    }
}

/// Where a path starts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Root {
    /// What the expression is evaluated on.
    Focus,
    /// `%name`.
    Variable(String),
}

/// More paths than this are not followed: each `|` or `iif` may double them.
const PATHS_MAX: usize = 1_000;
const TOO_MANY: &str = "the expression reads too many paths to list";
/// Rounds of `repeat()` and `aggregate()` that are followed.
const ROUNDS_MAX: usize = 8;
/// Parts of expressions looked at.
const WORK_MAX: usize = 100_000;

pub(super) fn reads(root: &Expr) -> Reads {
    let mut analysis = Analysis::default();
    let focus = [Read {
        root: Root::Focus,
        path: Vec::new(),
    }];
    let result = analysis.expr(root, &focus);
    analysis.consume(result);
    match analysis.unbounded {
        Some(why) => Reads::Unbounded { why },
        None => Reads::Paths(analysis.read.into_iter().collect()),
    }
}

#[derive(Default)]
struct Analysis {
    read: BTreeSet<Read>,
    unbounded: Option<&'static str>,
    /// What `$total` could be.
    total: Vec<Read>,
    work: usize,
}

impl Analysis {
    /// Marks what these places hold as read.
    fn consume(&mut self, places: Vec<Read>) {
        self.read.extend(places);
        if self.read.len() > PATHS_MAX {
            self.unbounded = Some(TOO_MANY);
        }
    }

    /// Each place once, and no more than can be listed.
    fn bounded(&mut self, mut places: Vec<Read>) -> Vec<Read> {
        places.sort();
        places.dedup();
        if places.len() > PATHS_MAX {
            self.unbounded = Some(TOO_MANY);
            places.clear();
        }
        places
    }

    /// The places an expression's result could be, given those of `$this`.
    fn expr(&mut self, expr: &Expr, this: &[Read]) -> Vec<Read> {
        self.work += 1;
        if self.work > WORK_MAX {
            self.unbounded = Some(TOO_MANY);
        }
        if self.unbounded.is_some() {
            return Vec::new();
        }
        match expr {
            Expr::Empty | Expr::Literal(_) | Expr::Index | Expr::RowIndex => Vec::new(),
            Expr::This | Expr::Root(..) => this.to_vec(),
            Expr::Total => self.total.clone(),
            Expr::Variable(name, _) => {
                let root = if FOCUS_NAMES.contains(&name.as_str()) {
                    Root::Focus
                } else {
                    Root::Variable(name.clone())
                };
                vec![Read {
                    root,
                    path: Vec::new(),
                }]
            }
            Expr::Chain(head, steps) => {
                let mut places = self.expr(head, this);
                for step in steps {
                    places = self.step(&step.kind, places, this);
                }
                places
            }
            Expr::Negative(inner) => {
                let places = self.expr(inner, this);
                self.consume(places);
                Vec::new()
            }
            Expr::Binary(operator, left, right) => {
                let mut places = self.expr(left, this);
                places.extend(self.expr(right, this));
                // A union compares its sides to drop repeats, and hands them on.
                self.consume(places.clone());
                if *operator == Operator::Union {
                    self.bounded(places)
                } else {
                    Vec::new()
                }
            }
        }
    }

    fn step(&mut self, step: &StepKind, mut places: Vec<Read>, this: &[Read]) -> Vec<Read> {
        match step {
            StepKind::Child(child) => {
                for place in &mut places {
                    place.path.push(child.name.clone());
                }
                places
            }
            StepKind::At(index) => {
                let read = self.expr(index, this);
                self.consume(read);
                places
            }
            StepKind::OfType(_) | StepKind::As(_) => places,
            StepKind::Is(_) => {
                self.consume(places);
                Vec::new()
            }
            StepKind::Pattern(usage, _) => {
                if let PatternUse::Replace(by) = usage {
                    let read = self.expr(by, this);
                    self.consume(read);
                }
                self.consume(places);
                Vec::new()
            }
            StepKind::Call(function, arguments) => self.call(*function, arguments, places, this),
        }
    }

    fn call(
        &mut self,
        function: Function,
        arguments: &[Expr],
        mut places: Vec<Read>,
        this: &[Read],
    ) -> Vec<Read> {
        match function {
            Function::First | Function::Last | Function::Tail | Function::Single => places,
            Function::Where => {
                self.consume_all(arguments, &places);
                places
            }
            Function::Select => self.expr(&arguments[0], &places),
            Function::Skip | Function::Take => {
                self.consume_all(arguments, this);
                places
            }
            // What is taken out depends on what is in, and so do all parts of an element: they stand for it whole.
            Function::Distinct | Function::Children | Function::Descendants => {
                self.consume(places.clone());
                places
            }
            Function::Intersect | Function::Exclude => {
                self.consume_all(arguments, this);
                self.consume(places.clone());
                places
            }
            Function::Sort | Function::Trace => {
                self.consume_all(arguments, &places);
                self.consume(places.clone());
                places
            }
            Function::Union | Function::Combine => {
                places.extend(self.expr(&arguments[0], this));
                self.consume(places.clone());
                self.bounded(places)
            }
            Function::Repeat => self.repeated(&arguments[0], places),
            Function::Aggregate => self.aggregated(arguments, &places, this),
            Function::Iif => {
                self.consume_all(&arguments[..1], &places);
                let mut results = Vec::new();
                for branch in &arguments[1..] {
                    results.extend(self.expr(branch, &places));
                }
                self.bounded(results)
            }
            Function::Extension => {
                self.consume_all(arguments, this);
                for place in &mut places {
                    place.path.push("extension".to_owned());
                }
                // The URL decides which extension comes out.
                for place in &places {
                    let mut url = place.clone();
                    url.path.push("url".to_owned());
                    self.consume(vec![url]);
                }
                places
            }
            Function::Resolve => {
                self.unbounded = Some("resolve() can reach any resource");
                self.consume(places);
                Vec::new()
            }
            Function::All | Function::Exists => {
                self.consume_all(arguments, &places);
                self.consume(places);
                Vec::new()
            }
            _ => {
                self.consume_all(arguments, this);
                self.consume(places);
                Vec::new()
            }
        }
    }

    /// Goes on from what was found until that is only parts of what was found before.
    fn repeated(&mut self, projection: &Expr, mut level: Vec<Read>) -> Vec<Read> {
        self.consume(level.clone());
        let mut results: Vec<Read> = Vec::new();
        for _ in 0..ROUNDS_MAX {
            let found = self.expr(projection, &level);
            self.consume(found.clone());
            level = found
                .into_iter()
                .filter(|place| !results.iter().any(|known| known.covers(place)))
                .collect();
            if level.is_empty() {
                return self.bounded(results);
            }
            results.extend_from_slice(&level);
        }
        self.unbounded = Some("repeat() can reach too much to list");
        Vec::new()
    }

    /// What the sum could be, from any item and any sum before it.
    fn aggregated(&mut self, arguments: &[Expr], places: &[Read], this: &[Read]) -> Vec<Read> {
        self.consume(places.to_vec());
        let start = match arguments.get(1) {
            Some(start) => self.expr(start, this),
            None => Vec::new(),
        };
        let outer = std::mem::replace(&mut self.total, start);
        for _ in 0..ROUNDS_MAX {
            self.consume(self.total.clone());
            let mut found = self.expr(&arguments[0], places);
            found.retain(|place| !self.total.iter().any(|known| known.covers(place)));
            if found.is_empty() {
                let total = std::mem::replace(&mut self.total, outer);
                return self.bounded(total);
            }
            self.total.extend(found);
        }
        self.total = outer;
        self.unbounded = Some("aggregate() can reach too much to list");
        Vec::new()
    }

    fn consume_all(&mut self, arguments: &[Expr], this: &[Read]) {
        for argument in arguments {
            let places = self.expr(argument, this);
            self.consume(places);
        }
    }
}
