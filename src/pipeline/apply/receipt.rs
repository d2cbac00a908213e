//! The receipt of a return: the partner's own rows back, with what became of each, in plain English.
//!
//! Three levels: we have your file, we could read it, each row. Words are those of `safety.md` §14; a reference that was never given
//! out and one of another partner read alike.

use serde_json::json;

use crate::domain::encoding::hex;
use crate::domain::{Disposition, Reason};
use crate::partner::Partner;
use crate::pipeline::event::{RowFinding, TakenReturn, Unusable};
use crate::sheet::{
    Encoding, Format, Newline, QuoteRule, RowWriter, Sheet, TextEncoding, WriteError,
};

/// Both forms of a receipt.
pub(crate) struct ReceiptFiles {
    pub(crate) csv: Vec<u8>,
    pub(crate) json: Vec<u8>,
}

/// The receipt of a file that could be read.
///
/// # Errors
/// Writing failed.
pub(crate) fn of_rows(
    partner: &Partner,
    taken: &TakenReturn,
    sheet: &Sheet,
    findings: &[RowFinding],
) -> Result<ReceiptFiles, WriteError> {
    let (format, again) = (answer_format(sheet), taken.before.is_some());
    let mut writer = RowWriter::new(Vec::new(), format)?;
    let mut header: Vec<String> = sheet.header.clone();
    header.extend(["Result", "What is wrong", "What to do"].map(str::to_owned));
    writer.write_row(&header)?;
    let mut rows = Vec::new();
    for (row, finding) in sheet.rows().zip(findings) {
        let (result, wrong, to_do) = words(finding, again);
        let mut cells: Vec<String> = row
            .cells(sheet.header.len())
            .map(|cell| crate::sheet::unescape(cell).into_owned())
            .collect();
        cells.extend([result.to_owned(), wrong.clone(), to_do.clone()]);
        writer.write_row(&writable(&cells, format))?;
        rows.push(json!({
            "row": finding.line, "result": result, "disposition": shown(finding, again).code(),
            "column": finding.column, "what_is_wrong": wrong, "what_to_do": to_do,
        }));
    }
    let mut json = file_level(partner, taken);
    json["readable"] = json!({"rows": sheet.row_count(), "columns": sheet.header.len()});
    json["rows"] = json!(rows);
    Ok(ReceiptFiles {
        csv: writer.finish()?,
        json: pretty(&json),
    })
}

/// The receipt of a file that could not be used at all.
///
/// # Errors
/// Writing failed.
pub(crate) fn of_refusal(
    partner: &Partner,
    taken: &TakenReturn,
    unusable: &Unusable,
) -> Result<ReceiptFiles, WriteError> {
    let (why, to_do) = (unusable.why.as_str(), unusable.to_do);
    let mut writer = RowWriter::new(Vec::new(), Format::default())?;
    writer.write_row(&["Result", "What is wrong", "What to do"])?;
    writer.write_row(&["Not taken in: see \"What to do\"", why, to_do])?;
    let mut json = file_level(partner, taken);
    json["readable"] = json!(null);
    json["what_is_wrong"] = json!(why);
    json["what_to_do"] = json!(to_do);
    Ok(ReceiptFiles {
        csv: writer.finish()?,
        json: pretty(&json),
    })
}

fn file_level(partner: &Partner, taken: &TakenReturn) -> serde_json::Value {
    let contact = partner.contact.as_ref().map(
        |contact| json!({"name": contact.name, "email": contact.email, "phone": contact.phone}),
    );
    json!({
        "file": {"name": taken.name, "bytes": taken.bytes.len(), "sha256": hex(&taken.sha256), "taken_before": taken.before.is_some()},
        "partner": partner.id,
        "your_contact": contact,
    })
}

fn pretty(json: &serde_json::Value) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(json).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

fn shown(finding: &RowFinding, again: bool) -> Disposition {
    match finding.reason {
        _ if again => Disposition::Repeated,
        // Another partner's reference must read like nobody's: the receipt tells nothing of who else was referred.
        Some(Reason::NotYourReference) => Disposition::Rejected,
        _ => finding.disposition,
    }
}

fn words(finding: &RowFinding, again: bool) -> (&'static str, String, String) {
    let result = match shown(finding, again) {
        Disposition::Accepted if finding.events.is_empty() => "Nothing new on this row",
        Disposition::Accepted => "Taken in",
        Disposition::Repeated => "We already had this",
        Disposition::Rejected => "Not taken in: see \"What to do\"",
        Disposition::Held => "Waiting: we are checking",
    };
    let Some(reason) = finding
        .reason
        .filter(|reason| !again && *reason != Reason::AlreadyKnown)
    else {
        return (result, String::new(), String::new());
    };
    let (wrong, to_do) = split(reason.partner_words());
    let wrong = match &finding.column {
        Some(column) => format!("{column}: {wrong}"),
        None => wrong,
    };
    (result, wrong, to_do)
}

/// A reason's sentence is followed by what to do about it.
fn split(words: &str) -> (String, String) {
    match words.split_once(". ") {
        Some((wrong, to_do)) => (wrong.to_owned(), to_do.to_owned()),
        None => (words.to_owned(), String::new()),
    }
}

/// As the partner wrote it, as far as we write it too.
fn answer_format(sheet: &Sheet) -> Format {
    let encoding = match sheet.dialect.encoding {
        TextEncoding::Windows1252 => Encoding::Windows1252,
        _ => Encoding::Utf8Bom,
    };
    Format {
        delimiter: sheet.dialect.delimiter,
        encoding,
        newline: Newline::Crlf,
        quote: QuoteRule::Necessary,
    }
}

fn writable(cells: &[String], format: Format) -> Vec<String> {
    let replace = crate::sheet::UnencodableRule::Replace;
    cells
        .iter()
        .map(|cell| {
            crate::sheet::encode_cell(cell, format.encoding, replace)
                .map_or_else(|_| String::new(), std::borrow::Cow::into_owned)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(disposition: Disposition, reason: Reason) -> RowFinding {
        RowFinding {
            line: 2,
            disposition,
            reason: Some(reason),
            leg: crate::domain::LegId::NONE,
            events: Vec::new(),
            withdrawn: false,
            column: None,
        }
    }

    #[test]
    fn another_partners_reference_reads_like_nobodys() {
        let theirs = finding(Disposition::Held, Reason::NotYourReference);
        let nobodys = finding(Disposition::Rejected, Reason::NotOurPerson);
        assert_eq!(words(&theirs, false), words(&nobodys, false));
        assert_eq!(shown(&theirs, false), shown(&nobodys, false));
    }

    #[test]
    fn a_file_taken_before_says_so_on_every_row() {
        let held = finding(Disposition::Held, Reason::BadDate);
        assert_eq!(
            words(&held, true),
            ("We already had this", String::new(), String::new())
        );
    }
}
