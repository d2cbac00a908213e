//! Builds the syntax of an expression, and refuses what is not supported, with its place and the nearest help.
//!
//! The order of operators is `FHIRPath`'s. Kept: what leaves here can be evaluated by recursion, for no part of it
//! nests deeper than [`NESTING_MAX`].

use super::environment::Environment;
use super::lexer::{Token, tokens};
use super::quantity::Quantity;
use super::syntax::{Expr, LEVELS, Literal, Operator, PathStep, StepKind, TYPE_LEVEL};
use super::terms::{CompileError, known_resource, number, special, temporal};
use super::units::calendar_word;

/// How deep an expression may nest, chains of operators counted.
pub(super) const NESTING_MAX: usize = 64;

/// Names every expression may use: the focus.
pub(super) const FOCUS_NAMES: [&str; 3] = ["context", "resource", "rootResource"];

/// An expression and how deep it nests.
pub(super) struct Built {
    pub(super) expr: Expr,
    pub(super) height: usize,
}

impl Built {
    pub(super) fn leaf(expr: Expr) -> Self {
        Built { expr, height: 1 }
    }
}

/// Parses a whole expression; the environment says which names may follow `%`.
pub(super) fn parse(expression: &str, environment: &Environment<'_>) -> Result<Expr, CompileError> {
    let mut parser = ExpressionParser {
        tokens: tokens(expression, environment.limits.characters_max)?,
        at: 0,
        depth: 0,
        environment,
    };
    let built = parser.expression()?;
    if *parser.peek() != Token::End {
        return Err(parser.unexpected("expected an operator or the end of the expression"));
    }
    Ok(built.expr)
}

pub(super) struct ExpressionParser<'e> {
    tokens: Vec<(Token, usize)>,
    at: usize,
    depth: usize,
    pub(super) environment: &'e Environment<'e>,
}

impl ExpressionParser<'_> {
    pub(super) fn peek(&self) -> &Token {
        &self.tokens[self.at.min(self.tokens.len() - 1)].0
    }

    pub(super) fn offset(&self) -> usize {
        self.tokens[self.at.min(self.tokens.len() - 1)].1
    }

    pub(super) fn take(&mut self) -> Token {
        let token = self.peek().clone();
        self.at += 1;
        token
    }

    /// Puts the last token back.
    pub(super) fn untake(&mut self) {
        self.at -= 1;
    }

    pub(super) fn accepts(&mut self, symbol: &str) -> bool {
        let found = matches!(self.peek(), Token::Symbol(own) if *own == symbol);
        self.at += usize::from(found);
        found
    }

    pub(super) fn expects(&mut self, symbol: &'static str) -> Result<(), CompileError> {
        if self.accepts(symbol) {
            return Ok(());
        }
        Err(self.unexpected(&format!("expected \"{symbol}\"")))
    }

    pub(super) fn unexpected(&self, what: &str) -> CompileError {
        CompileError::new(
            self.offset(),
            what,
            "docs/FHIRPATH.md lists what is supported",
        )
    }

    fn too_deep(&self) -> CompileError {
        CompileError::new(
            self.offset(),
            format!("the expression nests more than {NESTING_MAX} deep"),
            "split it into two columns or a field of fields.toml",
        )
    }

    pub(super) fn expression(&mut self) -> Result<Built, CompileError> {
        self.depth += 1;
        if self.depth > NESTING_MAX {
            return Err(self.too_deep());
        }
        let built = self.level(0)?;
        self.depth -= 1;
        Ok(built)
    }

    /// Reads operands and operators no looser than `loosest`: one call a parenthesis, not one a level.
    fn level(&mut self, loosest: usize) -> Result<Built, CompileError> {
        let mut left = self.signed()?;
        loop {
            if TYPE_LEVEL >= loosest
                && let Some(step) = self.type_operator()?
            {
                left = self.chain(left, vec![(step, 0)])?;
                continue;
            }
            let Some((level, operator)) = self.operator().filter(|(level, _)| *level >= loosest)
            else {
                return Ok(left);
            };
            self.at += 1;
            let right = self.level(level + 1)?;
            let height = left.height.max(right.height) + 1;
            if height > NESTING_MAX {
                return Err(self.too_deep());
            }
            left = Built {
                expr: Expr::Binary(operator, Box::new(left.expr), Box::new(right.expr)),
                height,
            };
        }
    }

    /// The binary operator that stands next, and its level.
    fn operator(&self) -> Option<(usize, Operator)> {
        let word = match self.peek() {
            Token::Symbol(symbol) => *symbol,
            Token::Name(name, false) => name.as_str(),
            _ => return None,
        };
        LEVELS.iter().enumerate().find_map(|(level, operators)| {
            let (_, operator) = operators.iter().find(|(name, _)| *name == word)?;
            Some((level, *operator))
        })
    }

    fn type_operator(&mut self) -> Result<Option<PathStep>, CompileError> {
        let offset = self.offset();
        let is = match self.peek() {
            Token::Name(name, false) if name == "is" => true,
            Token::Name(name, false) if name == "as" => false,
            _ => return Ok(None),
        };
        self.at += 1;
        let named = self.type_name()?;
        let kind = if is {
            StepKind::Is(named)
        } else {
            StepKind::As(named)
        };
        Ok(Some(PathStep { kind, offset }))
    }

    fn signed(&mut self) -> Result<Built, CompileError> {
        if self.accepts("+") {
            return self.chained();
        }
        if !self.accepts("-") {
            return self.chained();
        }
        let built = self.chained()?;
        Ok(Built {
            expr: Expr::Negative(Box::new(built.expr)),
            height: built.height + 1,
        })
    }

    fn chained(&mut self) -> Result<Built, CompileError> {
        let (head, first) = self.head()?;
        let mut steps: Vec<(PathStep, usize)> = first.into_iter().collect();
        loop {
            if self.accepts(".") {
                steps.push(self.invocation()?);
            } else if self.accepts("[") {
                let offset = self.offset();
                let index = self.expression()?;
                self.expects("]")?;
                let kind = StepKind::At(index.expr);
                steps.push((PathStep { kind, offset }, index.height));
            } else {
                return self.chain(head, steps);
            }
        }
    }

    fn chain(&self, head: Built, steps: Vec<(PathStep, usize)>) -> Result<Built, CompileError> {
        if steps.is_empty() {
            return Ok(head);
        }
        let inner = steps.iter().map(|(_, height)| *height).max().unwrap_or(0);
        let height = head.height.max(inner) + 1;
        if height > NESTING_MAX {
            return Err(self.too_deep());
        }
        let steps = steps.into_iter().map(|(step, _)| step).collect();
        Ok(Built {
            expr: Expr::Chain(Box::new(head.expr), steps),
            height,
        })
    }

    /// What stands first in a chain; a name or a function there applies to the focus.
    fn head(&mut self) -> Result<(Built, Option<(PathStep, usize)>), CompileError> {
        let start = self.offset();
        let literal = |literal| Ok((Built::leaf(Expr::Literal(literal)), None));
        match self.peek().clone() {
            Token::Symbol("(") => {
                self.at += 1;
                let built = self.expression()?;
                self.expects(")")?;
                Ok((built, None))
            }
            Token::Symbol("{") => {
                self.at += 1;
                self.expects("}")?;
                Ok((Built::leaf(Expr::Empty), None))
            }
            Token::Text(text) => {
                self.at += 1;
                literal(Literal::Text(text))
            }
            Token::Number(written) => {
                self.at += 1;
                let value = number(&written, start)?;
                literal(self.with_unit(value))
            }
            Token::Temporal(written) => {
                self.at += 1;
                literal(temporal(&written, start)?)
            }
            Token::Variable(name) => {
                self.at += 1;
                Ok((Built::leaf(self.variable(name, start)?), None))
            }
            Token::Special(name) => {
                self.at += 1;
                Ok((Built::leaf(special(&name, start)?), None))
            }
            Token::Name(name, false) if name == "true" || name == "false" => {
                self.at += 1;
                literal(Literal::Boolean(name == "true"))
            }
            Token::Name(name, _) => {
                let called = matches!(self.tokens.get(self.at + 1), Some((Token::Symbol("("), _)));
                if !called && name.starts_with(|first: char| first.is_ascii_uppercase()) {
                    self.at += 1;
                    return Ok((
                        Built::leaf(Expr::Root(known_resource(&name, start)?, start)),
                        None,
                    ));
                }
                let step = self.invocation()?;
                Ok((Built::leaf(Expr::This), Some(step)))
            }
            _ => Err(self.unexpected("expected a path, a literal or a function")),
        }
    }

    /// A number and what stands behind it: a unit in quotes, or a calendar word.
    fn with_unit(&mut self, number: Literal) -> Literal {
        let value = match &number {
            Literal::Integer(value) => (*value).into(),
            Literal::Decimal(value) => *value,
            _ => return number,
        };
        let quantity = match self.peek() {
            Token::Text(code) => Quantity::of_code(value, code),
            Token::Name(word, false) if calendar_word(word).is_some() => Quantity {
                value,
                unit: word.clone(),
                calendar: true,
            },
            _ => return number,
        };
        self.at += 1;
        Literal::Quantity(quantity)
    }

    fn variable(&self, name: String, start: usize) -> Result<Expr, CompileError> {
        let environment = self.environment;
        if FOCUS_NAMES.contains(&name.as_str()) {
            return Ok(Expr::Variable(name, environment.focus()));
        }
        if environment.has_variable(&name) {
            let kind = environment.variable_type(&name);
            return Ok(Expr::Variable(name, kind));
        }
        if let Some(constant) = environment.constant(&name) {
            return Ok(Expr::Literal(constant.clone()));
        }
        if environment.view && name == "rowIndex" {
            return Ok(Expr::RowIndex);
        }
        let constant = match name.as_str() {
            "sct" => "http://snomed.info/sct".to_owned(),
            "loinc" => "http://loinc.org".to_owned(),
            "ucum" => "http://unitsofmeasure.org".to_owned(),
            _ => match (name.strip_prefix("vs-"), name.strip_prefix("ext-")) {
                (Some(set), _) => format!("http://hl7.org/fhir/ValueSet/{set}"),
                (_, Some(extension)) => {
                    format!("http://hl7.org/fhir/StructureDefinition/{extension}")
                }
                _ => {
                    return Err(CompileError::new(
                        start,
                        format!("unknown variable \"%{name}\""),
                        format!("known here are {}", environment.names()),
                    ));
                }
            },
        };
        Ok(Expr::Literal(Literal::Text(constant)))
    }
}
