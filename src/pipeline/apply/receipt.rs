//! The receipt of a return: the partner's own rows back, with what became of each, in plain English.
//!
//! Three levels: we have your file, we could read it, each row. Words are those of `safety.md` §14; a reference that was never given
//! out and one of another partner read alike, and of such a row only its number is told. The result depends on the row alone, never on
//! the person's record. What is to be mended stands on top; the receipt can be mended and sent back as it is.

use std::borrow::Cow;

use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use super::receipt_words::{
    ResultWord, RowWords, is_stranger, shown, told_reason, without_row, words,
};
use crate::config::OurContact;
use crate::domain::Reason;
use crate::domain::encoding::hex;
use crate::partner::{Collect, Partner};
use crate::pipeline::event::{
    FileFinding, RESULT_COLUMNS, Repair, RowFinding, TakenReturn, Unusable, is_receipt,
    said_receipt,
};
use crate::sheet::{
    Encoding, Format, Newline, QuoteRule, RowWriter, Sheet, SheetRow, TextEncoding, WriteError,
    fold,
};

/// Both forms of a receipt.
pub(crate) struct ReceiptFiles {
    pub(crate) csv: Vec<u8>,
    pub(crate) json: Vec<u8>,
}

/// To whom a receipt goes, and whom they can ask.
#[derive(Clone, Copy)]
pub(crate) struct ReceiptTo<'r> {
    pub(crate) partner: &'r Partner,
    pub(crate) contact: &'r OurContact,
}

/// Lines of words above the table: the heading is looked for among the first twenty rows.
const WORDS_MAX: usize = 10;

/// The receipt of a file that could be read.
///
/// # Errors
/// Writing failed.
pub(crate) fn of_rows(
    to: ReceiptTo<'_>,
    taken: &TakenReturn,
    sheet: &Sheet,
    finding: &FileFinding,
) -> Result<ReceiptFiles, WriteError> {
    let (format, again) = (answer_format(sheet), taken.again);
    let findings = &finding.rows;
    let collect = to.partner.collect.as_ref();
    let likely_bytes = taken.file_size_bytes + 32 * findings.len();
    let mut writer = RowWriter::new(Vec::with_capacity(likely_bytes), format)?;
    let theirs = TheirColumns::of(sheet);
    let width = RESULT_COLUMNS.len() + theirs.count();
    let sum = sum(taken, theirs.named(), findings, again);
    for words in words_above(&sum, &finding.repairs, questions(to.contact, taken)) {
        let mut cells: Vec<Cow<'_, str>> = vec![Cow::Borrowed(""); width];
        cells[0] = encoded(&words, format.encoding);
        writer.write_row(&cells)?;
    }
    let names: Vec<&str> = theirs.places().map(|place| theirs.name(place)).collect();
    let header: Vec<String> = result_names(&names)
        .into_iter()
        .chain(names.iter().map(|name| (*name).to_owned()))
        .collect();
    writer.write_row(&header)?;
    let order = order(findings, again);
    for place in &order {
        let (Some(row), Some(finding)) = (sheet.row(*place), findings.get(*place)) else {
            continue;
        };
        let RowWords {
            result,
            wrong,
            to_do,
        } = words(finding, again, collect);
        // Of a person whom we did not send only the number of the row is written down again. Another heading would stand above all rows that follow here.
        let hidden = (is_stranger(finding) && !again) || finding.is_heading;
        let cells = theirs.places().map(|place| {
            if hidden {
                Cow::Borrowed("")
            } else {
                crate::sheet::unescape(row.cell(place))
            }
        });
        let words = [result.words().into(), wrong, to_do];
        let cells: Vec<Cow<'_, str>> = words
            .into_iter()
            .chain(cells)
            .map(|cell| writable(cell, format))
            .collect();
        writer.write_row(&cells)?;
    }
    let json = RowsReceipt {
        contact: contact(to.contact),
        file: file(taken),
        partner: &to.partner.id,
        readable: json!({"rows": sheet.row_count(), "columns": theirs.named()}),
        receipt: taken.id.number(),
        repairs: finding.repairs.iter().map(RepairSaid::of).collect(),
        rows: ReceiptRows {
            findings,
            order: &order,
            again,
            collect,
        },
        sum: sum.join(" "),
    };
    Ok(ReceiptFiles {
        csv: writer.finish()?,
        json: pretty(&json),
    })
}

/// The words above the table, a line a thought: some spreadsheets make the first column as wide as its longest line.
fn words_above(sum: &[String], repairs: &[Repair], questions: [String; 2]) -> Vec<String> {
    let mut lines = sum.to_vec();
    let told = repairs.iter().take(WORDS_MAX);
    lines.extend(told.map(|repair| repair.words.clone()));
    let left = repairs.len().saturating_sub(WORDS_MAX);
    if left > 0 {
        lines.push(format!(
            "There are {left} more notes like these. Ring us for them."
        ));
    }
    lines.extend(questions);
    lines
}

/// The columns of a sheet that its receipt gives back: all that have a name or hold anything. Of a receipt that was sent back those that we had added are
/// left off.
struct TheirColumns<'s> {
    header: &'s [String],
    first: usize,
    end: usize,
}

impl<'s> TheirColumns<'s> {
    fn of(sheet: &'s Sheet) -> Self {
        let first = if is_receipt(&sheet.header) {
            RESULT_COLUMNS.len()
        } else {
            0
        };
        let widest = sheet.rows().map(SheetRow::len).max().unwrap_or(0);
        Self {
            header: &sheet.header,
            first,
            end: widest.max(sheet.header.len()),
        }
    }

    fn places(&self) -> std::ops::Range<usize> {
        self.first..self.end
    }

    fn count(&self) -> usize {
        self.places().len()
    }

    /// How many have a place in the heading.
    fn named(&self) -> usize {
        self.header.len().saturating_sub(self.first)
    }

    fn name(&self, place: usize) -> &'s str {
        self.header.get(place).map_or("", String::as_str)
    }
}

/// The places of the rows in the order in which they are told: what is to be mended first.
fn order(findings: &[RowFinding], again: bool) -> Vec<usize> {
    let mut order: Vec<usize> = (0..findings.len()).collect();
    let first = |place: &usize| match ResultWord::of(&findings[*place], again) {
        ResultWord::PleaseCorrect => 0,
        ResultWord::WithUs => 1,
        _ => 2,
    };
    order.sort_by_key(first);
    order
}

/// Names of the result columns; they give way where the sheet has columns of these names.
fn result_names(theirs: &[&str]) -> Vec<String> {
    let taken: Vec<String> = theirs.iter().map(|name| fold(name)).collect();
    let free = |name: &str| !taken.contains(&fold(name));
    RESULT_COLUMNS
        .iter()
        .map(|name| {
            let names = (1_u32..).map(|number| match number {
                1 => (*name).to_owned(),
                number => format!("{name} ({number})"),
            });
            let mut names = names.filter(|name| free(name));
            names.next().unwrap_or_default()
        })
        .collect()
}

/// The sum of a file, in words: that we have it, that we could read it, what became of its rows.
fn sum(taken: &TakenReturn, columns: usize, findings: &[RowFinding], again: bool) -> Vec<String> {
    let (name, size) = (&taken.name, size_words(taken.file_size_bytes));
    let mut sum = vec![format!("We have your file {name} ({size}).")];
    if findings.is_empty() {
        sum.push("It has a heading and no row.".to_owned());
        return sum;
    }
    let mut parts = Vec::new();
    for word in ResultWord::ALL {
        let count = findings
            .iter()
            .filter(|row| ResultWord::of(row, again) == word)
            .count();
        if count > 0 {
            let word = word.words();
            let word = word.split_once(':').map_or(word, |(word, _)| word);
            parts.push(format!("{word}: {count}"));
        }
    }
    let several = |count: usize, what: &str| match count {
        1 => format!("1 {what}"),
        count => format!("{count} {what}s"),
    };
    let rows = several(findings.len(), "row");
    let columns = several(columns, "column");
    let parts = parts.join(". ");
    sum.push(format!("We could read it: {rows} and {columns}."));
    sum.push(format!("{parts}."));
    sum
}

/// The size of a file, as file programs show it.
fn size_words(bytes: usize) -> String {
    match bytes {
        0..1_000 => format!("{bytes} bytes"),
        1_000..1_000_000 => format!("{} KB", bytes.div_ceil(1_000)),
        _ => format!("{} MB", bytes.div_ceil(1_000_000)),
    }
}

/// Whom they can ask, and by which number the receipt is known there.
fn questions(contact: &OurContact, taken: &TakenReturn) -> [String; 2] {
    [whom_to_ask(contact), said_receipt(taken.id)]
}

/// Whom they can ask.
pub(super) fn whom_to_ask(contact: &OurContact) -> String {
    let ways: Vec<&str> = [&contact.phone, &contact.email]
        .into_iter()
        .flatten()
        .map(String::as_str)
        .collect();
    let who = contact.name.as_deref().unwrap_or("the team that runs Kith");
    let who = if ways.is_empty() {
        who.to_owned()
    } else {
        format!("{who}: {}", ways.join(", "))
    };
    format!("Questions? Please ring {who}.")
}

/// The JSON of a receipt with rows; members in the order of their names, as everywhere in a receipt.
#[derive(Serialize)]
struct RowsReceipt<'r> {
    contact: Value,
    file: Value,
    partner: &'r str,
    readable: Value,
    /// Number of the return that it answers.
    receipt: i64,
    repairs: Vec<RepairSaid<'r>>,
    rows: ReceiptRows<'r>,
    sum: String,
}

/// A repair as it is told.
#[derive(Serialize)]
struct RepairSaid<'r> {
    code: &'static str,
    column: Option<&'r str>,
    words: &'r str,
}

impl<'r> RepairSaid<'r> {
    fn of(repair: &'r Repair) -> Self {
        Self {
            code: repair.code,
            column: repair.column.as_deref(),
            words: &repair.words,
        }
    }
}

/// The rows, each made as it is written: a full return has many.
struct ReceiptRows<'r> {
    findings: &'r [RowFinding],
    order: &'r [usize],
    again: bool,
    collect: Option<&'r Collect>,
}

impl Serialize for ReceiptRows<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let rows = self
            .order
            .iter()
            .filter_map(|place| self.findings.get(*place));
        to.collect_seq(rows.map(|finding| {
            let words = words(finding, self.again, self.collect);
            ReceiptRow {
                column: finding.column.as_deref(),
                disposition: shown(finding, self.again).code(),
                reason: told_reason(finding, self.again).map(Reason::code),
                repairs: finding.repairs.iter().map(RepairSaid::of).collect(),
                result: words.result.words(),
                row: finding.line,
                what_is_wrong: without_row(words.wrong, finding.line),
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
    reason: Option<&'static str>,
    repairs: Vec<RepairSaid<'r>>,
    result: &'static str,
    row: u64,
    what_is_wrong: Cow<'r, str>,
    what_to_do: Cow<'r, str>,
}

/// The receipt of a file that could not be used at all.
///
/// # Errors
/// Writing failed.
pub(crate) fn of_refusal(
    to: ReceiptTo<'_>,
    taken: &TakenReturn,
    unusable: &Unusable,
) -> Result<ReceiptFiles, WriteError> {
    let (why, to_do) = (unusable.why.as_str(), unusable.to_do);
    let mut writer = RowWriter::new(Vec::new(), Format::default())?;
    let (name, size) = (&taken.name, size_words(taken.file_size_bytes));
    let sum = [
        format!("We have your file {name} ({size})."),
        could_not_use(name, to_do),
    ];
    for words in sum.iter().chain(&questions(to.contact, taken)) {
        writer.write_row(&[words.as_str(), "", ""])?;
    }
    writer.write_row(&RESULT_COLUMNS)?;
    writer.write_row(&[ResultWord::PleaseCorrect.words(), why, to_do])?;
    let json = json!({
        "contact": contact(to.contact),
        "file": file(taken),
        "partner": to.partner.id,
        "receipt": taken.id.number(),
        "reason": unusable.kind,
        "sum": sum.join(" "),
        "what_is_wrong": why,
        "what_to_do": to_do,
    });
    Ok(ReceiptFiles {
        csv: writer.finish()?,
        json: pretty(&json),
    })
}

/// What is wrong and what to do in one line: `We could not use returns.numbers: save it as CSV and send it again.`
fn could_not_use(name: &str, to_do: &str) -> String {
    let mut letters = to_do.chars();
    let first = letters.next().map(char::to_lowercase);
    let to_do: String = first.into_iter().flatten().chain(letters).collect();
    format!("We could not use {name}: {to_do}.")
}

pub(super) fn contact(contact: &OurContact) -> Value {
    json!({"name": contact.name, "email": contact.email, "phone": contact.phone})
}

fn file(taken: &TakenReturn) -> Value {
    let sha256 = taken.whole.then(|| hex(&taken.sha256));
    json!({"name": taken.name, "bytes": taken.file_size_bytes, "sha256": sha256, "taken_before": taken.before.is_some()})
}

pub(super) fn pretty(json: &impl Serialize) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(json).unwrap_or_default();
    bytes.push(b'\n');
    bytes
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
