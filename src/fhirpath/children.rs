//! From an element to its parts: by name, or all of them.
//!
//! FHIR's JSON is read back into FHIR's elements here: `value[x]` from the key that ends in its type, a primitive's id
//! and extensions from the `_name` beside it, arrays that are aligned with nulls.

use std::borrow::Cow;

use super::model::{Element, TypeId, TypeKind, model};
use super::syntax::Child;
use super::value::{Node, PathItem, resource_type};
use crate::json::{Json, items};

type ObjectMembers<'t> = &'t [(&'t str, Json<'t>)];

/// Pushes the values of an element of that name.
pub(super) fn children<'t>(item: &PathItem<'t>, child: &Child, found: &mut Vec<PathItem<'t>>) {
    let node = match item {
        PathItem::Node(node) => *node,
        PathItem::TypeInfo(space, name) => {
            let part = if child.name == "namespace" {
                space
            } else {
                name
            };
            found.push(PathItem::Text(Cow::Borrowed(part)));
            return;
        }
        _ => return,
    };
    let Some(members) = members(node) else {
        return;
    };
    let element = match (node.kind, child.id) {
        (Some(kind), Some(id)) => model().element(kind, id),
        _ => None,
    };
    let choice = match element {
        Some(element) => element.choice,
        None => child.choice && node.kind.is_none(),
    };
    if choice {
        chosen(members, &child.name, element, found);
        return;
    }
    let (mut value, mut shadow) = (None, None);
    for (key, member) in members {
        if *key == child.name {
            value = Some(member);
        } else if key.strip_prefix('_') == Some(&child.name) {
            shadow = Some(member);
        }
    }
    let kind = element.and_then(|element| element.types.first().copied());
    push_values(value, shadow, kind, found);
}

/// What holds an element's parts: the object, or what stands beside a primitive.
fn members(node: Node<'_>) -> Option<ObjectMembers<'_>> {
    let holder = if node.json.is_object() {
        Some(node.json)
    } else {
        node.shadow
    };
    match holder {
        Some(Json::Object(members)) => Some(*members),
        _ => None,
    }
}

/// The values of `name[x]`: the type is the end of the key.
fn chosen<'t>(
    members: ObjectMembers<'t>,
    name: &str,
    element: Option<&Element>,
    found: &mut Vec<PathItem<'t>>,
) {
    let kind_of = |key: &str| {
        let kind = model().type_of_suffix(key.strip_prefix(name)?)?;
        let open = element.is_none_or(|element| element.types.contains(&kind));
        open.then_some(kind)
    };
    for (key, member) in members {
        if let Some(kind) = kind_of(key) {
            let shadow = members
                .iter()
                .find(|(other, _)| other.strip_prefix('_') == Some(key));
            push_values(
                Some(member),
                shadow.map(|(_, shadow)| shadow),
                Some(kind),
                found,
            );
        } else if let Some(plain) = key.strip_prefix('_')
            && let Some(kind) = kind_of(plain)
            && !members.iter().any(|(own, _)| *own == plain)
        {
            push_values(None, Some(member), Some(kind), found);
        }
    }
}

/// Pushes every part of an element, in the order it is written in.
pub(super) fn all_children<'t>(item: &PathItem<'t>, found: &mut Vec<PathItem<'t>>) {
    let PathItem::Node(node) = item else { return };
    let Some(members) = members(*node) else {
        return;
    };
    for (key, member) in members {
        if *key == "resourceType" || *key == "fhir_comments" {
            continue;
        }
        if let Some(plain) = key.strip_prefix('_') {
            if !members.iter().any(|(own, _)| *own == plain) {
                push_values(None, Some(member), part_kind(node.kind, plain), found);
            }
            continue;
        }
        let shadow = members
            .iter()
            .find(|(other, _)| other.strip_prefix('_') == Some(key));
        let kind = part_kind(node.kind, key);
        push_values(Some(member), shadow.map(|(_, shadow)| shadow), kind, found);
    }
}

/// The type of the part that a JSON key stands for.
fn part_kind(of: Option<TypeId>, key: &str) -> Option<TypeId> {
    let (of, model) = (of?, model());
    if let Some(id) = model.name(key)
        && let Some(element) = model.element(of, id)
        && !element.choice
    {
        return element.types.first().copied();
    }
    let mut choices = model.elements(of).filter(|element| element.choice);
    choices.find_map(|element| {
        let kind = model.type_of_suffix(key.strip_prefix(element.name)?)?;
        element.types.contains(&kind).then_some(kind)
    })
}

/// An element's values, each with what `_name` says of it: FHIR aligns the two arrays, with nulls in the gaps.
fn push_values<'t>(
    value: Option<&'t Json<'t>>,
    shadow: Option<&'t Json<'t>>,
    kind: Option<TypeId>,
    found: &mut Vec<PathItem<'t>>,
) {
    const ABSENT: &Json<'static> = &Json::Null;
    let values = items(value);
    let shadows = items(shadow);
    let resource = kind.is_some_and(|kind| model().get(kind).kind == TypeKind::Resource);
    for at in 0..values.len().max(shadows.len()) {
        let json = values.get(at).unwrap_or(ABSENT);
        let shadow = shadows.get(at).filter(|shadow| shadow.is_object());
        if !json.is_null() || shadow.is_some() {
            let kind = if resource { resource_type(json) } else { kind };
            found.push(PathItem::Node(Node { json, shadow, kind }));
        }
    }
}
