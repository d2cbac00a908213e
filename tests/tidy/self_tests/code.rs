//! The rules on rows, elements, type names and bounds, on made-up modules.

use crate::bounds::unmet_bounds;
use crate::decisions::{decision_breaches, library_breaches};
use crate::element_names::{Elements, element_breaches};
use crate::names::{glossary_breaches, shared_names, types_of, words_of};
use crate::source::Source;
use crate::spans::lost_spans;
use crate::written_once::second_places;

#[test]
fn an_element_read_outside_its_rooms_is_a_breach() {
    let elements = Elements::read(
        "Patient DomainResource link*:Patient.link deceased[x]:boolean|dateTime active:boolean",
    );
    let with = |room: &'static str, text: &'static str| {
        let source = Source::made_up(&[("", ""), ("json", "pub struct Json;"), (room, text)]);
        element_breaches(&source, &elements).len()
    };
    let read = "use crate::json::Json; fn f(x: &Json) { x.get(\"active\"); x.at(&[\"link\", \"ours\"]); x.get(\"deceasedBoolean\"); }";
    assert_eq!(with("select", read), 3);
    assert_eq!(with("view", read), 0);
    assert_eq!(
        with(
            "select",
            "use crate::json::Json; fn f(x: &Json) { x.get(\"ours\"); say(\"active\"); }"
        ),
        0
    );
    // JSON of our own is not read through `json`.
    assert_eq!(
        with(
            "select",
            "fn f(x: &Value) { x.get(\"active\"); x.pointer(\"/link/0\"); }"
        ),
        0
    );
    assert_eq!(
        with(
            "select",
            concat!("fn f(x: &Value) { x.get(\"resource", "Type\"); }")
        ),
        1
    );
    assert_eq!(
        with(
            "select",
            "use crate::json::Json; #[cfg(test)] mod tests { fn f(x: &Json) { x.get(\"active\"); } }"
        ),
        0
    );
}

#[test]
fn a_type_name_of_two_modules_is_a_breach_and_a_stale_line_too() {
    let source = Source::made_up(&[
        ("", ""),
        (
            "domain",
            "pub struct Leg; trait T { type Inner; } impl T for Leg { type Inner = u8; }",
        ),
        (
            "store",
            "enum Leg { A } type Inner = u8; mod deep { struct Leg; } #[cfg(test)] mod tests { struct Own; }",
        ),
        ("pipeline", ""),
        ("pipeline::pull", "struct Row<'a>(&'a str); struct Own;"),
        ("pipeline::push", "struct Row;"),
        ("pipeline::push::deep", "struct Row;"),
    ]);
    let types = types_of(&source);
    assert_eq!(
        shared_names(
            &types,
            "Leg: domain store\nRow: pipeline/pull pipeline/push\n"
        ),
        [""; 0]
    );
    let breaches = shared_names(&types, "# why\nLeg: domain store view\nOwn: domain store\n");
    assert_eq!(breaches.len(), 4, "{breaches:?}");
    assert!(
        breaches[0].starts_with("src/pipeline/pull.rs:1: Row"),
        "{breaches:?}"
    );
    assert!(
        breaches[2].contains("Leg is no longer a type of view"),
        "{breaches:?}"
    );
    assert!(
        breaches[3].contains("Own is no longer a type of two modules"),
        "{breaches:?}"
    );
    // A third module is new even where two are allowed.
    assert_eq!(
        shared_names(&types, "Leg: domain\nRow: pipeline/pull pipeline/push\n").len(),
        1
    );
}

#[test]
fn the_glossary_is_held_against_the_types() {
    let source = Source::made_up(&[
        ("", ""),
        (
            "domain",
            "pub struct LookupKey; pub struct LeftLook; pub struct Leg;",
        ),
    ]);
    let types = types_of(&source);
    let table = |rows: &str| {
        glossary_breaches(
            &format!(
                "# Words\n\n| word | type | meaning | not |\n| --- | --- | --- | --- |\n{rows}"
            ),
            &types,
        )
    };
    assert_eq!(
        table(
            "| leg | `domain::Leg` | one referral for one partner | strand, `Lore`, client |\n| drop | | files | |"
        ),
        [""; 0]
    );
    assert_eq!(
        table("| lookup key | `LookupKey` | a keyed digest | `Look` |").len(),
        1
    );
    assert_eq!(table("| drop | `Drop` | files | |").len(), 1);
    assert_eq!(table("| drop | files |").len(), 2);
    assert_eq!(glossary_breaches("# Words", &types).len(), 1);
    assert_eq!(words_of("NhsNumber"), ["Nhs", "Number"]);
}

#[test]
fn a_bound_that_no_test_meets_is_a_breach() {
    let limits = "pub(crate) const ROWS_MAX: usize = 5; pub(crate) const PAGES: Bound = Bound { usual: 1, most: 2 };";
    let with = |text: &str| {
        let source = Source::made_up(&[
            ("", ""),
            ("domain", ""),
            ("domain::limits", limits),
            ("fhir", text),
        ]);
        unmet_bounds(&source)
    };
    let both = "#[cfg(test)] mod tests { #[test] fn a() { limits::holds_at(limits::ROWS_MAX, |n| f(n)); \
        holds_at(PAGES.most, |n| f(n)); } }";
    assert_eq!(with(both), [""; 0]);
    let by_hand = "#[cfg(test)] mod tests { #[tokio::test] async fn a() { for n in [ROWS_MAX - 1, ROWS_MAX + 1] { f(n) } \
        f(PAGES.most); f(PAGES.most + 1); } }";
    assert_eq!(with(by_hand), [""; 0]);
    let nearly = "#[cfg(test)] mod tests { #[test] fn a() { f(ROWS_MAX - 1, ROWS_MAX); f(PAGES.most - 1, PAGES.most); } }";
    assert_eq!(with(nearly), [""; 0]);
    for too_little in [
        "",
        // Code that ships, comments and strings are no tests; nor is a function that no test runs.
        "fn f() { holds_at(ROWS_MAX, g); f(ROWS_MAX + 1, PAGES.most, PAGES.most + 1); }",
        "#[cfg(test)] mod tests { #[test] fn a() { /* ROWS_MAX, ROWS_MAX + 1 */ say(\"PAGES.most PAGES.most + 1\"); } }",
        "#[cfg(test)] mod tests { fn a() { f(ROWS_MAX, ROWS_MAX + 1, PAGES.most, PAGES.most + 1); } }",
        "#[cfg(test)] mod tests { #[test] fn a() { f(ROWS_MAX); } #[test] fn b() { f(ROWS_MAX + 1); f(PAGES.usual + 1); } }",
        "#[cfg(test)] mod tests { #[test] fn a() { f(ROWS_MAX + 5); f(ROWS_MAX + 1); f(PAGES, PAGES + 1); } }",
    ] {
        assert_eq!(with(too_little).len(), 2, "{too_little}");
    }
}

#[test]
fn a_row_made_in_a_second_place_is_a_breach() {
    let store = "pub struct HeldRow { a: u8 } impl HeldRow { fn f(self) {} } \
        fn new() -> HeldRow { HeldRow { a: 1 } }";
    let engine = "use crate::store::HeldRow; fn read() -> HeldRow { HeldRow { a: 2 } }";
    let with = |path: &'static str, text: &'static str| {
        let files = [
            ("", ""),
            ("store", store),
            ("store::sqlite", ""),
            ("store::sqlite::read", engine),
            ("report", ""),
        ];
        let files: Vec<_> = files.into_iter().chain([(path, text)]).collect();
        second_places(&Source::made_up(&files)).len()
    };
    assert_eq!(with("domain", ""), 0);
    assert_eq!(
        with(
            "domain",
            "use crate::store::HeldRow; fn f() { g(HeldRow { a: 1 }) }"
        ),
        1
    );
    assert_eq!(
        with("domain", "fn f() { g(crate::store::HeldRow { a: 1 }) }"),
        1
    );
    assert_eq!(
        with(
            "store::batch",
            "use super::HeldRow; fn f() { let x = HeldRow { a: 1 }; }"
        ),
        1
    );
    assert_eq!(
        with(
            "store::sqlite::more",
            "use crate::store::HeldRow; fn f() { let x = HeldRow { a: 1 }; }"
        ),
        1
    );
    // Patterns, tests, and another room's type of that name.
    let patterns = "use crate::store::HeldRow; fn f(x: HeldRow) { let HeldRow { a } = x; match y { HeldRow { .. } => {} } }";
    assert_eq!(with("domain", patterns), 0);
    assert_eq!(
        with(
            "domain",
            "#[cfg(test)] mod tests { use crate::store::HeldRow; fn f() { g(HeldRow { a: 1 }) } }"
        ),
        0
    );
    assert_eq!(
        with(
            "domain",
            "struct HeldRow { a: u8 } fn f() { g(HeldRow { a: 1 }) }"
        ),
        0
    );
}

#[test]
fn a_library_outside_its_room_is_a_breach() {
    let with = |room: &'static str, text: &'static str| {
        library_breaches(&Source::made_up(&[("", ""), (room, text)])).len()
    };
    assert_eq!(with("actions", "use sqlx::Row; fn f() {}"), 1);
    assert_eq!(with("actions", "fn f() { csv::Reader::new() }"), 1);
    assert_eq!(with("store", "use sqlx::Row; fn f() {}"), 0);
    assert_eq!(
        with("actions", "#[cfg(test)] mod tests { use sqlx::Row; }"),
        0
    );
    // A module of ours that bears a library's name is ours.
    let ours = Source::made_up(&[
        ("", ""),
        ("report", "mod csv; fn f() { csv::books() }"),
        ("report::csv", ""),
    ]);
    assert_eq!(library_breaches(&ours), [""; 0]);
}

#[test]
fn a_decision_that_reaches_out_or_waits_is_a_breach() {
    let with = |text: &'static str| {
        let files = [
            ("", ""),
            ("store", "pub struct Store;"),
            ("domain", "pub struct Clock; pub struct Reason;"),
            ("pipeline::run", "pub struct Env;"),
            ("pipeline::select::review", text),
        ];
        decision_breaches(&Source::made_up(&files)).len()
    };
    assert_eq!(with("use crate::domain::Reason; fn f(x: Reason) {}"), 0);
    assert_eq!(with("use crate::store::Store;"), 1);
    assert_eq!(with("use crate::pipeline::run::Env;"), 1);
    assert_eq!(with("fn f(now: &crate::domain::Clock) {}"), 1);
    assert_eq!(with("async fn f() { g().await }"), 2);
    assert_eq!(
        with("#[cfg(test)] mod tests { use crate::store::Store; }"),
        0
    );
}

#[test]
fn work_that_leaves_its_span_is_a_breach() {
    let with = |module: &str, text: &str| lost_spans(&Source::made_up(&[(module, text)])).len();
    let bare = "fn f(w: W) { tokio::spawn(w) }";
    assert_eq!(with("pipeline", bare), 1);
    assert_eq!(with("cli", bare), 0);
    let twice = "fn f(w: W) { set.spawn(w.in_current_span()); tokio::task::spawn_blocking(w) }";
    assert_eq!(with("store", twice), 1);
    let kept = "fn f(w: W) { let span = Span::current(); scope.spawn(|| span.in_scope(w)); }";
    assert_eq!(with("pipeline", kept), 0);
}
