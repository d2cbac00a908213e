//! What an expression works with: borrowed nodes and computed values.

use std::borrow::Cow;
use std::fmt;

use super::decimal::Decimal;
use super::temporal::Temporal;
use super::tree::Json;

/// One element of a result. `Debug` masks.
#[derive(Clone)]
pub(crate) enum Item<'t> {
    Node(Node<'t>),
    Boolean(bool),
    Integer(i64),
    Decimal(Decimal),
    Text(Cow<'t, str>),
    /// A date literal, with how it was written.
    Temporal(Temporal, &'t str),
}

/// A place in a tree.
#[derive(Clone, Copy)]
pub(crate) struct Node<'t> {
    /// `Null` where the element has no value, only `shadow`.
    pub(crate) json: &'t Json<'t>,
    /// The `_name` beside a primitive: its id and extensions.
    pub(super) shadow: Option<&'t Json<'t>>,
    /// Known for `value[x]` elements, whose key says it.
    pub(super) kind: Option<&'static str>,
}

impl<'t> Item<'t> {
    pub(super) fn node(json: &'t Json<'t>) -> Self {
        Item::Node(Node {
            json,
            shadow: None,
            kind: None,
        })
    }

    /// The text of a primitive, borrowed where it can be, numbers as written; none for objects and for elements
    /// without a value.
    pub(crate) fn text(&self) -> Option<Cow<'t, str>> {
        Some(match self {
            Item::Node(node) => match node.json {
                Json::String(text) => Cow::Borrowed(text.as_ref()),
                Json::Number(text) => Cow::Borrowed(text),
                Json::Bool(value) => Cow::Borrowed(truth(*value)),
                Json::Null | Json::Array(_) | Json::Object(_) => return None,
            },
            Item::Boolean(value) => Cow::Borrowed(truth(*value)),
            Item::Integer(value) => Cow::Owned(value.to_string()),
            Item::Decimal(value) => Cow::Owned(value.to_string()),
            Item::Text(text) => text.clone(),
            Item::Temporal(_, written) => Cow::Borrowed(written),
        })
    }

    pub(super) fn scalar(&self) -> Scalar<'_> {
        match self {
            Item::Node(node) => match node.json {
                Json::Bool(value) => Scalar::Boolean(*value),
                Json::Number(text) => Scalar::Number(text),
                Json::String(text) => Scalar::Text(text, true),
                Json::Null | Json::Array(_) | Json::Object(_) => Scalar::None,
            },
            Item::Boolean(value) => Scalar::Boolean(*value),
            Item::Integer(value) => Scalar::Integer(*value),
            Item::Decimal(value) => Scalar::Decimal(*value),
            Item::Text(text) => Scalar::Text(text, false),
            Item::Temporal(value, _) => Scalar::Temporal(*value),
        }
    }
}

fn truth(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}

impl fmt::Debug for Item<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Item::Node(node) => write!(f, "node {:?}", node.json),
            Item::Boolean(_) => f.write_str("boolean"),
            Item::Integer(_) => f.write_str("integer"),
            Item::Decimal(_) => f.write_str("decimal"),
            Item::Text(text) => write!(f, "text({})", text.len()),
            Item::Temporal(..) => f.write_str("temporal"),
        }
    }
}

/// An item seen as a primitive.
#[derive(Clone, Copy)]
pub(super) enum Scalar<'i> {
    Boolean(bool),
    Integer(i64),
    Decimal(Decimal),
    /// A number of a tree, as written.
    Number(&'i str),
    /// True if it comes from a tree, where a date is written as a string too.
    Text(&'i str, bool),
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
}
