//! The report as JSON, and the schema of that JSON.

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
    let mut text =
        serde_json::to_string_pretty(&schemars::schema_for!(Report)).expect("a schema is JSON");
    text.push('\n');
    text
}
