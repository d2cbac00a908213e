//! What a resource of any type says of itself.

use super::reference::text_of;
use crate::json::{Arena, Json, JsonError, Members, items};

/// The member that names a resource's type.
pub(crate) const RESOURCE_TYPE: &str = "resourceType";

/// `resourceType`, as written.
pub(crate) fn resource_type<'t>(resource: &'t Json<'_>) -> Option<&'t str> {
    resource.get(RESOURCE_TYPE).and_then(Json::as_str)
}

/// The id; a number is tolerated, for some servers write one.
pub(crate) fn id<'t>(resource: &'t Json<'_>) -> Option<&'t str> {
    text_or_number(resource.get("id"))
}

pub(crate) fn version_id<'t>(resource: &'t Json<'_>) -> Option<&'t str> {
    text_or_number(resource.at(&["meta", "versionId"]))
}

/// As written.
pub(crate) fn last_updated<'t>(resource: &'t Json<'_>) -> Option<&'t str> {
    text_of(resource.get("meta")?, "lastUpdated")
}

/// `meta.lastUpdated` of a resource's bytes, as written; all of them are checked.
///
/// # Errors
/// They are no resource that can be read.
pub(crate) fn read_last_updated(bytes: &[u8]) -> Result<Option<String>, JsonError> {
    let (arena, meta) = (Arena::default(), Members::default().with(&["meta"]));
    let tree = Json::parse_members(bytes, &meta, &arena)?;
    Ok(last_updated(&tree).map(str::to_owned))
}

/// The resource within this one that bears this id.
pub(crate) fn contained<'t, 'a>(resource: &'t Json<'a>, wanted: &str) -> Option<&'t Json<'a>> {
    items(resource.get("contained"))
        .iter()
        .find(|resource| id(resource) == Some(wanted))
}

/// `meta.security` as (system, code).
pub(crate) fn security_labels<'t>(resource: &'t Json<'_>) -> Vec<(Option<&'t str>, &'t str)> {
    coded(resource.at(&["meta", "security"]))
}

/// Whether it bears an extension that changes its meaning, or was made under rules of its own.
pub(crate) fn has_modifier_extension(resource: &Json<'_>) -> bool {
    let said = |key| resource.get(key).is_some_and(|value| !value.is_null());
    !items(resource.get("modifierExtension")).is_empty()
        || said("implicitRules")
        || said("_implicitRules")
}

/// Whether its server says that parts of it are missing.
pub(crate) fn is_subset(resource: &Json<'_>) -> bool {
    has_tag(resource, "SUBSETTED")
}

/// Whether a tag or a label says that it was made up for tests.
pub(crate) fn is_test_data(resource: &Json<'_>) -> bool {
    let test = |(_, code): &(Option<&str>, &str)| code.eq_ignore_ascii_case("HTEST");
    has_tag(resource, "HTEST") || security_labels(resource).iter().any(test)
}

fn has_tag(resource: &Json<'_>, wanted: &str) -> bool {
    let tags = coded(resource.at(&["meta", "tag"]));
    tags.iter()
        .any(|(_, code)| code.eq_ignore_ascii_case(wanted))
}

/// Codings as (system, code).
pub(super) fn coded<'t>(codings: Option<&'t Json<'_>>) -> Vec<(Option<&'t str>, &'t str)> {
    items(codings)
        .iter()
        .filter_map(|coding| Some((text_of(coding, "system"), text_of(coding, "code")?)))
        .collect()
}

fn text_or_number<'t>(value: Option<&'t Json<'_>>) -> Option<&'t str> {
    match value? {
        Json::Number(text) => Some(text),
        other => other.as_str().filter(|text| !text.is_empty()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_names_a_resource() {
        let tree =
            Json::of(r#"{"id":7,"meta":{"versionId":"3","lastUpdated":"2026-11-20T09:00:00Z"}}"#);
        assert_eq!((id(&tree), version_id(&tree)), (Some("7"), Some("3")));
        assert_eq!(last_updated(&tree), Some("2026-11-20T09:00:00Z"));
        assert_eq!(id(&Json::of(r#"{"id":""}"#)), None);
    }

    #[test]
    fn reads_the_type_and_what_is_contained() {
        let tree = Json::of(
            r#"{"resourceType":"ServiceRequest","contained":[{"resourceType":"Patient","id":"p"},{"id":"q"}]}"#,
        );
        assert_eq!(resource_type(&tree), Some("ServiceRequest"));
        let patient = contained(&tree, "p").unwrap();
        assert_eq!(resource_type(patient), Some("Patient"));
        assert_eq!(resource_type(contained(&tree, "q").unwrap()), None);
        assert!(contained(&tree, "r").is_none() && contained(patient, "p").is_none());
    }
}
