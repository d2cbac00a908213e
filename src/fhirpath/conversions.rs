//! From one primitive to another, where the text or number says so exactly; nothing where it does not.
//!
//! # Source
//! `FHIRPath` N1 §5.5.

use super::decimal::Decimal;
use super::evaluate::{EvaluateError, Items, single, single_text};
use super::quantity::Quantity;
use super::syntax::Target;
use super::temporal::{Temporal, TemporalKind};
use super::value::{PathItem, Scalar};

const WHAT: &str = "a conversion";

pub(super) fn convert<'t>(target: Target, items: &[PathItem<'t>]) -> Items<'t> {
    let Some(item) = single(items, WHAT)?.filter(|item| !item.without_value()) else {
        return Ok(Vec::new());
    };
    let converted = match target {
        Target::Boolean => to_boolean(item).map(PathItem::Boolean),
        Target::Integer => to_integer(item).map(PathItem::Integer),
        Target::Decimal => to_decimal(item)?.map(PathItem::Decimal),
        Target::Text => to_text(item)?,
        Target::Date => to_moment(item).map(Temporal::date).map(PathItem::Temporal),
        Target::DateTime => to_moment(item)
            .map(|moment| Temporal {
                shape: TemporalKind::DateTime,
                ..moment
            })
            .map(PathItem::Temporal),
        Target::Time => to_time(item).map(PathItem::Temporal),
        Target::Quantity => return convert_quantity(items, None),
    };
    Ok(converted.into_iter().collect())
}

fn to_boolean(item: &PathItem<'_>) -> Option<bool> {
    let number = match item.scalar() {
        Scalar::Boolean(value) => return Some(value),
        Scalar::Text(text, _) => {
            return match text.to_lowercase().as_str() {
                "true" | "t" | "yes" | "y" | "1" | "1.0" => Some(true),
                "false" | "f" | "no" | "n" | "0" | "0.0" => Some(false),
                _ => None,
            };
        }
        other => other.decimal()?,
    };
    match number.whole() {
        Some(1) => Some(true),
        Some(0) => Some(false),
        _ => None,
    }
}

fn to_integer(item: &PathItem<'_>) -> Option<i64> {
    match item.scalar() {
        Scalar::Boolean(value) => Some(value.into()),
        Scalar::Text(text, _) => {
            let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
            let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            plain.then(|| text.parse().ok())?
        }
        scalar => scalar.integer(),
    }
}

fn to_decimal(item: &PathItem<'_>) -> Result<Option<Decimal>, EvaluateError> {
    Ok(match item.scalar() {
        Scalar::Boolean(value) => Some(Decimal::from(i64::from(value))),
        Scalar::Text(text, _) => {
            let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
            let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
            let digits =
                |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            if !digits(whole) || !digits(fraction) {
                return Ok(None);
            }
            let text = text.strip_prefix('+').unwrap_or(text);
            Some(Decimal::parse(text).ok_or(EvaluateError::Inexact("toDecimal()"))?)
        }
        scalar if scalar.is_number() => Some(
            scalar
                .decimal()
                .ok_or(EvaluateError::Inexact("toDecimal()"))?,
        ),
        _ => None,
    })
}

fn to_text<'t>(item: &PathItem<'t>) -> Result<Option<PathItem<'t>>, EvaluateError> {
    if item.text().is_none()
        && let Some(quantity) = Quantity::of(item, false)?
    {
        return Ok(Some(PathItem::Text(quantity.to_string().into())));
    }
    Ok(item.text().map(PathItem::Text))
}

/// A date or dateTime.
fn to_moment(item: &PathItem<'_>) -> Option<Temporal> {
    let found = match item.scalar() {
        Scalar::Text(text, _) => Temporal::parse(text),
        other => other.temporal(),
    };
    found.filter(|found| found.shape != TemporalKind::Time)
}

fn to_time(item: &PathItem<'_>) -> Option<Temporal> {
    match item.scalar() {
        Scalar::Text(text, _) => Temporal::parse_time(text.strip_prefix('T').unwrap_or(text)),
        other => other
            .temporal()
            .filter(|found| found.shape == TemporalKind::Time),
    }
}

/// `toQuantity(unit)`: in that unit, nothing where it does not convert.
pub(super) fn convert_quantity<'t>(
    items: &[PathItem<'t>],
    unit: Option<&Vec<PathItem<'t>>>,
) -> Items<'t> {
    let Some(item) = single(items, WHAT)?.filter(|item| !item.without_value()) else {
        return Ok(Vec::new());
    };
    let quantity = match item.scalar() {
        Scalar::Boolean(value) => Some(Quantity::plain(i64::from(value).into())),
        Scalar::Text(text, _) => Quantity::parse(text),
        _ => Quantity::of(item, true)?,
    };
    let Some(quantity) = quantity else {
        return Ok(Vec::new());
    };
    let quantity = match unit {
        None => Some(quantity),
        Some(unit) => match single_text(unit, "toQuantity()")? {
            Some(unit) => quantity.in_unit(&unit)?,
            None => None,
        },
    };
    Ok(quantity
        .map(|quantity| PathItem::Quantity(Box::new(quantity)))
        .into_iter()
        .collect())
}
