//! The receipt of a return: the partner's own rows back, with what became of each, in plain English.
//!
//! Three levels: we have your file, we could read it, each row. Words are those of `safety.md` §14; a reference that was never given
//! out and one of another partner read alike.

use std::borrow::Cow;

use serde::{Serialize, Serializer};
use serde_json::{Value, json};

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
    let likely_bytes = taken.file_size_bytes + 32 * findings.len();
    let mut writer = RowWriter::new(Vec::with_capacity(likely_bytes), format)?;
    let mut header: Vec<String> = sheet.header.clone();
    header.extend(["Result", "What is wrong", "What to do"].map(str::to_owned));
    writer.write_row(&header)?;
    for (row, finding) in sheet.rows().zip(findings) {
        let RowWords {
            result,
            wrong,
            to_do,
        } = words(finding, again);
        let cells = row.cells(sheet.header.len()).map(crate::sheet::unescape);
        let words = [result.into(), wrong, to_do.into()];
        let cells: Vec<Cow<'_, str>> = cells.chain(words).map(|c| writable(c, format)).collect();
        writer.write_row(&cells)?;
    }
    let json = RowsReceipt {
        file: file(taken),
        partner: &partner.id,
        readable: json!({"rows": sheet.row_count(), "columns": sheet.header.len()}),
        rows: ReceiptRows { findings, again },
        your_contact: contact(partner),
    };
    Ok(ReceiptFiles {
        csv: writer.finish()?,
        json: pretty(&json),
    })
}

/// The JSON of a receipt with rows; members in the order of their names, as everywhere in a receipt.
#[derive(Serialize)]
struct RowsReceipt<'r> {
    file: Value,
    partner: &'r str,
    readable: Value,
    rows: ReceiptRows<'r>,
    your_contact: Value,
}

/// The rows, each made as it is written: a full return has many.
struct ReceiptRows<'r> {
    findings: &'r [RowFinding],
    again: bool,
}

impl Serialize for ReceiptRows<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.findings.iter().map(|finding| {
            let words = words(finding, self.again);
            ReceiptRow {
                column: finding.column.as_deref(),
                disposition: shown(finding, self.again).code(),
                result: words.result,
                row: finding.line,
                what_is_wrong: words.wrong,
                what_to_do: words.to_do,
            }
        }))
    }
}

/// One of them.
#[derive(Serialize)]
struct ReceiptRow<'r> {
    column: Option<&'r str>,
    disposition: &'static str,
    result: &'static str,
    row: u64,
    what_is_wrong: Cow<'static, str>,
    what_to_do: &'static str,
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
    let json = json!({
        "file": file(taken),
        "partner": partner.id,
        "readable": null,
        "what_is_wrong": why,
        "what_to_do": to_do,
        "your_contact": contact(partner),
    });
    Ok(ReceiptFiles {
        csv: writer.finish()?,
        json: pretty(&json),
    })
}

fn contact(partner: &Partner) -> Value {
    partner.contact.as_ref().map_or(
        Value::Null,
        |contact| json!({"name": contact.name, "email": contact.email, "phone": contact.phone}),
    )
}

fn file(taken: &TakenReturn) -> Value {
    let sha256 = taken.whole.then(|| hex(&taken.sha256));
    json!({"name": taken.name, "bytes": taken.file_size_bytes, "sha256": sha256, "taken_before": taken.before.is_some()})
}

fn pretty(json: &impl Serialize) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(json).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

fn shown(finding: &RowFinding, again: bool) -> Disposition {
    match finding.reason {
        _ if again && taken_in(finding) => Disposition::Repeated,
        // Another partner's reference must read like nobody's: the receipt tells nothing of who else was referred.
        Some(Reason::NotYourReference) => Disposition::Rejected,
        _ => finding.disposition,
    }
}

/// Whether a row asks nothing of its sender any more.
fn taken_in(finding: &RowFinding) -> bool {
    matches!(
        finding.disposition,
        Disposition::Accepted | Disposition::Repeated
    )
}

/// What is said of a row.
#[derive(Debug, PartialEq, Eq)]
struct RowWords {
    result: &'static str,
    wrong: Cow<'static, str>,
    to_do: &'static str,
}

fn words(finding: &RowFinding, again: bool) -> RowWords {
    let result = match shown(finding, again) {
        Disposition::Accepted if finding.events.is_empty() => "Nothing new on this row",
        Disposition::Accepted => "Taken in",
        Disposition::Repeated => "We already had this",
        Disposition::Rejected => "Not taken in: see \"What to do\"",
        Disposition::Held => "Waiting: we are checking",
    };
    let reason = finding
        .reason
        .filter(|reason| !(again && taken_in(finding)) && *reason != Reason::AlreadyKnown);
    // A reason's sentence is followed by what to do about it.
    let said = reason.map_or("", Reason::partner_words);
    let (wrong, to_do) = said.split_once(". ").unwrap_or((said, ""));
    let wrong = match finding.column.as_ref().filter(|_| reason.is_some()) {
        Some(column) => format!("{column}: {wrong}").into(),
        None => wrong.into(),
    };
    RowWords {
        result,
        wrong,
        to_do,
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

/// A cell as the format can write it.
fn writable(cell: Cow<'_, str>, format: Format) -> Cow<'_, str> {
    match cell {
        Cow::Borrowed(cell) => encoded(cell, format.encoding),
        Cow::Owned(cell) => encoded(&cell, format.encoding).into_owned().into(),
    }
}

fn encoded(cell: &str, encoding: Encoding) -> Cow<'_, str> {
    let replace = crate::sheet::UnencodableRule::Replace;
    crate::sheet::encode_cell(cell, encoding, replace).unwrap_or_default()
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
    fn a_file_taken_before_says_so_of_each_row_that_asks_nothing_any_more() {
        let known = RowWords {
            result: "We already had this",
            wrong: "".into(),
            to_do: "",
        };
        for taken in [Disposition::Accepted, Disposition::Repeated] {
            assert_eq!(words(&finding(taken, Reason::SameFile), true), known);
        }
        // What is still to be mended is told again: nobody may have read it the first time.
        for (asks, reason) in [
            (Disposition::Held, Reason::BadDate),
            (Disposition::Rejected, Reason::NotOurPerson),
        ] {
            let finding = finding(asks, reason);
            assert_eq!(words(&finding, true), words(&finding, false));
            assert_eq!(shown(&finding, true), asks);
        }
    }
}
