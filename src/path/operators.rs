//! Operators: three-valued logic, order, exact arithmetic.
//!
//! # Source
//! `FHIRPath` N1 §6.

use std::borrow::Cow;

use super::decimal::Decimal;
use super::equality::{both_days, distinct, equal, equivalent, holds};
use super::evaluate::{
    EvaluateError, Evaluation, Items, Scope, exact, is_absent, single, single_text, truth,
};
use super::syntax::{Expr, Operator};
use super::temporal::Temporal;
use super::value::{Item, Scalar};

pub(super) fn binary<'t>(
    evaluation: &Evaluation<'_, 't>,
    operator: Operator,
    left: &'t Expr,
    right: &'t Expr,
    scope: Scope<'_, 't>,
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
            return Ok(vec![Item::Boolean(decided)]);
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
            Ok(vec![Item::Text(joined)])
        }
        Operator::Add | Operator::Subtract | Operator::Multiply | Operator::Divide => {
            arithmetic(evaluation, operator, &left, &right)
        }
        Operator::Equal => Ok(boolean(equal(evaluation, &left, &right)?)),
        Operator::NotEqual => Ok(boolean(equal(evaluation, &left, &right)?.map(|same| !same))),
        Operator::Equivalent => Ok(boolean(Some(equivalent(evaluation, &left, &right)?))),
        Operator::NotEquivalent => Ok(boolean(Some(!equivalent(evaluation, &left, &right)?))),
        Operator::In => membership(evaluation, &left, &right),
        Operator::Contains => membership(evaluation, &right, &left),
        _ => order(operator, &left, &right),
    }
}

fn boolean<'t>(value: Option<bool>) -> Vec<Item<'t>> {
    value.map(Item::Boolean).into_iter().collect()
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

pub(super) fn negative<'t>(items: &[Item<'t>]) -> Items<'t> {
    let Some(item) = single(items, "-")? else {
        return Ok(Vec::new());
    };
    let negated = match item.scalar().integer() {
        Some(value) => value.checked_neg().map(Item::Integer),
        None => exact(item.scalar(), "-")?.negate().map(Item::Decimal),
    };
    Ok(vec![negated.ok_or(EvaluateError::Inexact("-"))?])
}

fn arithmetic<'t>(
    evaluation: &Evaluation<'_, 't>,
    operator: Operator,
    left: &[Item<'t>],
    right: &[Item<'t>],
) -> Items<'t> {
    let name = match operator {
        Operator::Add => "+",
        Operator::Subtract => "-",
        Operator::Multiply => "*",
        _ => "/",
    };
    let (Some(left), Some(right)) = (single(left, name)?, single(right, name)?) else {
        return Ok(Vec::new());
    };
    if is_absent(left) || is_absent(right) {
        return Ok(Vec::new());
    }
    if let (Operator::Add, Scalar::Text(own, _), Scalar::Text(other, _)) =
        (operator, left.scalar(), right.scalar())
    {
        let joined = format!("{own}{other}");
        evaluation.count_text(&joined)?;
        return Ok(vec![Item::Text(Cow::Owned(joined))]);
    }
    let integers = (left.scalar().integer(), right.scalar().integer());
    if let (Some(own), Some(other)) = integers
        && operator != Operator::Divide
    {
        let result = match operator {
            Operator::Add => own.checked_add(other),
            Operator::Subtract => own.checked_sub(other),
            _ => own.checked_mul(other),
        };
        return Ok(vec![Item::Integer(
            result.ok_or(EvaluateError::Inexact(name))?,
        )]);
    }
    let (own, other): (Decimal, Decimal) =
        (exact(left.scalar(), name)?, exact(right.scalar(), name)?);
    let result = match operator {
        Operator::Add => own.add(other),
        Operator::Subtract => other.negate().and_then(|other| own.add(other)),
        Operator::Multiply => own.multiply(other),
        // FHIRPath: division by zero is empty.
        _ if other.is_zero() => return Ok(Vec::new()),
        _ => own.divide(other),
    };
    Ok(vec![Item::Decimal(
        result.ok_or(EvaluateError::Inexact(name))?,
    )])
}

fn order<'t>(operator: Operator, left: &[Item<'t>], right: &[Item<'t>]) -> Items<'t> {
    const WHAT: &str = "a comparison";
    let (Some(left), Some(right)) = (single(left, WHAT)?, single(right, WHAT)?) else {
        return Ok(Vec::new());
    };
    if is_absent(left) || is_absent(right) {
        return Ok(Vec::new());
    }
    let wrong = EvaluateError::WrongType(WHAT);
    let ordering = match (left.scalar(), right.scalar()) {
        (Scalar::Text(own, own_tree), Scalar::Text(other, other_tree)) => {
            match both_days(own, own_tree, other, other_tree) {
                Some((own, other)) => own.compare(other),
                None => Some(own.cmp(other)),
            }
        }
        (Scalar::Temporal(own), Scalar::Temporal(other)) => own.compare(other),
        (Scalar::Temporal(own), Scalar::Text(other, true)) => {
            own.compare(Temporal::parse(other).ok_or(wrong)?)
        }
        (Scalar::Text(own, true), Scalar::Temporal(other)) => {
            Temporal::parse(own).ok_or(wrong)?.compare(other)
        }
        (own, other) => Some(exact(own, WHAT)?.compare(exact(other, WHAT)?)),
    };
    Ok(boolean(ordering.map(|ordering| match operator {
        Operator::Less => ordering.is_lt(),
        Operator::LessOrEqual => ordering.is_le(),
        Operator::Greater => ordering.is_gt(),
        _ => ordering.is_ge(),
    })))
}

fn membership<'t>(
    evaluation: &Evaluation<'_, 't>,
    left: &[Item<'t>],
    right: &[Item<'t>],
) -> Items<'t> {
    let Some(sought) = single(left, "in")? else {
        return Ok(Vec::new());
    };
    Ok(boolean(Some(holds(evaluation, right, sought)?)))
}
