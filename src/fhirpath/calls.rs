//! Builds the steps of a path: names, calls with their arguments, and the names of types.
//!
//! Kept: every function that is written is either supported or refused here, with the reason.

use super::lexer::Token;
use super::model::model;
use super::parse::ExpressionParser;
use super::syntax::{Child, Expr, FUNCTIONS, Function, Literal, PathStep, PatternUse, StepKind};
use super::terms::{CompileError, compiled_pattern, known_type, refused, unknown_function};
use super::types::TypeName;

/// Names of the parts of what `type()` says, which are no elements.
pub(super) const TYPE_PARTS: [&str; 2] = ["namespace", "name"];

impl ExpressionParser<'_> {
    /// A name or a call, applied to what stands before it; and how deep it nests.
    pub(super) fn invocation(&mut self) -> Result<(PathStep, usize), CompileError> {
        let offset = self.offset();
        let token = self.take();
        if let Token::Special(name) = &token
            && name == "this"
        {
            return Err(CompileError::new(
                offset,
                "$this stands first or alone",
                "write $this without what stands before it",
            ));
        }
        let Token::Name(name, quoted) = token else {
            self.untake();
            return Err(self.unexpected("expected a name"));
        };
        if self.accepts("(") {
            let (kind, height) = self.call(&name, offset)?;
            return Ok((PathStep { kind, offset }, height));
        }
        let id = model().name(&name);
        if id.is_none() && !TYPE_PARTS.contains(&name.as_str()) {
            return Err(no_element(&name, quoted, offset));
        }
        let choice = model().is_choice(&name);
        let kind = StepKind::Child(Child { name, id, choice });
        Ok((PathStep { kind, offset }, 0))
    }

    fn call(&mut self, name: &str, start: usize) -> Result<(StepKind, usize), CompileError> {
        match name {
            "ofType" | "as" | "is" => {
                let named = self.type_name()?;
                self.expects(")")?;
                let kind = match name {
                    "is" => StepKind::Is(named),
                    "as" => StepKind::As(named),
                    _ => StepKind::OfType(named),
                };
                return Ok((kind, 0));
            }
            "matches" | "matchesFull" | "replaceMatches" => return self.pattern_call(name),
            "getReferenceKey" if self.environment.view => return self.reference_key(),
            _ => {}
        }
        let found = FUNCTIONS.iter().find(|(known, ..)| *known == name);
        let Some((_, function, least, most)) = found else {
            return Err(refused(name, start).unwrap_or_else(|| unknown_function(name, start)));
        };
        self.allowed_here(*function, name, start)?;
        let (arguments, height) = self.arguments()?;
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
        Ok((StepKind::Call(*function, arguments), height))
    }

    /// Functions that need what only some places have: a clock, the keys of a view.
    fn allowed_here(
        &self,
        function: Function,
        name: &str,
        start: usize,
    ) -> Result<(), CompileError> {
        let environment = self.environment;
        match function {
            Function::Now | Function::Today | Function::TimeOfDay if !environment.clock => {
                Err(CompileError::new(
                    start,
                    format!("{name}() is not allowed here"),
                    "what a column says may not depend on the day it is run",
                ))
            }
            Function::Resolve if environment.view => Err(CompileError::new(
                start,
                "resolve() is not for views, which see one resource at a time",
                "join on getReferenceKey() where the rows are used",
            )),
            Function::ResourceKey | Function::ReferenceKey if !environment.view => {
                Err(CompileError::new(
                    start,
                    format!("{name}() is for the columns of a view"),
                    "write id, or reference",
                ))
            }
            _ => Ok(()),
        }
    }

    fn arguments(&mut self) -> Result<(Vec<Expr>, usize), CompileError> {
        let mut arguments = Vec::new();
        let mut height = 0;
        if self.accepts(")") {
            return Ok((arguments, height));
        }
        loop {
            let argument = self.expression()?;
            height = height.max(argument.height);
            arguments.push(argument.expr);
            if !self.accepts(",") {
                break;
            }
        }
        self.expects(")")?;
        Ok((arguments, height))
    }

    /// The pattern is compiled here, once, and so must be written out; `{}` is none.
    fn pattern_call(&mut self, name: &str) -> Result<(StepKind, usize), CompileError> {
        let start = self.offset();
        let pattern = match self.take() {
            Token::Text(pattern) => Some(pattern),
            Token::Symbol("{") if self.accepts("}") => None,
            _ => {
                return Err(CompileError::new(
                    start,
                    format!("{name}() needs its pattern in quotes"),
                    "write the regular expression itself, as in matches('^[0-9]+$')",
                ));
            }
        };
        let mut height = 0;
        let mut by = Expr::Empty;
        if name == "replaceMatches" {
            self.expects(",")?;
            let built = self.expression()?;
            (by, height) = (built.expr, built.height);
        }
        self.expects(")")?;
        let Some(pattern) = pattern else {
            // Nothing matches nothing: the result is empty, whatever it is applied to.
            return Ok((StepKind::Call(Function::Take, vec![Expr::Empty]), height));
        };
        if pattern.is_empty() && name == "replaceMatches" {
            return Ok((
                StepKind::Call(Function::Convert(super::syntax::Target::Text), Vec::new()),
                height,
            ));
        }
        let (compiled, usage) = match name {
            "matches" => (pattern, PatternUse::Matches),
            "matchesFull" => (format!("^(?:{pattern})$"), PatternUse::MatchesFull),
            _ => (pattern, PatternUse::Replace(by)),
        };
        let pattern =
            compiled_pattern(&compiled, start, self.environment.limits.pattern_bytes_max)?;
        Ok((StepKind::Pattern(usage, pattern), height))
    }

    /// `getReferenceKey(Patient)`: the type stands as a name.
    fn reference_key(&mut self) -> Result<(StepKind, usize), CompileError> {
        let mut arguments = Vec::new();
        if !self.accepts(")") {
            let start = self.offset();
            let TypeName::Fhir(named) = self.type_name()? else {
                return Err(CompileError::new(
                    start,
                    "this type is no resource",
                    "as in getReferenceKey(Patient)",
                ));
            };
            let name = model().get(named).name.to_owned();
            arguments.push(Expr::Literal(Literal::Text(name)));
            self.expects(")")?;
        }
        Ok((StepKind::Call(Function::ReferenceKey, arguments), 0))
    }

    /// A type's name, with its name space where one is written.
    pub(super) fn type_name(&mut self) -> Result<TypeName, CompileError> {
        let expected =
            |start| CompileError::new(start, "expected the name of a type", "as in ofType(string)");
        let start = self.offset();
        let Token::Name(name, _) = self.take() else {
            return Err(expected(start));
        };
        if !matches!(name.as_str(), "FHIR" | "System") || !self.accepts(".") {
            return known_type(None, &name, start);
        }
        let start = self.offset();
        let Token::Name(own, _) = self.take() else {
            return Err(expected(start));
        };
        known_type(Some(&name), &own, start)
    }
}

/// A name that no type of FHIR R4 has: it would never find anything.
fn no_element(name: &str, quoted: bool, offset: usize) -> CompileError {
    if !quoted && let Some((element, kind)) = model().split_choice(name) {
        return CompileError::new(
            offset,
            format!("\"{name}\" is no element of FHIR but one of its JSON"),
            format!("write {element}.ofType({kind})"),
        );
    }
    CompileError::new(
        offset,
        format!("no element of FHIR R4 is called \"{name}\""),
        format!("the nearest is {}", model().nearest_name(name)),
    )
}
