//! Who may use whom: rooms, and the modules inside `pipeline` and `partner` (`tests/tidy_arrows.txt`, ADR 0007).

use std::path::Path;

use crate::graph::{Graph, OWN, Table, missing, rows_and_modules, unused};
use crate::reading::{files_below, read};
use crate::report;
use crate::source::Source;
use crate::tokens::starts;
use crate::uses::{reaches, stray_files};

/// The tables, each with the room that it is about; none is the table of the rooms.
const TABLES: [(&str, Option<&str>); 3] = [
    ("rooms", None),
    ("pipeline", Some("pipeline")),
    ("partner", Some("partner")),
];

/// The stages of `pipeline`: each is called by `pipeline/mod.rs` in the data's order, and by no other stage.
pub(crate) const STAGES: [&str; 8] = [
    "pull",
    "watch",
    "deliver",
    "receive",
    "matching",
    "apply",
    "push",
    "reconcile",
];

/// Runs a check on each table and its graph.
fn each_table(check: impl Fn(&Graph, &Table, &Table, &str) -> Vec<String>) {
    let source = Source::of_repository();
    let text = read(Path::new("tests/tidy_arrows.txt"));
    let mut breaches = Vec::new();
    for (heading, room) in TABLES {
        let graph = room.map_or_else(
            || Graph::of_rooms(source),
            |room| Graph::below(source, room),
        );
        let table = Table::read(&text, heading)
            .unwrap_or_else(|| panic!("tests/tidy_arrows.txt: no heading [{heading}]: add it"));
        let tests = Table::read(&text, &format!("{heading}, in tests")).unwrap_or_default();
        breaches.extend(check(&graph, &table, &tests, heading));
    }
    report(&breaches);
}

#[test]
fn modules_use_only_what_the_table_allows() {
    each_table(|graph, table, tests, heading| {
        let shipped = missing(&graph.shipped, &[table], heading);
        let in_tests = missing(
            &graph.in_tests,
            &[table, tests],
            &format!("{heading}, in tests"),
        );
        [shipped, in_tests].concat()
    });
}

#[test]
fn no_arrow_of_the_table_is_idle() {
    each_table(|graph, table, tests, heading| {
        let shipped = unused(&graph.shipped, table, heading);
        [
            shipped,
            unused(&graph.in_tests, tests, &format!("{heading}, in tests")),
        ]
        .concat()
    });
}

#[test]
fn every_module_has_one_row_and_every_row_a_module() {
    each_table(|graph, table, tests, heading| {
        let mut breaches = rows_and_modules(&graph.modules, table, heading);
        for (name, _) in tests
            .rows
            .iter()
            .filter(|(name, _)| !graph.modules.contains(name))
        {
            breaches.push(format!("tests/tidy_arrows.txt: [{heading}, in tests] there is no module {name}: take its row out"));
        }
        breaches
    });
}

#[test]
fn modules_stand_in_no_circle() {
    each_table(|graph, _, _, heading| graph.circle_breaches(heading));
}

#[test]
fn every_source_file_is_a_module() {
    let source = Source::of_repository();
    report(&stray_files(source, &files_below("src", &["rs"])));
}

#[test]
fn no_stage_uses_another_stage() {
    report(&between_stages(&Graph::below(
        Source::of_repository(),
        "pipeline",
    )));
}

/// Arrows from a stage to a stage, and arrows of anybody to `pipeline/mod.rs`.
pub(crate) fn between_stages(graph: &Graph) -> Vec<String> {
    let is_stage = |name: &str| STAGES.contains(&name);
    let mut breaches = Vec::new();
    for ((from, to), place) in &graph.shipped {
        if is_stage(from) && is_stage(to) {
            breaches.push(format!("{place}: the stage {from} uses the stage {to}: what both need stands below both, and pipeline/mod.rs hands on the rest"));
        }
        if to == OWN {
            breaches.push(format!("{place}: {from} uses pipeline/mod.rs, which is the top: move what it needs into a module below"));
        }
    }
    let gone = STAGES
        .iter()
        .filter(|stage| !graph.modules.contains(**stage));
    breaches.extend(gone.map(|stage| format!("src/pipeline/{stage}: there is no such stage any more: correct STAGES of tests/tidy/arrows.rs")));
    breaches
}

#[test]
fn the_command_line_knows_no_store_and_no_stage() {
    report(&of_the_command_line(Source::of_repository()));
}

/// What `cli` names of `store` and `pipeline`, also through re-exports, and fields called `store`.
pub(crate) fn of_the_command_line(source: &Source) -> Vec<String> {
    let mut breaches = Vec::new();
    for reach in reaches(source) {
        if reach.from.path.first().is_none_or(|room| room != "cli") || reach.in_tests() {
            continue;
        }
        let written = reach.absolute.first().map(String::as_str);
        let led = reach.found.module.first().map(String::as_str);
        for room in ["store", "pipeline"] {
            // What another room makes of a pipeline's type is that room's; a type of the store stays one.
            if written == Some(room) || (led == Some(room) && room == "store") {
                let path = [reach.found.module.as_slice(), &reach.found.rest]
                    .concat()
                    .join("::");
                breaches.push(format!("{}: cli uses {path}: ask a function of actions or daemon, which gives a type of its own", reach.place()));
            }
        }
    }
    for file in source
        .files
        .iter()
        .filter(|file| file.module.first().is_some_and(|room| room == "cli"))
    {
        for at in file
            .shipped()
            .filter(|at| starts(&file.tokens, *at, &[".", "store"]))
        {
            let line = file.tokens.get(at).map_or(0, |token| token.line);
            breaches.push(format!(
                "{}:{line}: cli asks the store: ask a function of actions",
                file.file.display()
            ));
        }
    }
    breaches.sort();
    breaches.dedup();
    breaches
}
