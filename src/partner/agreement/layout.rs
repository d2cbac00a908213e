//! How a partner wants a drop: its file, and the columns of it.
//!
//! The section `[deliver]`, once read. Kept: each column has one source.

use std::borrow::Cow;

use jiff::civil::Date;

use crate::fhirpath::Expression;
use crate::partner::fields::{CodeMap, Elements, FieldId, FieldSet, ReferralCheck, below};
use crate::sheet::{Format, UnencodableRule};
use crate::toml_reader::At;

/// How the partner wants a drop.
#[derive(Debug)]
pub(crate) struct Deliver {
    /// Id of a transport of the config.
    pub(crate) transport: At<String>,
    /// File name with `{date}`, `{sequence}`, `{partner}`.
    pub(crate) file: String,
    /// Whether a drop is written when there are no rows.
    pub(crate) empty: bool,
    pub(crate) format: Format,
    pub(crate) columns: Vec<DropColumn>,
    /// Headers of the empty columns behind them, which the partner fills in: the sheet that is sent is the sheet that comes back.
    pub(crate) answers: Vec<String>,
    /// What the columns read must have the form that FHIR gives it.
    pub(crate) check: ReferralCheck,
}

impl Deliver {
    /// Position of the column that carries this field unchanged.
    pub(crate) fn position_of(&self, field: FieldId) -> Option<usize> {
        self.columns
            .iter()
            .position(|column| column.field() == Some(field))
    }

    /// The headers of a drop: the delivered columns, then those of the answers.
    pub(crate) fn headers(&self) -> impl Iterator<Item = &str> {
        let delivered = self.columns.iter().map(|column| column.header.as_str());
        delivered.chain(self.answers.iter().map(String::as_str))
    }

    /// The file name of a drop: date as `YYYYMMDD`, sequence in six digits.
    pub(crate) fn file_name(&self, partner: &str, date: Date, sequence: u64) -> String {
        self.file
            .replace("{date}", &date.strftime("%Y%m%d").to_string())
            .replace("{sequence}", &format!("{sequence:06}"))
            .replace("{partner}", partner)
    }
}

/// One column of a drop.
#[derive(Debug)]
pub(crate) struct DropColumn {
    pub(crate) header: String,
    pub(crate) source: ColumnSource,
    /// Whether a row without this cell is held.
    pub(crate) required: bool,
    /// Stands where the value is empty.
    pub(crate) default: Option<String>,
    /// strftime pattern; partial dates are written as they are.
    pub(crate) date: Option<String>,
    pub(crate) codes: Option<CodeMap>,
    pub(crate) unmapped: Unmapped,
    pub(crate) max_length: Option<usize>,
    pub(crate) too_long: TooLong,
    /// Between several values of one cell; else the field's own.
    pub(crate) join: String,
    pub(crate) unencodable: UnencodableChoice,
    /// A `patient.*` column: compared with what comes back.
    pub(crate) identity: bool,
    /// A `?` in it would be a wrong name.
    pub(crate) never_question_mark: bool,
}

impl DropColumn {
    /// What the column can read of a record.
    pub(crate) fn elements<'e>(&'e self, fields: &'e FieldSet) -> Cow<'e, Elements> {
        match &self.source {
            ColumnSource::Text(_) => Cow::Owned(Elements::default()),
            ColumnSource::Field(field) => Cow::Borrowed(&fields.field(*field).elements),
            ColumnSource::Path(path) => {
                Cow::Owned(Elements::of_expression(path).unwrap_or_default())
            }
        }
    }

    /// Whether the column reads this element, or one above or below it.
    pub(crate) fn reads(&self, element: &str, fields: &FieldSet) -> bool {
        self.elements(fields)
            .all()
            .any(|own| below(own, element) || below(element, own))
    }

    /// The field of the column, if it has one.
    pub(crate) fn field(&self) -> Option<FieldId> {
        match self.source {
            ColumnSource::Field(field) => Some(field),
            ColumnSource::Path(_) | ColumnSource::Text(_) => None,
        }
    }

    /// The rule for whoever writes the cell.
    pub(crate) fn unencodable_rule(&self) -> UnencodableRule {
        match (self.unencodable, self.never_question_mark) {
            (UnencodableChoice::Hold, _) => UnencodableRule::Hold,
            (UnencodableChoice::Replace, true) => UnencodableRule::LetterOrHold,
            (UnencodableChoice::Replace, false) => UnencodableRule::Replace,
        }
    }
}

/// Where a column's value comes from.
#[derive(Debug)]
pub(crate) enum ColumnSource {
    Field(FieldId),
    /// For what has no field name.
    Path(Expression),
    Text(String),
}

/// What to write for a value that `codes` does not list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unmapped {
    Hold,
    Blank,
    Keep,
    Text(String),
}

/// What to do with a text longer than `max_length`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TooLong {
    Hold,
    Truncate,
}

/// What to do with a character that the encoding lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UnencodableChoice {
    Hold,
    Replace,
}
