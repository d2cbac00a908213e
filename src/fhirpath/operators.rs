//! Operators: three-valued logic, order, exact arithmetic.
//!
//! # Source
//! `FHIRPath` N1 §6.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::boundaries::moved;
use super::equality::{distinct, equal, equivalent, holds};
use super::evaluate::{EvaluateError, Evaluation, Frame, Items, exact, single, single_text, truth};
use super::quantity::Quantity;
use super::syntax::{Expr, Operator};
use super::temporal::{Temporal, TemporalKind};
use super::units::{Duration, duration};
use super::value::{Origin, PathItem, Scalar};

pub(super) fn binary<'t>(
    evaluation: &Evaluation<'_, 't>,
    operator: Operator,
    left: &'t Expr,
    right: &'t Expr,
    scope: Frame<'_, 't>,
) -> Items<'t> {
    let left = evaluation.expr(left, scope)?;
    if let Operator::And | Operator::Or | Operator::Xor | Operator::Implies = operator {
        let left = truth(&left, "a logical operator")?;
        // What the left side decides alone needs no right side.
        let decided = match (operator, left) {
            (Operator::And, Some(false)) => Some(false),
            (Operator::Or, Some(true)) | (Operator::Implies, Some(false)) => Some(true),
            _ => None,
        };
        if let Some(decided) = decided {
            return Ok(vec![PathItem::Boolean(decided)]);
        }
        let right = truth(&evaluation.expr(right, scope)?, "a logical operator")?;
        return Ok(boolean(logic(operator, left, right)));
    }
    let right = evaluation.expr(right, scope)?;
    match operator {
        Operator::Union => {
            let mut all = left;
            all.extend(right);
            distinct(evaluation, all)
        }
        Operator::Concatenate => {
            let mut joined = single_text(&left, "&")?.unwrap_or_default();
            if let Some(right) = single_text(&right, "&")?.filter(|text| !text.is_empty()) {
                joined = if joined.is_empty() {
                    right
                } else {
                    Cow::Owned(joined.into_owned() + &right)
                };
            }
            evaluation.count_text(&joined)?;
            Ok(vec![PathItem::Text(joined)])
        }
        _ if operator.calculates() => arithmetic(evaluation, operator, &left, &right),
        Operator::Equal => Ok(boolean(equal(evaluation, &left, &right)?)),
        Operator::NotEqual => Ok(boolean(equal(evaluation, &left, &right)?.map(|same| !same))),
        Operator::Equivalent => Ok(boolean(Some(equivalent(evaluation, &left, &right)?))),
        Operator::NotEquivalent => Ok(boolean(Some(!equivalent(evaluation, &left, &right)?))),
        Operator::In => membership(evaluation, &left, &right),
        Operator::Contains => membership(evaluation, &right, &left),
        _ => order(operator, &left, &right),
    }
}

/// A truth, or nothing where it is not known.
pub(super) fn boolean<'t>(value: Option<bool>) -> Vec<PathItem<'t>> {
    value.map(PathItem::Boolean).into_iter().collect()
}

fn logic(operator: Operator, left: Option<bool>, right: Option<bool>) -> Option<bool> {
    match operator {
        Operator::And => match (left, right) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (Some(true), Some(true)) => Some(true),
            _ => None,
        },
        Operator::Or => match (left, right) {
            (Some(true), _) | (_, Some(true)) => Some(true),
            (Some(false), Some(false)) => Some(false),
            _ => None,
        },
        Operator::Xor => Some(left? != right?),
        _ => match (left, right) {
            (Some(false), _) | (_, Some(true)) => Some(true),
            (Some(true), right) => right,
            (None, _) => None,
        },
    }
}

pub(super) fn negative<'t>(items: &[PathItem<'t>]) -> Items<'t> {
    let inexact = EvaluateError::Inexact("-");
    let Some(item) = single(items, "-")? else {
        return Ok(Vec::new());
    };
    if let Some(mut quantity) = Quantity::of(item, false)? {
        quantity.value = quantity.value.negate().ok_or(inexact)?;
        return Ok(vec![PathItem::Quantity(Box::new(quantity))]);
    }
    let negated = match item.scalar().integer() {
        Some(value) => value.checked_neg().map(PathItem::Integer),
        None => exact(item.scalar(), "-")?.negate().map(PathItem::Decimal),
    };
    Ok(vec![negated.ok_or(inexact)?])
}

fn arithmetic<'t>(
    evaluation: &Evaluation<'_, 't>,
    operator: Operator,
    left: &[PathItem<'t>],
    right: &[PathItem<'t>],
) -> Items<'t> {
    let name = operator.name();
    let (Some(left), Some(right)) = (single(left, name)?, single(right, name)?) else {
        return Ok(Vec::new());
    };
    if left.without_value() || right.without_value() {
        return Ok(Vec::new());
    }
    let (own, other) = (left.scalar(), right.scalar());
    let result = if own.is_number() && other.is_number() {
        numbers(operator, own, other, name)?
    } else if let (Operator::Add, Scalar::Text(own, _), Scalar::Text(other, _)) =
        (operator, own, other)
    {
        let joined = format!("{own}{other}");
        evaluation.count_text(&joined)?;
        Some(PathItem::Text(Cow::Owned(joined)))
    } else if let (Operator::Add | Operator::Subtract, Some(moment)) = (operator, own.moment()) {
        let by = Quantity::of(right, false)?.ok_or(EvaluateError::WrongType(name))?;
        let mut by = duration(by.value, &by.unit).ok_or(EvaluateError::WrongType(name))?;
        if operator == Operator::Subtract {
            by = match by {
                Duration::Months(months) => Duration::Months(months.saturating_neg()),
                Duration::Nanoseconds(step) => Duration::Nanoseconds(step.saturating_neg()),
            };
        }
        if moment.shape == TemporalKind::Time && matches!(by, Duration::Months(_)) {
            return Err(EvaluateError::WrongType(name));
        }
        moved(moment, by).map(PathItem::Temporal)
    } else {
        let numbers = matches!(operator, Operator::Multiply | Operator::Divide);
        let both = (Quantity::of(left, numbers)?, Quantity::of(right, numbers)?);
        let (Some(own), Some(other)) = both else {
            return Err(EvaluateError::WrongType(name));
        };
        let result = match operator {
            Operator::Add | Operator::Subtract => own.add(&other, operator == Operator::Subtract),
            Operator::Multiply | Operator::Divide => {
                own.scale(&other, operator == Operator::Divide)
            }
            _ => return Err(EvaluateError::WrongType(name)),
        }?;
        result.map(|quantity| PathItem::Quantity(Box::new(quantity)))
    };
    Ok(result.into_iter().collect())
}

/// Exact; none by zero.
fn numbers<'t>(
    operator: Operator,
    own: Scalar<'_>,
    other: Scalar<'_>,
    name: &'static str,
) -> Result<Option<PathItem<'t>>, EvaluateError> {
    let inexact = EvaluateError::Inexact(name);
    if let (Some(own), Some(other)) = (own.integer(), other.integer())
        && operator != Operator::Divide
    {
        let result = match operator {
            Operator::Add => own.checked_add(other),
            Operator::Subtract => own.checked_sub(other),
            Operator::Multiply => own.checked_mul(other),
            _ if other == 0 => return Ok(None),
            Operator::Div => own.checked_div(other),
            _ => own.checked_rem(other),
        };
        return Ok(Some(PathItem::Integer(result.ok_or(inexact)?)));
    }
    let (own, other) = (exact(own, name)?, exact(other, name)?);
    let result = match operator {
        Operator::Add => own.add(other),
        Operator::Subtract => other.negate().and_then(|other| own.add(other)),
        Operator::Multiply => own.multiply(other),
        _ if other.is_zero() => return Ok(None),
        Operator::Divide => own.divide(other),
        Operator::Div => {
            let (whole, _) = own.divide_whole(other).ok_or(inexact)?;
            return Ok(Some(PathItem::Integer(whole.whole().ok_or(inexact)?)));
        }
        _ => own.divide_whole(other).map(|(_, rest)| rest),
    };
    Ok(Some(PathItem::Decimal(result.ok_or(inexact)?)))
}

fn order<'t>(operator: Operator, left: &[PathItem<'t>], right: &[PathItem<'t>]) -> Items<'t> {
    const WHAT: &str = "a comparison";
    let (Some(left), Some(right)) = (single(left, WHAT)?, single(right, WHAT)?) else {
        return Ok(Vec::new());
    };
    if left.without_value() || right.without_value() {
        return Ok(Vec::new());
    }
    let ordering = ordering(left, right)?;
    Ok(boolean(ordering.map(|ordering| match operator {
        Operator::Less => ordering.is_lt(),
        Operator::LessOrEqual => ordering.is_le(),
        Operator::Greater => ordering.is_gt(),
        _ => ordering.is_ge(),
    })))
}

/// Which of two comes first; none where that cannot be told.
pub(super) fn ordering(
    left: &PathItem<'_>,
    right: &PathItem<'_>,
) -> Result<Option<Ordering>, EvaluateError> {
    const WHAT: &str = "a comparison";
    let wrong = EvaluateError::WrongType(WHAT);
    let moments = |own: Temporal, other: Temporal| {
        if (own.shape == TemporalKind::Time) == (other.shape == TemporalKind::Time) {
            Ok(own.compare(other))
        } else {
            Err(wrong)
        }
    };
    match (left.scalar(), right.scalar()) {
        (Scalar::Text(own, own_from), Scalar::Text(other, other_from)) => {
            let both = own_from != Origin::Computed && other_from != Origin::Computed;
            match (both, left.scalar().temporal(), right.scalar().temporal()) {
                (true, Some(own), Some(other)) => moments(own, other),
                _ => Ok(Some(own.cmp(other))),
            }
        }
        (own @ Scalar::Temporal(_), other) | (own, other @ Scalar::Temporal(_)) => {
            moments(own.moment().ok_or(wrong)?, other.moment().ok_or(wrong)?)
        }
        (own, other) if own.is_number() && other.is_number() => {
            Ok(Some(exact(own, WHAT)?.compare(exact(other, WHAT)?)))
        }
        _ => match (Quantity::of(left, true)?, Quantity::of(right, true)?) {
            (Some(own), Some(other)) => own.compare(&other),
            _ => Err(wrong),
        },
    }
}

fn membership<'t>(
    evaluation: &Evaluation<'_, 't>,
    left: &[PathItem<'t>],
    right: &[PathItem<'t>],
) -> Items<'t> {
    let Some(sought) = single(left, "in")? else {
        return Ok(Vec::new());
    };
    Ok(boolean(Some(holds(evaluation, right, sought)?)))
}
