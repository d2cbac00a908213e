//! Builds the syntax of an expression, and refuses what is not supported, with its place and the nearest help.
//!
//! The order of operators is `FHIRPath`'s. Kept: what leaves here can be evaluated by recursion, for no part of it
//! nests deeper than [`NESTING_MAX`].

use super::lexer::{Token, tokens};
use super::syntax::{Expr, FUNCTIONS, Function, LEVELS, Literal, Operator, Step, TYPE_LEVEL};
use super::terms::{
    CompileError, compiled_pattern, known_type, number, special, temporal, unknown_function,
};
use super::types::{TypeName, is_choice, split_choice};

/// How deep an expression may nest, chains of operators counted.
pub(super) const NESTING_MAX: usize = 64;

/// Names every expression may use: the focus.
pub(super) const FOCUS_NAMES: [&str; 3] = ["context", "resource", "rootResource"];

/// An expression and how deep it nests.
struct Built {
    expr: Expr,
    height: usize,
}

impl Built {
    fn leaf(expr: Expr) -> Self {
        Built { expr, height: 1 }
    }
}

/// Parses a whole expression; `variables` are the names that may follow `%`.
pub(super) fn parse(expression: &str, variables: &[&str]) -> Result<Expr, CompileError> {
    let mut parser = Parser {
        tokens: tokens(expression)?,
        at: 0,
        depth: 0,
        variables,
    };
    let built = parser.expression()?;
    if *parser.peek() != Token::End {
        return Err(parser.unexpected("expected an operator or the end of the expression"));
    }
    Ok(built.expr)
}

struct Parser<'v> {
    tokens: Vec<(Token, usize)>,
    at: usize,
    depth: usize,
    variables: &'v [&'v str],
}

impl Parser<'_> {
    fn peek(&self) -> &Token {
        &self.tokens[self.at.min(self.tokens.len() - 1)].0
    }

    fn offset(&self) -> usize {
        self.tokens[self.at.min(self.tokens.len() - 1)].1
    }

    fn take(&mut self) -> Token {
        let token = self.peek().clone();
        self.at += 1;
        token
    }

    fn accepts(&mut self, symbol: &str) -> bool {
        let found = matches!(self.peek(), Token::Symbol(own) if *own == symbol);
        self.at += usize::from(found);
        found
    }

    fn expects(&mut self, symbol: &'static str) -> Result<(), CompileError> {
        if self.accepts(symbol) {
            return Ok(());
        }
        Err(self.unexpected(&format!("expected \"{symbol}\"")))
    }

    fn unexpected(&self, what: &str) -> CompileError {
        if let Token::Name(name, false) = self.peek()
            && matches!(name.as_str(), "div" | "mod")
        {
            return CompileError::new(
                self.offset(),
                format!("the operator \"{name}\" is not supported"),
                "supported are + - * / with exact results",
            );
        }
        CompileError::new(
            self.offset(),
            what,
            "see the list of supported FHIRPath in the manual",
        )
    }

    fn too_deep(&self) -> CompileError {
        CompileError::new(
            self.offset(),
            format!("the expression nests more than {NESTING_MAX} deep"),
            "split it into two columns or a field of fields.toml",
        )
    }

    fn expression(&mut self) -> Result<Built, CompileError> {
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

    fn type_operator(&mut self) -> Result<Option<Step>, CompileError> {
        let is = match self.peek() {
            Token::Name(name, false) if name == "is" => true,
            Token::Name(name, false) if name == "as" => false,
            _ => return Ok(None),
        };
        self.at += 1;
        let named = self.type_name()?;
        Ok(Some(if is {
            Step::Is(named)
        } else {
            Step::OfType(named)
        }))
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
        let mut steps: Vec<(Step, usize)> = first.into_iter().collect();
        loop {
            if self.accepts(".") {
                steps.push(self.invocation()?);
            } else if self.accepts("[") {
                let index = self.expression()?;
                self.expects("]")?;
                steps.push((Step::At(index.expr), index.height));
            } else {
                return self.chain(head, steps);
            }
        }
    }

    fn chain(&self, head: Built, steps: Vec<(Step, usize)>) -> Result<Built, CompileError> {
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
    fn head(&mut self) -> Result<(Built, Option<(Step, usize)>), CompileError> {
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
                literal(number(&written, start)?)
            }
            Token::Temporal(written) => {
                self.at += 1;
                literal(temporal(written, start)?)
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
                    return Ok((Built::leaf(Expr::Root(known_type(&name, start)?)), None));
                }
                let step = self.invocation()?;
                Ok((Built::leaf(Expr::This), Some(step)))
            }
            _ => Err(self.unexpected("expected a path, a literal or a function")),
        }
    }

    fn variable(&self, name: String, start: usize) -> Result<Expr, CompileError> {
        if FOCUS_NAMES.contains(&name.as_str()) || self.variables.contains(&name.as_str()) {
            return Ok(Expr::Variable(name));
        }
        let constant = match name.as_str() {
            "sct" => "http://snomed.info/sct",
            "loinc" => "http://loinc.org",
            "ucum" => "http://unitsofmeasure.org",
            _ => {
                let known = self.variables.iter().map(|known| format!("%{known}"));
                return Err(CompileError::new(
                    start,
                    format!("unknown variable \"%{name}\""),
                    format!("known here are {}", known.collect::<Vec<_>>().join(", ")),
                ));
            }
        };
        Ok(Expr::Literal(Literal::Text(constant.to_owned())))
    }

    /// A name or a call, applied to what stands before it.
    fn invocation(&mut self) -> Result<(Step, usize), CompileError> {
        let start = self.offset();
        let Token::Name(name, quoted) = self.take() else {
            self.at -= 1;
            return Err(self.unexpected("expected a name"));
        };
        if self.accepts("(") {
            return self.call(&name, start);
        }
        if !quoted && let Some((element, kind)) = split_choice(&name) {
            return Err(CompileError::new(
                start,
                format!("\"{name}\" is no element of FHIR but one of its JSON"),
                format!("write {element}.ofType({kind})"),
            ));
        }
        let choice = is_choice(&name);
        Ok((Step::Child { name, choice }, 0))
    }

    fn call(&mut self, name: &str, start: usize) -> Result<(Step, usize), CompileError> {
        if matches!(name, "ofType" | "as" | "is") {
            let named = self.type_name()?;
            self.expects(")")?;
            let step = if name == "is" {
                Step::Is(named)
            } else {
                Step::OfType(named)
            };
            return Ok((step, 0));
        }
        if name == "matches" {
            return self.matches_call();
        }
        let Some((_, function, least, most)) = FUNCTIONS.iter().find(|(known, ..)| *known == name)
        else {
            return Err(unknown_function(name, start));
        };
        let mut arguments = Vec::new();
        let mut height = 0;
        if !self.accepts(")") {
            loop {
                let argument = self.expression()?;
                height = height.max(argument.height);
                arguments.push(argument.expr);
                if !self.accepts(",") {
                    break;
                }
            }
            self.expects(")")?;
        }
        if !(*least..=*most).contains(&arguments.len()) {
            return Err(CompileError::new(
                start,
                format!("{name}() has {} arguments", arguments.len()),
                format!("{name}() takes {least} to {most}"),
            ));
        }
        let url = arguments.first();
        if *function == Function::Extension && !matches!(url, Some(Expr::Literal(Literal::Text(_))))
        {
            return Err(CompileError::new(
                start,
                "extension() needs the URL in quotes",
                "write extension('https://…') so that it can be told what is read",
            ));
        }
        Ok((Step::Call(*function, arguments), height))
    }

    /// The pattern is compiled here, once, and so must be written out.
    fn matches_call(&mut self) -> Result<(Step, usize), CompileError> {
        let start = self.offset();
        let Token::Text(pattern) = self.take() else {
            return Err(CompileError::new(
                start,
                "matches() needs its pattern in quotes",
                "write the regular expression itself, as in matches('^[0-9]+$')",
            ));
        };
        self.expects(")")?;
        Ok((Step::Matches(compiled_pattern(&pattern, start)?), 0))
    }

    fn type_name(&mut self) -> Result<TypeName, CompileError> {
        let mut start = self.offset();
        let Token::Name(mut name, _) = self.take() else {
            return Err(CompileError::new(
                start,
                "expected the name of a type",
                "as in ofType(string)",
            ));
        };
        if name == "FHIR" && self.accepts(".") {
            start = self.offset();
            let Token::Name(own, _) = self.take() else {
                return Err(CompileError::new(
                    start,
                    "expected the name of a type",
                    "as in FHIR.string",
                ));
            };
            name = own;
        }
        known_type(&name, start)
    }
}
