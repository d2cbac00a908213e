//! Reads who referred: `Practitioner`, `PractitionerRole`, `Organization`.
//!
//! In come resolved resources; out come names, numbers and codes, as for a Patient. Kept: an ODS code is read
//! only from the ODS systems, never guessed from another identifier.

use jiff::civil::Date;

use super::patient::{best_telecom, human_name, national_form, words};
use super::reference::{Reference, is_system, text_of};
use crate::json::{Json, items};

const ODS_ORGANISATION: &str = "https://fhir.nhs.uk/Id/ods-organization-code";
const ODS_SITE: &str = "https://fhir.nhs.uk/Id/ods-site-code";

/// The name of a Practitioner, by the rule of a Patient's.
pub(crate) fn practitioner_name(practitioner: &Json<'_>, today: Date) -> Option<String> {
    human_name(practitioner.get("name"), today).map(|name| name.full())
}

/// The number of a Practitioner or a `PractitionerRole`.
pub(crate) fn phone(resource: &Json<'_>, today: Date) -> Option<String> {
    best_telecom(resource.get("telecom"), "phone", today).map(national_form)
}

pub(crate) fn role_practitioner<'t>(role: &'t Json<'_>, base: Option<&str>) -> Reference<'t> {
    Reference::of(role.get("practitioner"), base)
}

/// The words of a role's practitioner, for when it resolves to nothing.
pub(crate) fn role_practitioner_display<'t>(role: &'t Json<'_>) -> Option<&'t str> {
    text_of(role.get("practitioner")?, "display")
}

pub(crate) fn role_organization<'t>(role: &'t Json<'_>, base: Option<&str>) -> Reference<'t> {
    Reference::of(role.get("organization"), base)
}

/// The references of a role to its organisation and services, as written; those by identifier or contained need no record.
pub(crate) fn role_services<'t>(role: &'t Json<'_>) -> Vec<&'t str> {
    let services = items(role.get("healthcareService")).iter();
    let named = role.get("organization").into_iter().chain(services);
    named
        .filter_map(|element| text_of(element, "reference"))
        .filter(|text| !text.starts_with('#'))
        .collect()
}

/// What the person is there: text, else display, else code of the first role.
pub(crate) fn role_title<'t>(role: &'t Json<'_>) -> Option<&'t str> {
    items(role.get("code"))
        .iter()
        .find_map(|concept| words(Some(concept)))
}

pub(crate) fn organization_name<'t>(organization: &'t Json<'_>) -> Option<&'t str> {
    text_of(organization, "name")
}

/// The ODS code as written: the organisation's, else the site's.
pub(crate) fn ods_code<'t>(organization: &'t Json<'_>) -> Option<&'t str> {
    let by_system = |system| {
        items(organization.get("identifier"))
            .iter()
            .filter(|identifier| text_of(identifier, "use") != Some("old"))
            .find(|identifier| {
                text_of(identifier, "system").is_some_and(|written| is_system(written, system))
            })
            .and_then(|identifier| text_of(identifier, "value"))
    };
    by_system(ODS_ORGANISATION).or_else(|| by_system(ODS_SITE))
}

/// The switchboard: its use (home, mobile) means nothing here, rank does.
pub(crate) fn organization_phone(organization: &Json<'_>, today: Date) -> Option<String> {
    phone(organization, today)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn reads_the_people_and_the_practice() {
        let today = date(2026, 11, 23);
        let practitioner = Json::of(
            r#"{"name":[{"prefix":["Dr"],"given":["Ada"],"family":"Byron"}],"telecom":[{"system":"phone","value":"01632960001"}]}"#,
        );
        assert_eq!(
            practitioner_name(&practitioner, today).as_deref(),
            Some("Dr Ada Byron")
        );
        assert_eq!(phone(&practitioner, today).as_deref(), Some("01632 960001"));
        let role = Json::of(
            r#"{"practitioner":{"reference":"Practitioner/1","display":"Dr B"},"organization":{"identifier":{"value":"A81001"}},"code":[{},{"text":"GP"}]}"#,
        );
        let expected = Reference::Relative {
            kind: "Practitioner",
            id: "1",
        };
        assert_eq!(role_practitioner(&role, None), expected);
        assert_eq!(role_practitioner_display(&role), Some("Dr B"));
        assert!(matches!(
            role_organization(&role, None),
            Reference::Logical { .. }
        ));
        assert_eq!(role_title(&role), Some("GP"));
        let practice = Json::of(
            r#"{"name":"Hilltop Surgery","identifier":[{"system":"x","value":"1"},
                {"system":"https://fhir.nhs.uk/Id/ods-site-code","value":"ZZ001A"},
                {"system":"https://fhir.nhs.uk/Id/ods-organization-code","value":"ZZ001"}]}"#,
        );
        assert_eq!(organization_name(&practice), Some("Hilltop Surgery"));
        assert_eq!(ods_code(&practice), Some("ZZ001"));
        assert_eq!(organization_phone(&practice, today), None);
    }
}
