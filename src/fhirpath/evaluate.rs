//! Walks a compiled expression over trees.
//!
//! In comes a context: the focus, the variables, a way to resolve references; out come items that borrow from the
//! trees and the expression. Kept: every item looked at is a step, and steps are limited.

use std::cell::Cell;
use std::fmt;

use super::children::children;
use super::decimal::Decimal;
use super::environment::Environment;
use super::lexer::{Token, tokens};
use super::model::TypeId;
use super::operators::{binary, negative};
use super::parse::{FOCUS_NAMES, parse};
use super::static_reads::{Reads, reads};
use super::syntax::{Expr, Literal, PatternUse, StepKind};
use super::terms::CompileError;
use super::type_check::{Types, check};
use super::type_test::{fits_root, is_type};
use super::value::{PathItem, Scalar};
use crate::json::Json;

/// A compiled expression.
pub(crate) struct Expression {
    source: String,
    root: Expr,
    /// The type of what it starts from, where that is always the same.
    focus: Option<TypeId>,
    /// What it can result in, as far as that can be told without data.
    pub(super) result: Types,
    /// Items that one evaluation may look at.
    steps_max: u32,
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
    /// What `now()` says, as an ISO 8601 dateTime with offset.
    pub(crate) now: Option<&'t str>,
    /// The number of a view's row.
    pub(crate) row: Option<i64>,
}

/// Why an evaluation has no result. Bad data or a wrong expression; never says a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EvaluateError {
    #[error(
        "the expression takes more steps on this resource than [limits] expression_steps_max allows"
    )]
    TooManySteps,
    #[error("{0} needs a single value and has several")]
    NotSingle(&'static str),
    #[error("{0} cannot work on a value of this type")]
    WrongType(&'static str),
    #[error("the result of {0} has no exact form within 38 digits")]
    Inexact(&'static str),
    #[error("the type of this element is not known here")]
    TypeUnknown,
    #[error("a quantity has no unit that is known here")]
    UnitUnknown,
    #[error("{0} has no answer that could be trusted")]
    Undecided(&'static str),
    #[error("resolve() has nothing to look references up in")]
    NoResolver,
    #[error("there is no clock here")]
    NoClock,
    #[error("a variable of the expression was not given")]
    MissingVariable,
}

impl Expression {
    /// Whether all that it can find has parts, as far as that can be told without data.
    pub(crate) fn finds_parts_only(&self) -> bool {
        self.result.have_parts()
    }

    /// Compiles an expression over these variables, of whatever type they are.
    ///
    /// # Errors
    /// What is not `FHIRPath`, or not supported, with its place and help.
    #[cfg(test)]
    pub(crate) fn compile(source: &str, variables: &[&str]) -> Result<Self, CompileError> {
        let variables: Vec<_> = variables.iter().map(|name| (*name, None)).collect();
        let environment = Environment {
            variables: &variables,
            ..Environment::default()
        };
        Self::compile_in(source, &environment)
    }

    /// Compiles an expression in an environment.
    ///
    /// # Errors
    /// What is not `FHIRPath`, not supported, or could never find anything, with its place and help.
    pub(crate) fn compile_in(
        source: &str,
        environment: &Environment<'_>,
    ) -> Result<Self, CompileError> {
        Self::compile_below(source, environment, None)
    }

    /// Compiles an expression that starts from what another one results in.
    ///
    /// # Errors
    /// As [`Expression::compile_in`].
    pub(crate) fn compile_below(
        source: &str,
        environment: &Environment<'_>,
        parent: Option<&Expression>,
    ) -> Result<Self, CompileError> {
        let root = parse(source, environment)?;
        let result = check(&root, environment, parent.map(|parent| &parent.result))?;
        Ok(Expression {
            root,
            source: source.to_owned(),
            focus: environment.focus(),
            result,
            steps_max: environment.limits.steps_max,
        })
    }

    /// Whether both are written alike, spaces and comments aside.
    pub(crate) fn same_as(&self, other: &Self) -> bool {
        let read = |expression: &Self| tokens(&expression.source, usize::MAX).ok();
        let (Some(one), Some(other)) = (read(self), read(other)) else {
            return false;
        };
        let words = |tokens: &[(Token, usize)]| -> Vec<Token> {
            tokens.iter().map(|(token, _)| token.clone()).collect()
        };
        words(&one) == words(&other)
    }

    /// Evaluates it on the context's focus; the items borrow from the trees and from the expression.
    ///
    /// # Errors
    /// As [`EvaluateError`] says.
    pub(crate) fn evaluate<'t>(&'t self, context: &Context<'t>) -> Items<'t> {
        let focus = context
            .focus
            .map(|json| PathItem::resource_as(json, self.focus));
        self.run(context, focus.as_slice())
    }

    /// A parent of which nothing is known, for [`Expression::compile_below`].
    pub(crate) fn anything() -> Self {
        Expression {
            source: String::new(),
            root: Expr::This,
            focus: None,
            result: Types::Any,
            steps_max: 0,
        }
    }

    /// Whether its result is something that is never a boolean.
    pub(crate) fn never_boolean(&self) -> bool {
        self.result.never_boolean()
    }

    /// Evaluates it on an item of another result, or on nothing; `%resource` and its like stay the context's focus.
    ///
    /// # Errors
    /// As [`EvaluateError`] says.
    pub(crate) fn evaluate_on<'t>(
        &'t self,
        context: &Context<'t>,
        this: &[PathItem<'t>],
    ) -> Items<'t> {
        self.run(context, this)
    }

    fn run<'t>(&'t self, context: &Context<'t>, this: &[PathItem<'t>]) -> Items<'t> {
        let evaluation = Evaluation {
            context,
            steps: Cell::new(0),
            steps_max: self.steps_max,
        };
        evaluation.expr(
            &self.root,
            Frame {
                this,
                index: None,
                total: None,
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

/// `$this`, `$index` and `$total` of the part being evaluated.
#[derive(Clone, Copy)]
pub(super) struct Frame<'s, 't> {
    pub(super) this: &'s [PathItem<'t>],
    pub(super) index: Option<i64>,
    pub(super) total: Option<&'s [PathItem<'t>]>,
}

pub(super) struct Evaluation<'c, 't> {
    pub(super) context: &'c Context<'t>,
    steps: Cell<u32>,
    steps_max: u32,
}

pub(crate) type Items<'t> = Result<Vec<PathItem<'t>>, EvaluateError>;

impl<'t> Evaluation<'_, 't> {
    /// Counts work; everything that loops over data calls it.
    pub(super) fn count(&self, work: usize) -> Result<(), EvaluateError> {
        let work = u32::try_from(work).unwrap_or(u32::MAX);
        let steps = self.steps.get().saturating_add(work);
        self.steps.set(steps);
        if steps > self.steps_max {
            return Err(EvaluateError::TooManySteps);
        }
        Ok(())
    }

    /// Counts the work of building a text, so that no chain of doublings fills the memory.
    pub(super) fn count_text(&self, text: &str) -> Result<(), EvaluateError> {
        self.count(text.len() / 64)
    }

    pub(super) fn expr(&self, expr: &'t Expr, scope: Frame<'_, 't>) -> Items<'t> {
        self.count(1)?;
        match expr {
            Expr::Empty => Ok(Vec::new()),
            Expr::Literal(literal) => Ok(vec![literal_item(literal)]),
            Expr::This => Ok(scope.this.to_vec()),
            Expr::Index => Ok(scope.index.map(PathItem::Integer).into_iter().collect()),
            Expr::Total => Ok(scope.total.unwrap_or_default().to_vec()),
            Expr::RowIndex => Ok(self
                .context
                .row
                .map(PathItem::Integer)
                .into_iter()
                .collect()),
            Expr::Root(named, _) => Ok(scope
                .this
                .iter()
                .filter(|item| fits_root(item, *named))
                .cloned()
                .collect()),
            Expr::Variable(name, kind) => self.variable(name, *kind),
            Expr::Chain(head, steps) => {
                let mut items = self.expr(head, scope)?;
                for step in steps {
                    items = self.step(&step.kind, items, scope)?;
                }
                Ok(items)
            }
            Expr::Negative(inner) => negative(&self.expr(inner, scope)?),
            Expr::Binary(operator, left, right) => binary(self, *operator, left, right, scope),
        }
    }

    fn variable(&self, name: &str, kind: Option<TypeId>) -> Items<'t> {
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
        let found = found.map(|json| PathItem::resource_as(json, kind));
        Ok(found.into_iter().collect())
    }

    fn step(
        &self,
        step: &'t StepKind,
        items: Vec<PathItem<'t>>,
        scope: Frame<'_, 't>,
    ) -> Items<'t> {
        match step {
            StepKind::Child(child) => {
                self.count(items.len())?;
                let mut found = Vec::new();
                for item in &items {
                    children(item, child, &mut found);
                }
                self.count(found.len())?;
                Ok(found)
            }
            StepKind::At(index) => {
                let index = self.expr(index, scope)?;
                let Some(at) = single_integer(&index, "[ ]")? else {
                    return Ok(Vec::new());
                };
                let at = usize::try_from(at).ok();
                Ok(at
                    .and_then(|at| items.into_iter().nth(at))
                    .into_iter()
                    .collect())
            }
            StepKind::OfType(named) => {
                self.count(items.len())?;
                let mut kept = Vec::new();
                for item in items {
                    if is_type(&item, *named, false)? {
                        kept.push(item);
                    }
                }
                Ok(kept)
            }
            StepKind::As(named) => match items.as_slice() {
                [] => Ok(items),
                [item] => {
                    let kept = is_type(item, *named, false)?;
                    Ok(if kept { items } else { Vec::new() })
                }
                _ => Err(EvaluateError::NotSingle("as")),
            },
            StepKind::Is(named) => match items.as_slice() {
                [] => Ok(Vec::new()),
                [item] => Ok(vec![PathItem::Boolean(is_type(item, *named, true)?)]),
                _ => Err(EvaluateError::NotSingle("is")),
            },
            StepKind::Pattern(usage, pattern) => self.pattern(usage, pattern, &items, scope),
            StepKind::Call(function, arguments) => self.call(*function, arguments, items, scope),
        }
    }

    fn pattern(
        &self,
        usage: &'t PatternUse,
        pattern: &regex::Regex,
        items: &[PathItem<'t>],
        scope: Frame<'_, 't>,
    ) -> Items<'t> {
        let Some(text) = single_text(items, "matches()")? else {
            return Ok(Vec::new());
        };
        let PatternUse::Replace(by) = usage else {
            return Ok(vec![PathItem::Boolean(pattern.is_match(&text))]);
        };
        let Some(by) = single_text(&self.expr(by, scope)?, "replaceMatches()")? else {
            return Ok(Vec::new());
        };
        let grows = text.len().saturating_add(1).saturating_mul(by.len());
        self.count(grows / 64)?;
        let replaced = pattern.replace_all(&text, by.as_ref()).into_owned();
        Ok(vec![PathItem::Text(replaced.into())])
    }
}

fn literal_item(literal: &Literal) -> PathItem<'_> {
    match literal {
        Literal::Boolean(value) => PathItem::Boolean(*value),
        Literal::Integer(value) => PathItem::Integer(*value),
        Literal::Decimal(value) => PathItem::Decimal(*value),
        Literal::Text(text) => PathItem::Text(text.as_str().into()),
        Literal::Temporal(value) => PathItem::Temporal(*value),
        Literal::Quantity(value) => PathItem::Quantity(Box::new(value.clone())),
    }
}

/// The one item, or none; several are an error.
pub(super) fn single<'i, 't>(
    items: &'i [PathItem<'t>],
    what: &'static str,
) -> Result<Option<&'i PathItem<'t>>, EvaluateError> {
    match items {
        [] => Ok(None),
        [item] => Ok(Some(item)),
        _ => Err(EvaluateError::NotSingle(what)),
    }
}

pub(super) fn single_integer(
    items: &[PathItem<'_>],
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
    items: &[PathItem<'t>],
    what: &'static str,
) -> Result<Option<std::borrow::Cow<'t, str>>, EvaluateError> {
    match single(items, what)? {
        None => Ok(None),
        Some(item) => match item.scalar() {
            Scalar::Text(..) => Ok(item.text()),
            Scalar::None if item.without_value() => Ok(None),
            _ => Err(EvaluateError::WrongType(what)),
        },
    }
}

/// The truth of a result: nothing is unknown, a single value that is no boolean is true (`FHIRPath` §4.5).
pub(super) fn truth(
    items: &[PathItem<'_>],
    what: &'static str,
) -> Result<Option<bool>, EvaluateError> {
    Ok(single(items, what)?.and_then(|item| match item.scalar() {
        Scalar::Boolean(value) => Some(value),
        Scalar::None if item.without_value() => None,
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
