//! Quantities: a number and its unit, compared and calculated only where the units allow it.
//!
//! In come literals, computed quantities and FHIR's own (those with a UCUM code and no comparator); out come answers,
//! nothing where two units measure different things, or an error where a unit is not known here.
//!
//! # Source
//! `FHIRPath` N1 §4.1.8, §6.1, §6.6; FHIR R4 `fhirpath.html` (use of FHIR Quantity).

use std::cmp::Ordering;
use std::fmt;

use super::decimal::Decimal;
use super::evaluate::EvaluateError;
use super::model::model;
use super::units::{UcumUnit, calendar_word, of_code, of_word};
use super::value::{PathItem, Scalar};
use crate::json::Json;

const UCUM: &str = "http://unitsofmeasure.org";

/// A number of a unit.
#[derive(Clone)]
pub(crate) struct Quantity {
    pub(super) value: Decimal,
    /// A UCUM code, or a calendar word as it was written.
    pub(super) unit: String,
    /// The unit is a calendar word.
    pub(super) calendar: bool,
}

impl Quantity {
    pub(super) fn of_code(value: Decimal, unit: &str) -> Self {
        Quantity {
            value,
            unit: unit.to_owned(),
            calendar: false,
        }
    }

    /// A number is a quantity of unit 1.
    pub(super) fn plain(value: Decimal) -> Self {
        Self::of_code(value, "1")
    }

    /// Parses `1.5`, `1.5 'mg'` and `3 days`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (number, unit) = match text.split_once(char::is_whitespace) {
            Some((number, unit)) => (number, unit.trim()),
            None => (text, ""),
        };
        let unsigned = number.strip_prefix(['-', '+']).unwrap_or(number);
        let digits =
            |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
        if !digits(whole) || !digits(fraction) {
            return None;
        }
        let value = Decimal::parse(number.strip_prefix('+').unwrap_or(number))?;
        if unit.is_empty() {
            return Some(Self::plain(value));
        }
        if let Some(code) = unit.strip_prefix('\'') {
            let code = code.strip_suffix('\'').filter(|code| !code.is_empty())?;
            return Some(Self::of_code(value, code));
        }
        calendar_word(unit)?;
        Some(Quantity {
            value,
            unit: unit.to_owned(),
            calendar: true,
        })
    }

    /// What an item is as a quantity, a number taken for one if `numbers`.
    ///
    /// # Errors
    /// A FHIR quantity that is no plain number of a UCUM unit.
    pub(super) fn of(item: &PathItem<'_>, numbers: bool) -> Result<Option<Self>, EvaluateError> {
        match item {
            PathItem::Quantity(quantity) => Ok(Some((**quantity).clone())),
            PathItem::Node(node) if node.json.is_object() => {
                let quantity = model().find("Quantity");
                match (node.kind, quantity) {
                    (Some(kind), Some(quantity)) if model().is_a(kind, quantity) => {
                        Self::of_fhir(node.json).map(Some)
                    }
                    _ => Ok(None),
                }
            }
            other => match other.scalar() {
                scalar if numbers && scalar.is_number() => scalar
                    .decimal()
                    .map(|value| Some(Self::plain(value)))
                    .ok_or(EvaluateError::Inexact("a quantity")),
                _ => Ok(None),
            },
        }
    }

    fn of_fhir(json: &Json<'_>) -> Result<Self, EvaluateError> {
        let text = |key| json.get(key).and_then(Json::as_str);
        let value = match json.get("value") {
            // Texts too: some converters write numbers so.
            Some(Json::Number(number)) => Scalar::Number(number).decimal(),
            Some(Json::String(text)) => Decimal::parse(text),
            _ => None,
        };
        match (value, text("system"), text("code"), json.get("comparator")) {
            (Some(value), Some(UCUM), Some(code), None) => Ok(Self::of_code(value, code)),
            _ => Err(EvaluateError::UnitUnknown),
        }
    }

    pub(super) fn known_unit(&self) -> Result<UcumUnit, EvaluateError> {
        let unit = if self.calendar {
            of_word(&self.unit)
        } else {
            of_code(&self.unit)
        };
        unit.ok_or(EvaluateError::UnitUnknown)
    }

    fn same_unit(&self, other: &Self) -> bool {
        if self.calendar && other.calendar {
            calendar_word(&self.unit) == calendar_word(&other.unit)
        } else {
            self.calendar == other.calendar && self.unit == other.unit
        }
    }

    /// Compares; none where the units measure different things.
    ///
    /// # Errors
    /// A unit that is not known here, and is not the same as the other.
    pub(super) fn compare(&self, other: &Self) -> Result<Option<Ordering>, EvaluateError> {
        if self.same_unit(other) {
            return Ok(Some(self.value.compare(other.value)));
        }
        let (own, others) = (self.known_unit()?, other.known_unit()?);
        if own.dimensions != others.dimensions {
            return Ok(None);
        }
        let (left, right) = own
            .common(self.value, others, other.value)
            .ok_or(EvaluateError::Inexact("a comparison"))?;
        Ok(Some(left.compare(right)))
    }

    /// `~`: the same to the precision of the less precise; a calendar month is as long as the mean one.
    ///
    /// # Errors
    /// As [`Quantity::compare`].
    pub(super) fn equivalent(&self, other: &Self) -> Result<bool, EvaluateError> {
        if self.same_unit(other) {
            return Ok(self.value.equivalent(other.value));
        }
        let (own, others) = (self.known_unit()?.mean(), other.known_unit()?.mean());
        if own.dimensions != others.dimensions {
            return Ok(false);
        }
        let converted = others
            .into_unit(other.value, own)
            .ok_or(EvaluateError::Inexact("~"))?;
        // The precision of the other is that of its own unit: what converting adds does not count.
        let back = own
            .into_unit(self.value, others)
            .ok_or(EvaluateError::Inexact("~"))?;
        Ok(self.value.equivalent(converted) || other.value.equivalent(back))
    }

    /// Whether the two measure the same thing.
    ///
    /// # Errors
    /// As [`Quantity::compare`].
    pub(super) fn comparable(&self, other: &Self) -> Result<bool, EvaluateError> {
        if self.same_unit(other) {
            return Ok(true);
        }
        Ok(self.known_unit()?.dimensions == other.known_unit()?.dimensions)
    }

    /// The same in another unit; none if that measures something else.
    ///
    /// # Errors
    /// As [`Quantity::compare`].
    pub(super) fn in_unit(&self, unit: &str) -> Result<Option<Self>, EvaluateError> {
        let other = Quantity {
            value: Decimal::from(0),
            unit: unit.to_owned(),
            calendar: calendar_word(unit).is_some(),
        };
        if self.same_unit(&other) {
            return Ok(Some(self.clone()));
        }
        let (own, target) = (self.known_unit()?, other.known_unit()?);
        if own.dimensions != target.dimensions {
            return Ok(None);
        }
        let value = own
            .into_unit(self.value, target)
            .ok_or(EvaluateError::Inexact("toQuantity()"))?;
        Ok(Some(Quantity { value, ..other }))
    }

    /// `+` or `-`, in the unit of the left side; none where the units measure different things.
    ///
    /// # Errors
    /// As [`Quantity::compare`], and results that have no exact form.
    pub(super) fn add(&self, other: &Self, minus: bool) -> Result<Option<Self>, EvaluateError> {
        let inexact = EvaluateError::Inexact("+");
        let mut value = other.value;
        if !self.same_unit(other) {
            let (own, others) = (self.known_unit()?, other.known_unit()?);
            if own.dimensions != others.dimensions {
                return Ok(None);
            }
            value = others.into_unit(value, own).ok_or(inexact)?;
        }
        if minus {
            value = value.negate().ok_or(inexact)?;
        }
        let value = self.value.add(value).ok_or(inexact)?;
        Ok(Some(Quantity {
            value,
            ..self.clone()
        }))
    }

    /// `*` or `/`; the unit of one that has none is that of the other, else base units. None by zero.
    ///
    /// # Errors
    /// As [`Quantity::compare`], and results that have no exact form.
    pub(super) fn scale(&self, other: &Self, through: bool) -> Result<Option<Self>, EvaluateError> {
        let inexact = EvaluateError::Inexact("*");
        if through && other.value.is_zero() {
            return Ok(None);
        }
        let combined = |left: Decimal, right: Decimal| {
            if through {
                left.divide(right)
            } else {
                left.multiply(right)
            }
        };
        let plain = |side: &Self| !side.calendar && side.unit == "1";
        if plain(other) || (plain(self) && !through) {
            let value = combined(self.value, other.value).ok_or(inexact)?;
            let with_unit = if plain(other) { self } else { other };
            return Ok(Some(Quantity {
                value,
                ..with_unit.clone()
            }));
        }
        if through && self.same_unit(other) {
            let value = combined(self.value, other.value).ok_or(inexact)?;
            return Ok(Some(Self::plain(value)));
        }
        let (own, others) = (self.known_unit()?, other.known_unit()?);
        let left = own.base(self.value).ok_or(EvaluateError::UnitUnknown)?;
        let right = others.base(other.value).ok_or(EvaluateError::UnitUnknown)?;
        let value = combined(left, right).ok_or(inexact)?;
        let mut dimensions = own.dimensions;
        for (power, other) in dimensions.iter_mut().zip(others.dimensions) {
            *power = if through {
                power.saturating_sub(other)
            } else {
                power.saturating_add(other)
            };
        }
        Ok(Some(Quantity {
            value,
            unit: UcumUnit::base_code(dimensions).ok_or(EvaluateError::UnitUnknown)?,
            calendar: false,
        }))
    }
}

/// As `FHIRPath` writes a literal.
impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.calendar {
            write!(f, "{} {}", self.value, self.unit)
        } else {
            write!(f, "{} '{}'", self.value, self.unit)
        }
    }
}
