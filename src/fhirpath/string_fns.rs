//! Functions on single values: texts, and the way to those on numbers, moments and conversions.
//!
//! # Source
//! `FHIRPath` N1 §5.6; continuous build §5.6 (`encode()` to `unescape()`).

use std::borrow::Cow;

use super::conversions::{convert, convert_quantity};
use super::encodings::{decoded, encoded, escaped, unescaped};
use super::evaluate::{
    EvaluateError, Evaluation, Frame, Items, single, single_integer, single_text,
};
use super::functions::size;
use super::quantity::Quantity;
use super::syntax::{Expr, Function, Target};
use super::value::PathItem;

const WHAT: &str = "a text function";

impl<'t> Evaluation<'_, 't> {
    /// Functions of one value. The arguments are evaluated once, in the scope of the call.
    pub(super) fn value_function(
        &self,
        function: Function,
        arguments: &'t [Expr],
        items: &[PathItem<'t>],
        scope: Frame<'_, 't>,
    ) -> Items<'t> {
        let mut given = Vec::new();
        for argument in arguments {
            given.push(self.expr(argument, scope)?);
        }
        match function {
            Function::Convert(Target::Quantity) => convert_quantity(items, given.first()),
            Function::Converts(Target::Quantity) => {
                let converted = convert_quantity(items, given.first())?;
                Ok(converts(items, &converted))
            }
            Function::Convert(target) => convert(target, items),
            Function::Converts(target) => Ok(converts(items, &convert(target, items)?)),
            Function::Now | Function::Today | Function::TimeOfDay => self.clock(function),
            Function::Boundary { high } => {
                crate::fhirpath::math_fns::boundaries(items, given.first(), high)
            }
            Function::Precision => crate::fhirpath::math_fns::digits(items),
            Function::Comparable => {
                let (own, other) = (single(items, WHAT)?, single(&given[0], WHAT)?);
                let (Some(own), Some(other)) = (own, other) else {
                    return Ok(Vec::new());
                };
                let (Some(own), Some(other)) =
                    (Quantity::of(own, true)?, Quantity::of(other, true)?)
                else {
                    return Err(EvaluateError::WrongType("comparable()"));
                };
                Ok(vec![PathItem::Boolean(own.comparable(&other)?)])
            }
            Function::Abs
            | Function::Ceiling
            | Function::Exp
            | Function::Floor
            | Function::Ln
            | Function::Log
            | Function::Power
            | Function::Round
            | Function::Sqrt
            | Function::Truncate => {
                crate::fhirpath::math_fns::number_function(function, items, given.first())
            }
            _ => self.text_function(function, items, &given),
        }
    }

    fn text_function(
        &self,
        function: Function,
        items: &[PathItem<'t>],
        given: &[Vec<PathItem<'t>>],
    ) -> Items<'t> {
        let Some(text) = single_text(items, WHAT)? else {
            return Ok(Vec::new());
        };
        self.count_text(&text)?;
        let result = match function {
            Function::Length => PathItem::Integer(size(text.chars().count())),
            Function::Upper => PathItem::Text(Cow::Owned(text.to_uppercase())),
            Function::Lower => PathItem::Text(Cow::Owned(text.to_lowercase())),
            Function::Trim => PathItem::Text(reborrow(text, |text| Some(text.trim()))),
            Function::ToChars => {
                self.count(text.len())?;
                let characters = text.chars().map(|character| character.to_string());
                return Ok(characters
                    .map(|one| PathItem::Text(Cow::Owned(one)))
                    .collect());
            }
            Function::Substring => return substring(text, given),
            Function::Replace => {
                let (pattern, by) = (single_text(&given[0], WHAT)?, single_text(&given[1], WHAT)?);
                let (Some(pattern), Some(by)) = (pattern, by) else {
                    return Ok(Vec::new());
                };
                let grows = text.len().saturating_add(1).saturating_mul(by.len());
                self.count(grows / 64)?;
                PathItem::Text(Cow::Owned(text.replace(pattern.as_ref(), &by)))
            }
            _ => {
                let Some(other) = single_text(&given[0], WHAT)? else {
                    return Ok(Vec::new());
                };
                return self.with_other(function, text, &other);
            }
        };
        Ok(vec![result])
    }

    /// Functions of a text and another one.
    fn with_other(&self, function: Function, text: Cow<'t, str>, other: &str) -> Items<'t> {
        let place = |at: Option<usize>| {
            let before = at.and_then(|at| text.get(..at));
            PathItem::Integer(before.map_or(-1, |before| size(before.chars().count())))
        };
        let result = match function {
            Function::StartsWith => PathItem::Boolean(text.starts_with(other)),
            Function::EndsWith => PathItem::Boolean(text.ends_with(other)),
            Function::Contains => PathItem::Boolean(text.contains(other)),
            Function::IndexOf => place(text.find(other)),
            Function::LastIndexOf => place(text.rfind(other)),
            Function::Split => return self.split(text, other),
            _ => {
                let changed = match function {
                    Function::Encode => encoded(&text, other)?,
                    Function::Decode => decoded(&text, other)?,
                    Function::Escape => escaped(&text, other)?,
                    _ => unescaped(&text, other)?,
                };
                return Ok(changed
                    .map(|text| PathItem::Text(Cow::Owned(text)))
                    .into_iter()
                    .collect());
            }
        };
        Ok(vec![result])
    }

    fn split(&self, text: Cow<'t, str>, separator: &str) -> Items<'t> {
        if separator.is_empty() {
            return Ok(vec![PathItem::Text(text)]);
        }
        self.count(text.matches(separator).count())?;
        Ok(match text {
            Cow::Borrowed(text) => text
                .split(separator)
                .map(|part| PathItem::Text(Cow::Borrowed(part)))
                .collect(),
            Cow::Owned(text) => text
                .split(separator)
                .map(|part| PathItem::Text(Cow::Owned(part.to_owned())))
                .collect(),
        })
    }
}

/// Whether something converts: empty stays empty.
fn converts<'t>(items: &[PathItem<'t>], converted: &[PathItem<'t>]) -> Vec<PathItem<'t>> {
    if items.is_empty() {
        return Vec::new();
    }
    vec![PathItem::Boolean(!converted.is_empty())]
}

/// A part of a text, still borrowed if the text was.
fn reborrow(text: Cow<'_, str>, part: impl Fn(&str) -> Option<&str>) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(part(text).unwrap_or_default()),
        Cow::Owned(text) => Cow::Owned(part(&text).unwrap_or_default().to_owned()),
    }
}

/// By characters; a start outside the text is empty.
fn substring<'t>(text: Cow<'t, str>, given: &[Vec<PathItem<'t>>]) -> Items<'t> {
    const WHAT: &str = "substring()";
    let start = single_integer(&given[0], WHAT)?.and_then(|start| usize::try_from(start).ok());
    let length = match given.get(1) {
        Some(length) => single_integer(length, WHAT)?,
        None => None,
    };
    let Some(start) = start.filter(|start| *start < text.chars().count()) else {
        return Ok(Vec::new());
    };
    let length = length.map_or(usize::MAX, |length| usize::try_from(length).unwrap_or(0));
    let part = reborrow(text, |text| {
        let from = text.char_indices().nth(start).map(|(at, _)| at)?;
        let rest = text.get(from..)?;
        let to = rest
            .char_indices()
            .nth(length)
            .map_or(rest.len(), |(at, _)| at);
        rest.get(..to)
    });
    Ok(vec![PathItem::Text(part)])
}
