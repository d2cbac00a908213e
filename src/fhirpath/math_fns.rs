//! Functions on numbers and moments: exact where there is an exact result.
//!
//! Roots, logarithms and powers that are not whole have none: they are floats, of which the fifteen digits that are
//! certain are kept.
//!
//! # Source
//! `FHIRPath` N1 §5.7, §6.9; continuous build §5.9 (boundaries).

use super::boundaries::{boundary, precision};
use super::decimal::Decimal;
use super::evaluate::{EvaluateError, Evaluation, Items, exact, single, single_integer};
use super::quantity::Quantity;
use super::syntax::Function;
use super::temporal::{Precision, Temporal, TemporalKind};
use super::value::{PathItem, Scalar};

const WHAT: &str = "a number function";
/// Places of a boundary where none are asked for, and the most that may be.
const BOUNDARY_PLACES: i64 = 8;
const BOUNDARY_PLACES_MAX: i64 = 28;

impl<'t> Evaluation<'_, 't> {
    /// The moment of the evaluation, as it was given.
    pub(super) fn clock(&self, function: Function) -> Items<'t> {
        let now = self.context.now.and_then(Temporal::parse);
        let now = now.ok_or(EvaluateError::NoClock)?;
        Ok(vec![PathItem::Temporal(match function {
            Function::Now => now,
            Function::Today => now.date(),
            _ => Temporal {
                shape: TemporalKind::Time,
                offset: None,
                ..now
            },
        })])
    }
}

pub(super) fn number_function<'t>(
    function: Function,
    items: &[PathItem<'t>],
    argument: Option<&Vec<PathItem<'t>>>,
) -> Items<'t> {
    let Some(item) = single(items, WHAT)?.filter(|item| !item.without_value()) else {
        return Ok(Vec::new());
    };
    let inexact = EvaluateError::Inexact(WHAT);
    if let (Function::Abs, Some(mut quantity)) = (function, Quantity::of(item, false)?) {
        quantity.value = quantity.value.abs().ok_or(inexact)?;
        return Ok(vec![PathItem::Quantity(Box::new(quantity))]);
    }
    let value = exact(item.scalar(), WHAT)?;
    let whole = item.scalar().integer();
    let integer = |value: Decimal| value.whole().map(PathItem::Integer).ok_or(inexact);
    let result = match function {
        Function::Abs if whole.is_some() => integer(value.abs().ok_or(inexact)?)?,
        Function::Abs => PathItem::Decimal(value.abs().ok_or(inexact)?),
        Function::Ceiling => integer(value.ceiling())?,
        Function::Floor => integer(value.floor())?,
        Function::Truncate => integer(value.truncated())?,
        Function::Round => {
            let places = match argument {
                Some(places) => single_integer(places, "round()")?,
                None => Some(0),
            };
            let Some(places) = places else {
                return Ok(Vec::new());
            };
            let places = u32::try_from(places).map_err(|_| EvaluateError::WrongType("round()"))?;
            PathItem::Decimal(value.round(places))
        }
        Function::Power | Function::Log => {
            let other = single(argument.map_or(&[], Vec::as_slice), WHAT)?;
            let Some(other) = other else {
                return Ok(Vec::new());
            };
            let by = exact(other.scalar(), WHAT)?;
            let both = whole.is_some() && other.scalar().integer().is_some();
            return match function {
                Function::Power => raised(value, by, both),
                _ => float(value, |value| {
                    by.to_float()
                        .map_or(f64::NAN, |base| value.ln() / base.ln())
                }),
            };
        }
        Function::Exp => return float(value, f64::exp),
        Function::Ln => return float(value, f64::ln),
        _ => return float(value, f64::sqrt),
    };
    Ok(vec![result])
}

/// Exact for whole powers; what is no number is nothing.
fn raised<'t>(value: Decimal, by: Decimal, integers: bool) -> Items<'t> {
    const EXPONENT_MAX: i64 = 200;
    let whole = by.whole().filter(|by| (0..=EXPONENT_MAX).contains(by));
    let Some(exponent) = whole.and_then(|by| u32::try_from(by).ok()) else {
        let by = by.to_float().unwrap_or(f64::NAN);
        return float(value, |value| value.powf(by));
    };
    let inexact = EvaluateError::Inexact("power()");
    let raised = value.power(exponent).ok_or(inexact)?;
    Ok(vec![match raised.whole() {
        Some(whole) if integers => PathItem::Integer(whole),
        _ if integers => return Err(inexact),
        _ => PathItem::Decimal(raised),
    }])
}

/// What a float function gives, to its certain digits; nothing where it has no value.
fn float<'t>(value: Decimal, function: impl Fn(f64) -> f64) -> Items<'t> {
    let inexact = EvaluateError::Inexact(WHAT);
    let result = function(value.to_float().ok_or(inexact)?);
    if result.is_nan() || result.is_infinite() {
        return Ok(Vec::new());
    }
    Ok(vec![PathItem::Decimal(
        Decimal::from_float(result).ok_or(inexact)?,
    )])
}

/// `lowBoundary()` and `highBoundary()`.
pub(super) fn boundaries<'t>(
    items: &[PathItem<'t>],
    places: Option<&Vec<PathItem<'t>>>,
    high: bool,
) -> Items<'t> {
    const WHAT: &str = "lowBoundary() and highBoundary()";
    let Some(item) = single(items, WHAT)?.filter(|item| !item.without_value()) else {
        return Ok(Vec::new());
    };
    let places = match places {
        Some(places) => match single_integer(places, WHAT)? {
            Some(places) => Some(places),
            None => return Ok(Vec::new()),
        },
        None => None,
    };
    if let Some(moment) = moment_of(item) {
        // The published tests and the definition disagree about an hour without minutes, which FHIR has not.
        if moment.known == Precision::Hour && high {
            return Err(EvaluateError::Undecided("highBoundary() of an hour"));
        }
        let found = boundary(moment, places, high);
        return Ok(found.map(PathItem::Temporal).into_iter().collect());
    }
    let places = places.unwrap_or(BOUNDARY_PLACES);
    let Some(digits) = u32::try_from(places)
        .ok()
        .filter(|_| places <= BOUNDARY_PLACES_MAX)
    else {
        return Ok(Vec::new());
    };
    let bound = |value: Decimal| {
        // The same of a number that has no digit left at that precision.
        let left = value
            .abs()
            .is_some_and(|value| value.is_zero() || !value.truncated_to(digits).is_zero());
        if !left {
            return Err(EvaluateError::Undecided(
                "a boundary at a precision that leaves no digit",
            ));
        }
        value
            .boundary(digits, high)
            .ok_or(EvaluateError::Inexact(WHAT))
    };
    if let Some(mut quantity) = Quantity::of(item, false)? {
        quantity.value = bound(quantity.value)?;
        return Ok(vec![PathItem::Quantity(Box::new(quantity))]);
    }
    Ok(vec![PathItem::Decimal(bound(exact(item.scalar(), WHAT)?)?)])
}

/// `precision()`: digits behind the point, or of a moment.
pub(super) fn digits<'t>(items: &[PathItem<'t>]) -> Items<'t> {
    let Some(item) = single(items, "precision()")?.filter(|item| !item.without_value()) else {
        return Ok(Vec::new());
    };
    let digits = match moment_of(item) {
        Some(moment) => precision(moment),
        None => exact(item.scalar(), "precision()")?.scale().into(),
    };
    Ok(vec![PathItem::Integer(digits)])
}

fn moment_of(item: &PathItem<'_>) -> Option<Temporal> {
    match item.scalar() {
        Scalar::Temporal(moment) => Some(moment),
        other => other.temporal(),
    }
}
