//! The rules on arrows, on made-up modules.

use crate::arrows::{between_stages, of_the_command_line};
use crate::graph::{Graph, Table, missing, rows_and_modules, unused};
use crate::source::Source;

/// The arrows of made-up rooms, as `a>b`.
fn rooms(files: &[(&str, &str)]) -> Vec<String> {
    let graph = Graph::of_rooms(&Source::made_up(files));
    graph
        .shipped
        .keys()
        .map(|(from, to)| format!("{from}>{to}"))
        .collect()
}

/// The arrows below a made-up `pipeline`.
fn below(files: &[(&str, &str)]) -> Vec<String> {
    let graph = Graph::below(&Source::made_up(files), "pipeline");
    graph
        .shipped
        .keys()
        .map(|(from, to)| format!("{from}>{to}"))
        .collect()
}

#[test]
fn paths_are_read_in_every_form() {
    let forms = [
        ("use crate::store::X;", true),
        ("use crate::{domain::Y, store};", true),
        (
            "use crate::{domain::{self, Y as Z}, store::{a::{B, C}, *}};",
            true,
        ),
        ("use super::super::store::X;", true),
        ("fn f() { crate::store::x::y() }", true),
        ("fn f() -> Vec<crate::store::X> { Vec::new() }", true),
        (
            "mod inner { fn f() { super::super::super::store::x(); } }",
            true,
        ),
        ("mod inner { use super::*; use crate::store::X; }", true),
        ("#[error(\"{}\", crate::store::X)] struct E;", true),
        (
            "// use crate::store::X;\n/* crate::store::x() /* */ */ fn f() {}",
            false,
        ),
        (
            "const X: &str = \"crate::store::x\"; const Y: &str = r#\"use crate::store::X;\"#;",
            false,
        ),
        ("#[cfg(test)] mod tests { use crate::store::X; }", false),
        (
            "#[cfg(test)] mod tests { use super::*; }\nuse crate::store::X;",
            true,
        ),
        ("#[cfg(test)]\n#[path = \"x.rs\"]\nmod tests;", false),
        ("struct S { #[cfg(test)] x: crate::store::X, y: u8 }", false),
        ("pub(in crate::store) fn f() {}", false),
        ("use regex::store::X; fn f() { store::x() }", false),
    ];
    for (text, found) in forms {
        let arrows = rooms(&[
            ("", ""),
            ("fhir", ""),
            ("fhir::a", text),
            ("store", "pub struct X;"),
            ("domain", ""),
        ]);
        assert_eq!(
            arrows.contains(&"fhir>store".to_owned()),
            found,
            "{text}: {arrows:?}"
        );
    }
    // Lifetimes and characters do not swallow what follows.
    let odd = "fn f<'a>(x: &'a str) { let c = '\"'; let q = '\\''; crate::store::x(); }";
    assert_eq!(
        rooms(&[("", ""), ("fhir", odd), ("store", "")]),
        ["fhir>store"]
    );
}

#[test]
fn paths_lead_through_imports_and_re_exports() {
    let pipeline = [
        (
            "pipeline",
            "pub use low::Thing; mod low; use crate::domain::Stage;",
        ),
        ("pipeline::low", "pub struct Thing; pub fn f() {}"),
    ];
    let with = |text: &'static str| {
        let files = [
            pipeline[0],
            pipeline[1],
            ("", ""),
            ("domain", ""),
            ("pipeline::high", text),
        ];
        below(&files)
    };
    assert_eq!(with("use super::low;"), ["high>low", "mod>low"]);
    assert_eq!(with("use crate::pipeline::Thing;"), ["high>low", "mod>low"]);
    assert_eq!(
        with("use crate::pipeline; fn g() { pipeline::low::f() }"),
        ["high>low", "mod>low"]
    );
    assert_eq!(with("use super::run;"), ["high>mod", "mod>low"]);
    assert_eq!(with("use crate::domain::Stage;"), ["mod>low"]);
}

#[test]
fn an_arrow_that_the_table_lacks_is_a_breach_and_an_idle_one_too() {
    let source = Source::made_up(&[("", ""), ("a", "use crate::b::X;"), ("b", ""), ("c", "")]);
    let graph = Graph::of_rooms(&source);
    let table = |text: &str| Table::read(text, "rooms").unwrap();
    let right = table("# why\n[rooms]\nlib:\nb:\nc:\n\n# why\na: b\n[other]\nx: y\n");
    assert!(missing(&graph.shipped, &[&right], "rooms").is_empty());
    assert!(unused(&graph.shipped, &right, "rooms").is_empty());
    assert!(rows_and_modules(&graph.modules, &right, "rooms").is_empty());
    let wrong = table("[rooms]\nlib:\na: c\na:\nc:\nghost:");
    let lacking = missing(&graph.shipped, &[&wrong], "rooms");
    assert!(
        lacking.len() == 1 && lacking[0].starts_with("src/a.rs:1: a may not use b"),
        "{lacking:?}"
    );
    assert_eq!(unused(&graph.shipped, &wrong, "rooms").len(), 1);
    let rows = rows_and_modules(&graph.modules, &wrong, "rooms").join("\n");
    assert!(
        rows.contains("no module ghost")
            && rows.contains("a has two rows")
            && rows.contains("module b has no row"),
        "{rows}"
    );
    assert_eq!(Table::read("[rooms]", "pipeline"), None);
}

#[test]
fn a_circle_is_found_and_named() {
    let line = [
        ("", ""),
        ("a", "use crate::b::X;"),
        ("b", "use crate::c::X;"),
        ("c", ""),
        ("d", "use crate::a::X;"),
    ];
    assert!(
        Graph::of_rooms(&Source::made_up(&line))
            .circles()
            .is_empty()
    );
    let round = [
        line[0],
        line[1],
        line[2],
        ("c", "fn f() { crate::a::x() }"),
        line[4],
    ];
    let graph = Graph::of_rooms(&Source::made_up(&round));
    assert_eq!(graph.circles(), [["a", "b", "c"]]);
    let breaches = graph.circle_breaches("rooms");
    assert!(
        breaches[0].contains("a, b, c") && breaches[0].contains("c -> a: src/c.rs:1"),
        "{breaches:?}"
    );
    // What tests use makes no circle.
    let tests = [
        line[0],
        line[1],
        line[2],
        ("c", "#[cfg(test)] mod tests { use crate::a::X; }"),
        line[4],
    ];
    assert!(
        Graph::of_rooms(&Source::made_up(&tests))
            .circles()
            .is_empty()
    );
}

#[test]
fn a_stage_that_uses_a_stage_is_a_breach() {
    let stages = crate::arrows::STAGES.map(|stage| format!("pipeline::{stage}"));
    let with = |text: &'static str| {
        let mut files: Vec<(&str, &str)> =
            stages.iter().map(|stage| (stage.as_str(), "")).collect();
        files.extend([
            ("", ""),
            ("pipeline", "pub fn top() {}"),
            ("pipeline::run", ""),
            ("pipeline::pull::deep", text),
        ]);
        between_stages(&Graph::below(&Source::made_up(&files), "pipeline"))
    };
    assert!(with("use crate::pipeline::run::Env;").is_empty());
    assert_eq!(with("use crate::pipeline::push::X;").len(), 1);
    assert_eq!(with("use crate::pipeline::top;").len(), 1);
    let one_stage = Graph::below(
        &Source::made_up(&[("pipeline", ""), ("pipeline::pull", "")]),
        "pipeline",
    );
    assert_eq!(between_stages(&one_stage).len(), stages.len() - 1);
}

#[test]
fn a_command_that_knows_the_store_or_a_stage_is_a_breach() {
    let with = |text: &'static str| {
        let files = [
            ("", ""),
            ("store", "pub struct Leg;"),
            ("pipeline", ""),
            ("pipeline::run", "pub struct Only;"),
            ("actions", "pub use crate::store::Leg; pub struct Answer;"),
            ("daemon", "pub use crate::pipeline::run::Only;"),
            ("cli", ""),
            ("cli::held", text),
        ];
        of_the_command_line(&Source::made_up(&files)).len()
    };
    assert_eq!(
        with("use crate::actions::Answer; use crate::daemon::Only;"),
        0
    );
    assert_eq!(with("use crate::actions::Leg;"), 1);
    assert_eq!(with("use crate::store;"), 1);
    assert_eq!(with("fn f() { crate::store::x() }"), 1);
    assert_eq!(with("use crate::pipeline::run::Only;"), 1);
    assert_eq!(with("fn f(env: &E) { env.store.leg(1) }"), 1);
}
