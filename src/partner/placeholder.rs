//! Names what a draft left to a person: every `"?"` of a partner file.
//!
//! In shadow nothing leaves by the file, so a draft may lie beside live partners and is only named; live it is an error.

use toml::de::{DeTable, DeValue};

use super::draft::PLACEHOLDER;
use super::table::{Problems, SourceText};
use crate::diagnostics::Code;

/// Tables within one another: deeper than any key of a partner file.
const DEPTH_MAX: usize = 8;

/// Notes every placeholder of the file.
pub(super) fn check(
    source: SourceText<'_>,
    table: &DeTable<'_>,
    shadow: bool,
    problems: &Problems,
) {
    for (key, value) in table {
        look(
            source,
            key.get_ref(),
            value.get_ref(),
            value.span().start,
            shadow,
            problems,
            0,
        );
    }
}

fn look(
    source: SourceText<'_>,
    key: &str,
    value: &DeValue<'_>,
    start: usize,
    shadow: bool,
    problems: &Problems,
    depth: usize,
) {
    if depth > DEPTH_MAX {
        return;
    }
    match value {
        DeValue::String(text) if text.as_ref() == PLACEHOLDER => {
            let what = format!("{key} is still a placeholder");
            let code = if shadow {
                Code::Placeholder
            } else {
                Code::BadValue
            };
            let fix =
                "put in what the line asks for, or take out a column that is the partner's own";
            problems.add_fix(code, what, &source.place(start), fix.to_owned());
        }
        DeValue::Table(table) => {
            for (key, value) in table {
                look(
                    source,
                    key.get_ref(),
                    value.get_ref(),
                    value.span().start,
                    shadow,
                    problems,
                    depth + 1,
                );
            }
        }
        DeValue::Array(values) => {
            for value in values {
                look(
                    source,
                    key,
                    value.get_ref(),
                    value.span().start,
                    shadow,
                    problems,
                    depth + 1,
                );
            }
        }
        _ => {}
    }
}
