//! What an expression works with: borrowed nodes and computed values.

use std::borrow::Cow;
use std::fmt;

use super::decimal::Decimal;
use super::model::{TypeId, TypeKind, model};
use super::quantity::Quantity;
use super::temporal::{Temporal, TemporalKind};
use crate::json::Json;

/// One element of a result. `Debug` masks.
#[derive(Clone)]
pub(crate) enum PathItem<'t> {
    Node(Node<'t>),
    Boolean(bool),
    Integer(i64),
    Decimal(Decimal),
    Text(Cow<'t, str>),
    Temporal(Temporal),
    Quantity(Box<Quantity>),
    /// What `type()` says: name space and name.
    TypeInfo(&'static str, &'static str),
}

/// A place in a tree.
#[derive(Clone, Copy)]
pub(crate) struct Node<'t> {
    /// `Null` where the element has no value, only `shadow`.
    pub(crate) json: &'t Json<'t>,
    /// The `_name` beside a primitive: its id and extensions.
    pub(super) shadow: Option<&'t Json<'t>>,
    /// None below an element that FHIR R4 does not know.
    pub(super) kind: Option<TypeId>,
}

impl<'t> PathItem<'t> {
    /// A resource, by what it says it is.
    pub(crate) fn resource(json: &'t Json<'t>) -> Self {
        PathItem::Node(Node {
            json,
            shadow: None,
            kind: resource_type(json),
        })
    }

    /// A resource that is nearly always of this type.
    pub(super) fn resource_as(json: &'t Json<'t>, expected: Option<TypeId>) -> Self {
        let own = json.get("resourceType").and_then(Json::as_str);
        match expected {
            Some(kind) if own == Some(model().get(kind).name) => PathItem::Node(Node {
                json,
                shadow: None,
                kind: Some(kind),
            }),
            _ => Self::resource(json),
        }
    }

    /// The text of a primitive, borrowed where it can be, numbers as written; none for objects and for elements
    /// without a value.
    pub(crate) fn text(&self) -> Option<Cow<'t, str>> {
        Some(match self {
            PathItem::Node(node) => match node.json {
                Json::String(text) => Cow::Borrowed(*text),
                Json::Number(text) => Cow::Borrowed(text),
                Json::Bool(value) => Cow::Borrowed(truth(*value)),
                Json::Null | Json::Array(_) | Json::Object(_) => return None,
            },
            PathItem::Boolean(value) => Cow::Borrowed(truth(*value)),
            PathItem::Integer(value) => Cow::Owned(value.to_string()),
            PathItem::Decimal(value) => Cow::Owned(value.to_string()),
            PathItem::Text(text) => text.clone(),
            PathItem::Temporal(value) => Cow::Owned(value.to_string()),
            PathItem::Quantity(value) => Cow::Owned(value.to_string()),
            PathItem::TypeInfo(..) => return None,
        })
    }

    /// Its truth, if it is a boolean.
    pub(crate) fn boolean(&self) -> Option<bool> {
        match self.scalar() {
            Scalar::Boolean(value) => Some(value),
            _ => None,
        }
    }

    pub(crate) fn is_number(&self) -> bool {
        self.scalar().is_number()
    }

    /// Whether it is an element with extensions only.
    pub(crate) fn without_value(&self) -> bool {
        matches!(self, PathItem::Node(node) if node.json.is_null())
    }

    pub(super) fn scalar(&self) -> Scalar<'_> {
        match self {
            PathItem::Node(node) => match node.json {
                Json::Bool(value) => Scalar::Boolean(*value),
                Json::Number(text) => Scalar::Number(text),
                // Some converters write numbers as texts; the element's type says what is meant.
                Json::String(text)
                    if node.kind.is_some_and(|kind| model().get(kind).numeric)
                        && Decimal::parse(text).is_some() =>
                {
                    Scalar::Number(text)
                }
                Json::String(text) => Scalar::Text(text, Origin::Tree(node.kind)),
                Json::Null | Json::Array(_) | Json::Object(_) => Scalar::None,
            },
            PathItem::Boolean(value) => Scalar::Boolean(*value),
            PathItem::Integer(value) => Scalar::Integer(*value),
            PathItem::Decimal(value) => Scalar::Decimal(*value),
            PathItem::Text(text) => Scalar::Text(text, Origin::Computed),
            PathItem::Temporal(value) => Scalar::Temporal(*value),
            PathItem::Quantity(_) | PathItem::TypeInfo(..) => Scalar::None,
        }
    }

    /// The name of its type as `type()` says it: name space and name; none below an unknown element.
    pub(crate) fn type_name(&self) -> Option<(&'static str, &'static str)> {
        Some(match self {
            PathItem::Node(node) => {
                let model = model();
                let own = model.get(node.kind?);
                // The parts of a resource have no name of their own.
                let shown = match own.base {
                    Some(base) if own.name.contains('.') => model.get(base).name,
                    _ => own.name,
                };
                ("FHIR", shown)
            }
            PathItem::Boolean(_) => ("System", "Boolean"),
            PathItem::Integer(_) => ("System", "Integer"),
            PathItem::Decimal(_) => ("System", "Decimal"),
            PathItem::Text(_) => ("System", "String"),
            PathItem::Temporal(value) => ("System", value.shape.name()),
            PathItem::Quantity(_) => ("System", "Quantity"),
            PathItem::TypeInfo(..) => ("System", "TypeInfo"),
        })
    }
}

/// The type that a resource says it is.
pub(super) fn resource_type(json: &Json<'_>) -> Option<TypeId> {
    let name = json.get("resourceType").and_then(Json::as_str)?;
    let id = model().find(name)?;
    (model().get(id).kind == TypeKind::Resource).then_some(id)
}

fn truth(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}

impl fmt::Debug for PathItem<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PathItem::Node(node) => write!(f, "node {:?}", node.json),
            PathItem::Boolean(_) => f.write_str("boolean"),
            PathItem::Integer(_) => f.write_str("integer"),
            PathItem::Decimal(_) => f.write_str("decimal"),
            PathItem::Text(text) => write!(f, "text({})", text.len()),
            PathItem::Temporal(_) => f.write_str("temporal"),
            PathItem::Quantity(_) => f.write_str("quantity"),
            PathItem::TypeInfo(..) => f.write_str("type"),
        }
    }
}

/// Where a text comes from: in a tree a date is written as a string too.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    Computed,
    /// With its type, where that is known.
    Tree(Option<TypeId>),
}

/// An item seen as a primitive.
#[derive(Clone, Copy)]
pub(super) enum Scalar<'i> {
    Boolean(bool),
    Integer(i64),
    Decimal(Decimal),
    /// A number of a tree, as written.
    Number(&'i str),
    Text(&'i str, Origin),
    Temporal(Temporal),
    None,
}

impl Scalar<'_> {
    /// As a decimal; none if it is no number, or has more digits than we can hold exactly.
    pub(super) fn decimal(self) -> Option<Decimal> {
        match self {
            Scalar::Integer(value) => Some(Decimal::from(value)),
            Scalar::Decimal(value) => Some(value),
            Scalar::Number(text) => Decimal::parse(text),
            _ => None,
        }
    }

    pub(super) fn is_number(self) -> bool {
        matches!(
            self,
            Scalar::Integer(_) | Scalar::Decimal(_) | Scalar::Number(_)
        )
    }

    pub(super) fn integer(self) -> Option<i64> {
        match self {
            Scalar::Integer(value) => Some(value),
            Scalar::Number(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// As a moment: computed, or the text of a tree that is of a date type; of a type that is not known, a text that
    /// is a date to the day at least, for a shorter one could be any number.
    pub(super) fn temporal(self) -> Option<Temporal> {
        match self {
            Scalar::Temporal(value) => Some(value),
            Scalar::Text(text, Origin::Tree(Some(kind))) => match model().get(kind).name {
                "date" | "dateTime" | "instant" => Temporal::parse(text).map(|mut found| {
                    if model().get(kind).name != "date" {
                        found.shape = TemporalKind::DateTime;
                    }
                    found
                }),
                "time" => Temporal::parse_time(text),
                _ => None,
            },
            Scalar::Text(text, Origin::Tree(None))
                if text.len() >= 10 && text.starts_with(|first: char| first.is_ascii_digit()) =>
            {
                Temporal::parse(text).filter(|found| found.has_day())
            }
            _ => None,
        }
    }

    /// As a moment beside one that was computed: a text whose type is not known is read as what it looks like.
    pub(super) fn moment(self) -> Option<Temporal> {
        match self {
            Scalar::Text(text, Origin::Tree(None)) => Temporal::parse(text),
            other => other.temporal(),
        }
    }

    /// As a moment, if this is one and the other side may be.
    pub(super) fn moment_beside(self, other: Self) -> Option<Temporal> {
        match (self, other) {
            (Scalar::Temporal(value), _) => Some(value),
            (own, Scalar::Temporal(_)) => own.moment(),
            (own, Scalar::Text(_, Origin::Tree(_))) => own.temporal(),
            _ => None,
        }
    }
}
