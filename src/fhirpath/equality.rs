//! When two values are the same (`=`), alike (`~`) or among others.
//!
//! # Source
//! `FHIRPath` N1 §6.1.

use std::cmp::Ordering;

use super::children::all_children;
use super::evaluate::{EvaluateError, Evaluation, Items, exact};
use super::quantity::Quantity;
use super::temporal::{Temporal, TemporalKind};
use super::value::{Node, Origin, PathItem, Scalar};
use crate::json::Json;

pub(super) fn holds<'t>(
    evaluation: &Evaluation<'_, 't>,
    items: &[PathItem<'t>],
    sought: &PathItem<'t>,
) -> Result<bool, EvaluateError> {
    for item in items {
        if same(evaluation, item, sought)? == Some(true) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Each value once, first come first kept.
pub(super) fn distinct<'t>(evaluation: &Evaluation<'_, 't>, items: Vec<PathItem<'t>>) -> Items<'t> {
    let mut kept: Vec<PathItem<'t>> = Vec::new();
    for item in items {
        if !holds(evaluation, &kept, &item)? {
            kept.push(item);
        }
    }
    Ok(kept)
}

/// `=`: unknown if a side is empty, or where partial dates cannot tell.
pub(super) fn equal<'t>(
    evaluation: &Evaluation<'_, 't>,
    left: &[PathItem<'t>],
    right: &[PathItem<'t>],
) -> Result<Option<bool>, EvaluateError> {
    if left.is_empty() || right.is_empty() {
        return Ok(None);
    }
    if left.len() != right.len() {
        return Ok(Some(false));
    }
    let mut result = Some(true);
    for (own, other) in left.iter().zip(right) {
        match same(evaluation, own, other)? {
            Some(true) => {}
            Some(false) => return Ok(Some(false)),
            None => result = None,
        }
    }
    Ok(result)
}

fn same(
    evaluation: &Evaluation<'_, '_>,
    left: &PathItem<'_>,
    right: &PathItem<'_>,
) -> Result<Option<bool>, EvaluateError> {
    evaluation.count(1)?;
    Ok(match (left.scalar(), right.scalar()) {
        (Scalar::Text(own, own_from), Scalar::Text(other, other_from)) => {
            if own == other {
                return Ok(Some(true));
            }
            // Two texts of trees may be one moment written in two ways.
            let both = own_from != Origin::Computed && other_from != Origin::Computed;
            match (both, left.scalar().temporal(), right.scalar().temporal()) {
                (true, Some(own), Some(other)) => same_moment(own, other),
                _ => Some(false),
            }
        }
        (Scalar::None, Scalar::None) => return same_things(evaluation, left, right),
        (Scalar::None, _) | (_, Scalar::None) if left.without_value() || right.without_value() => {
            None
        }
        (Scalar::Boolean(own), Scalar::Boolean(other)) => Some(own == other),
        (own, other) if own.is_number() && other.is_number() => {
            Some(exact(own, "=")?.compare(exact(other, "=")?) == Ordering::Equal)
        }
        (own @ Scalar::Temporal(_), other @ (Scalar::Temporal(_) | Scalar::Text(..)))
        | (own @ Scalar::Text(..), other @ Scalar::Temporal(_)) => {
            match (own.moment(), other.moment()) {
                (Some(own), Some(other)) => same_moment(own, other),
                _ => Some(false),
            }
        }
        (own, other) if own.is_number() || other.is_number() => {
            match (Quantity::of(left, true)?, Quantity::of(right, true)?) {
                (Some(own), Some(other)) => own.compare(&other)?.map(Ordering::is_eq),
                _ => Some(false),
            }
        }
        _ => Some(false),
    })
}

/// `=` of what is no primitive: quantities by value where one was computed, elements part by part.
fn same_things(
    evaluation: &Evaluation<'_, '_>,
    left: &PathItem<'_>,
    right: &PathItem<'_>,
) -> Result<Option<bool>, EvaluateError> {
    if let (PathItem::Node(own), PathItem::Node(other)) = (left, right) {
        return Ok(Some(same_node(evaluation, *own, *other)?));
    }
    if let (PathItem::TypeInfo(space, name), PathItem::TypeInfo(others, other)) = (left, right) {
        return Ok(Some(space == others && name == other));
    }
    if left.without_value() || right.without_value() {
        return Ok(None);
    }
    match (Quantity::of(left, false)?, Quantity::of(right, false)?) {
        (Some(own), Some(other)) => Ok(own.compare(&other)?.map(Ordering::is_eq)),
        _ => Ok(Some(false)),
    }
}

/// A time of day is never a date.
fn same_moment(own: Temporal, other: Temporal) -> Option<bool> {
    if (own.shape == TemporalKind::Time) != (other.shape == TemporalKind::Time) {
        return Some(false);
    }
    own.compare(other).map(Ordering::is_eq)
}

fn same_node(
    evaluation: &Evaluation<'_, '_>,
    own: Node<'_>,
    other: Node<'_>,
) -> Result<bool, EvaluateError> {
    if own.json.is_null() || other.json.is_null() {
        return Ok(own.json.is_null()
            && other.json.is_null()
            && match (own.shadow, other.shadow) {
                (Some(own), Some(other)) => same_tree(evaluation, own, other)?,
                _ => false,
            });
    }
    same_tree(evaluation, own.json, other.json)
}

/// Deep equality; the order of keys does not count, numbers compare by value. A tree is at most 64 deep.
fn same_tree(
    evaluation: &Evaluation<'_, '_>,
    own: &Json<'_>,
    other: &Json<'_>,
) -> Result<bool, EvaluateError> {
    evaluation.count(1)?;
    match (own, other) {
        (Json::Null, Json::Null) => Ok(true),
        (Json::Bool(own), Json::Bool(other)) => Ok(own == other),
        (Json::String(own), Json::String(other)) => Ok(own == other),
        (Json::Number(own), Json::Number(other)) => Ok(own == other
            || exact(Scalar::Number(own), "=")?.compare(exact(Scalar::Number(other), "=")?)
                == Ordering::Equal),
        (Json::Array(own), Json::Array(other)) => {
            if own.len() != other.len() {
                return Ok(false);
            }
            for (own, other) in own.iter().zip(*other) {
                if !same_tree(evaluation, own, other)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        (Json::Object(own), Json::Object(other_members)) => {
            if own.len() != other_members.len() {
                return Ok(false);
            }
            evaluation.count(own.len())?;
            for (key, value) in *own {
                let Some(others) = other.get(key) else {
                    return Ok(false);
                };
                if !same_tree(evaluation, value, others)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        _ => Ok(false),
    }
}

/// `~`: never unknown; order, case and white space do not count.
pub(super) fn equivalent<'t>(
    evaluation: &Evaluation<'_, 't>,
    left: &[PathItem<'t>],
    right: &[PathItem<'t>],
) -> Result<bool, EvaluateError> {
    if left.len() != right.len() {
        return Ok(false);
    }
    let mut unmatched: Vec<&PathItem<'t>> = right.iter().collect();
    for own in left {
        let mut found = None;
        for (at, other) in unmatched.iter().enumerate() {
            if alike(evaluation, own, other)? {
                found = Some(at);
                break;
            }
        }
        match found {
            Some(at) => unmatched.swap_remove(at),
            None => return Ok(false),
        };
    }
    Ok(true)
}

fn alike<'t>(
    evaluation: &Evaluation<'_, 't>,
    own: &PathItem<'t>,
    other: &PathItem<'t>,
) -> Result<bool, EvaluateError> {
    evaluation.count(1)?;
    let (left, right) = (own.scalar(), other.scalar());
    if let (Some(own), Some(other)) = (left.moment_beside(right), right.moment_beside(left)) {
        return Ok(own.same_precision(other) && same_moment(own, other) == Some(true));
    }
    match (left, right) {
        (Scalar::Text(own, _), Scalar::Text(other, _)) => Ok(own
            .split_whitespace()
            .map(str::to_lowercase)
            .eq(other.split_whitespace().map(str::to_lowercase))),
        (left, right) if left.is_number() && right.is_number() => {
            Ok(exact(left, "~")?.equivalent(exact(right, "~")?))
        }
        (Scalar::None, Scalar::None) => alike_things(evaluation, own, other),
        _ => Ok(same(evaluation, own, other)? == Some(true)),
    }
}

/// `~` of what is no primitive: quantities as such, elements part by part in any order.
fn alike_things<'t>(
    evaluation: &Evaluation<'_, 't>,
    own: &PathItem<'t>,
    other: &PathItem<'t>,
) -> Result<bool, EvaluateError> {
    if let (PathItem::Node(_), PathItem::Node(_)) = (own, other) {
        let (mut parts, mut others) = (Vec::new(), Vec::new());
        all_children(own, &mut parts);
        all_children(other, &mut others);
        evaluation.count(parts.len() + others.len())?;
        return Ok(same_things(evaluation, own, other)? == Some(true)
            || (!parts.is_empty() && equivalent(evaluation, &parts, &others)?));
    }
    match (Quantity::of(own, false)?, Quantity::of(other, false)?) {
        (Some(own), Some(other)) => own.equivalent(&other),
        _ => Ok(same_things(evaluation, own, other)? == Some(true)),
    }
}
