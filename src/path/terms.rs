//! The single terms of an expression: literals, type and function names, and what is said when one is wrong.

use super::decimal::Decimal;
use super::syntax::{Expr, FUNCTIONS, Literal};
use super::temporal::Temporal;
use super::types::{TypeName, find_type, nearest_type};

/// A compiled pattern may take this many bytes.
const PATTERN_SIZE_MAX: usize = 1 << 20;

/// Why an expression cannot be compiled. It quotes the expression, which is configuration, and no data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}, at character {offset} of the expression")]
pub(crate) struct CompileError {
    /// In characters, from 0.
    pub(crate) offset: usize,
    pub(crate) what: String,
    pub(crate) help: String,
}

impl CompileError {
    pub(super) fn new(offset: usize, what: impl Into<String>, help: impl Into<String>) -> Self {
        CompileError {
            offset,
            what: what.into(),
            help: help.into(),
        }
    }
}

pub(super) fn known_type(name: &str, start: usize) -> Result<TypeName, CompileError> {
    find_type(name).ok_or_else(|| {
        CompileError::new(
            start,
            format!("\"{name}\" is no type of FHIR R4"),
            format!("the nearest is {}", nearest_type(name)),
        )
    })
}

pub(super) fn unknown_function(name: &str, start: usize) -> CompileError {
    let nearest = FUNCTIONS
        .iter()
        .map(|(known, ..)| *known)
        .chain(["ofType", "as", "is", "matches"])
        .min_by_key(|known| strsim::osa_distance(known, name))
        .unwrap_or("where");
    CompileError::new(
        start,
        format!("the function {name}() is not supported"),
        format!("the nearest supported one is {nearest}()"),
    )
}

pub(super) fn special(name: &str, start: usize) -> Result<Expr, CompileError> {
    match name {
        "this" => Ok(Expr::This),
        "index" => Ok(Expr::Index),
        _ => Err(CompileError::new(
            start,
            format!("\"${name}\" is not supported"),
            "supported are $this and $index",
        )),
    }
}

pub(super) fn number(written: &str, start: usize) -> Result<Literal, CompileError> {
    let literal = if written.contains('.') {
        Decimal::parse(written).map(Literal::Decimal)
    } else {
        written.parse().ok().map(Literal::Integer)
    };
    literal.ok_or_else(|| {
        CompileError::new(
            start,
            "this number has too many digits",
            "at most 18 digits, or 38 with a point",
        )
    })
}

pub(super) fn temporal(written: String, start: usize) -> Result<Literal, CompileError> {
    match Temporal::parse(&written) {
        Some(value) => Ok(Literal::Temporal(value, written)),
        None => Err(CompileError::new(
            start,
            "this is no date or dateTime",
            "write @2026-11-01 or @2026-11-01T09:00:00Z; times of day alone are not supported",
        )),
    }
}

/// A regular expression without look-around, so that matching takes linear time.
pub(super) fn compiled_pattern(pattern: &str, start: usize) -> Result<regex::Regex, CompileError> {
    regex::RegexBuilder::new(pattern)
        .size_limit(PATTERN_SIZE_MAX)
        .dot_matches_new_line(true)
        .build()
        .map_err(|_| {
            CompileError::new(
                start,
                "this regular expression cannot be compiled",
                "look-around and back references are not supported; backslashes are doubled in quotes",
            )
        })
}
