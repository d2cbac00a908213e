//! Functions on collections.
//!
//! # Source
//! `FHIRPath` N1 §5; `extension()`, `hasValue()` and `resolve()` of FHIR R4 `fhirpath.html`; SQL on FHIR v2
//! (`getResourceKey()`, `getReferenceKey()`).

use std::borrow::Cow;
use std::cmp::Ordering;
use std::sync::LazyLock;

use super::children::{all_children, children};
use super::equality::{distinct, holds};
use super::evaluate::{
    EvaluateError, Evaluation, Frame, Items, single_integer, single_text, truth,
};
use super::model::model;
use super::operators::{boolean, ordering};
use super::syntax::{Child, Expr, Function};
use super::value::{PathItem, Scalar};
use crate::json::Json;

static EXTENSION: LazyLock<Child> = LazyLock::new(|| Child {
    name: "extension".to_owned(),
    id: model().name("extension"),
    choice: false,
});

impl<'t> Evaluation<'_, 't> {
    pub(super) fn call(
        &self,
        function: Function,
        arguments: &'t [Expr],
        items: Vec<PathItem<'t>>,
        scope: Frame<'_, 't>,
    ) -> Items<'t> {
        self.count(items.len() + 1)?;
        match function {
            Function::Where => self.filter(items, &arguments[0], scope),
            Function::Select => self.select(&items, &arguments[0], scope),
            Function::All => self.all(&items, &arguments[0], scope),
            Function::AllFalse => booleans(&items, true, false),
            Function::AllTrue => booleans(&items, true, true),
            Function::AnyFalse => booleans(&items, false, false),
            Function::AnyTrue => booleans(&items, false, true),
            Function::Exists => {
                let kept = match arguments.first() {
                    Some(criterion) => self.filter(items, criterion, scope)?,
                    None => items,
                };
                Ok(vec![PathItem::Boolean(!kept.is_empty())])
            }
            Function::Empty => Ok(vec![PathItem::Boolean(items.is_empty())]),
            Function::Not => Ok(boolean(truth(&items, "not()")?.map(|value| !value))),
            Function::Count => Ok(vec![PathItem::Integer(size(items.len()))]),
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
            Function::Iif => self.iif(&items, arguments, scope),
            Function::Extension => self.extension(&items, &arguments[0], scope),
            Function::Resolve => self.resolve(&items),
            Function::Join => self.join(&items, arguments, scope),
            Function::Sort => self.sort(items, arguments, scope),
            Function::Aggregate => self.aggregate(&items, arguments, scope),
            Function::Repeat => self.repeat(items, &arguments[0], scope),
            _ => self.set_function(function, arguments, items, scope),
        }
    }

    /// Functions that compare whole collections, and those that look at elements as such.
    fn set_function(
        &self,
        function: Function,
        arguments: &'t [Expr],
        mut items: Vec<PathItem<'t>>,
        scope: Frame<'_, 't>,
    ) -> Items<'t> {
        match function {
            Function::Distinct => distinct(self, items),
            Function::IsDistinct => {
                let all = items.len();
                Ok(vec![PathItem::Boolean(distinct(self, items)?.len() == all)])
            }
            Function::Union | Function::Combine => {
                items.extend(self.expr(&arguments[0], scope)?);
                match function {
                    Function::Union => distinct(self, items),
                    _ => Ok(items),
                }
            }
            Function::Intersect | Function::Exclude => {
                let others = self.expr(&arguments[0], scope)?;
                let mut kept = Vec::new();
                for item in items {
                    if holds(self, &others, &item)? == (function == Function::Intersect) {
                        kept.push(item);
                    }
                }
                match function {
                    Function::Intersect => distinct(self, kept),
                    _ => Ok(kept),
                }
            }
            Function::SubsetOf => {
                let others = self.expr(&arguments[0], scope)?;
                Ok(vec![PathItem::Boolean(self.within(&items, &others)?)])
            }
            Function::SupersetOf => {
                let others = self.expr(&arguments[0], scope)?;
                Ok(vec![PathItem::Boolean(self.within(&others, &items)?)])
            }
            Function::Children | Function::Descendants => {
                self.parts(&items, function == Function::Descendants)
            }
            Function::HasValue => {
                let primitive = |item: &PathItem<'t>| !matches!(item.scalar(), Scalar::None);
                let has = matches!(items.as_slice(), [item] if primitive(item));
                Ok(vec![PathItem::Boolean(has)])
            }
            Function::Type => {
                let mut types = Vec::with_capacity(items.len());
                for item in &items {
                    let (space, name) = item.type_name().ok_or(EvaluateError::TypeUnknown)?;
                    types.push(PathItem::TypeInfo(space, name));
                }
                Ok(types)
            }
            // Nothing is written anywhere: what goes through may be about a person.
            Function::Trace => Ok(items),
            Function::ResourceKey => Ok(items.iter().filter_map(resource_key).collect()),
            Function::ReferenceKey => {
                let wanted = match arguments.first() {
                    Some(kind) => single_text(&self.expr(kind, scope)?, "getReferenceKey()")?,
                    None => None,
                };
                let key = |item| reference_key(item, wanted.as_deref());
                Ok(items.iter().filter_map(key).collect())
            }
            _ => self.value_function(function, arguments, &items, scope),
        }
    }

    /// Evaluates an argument for one item, as `$this`.
    fn each(
        &self,
        at: usize,
        item: &PathItem<'t>,
        argument: &'t Expr,
        scope: Frame<'_, 't>,
    ) -> Items<'t> {
        self.expr(
            argument,
            Frame {
                this: std::slice::from_ref(item),
                index: Some(size(at)),
                total: scope.total,
            },
        )
    }

    fn filter(
        &self,
        items: Vec<PathItem<'t>>,
        criterion: &'t Expr,
        scope: Frame<'_, 't>,
    ) -> Items<'t> {
        let mut kept = Vec::new();
        for (at, item) in items.into_iter().enumerate() {
            if truth(&self.each(at, &item, criterion, scope)?, "where()")? == Some(true) {
                kept.push(item);
            }
        }
        Ok(kept)
    }

    fn select(
        &self,
        items: &[PathItem<'t>],
        projection: &'t Expr,
        scope: Frame<'_, 't>,
    ) -> Items<'t> {
        let mut projected = Vec::new();
        for (at, item) in items.iter().enumerate() {
            projected.extend(self.each(at, item, projection, scope)?);
            self.count(1)?;
        }
        Ok(projected)
    }

    fn all(&self, items: &[PathItem<'t>], criterion: &'t Expr, scope: Frame<'_, 't>) -> Items<'t> {
        for (at, item) in items.iter().enumerate() {
            if truth(&self.each(at, item, criterion, scope)?, "all()")? != Some(true) {
                return Ok(vec![PathItem::Boolean(false)]);
            }
        }
        Ok(vec![PathItem::Boolean(true)])
    }

    /// Only the branch that is chosen is evaluated.
    fn iif(
        &self,
        items: &[PathItem<'t>],
        arguments: &'t [Expr],
        scope: Frame<'_, 't>,
    ) -> Items<'t> {
        let scope = Frame {
            this: items,
            ..scope
        };
        if items.len() > 1 {
            return Err(EvaluateError::NotSingle("iif()"));
        }
        let condition = self.expr(&arguments[0], scope)?;
        let is_boolean = |item: &PathItem<'t>| matches!(item.scalar(), Scalar::Boolean(_));
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

    /// What each item adds to what came before; `$total` starts as the second argument says.
    fn aggregate(
        &self,
        items: &[PathItem<'t>],
        arguments: &'t [Expr],
        scope: Frame<'_, 't>,
    ) -> Items<'t> {
        let mut total = match arguments.get(1) {
            Some(start) => self.expr(start, scope)?,
            None => Vec::new(),
        };
        for (at, item) in items.iter().enumerate() {
            let inner = Frame {
                total: Some(&total),
                ..scope
            };
            total = self.each(at, item, &arguments[0], inner)?;
            self.count(total.len())?;
        }
        Ok(total)
    }

    /// What the projection finds, then what it finds there, each value once.
    fn repeat(
        &self,
        items: Vec<PathItem<'t>>,
        projection: &'t Expr,
        scope: Frame<'_, 't>,
    ) -> Items<'t> {
        let mut found: Vec<PathItem<'t>> = Vec::new();
        let mut level = items;
        while !level.is_empty() {
            let mut next = Vec::new();
            for item in self.select(&level, projection, scope)? {
                if !holds(self, &found, &item)? {
                    found.push(item.clone());
                    next.push(item);
                }
            }
            level = next;
        }
        Ok(found)
    }

    /// The parts of elements; below, an element's parts stand behind all of its level.
    fn parts(&self, items: &[PathItem<'t>], below: bool) -> Items<'t> {
        let mut found = Vec::new();
        for item in items {
            all_children(item, &mut found);
        }
        self.count(found.len())?;
        let mut at = 0;
        while below && at < found.len() {
            let item = found[at].clone();
            all_children(&item, &mut found);
            self.count(1)?;
            at += 1;
        }
        Ok(found)
    }

    fn within(
        &self,
        items: &[PathItem<'t>],
        others: &[PathItem<'t>],
    ) -> Result<bool, EvaluateError> {
        for item in items {
            if !holds(self, others, item)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn extension(&self, items: &[PathItem<'t>], url: &'t Expr, scope: Frame<'_, 't>) -> Items<'t> {
        let url = single_text(&self.expr(url, scope)?, "extension()")?;
        let mut found = Vec::new();
        for item in items {
            children(item, &EXTENSION, &mut found);
        }
        self.count(found.len())?;
        found.retain(|item| {
            let PathItem::Node(node) = item else {
                return false;
            };
            let own = node.json.get("url").and_then(Json::as_str);
            own.is_some() && own == url.as_deref()
        });
        Ok(found)
    }

    /// What does not resolve drops out, as FHIR says. `#id` is a contained resource of the focus.
    fn resolve(&self, items: &[PathItem<'t>]) -> Items<'t> {
        let resolve = self.context.resolve.ok_or(EvaluateError::NoResolver)?;
        let mut found = Vec::new();
        for item in items {
            let reference = match item {
                PathItem::Node(node) if node.json.is_object() => {
                    node.json.get("reference").and_then(Json::as_str)
                }
                PathItem::Node(node) => node.json.as_str(),
                PathItem::Text(text) => Some(text.as_ref()),
                _ => None,
            };
            let Some(reference) = reference else { continue };
            let contained = reference.strip_prefix('#').and_then(|id| {
                let held = crate::json::items(self.context.focus?.get("contained"));
                held.iter()
                    .find(|held| held.get("id").and_then(Json::as_str) == Some(id))
            });
            let target = contained.or_else(|| resolve(reference));
            found.extend(target.map(PathItem::resource));
        }
        self.count(found.len())?;
        Ok(found)
    }

    fn join(
        &self,
        items: &[PathItem<'t>],
        arguments: &'t [Expr],
        scope: Frame<'_, 't>,
    ) -> Items<'t> {
        let separator = match arguments.first() {
            Some(separator) => {
                single_text(&self.expr(separator, scope)?, "join()")?.unwrap_or_default()
            }
            None => Cow::Borrowed(""),
        };
        let mut texts = Vec::new();
        for item in items {
            match item.scalar() {
                Scalar::Text(..) => texts.extend(item.text()),
                Scalar::None if item.without_value() => {}
                _ => return Err(EvaluateError::WrongType("join()")),
            }
        }
        Ok(match texts.len() {
            0 => Vec::new(),
            1 => texts.into_iter().map(PathItem::Text).collect(),
            _ => {
                let joined = texts.join(&separator);
                self.count_text(&joined)?;
                vec![PathItem::Text(Cow::Owned(joined))]
            }
        })
    }

    /// By each key in turn; a leading minus turns its order round. What has no key comes first.
    fn sort(
        &self,
        items: Vec<PathItem<'t>>,
        arguments: &'t [Expr],
        scope: Frame<'_, 't>,
    ) -> Items<'t> {
        let mut keyed = Vec::with_capacity(items.len());
        for (at, item) in items.into_iter().enumerate() {
            let mut keys = Vec::with_capacity(arguments.len().max(1));
            if arguments.is_empty() {
                keys.push((vec![item.clone()], false));
            }
            for argument in arguments {
                let (key, turned) = match argument {
                    Expr::Negative(inner) => (inner.as_ref(), true),
                    other => (other, false),
                };
                keys.push((self.each(at, &item, key, scope)?, turned));
            }
            keyed.push((keys, item));
        }
        // Put in one by one: a comparison may fail, which the sorts of the library do not allow.
        let mut sorted: Vec<(Vec<SortKey<'t>>, PathItem<'t>)> = Vec::with_capacity(keyed.len());
        for (keys, item) in keyed {
            let (mut from, mut to) = (0, sorted.len());
            while from < to {
                let middle = from.midpoint(to);
                self.count(1)?;
                if keys_order(&keys, &sorted[middle].0)? == Ordering::Less {
                    to = middle;
                } else {
                    from = middle + 1;
                }
            }
            sorted.insert(from, (keys, item));
        }
        Ok(sorted.into_iter().map(|(_, item)| item).collect())
    }
}

/// One sort key of an item, and whether its order is turned round.
type SortKey<'t> = (Vec<PathItem<'t>>, bool);

fn keys_order(left: &[SortKey<'_>], right: &[SortKey<'_>]) -> Result<Ordering, EvaluateError> {
    for ((own, turned), (other, _)) in left.iter().zip(right) {
        let order = key_order(own, other)?;
        if order != Ordering::Equal {
            // The definition and its tests disagree about what comes first here.
            if *turned && own.len() != other.len() {
                return Err(EvaluateError::Undecided("sort() down with no key"));
            }
            return Ok(if *turned { order.reverse() } else { order });
        }
    }
    Ok(Ordering::Equal)
}

/// The order of two sort keys.
fn key_order(own: &[PathItem<'_>], other: &[PathItem<'_>]) -> Result<Ordering, EvaluateError> {
    match (own, other) {
        ([], []) => Ok(Ordering::Equal),
        ([], [_]) => Ok(Ordering::Less),
        ([_], []) => Ok(Ordering::Greater),
        ([own], [other]) => ordering(own, other)?.ok_or(EvaluateError::Undecided("sort()")),
        _ => Err(EvaluateError::NotSingle("sort()")),
    }
}

/// `allTrue()` and its kin: every item must be a boolean.
fn booleans<'t>(items: &[PathItem<'t>], all: bool, value: bool) -> Items<'t> {
    let mut result = all;
    for item in items {
        let Scalar::Boolean(own) = item.scalar() else {
            return Err(EvaluateError::WrongType("allTrue() and its like"));
        };
        if (own == value) != all {
            result = !all;
        }
    }
    Ok(vec![PathItem::Boolean(result)])
}

pub(super) fn size(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// What stands for a resource in a view's rows: its id.
fn resource_key<'t>(item: &PathItem<'t>) -> Option<PathItem<'t>> {
    let PathItem::Node(node) = item else {
        return None;
    };
    let id = node.json.get("id").and_then(Json::as_str)?;
    Some(PathItem::Text(Cow::Borrowed(id)))
}

/// The key of the resource that a literal reference names, if it is of the wanted type.
fn reference_key<'t>(item: &PathItem<'t>, wanted: Option<&str>) -> Option<PathItem<'t>> {
    let PathItem::Node(node) = item else {
        return None;
    };
    let reference = node.json.get("reference").and_then(Json::as_str)?;
    let plain = match reference.split_once("/_history/") {
        Some((plain, _)) => plain,
        None => reference,
    };
    let (before, id) = plain.rsplit_once('/')?;
    let kind = before.rsplit('/').next()?;
    if wanted.is_some_and(|wanted| wanted != kind) {
        return None;
    }
    Some(PathItem::Text(Cow::Borrowed(id)))
}
