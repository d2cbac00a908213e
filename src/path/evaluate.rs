//! Walks a compiled expression over trees.
//!
//! In comes a context: the focus, the variables, a way to resolve references; out come items that borrow from the
//! trees and the expression. Kept: every item looked at is a step, and steps are limited.

use std::cell::Cell;
use std::fmt;

use super::decimal::Decimal;
use super::operators::{binary, negative};
use super::parse::{FOCUS_NAMES, parse};
use super::reads::{Reads, reads};
use super::syntax::{Expr, Literal, Step};
use super::terms::CompileError;
use super::tree::Json;
use super::type_test::{fits_root, is_type};
use super::types::type_of_suffix;
use super::value::{Item, Node, Scalar};

/// Items an evaluation may look at.
pub(super) const STEPS_MAX: u32 = 100_000;

/// A compiled expression.
pub(crate) struct Expression {
    source: String,
    root: Expr,
}

/// Finds the resource that the text of a reference points at.
pub(crate) type Resolve<'t> = dyn Fn(&str) -> Option<&'t Json<'t>> + 't;

/// What an expression is evaluated on.
#[derive(Clone, Copy, Default)]
pub(crate) struct Context<'t> {
    /// What a path without a variable starts from.
    pub(crate) focus: Option<&'t Json<'t>>,
    /// By name, without `%`; one that has nothing to stand for is empty.
    pub(crate) variables: &'t [(&'t str, Option<&'t Json<'t>>)],
    /// Finds the resource a reference text points at.
    pub(crate) resolve: Option<&'t Resolve<'t>>,
}

/// Why an evaluation has no result. Bad data or a wrong expression; never says a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EvaluateError {
    #[error("the expression takes more than {STEPS_MAX} steps on this resource")]
    TooManySteps,
    #[error("{0} needs a single value and has several")]
    NotSingle(&'static str),
    #[error("{0} cannot work on a value of this type")]
    WrongType(&'static str),
    #[error("the result of {0} has no exact form within 38 digits")]
    Inexact(&'static str),
    #[error("the type of this element is not known here")]
    TypeUnknown,
    #[error("resolve() has nothing to look references up in")]
    NoResolver,
    #[error("a variable of the expression was not given")]
    MissingVariable,
}

impl Expression {
    /// Compiles an expression over these variables.
    ///
    /// # Errors
    /// What is not `FHIRPath`, or not of the supported subset, with its place and help.
    pub(crate) fn compile(source: &str, variables: &[&str]) -> Result<Self, CompileError> {
        Ok(Expression {
            root: parse(source, variables)?,
            source: source.to_owned(),
        })
    }

    /// Evaluates it; the items borrow from the trees and from the expression.
    ///
    /// # Errors
    /// As [`EvaluateError`] says.
    pub(crate) fn evaluate<'t>(
        &'t self,
        context: &Context<'t>,
    ) -> Result<Vec<Item<'t>>, EvaluateError> {
        let evaluation = Evaluation {
            context,
            steps: Cell::new(0),
        };
        let focus: Vec<Item<'t>> = context.focus.map(Item::node).into_iter().collect();
        evaluation.expr(
            &self.root,
            Scope {
                this: &focus,
                index: None,
            },
        )
    }

    /// Every element it could read, whatever the data.
    pub(crate) fn reads(&self) -> Reads {
        reads(&self.root)
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Expression").field(&self.source).finish()
    }
}

/// `$this` and `$index` of the part being evaluated.
#[derive(Clone, Copy)]
pub(super) struct Scope<'s, 't> {
    pub(super) this: &'s [Item<'t>],
    pub(super) index: Option<i64>,
}

pub(super) struct Evaluation<'c, 't> {
    pub(super) context: &'c Context<'t>,
    steps: Cell<u32>,
}

pub(super) type Items<'t> = Result<Vec<Item<'t>>, EvaluateError>;

impl<'t> Evaluation<'_, 't> {
    /// Counts work; everything that loops over data calls it.
    pub(super) fn count(&self, work: usize) -> Result<(), EvaluateError> {
        let work = u32::try_from(work).unwrap_or(STEPS_MAX);
        let steps = self.steps.get().saturating_add(work);
        self.steps.set(steps);
        if steps > STEPS_MAX {
            return Err(EvaluateError::TooManySteps);
        }
        Ok(())
    }

    /// Counts the work of building a text, so that no chain of doublings fills the memory.
    pub(super) fn count_text(&self, text: &str) -> Result<(), EvaluateError> {
        self.count(text.len() / 64)
    }

    pub(super) fn expr(&self, expr: &'t Expr, scope: Scope<'_, 't>) -> Items<'t> {
        self.count(1)?;
        match expr {
            Expr::Empty => Ok(Vec::new()),
            Expr::Literal(literal) => Ok(vec![literal_item(literal)]),
            Expr::This => Ok(scope.this.to_vec()),
            Expr::Index => Ok(scope.index.map(Item::Integer).into_iter().collect()),
            Expr::Root(named) => Ok(scope
                .this
                .iter()
                .filter(|item| fits_root(item, *named))
                .cloned()
                .collect()),
            Expr::Variable(name) => self.variable(name),
            Expr::Chain(head, steps) => {
                let mut items = self.expr(head, scope)?;
                for step in steps {
                    items = self.step(step, items, scope)?;
                }
                Ok(items)
            }
            Expr::Negative(inner) => negative(&self.expr(inner, scope)?),
            Expr::Binary(operator, left, right) => binary(self, *operator, left, right, scope),
        }
    }

    fn variable(&self, name: &str) -> Items<'t> {
        let found = if FOCUS_NAMES.contains(&name) {
            self.context.focus
        } else {
            self.context
                .variables
                .iter()
                .find(|(known, _)| *known == name)
                .ok_or(EvaluateError::MissingVariable)?
                .1
        };
        Ok(found.map(Item::node).into_iter().collect())
    }

    fn step(&self, step: &'t Step, items: Vec<Item<'t>>, scope: Scope<'_, 't>) -> Items<'t> {
        match step {
            Step::Child { name, choice } => {
                self.count(items.len())?;
                let mut found = Vec::new();
                for item in &items {
                    if let Item::Node(node) = item {
                        children(*node, name, *choice, &mut found);
                    }
                }
                self.count(found.len())?;
                Ok(found)
            }
            Step::At(index) => {
                let index = self.expr(index, scope)?;
                let Some(at) = single_integer(&index, "[ ]")? else {
                    return Ok(Vec::new());
                };
                let at = usize::try_from(at).ok();
                Ok(at
                    .and_then(|at| items.get(at))
                    .cloned()
                    .into_iter()
                    .collect())
            }
            Step::OfType(named) => {
                self.count(items.len())?;
                let mut kept = Vec::new();
                for item in items {
                    if is_type(&item, *named, false)? {
                        kept.push(item);
                    }
                }
                Ok(kept)
            }
            Step::Is(named) => match items.as_slice() {
                [] => Ok(Vec::new()),
                [item] => Ok(vec![Item::Boolean(is_type(item, *named, true)?)]),
                _ => Err(EvaluateError::NotSingle("is")),
            },
            Step::Matches(pattern) => match single_text(&items, "matches()")? {
                Some(text) => Ok(vec![Item::Boolean(pattern.is_match(&text))]),
                None => Ok(Vec::new()),
            },
            Step::Call(function, arguments) => self.call(*function, arguments, items, scope),
        }
    }
}

fn literal_item(literal: &Literal) -> Item<'_> {
    match literal {
        Literal::Boolean(value) => Item::Boolean(*value),
        Literal::Integer(value) => Item::Integer(*value),
        Literal::Decimal(value) => Item::Decimal(*value),
        Literal::Text(text) => Item::Text(text.as_str().into()),
        Literal::Temporal(value, written) => Item::Temporal(*value, written),
    }
}

/// Pushes the values of an element of that name.
pub(super) fn children<'t>(node: Node<'t>, name: &str, choice: bool, found: &mut Vec<Item<'t>>) {
    let holder = if node.json.is_object() {
        Some(node.json)
    } else {
        node.shadow
    };
    let Some(Json::Object(members)) = holder else {
        return;
    };
    let (mut value, mut shadow) = (None, None);
    for (key, member) in members {
        if key == name {
            value = Some(member);
        } else if let Some(plain) = key.strip_prefix('_')
            && plain == name
        {
            shadow = Some(member);
        } else if choice && let Some(kind) = key.strip_prefix(name).and_then(type_of_suffix) {
            let beside = node_shadow(members, key);
            push_values(Some(member), beside, Some(kind), found);
        } else if choice
            && let Some(plain) = key.strip_prefix('_')
            && let Some(kind) = plain.strip_prefix(name).and_then(type_of_suffix)
            && !members.iter().any(|(own, _)| own == plain)
        {
            push_values(None, Some(member), Some(kind), found);
        }
    }
    push_values(value, shadow, None, found);
}

fn node_shadow<'t>(
    members: &'t [(std::borrow::Cow<'t, str>, Json<'t>)],
    key: &str,
) -> Option<&'t Json<'t>> {
    members
        .iter()
        .find(|(own, _)| own.strip_prefix('_') == Some(key))
        .map(|(_, shadow)| shadow)
}

/// An element's values, each with what `_name` says of it: FHIR aligns the two arrays, with nulls in the gaps.
fn push_values<'t>(
    value: Option<&'t Json<'t>>,
    shadow: Option<&'t Json<'t>>,
    kind: Option<&'static str>,
    found: &mut Vec<Item<'t>>,
) {
    const ABSENT: &Json<'static> = &Json::Null;
    let values = list(value);
    let shadows = list(shadow);
    for at in 0..values.len().max(shadows.len()) {
        let json = values.get(at).unwrap_or(ABSENT);
        let shadow = shadows.get(at).filter(|shadow| shadow.is_object());
        if !json.is_null() || shadow.is_some() {
            found.push(Item::Node(Node { json, shadow, kind }));
        }
    }
}

fn list<'t>(value: Option<&'t Json<'t>>) -> &'t [Json<'t>] {
    super::tree::items(value)
}

/// The one item, or none; several are an error.
pub(super) fn single<'i, 't>(
    items: &'i [Item<'t>],
    what: &'static str,
) -> Result<Option<&'i Item<'t>>, EvaluateError> {
    match items {
        [] => Ok(None),
        [item] => Ok(Some(item)),
        _ => Err(EvaluateError::NotSingle(what)),
    }
}

pub(super) fn single_integer(
    items: &[Item<'_>],
    what: &'static str,
) -> Result<Option<i64>, EvaluateError> {
    match single(items, what)? {
        None => Ok(None),
        Some(item) => item
            .scalar()
            .integer()
            .map(Some)
            .ok_or(EvaluateError::WrongType(what)),
    }
}

/// The one text, or none. An element without a value has none; a number is no text.
pub(super) fn single_text<'t>(
    items: &[Item<'t>],
    what: &'static str,
) -> Result<Option<std::borrow::Cow<'t, str>>, EvaluateError> {
    match single(items, what)? {
        None => Ok(None),
        Some(item) => match item.scalar() {
            Scalar::Text(..) | Scalar::Temporal(_) => Ok(item.text()),
            Scalar::None if is_absent(item) => Ok(None),
            _ => Err(EvaluateError::WrongType(what)),
        },
    }
}

/// Whether an item is an element with extensions only.
pub(super) fn is_absent(item: &Item<'_>) -> bool {
    matches!(item, Item::Node(node) if node.json.is_null())
}

/// The truth of a result: nothing is unknown, a single value that is no boolean is true (`FHIRPath` §4.5).
pub(super) fn truth(items: &[Item<'_>], what: &'static str) -> Result<Option<bool>, EvaluateError> {
    Ok(single(items, what)?.and_then(|item| match item.scalar() {
        Scalar::Boolean(value) => Some(value),
        Scalar::None if is_absent(item) => None,
        _ => Some(true),
    }))
}

/// The exact decimal of an item that is a number; too many digits are an error.
pub(super) fn exact(scalar: Scalar<'_>, what: &'static str) -> Result<Decimal, EvaluateError> {
    if !scalar.is_number() {
        return Err(EvaluateError::WrongType(what));
    }
    scalar.decimal().ok_or(EvaluateError::Inexact(what))
}
