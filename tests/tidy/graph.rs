//! Graphs of modules: what the code does, what the table allows, and what differs.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::Source;
use crate::uses::reaches;

/// Who uses whom, with one place in the code for each.
pub(crate) type Arrows = BTreeMap<(String, String), String>;

/// The name of what `mod.rs` itself holds, beside the modules below it.
pub(crate) const OWN: &str = "mod";

/// A graph read from the code: its modules, the arrows of what ships, and those that tests alone use.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    pub(crate) modules: BTreeSet<String>,
    pub(crate) shipped: Arrows,
    pub(crate) in_tests: Arrows,
}

impl Graph {
    /// The rooms: the modules of the crate, with `lib` and `main`.
    pub(crate) fn of_rooms(source: &Source) -> Self {
        let room = |path: &[String]| path.first().map_or("lib", String::as_str).to_owned();
        let mut graph = Self::default();
        graph
            .modules
            .extend(source.modules.keys().map(|path| room(path)));
        for reach in reaches(source) {
            // `use crate::NAME` names a thing of lib.rs, which holds none.
            let Some(to) = reach
                .absolute
                .first()
                .filter(|to| graph.modules.contains(*to))
            else {
                continue;
            };
            let from = room(&reach.from.path);
            graph.note(from, to.clone(), reach.in_tests(), reach.place());
        }
        graph.without_twice()
    }

    /// The modules directly below one room, through re-exports: `mod` is what the room's `mod.rs` holds itself.
    pub(crate) fn below(source: &Source, room: &str) -> Self {
        let mut graph = Self::default();
        let own = |path: &[String]| path.first().is_some_and(|first| first == room);
        for (path, module) in source.modules.iter().filter(|(path, _)| own(path)) {
            match path.as_slice() {
                [_] => graph.modules.insert(OWN.to_owned()),
                [_, name] if !module.in_tests => graph.modules.insert(name.clone()),
                _ => false,
            };
        }
        let child = |path: &[String], modules: &BTreeSet<String>| {
            let name = path.get(1).filter(|name| modules.contains(*name));
            name.map_or(OWN, String::as_str).to_owned()
        };
        for reach in reaches(source) {
            if !own(&reach.from.path) || !own(&reach.found.module) {
                continue;
            }
            // `use crate::room` alone names nothing of it yet.
            if reach.found.module.len() == 1 && reach.found.rest.is_empty() && reach.written.in_use
            {
                continue;
            }
            let from = child(&reach.from.path, &graph.modules);
            let to = child(&reach.found.module, &graph.modules);
            graph.note(from, to, reach.in_tests(), reach.place());
        }
        graph.without_twice()
    }

    fn note(&mut self, from: String, to: String, in_tests: bool, place: String) {
        if from != to {
            let arrows = if in_tests {
                &mut self.in_tests
            } else {
                &mut self.shipped
            };
            arrows.entry((from, to)).or_insert(place);
        }
    }

    /// An arrow that ships is not an arrow of tests.
    fn without_twice(mut self) -> Self {
        self.in_tests
            .retain(|arrow, _| !self.shipped.contains_key(arrow));
        self
    }

    /// The circles of what ships: groups of modules each of which reaches all the others.
    pub(crate) fn circles(&self) -> Vec<Vec<String>> {
        let behind = |start: &String| -> BTreeSet<&String> {
            let (mut reached, mut next) = (BTreeSet::new(), vec![start]);
            while let Some(from) = next.pop() {
                for (_, to) in self.shipped.keys().filter(|(one, _)| one == from) {
                    if reached.insert(to) {
                        next.push(to);
                    }
                }
            }
            reached
        };
        let reached: BTreeMap<&String, BTreeSet<&String>> = self
            .modules
            .iter()
            .map(|name| (name, behind(name)))
            .collect();
        let mut circles = BTreeSet::new();
        for (name, to) in reached.iter().filter(|(name, to)| to.contains(**name)) {
            let circle = to.iter().filter(|other| {
                reached
                    .get(**other)
                    .is_some_and(|back| back.contains(*name))
            });
            circles.insert(circle.map(|name| (*name).clone()).collect::<Vec<_>>());
        }
        circles.into_iter().collect()
    }

    /// The circles as breaches: the modules, and the arrows between them with a place for each.
    pub(crate) fn circle_breaches(&self, of: &str) -> Vec<String> {
        let mut breaches = Vec::new();
        for circle in self.circles() {
            let inside = |name: &String| circle.contains(name);
            let arrows = self
                .shipped
                .iter()
                .filter(|((from, to), _)| inside(from) && inside(to));
            let arrows: Vec<String> = arrows
                .map(|((from, to), place)| format!("  {from} -> {to}: {place}"))
                .collect();
            breaches.push(format!(
                "a circle in {of}: {}; move what two of them need below both:\n{}",
                circle.join(", "),
                arrows.join("\n")
            ));
        }
        breaches
    }
}

/// One table of `tests/tidy_arrows.txt`: for each module, in the file's order, those that it may use.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) rows: Vec<(String, Vec<String>)>,
}

impl Table {
    /// The table under a heading `[…]`, if there is one.
    pub(crate) fn read(text: &str, heading: &str) -> Option<Self> {
        let heading = format!("[{heading}]");
        let mut lines = text
            .lines()
            .map(str::trim)
            .skip_while(|line| *line != heading);
        lines.next()?;
        let rows = lines
            .take_while(|line| !line.starts_with('['))
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .map(|line| {
                let (from, to) = line.split_once(':').unwrap_or((line, ""));
                (
                    from.trim().to_owned(),
                    to.split_whitespace().map(str::to_owned).collect(),
                )
            });
        Some(Self {
            rows: rows.collect(),
        })
    }

    fn arrows(&self) -> BTreeSet<(String, String)> {
        let pairs = self
            .rows
            .iter()
            .flat_map(|(from, all)| all.iter().map(move |to| (from.clone(), to.clone())));
        pairs.collect()
    }
}

/// Arrows of the code that the table lacks.
pub(crate) fn missing(graph: &Arrows, tables: &[&Table], heading: &str) -> Vec<String> {
    let allowed: BTreeSet<_> = tables.iter().flat_map(|table| table.arrows()).collect();
    let new = graph.iter().filter(|(arrow, _)| !allowed.contains(*arrow));
    new.map(|((from, to), place)| {
        format!("{place}: {from} may not use {to}; if it must, argue it in an ADR and add it to [{heading}] of tests/tidy_arrows.txt")
    })
    .collect()
}

/// Arrows of the table that the code lacks.
pub(crate) fn unused(graph: &Arrows, table: &Table, heading: &str) -> Vec<String> {
    let idle = table
        .arrows()
        .into_iter()
        .filter(|arrow| !graph.contains_key(arrow));
    idle.map(|(from, to)| {
        format!("tests/tidy_arrows.txt: [{heading}] {from} -> {to} is used by nobody: take it out")
    })
    .collect()
}

/// Rows without a module, modules without a row, and rows written twice.
pub(crate) fn rows_and_modules(
    modules: &BTreeSet<String>,
    table: &Table,
    heading: &str,
) -> Vec<String> {
    let mut breaches = Vec::new();
    let mut rows = BTreeSet::new();
    for (name, _) in &table.rows {
        if !modules.contains(name) {
            breaches.push(format!(
                "tests/tidy_arrows.txt: [{heading}] there is no module {name}: take its row out"
            ));
        }
        if !rows.insert(name.clone()) {
            breaches.push(format!(
                "tests/tidy_arrows.txt: [{heading}] {name} has two rows: make them one"
            ));
        }
    }
    for name in modules.difference(&rows) {
        breaches.push(format!("tests/tidy_arrows.txt: [{heading}] the module {name} has no row: add `{name}:` and what it uses"));
    }
    breaches
}
