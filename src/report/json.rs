//! The report as JSON, and the schema of that JSON.

use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::input::{Better, Input};
use super::people::ITEMS;
use super::suppress::{Cell, Mean};
use super::table_model::{Column, TableFormat, TableLayout, ValueKind};
use super::tables::Report;

/// The report, indented, with a line break at its end.
pub(crate) fn render(report: &Report) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(report)
        .expect("a report is structs, lists, text and finite numbers");
    bytes.push(b'\n');
    bytes
}

/// The JSON Schema of `report.json`, for `docs/schemas/report.json`.
pub(crate) fn schema() -> String {
    let mut generator = SchemaGenerator::default();
    let tables = Report::of(&Input::default())
        .tables()
        .map(|model| model.table);
    let lists = tables.map(|table| (table.key, list_of(table, &mut generator)));
    let items = list_of(&ITEMS, &mut generator);
    let mut schema = generator.into_root_schema_for::<Report>();
    let lists = lists.map(|(key, list)| (format!("/properties/{key}"), list));
    let of_items = "/$defs/InstrumentChange/properties/items".to_owned();
    for (place, list) in lists.into_iter().chain([(of_items, items)]) {
        if let Some(Value::Object(table)) = schema.pointer_mut(&place) {
            table.extend(list);
        }
    }
    serde_json::to_string_pretty(&schema).expect("a schema is JSON") + "\n"
}

/// A list of a table's rows; what a row is, is defined beside.
fn list_of(table: &TableLayout, generator: &mut SchemaGenerator) -> Map<String, Value> {
    let columns = table.columns_in(TableFormat::Json);
    let properties: Map<String, Value> = columns
        .iter()
        .map(|(_, column)| (column.key.to_owned(), schema_of(column, generator)))
        .collect();
    let given = columns.iter().filter(|(_, column)| !column.optional);
    let required: Vec<&str> = given.map(|(_, column)| column.key).collect();
    let (name, about) = table.row;
    let row = json!({"description": about, "type": "object", "properties": properties, "required": required});
    generator.definitions_mut().insert(name.to_owned(), row);
    let list = json!({"type": "array", "items": {"$ref": format!("#/$defs/{name}")}});
    list.as_object().cloned().unwrap_or_default()
}

fn schema_of(column: &Column, generator: &mut SchemaGenerator) -> Value {
    fn of<T: schemars::JsonSchema>(optional: bool, generator: &mut SchemaGenerator) -> Schema {
        if optional {
            generator.subschema_for::<Option<T>>()
        } else {
            generator.subschema_for::<T>()
        }
    }
    let optional = column.optional;
    let mut schema = match column.kind {
        ValueKind::Text | ValueKind::Day | ValueKind::Month => of::<String>(optional, generator),
        ValueKind::Better => of::<Better>(optional, generator),
        ValueKind::Count | ValueKind::Percent => of::<Cell>(optional, generator),
        ValueKind::Number => of::<u64>(optional, generator),
        ValueKind::Signed => of::<i64>(optional, generator),
        ValueKind::SignedList => of::<Vec<i64>>(optional, generator),
        ValueKind::Mean | ValueKind::Change => of::<Mean>(optional, generator),
        ValueKind::Verdict => of::<bool>(optional, generator),
        ValueKind::Rows(below) => list_of(below, generator).into(),
    };
    if !column.about.is_empty() {
        schema.insert("description".to_owned(), column.about.into());
    }
    schema.to_value()
}
