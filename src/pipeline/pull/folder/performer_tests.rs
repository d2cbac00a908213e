//! Whom a performer names by reference, in the forms in which a folder holds it.

use super::*;
use crate::fhir::resources::service_request::performer_identifiers;

const ORGANIZATION: &str =
    r#"{"resourceType":"Organization","id":"1","identifier":[{"system":"s","value":"org"}]}"#;
const SERVICE: &str = r#"{"resourceType":"HealthcareService","id":"1","identifier":[{"system":"s","value":"service"}]}"#;

fn request(reference: &str) -> String {
    format!(
        r#"{{"resourceType":"ServiceRequest","id":"a","subject":{{"reference":"Patient/1"}},"performer":[{{"reference":"{reference}"}}]}}"#
    )
}

fn bundle(entries: &[(&str, &str)]) -> String {
    let entries: Vec<String> = entries
        .iter()
        .map(|(url, resource)| format!(r#"{{"fullUrl":"{url}","resource":{resource}}}"#))
        .collect();
    let entries = entries.join(",");
    format!(r#"{{"resourceType":"Bundle","type":"collection","entry":[{entries}]}}"#)
}

/// The values of the identifiers that the performers of the only referral name, and whether it is in doubt.
fn named(files: &[(&str, String)]) -> (Vec<String>, bool) {
    let home = tempfile::tempdir().unwrap();
    let input = home.path().join("in");
    for (name, text) in files {
        let path = input.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let folder = Folder::open(&input, &home.path().join("tmp"), &Limits::default()).unwrap();
    let referral = folder.referral(0).unwrap();
    let arena = Arena::default();
    let trees = referral.trees(&arena).unwrap();
    let found = performer_identifiers(&trees.request, trees.performers());
    let values = found.iter().map(|(_, value)| (*value).to_owned()).collect();
    (values, referral.ids.doubt != Doubt::None)
}

#[test]
fn a_performer_by_reference_is_found_where_its_name_holds() {
    let role = r#"{"resourceType":"PractitionerRole","id":"1","organization":{"reference":"Organization/1"},"healthcareService":[{"reference":"HealthcareService/1"}]}"#;
    let urn = |of: &str| format!("urn:uuid:0000000{of}-0000-4000-8000-000000000000");
    let role_by_urn = format!(
        r#"{{"resourceType":"PractitionerRole","organization":{{"reference":"{}"}}}}"#,
        urn("2")
    );
    let of = |name: &'static str, lines: &[&str]| (name, lines.join("\n"));
    let lines = |reference: &str, others: &[&str]| {
        let request = request(reference);
        let all: Vec<&str> = std::iter::once(&*request)
            .chain(others.iter().copied())
            .collect();
        named(&[of("a.ndjson", &all)])
    };
    let found = |values: &[&str]| (values.iter().map(|one| (*one).to_owned()).collect(), false);
    assert_eq!(lines("Organization/1", &[ORGANIZATION]), found(&["org"]));
    assert_eq!(
        lines("HealthcareService/1", &[SERVICE]),
        found(&["service"])
    );
    assert_eq!(
        lines("PractitionerRole/1", &[role, ORGANIZATION, SERVICE]),
        found(&["org", "service"])
    );
    assert_eq!(lines("Organization/2", &[ORGANIZATION]), found(&[]));
    assert_eq!(
        lines("Organization/1/_history/1", &[ORGANIZATION]),
        found(&["org"])
    );
    // A line of another file of the same practice, and not of another practice.
    let apart = |name: &'static str| {
        named(&[
            of("practice-1/a.ndjson", &[&request("Organization/1")]),
            of(name, &[ORGANIZATION]),
        ])
    };
    assert_eq!(apart("practice-1/b.ndjson"), found(&["org"]));
    assert_eq!(apart("practice-2/b.ndjson"), (Vec::new(), true));
    // Entries of a Bundle, by what only the Bundle calls them.
    let whole = bundle(&[(&urn("1"), &request(&urn("2"))), (&urn("2"), ORGANIZATION)]);
    assert_eq!(named(&[("a.json", whole)]), found(&["org"]));
    let by_role = bundle(&[
        (&urn("1"), &request(&urn("3"))),
        (&urn("2"), ORGANIZATION),
        (&urn("3"), &role_by_urn),
    ]);
    assert_eq!(named(&[("a.json", by_role)]), found(&["org"]));
}
