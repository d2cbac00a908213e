//! The parsed form of an expression: what the parser builds, evaluation walks and the disclosure check reads.

use super::decimal::Decimal;
use super::model::{NameId, TypeId};
use super::quantity::Quantity;
use super::temporal::Temporal;
use super::types::TypeName;

pub(super) enum Expr {
    /// `{}`
    Empty,
    Literal(Literal),
    /// `$this`; at the top, the focus of the evaluation.
    This,
    /// `$index`
    Index,
    /// `$total`
    Total,
    /// `%rowIndex` of a view.
    RowIndex,
    /// A leading type name, as `Patient` in `Patient.name`: the focus, if it is of that type. And where it stands.
    Root(TypeId, usize),
    /// `%name`, and the type of resource it always is.
    Variable(String, Option<TypeId>),
    /// A head and what is applied to it, in order.
    Chain(Box<Expr>, Vec<PathStep>),
    /// A leading minus.
    Negative(Box<Expr>),
    Binary(Operator, Box<Expr>, Box<Expr>),
}

#[derive(Clone)]
pub(super) enum Literal {
    Boolean(bool),
    Integer(i64),
    Decimal(Decimal),
    Text(String),
    Temporal(Temporal),
    Quantity(Quantity),
}

impl Literal {
    pub(super) fn type_name(&self) -> TypeName {
        TypeName::System(match self {
            Literal::Boolean(_) => "Boolean",
            Literal::Integer(_) => "Integer",
            Literal::Decimal(_) => "Decimal",
            Literal::Text(_) => "String",
            Literal::Temporal(moment) => moment.shape.name(),
            Literal::Quantity(_) => "Quantity",
        })
    }
}

pub(super) struct PathStep {
    pub(super) kind: StepKind,
    /// Where it is written, in characters.
    pub(super) offset: usize,
}

pub(super) enum StepKind {
    Child(Child),
    At(Expr),
    OfType(TypeName),
    /// `as`: like `ofType`, of a single item.
    As(TypeName),
    Is(TypeName),
    /// A pattern that was compiled with the expression.
    Pattern(PatternUse, regex::Regex),
    Call(Function, Vec<Expr>),
}

pub(super) struct Child {
    pub(super) name: String,
    /// None for what no type of FHIR R4 has: the parts of what `type()` says.
    pub(super) id: Option<NameId>,
    /// Some type has it as `name[x]`: the key may end in a type.
    pub(super) choice: bool,
}

/// What is done with a pattern.
pub(super) enum PatternUse {
    Matches,
    /// The whole text must match.
    MatchesFull,
    /// With what each match is replaced.
    Replace(Expr),
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Union,
    Concatenate,
    Add,
    Subtract,
    Multiply,
    Divide,
    Div,
    Mod,
    Equal,
    NotEqual,
    Equivalent,
    NotEquivalent,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    And,
    Or,
    Xor,
    Implies,
    In,
    Contains,
}

impl Operator {
    /// As it is written.
    pub(super) fn name(self) -> &'static str {
        let mut all = LEVELS.into_iter().flatten();
        all.find(|(_, operator)| *operator == self)
            .map_or("", |(name, _)| name)
    }

    /// Whether it makes a value of two, and does not compare them.
    pub(super) fn calculates(self) -> bool {
        matches!(
            self,
            Self::Add | Self::Subtract | Self::Multiply | Self::Divide | Self::Div | Self::Mod
        )
    }
}

/// A type that a value converts to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    Boolean,
    Integer,
    Decimal,
    Text,
    Date,
    DateTime,
    Time,
    Quantity,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    Abs,
    Aggregate,
    All,
    AllFalse,
    AllTrue,
    AnyFalse,
    AnyTrue,
    /// `lowBoundary()`, `highBoundary()`.
    Boundary {
        high: bool,
    },
    Ceiling,
    Children,
    Combine,
    Comparable,
    Contains,
    /// `toDate()` and `convertsToDate()`.
    Convert(Target),
    Converts(Target),
    Count,
    Decode,
    Descendants,
    Distinct,
    Empty,
    Encode,
    EndsWith,
    Escape,
    Exclude,
    Exists,
    Exp,
    Extension,
    First,
    Floor,
    HasValue,
    Iif,
    IndexOf,
    Intersect,
    IsDistinct,
    Join,
    Last,
    LastIndexOf,
    Length,
    Ln,
    Log,
    Lower,
    Not,
    Now,
    Power,
    Precision,
    ReferenceKey,
    Repeat,
    Replace,
    Resolve,
    ResourceKey,
    Round,
    Select,
    Single,
    Skip,
    Sort,
    Split,
    Sqrt,
    StartsWith,
    SubsetOf,
    Substring,
    SupersetOf,
    Tail,
    Take,
    TimeOfDay,
    ToChars,
    Today,
    Trace,
    Trim,
    Truncate,
    Type,
    Unescape,
    Union,
    Upper,
    Where,
}

/// Name, meaning, fewest and most arguments.
pub(super) const FUNCTIONS: [(&str, Function, usize, usize); 89] = [
    ("abs", Function::Abs, 0, 0),
    ("aggregate", Function::Aggregate, 1, 2),
    ("all", Function::All, 1, 1),
    ("allFalse", Function::AllFalse, 0, 0),
    ("allTrue", Function::AllTrue, 0, 0),
    ("anyFalse", Function::AnyFalse, 0, 0),
    ("anyTrue", Function::AnyTrue, 0, 0),
    ("ceiling", Function::Ceiling, 0, 0),
    ("children", Function::Children, 0, 0),
    ("combine", Function::Combine, 1, 1),
    ("comparable", Function::Comparable, 1, 1),
    ("contains", Function::Contains, 1, 1),
    (
        "convertsToBoolean",
        Function::Converts(Target::Boolean),
        0,
        0,
    ),
    ("convertsToDate", Function::Converts(Target::Date), 0, 0),
    (
        "convertsToDateTime",
        Function::Converts(Target::DateTime),
        0,
        0,
    ),
    (
        "convertsToDecimal",
        Function::Converts(Target::Decimal),
        0,
        0,
    ),
    (
        "convertsToInteger",
        Function::Converts(Target::Integer),
        0,
        0,
    ),
    (
        "convertsToQuantity",
        Function::Converts(Target::Quantity),
        0,
        1,
    ),
    ("convertsToString", Function::Converts(Target::Text), 0, 0),
    ("convertsToTime", Function::Converts(Target::Time), 0, 0),
    ("count", Function::Count, 0, 0),
    ("decode", Function::Decode, 1, 1),
    ("descendants", Function::Descendants, 0, 0),
    ("distinct", Function::Distinct, 0, 0),
    ("empty", Function::Empty, 0, 0),
    ("encode", Function::Encode, 1, 1),
    ("endsWith", Function::EndsWith, 1, 1),
    ("escape", Function::Escape, 1, 1),
    ("exclude", Function::Exclude, 1, 1),
    ("exists", Function::Exists, 0, 1),
    ("exp", Function::Exp, 0, 0),
    ("extension", Function::Extension, 1, 1),
    ("first", Function::First, 0, 0),
    ("floor", Function::Floor, 0, 0),
    ("getReferenceKey", Function::ReferenceKey, 0, 1),
    ("getResourceKey", Function::ResourceKey, 0, 0),
    ("hasValue", Function::HasValue, 0, 0),
    ("highBoundary", Function::Boundary { high: true }, 0, 1),
    ("iif", Function::Iif, 2, 3),
    ("indexOf", Function::IndexOf, 1, 1),
    ("intersect", Function::Intersect, 1, 1),
    ("isDistinct", Function::IsDistinct, 0, 0),
    ("join", Function::Join, 0, 1),
    ("last", Function::Last, 0, 0),
    ("lastIndexOf", Function::LastIndexOf, 1, 1),
    ("length", Function::Length, 0, 0),
    ("ln", Function::Ln, 0, 0),
    ("log", Function::Log, 1, 1),
    ("lowBoundary", Function::Boundary { high: false }, 0, 1),
    ("lower", Function::Lower, 0, 0),
    ("not", Function::Not, 0, 0),
    ("now", Function::Now, 0, 0),
    ("power", Function::Power, 1, 1),
    ("precision", Function::Precision, 0, 0),
    ("repeat", Function::Repeat, 1, 1),
    ("replace", Function::Replace, 2, 2),
    ("resolve", Function::Resolve, 0, 0),
    ("round", Function::Round, 0, 1),
    ("select", Function::Select, 1, 1),
    ("single", Function::Single, 0, 0),
    ("skip", Function::Skip, 1, 1),
    ("sort", Function::Sort, 0, 4),
    ("split", Function::Split, 1, 1),
    ("sqrt", Function::Sqrt, 0, 0),
    ("startsWith", Function::StartsWith, 1, 1),
    ("subsetOf", Function::SubsetOf, 1, 1),
    ("substring", Function::Substring, 1, 2),
    ("supersetOf", Function::SupersetOf, 1, 1),
    ("tail", Function::Tail, 0, 0),
    ("take", Function::Take, 1, 1),
    ("timeOfDay", Function::TimeOfDay, 0, 0),
    ("toBoolean", Function::Convert(Target::Boolean), 0, 0),
    ("toChars", Function::ToChars, 0, 0),
    ("toDate", Function::Convert(Target::Date), 0, 0),
    ("toDateTime", Function::Convert(Target::DateTime), 0, 0),
    ("toDecimal", Function::Convert(Target::Decimal), 0, 0),
    ("toInteger", Function::Convert(Target::Integer), 0, 0),
    ("toQuantity", Function::Convert(Target::Quantity), 0, 1),
    ("toString", Function::Convert(Target::Text), 0, 0),
    ("toTime", Function::Convert(Target::Time), 0, 0),
    ("today", Function::Today, 0, 0),
    ("trace", Function::Trace, 1, 2),
    ("trim", Function::Trim, 0, 0),
    ("truncate", Function::Truncate, 0, 0),
    ("type", Function::Type, 0, 0),
    ("unescape", Function::Unescape, 1, 1),
    ("union", Function::Union, 1, 1),
    ("upper", Function::Upper, 0, 0),
    ("where", Function::Where, 1, 1),
];

/// Binary operators from the loosest to the tightest.
pub(super) const LEVELS: [&[(&str, Operator)]; 10] = [
    &[("implies", Operator::Implies)],
    &[("or", Operator::Or), ("xor", Operator::Xor)],
    &[("and", Operator::And)],
    &[("in", Operator::In), ("contains", Operator::Contains)],
    &[
        ("=", Operator::Equal),
        ("!=", Operator::NotEqual),
        ("~", Operator::Equivalent),
        ("!~", Operator::NotEquivalent),
    ],
    &[
        ("<", Operator::Less),
        ("<=", Operator::LessOrEqual),
        (">", Operator::Greater),
        (">=", Operator::GreaterOrEqual),
    ],
    &[("|", Operator::Union)],
    // `is` and `as` stand between the union and the sums.
    &[],
    &[
        ("+", Operator::Add),
        ("-", Operator::Subtract),
        ("&", Operator::Concatenate),
    ],
    &[
        ("*", Operator::Multiply),
        ("/", Operator::Divide),
        ("div", Operator::Div),
        ("mod", Operator::Mod),
    ],
];
/// Where `is` and `as` stand in [`LEVELS`].
pub(super) const TYPE_LEVEL: usize = 7;
