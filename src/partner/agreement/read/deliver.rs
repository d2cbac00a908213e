//! Reads `[deliver]`: the file a partner gets, column by column.
//!
//! Invariants of what passes: every column has exactly one source and may be disclosed, no two headers are alike, the
//! file name tells two drops of a day apart and holds nothing of a person.

use super::catalogue::Catalogue;
use super::column::read_column;
use super::patterns::check_drop_name;
use super::share_check::ShareCheck;
use crate::diagnostics::{Code, Place};
use crate::domain::how_to_raise;
use crate::partner::agreement::{Collect, Deliver, DropColumn};
use crate::partner::fields::ReferralCheck;
use crate::sheet::format::{parse_delimiter, parse_encoding, parse_newline, parse_quote};
use crate::sheet::{Format, FormatError, UnencodableRule, encode_cell};
use crate::toml_reader::TableReader;

/// Reads the section; also gives the elements that its expressions share, and whether a drop ends with the columns of the answers:
/// what these are is said by another section, and there are none without it.
pub(super) fn read_deliver(
    table: &TableReader<'_>,
    catalogue: &Catalogue<'_>,
    check: &ShareCheck<'_>,
    returns: bool,
) -> (Deliver, Vec<String>, bool) {
    let transport = table.text("transport").map(str::to_owned);
    let file = table.text("file");
    if !file.value.is_empty() {
        check_drop_name(&file, table.problems());
    }
    let mut columns: Vec<DropColumn> = Vec::new();
    let mut elements = Vec::new();
    let tables = table.tables("column");
    table.needs("column");
    let columns_max = catalogue.limits.drop_columns_max;
    if tables.len() > columns_max {
        let what = format!(
            "a drop has at most {columns_max} columns, this one has {}",
            tables.len()
        );
        let fix = how_to_raise("drop_columns_max");
        let problems = table.problems();
        problems.add_fix(Code::BadValue, what, table.place(), fix);
    }
    for entry in tables.into_iter().take(columns_max) {
        if let Some(column) = read_column(&entry, catalogue, check) {
            let twin = columns
                .iter()
                .any(|known| same_header(&known.header, &column.header));
            if twin {
                let what = format!("two columns have the header \"{}\"", column.header);
                table
                    .problems()
                    .add(Code::DuplicateHeader, what, entry.place());
            }
            columns.push(column);
        }
        elements.extend(entry.text_if_any("share").map(str::to_owned));
        entry.finish();
    }
    table.not_yet("schedule");
    let answers = table.flag("answers", returns);
    if answers && !returns {
        let rule = "false where there is no [collect]: nobody answers then";
        table.bad_value("answers", rule, &table.place_for("answers"));
    }
    let fields = &catalogue.vocabulary.fields;
    let read: Vec<String> = columns
        .iter()
        .flat_map(|column| {
            let elements = column.elements(fields);
            elements.all().map(str::to_owned).collect::<Vec<_>>()
        })
        .collect();
    let deliver = Deliver {
        check: ReferralCheck::of(read.iter().map(String::as_str)),
        transport,
        file: file.value.to_owned(),
        empty: table.flag("empty", false),
        format: read_format(table),
        columns,
        answers: Vec::new(),
    };
    (deliver, elements, answers)
}

/// Gives a drop the columns of the answers, where it ends with them.
pub(super) fn end_with_answers(
    deliver: Option<&mut Deliver>,
    collect: Option<&Collect>,
    wanted: bool,
) {
    if let (Some(deliver), Some(collect), true) = (deliver, collect, wanted) {
        deliver.answers = answer_columns(&deliver.columns, collect);
    }
}

/// The headers of the empty columns for what comes back: none that is delivered, and none twice.
fn answer_columns(columns: &[DropColumn], collect: &Collect) -> Vec<String> {
    let mut answers: Vec<String> = Vec::new();
    for header in collect.answer_headers() {
        let delivered = columns
            .iter()
            .any(|column| same_header(&column.header, header));
        let known = answers.iter().any(|known| same_header(known, header));
        if !(header.is_empty() || delivered || known) {
            answers.push(header.to_owned());
        }
    }
    answers
}

fn same_header(one: &str, other: &str) -> bool {
    one.trim().to_lowercase() == other.trim().to_lowercase()
}

fn read_format(table: &TableReader<'_>) -> Format {
    let mut format = Format::default();
    let Some(said) = table.opt_table("format") else {
        return format;
    };
    if let Some(kind) = said.word("kind", &[("csv", true), ("xlsx", false)])
        && !kind.value
    {
        said.not_yet_at("kind = \"xlsx\"", &kind.place);
    }
    format = Format {
        delimiter: choice(&said, "delimiter", parse_delimiter).unwrap_or(format.delimiter),
        encoding: choice(&said, "encoding", parse_encoding).unwrap_or(format.encoding),
        newline: choice(&said, "newline", parse_newline).unwrap_or(format.newline),
        quote: choice(&said, "quote", parse_quote).unwrap_or(format.quote),
    };
    // Another value would let a cell run in the partner's spreadsheet: that is no setting (`security.md` §5).
    said.word("formula", &[("escape", ())]);
    said.finish();
    format
}

/// A value of the format, or a problem that names the choices.
fn choice<T>(
    format: &TableReader<'_>,
    key: &'static str,
    parse: fn(&str) -> Result<T, FormatError>,
) -> Option<T> {
    let text = format.opt_text(key)?;
    let refuse = |error: FormatError| {
        let what = format!("{} must be one of: {}", error.key, error.choices);
        format.problems().add(Code::BadValue, what, &text.place);
    };
    parse(text.value).map_err(refuse).ok()
}

/// Holds the layout as a whole against what will come back.
pub(super) fn check_layout(
    place: &Place,
    deliver: &Deliver,
    collect: Option<&Collect>,
    catalogue: &Catalogue<'_>,
) {
    let problems = catalogue.problems;
    // No column at all is a problem of its own.
    if deliver.columns.is_empty() {
        return;
    }
    let has = |name: &str| {
        catalogue
            .vocabulary
            .fields
            .id(name)
            .is_some_and(|id| deliver.position_of(id).is_some())
    };
    if !has("leg.reference") && collect.is_none_or(|collect| collect.reference.is_empty()) {
        problems.add(
            Code::NoReferenceColumn,
            "no column carries leg.reference",
            place,
        );
    }
    let identity = deliver.columns.iter().any(|column| column.identity);
    if let Some(collect) = collect
        && !(identity || has("leg.check") || collect.hold_all)
    {
        problems.add(
            Code::NoGuard,
            "the layout has neither a check nor an identity column",
            place,
        );
    }
    if !has("leg.action") {
        problems.add(Code::NoActionColumn, "no column carries leg.action", place);
    }
    let format = deliver.format;
    for header in deliver.headers() {
        if encode_cell(header, format.encoding, UnencodableRule::Hold).is_err() {
            let what = format!("the format's encoding has no place for the header \"{header}\"");
            problems.add(Code::BadValue, what, place);
        }
    }
}
