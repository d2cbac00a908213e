//! Finds, without data, what an expression can result in, and refuses what could never find anything.
//!
//! In comes the syntax and the types of what it starts from; out come the types of the result, as far as they are known.
//! Kept: what is refused here would be empty or an error on every resource; what is not known is let through.

use super::environment::Environment;
use super::model::{TypeId, TypeKind, model, nearest};
use super::syntax::{Child, Expr, Function, Operator, PathStep, PatternUse, StepKind, Target};
use super::terms::CompileError;
use super::types::TypeName;

/// What a result can be.
#[derive(Clone, Debug)]
pub(super) enum Types {
    /// Anything.
    Any,
    /// One of these; of none, nothing.
    Types(Vec<TypeName>),
}

const BOOLEAN: TypeName = TypeName::System("Boolean");
const INTEGER: TypeName = TypeName::System("Integer");
const TEXT: TypeName = TypeName::System("String");
/// What `type()` says; no expression can name it.
const TYPE_INFO: TypeName = TypeName::System("TypeInfo");

/// The types of an expression's result.
///
/// # Errors
/// What could never find anything.
pub(super) fn check(
    root: &Expr,
    environment: &Environment<'_>,
    parent: Option<&Types>,
) -> Result<Types, CompileError> {
    let this = match parent {
        Some(parent) => parent.clone(),
        None => Types::fhir(environment.focus()),
    };
    Checker {
        strict: !environment.view,
    }
    .expr(root, &this)
}

impl Types {
    fn fhir(kind: Option<TypeId>) -> Self {
        kind.map_or(Types::Any, |kind| Types::of(TypeName::Fhir(kind)))
    }

    fn of(named: TypeName) -> Self {
        Types::Types(vec![named])
    }

    fn or(self, other: Self) -> Self {
        match (self, other) {
            (Types::Types(mut types), Types::Types(others)) => {
                for other in others {
                    if !types.contains(&other) {
                        types.push(other);
                    }
                }
                Types::Types(types)
            }
            _ => Types::Any,
        }
    }

    /// Whether it is something, and none of it as wanted.
    fn never(&self, wanted: impl Fn(TypeName) -> bool) -> bool {
        match self {
            Types::Any => false,
            Types::Types(types) => !types.is_empty() && !types.iter().any(|named| wanted(*named)),
        }
    }

    /// Whether all of it has parts, and none of it a text.
    pub(super) fn have_parts(&self) -> bool {
        self.never(|named| match named {
            TypeName::Fhir(kind) => model().get(kind).kind == TypeKind::Primitive,
            TypeName::System(_) => named != TYPE_INFO,
        })
    }

    fn names(&self) -> String {
        let Types::Types(types) = self else {
            return "anything".to_owned();
        };
        let names = types.iter().take(3).map(|named| match named {
            TypeName::Fhir(id) => model().get(*id).name,
            TypeName::System(name) => name,
        });
        names.collect::<Vec<_>>().join(" or ")
    }
}

struct Checker {
    /// An element that a type has not is a mistake, even where another type has it.
    strict: bool,
}

impl Checker {
    fn expr(&self, expr: &Expr, this: &Types) -> Result<Types, CompileError> {
        Ok(match expr {
            Expr::Empty => Types::Types(Vec::new()),
            Expr::Literal(literal) => Types::of(literal.type_name()),
            Expr::This => this.clone(),
            Expr::Index | Expr::RowIndex => Types::of(INTEGER),
            Expr::Total => Types::Any,
            Expr::Root(named, offset) => self.root(*named, *offset, this)?,
            Expr::Variable(_, kind) => Types::fhir(*kind),
            Expr::Chain(head, steps) => {
                let mut known = self.expr(head, this)?;
                let mut before = None;
                for step in steps {
                    ordered(before, step)?;
                    known = self.step(step, known, this)?;
                    before = Some(step);
                }
                known
            }
            Expr::Negative(inner) => self.expr(inner, this)?,
            Expr::Binary(operator, left, right) => {
                let offset = expr_offset(right).or(expr_offset(left)).unwrap_or(0);
                let (left, right) = (self.expr(left, this)?, self.expr(right, this)?);
                comparable(*operator, &left, &right, offset)?;
                match operator {
                    Operator::Union => left.or(right),
                    Operator::Concatenate => Types::of(TEXT),
                    calculation if calculation.calculates() => Types::Any,
                    _ => Types::of(BOOLEAN),
                }
            }
        })
    }

    /// A leading type name keeps what is of that type.
    fn root(&self, named: TypeId, offset: usize, this: &Types) -> Result<Types, CompileError> {
        let model = model();
        let related = |other: TypeName| match other {
            TypeName::Fhir(other) => model.is_a(other, named) || model.is_a(named, other),
            TypeName::System(_) => false,
        };
        if self.strict && this.never(related) {
            return Err(CompileError::new(
                offset,
                format!(
                    "this path starts from {}, which is never a {}",
                    this.names(),
                    model.get(named).name
                ),
                "leave the name out, or start from a variable such as %patient",
            ));
        }
        Ok(match this {
            Types::Types(types) if types.len() == 1 && related(types[0]) => match types[0] {
                TypeName::Fhir(own) if model.is_a(own, named) => this.clone(),
                _ => Types::of(TypeName::Fhir(named)),
            },
            _ => Types::of(TypeName::Fhir(named)),
        })
    }

    fn step(&self, step: &PathStep, known: Types, this: &Types) -> Result<Types, CompileError> {
        match &step.kind {
            StepKind::Child(child) => self.child(child, step.offset, &known),
            StepKind::At(index) => {
                self.expr(index, this)?;
                Ok(known)
            }
            StepKind::OfType(named) | StepKind::As(named) => Ok(Types::of(*named)),
            StepKind::Is(_) => Ok(Types::of(BOOLEAN)),
            StepKind::Pattern(usage, _) => {
                texts_only(&known, "matches()", step.offset)?;
                match usage {
                    PatternUse::Replace(by) => {
                        self.expr(by, this)?;
                        Ok(Types::of(TEXT))
                    }
                    _ => Ok(Types::of(BOOLEAN)),
                }
            }
            StepKind::Call(function, arguments) => {
                self.call(*function, arguments, known, this, step.offset)
            }
        }
    }

    fn child(&self, child: &Child, offset: usize, known: &Types) -> Result<Types, CompileError> {
        let Types::Types(types) = known else {
            return Ok(Types::Any);
        };
        let model = model();
        let (mut found, mut open) = (Types::Types(Vec::new()), types.is_empty());
        let mut any = types.is_empty();
        for named in types {
            let element = match (named, child.id) {
                (TypeName::Fhir(of), Some(name)) => model.element(*of, name),
                _ => None,
            };
            if let Some(element) = element {
                any = true;
                for kind in &element.types {
                    // What stands there says itself which resource it is.
                    open |= model.get(*kind).kind == TypeKind::Resource;
                    found = found.or(Types::of(TypeName::Fhir(*kind)));
                }
            } else if *named == TYPE_INFO {
                any = true;
                found = found.or(Types::of(TEXT));
            } else if let TypeName::Fhir(of) = named
                && is_abstract(model.get(*of).name)
            {
                (any, open) = (true, true);
            }
        }
        if any {
            return Ok(if open { Types::Any } else { found });
        }
        if !self.strict && child.id.is_some() {
            return Ok(Types::Any);
        }
        let elements = types.iter().filter_map(|named| match named {
            TypeName::Fhir(of) => Some(model.elements(*of).map(|element| element.name)),
            TypeName::System(_) => None,
        });
        let help = match nearest(elements.flatten(), &child.name) {
            Some(near) => format!("the nearest is {near}"),
            None => "a value has no elements".to_owned(),
        };
        Err(CompileError::new(
            offset,
            format!("{} has no element \"{}\"", known.names(), child.name),
            help,
        ))
    }

    fn call(
        &self,
        function: Function,
        arguments: &[Expr],
        known: Types,
        this: &Types,
        offset: usize,
    ) -> Result<Types, CompileError> {
        let inner = match function {
            Function::Where
            | Function::Select
            | Function::All
            | Function::Exists
            | Function::Repeat
            | Function::Aggregate
            | Function::Sort
            | Function::Trace
            | Function::Iif => &known,
            _ => this,
        };
        let mut given = Vec::new();
        for (at, argument) in arguments.iter().enumerate() {
            // What a sum starts from is said outside of it.
            let outside = function == Function::Aggregate && at == 1;
            given.push(self.expr(argument, if outside { this } else { inner })?);
        }
        if function == Function::Iif && given[0].never_boolean() {
            return Err(CompileError::new(
                offset,
                "the condition of iif() is never true or false",
                "write a comparison, or .exists()",
            ));
        }
        Ok(match function {
            Function::Select => given.swap_remove(0),
            Function::Iif => {
                let mut branches = given.into_iter().skip(1);
                let first = branches.next().unwrap_or(Types::Any);
                branches.fold(first, Types::or)
            }
            Function::Union | Function::Combine => known.or(given.swap_remove(0)),
            Function::Where
            | Function::First
            | Function::Last
            | Function::Tail
            | Function::Single
            | Function::Skip
            | Function::Take
            | Function::Distinct
            | Function::Intersect
            | Function::Exclude
            | Function::Sort
            | Function::Trace => known,
            Function::Extension => Types::fhir(model().find("Extension")),
            Function::Type => Types::of(TYPE_INFO),
            _ => return value_call(function, &known, offset),
        })
    }
}

impl Types {
    /// Whether it is something that is neither true nor false.
    pub(super) fn never_boolean(&self) -> bool {
        let boolean = model().find("boolean").map(TypeName::Fhir);
        self.never(|named| named == BOOLEAN || Some(named) == boolean)
    }
}

/// The functions that give values.
fn value_call(function: Function, known: &Types, offset: usize) -> Result<Types, CompileError> {
    Ok(match function {
        Function::All
        | Function::AllFalse
        | Function::AllTrue
        | Function::AnyFalse
        | Function::AnyTrue
        | Function::Comparable
        | Function::Converts(_)
        | Function::Empty
        | Function::Exists
        | Function::HasValue
        | Function::IsDistinct
        | Function::Not
        | Function::SubsetOf
        | Function::SupersetOf
        | Function::Convert(Target::Boolean) => Types::of(BOOLEAN),
        Function::StartsWith | Function::EndsWith | Function::Contains => {
            texts_only(known, "this function", offset)?;
            Types::of(BOOLEAN)
        }
        Function::Length | Function::IndexOf | Function::LastIndexOf => {
            texts_only(known, "this function", offset)?;
            Types::of(INTEGER)
        }
        Function::Count | Function::Precision => Types::of(INTEGER),
        Function::Join
        | Function::Upper
        | Function::Lower
        | Function::Trim
        | Function::Substring
        | Function::Replace
        | Function::Split
        | Function::ToChars
        | Function::Encode
        | Function::Decode
        | Function::Escape
        | Function::Unescape => {
            texts_only(known, "this function", offset)?;
            Types::of(TEXT)
        }
        Function::Convert(Target::Text) => Types::of(TEXT),
        _ => Types::Any,
    })
}

/// A moment is never a text: a comparison with one would always be false, or an error.
fn comparable(
    operator: Operator,
    left: &Types,
    right: &Types,
    offset: usize,
) -> Result<(), CompileError> {
    let compares = matches!(
        operator,
        Operator::Equal
            | Operator::NotEqual
            | Operator::Equivalent
            | Operator::NotEquivalent
            | Operator::Less
            | Operator::LessOrEqual
            | Operator::Greater
            | Operator::GreaterOrEqual
            | Operator::In
            | Operator::Contains
    );
    let moment = |named| match named {
        TypeName::Fhir(id) => matches!(
            model().get(id).name,
            "date" | "dateTime" | "instant" | "time"
        ),
        TypeName::System(name) => matches!(name, "Date" | "DateTime" | "Time"),
    };
    let always = |known: &Types, wanted: &dyn Fn(TypeName) -> bool| match known {
        Types::Types(types) => !types.is_empty() && types.iter().all(|named| wanted(*named)),
        Types::Any => false,
    };
    let text = |named| named == TEXT;
    let mixed = (always(left, &moment) && always(right, &text))
        || (always(left, &text) && always(right, &moment));
    if compares && mixed {
        return Err(CompileError::new(
            offset,
            "a date is compared with a text",
            "write the date as @2026-11-20, or make a text of the other side with toString()",
        ));
    }
    Ok(())
}

/// Where an expression stands, where that is known.
fn expr_offset(expr: &Expr) -> Option<usize> {
    match expr {
        Expr::Root(_, offset) => Some(*offset),
        Expr::Chain(head, steps) => {
            expr_offset(head).or_else(|| steps.first().map(|step| step.offset))
        }
        Expr::Negative(inner) => expr_offset(inner),
        Expr::Binary(_, left, right) => expr_offset(left).or_else(|| expr_offset(right)),
        _ => None,
    }
}

/// A function of texts cannot work on what has parts.
fn texts_only(known: &Types, what: &str, offset: usize) -> Result<(), CompileError> {
    let text = |named| match named {
        TypeName::Fhir(id) => {
            let kind = model().get(id);
            kind.kind == TypeKind::Primitive && !kind.numeric && kind.name != "boolean"
        }
        TypeName::System(name) => name == "String",
    };
    if !known.never(text) {
        return Ok(());
    }
    Err(CompileError::new(
        offset,
        format!("{what} works on text, and this is {}", known.names()),
        "name the element that holds the text, or convert with toString()",
    ))
}

/// The parts of an element have no order, so that none of them is the first.
fn ordered(before: Option<&PathStep>, step: &PathStep) -> Result<(), CompileError> {
    let unordered = matches!(
        before.map(|step| &step.kind),
        Some(StepKind::Call(
            Function::Children | Function::Descendants,
            _
        ))
    );
    let picks = matches!(
        step.kind,
        StepKind::At(_)
            | StepKind::Call(
                Function::First | Function::Last | Function::Tail | Function::Skip | Function::Take,
                _
            )
    );
    if unordered && picks {
        return Err(CompileError::new(
            step.offset,
            "children() and descendants() have no order to pick from",
            "name the element, or filter with where() or ofType() first",
        ));
    }
    Ok(())
}

fn is_abstract(name: &str) -> bool {
    matches!(
        name,
        "Resource" | "DomainResource" | "Element" | "BackboneElement"
    )
}
