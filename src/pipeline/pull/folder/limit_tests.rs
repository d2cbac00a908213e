//! What a folder of extracts may hold, and how much of what is wrong with it is kept.

use super::*;
use crate::domain::limits;

#[test]
fn lines_and_extracts_are_no_longer_than_the_limits_in_force() {
    let line = r#"{"resourceType":"ServiceRequest","id":"a"}"#;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.ndjson"), line).unwrap();
    let opened = |limits: Limits| {
        let temporary = folder.path().join("tmp");
        let opened = Folder::open(folder.path(), &temporary, &limits).unwrap();
        let said: Vec<String> = opened
            .diagnostics()
            .iter()
            .map(Diagnostic::render)
            .collect();
        (opened.len(), said.join(" "))
    };
    let length = line.len();
    for (longest_line, longest_file, key) in [
        (length, length, None),
        (length - 1, length, Some("[limits] resource_bytes_max")),
        (
            length,
            length - 1,
            Some("raise [limits] bulk_file_bytes_max"),
        ),
    ] {
        let (found, said) = opened(Limits {
            resource_bytes_max: longest_line,
            bulk_file_bytes_max: u64::try_from(longest_file).unwrap(),
            ..Limits::default()
        });
        assert_eq!(found, usize::from(key.is_none()), "{said}");
        assert!(said.contains(key.unwrap_or_default()), "{said}");
        assert_eq!(said.is_empty(), key.is_none(), "{said}");
    }
}

#[test]
fn a_resource_of_a_file_nests_as_deep_as_the_limit_says() {
    let folder = tempfile::tempdir().unwrap();
    for depth_max in [2, limits::JSON_DEPTH.usual, limits::JSON_DEPTH.most] {
        limits::holds_at(depth_max, |depth| {
            let lists = usize::try_from(depth).unwrap() - 1;
            let (open, close) = ("[".repeat(lists), "]".repeat(lists));
            let line =
                format!(r#"{{"resourceType":"ServiceRequest","id":"a","x":{open}1{close}}}"#);
            std::fs::write(folder.path().join("a.ndjson"), line).unwrap();
            let within = Limits {
                json_depth_max: usize::try_from(depth_max).unwrap(),
                ..Limits::default()
            };
            let opened = Folder::open(folder.path(), &folder.path().join("tmp"), &within).unwrap();
            let said = opened
                .diagnostics()
                .iter()
                .any(|one| one.render().contains("[limits] json_depth_max"));
            assert_eq!(opened.len(), usize::from(!said));
            assert_eq!(opened.unreadable_count(), u64::from(said));
            !said
        });
    }
}

#[test]
fn so_many_diagnostics_of_an_extract_are_kept_and_each_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let lines = ["{", "[]", "{", "7", "{"].join("\n");
    std::fs::write(folder.path().join("a.ndjson"), lines).unwrap();
    for (diagnostics_max, shown, told) in [(1, 2, true), (4, 5, true), (5, 5, false)] {
        let limits = Limits {
            diagnostics_max,
            ..Limits::default()
        };
        let opened = Folder::open(folder.path(), &folder.path().join("tmp"), &limits).unwrap();
        let said = opened.diagnostics();
        assert_eq!(said.len(), shown);
        let more = said.iter().any(|one| one.code() == Code::MoreDiagnostics);
        assert_eq!(more, told);
        // What is counted depends on no limit.
        assert_eq!(
            opened.unreadable_count(),
            Folder::open(
                folder.path(),
                &folder.path().join("tmp"),
                &Limits::default()
            )
            .unwrap()
            .unreadable_count()
        );
        assert!(opened.unreadable_count() >= 3);
    }
}
