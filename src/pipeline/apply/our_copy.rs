//! The receipt of a file of ours that somebody wrote into where it lies in `out/`: it says what to do with it.

use serde_json::json;

use super::receipt::{ReceiptFiles, ReceiptTo, contact, pretty, whom_to_ask};
use crate::pipeline::event::RESULT_COLUMNS;
use crate::sheet::{Format, RowWriter, WriteError};

/// What is wrong, and what to do: the file stays as it is, and nothing of it was read.
const WRITTEN: (&str, &str) = ("You have written in our copy", "Save it into in/");

/// The receipt of a drop or list of ours, by its name. It is the same whenever it is made.
///
/// # Errors
/// Writing failed.
pub(crate) fn of_our_copy(to: ReceiptTo<'_>, name: &str) -> Result<ReceiptFiles, WriteError> {
    let (wrong, to_do) = WRITTEN;
    let sum = format!("{wrong} ({name}). {to_do}.");
    let mut writer = RowWriter::new(Vec::new(), Format::default())?;
    for words in [&sum, &whom_to_ask(to.contact)] {
        writer.write_row(&[words.as_str(), "", ""])?;
    }
    writer.write_row(&RESULT_COLUMNS)?;
    writer.write_row(&["Please correct", wrong, to_do])?;
    let json = json!({
        "contact": contact(to.contact),
        "file": {"name": name},
        "partner": to.partner.id,
        "reason": "written-into-our-copy",
        "sum": sum,
        "what_is_wrong": wrong,
        "what_to_do": to_do,
    });
    Ok(ReceiptFiles {
        csv: writer.finish()?,
        json: pretty(&json),
    })
}
