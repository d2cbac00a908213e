//! The empty sheet of a partner, and its description for programs: a Frictionless Table Schema.

use serde_json::{Map, Value, json};

use super::{CellContent, FilledBy, SheetColumn, entries};
use crate::partner::agreement::{Partner, Rules};
use crate::sheet::{RowWriter, WriteError};

/// A sheet with every header of drop and return and no rows, in the partner's own format.
///
/// # Errors
/// A header cannot be written in the partner's encoding.
pub(crate) fn empty_sheet(rules: &Rules, partner: &Partner) -> Result<Vec<u8>, WriteError> {
    let entries = entries(rules, partner);
    let headers: Vec<&str> = entries.iter().map(|entry| entry.header.as_str()).collect();
    let mut writer = RowWriter::new(Vec::new(), partner.deliver.format)?;
    writer.write_row(&headers)?;
    writer.finish()
}

/// The Table Schema of the sheet.
///
/// # Source
/// Frictionless Table Schema v1: `fields`, `type`, `format`, `constraints`, `missingValues`.
pub(crate) fn table_schema(rules: &Rules, partner: &Partner) -> Value {
    let fields: Vec<Value> = entries(rules, partner).iter().map(field).collect();
    json!({
        "$schema": "https://specs.frictionlessdata.io/schemas/table-schema.json",
        "title": format!("Sheet of {}", partner.name),
        "fields": fields,
        "missingValues": [""],
    })
}

fn field(entry: &SheetColumn) -> Value {
    let mut constraints = Map::new();
    if entry.required {
        constraints.insert("required".to_owned(), true.into());
    }
    if let Some(length_max) = entry.length_max {
        constraints.insert("maxLength".to_owned(), length_max.into());
    }
    let (kind, format) = match &entry.holds {
        CellContent::Text => ("string", "default".to_owned()),
        // Readers of the schema know no `%-d`; their `%d` takes a day without its zero too.
        CellContent::Day(pattern) => ("date", pattern.replace("%-", "%")),
        CellContent::Number(bounds) => {
            if let Some((min, max)) = bounds {
                constraints.insert("minimum".to_owned(), (*min).into());
                constraints.insert("maximum".to_owned(), (*max).into());
            }
            ("integer", "default".to_owned())
        }
        CellContent::Words(words) => {
            let mut listed: Vec<&str> = Vec::new();
            for (word, _) in words {
                if !listed.contains(&word.as_str()) {
                    listed.push(word);
                }
            }
            constraints.insert("enum".to_owned(), json!(listed));
            ("string", "default".to_owned())
        }
    };
    let who = match entry.writer {
        FilledBy::Practice => "sent to you",
        FilledBy::Partner => "filled in by you",
    };
    json!({
        "name": entry.header,
        "type": kind,
        "format": format,
        "description": format!("{} ({who})", entry.says),
        "constraints": constraints,
    })
}
