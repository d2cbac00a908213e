//! What a resource of any type says of itself.

use crate::fhir::service_request::{id, last_updated};
use crate::json::{Arena, Json, JsonError, Members, items};

/// `resourceType`, as written.
pub(crate) fn resource_type<'t>(resource: &'t Json<'_>) -> Option<&'t str> {
    resource.get("resourceType").and_then(Json::as_str)
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

#[cfg(test)]
mod tests {
    use super::*;

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
