//! The parsed form of an expression: what the parser builds, evaluation walks and the disclosure check reads.

use super::decimal::Decimal;
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
    /// A leading type name, as `Patient` in `Patient.name`: the focus, if it is of that type.
    Root(TypeName),
    /// `%name`
    Variable(String),
    /// A head and what is applied to it, in order.
    Chain(Box<Expr>, Vec<Step>),
    /// A leading minus.
    Negative(Box<Expr>),
    Binary(Operator, Box<Expr>, Box<Expr>),
}

pub(super) enum Literal {
    Boolean(bool),
    Integer(i64),
    Decimal(Decimal),
    Text(String),
    /// A date or dateTime, and how it was written.
    Temporal(Temporal, String),
}

pub(super) enum Step {
    Child {
        name: String,
        /// Written `name[x]` in R4: the key may end in a type.
        choice: bool,
    },
    At(Expr),
    OfType(TypeName),
    Is(TypeName),
    Matches(regex::Regex),
    Call(Function, Vec<Expr>),
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Union,
    Concatenate,
    Add,
    Subtract,
    Multiply,
    Divide,
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

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    All,
    Contains,
    Count,
    Distinct,
    Empty,
    EndsWith,
    Exists,
    Extension,
    First,
    Iif,
    Join,
    Last,
    Length,
    Lower,
    Not,
    Replace,
    Resolve,
    Select,
    Single,
    Skip,
    Split,
    StartsWith,
    Substring,
    Tail,
    Take,
    ToInteger,
    ToText,
    Trim,
    Upper,
    Where,
}

/// Name, meaning, fewest and most arguments.
pub(super) const FUNCTIONS: [(&str, Function, usize, usize); 30] = [
    ("all", Function::All, 1, 1),
    ("contains", Function::Contains, 1, 1),
    ("count", Function::Count, 0, 0),
    ("distinct", Function::Distinct, 0, 0),
    ("empty", Function::Empty, 0, 0),
    ("endsWith", Function::EndsWith, 1, 1),
    ("exists", Function::Exists, 0, 1),
    ("extension", Function::Extension, 1, 1),
    ("first", Function::First, 0, 0),
    ("iif", Function::Iif, 2, 3),
    ("join", Function::Join, 0, 1),
    ("last", Function::Last, 0, 0),
    ("length", Function::Length, 0, 0),
    ("lower", Function::Lower, 0, 0),
    ("not", Function::Not, 0, 0),
    ("replace", Function::Replace, 2, 2),
    ("resolve", Function::Resolve, 0, 0),
    ("select", Function::Select, 1, 1),
    ("single", Function::Single, 0, 0),
    ("skip", Function::Skip, 1, 1),
    ("split", Function::Split, 1, 1),
    ("startsWith", Function::StartsWith, 1, 1),
    ("substring", Function::Substring, 1, 2),
    ("tail", Function::Tail, 0, 0),
    ("take", Function::Take, 1, 1),
    ("toInteger", Function::ToInteger, 0, 0),
    ("toString", Function::ToText, 0, 0),
    ("trim", Function::Trim, 0, 0),
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
    &[("*", Operator::Multiply), ("/", Operator::Divide)],
];
/// Where `is` and `as` stand in [`LEVELS`].
pub(super) const TYPE_LEVEL: usize = 7;
