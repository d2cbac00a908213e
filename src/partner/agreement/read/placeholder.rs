//! Names what a draft left to a person: every `"?"` of a partner file.
//!
//! In shadow nothing leaves by the file, so a draft may lie beside live partners and is only named; live it is an error.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::diagnostics::Code;
use crate::toml_reader::{Problems, SourceText};

/// What stands in a draft where a person must write something.
pub(crate) const PLACEHOLDER: &str = "?";
/// Tables within one another: deeper than any key of a partner file.
const DEPTH_MAX: usize = 8;

/// Notes every placeholder of the file.
pub(super) fn check(
    source: SourceText<'_>,
    table: &DeTable<'_>,
    shadow: bool,
    problems: &Problems,
) {
    let note = |key: &str, start: usize| {
        let what = format!("{key} is still a placeholder");
        let code = if shadow {
            Code::Placeholder
        } else {
            Code::BadValue
        };
        let fix = "put in what the line asks for, or take out a column that is the partner's own";
        problems.add_fix(code, what, &source.place(start), fix.to_owned());
    };
    each_of(table, &note, 0);
}

fn each_of(table: &DeTable<'_>, note: &dyn Fn(&str, usize), depth: usize) {
    for (key, value) in table {
        each_in(key.get_ref(), value, note, depth);
    }
}

fn each_in(key: &str, value: &Spanned<DeValue<'_>>, note: &dyn Fn(&str, usize), depth: usize) {
    if depth > DEPTH_MAX {
        return;
    }
    match value.get_ref() {
        DeValue::String(text) if text.as_ref() == PLACEHOLDER => note(key, value.span().start),
        DeValue::Table(table) => each_of(table, note, depth + 1),
        DeValue::Array(values) => {
            for value in values {
                each_in(key, value, note, depth + 1);
            }
        }
        _ => {}
    }
}
