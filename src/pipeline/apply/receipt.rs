//! The receipt of a return: the partner's own rows back, with what became of each, in plain English.
//!
//! Three levels: we have your file, we could read it, each row. Words are those of `safety.md` §14; a reference that was never given
//! out and one of another partner read alike, and of such a row only its number is told. The result depends on the row alone, never on
//! the person's record. What is to be mended stands on top; the receipt can be mended and sent back as it is.

use std::borrow::Cow;

use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use crate::config::OurContact;
use crate::domain::encoding::hex;
use crate::domain::{Disposition, Owner, Reason};
use crate::partner::Partner;
use crate::pipeline::event::{
    FileFinding, RESULT_COLUMNS, Repair, RowFinding, TakenReturn, Unusable,
};
use crate::sheet::{
    Encoding, Format, Newline, QuoteRule, RowWriter, Sheet, TextEncoding, WriteError, fold,
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

/// How the sentences of `reasons.toml` call the column with our reference.
const OUR_REFERENCE: &str = "\"Our ref\"";

/// Lines of words above the table: the heading is looked for among the first twenty rows.
const WORDS_MAX: usize = 12;

/// What a partner reads as the result of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum ResultWord {
    PleaseCorrect,
    WithUs,
    TakenIn,
    TakenInBefore,
    NothingNew,
}

impl ResultWord {
    const ALL: [Self; 5] = [
        Self::TakenIn,
        Self::PleaseCorrect,
        Self::WithUs,
        Self::TakenInBefore,
        Self::NothingNew,
    ];

    fn words(self) -> &'static str {
        match self {
            Self::PleaseCorrect => "Please correct",
            Self::WithUs => "With us: nothing for you to do",
            Self::TakenIn => "Taken in",
            Self::TakenInBefore => "Taken in before",
            Self::NothingNew => "Nothing new",
        }
    }

    fn of(finding: &RowFinding, again: bool) -> Self {
        match (shown(finding, again), finding.reason) {
            (Disposition::Accepted, _) if finding.events.is_empty() => Self::NothingNew,
            (Disposition::Accepted, _) => Self::TakenIn,
            (Disposition::Repeated, Some(Reason::NotARow)) if !again => Self::NothingNew,
            (Disposition::Repeated, _) => Self::TakenInBefore,
            (Disposition::Held | Disposition::Rejected, Some(reason)) if !is_theirs(reason) => {
                Self::WithUs
            }
            (Disposition::Held | Disposition::Rejected, _) => Self::PleaseCorrect,
        }
    }
}

/// Whether a reason is the partner's to mend; a reference of another partner reads like nobody's.
fn is_theirs(reason: Reason) -> bool {
    reason.owner() == Owner::Partner || reason == Reason::NotYourReference
}

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
    let reference = collect.map_or("", |collect| collect.reference.as_str());
    let likely_bytes = taken.file_size_bytes + 32 * findings.len();
    let mut writer = RowWriter::new(Vec::with_capacity(likely_bytes), format)?;
    let width = RESULT_COLUMNS.len() + sheet.header.len();
    let write_words = |writer: &mut RowWriter<Vec<u8>>, words: &str| {
        let mut cells: Vec<Cow<'_, str>> = vec![Cow::Borrowed(""); width];
        cells[0] = encoded(words, format.encoding);
        writer.write_row(&cells)
    };
    let sum = sum(taken, findings, again);
    write_words(&mut writer, &sum)?;
    for repair in finding.repairs.iter().take(WORDS_MAX) {
        write_words(&mut writer, &repair.words)?;
    }
    write_words(&mut writer, &questions(to.contact))?;
    let header: Vec<String> = result_names(sheet)
        .into_iter()
        .chain(sheet.header.iter().cloned())
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
        } = words(finding, again, reference);
        // Of a person whom we did not send only the number of the row is written down again.
        let is_told = !is_stranger(finding) || again;
        let number = format!("row {} of your sheet", finding.line);
        let cells = row.cells(sheet.header.len()).enumerate();
        let cells = cells.map(|(column, cell)| match column {
            _ if is_told => crate::sheet::unescape(cell),
            0 => Cow::Borrowed(number.as_str()),
            _ => Cow::Borrowed(""),
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
        readable: json!({"rows": sheet.row_count(), "columns": sheet.header.len()}),
        repairs: finding.repairs.iter().map(RepairSaid::of).collect(),
        rows: ReceiptRows {
            findings,
            order: &order,
            again,
            reference,
        },
        sum,
    };
    Ok(ReceiptFiles {
        csv: writer.finish()?,
        json: pretty(&json),
    })
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
fn result_names(sheet: &Sheet) -> Vec<String> {
    let taken: Vec<String> = sheet.header.iter().map(|name| fold(name)).collect();
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

/// The sum of a file, in words.
fn sum(taken: &TakenReturn, findings: &[RowFinding], again: bool) -> String {
    let name = &taken.name;
    if findings.is_empty() {
        return format!("We have your file {name}. It has a heading and no row.");
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
    let rows = match findings.len() {
        1 => "1 row".to_owned(),
        count => format!("{count} rows"),
    };
    format!(
        "We have your file {name} and could read its {rows}. {}.",
        parts.join(". ")
    )
}

/// Whom they can ask.
pub(super) fn questions(contact: &OurContact) -> String {
    let ways: Vec<&str> = [&contact.phone, &contact.email]
        .into_iter()
        .flatten()
        .map(String::as_str)
        .collect();
    let who = contact.name.as_deref().unwrap_or("the team that runs Kith");
    if ways.is_empty() {
        format!("Questions? Please ring {who}.")
    } else {
        format!("Questions? Please ring {who}: {}.", ways.join(", "))
    }
}

/// The JSON of a receipt with rows; members in the order of their names, as everywhere in a receipt.
#[derive(Serialize)]
struct RowsReceipt<'r> {
    contact: Value,
    file: Value,
    partner: &'r str,
    readable: Value,
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
    /// Their heading of the column with our reference.
    reference: &'r str,
}

impl Serialize for ReceiptRows<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let rows = self
            .order
            .iter()
            .filter_map(|place| self.findings.get(*place));
        to.collect_seq(rows.map(|finding| {
            let words = words(finding, self.again, self.reference);
            ReceiptRow {
                column: finding.column.as_deref(),
                disposition: shown(finding, self.again).code(),
                reason: told_reason(finding, self.again).map(Reason::code),
                repairs: finding.repairs.iter().map(RepairSaid::of).collect(),
                result: words.result.words(),
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
    let sum = could_not_use(&taken.name, to_do);
    let questions = questions(to.contact);
    for words in [&sum, &questions] {
        writer.write_row(&[words.as_str(), "", ""])?;
    }
    writer.write_row(&RESULT_COLUMNS)?;
    writer.write_row(&[ResultWord::PleaseCorrect.words(), why, to_do])?;
    let json = json!({
        "contact": contact(to.contact),
        "file": file(taken),
        "partner": to.partner.id,
        "readable": null,
        "reason": unusable.kind,
        "sum": sum,
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
    let first = letters.next().map(|letter| letter.to_lowercase());
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

/// Whether a row bears a reference that was not sent to this partner.
fn is_stranger(finding: &RowFinding) -> bool {
    matches!(
        finding.reason,
        Some(Reason::NotOurPerson | Reason::NotYourReference)
    )
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

/// The reason of a row that is told.
fn told_reason(finding: &RowFinding, again: bool) -> Option<Reason> {
    match finding.reason.filter(|_| !(again && taken_in(finding)))? {
        Reason::NotYourReference => Some(Reason::NotOurPerson),
        reason => Some(reason),
    }
}

/// What is said of a row.
#[derive(Debug, PartialEq, Eq)]
struct RowWords<'r> {
    result: ResultWord,
    wrong: Cow<'r, str>,
    to_do: Cow<'r, str>,
}

fn words<'r>(finding: &'r RowFinding, again: bool, reference: &str) -> RowWords<'r> {
    let result = ResultWord::of(finding, again);
    let reason = told_reason(finding, again).filter(|reason| *reason != Reason::AlreadyKnown);
    // A reason's sentence is followed by what to do about it.
    let said = reason.map_or("", Reason::partner_words);
    let (wrong, to_do) = said.split_once(". ").unwrap_or((said, ""));
    let wrong = match finding.column.as_ref().filter(|_| reason.is_some()) {
        Some(column) => format!("{column}: {wrong}").into(),
        None => Cow::Borrowed(wrong),
    };
    // Their own heading is named.
    let to_do: Cow<'_, str> = if to_do.contains(OUR_REFERENCE) {
        to_do
            .replace(OUR_REFERENCE, &format!("\"{reference}\""))
            .into()
    } else {
        Cow::Borrowed(to_do)
    };
    let hint = finding.hint.as_deref().filter(|_| reason.is_some());
    let (wrong, to_do) = match (result, hint) {
        (ResultWord::PleaseCorrect, Some(hint)) => (wrong, join(&to_do, hint)),
        (_, Some(hint)) => (Cow::Borrowed(hint), Cow::Borrowed("")),
        (ResultWord::WithUs, None) => (wrong, reason.map_or("", who_acts).into()),
        (_, None) => (wrong, to_do),
    };
    let repaired = finding.repairs.iter().map(|repair| repair.words.as_str());
    let repaired: Vec<&str> = repaired.filter(|_| !again && wrong.is_empty()).collect();
    let wrong = if repaired.is_empty() {
        wrong
    } else {
        repaired.join(" ").into()
    };
    RowWords {
        result,
        wrong,
        to_do,
    }
}

fn join<'r>(sentence: &str, hint: &'r str) -> Cow<'r, str> {
    if sentence.is_empty() {
        return Cow::Borrowed(hint);
    }
    let stop = if sentence.ends_with(['.', '?', '!']) {
        ""
    } else {
        "."
    };
    format!("{sentence}{stop} {hint}").into()
}

/// Who settles what is not the partner's to settle.
fn who_acts(reason: Reason) -> &'static str {
    match reason.owner() {
        Owner::Practice => "Nothing. The practice looks into it.",
        _ => "Nothing. The team that runs Kith looks into it.",
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
        RowFinding::ending(2, disposition, Some(reason))
    }

    #[test]
    fn another_partners_reference_reads_like_nobodys() {
        let theirs = finding(Disposition::Held, Reason::NotYourReference);
        let nobodys = finding(Disposition::Rejected, Reason::NotOurPerson);
        assert_eq!(words(&theirs, false, "REF"), words(&nobodys, false, "REF"));
        assert_eq!(shown(&theirs, false), shown(&nobodys, false));
        let said = words(&theirs, false, "REF");
        assert_eq!(said.wrong, "We did not send you this person");
        assert_eq!(said.to_do, "Check \"REF\" against your first sheet");
        assert_eq!(told_reason(&theirs, false), told_reason(&nobodys, false));
    }

    #[test]
    fn a_file_taken_before_says_so_of_each_row_that_asks_nothing_any_more() {
        let known = RowWords {
            result: ResultWord::TakenInBefore,
            wrong: "".into(),
            to_do: "".into(),
        };
        for taken in [Disposition::Accepted, Disposition::Repeated] {
            assert_eq!(words(&finding(taken, Reason::SameFile), true, "REF"), known);
        }
        // What is still to be mended is told again: nobody may have read it the first time.
        for (asks, reason) in [
            (Disposition::Held, Reason::BadDate),
            (Disposition::Rejected, Reason::NotOurPerson),
        ] {
            let finding = finding(asks, reason);
            assert_eq!(words(&finding, true, "REF"), words(&finding, false, "REF"));
            assert_eq!(shown(&finding, true), asks);
        }
    }

    #[test]
    fn what_is_not_theirs_says_whose_it_is() {
        let held = finding(Disposition::Held, Reason::AfterClose);
        let said = words(&held, false, "REF");
        assert_eq!(said.result, ResultWord::WithUs);
        assert_eq!(said.to_do, "Nothing. The practice looks into it.");
    }
}
