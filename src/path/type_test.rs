//! Tells whether an item is of a type, as far as a tree without a model can.

use super::evaluate::EvaluateError;
use super::tree::Json;
use super::types::{TypeKind, TypeName, supertype};
use super::value::Item;

/// A leading type name matches a resource of that type, and a part of a resource, whose type is not written.
pub(super) fn fits_root(item: &Item<'_>, named: TypeName) -> bool {
    let Item::Node(node) = item else { return false };
    match node.json.get("resourceType").and_then(Json::as_str) {
        Some(own) => own == named.name || any_resource(named),
        None => named.kind != TypeKind::Resource,
    }
}

/// Whether an item is of a type, as far as the tree can tell; where it cannot, that is an error and no guess.
/// `is` takes a subtype too (a `code` is a `string`), `ofType` does not.
pub(super) fn is_type(
    item: &Item<'_>,
    named: TypeName,
    subtypes: bool,
) -> Result<bool, EvaluateError> {
    let Item::Node(node) = item else {
        return Ok(match item {
            Item::Boolean(_) => named.name == "boolean",
            Item::Integer(_) => named.name == "integer",
            Item::Decimal(_) => named.name == "decimal",
            Item::Text(_) => named.name == "string",
            Item::Temporal(value, _) => named.name == if value.timed { "dateTime" } else { "date" },
            Item::Node(_) => false,
        });
    };
    if let Some(kind) = node.kind {
        return Ok(kind == named.name || (subtypes && supertype(kind) == Some(named.name)));
    }
    let numeric = matches!(
        named.name,
        "decimal" | "integer" | "positiveInt" | "unsignedInt"
    );
    match node.json {
        Json::Null => Err(EvaluateError::TypeUnknown),
        Json::Bool(_) => Ok(named.name == "boolean"),
        Json::Number(text) if numeric => match text.parse::<i64>() {
            Ok(_) => Err(EvaluateError::TypeUnknown),
            Err(_) => Ok(named.name == "decimal"),
        },
        Json::String(_)
            if named.kind == TypeKind::Primitive && !numeric && named.name != "boolean" =>
        {
            Err(EvaluateError::TypeUnknown)
        }
        Json::Number(_) | Json::String(_) | Json::Array(_) => Ok(false),
        Json::Object(_) => match node.json.get("resourceType").and_then(Json::as_str) {
            Some(own) => Ok(own == named.name || any_resource(named)),
            None if named.kind == TypeKind::Complex => Err(EvaluateError::TypeUnknown),
            None => Ok(false),
        },
    }
}

/// Whether a leading type name is that of any resource.
fn any_resource(named: TypeName) -> bool {
    named.kind == TypeKind::Resource && matches!(named.name, "Resource" | "DomainResource")
}
