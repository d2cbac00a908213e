//! Functions on collections and texts.
//!
//! # Source
//! `FHIRPath` N1 §5; `extension()` and `resolve()` of FHIR R4 `fhirpath.html`.

use std::borrow::Cow;

use super::equality::distinct;
use super::evaluate::{
    EvaluateError, Evaluation, Items, Scope, children, is_absent, single, single_integer,
    single_text, truth,
};
use super::syntax::{Expr, Function};
use super::tree::Json;
use super::value::{Item, Scalar};

impl<'t> Evaluation<'_, 't> {
    pub(super) fn call(
        &self,
        function: Function,
        arguments: &'t [Expr],
        items: Vec<Item<'t>>,
        scope: Scope<'_, 't>,
    ) -> Items<'t> {
        self.count(items.len() + 1)?;
        match function {
            Function::Where => self.filter(items, &arguments[0]),
            Function::Select => self.select(&items, &arguments[0]),
            Function::All => self.all(&items, &arguments[0]),
            Function::Exists => {
                let kept = match arguments.first() {
                    Some(criterion) => self.filter(items, criterion)?,
                    None => items,
                };
                Ok(vec![Item::Boolean(!kept.is_empty())])
            }
            Function::Empty => Ok(vec![Item::Boolean(items.is_empty())]),
            Function::Not => Ok(truth(&items, "not()")?
                .map(|value| Item::Boolean(!value))
                .into_iter()
                .collect()),
            Function::Count => Ok(vec![Item::Integer(size(items.len()))]),
            Function::First => Ok(items.into_iter().take(1).collect()),
            Function::Last => Ok(items.into_iter().next_back().into_iter().collect()),
            Function::Tail => Ok(items.into_iter().skip(1).collect()),
            Function::Single => match items.len() {
                0 | 1 => Ok(items),
                _ => Err(EvaluateError::NotSingle("single()")),
            },
            Function::Skip | Function::Take => {
                let number =
                    single_integer(&self.expr(&arguments[0], scope)?, "skip() and take()")?;
                let Some(number) = number else {
                    return Ok(Vec::new());
                };
                let number = usize::try_from(number.max(0)).unwrap_or(usize::MAX);
                Ok(match function {
                    Function::Skip => items.into_iter().skip(number).collect(),
                    _ => items.into_iter().take(number).collect(),
                })
            }
            Function::Distinct => distinct(self, items),
            Function::Iif => self.iif(&items, arguments, scope),
            Function::Extension => self.extension(&items, &arguments[0], scope),
            Function::Resolve => self.resolve(&items),
            Function::Join => self.join(&items, arguments, scope),
            _ => self.text_function(function, arguments, &items, scope),
        }
    }

    /// Evaluates an argument for one item, as `$this`.
    fn each(&self, at: usize, item: &Item<'t>, argument: &'t Expr) -> Items<'t> {
        self.expr(
            argument,
            Scope {
                this: std::slice::from_ref(item),
                index: Some(size(at)),
            },
        )
    }

    fn filter(&self, items: Vec<Item<'t>>, criterion: &'t Expr) -> Items<'t> {
        let mut kept = Vec::new();
        for (at, item) in items.into_iter().enumerate() {
            if truth(&self.each(at, &item, criterion)?, "where()")? == Some(true) {
                kept.push(item);
            }
        }
        Ok(kept)
    }

    fn select(&self, items: &[Item<'t>], projection: &'t Expr) -> Items<'t> {
        let mut projected = Vec::new();
        for (at, item) in items.iter().enumerate() {
            projected.extend(self.each(at, item, projection)?);
            self.count(1)?;
        }
        Ok(projected)
    }

    fn all(&self, items: &[Item<'t>], criterion: &'t Expr) -> Items<'t> {
        for (at, item) in items.iter().enumerate() {
            if truth(&self.each(at, item, criterion)?, "all()")? != Some(true) {
                return Ok(vec![Item::Boolean(false)]);
            }
        }
        Ok(vec![Item::Boolean(true)])
    }

    /// Only the branch that is chosen is evaluated.
    fn iif(&self, items: &[Item<'t>], arguments: &'t [Expr], scope: Scope<'_, 't>) -> Items<'t> {
        let scope = Scope {
            this: items,
            index: scope.index,
        };
        if items.len() > 1 {
            return Err(EvaluateError::NotSingle("iif()"));
        }
        let condition = self.expr(&arguments[0], scope)?;
        let is_boolean = |item: &Item<'t>| matches!(item.scalar(), Scalar::Boolean(_));
        if !condition.iter().all(is_boolean) {
            return Err(EvaluateError::WrongType("iif()"));
        }
        let condition = truth(&condition, "iif()")?;
        if condition == Some(true) {
            return self.expr(&arguments[1], scope);
        }
        match arguments.get(2) {
            Some(otherwise) => self.expr(otherwise, scope),
            None => Ok(Vec::new()),
        }
    }

    fn extension(&self, items: &[Item<'t>], url: &'t Expr, scope: Scope<'_, 't>) -> Items<'t> {
        let url = single_text(&self.expr(url, scope)?, "extension()")?;
        let mut found = Vec::new();
        for item in items {
            if let Item::Node(node) = item {
                children(*node, "extension", false, &mut found);
            }
        }
        self.count(found.len())?;
        found.retain(|item| {
            let Item::Node(node) = item else { return false };
            let own = node.json.get("url").and_then(Json::as_str);
            own.is_some() && own == url.as_deref()
        });
        Ok(found)
    }

    /// What does not resolve drops out, as FHIR says.
    fn resolve(&self, items: &[Item<'t>]) -> Items<'t> {
        let resolve = self.context.resolve.ok_or(EvaluateError::NoResolver)?;
        let mut found = Vec::new();
        for item in items {
            let reference = match item {
                Item::Node(node) if node.json.is_object() => {
                    node.json.get("reference").and_then(Json::as_str)
                }
                Item::Node(node) => node.json.as_str(),
                Item::Text(text) => Some(text.as_ref()),
                _ => None,
            };
            found.extend(reference.and_then(resolve).map(Item::node));
        }
        Ok(found)
    }

    fn join(&self, items: &[Item<'t>], arguments: &'t [Expr], scope: Scope<'_, 't>) -> Items<'t> {
        let separator = match arguments.first() {
            Some(separator) => {
                single_text(&self.expr(separator, scope)?, "join()")?.unwrap_or_default()
            }
            None => Cow::Borrowed(""),
        };
        let mut texts = Vec::new();
        for item in items {
            match item.scalar() {
                Scalar::Text(..) | Scalar::Temporal(_) => texts.extend(item.text()),
                Scalar::None if is_absent(item) => {}
                _ => return Err(EvaluateError::WrongType("join()")),
            }
        }
        Ok(match texts.len() {
            0 => Vec::new(),
            1 => texts.into_iter().map(Item::Text).collect(),
            _ => {
                let joined = texts.join(&separator);
                self.count_text(&joined)?;
                vec![Item::Text(Cow::Owned(joined))]
            }
        })
    }

    fn text_function(
        &self,
        function: Function,
        arguments: &'t [Expr],
        items: &[Item<'t>],
        scope: Scope<'_, 't>,
    ) -> Items<'t> {
        const WHAT: &str = "a text function";
        if let Function::ToText | Function::ToInteger = function {
            return convert(function, items);
        }
        let Some(text) = single_text(items, WHAT)? else {
            return Ok(Vec::new());
        };
        self.count_text(&text)?;
        let mut given = Vec::new();
        for argument in arguments {
            given.push(self.expr(argument, scope)?);
        }
        let result = match function {
            Function::Length => Item::Integer(size(text.chars().count())),
            Function::Upper => Item::Text(Cow::Owned(text.to_uppercase())),
            Function::Lower => Item::Text(Cow::Owned(text.to_lowercase())),
            Function::Trim => Item::Text(reborrow(text, |text| Some(text.trim()))),
            Function::Substring => return substring(text, &given),
            Function::Replace => {
                let (pattern, by) = (single_text(&given[0], WHAT)?, single_text(&given[1], WHAT)?);
                let (Some(pattern), Some(by)) = (pattern, by) else {
                    return Ok(Vec::new());
                };
                let grows = text.len().saturating_add(1).saturating_mul(by.len());
                self.count(grows / 64)?;
                Item::Text(Cow::Owned(text.replace(pattern.as_ref(), &by)))
            }
            _ => {
                let Some(other) = single_text(&given[0], WHAT)? else {
                    return Ok(Vec::new());
                };
                let other = other.as_ref();
                match function {
                    Function::StartsWith => Item::Boolean(text.starts_with(other)),
                    Function::EndsWith => Item::Boolean(text.ends_with(other)),
                    Function::Contains => Item::Boolean(text.contains(other)),
                    _ => return self.split(text, other),
                }
            }
        };
        Ok(vec![result])
    }

    fn split(&self, text: Cow<'t, str>, separator: &str) -> Items<'t> {
        if separator.is_empty() {
            return Ok(vec![Item::Text(text)]);
        }
        self.count(text.matches(separator).count())?;
        Ok(match text {
            Cow::Borrowed(text) => text
                .split(separator)
                .map(|part| Item::Text(Cow::Borrowed(part)))
                .collect(),
            Cow::Owned(text) => text
                .split(separator)
                .map(|part| Item::Text(Cow::Owned(part.to_owned())))
                .collect(),
        })
    }
}

fn size(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A part of a text, still borrowed if the text was.
fn reborrow(text: Cow<'_, str>, part: impl Fn(&str) -> Option<&str>) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(part(text).unwrap_or_default()),
        Cow::Owned(text) => Cow::Owned(part(&text).unwrap_or_default().to_owned()),
    }
}

/// `toString()` and `toInteger()`: empty where there is nothing to convert to.
fn convert<'t>(function: Function, items: &[Item<'t>]) -> Items<'t> {
    let Some(item) = single(items, "a conversion")? else {
        return Ok(Vec::new());
    };
    let converted = match (function, item.scalar()) {
        (Function::ToText, _) => item.text().map(Item::Text),
        (_, Scalar::Boolean(value)) => Some(Item::Integer(value.into())),
        (_, Scalar::Text(text, _)) => text.parse().ok().map(Item::Integer),
        (_, scalar) => scalar.integer().map(Item::Integer),
    };
    Ok(converted.into_iter().collect())
}

/// By characters; a start outside the text is empty.
fn substring<'t>(text: Cow<'t, str>, given: &[Vec<Item<'t>>]) -> Items<'t> {
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
    Ok(vec![Item::Text(part)])
}
