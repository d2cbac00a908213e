//! The single terms of an expression: literals, type and function names, and what is said when one is wrong.

use super::decimal::Decimal;
use super::model::{TypeId, TypeKind, model, nearest};
use super::syntax::{Expr, FUNCTIONS, Literal};
use super::temporal::Temporal;
use super::types::{SYSTEM, TypeName, find_type};
use crate::domain::how_to_raise;

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

/// What FHIR or its community defines and is not supported, and why; for the manual too.
pub(super) const REFUSED: [(&str, &str); 18] = [
    (
        "checkModifiers",
        "it needs profiles; test modifierExtension.empty()",
    ),
    (
        "coalesce",
        "it is of a later FHIRPath; write iif(a.exists(), a, b)",
    ),
    ("conformsTo", "it needs a validator and profiles"),
    (
        "defineVariable",
        "it is of a later FHIRPath; repeat the expression or use a field of fields.toml",
    ),
    ("duration", "it is of a later FHIRPath"),
    ("difference", "it is of a later FHIRPath"),
    ("elementDefinition", "it needs profiles"),
    ("getValue", "it is not needed: a primitive is its value"),
    ("htmlChecks", "it needs a checker of XHTML"),
    ("lowest", "it is of a later FHIRPath"),
    (
        "memberOf",
        "it needs a terminology server; compare with codes, or use a code map",
    ),
    ("repeatAll", "it is of a later FHIRPath; write repeat()"),
    ("slice", "it needs profiles"),
    (
        "subsumedBy",
        "it needs a terminology server; compare with codes, or use a code map",
    ),
    (
        "subsumes",
        "it needs a terminology server; compare with codes, or use a code map",
    ),
    ("toLong", "it is of a later FHIRPath; write toInteger()"),
    ("validateVS", "it needs a terminology server"),
    ("weight", "it needs a terminology server"),
];

pub(super) fn known_type(
    space: Option<&str>,
    name: &str,
    start: usize,
) -> Result<TypeName, CompileError> {
    find_type(space, name).ok_or_else(|| {
        let (of, near) = match space {
            Some("System") => (
                "System",
                nearest(SYSTEM.into_iter(), name).unwrap_or("String"),
            ),
            _ => ("FHIR R4", model().nearest_type(name)),
        };
        CompileError::new(
            start,
            format!("\"{name}\" is no type of {of}"),
            format!("the nearest is {near}"),
        )
    })
}

/// The type that a leading name names.
pub(super) fn known_resource(name: &str, start: usize) -> Result<TypeId, CompileError> {
    match known_type(None, name, start)? {
        TypeName::Fhir(id) if model().get(id).kind != TypeKind::Primitive => Ok(id),
        _ => Err(CompileError::new(
            start,
            format!("\"{name}\" is no resource and no part of one"),
            format!("the nearest is {}", model().nearest_type(name)),
        )),
    }
}

/// Why a function that exists is not supported.
pub(super) fn refused(name: &str, start: usize) -> Option<CompileError> {
    let (_, why) = REFUSED.iter().find(|(known, _)| *known == name)?;
    Some(CompileError::new(
        start,
        format!("the function {name}() is not supported"),
        *why,
    ))
}

pub(super) fn unknown_function(name: &str, start: usize) -> CompileError {
    let others = [
        "ofType",
        "as",
        "is",
        "matches",
        "matchesFull",
        "replaceMatches",
    ];
    let names = FUNCTIONS.iter().map(|(known, ..)| *known).chain(others);
    CompileError::new(
        start,
        format!("the function {name}() is not supported"),
        format!(
            "the nearest supported one is {}()",
            nearest(names, name).unwrap_or("where")
        ),
    )
}

pub(super) fn special(name: &str, start: usize) -> Result<Expr, CompileError> {
    match name {
        "this" => Ok(Expr::This),
        "index" => Ok(Expr::Index),
        "total" => Ok(Expr::Total),
        _ => Err(CompileError::new(
            start,
            format!("\"${name}\" is not supported"),
            "supported are $this, $index and $total",
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

pub(super) fn temporal(written: &str, start: usize) -> Result<Literal, CompileError> {
    let found = match written.strip_prefix('T') {
        Some(time) => Temporal::parse_time(time),
        None => Temporal::parse(written),
    };
    found.map(Literal::Temporal).ok_or_else(|| {
        CompileError::new(
            start,
            "this is no date, dateTime or time",
            "write @2026-11-01, @2026-11-01T09:00:00Z or @T09:00; a time of day has no offset",
        )
    })
}

/// A regular expression without look-around, so that matching takes linear time.
pub(super) fn compiled_pattern(
    pattern: &str,
    start: usize,
    bytes_max: usize,
) -> Result<regex::Regex, CompileError> {
    regex::RegexBuilder::new(pattern)
        .size_limit(bytes_max)
        .dot_matches_new_line(true)
        .build()
        .map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => CompileError::new(
                start,
                format!("this regular expression takes more than {bytes_max} bytes once it is compiled"),
                how_to_raise("pattern_bytes_max"),
            ),
            _ => CompileError::new(
                start,
                "this regular expression cannot be compiled",
                "look-around and back references are not supported; backslashes are doubled in quotes",
            ),
        })
}
