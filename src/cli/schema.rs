//! The JSON Schemas of what `--json` prints and of partner files, for `docs/schemas/`.

use crate::actions::books::Proof;
use crate::actions::summary::{InstallationStatus, Summary};

/// A schema by name.
///
/// # Errors
/// There is none of that name.
pub(super) fn of(name: &str) -> anyhow::Result<String> {
    let schema = match name {
        "run" => serde_json::to_string_pretty(&schemars::schema_for!(Summary))?,
        "status" => serde_json::to_string_pretty(&schemars::schema_for!(InstallationStatus))?,
        "prove" => serde_json::to_string_pretty(&schemars::schema_for!(Proof))?,
        "partner" => serde_json::to_string_pretty(&crate::partner::schema::schema())?,
        "report" => crate::report::schema(),
        _ => anyhow::bail!("there is no schema \"{name}\": run, status, prove, report or partner"),
    };
    Ok(format!("{}\n", schema.trim_end()))
}
