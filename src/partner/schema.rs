//! The JSON Schema of partner files, for editors: completion, and a word on each key while it is written.
//!
//! The keys of `schema_keys.csv` go in, the schema goes out. Invariant: they are the keys that the loader asks for, no more and no
//! fewer, which a test sees by watching the loader. What a file may say beyond its keys is `kith check`'s to judge.

use serde_json::{Map, Value, json};

use super::agreement::Volume;
use crate::sheet::{ReadLimits, Sheet, read};

const TEXT: &str = include_str!("schema_keys.csv");

/// The keys; cells are table, key, whether it must be there, what it takes, what it says.
fn keys() -> Sheet {
    let table = read(TEXT.as_bytes(), &ReadLimits::default());
    table.expect("the list is part of the program, and a test reads it")
}

/// The schema.
pub(crate) fn schema() -> Value {
    let mut schema = table(&keys(), "");
    if let Some(root) = schema.as_object_mut() {
        root.insert(
            "$schema".to_owned(),
            "https://json-schema.org/draft/2020-12/schema".into(),
        );
        root.insert("title".to_owned(), "A partner file of Kith".into());
    }
    schema
}

fn table(keys: &Sheet, name: &str) -> Value {
    let mut properties = Map::new();
    let mut required: Vec<&str> = Vec::new();
    for row in keys.rows().filter(|row| row.cell(0) == name) {
        let key = row.cell(1);
        let below = if name.is_empty() {
            key.to_owned()
        } else {
            format!("{name}.{key}")
        };
        let mut property = takes(keys, row.cell(3), &below);
        if let Some(property) = property.as_object_mut() {
            property.insert("description".to_owned(), row.cell(4).into());
        }
        properties.insert(key.to_owned(), property);
        if row.cell(2) == "yes" {
            required.push(key);
        }
    }
    json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

/// The schema of what a key takes.
fn takes(keys: &Sheet, said: &str, below: &str) -> Value {
    let text = || json!({"type": "string", "minLength": 1});
    let words =
        |said: &str| json!({"type": "string", "enum": said.split_whitespace().collect::<Vec<_>>()});
    if let Some(said) = said.strip_prefix("one of ") {
        return words(said);
    }
    if let Some(said) = said.strip_prefix("any of ") {
        return json!({"type": "array", "items": words(said)});
    }
    if let Some(said) = said.strip_prefix("word or table ") {
        return json!({"anyOf": [words(said), table(keys, below)]});
    }
    if let Some(bounds) = said.strip_prefix("whole ") {
        let mut bounds = bounds.split_whitespace().map(str::parse::<i64>);
        let mut next = || bounds.next().and_then(Result::ok);
        return json!({"type": "integer", "minimum": next(), "maximum": next()});
    }
    match said {
        "flag" => json!({"type": "boolean"}),
        // TOML has days of its own, which editors show to a schema as text.
        "day" => json!({"type": "string", "format": "date"}),
        "texts" => json!({"type": "array", "items": text()}),
        "delimiter" => json!({"type": "string", "enum": [",", ";", "|", "tab", "\t", "\\t"]}),
        "volumes" => json!({"type": "string", "enum": Volume::WORDS.map(|(word, _)| word)}),
        "table" => table(keys, below),
        "tables" => json!({"type": "array", "items": table(keys, below)}),
        "codes" => {
            json!({"anyOf": [text(), {"type": "object", "additionalProperties": {"type": "string"}}]})
        }
        "items" => json!({"type": "object", "additionalProperties": text()}),
        _ => text(),
    }
}

#[cfg(test)]
#[path = "schema_tests.rs"]
mod tests;
