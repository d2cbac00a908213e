use std::collections::BTreeSet;
use std::path::Path;

use toml::Value as Toml;

use super::*;
use crate::partner::agreement::{RuleText, Rules, TextKind, built_in};
use crate::sheet::{SheetRow, read as read_csv};
use crate::toml_reader::watch;

/// What no fixture says: every other kind of event, and every table beside those that they use.
const REST: &str = r#"
[partner]
id = "rest"
name = "Rest"
kind = "link-worker"
identifier = { system = "https://kith.example/Id/partner", value = "rest" }
contact = { name = "A" }
[select]
age_years = { min = 18 }
[share]
basis = "b"
fields = ["patient.name", "patient.birth_date"]
[deliver]
transport = "local"
file = "{sequence}.csv"
format = { delimiter = "," }
[[deliver.column]]
header = "Ref"
from = "leg.reference"
[[deliver.column]]
header = "Name"
from = "patient.name"
[[deliver.column]]
header = "What"
from = "leg.action"
codes = { NEW = "New", AMEND = "Changed", STOP = "Stop", PAUSE = "Wait" }
[collect]
transport = "local"
file = "r*.csv"
dates = "%d/%m/%Y"
acknowledged = { column = "A", values = ["Y"] }
withdrawn = { column = "W", values = ["Y"] }
[[collect.event]]
kind = "acknowledged"
on = "D"
value = { column = "S", values = ["Y"] }
[[collect.event]]
kind = "note"
column = "N"
[[collect.event]]
kind = "measure"
instrument = "ons4"
occasion = { column = "O", codes = { S = "baseline" } }
on = "D"
items = { happiness = "H" }
[[collect.event]]
kind = "attendance"
on = "D"
value = { column = "V", codes = { Y = "attended" } }
[[collect.event]]
kind = "status"
on = "D"
value = { column = "T", codes = { Y = "completed" } }
reason = "R"
[[collect.event]]
kind = "onward"
on = "D"
partner = { column = "P", codes = { other = "other" } }
activity = { column = "Q", codes = { walk = "walking" } }
consent = { column = "C", yes = "Yes" }
[push]
volume = "each"
[onward]
to = ["other"]
"#;

fn read(path: &str, text: &str) -> RuleText {
    RuleText {
        kind: TextKind::Partner,
        built_in: false,
        path: path.to_owned(),
        text: text.to_owned(),
    }
}

#[test]
fn the_schema_has_the_keys_that_the_loader_asks_for_and_no_other() {
    let mut texts = built_in();
    texts.push(read("partners/rest.toml", REST));
    let other = REST
        .replace("\"rest\"", "\"other\"")
        .replace("[\"other\"]", "[\"rest\"]");
    texts.push(read(
        "partners/other.toml",
        &other.replace("other = \"other\"", "rest = \"rest\""),
    ));
    let keys = keys();
    let known: BTreeSet<(String, String)> = keys
        .rows()
        .map(|row| (row.cell(0).to_owned(), row.cell(1).to_owned()))
        .collect();
    let section = |table: &str| table.split('.').next().unwrap_or_default().to_owned();
    // The catalogue's own files are read too; they have tables and keys of their own.
    let own = [
        "field",
        "id",
        "title",
        "item",
        "code",
        "code_system",
        "occasions",
    ];
    let asked: BTreeSet<(String, String)> = watch::keys(|| {
        let loaded = Rules::from_texts(&texts);
        assert!(loaded.is_ok(), "{:?}", loaded.err());
    })
    .into_iter()
    .filter(|(table, key)| match table.as_str() {
        "" => !own.contains(&key.as_str()),
        _ => known.contains(&(String::new(), section(table))),
    })
    .collect();
    let lacking: Vec<_> = asked.difference(&known).collect();
    let unknown: Vec<_> = known.difference(&asked).collect();
    assert!(
        lacking.is_empty() && unknown.is_empty(),
        "the schema lacks {lacking:?}; the loader does not know {unknown:?}"
    );
}

#[test]
fn the_list_has_each_key_of_a_partner_file_and_no_other_and_what_has_no_effect_is_refused() {
    let list = include_str!("../../tests/keys.csv");
    let list = read_csv(list.as_bytes(), &ReadLimits::default()).unwrap();
    let pair =
        |row: SheetRow<'_>, at: usize| (row.cell(at).to_owned(), row.cell(at + 1).to_owned());
    let ours = || list.rows().filter(|row| row.cell(0) == "partner");
    let (refused, shown): (Vec<SheetRow<'_>>, Vec<SheetRow<'_>>) =
        ours().partition(|row| row.cell(3) == "refused");
    let shown: BTreeSet<_> = shown.into_iter().map(|row| pair(row, 1)).collect();
    let known: BTreeSet<_> = keys().rows().map(|row| pair(row, 0)).collect();
    assert_eq!(shown, known, "tests/keys.csv beside the schema");
    assert!(
        ours().all(|row| row.cell(4).is_empty()),
        "a partner file has no key that waits"
    );
    let refused: BTreeSet<_> = refused.into_iter().map(|row| pair(row, 1)).collect();
    let mut texts = built_in();
    texts.push(read("partners/rest.toml", REST));
    let (_, not_yet) = watch::keys_and_refused(|| drop(Rules::from_texts(&texts)));
    assert_eq!(refused, not_yet, "the keys that are refused");
    for (table, key) in refused {
        let at = format!("[{table}]\n");
        let text = match table.as_str() {
            "" => format!("{key} = 1\n{REST}"),
            _ => REST.replacen(&at, &format!("{at}{key} = 1\n"), 1),
        };
        let text = text
            .replace("[\"other\"]", "[\"elm\"]")
            .replace("other = \"other\"", "elm = \"elm\"");
        texts.truncate(built_in().len());
        texts.push(read("partners/rest.toml", &text));
        let found = Rules::from_texts(&texts).unwrap_err();
        let said = format!(
            "{key} in {}: this version does not have it",
            if table.is_empty() {
                "the file".to_owned()
            } else {
                format!("[{table}]")
            }
        );
        let told = found.iter().filter(|one| one.render().contains(&said));
        assert_eq!(told.count(), 1, "{table} {key}: {found:?}");
    }
}

/// Whether a value is as a schema of ours says; the part of JSON Schema that `schema` uses.
fn accepts(schema: &Value, value: &Toml, at: &str) -> Result<(), String> {
    if let Some(any) = schema["anyOf"].as_array() {
        let one = any.iter().any(|schema| accepts(schema, value, at).is_ok());
        return one.then_some(()).ok_or(format!("{at}: none of the forms"));
    }
    let words = schema["enum"].as_array();
    match (schema["type"].as_str().unwrap_or_default(), value) {
        ("string", Toml::String(text)) => {
            let listed = words.is_none_or(|words| words.iter().any(|word| word == text));
            listed
                .then_some(())
                .ok_or(format!("{at}: {text} is not listed"))
        }
        ("string", Toml::Datetime(_)) if schema["format"] == "date" => Ok(()),
        ("boolean", Toml::Boolean(_)) => Ok(()),
        ("integer", Toml::Integer(number)) => {
            let within = schema["minimum"].as_i64() <= Some(*number)
                && Some(*number) <= schema["maximum"].as_i64();
            within.then_some(()).ok_or(format!("{at}: {number}"))
        }
        ("array", Toml::Array(items)) => items
            .iter()
            .try_for_each(|item| accepts(&schema["items"], item, at)),
        ("object", Toml::Table(table)) => {
            for key in schema["required"].as_array().into_iter().flatten() {
                if !table.contains_key(key.as_str().unwrap_or_default()) {
                    return Err(format!("{at}: lacks {key}"));
                }
            }
            for (key, value) in table {
                let below = match &schema["properties"][key] {
                    Value::Null => &schema["additionalProperties"],
                    property => property,
                };
                if !below.is_object() {
                    return Err(format!("{at}.{key}: no such key"));
                }
                accepts(below, value, &format!("{at}.{key}"))?;
            }
            Ok(())
        }
        (wanted, _) => Err(format!("{at}: not of type {wanted}")),
    }
}

#[test]
fn the_schema_accepts_every_partner_file_there_is_and_refuses_what_is_wrong() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files: Vec<_> = std::fs::read_dir(root.join("src/demo/partners"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.extend(
        std::fs::read_dir(root.join("fixtures/partners"))
            .unwrap()
            .map(|entry| entry.unwrap().path().join("partner.toml")),
    );
    assert!(files.len() >= 24);
    let schema = schema();
    let parsed = |text: &str| Toml::Table(text.parse().unwrap());
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        assert_eq!(
            accepts(&schema, &parsed(&text), ""),
            Ok(()),
            "{}",
            file.display()
        );
    }
    for (right, wrong) in [
        ("kind = \"link-worker\"", "kind = \"linkworker\""),
        ("min = 18", "min = \"18\""),
        ("[push]", "[pusch]"),
        ("basis = \"b\"", ""),
        ("delimiter", "delimeter"),
    ] {
        assert!(
            accepts(&schema, &parsed(&REST.replace(right, wrong)), "").is_err(),
            "{wrong}"
        );
    }
}
