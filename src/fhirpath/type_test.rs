//! Tells whether an item is of a type.

use super::evaluate::EvaluateError;
use super::model::{TypeId, TypeKind, model};
use super::types::TypeName;
use super::value::PathItem;
use crate::json::Json;

/// A leading type name matches a resource of that type, and a part of a resource, whose type is not written.
pub(super) fn fits_root(item: &PathItem<'_>, named: TypeId) -> bool {
    let PathItem::Node(node) = item else {
        return false;
    };
    match node.kind {
        Some(kind) => model().is_a(kind, named),
        None => model().get(named).kind != TypeKind::Resource,
    }
}

/// Whether an item is of a type; where an unknown element leaves that open, it is an error and no guess.
/// `is` takes a subtype too (a `code` is a `string`); `ofType` takes one of complex types and resources only.
pub(super) fn is_type(
    item: &PathItem<'_>,
    named: TypeName,
    subtypes: bool,
) -> Result<bool, EvaluateError> {
    let PathItem::Node(node) = item else {
        let own = item.type_name().map(|(_, name)| name);
        return Ok(matches!(named, TypeName::System(name) if own == Some(name)));
    };
    let TypeName::Fhir(named) = named else {
        return Ok(false);
    };
    let model = model();
    if let Some(kind) = node.kind {
        let primitive = model.get(kind).kind == TypeKind::Primitive;
        return Ok(kind == named || ((subtypes || !primitive) && model.is_a(kind, named)));
    }
    let (name, sort) = (model.get(named).name, model.get(named).kind);
    let numeric = model.get(named).numeric;
    match node.json {
        Json::Null => Err(EvaluateError::TypeUnknown),
        Json::Bool(_) => Ok(name == "boolean"),
        Json::Number(text) if numeric => match text.parse::<i64>() {
            Ok(_) => Err(EvaluateError::TypeUnknown),
            Err(_) => Ok(name == "decimal"),
        },
        Json::String(_) if sort == TypeKind::Primitive && !numeric && name != "boolean" => {
            Err(EvaluateError::TypeUnknown)
        }
        Json::Object(_) if sort == TypeKind::Complex => Err(EvaluateError::TypeUnknown),
        Json::Number(_) | Json::String(_) | Json::Array(_) | Json::Object(_) => Ok(false),
    }
}
