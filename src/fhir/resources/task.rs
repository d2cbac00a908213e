//! The Task by which the GP side can follow a referral, where a source asks for it (`write_task`).
//!
//! In comes plain data about where a leg stands; out go the bytes of one FHIR R4 Task, the same for the same input, or an
//! edit of the one on the server. The reason is one of our fixed sentences; a partner's own words never get here.

use serde::Serialize;
use serde_json::{Value, json};

use super::edit::{Edit, says, set};
use super::elements::{
    ConceptElement, IdentifierElement, LogicalReference, ReferenceElement, TextElement, concept,
    reference,
};
use crate::domain::{LegState, Reason};

/// Statuses of a Task that has ended (R4 task state machine).
const ENDED: [&str; 5] = [
    "completed",
    "rejected",
    "failed",
    "cancelled",
    "entered-in-error",
];

/// Where a leg stands, as a Task says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TaskStatus {
    /// `Task.status`.
    pub(crate) code: &'static str,
    /// A code of our `referral-state`.
    pub(crate) business: &'static str,
    /// Fixed words where the status needs a reason.
    pub(crate) reason: Option<&'static str>,
}

/// What the Task of a leg says (`fhir.md` §2.2); `None` while there is nothing to follow.
pub(crate) fn status_of(
    state: LegState,
    stopping: bool,
    why: Option<Reason>,
) -> Option<TaskStatus> {
    let (status, business, reason) = match state {
        LegState::Received => return None,
        LegState::Held => ("on-hold", "held", Some("The referral waits for a decision")),
        LegState::Routed => ("requested", "routed", None),
        LegState::Sent => ("requested", "sent", None),
        LegState::Delivered => ("requested", "delivered", None),
        LegState::Accepted => ("accepted", "accepted", None),
        LegState::Rejected => (
            "rejected",
            "rejected",
            Some("The partner did not accept the referral"),
        ),
        LegState::InProgress => ("in-progress", "attending", None),
        LegState::OnHold => (
            "on-hold",
            "waiting-list",
            Some("The partner has put the referral on hold"),
        ),
        LegState::Completed => ("completed", "completed", None),
        LegState::ClosedUnsuccessful => (
            "failed",
            "closed-unsuccessful",
            Some("The referral ended without support"),
        ),
        LegState::Cancelled if why == Some(Reason::Consent) => (
            "cancelled",
            "consent-withdrawn",
            Some("Consent was withdrawn"),
        ),
        LegState::Cancelled => (
            "cancelled",
            "cancelled-by-referrer",
            Some("The referral was cancelled"),
        ),
        LegState::Failed => (
            "failed",
            "not-delivered",
            Some("The referral could not be delivered"),
        ),
        LegState::EnteredInError => (
            "entered-in-error",
            "entered-in-error",
            Some("The referral was entered in error"),
        ),
    };
    let business = if stopping && !state.terminal() {
        "cancellation-requested"
    } else {
        business
    };
    Some(TaskStatus {
        code: status,
        business,
        reason,
    })
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
    /// Where the leg stands.
    pub(crate) status: TaskStatus,
    /// When the referral was taken in, RFC 3339 in UTC.
    pub(crate) authored_on: String,
    /// When it came to stand there, RFC 3339 in UTC.
    pub(crate) last_modified: String,
    /// The practice's ODS code.
    pub(crate) requester_ods: String,
    /// System and value of the partner's identifier.
    pub(crate) owner: (String, String),
    /// The partner's name.
    pub(crate) owner_display: String,
    /// References to the Observations that came of it: `Observation/…`, or names within a transaction.
    pub(crate) outputs: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TaskResource<'a> {
    resource_type: &'static str,
    identifier: [IdentifierElement<'a>; 1],
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_reason: Option<TextElement>,
    intent: &'static str,
    code: ConceptElement<'static>,
    business_status: ConceptElement<'static>,
    focus: ReferenceElement,
    r#for: ReferenceElement,
    authored_on: &'a str,
    last_modified: &'a str,
    requester: LogicalReference<'a>,
    owner: LogicalReference<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    output: Vec<TaskOutput>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TaskOutput {
    r#type: TextElement,
    value_reference: ReferenceElement,
}

/// Builds the Task.
///
/// # Source
/// `fhir.md` §2.3 after HL7 SDOHCC: `code` fulfill, `focus` the request, a reason in `statusReason.text` unless completed,
/// results in `output` (typed in words, as no code for them is verified).
pub(crate) fn build(input: &TaskInput) -> Vec<u8> {
    let TaskStatus {
        code: status,
        business,
        reason,
    } = input.status;
    let (owner_system, owner_value) = &input.owner;
    let task = TaskResource {
        resource_type: "Task",
        identifier: [IdentifierElement {
            system: identifier_system(&input.namespace),
            value: &input.identifier,
        }],
        status,
        status_reason: reason.map(|text| TextElement { text }),
        intent: "order",
        code: concept(
            "http://hl7.org/fhir/CodeSystem/task-code".to_owned(),
            "fulfill",
            None,
        ),
        business_status: concept(
            format!("{}/CodeSystem/referral-state", input.namespace),
            business,
            None,
        ),
        focus: reference("ServiceRequest", &input.service_request_id),
        r#for: reference("Patient", &input.patient_id),
        authored_on: &input.authored_on,
        last_modified: &input.last_modified,
        requester: LogicalReference {
            identifier: IdentifierElement {
                system: "https://fhir.nhs.uk/Id/ods-organization-code".to_owned(),
                value: &input.requester_ods,
            },
            display: None,
        },
        owner: LogicalReference {
            identifier: IdentifierElement {
                system: owner_system.clone(),
                value: owner_value,
            },
            display: Some(&input.owner_display),
        },
        output: input
            .outputs
            .iter()
            .map(|name| TaskOutput {
                r#type: TextElement {
                    text: "Resulting activity",
                },
                value_reference: ReferenceElement {
                    reference: name.clone(),
                },
            })
            .collect(),
    };
    serde_json::to_vec(&task).expect("strings are always JSON")
}

/// The Task on the server as it should say now; the same if it says so, or if the practice has ended it otherwise.
pub(crate) fn updated(theirs: &[u8], input: &TaskInput) -> Edit {
    let (Ok(now), Ok(wanted)) = (
        serde_json::from_slice::<Value>(theirs),
        serde_json::from_slice::<Value>(&build(input)),
    ) else {
        return Edit::NotOurs;
    };
    let ours = json!({"resourceType": "Task", "identifier": wanted["identifier"]});
    if !says(&now, &ours) {
        return Edit::NotOurs;
    }
    let status = now["status"].as_str().unwrap_or_default();
    if ENDED.contains(&status) && status != input.status.code {
        return Edit::Same;
    }
    let mut changes = Vec::new();
    for key in ["status", "statusReason", "businessStatus", "output"] {
        match (now.get(key), wanted.get(key)) {
            (Some(now), Some(wanted)) if says(now, wanted) => {}
            (_, Some(wanted)) => changes.push((key, Some(wanted.to_string()))),
            (Some(_), None) if key == "statusReason" => changes.push((key, None)),
            _ => {}
        }
    }
    if changes.is_empty() {
        return Edit::Same;
    }
    changes.push(("lastModified", Some(wanted["lastModified"].to_string())));
    set(theirs, &changes).map_or(Edit::NotOurs, Edit::To)
}

/// The request as `completed`, which only an active one becomes.
pub(crate) fn completed_request(theirs: &[u8], id: &str) -> Edit {
    let Ok(now) = serde_json::from_slice::<Value>(theirs) else {
        return Edit::NotOurs;
    };
    if now["resourceType"] != "ServiceRequest" || now["id"] != id {
        return Edit::NotOurs;
    }
    if now["status"] != "active" {
        return Edit::Same;
    }
    let status = Some("\"completed\"".to_owned());
    set(theirs, &[("status", status)]).map_or(Edit::NotOurs, Edit::To)
}

/// The system of the identifiers of Tasks, for looking them up.
pub(crate) fn identifier_system(namespace: &str) -> String {
    format!("{namespace}/Id/referral-task")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(state: LegState) -> TaskInput {
        TaskInput {
            namespace: "https://kith.example".to_owned(),
            identifier: "9f1c2e64-6f0e-5d7b-9a53-0c8f2f1b7e10".to_owned(),
            service_request_id: "123".to_owned(),
            patient_id: "456".to_owned(),
            status: status_of(state, false, None).unwrap(),
            authored_on: "2026-11-20T09:00:00Z".to_owned(),
            last_modified: "2026-11-22T02:10:00Z".to_owned(),
            requester_ods: "A81001".to_owned(),
            owner: (
                "https://kith.example/Id/partner".to_owned(),
                "elm".to_owned(),
            ),
            owner_display: "Elm Befriending".to_owned(),
            outputs: vec!["Observation/9".to_owned()],
        }
    }

    #[test]
    fn a_completed_task_has_the_shape_of_the_contract() {
        let wanted = r#"{"resourceType":"Task","identifier":[{"system":"https://kith.example/Id/referral-task","value":"9f1c2e64-6f0e-5d7b-9a53-0c8f2f1b7e10"}],"status":"completed","intent":"order","code":{"coding":[{"system":"http://hl7.org/fhir/CodeSystem/task-code","code":"fulfill"}]},"businessStatus":{"coding":[{"system":"https://kith.example/CodeSystem/referral-state","code":"completed"}]},"focus":{"reference":"ServiceRequest/123"},"for":{"reference":"Patient/456"},"authoredOn":"2026-11-20T09:00:00Z","lastModified":"2026-11-22T02:10:00Z","requester":{"identifier":{"system":"https://fhir.nhs.uk/Id/ods-organization-code","value":"A81001"}},"owner":{"identifier":{"system":"https://kith.example/Id/partner","value":"elm"},"display":"Elm Befriending"},"output":[{"type":{"text":"Resulting activity"},"valueReference":{"reference":"Observation/9"}}]}"#;
        let bytes = build(&input(LegState::Completed));
        assert_eq!(String::from_utf8(bytes).unwrap(), wanted);
    }

    #[test]
    fn every_state_is_told_by_the_table() {
        for (state, status, business) in [
            (LegState::Held, "on-hold", "held"),
            (LegState::Sent, "requested", "sent"),
            (LegState::Delivered, "requested", "delivered"),
            (LegState::Accepted, "accepted", "accepted"),
            (LegState::Rejected, "rejected", "rejected"),
            (LegState::InProgress, "in-progress", "attending"),
            (LegState::OnHold, "on-hold", "waiting-list"),
            (
                LegState::ClosedUnsuccessful,
                "failed",
                "closed-unsuccessful",
            ),
            (LegState::Cancelled, "cancelled", "cancelled-by-referrer"),
            (LegState::Failed, "failed", "not-delivered"),
            (
                LegState::EnteredInError,
                "entered-in-error",
                "entered-in-error",
            ),
        ] {
            let value: Value = serde_json::from_slice(&build(&input(state))).unwrap();
            assert_eq!(value["status"], status);
            assert_eq!(value["businessStatus"]["coding"][0]["code"], business);
            let needs = ["rejected", "cancelled", "on-hold", "failed"].contains(&status);
            let reason = value["statusReason"]["text"].as_str().unwrap_or_default();
            assert!(!needs || !reason.is_empty(), "{status}");
        }
        assert_eq!(status_of(LegState::Received, false, None), None);
        let stopping = status_of(LegState::Accepted, true, None).unwrap();
        assert_eq!(
            (stopping.code, stopping.business),
            ("accepted", "cancellation-requested")
        );
        let consent = status_of(LegState::Cancelled, false, Some(Reason::Consent)).unwrap();
        assert_eq!(consent.business, "consent-withdrawn");
    }

    #[test]
    fn a_task_follows_and_is_never_reopened() {
        let accepted = build(&input(LegState::Accepted));
        let text = String::from_utf8(accepted.clone()).unwrap();
        let theirs = text.replace("\"intent\"", "\"x\":1.00,\"intent\"");
        let done = input(LegState::Completed);
        let Edit::To(body) = updated(theirs.as_bytes(), &done) else {
            panic!("it was not changed")
        };
        let text = String::from_utf8(body.clone()).unwrap();
        assert!(text.contains("\"x\":1.00") && text.contains("\"status\":\"completed\""));
        assert_eq!(updated(&body, &done), Edit::Same);
        assert_eq!(updated(&body, &input(LegState::Accepted)), Edit::Same);
        let foreign = theirs.replace("9f1c2e64", "00000000");
        assert_eq!(updated(foreign.as_bytes(), &done), Edit::NotOurs);
        let held = build(&input(LegState::OnHold));
        let Edit::To(body) = updated(&held, &input(LegState::Accepted)) else {
            panic!("it was not changed")
        };
        assert!(!String::from_utf8(body).unwrap().contains("statusReason"));
    }

    #[test]
    fn only_an_active_request_is_completed() {
        let request = r#"{"resourceType":"ServiceRequest","id":"1","status":"active"}"#;
        let done = request.replace("active", "completed").into_bytes();
        assert_eq!(completed_request(request.as_bytes(), "1"), Edit::To(done));
        let revoked = request.replace("active", "revoked");
        assert_eq!(completed_request(revoked.as_bytes(), "1"), Edit::Same);
        assert_eq!(completed_request(request.as_bytes(), "2"), Edit::NotOurs);
    }
}
