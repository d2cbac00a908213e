//! The Task by which the GP side can follow a referral, where a source asks for it (`write_task`).
//!
//! In comes plain data about a leg that has ended; out go the bytes of one FHIR R4 Task, the same for the same input. The
//! reason is one of our fixed sentences; a partner's own words never get here.

use serde::Serialize;

/// How a leg ended, as far as FHIR can tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The partner finished it.
    Completed,
    /// The partner said no.
    Rejected,
    /// The partner ended it without support, and no coded reason says why.
    ClosedUnsuccessful,
}

impl Ended {
    /// Task.status, business status, and the fixed words of the reason where the status needs one (`fhir.md` §2.2).
    fn codes(self) -> (&'static str, &'static str, Option<&'static str>) {
        match self {
            Self::Completed => ("completed", "completed", None),
            Self::Rejected => (
                "rejected",
                "rejected",
                Some("The partner did not accept the referral"),
            ),
            Self::ClosedUnsuccessful => (
                "failed",
                "closed-unsuccessful",
                Some("The referral ended without support"),
            ),
        }
    }
}

/// What a Task is made of. No `Debug`: it holds server ids of a person.
#[derive(Clone)]
pub(crate) struct TaskInput {
    /// The installation's namespace, without a slash at the end.
    pub(crate) namespace: String,
    /// The deterministic `UUIDv5` of the leg.
    pub(crate) identifier: String,
    /// The server's id of the `ServiceRequest`.
    pub(crate) service_request_id: String,
    /// The server's id of the Patient.
    pub(crate) patient_id: String,
    /// How the leg ended.
    pub(crate) ended: Ended,
    /// When the referral was taken in, RFC 3339 in UTC.
    pub(crate) authored_on: String,
    /// When the leg ended, RFC 3339 in UTC.
    pub(crate) last_modified: String,
    /// The practice's ODS code.
    pub(crate) requester_ods: String,
    /// System and value of the partner's identifier.
    pub(crate) owner: (String, String),
    /// The partner's name.
    pub(crate) owner_display: String,
    /// The server's ids of the Observations that came of it.
    pub(crate) observation_ids: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Task<'a> {
    resource_type: &'static str,
    identifier: [Identifier<'a>; 1],
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_reason: Option<Text>,
    intent: &'static str,
    code: Concept,
    business_status: Concept,
    focus: Reference,
    r#for: Reference,
    authored_on: &'a str,
    last_modified: &'a str,
    requester: Logical<'a>,
    owner: Logical<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    output: Vec<Output>,
}

#[derive(Serialize)]
struct Identifier<'a> {
    system: String,
    value: &'a str,
}

#[derive(Serialize)]
struct Text {
    text: &'static str,
}

#[derive(Serialize)]
struct Concept {
    coding: [Coding; 1],
}

#[derive(Serialize)]
struct Coding {
    system: String,
    code: &'static str,
}

#[derive(Serialize)]
struct Reference {
    reference: String,
}

#[derive(Serialize)]
struct Logical<'a> {
    identifier: Identifier<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    display: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Output {
    r#type: Text,
    value_reference: Reference,
}

/// Builds the Task.
///
/// # Source
/// `fhir.md` §2.3 after HL7 SDOHCC: `code` fulfill, `focus` the request, a reason in `statusReason.text` unless completed,
/// results in `output` (typed in words, as no code for them is verified).
pub(crate) fn build(input: &TaskInput) -> Vec<u8> {
    let (status, business_status, reason) = input.ended.codes();
    let concept = |system: String, code| Concept {
        coding: [Coding { system, code }],
    };
    let reference = |resource_type: &str, id: &str| Reference {
        reference: format!("{resource_type}/{id}"),
    };
    let (owner_system, owner_value) = &input.owner;
    let task = Task {
        resource_type: "Task",
        identifier: [Identifier {
            system: identifier_system(&input.namespace),
            value: &input.identifier,
        }],
        status,
        status_reason: reason.map(|text| Text { text }),
        intent: "order",
        code: concept(
            "http://hl7.org/fhir/CodeSystem/task-code".to_owned(),
            "fulfill",
        ),
        business_status: concept(
            format!("{}/CodeSystem/referral-state", input.namespace),
            business_status,
        ),
        focus: reference("ServiceRequest", &input.service_request_id),
        r#for: reference("Patient", &input.patient_id),
        authored_on: &input.authored_on,
        last_modified: &input.last_modified,
        requester: Logical {
            identifier: Identifier {
                system: "https://fhir.nhs.uk/Id/ods-organization-code".to_owned(),
                value: &input.requester_ods,
            },
            display: None,
        },
        owner: Logical {
            identifier: Identifier {
                system: owner_system.clone(),
                value: owner_value,
            },
            display: Some(&input.owner_display),
        },
        output: input
            .observation_ids
            .iter()
            .map(|id| Output {
                r#type: Text {
                    text: "Resulting activity",
                },
                value_reference: reference("Observation", id),
            })
            .collect(),
    };
    serde_json::to_vec(&task).expect("strings are always JSON")
}

/// The system of the identifiers of Tasks, for looking them up.
pub(crate) fn identifier_system(namespace: &str) -> String {
    format!("{namespace}/Id/referral-task")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(ended: Ended) -> TaskInput {
        TaskInput {
            namespace: "https://kith.example".to_owned(),
            identifier: "9f1c2e64-6f0e-5d7b-9a53-0c8f2f1b7e10".to_owned(),
            service_request_id: "123".to_owned(),
            patient_id: "456".to_owned(),
            ended,
            authored_on: "2026-11-20T09:00:00Z".to_owned(),
            last_modified: "2026-11-22T02:10:00Z".to_owned(),
            requester_ods: "A81001".to_owned(),
            owner: (
                "https://kith.example/Id/partner".to_owned(),
                "elm".to_owned(),
            ),
            owner_display: "Elm Befriending".to_owned(),
            observation_ids: vec!["9".to_owned()],
        }
    }

    #[test]
    fn a_completed_task_has_the_shape_of_the_contract() {
        let wanted = r#"{"resourceType":"Task","identifier":[{"system":"https://kith.example/Id/referral-task","value":"9f1c2e64-6f0e-5d7b-9a53-0c8f2f1b7e10"}],"status":"completed","intent":"order","code":{"coding":[{"system":"http://hl7.org/fhir/CodeSystem/task-code","code":"fulfill"}]},"businessStatus":{"coding":[{"system":"https://kith.example/CodeSystem/referral-state","code":"completed"}]},"focus":{"reference":"ServiceRequest/123"},"for":{"reference":"Patient/456"},"authoredOn":"2026-11-20T09:00:00Z","lastModified":"2026-11-22T02:10:00Z","requester":{"identifier":{"system":"https://fhir.nhs.uk/Id/ods-organization-code","value":"A81001"}},"owner":{"identifier":{"system":"https://kith.example/Id/partner","value":"elm"},"display":"Elm Befriending"},"output":[{"type":{"text":"Resulting activity"},"valueReference":{"reference":"Observation/9"}}]}"#;
        let bytes = build(&input(Ended::Completed));
        assert_eq!(String::from_utf8(bytes).unwrap(), wanted);
    }

    #[test]
    fn every_other_ending_has_its_reason() {
        for (ended, status, business) in [
            (Ended::Rejected, "rejected", "rejected"),
            (Ended::ClosedUnsuccessful, "failed", "closed-unsuccessful"),
        ] {
            let value: serde_json::Value = serde_json::from_slice(&build(&input(ended))).unwrap();
            assert_eq!(value["status"], status);
            assert_eq!(value["businessStatus"]["coding"][0]["code"], business);
            assert!(
                value["statusReason"]["text"]
                    .as_str()
                    .is_some_and(|text| !text.is_empty())
            );
        }
    }
}
