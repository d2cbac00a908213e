//! Reads `[[deliver.column]]`: where a cell comes from and what becomes of it on the way.
//!
//! Invariants of what passes: a column has exactly one source and may be disclosed; what stands in the file as it is has no
//! placeholder.

use super::catalogue::Catalogue;
use super::patterns::{check_constant, check_date_pattern};
use super::share_check::ShareCheck;
use crate::diagnostics::{Code, did_you_mean};
use crate::partner::agreement::transforms::CUT_LENGTH_MIN;
use crate::partner::agreement::{ColumnSource, DropColumn, TooLong, UnencodableChoice, Unmapped};
use crate::partner::fields::{CodeMap, Field, FieldKind, compile, refuse_referral_code};
use crate::toml_reader::{At, TableReader, TextOrTable};

/// How a day is written where the partner says nothing.
const DAY: &str = "%Y-%m-%d";
/// As much as Excel holds in one cell.
const LENGTH_MAX: i64 = 32_767;
/// As long as a reader of returns accepts a header.
const HEADER_LENGTH_MAX: usize = 200;

/// Reads a column of a drop.
pub(super) fn read_column(
    table: &TableReader<'_>,
    catalogue: &Catalogue<'_>,
    check: &ShareCheck<'_>,
) -> Option<DropColumn> {
    let header = table.text("header");
    if header.value.chars().count() > HEADER_LENGTH_MAX
        || header.value.chars().any(char::is_control)
    {
        let rule = format!("at most {HEADER_LENGTH_MAX} characters, without line breaks");
        table.bad_value("header", &rule, &header.place);
    }
    check_constant(&header, table.problems());
    let source = read_source(table, header.value, catalogue, check);
    let field = match &source {
        Some(ColumnSource::Field(id)) => Some(catalogue.vocabulary.fields.field(*id)),
        _ => None,
    };
    let date = read_date(table, source.as_ref(), field);
    let codes = read_codes(table, field, catalogue);
    let unmapped = read_unmapped(table, field, codes.is_some());
    let length_max = table.number("max_length", 1..=LENGTH_MAX);
    let too_long = read_too_long(table, header.value, length_max.as_ref());
    let replace = [
        ("hold", UnencodableChoice::Hold),
        ("replace", UnencodableChoice::Replace),
    ];
    let constant = |key: &'static str| {
        let text = table.opt_text(key)?;
        check_constant(&text, table.problems());
        Some(text.value.to_owned())
    };
    let (join, default) = (constant("join"), constant("default"));
    let required = table.flag("required", false);
    if let (true, true, Some(place)) = (required, default.is_some(), table.key_place("required")) {
        let what = format!(
            "column \"{}\" is never empty, for it has a default",
            header.value
        );
        table.problems().add(Code::NeverApplies, what, &place);
    }
    let identity = field.is_some_and(Field::identity);
    // What is compared with a return loses an accent rather than the row (`safety.md` §5), unless the file says otherwise.
    let unwritten = if identity {
        UnencodableChoice::Replace
    } else {
        UnencodableChoice::Hold
    };
    Some(DropColumn {
        header: header.value.to_owned(),
        required,
        default,
        date,
        codes,
        unmapped,
        max_length: length_max.and_then(|at| usize::try_from(at.value).ok()),
        too_long,
        join: join
            .or(field.map(|field| field.join.clone()))
            .unwrap_or_else(|| "; ".to_owned()),
        unencodable: table.word_or("unencodable", &replace, unwritten),
        never_question_mark: identity
            || field.is_some_and(|field| field.name.rsplit('.').next() == Some("name")),
        identity,
        source: source?,
    })
}

fn read_source(
    table: &TableReader<'_>,
    header: &str,
    catalogue: &Catalogue<'_>,
    check: &ShareCheck<'_>,
) -> Option<ColumnSource> {
    let problems = table.problems();
    let share = table.opt_text("share");
    let said = (
        table.opt_text("from"),
        table.opt_text("fhirpath"),
        table.opt_text("text"),
    );
    if let (Some(share), None) = (&share, &said.1) {
        table.bad_value(
            "share",
            "beside fhirpath only: a field is shared by its name",
            &share.place,
        );
    }
    match said {
        (Some(name), None, None) => {
            let id = catalogue.vocabulary.fields.resolve(&name, problems)?;
            if catalogue.vocabulary.fields.field(id).unread() {
                table.not_yet_at(&format!("field {}", name.value), &name.place);
            }
            check.column(header, id, &name.place);
            Some(ColumnSource::Field(id))
        }
        (None, Some(path), None) => {
            let expression = compile(table, "fhirpath", &path);
            table.needs("share");
            let (expression, share) = (expression?, share?);
            check.expression(header, &expression, &share, &path.place);
            Some(ColumnSource::Path(expression))
        }
        (None, None, Some(text)) => {
            refuse_referral_code(text.value, &text.place, problems);
            check_constant(&text, problems);
            Some(ColumnSource::Text(text.value.to_owned()))
        }
        _ => {
            let what = format!("column \"{header}\" needs exactly one of from, fhirpath and text");
            table.not_one_of(Code::ColumnSource, what, &["from", "fhirpath", "text"]);
            None
        }
    }
}

fn read_date(
    table: &TableReader<'_>,
    source: Option<&ColumnSource>,
    field: Option<&Field>,
) -> Option<String> {
    let dated = field.is_some_and(|field| field.kind == FieldKind::Date);
    let Some(pattern) = table.opt_text("date") else {
        // Of an instant its day, never the instant.
        return dated.then(|| DAY.to_owned());
    };
    if !dated && !matches!(source, None | Some(ColumnSource::Path(_))) {
        table.bad_value("date", "beside a field that is a date", &pattern.place);
    }
    check_date_pattern(&pattern, false, table.problems());
    Some(pattern.value.to_owned())
}

fn read_codes(
    table: &TableReader<'_>,
    field: Option<&Field>,
    catalogue: &Catalogue<'_>,
) -> Option<CodeMap> {
    let place = table.key_place("codes")?;
    let codes = read_map(table, field, catalogue)?;
    let Some(field) = field else {
        return Some(codes);
    };
    let lacking: Vec<&str> = values_of(field, catalogue)
        .into_iter()
        .filter(|value| codes.get(value).is_none())
        .collect();
    // What a row asks for is never left to chance (`safety.md` §12).
    let settled = table.has("unmapped") && field.name != "leg.action";
    if !lacking.is_empty() && !settled {
        let shown = lacking
            .iter()
            .take(4)
            .copied()
            .collect::<Vec<_>>()
            .join(", ");
        let more = match lacking.len().saturating_sub(4) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let what = format!("codes has no word for {shown}{more} of {}", field.name);
        table.problems().add(Code::CodesIncomplete, what, &place);
    }
    Some(codes)
}

/// Reads the list, and names the codes of an inline one that the field never has.
fn read_map(
    table: &TableReader<'_>,
    field: Option<&Field>,
    catalogue: &Catalogue<'_>,
) -> Option<CodeMap> {
    let said = table.either("codes")?;
    let inline = match &said {
        TextOrTable::Table(inline) => inline.pairs(),
        TextOrTable::Text(_) => return Some(catalogue.codes(said)),
    };
    for (code, word) in &inline {
        check_constant(code, table.problems());
        check_constant(word, table.problems());
    }
    if let Some(field) = field
        && field.name != "referral.activity_code"
    {
        let values = values_of(field, catalogue);
        for (code, _) in inline
            .iter()
            .filter(|(code, _)| !values.is_empty() && !values.contains(&code.value))
        {
            let what = format!("{} is never \"{}\"", field.name, code.value);
            let fix = did_you_mean(code.value, values.iter().copied())
                .unwrap_or_else(|| "take the code out".to_owned());
            table
                .problems()
                .add_fix(Code::NeverApplies, what, &code.place, fix);
        }
    }
    Some(catalogue.codes(said))
}

/// Every value that a field can have, where Kith knows them all: those of its closed list, or of a list of `codes`.
fn values_of<'f>(field: &'f Field, catalogue: &'f Catalogue<'_>) -> Vec<&'f str> {
    let mut values: Vec<&str> = match field.name.as_str() {
        "referral.need" => catalogue
            .vocabulary
            .needs
            .entries()
            .map(|(_, need)| need)
            .collect(),
        "referral.activity_code" => catalogue
            .vocabulary
            .activities
            .entries()
            .map(|(code, _)| code)
            .collect(),
        _ => return field.values.iter().map(String::as_str).collect(),
    };
    values.sort_unstable();
    values.dedup();
    values
}

fn read_unmapped(table: &TableReader<'_>, field: Option<&Field>, mapped: bool) -> Unmapped {
    let Some(said) = table.opt_text("unmapped") else {
        return Unmapped::Hold;
    };
    if !mapped {
        table.bad_value("unmapped", "beside codes", &said.place);
    }
    match said.value {
        "hold" => Unmapped::Hold,
        "keep" => Unmapped::Keep,
        "blank" => {
            if field.is_some_and(Field::about_safety) {
                let what = "a blank cell here would read as nothing to know";
                table
                    .problems()
                    .add(Code::UnsafeUnmapped, what, &said.place);
            }
            Unmapped::Blank
        }
        text => {
            check_constant(&said, table.problems());
            Unmapped::Text(text.to_owned())
        }
    }
}

fn read_too_long(table: &TableReader<'_>, header: &str, length_max: Option<&At<i64>>) -> TooLong {
    let words = [("hold", TooLong::Hold), ("truncate", TooLong::Truncate)];
    let Some(said) = table.word("too_long", &words) else {
        return TooLong::Hold;
    };
    let Some(length_max) = length_max else {
        table.bad_value("too_long", "beside max_length", &said.place);
        return said.value;
    };
    if said.value == TooLong::Truncate {
        if usize::try_from(length_max.value).is_ok_and(|length| length < CUT_LENGTH_MIN) {
            let rule = format!("at least {CUT_LENGTH_MIN} where a text may be cut");
            table.bad_value("max_length", &rule, &length_max.place);
        }
        let what = format!(
            "column \"{header}\" cuts a text of more than {} characters",
            length_max.value
        );
        table.problems().add(Code::TruncatedText, what, &said.place);
    }
    said.value
}
