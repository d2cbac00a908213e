//! `kith map --view`: the published tests of SQL on FHIR, and what an analyst's files look like.

use std::fs;
use std::io::Write as _;

use serde_json::Value;

use super::support::home::{Home, Ran, kith};
use super::support::{home, shared};

/// Published tests that every implementation must pass.
const SHAREABLE: usize = 123;

#[test]
fn the_published_views_give_the_published_rows() {
    let Some(shared) = shared::folder("view::the_published_views_give_the_published_rows") else {
        return;
    };
    let home = Home::new();
    let (mut passed, mut experimental, mut faults) = (0, 0, Vec::new());
    for file in home::files_in(&shared.join("conformance/sql-on-fhir")) {
        let suite: Value =
            serde_json::from_slice(&fs::read(&file).expect("a suite")).expect("a suite is JSON");
        home.write("in/resources.ndjson", ndjson(&suite["resources"]));
        for test in suite["tests"].as_array().expect("tests") {
            home.write("view.json", test["view"].to_string());
            let outcome = compare(test, &run(&home));
            let tags = test["tags"].as_array().expect("tags");
            let shareable = tags.iter().any(|tag| tag == "shareable");
            match outcome {
                Ok(()) if shareable => passed += 1,
                Ok(()) => experimental += 1,
                Err(fault) if shareable => {
                    faults.push(format!("{}: {}: {fault}", file.display(), test["title"]));
                }
                Err(_) => {}
            }
        }
    }
    let line = format!(
        "SQL on FHIR views: {passed} of {SHAREABLE} shareable pass, and {experimental} of 11 experimental\n"
    );
    std::io::stderr()
        .write_all(line.as_bytes())
        .expect("stderr is open");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert_eq!(passed, SHAREABLE);
}

fn ndjson(resources: &Value) -> String {
    let lines = resources.as_array().expect("resources").iter();
    lines.map(|resource| format!("{resource}\n")).collect()
}

fn run(home: &Home) -> Ran {
    let path = |name| home.below(name).display().to_string();
    kith(&["map", "--view", &path("view.json"), "--input", &path("in")])
}

/// Rows compare in any order; numbers by value; what is null is an empty cell.
fn compare(test: &Value, ran: &Ran) -> Result<(), String> {
    if test["expectError"] == true {
        return if ran.code == 2 {
            Ok(())
        } else {
            Err(format!("no error but\n{}", ran.stdout))
        };
    }
    if ran.code != 0 {
        return Err(ran.stderr.clone());
    }
    let mut reader = csv::Reader::from_reader(ran.stdout.as_bytes());
    let headers: Vec<String> = reader
        .headers()
        .map_err(|error| error.to_string())?
        .iter()
        .map(str::to_owned)
        .collect();
    if let Some(columns) = test["expectColumns"].as_array()
        && *columns != headers
    {
        return Err(format!("columns {headers:?}"));
    }
    let expected = test["expect"].as_array().expect("rows");
    let numeric = |header: &str| expected.iter().any(|row| row[header].is_number());
    let mut wanted = Vec::new();
    for row in expected {
        let keys = row.as_object().expect("a row").keys();
        if keys.clone().any(|key| !headers.contains(key)) {
            return Err(format!("columns {headers:?}, expected {keys:?}"));
        }
        wanted.push(
            headers
                .iter()
                .map(|header| cell(&row[header]))
                .collect::<Vec<_>>(),
        );
    }
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| error.to_string())?;
        let cells = record
            .iter()
            .zip(&headers)
            .map(|(text, header)| match text.parse::<f64>() {
                Ok(number) if numeric(header) => Value::from(number).to_string(),
                _ => text.to_owned(),
            });
        rows.push(cells.collect::<Vec<_>>());
    }
    wanted.sort();
    rows.sort();
    if rows == wanted {
        Ok(())
    } else {
        Err(format!("\n  got      {rows:?}\n  expected {wanted:?}"))
    }
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Number(number) => Value::from(number.as_f64()).to_string(),
        other => other.to_string(),
    }
}

#[test]
fn views_read_bundles_and_packed_files_and_escape_formulas() {
    let home = Home::new();
    home.write(
        "view.json",
        r#"{"resource":"Patient","select":[{"column":[{"name":"id","path":"id"},
            {"name":"family","path":"name.family"},{"name":"seen","path":"birthDate < @2000"}]}]}"#,
    );
    home.write(
        "in/a.json",
        r#"{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Patient","id":"1",
            "name":[{"family":"=1+1"}],"birthDate":"1951"}},{"resource":{"resourceType":"Device"}}]}"#,
    );
    home.write(
        "in/b.ndjson",
        "{\"resourceType\":\"Patient\",\"id\":\"2\"}\nnot json\n{\"resourceType\":\"Patient\",\"id\":\"3\"}\n",
    );
    let ran = run(&home).expect_code(1);
    assert_eq!(ran.stdout, "id,family,seen\n1,'=1+1,true\n2,,\n3,,\n");
    assert!(
        ran.stderr.contains("b.ndjson") && ran.stderr.contains('2'),
        "{}",
        ran.stderr
    );
    let output = home.below("out.csv");
    let path = |name| home.below(name).display().to_string();
    let file = output.display().to_string();
    kith(&[
        "map",
        "--view",
        &path("view.json"),
        "--input",
        &path("in/a.json"),
        "--output",
        &file,
    ])
    .expect_code(0);
    assert_eq!(
        fs::read_to_string(&output).expect("the output"),
        "id,family,seen\n1,'=1+1,true\n"
    );
}

#[test]
fn a_wrong_view_says_where_it_is_wrong() {
    let home = Home::new();
    home.write("in/a.ndjson", "");
    for (view, wanted) in [
        ("{", "line 1, column"),
        (r#"{"select":[{}]}"#, "resource"),
        (r#"{"resource":"Pateint","select":[{}]}"#, "Patient"),
        (r#"{"resource":"Patient","select":[{}]}"#, "view.select[0]"),
        (
            r#"{"resource":"Patient","select":[{"column":[{"name":"a","path":"name.frist()"}]}]}"#,
            "view.select[0].column[0].path",
        ),
        (
            r#"{"resource":"Patient","select":[{"column":[{"name":"a b","path":"id"}]}]}"#,
            "letter",
        ),
        (
            r#"{"resource":"Patient","select":[{"column":[{"name":"a","path":"id"},{"name":"a","path":"id"}]}]}"#,
            "two columns",
        ),
        (
            r#"{"resource":"Patient","select":[{"forEach":"name","repeat":["contact"],"column":[{"name":"a","path":"id"}]}]}"#,
            "exclude",
        ),
        (
            r#"{"resource":"Patient","select":[{"column":[{"name":"a","path":"link.other.resolve().id"}]}]}"#,
            "getReferenceKey",
        ),
    ] {
        home.write("view.json", view);
        let ran = run(&home).expect_code(2);
        assert!(ran.stderr.contains(wanted), "{view}: {}", ran.stderr);
        assert!(ran.stdout.is_empty(), "{}", ran.stdout);
    }
}

#[test]
fn a_view_that_never_ends_or_multiplies_is_stopped() {
    let home = Home::new();
    let names = vec![r#"{"given":["a"]}"#; 400].join(",");
    home.write(
        "in/a.ndjson",
        format!(r#"{{"resourceType":"Patient","id":"1","name":[{names}]}}"#),
    );
    for select in [
        r#"{"repeat":["$this"],"column":[{"name":"a","path":"id"}]}"#,
        r#"{"forEach":"name","select":[{"forEach":"%resource.name","column":[{"name":"a","path":"use"}]}]}"#,
    ] {
        home.write(
            "view.json",
            format!(r#"{{"resource":"Patient","select":[{select}]}}"#),
        );
        let ran = run(&home).expect_code(2);
        assert!(ran.stderr.contains("more than"), "{}", ran.stderr);
    }
}
