//! Tests of the reader.

use jiff::civil::Date;

use super::*;

fn found(text: &str, read: impl Fn(&TableReader<'_>)) -> Vec<String> {
    let problems = Problems::default();
    let source = SourceText::new("x.toml", text);
    if let Some(table) = source.parse(&problems) {
        let root = TableReader::root(source, &table, &problems);
        read(&root);
        root.finish();
    }
    let sorted = problems.into_sorted();
    sorted
        .iter()
        .map(|one| format!("{} {}", one.place().text(), one.code().text()))
        .collect()
}

#[test]
fn every_problem_is_named_with_its_place() {
    let text = "\"é\" = 1\nname = 3\n[deliver]\nfile = \"x\"\n[deliver.format]\ndelimeter = \",\"\nquote = \"sometimes\"\n";
    let got = found(text, |root| {
        root.text("name");
        root.text("id");
        let deliver = root.table("deliver").unwrap();
        deliver.text("file");
        let format = deliver.table("format").unwrap();
        format.opt_text("delimiter");
        format.word("quote", &[("always", 1), ("necessary", 2)]);
        format.finish();
        deliver.finish();
    });
    let expected = [
        "x.toml:1:1 CFG-003",
        "x.toml:1:1 CFG-004",
        "x.toml:2:8 CFG-005",
        "x.toml:6:1 CFG-003",
        "x.toml:7:9 CFG-006",
    ];
    assert_eq!(got, expected);
}

#[test]
fn syntax_errors_stop_the_reading_of_that_file_only() {
    assert_eq!(found("a = \n", |_| {}).len(), 1);
    assert_eq!(found("a = 1\na = 2\n", |_| {}), ["x.toml:2:1 CFG-002"]);
}

#[test]
fn a_misspelt_key_names_the_nearest() {
    let problems = Problems::default();
    let source = SourceText::new("x.toml", "delimeter = \",\"");
    let table = source.parse(&problems).unwrap();
    let root = TableReader::root(source, &table, &problems);
    root.opt_text("delimiter");
    root.finish();
    let shown = problems.into_sorted().remove(0).render();
    assert!(shown.contains("did you mean \"delimiter\"?"), "{shown}");
}

#[test]
fn numbers_and_dates_have_bounds() {
    let got = found(
        "a = 500\nb = 2026-02-03\nc = 2026-02-03T10:00:00\nd = \"2026\"\ne = 0x10",
        |root| {
            assert_eq!(root.number("a", 0..=10), None);
            assert_eq!(
                root.date("b").map(|at| at.value),
                Date::new(2026, 2, 3).ok()
            );
            root.date("c");
            root.date("d");
            assert_eq!(root.number("e", 0..=16).map(|at| at.value), Some(16));
        },
    );
    assert_eq!(
        got,
        [
            "x.toml:1:5 CFG-006",
            "x.toml:3:5 CFG-005",
            "x.toml:4:5 CFG-005"
        ]
    );
}
