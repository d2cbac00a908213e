//! Whom a performer names by reference, on a server.

use serde_json::json;

use super::test_server::{Odd, none, page, patient, request};
use crate::fhir::resources::service_request::performer_identifiers;
use crate::json::Arena;

#[tokio::test]
async fn performers_by_reference_are_fetched_and_named() {
    let asked = |id: &str, performer: &str| {
        let mut request = request(id, &json!({"reference": "Patient/p"}));
        request["performer"] = json!([{"reference": performer}]);
        request
    };
    let bearing = |kind: &str, id: &str| json!({"resourceType": kind, "id": id, "identifier": [{"system": "s", "value": format!("of-{id}")}]});
    let server = Odd::new(move |line| match line {
        _ if line.contains("metadata") => none(),
        _ if line.contains("ServiceRequest") => page(
            &[
                asked("a", "Organization/o"),
                asked("b", "BASE/HealthcareService/h"),
                asked("c", "PractitionerRole/w"),
                asked("d", "Organization/gone"),
                asked("e", "http://elsewhere/fhir/Organization/o"),
                patient("p"),
            ],
            None,
        ),
        _ if line.contains("Organization/o") => (200, bearing("Organization", "o")),
        _ if line.contains("HealthcareService/h") => (200, bearing("HealthcareService", "h")),
        _ if line.contains("PractitionerRole/w") => (
            200,
            json!({"resourceType": "PractitionerRole", "id": "w",
                "organization": {"reference": "Organization/o"},
                "healthcareService": [{"reference": "HealthcareService/h"}]}),
        ),
        _ => none(),
    })
    .await;
    let pulled = server.pull(|_| ()).await;
    let named: Vec<String> = pulled
        .referrals
        .iter()
        .map(|referral| {
            let arena = Arena::default();
            let trees = referral.trees(&arena).unwrap();
            let found = performer_identifiers(&trees.request, trees.performers());
            let values: Vec<&str> = found.iter().map(|(_, value)| *value).collect();
            values.join(" ")
        })
        .collect();
    assert_eq!(named, ["of-o", "of-h", "of-o of-h", "", ""]);
    assert_eq!(
        pulled.evidence.verdict(),
        "complete except 1 unresolved references"
    );
    assert_eq!(pulled.evidence.unresolved_by_kind["Organization"], 1);
}
