//! When two values are the same (`=`), alike (`~`) or among others.
//!
//! # Source
//! `FHIRPath` N1 §6.1.

use std::cmp::Ordering;

use super::evaluate::{EvaluateError, Evaluation, Items, exact, is_absent};
use super::temporal::Temporal;
use super::tree::Json;
use super::value::{Item, Node, Scalar};

/// Two strings of trees that both are dates to the day are dates; shorter ones could be any number.
pub(super) fn both_days(
    own: &str,
    own_tree: bool,
    other: &str,
    other_tree: bool,
) -> Option<(Temporal, Temporal)> {
    let worth_trying = own_tree && other_tree && own.len() >= 10 && other.len() >= 10;
    if !worth_trying || !own.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    let (own, other) = (Temporal::parse(own)?, Temporal::parse(other)?);
    (own.has_day() && other.has_day()).then_some((own, other))
}

pub(super) fn holds<'t>(
    evaluation: &Evaluation<'_, 't>,
    items: &[Item<'t>],
    sought: &Item<'t>,
) -> Result<bool, EvaluateError> {
    for item in items {
        if same(evaluation, item, sought)? == Some(true) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Each value once, first come first kept.
pub(super) fn distinct<'t>(evaluation: &Evaluation<'_, 't>, items: Vec<Item<'t>>) -> Items<'t> {
    let mut kept: Vec<Item<'t>> = Vec::new();
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
    left: &[Item<'t>],
    right: &[Item<'t>],
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
    left: &Item<'_>,
    right: &Item<'_>,
) -> Result<Option<bool>, EvaluateError> {
    evaluation.count(1)?;
    Ok(match (left.scalar(), right.scalar()) {
        (Scalar::None, Scalar::None) => match (left, right) {
            (Item::Node(own), Item::Node(other)) => Some(same_node(evaluation, *own, *other)?),
            _ => Some(false),
        },
        (Scalar::None, _) | (_, Scalar::None) if is_absent(left) || is_absent(right) => None,
        (Scalar::Boolean(own), Scalar::Boolean(other)) => Some(own == other),
        (Scalar::Text(own, own_tree), Scalar::Text(other, other_tree)) => {
            match both_days(own, own_tree, other, other_tree) {
                Some((own_day, other_day)) if own != other => same_moment(own_day, other_day),
                _ => Some(own == other),
            }
        }
        (Scalar::Temporal(own), Scalar::Temporal(other)) => same_moment(own, other),
        (Scalar::Temporal(own), Scalar::Text(other, true))
        | (Scalar::Text(other, true), Scalar::Temporal(own)) => match Temporal::parse(other) {
            Some(other) => same_moment(own, other),
            None => Some(false),
        },
        (own, other) if own.is_number() && other.is_number() => {
            Some(exact(own, "=")?.compare(exact(other, "=")?) == Ordering::Equal)
        }
        _ => Some(false),
    })
}

fn same_moment(own: Temporal, other: Temporal) -> Option<bool> {
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
            for (own, other) in own.iter().zip(other) {
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
            for (key, value) in own {
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
    left: &[Item<'t>],
    right: &[Item<'t>],
) -> Result<bool, EvaluateError> {
    if left.len() != right.len() {
        return Ok(false);
    }
    let mut unmatched: Vec<&Item<'t>> = right.iter().collect();
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

fn alike(
    evaluation: &Evaluation<'_, '_>,
    own: &Item<'_>,
    other: &Item<'_>,
) -> Result<bool, EvaluateError> {
    evaluation.count(1)?;
    match (own.scalar(), other.scalar()) {
        (Scalar::Text(own, _), Scalar::Text(other, _)) => Ok(own
            .split_whitespace()
            .map(str::to_lowercase)
            .eq(other.split_whitespace().map(str::to_lowercase))),
        (left, right) if left.is_number() && right.is_number() => {
            Ok(exact(left, "~")?.equivalent(exact(right, "~")?))
        }
        (Scalar::Temporal(own), Scalar::Temporal(other)) => {
            Ok(own.same_precision(other) && same_moment(own, other) == Some(true))
        }
        _ => Ok(same(evaluation, own, other)? == Some(true)),
    }
}
