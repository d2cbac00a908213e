//! `FHIRPath` on the borrowed tree of a resource: compiled once, evaluated per row, able to say what it reads.
//!
//! In come an expression (at load) and trees of raw JSON (per row); out come borrowed nodes and computed values,
//! and the set of elements an expression could ever touch, for the disclosure check. Kept: what is not
//! supported is an error with a place when the expression is compiled, never a silent empty result; numbers
//! are exact; every evaluation has a limit; no error carries a value.
//!
//! # Source
//! `FHIRPath` N1 (2.0.0), parts of its continuous build, and its use in FHIR R4. `docs/FHIRPATH.md` says what is
//! supported and what is not.

mod boundaries;
mod calls;
mod children;
mod conversions;
mod decimal;
mod element_check;
mod encodings;
mod environment;
mod equality;
mod evaluate;
mod functions;
mod lexer;
mod math_fns;
mod model;
mod operators;
mod parse;
mod quantity;
mod static_reads;
mod string_fns;
mod syntax;
mod temporal;
mod terms;
mod type_check;
mod type_test;
mod types;
mod units;
mod value;

#[cfg(test)]
mod limit_tests;
#[cfg(test)]
mod tests;

pub(crate) use element_check::{ElementCheck, ElementFault, FormFault};
pub(crate) use environment::{Constant, Environment, ExpressionLimits};
pub(crate) use evaluate::{Context, EvaluateError, Expression};
pub(crate) use static_reads::{Read, Reads, Root};
pub(crate) use value::PathItem;
