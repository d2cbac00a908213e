//! What an expression may name besides elements, known when it is compiled: variables and their types, constants.

use super::decimal::Decimal;
use super::model::{TypeId, model};
use super::parse::FOCUS_NAMES;
use super::syntax::Literal;
use super::temporal::Temporal;
use crate::domain::Limits;
use crate::json::Json;

/// How long an expression may be, and how much it may take.
#[derive(Clone, Copy, Debug)]
#[expect(
    clippy::struct_field_names,
    reason = "units and qualifiers stand last, in every struct alike"
)]
pub(crate) struct ExpressionLimits {
    pub(super) characters_max: usize,
    pub(super) steps_max: u32,
    pub(super) pattern_bytes_max: usize,
}

impl ExpressionLimits {
    /// Those in force.
    pub(crate) fn of(limits: &Limits) -> Self {
        Self {
            characters_max: limits.expression_characters_max,
            steps_max: limits.expression_steps_max,
            pattern_bytes_max: limits.pattern_bytes_max,
        }
    }
}

impl Default for ExpressionLimits {
    fn default() -> Self {
        Self::of(&Limits::default())
    }
}

/// The names and types that an expression is compiled against.
#[derive(Clone, Copy, Default)]
pub(crate) struct Environment<'e> {
    /// The type of what a path starts from, where it is always the same.
    pub(crate) focus: Option<&'e str>,
    /// Names that may follow `%`, each with its type where it is always the same.
    pub(crate) variables: &'e [(&'e str, Option<&'e str>)],
    /// More names, each for a value.
    pub(crate) constants: &'e [Constant],
    /// Whether `now()` and its kin may be asked.
    pub(crate) clock: bool,
    /// A column of a view: row numbers, keys, and elements that other types have are no mistake.
    pub(crate) view: bool,
    pub(crate) limits: ExpressionLimits,
}

/// A name for a value.
pub(crate) struct Constant {
    pub(crate) name: String,
    value: Literal,
}

impl Constant {
    /// The value of a `value[x]` of this type; none if it is not of it.
    pub(crate) fn new(name: &str, kind: &str, value: &Json<'_>) -> Option<Self> {
        let value = match (kind, value) {
            ("boolean", Json::Bool(value)) => Literal::Boolean(*value),
            ("decimal", Json::Number(text)) => Literal::Decimal(Decimal::parse(text)?),
            ("integer" | "positiveInt" | "unsignedInt" | "integer64", Json::Number(text)) => {
                Literal::Integer(text.parse().ok()?)
            }
            ("date" | "dateTime" | "instant", Json::String(text)) => {
                Literal::Temporal(Temporal::parse(text)?)
            }
            ("time", Json::String(text)) => Literal::Temporal(Temporal::parse_time(text)?),
            (
                "base64Binary" | "canonical" | "code" | "id" | "markdown" | "oid" | "string"
                | "uri" | "url" | "uuid",
                Json::String(text),
            ) => Literal::Text((*text).to_owned()),
            _ => return None,
        };
        Some(Constant {
            name: name.to_owned(),
            value,
        })
    }
}

impl Environment<'_> {
    pub(super) fn has_variable(&self, name: &str) -> bool {
        self.variables.iter().any(|(known, _)| *known == name)
    }

    /// The type of a variable, where it always has the same.
    pub(super) fn variable_type(&self, name: &str) -> Option<TypeId> {
        let (_, kind) = self.variables.iter().find(|(known, _)| *known == name)?;
        kind.and_then(|kind| model().find(kind))
    }

    pub(super) fn focus(&self) -> Option<TypeId> {
        self.focus.and_then(|kind| model().find(kind))
    }

    pub(super) fn constant(&self, name: &str) -> Option<&Literal> {
        let found = self.constants.iter().find(|known| known.name == name)?;
        Some(&found.value)
    }

    /// What may follow `%`, for help.
    pub(super) fn names(&self) -> String {
        let variables = self.variables.iter().map(|(name, _)| *name);
        let constants = self.constants.iter().map(|constant| constant.name.as_str());
        let mut names: Vec<String> = variables
            .chain(constants)
            .map(|name| format!("%{name}"))
            .collect();
        if names.is_empty() {
            names = FOCUS_NAMES.iter().map(|name| format!("%{name}")).collect();
        }
        names.join(", ")
    }
}
