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

mod calls;
mod check;
mod children;
mod conversions;
mod decimal;
mod encodings;
mod environment;
mod equality;
mod evaluate;
mod functions;
mod glance;
mod json_parser;
mod lexer;
mod like;
mod members;
mod model;
mod moments;
mod numbers;
mod operators;
mod parse;
mod quantity;
mod reads;
mod shapes;
mod syntax;
mod temporal;
mod terms;
mod texts;
mod tree;
mod type_test;
mod types;
mod units;
mod value;

#[cfg(test)]
mod tests;

pub(crate) use environment::{Constant, Environment};
pub(crate) use evaluate::{Context, EvaluateError, Expression};
pub(crate) use glance::Glance;
pub(crate) use like::Like;
pub(crate) use members::{Members, member_texts};
pub(crate) use reads::{Read, Reads, Root};
pub(crate) use shapes::Shapes;
pub(crate) use tree::{Arena, JSON_DEPTH_MAX, Json, JsonError, items};
pub(crate) use value::Item;
