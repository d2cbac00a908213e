//! What the sandbox refuses of the types that Kith reads and writes: the checks of a strict server, and only those that
//! catch a mistake of ours.

use serde_json::Value;

use super::dates;
use super::resources::Failure;

const OBSERVATION: &str =
    "registered preliminary final amended corrected cancelled entered-in-error unknown";
const SERVICE_REQUEST: &str = "draft active on-hold revoked completed entered-in-error unknown";
const TASK: &str = "draft requested received accepted rejected ready cancelled in-progress on-hold \
                    failed completed entered-in-error";

/// Checks type, required elements, status, dates and that there is one value at most.
pub(super) fn validate(resource_type: &str, body: &Value) -> Result<(), Failure> {
    let refuse = |text: String| Failure::refuse(400, "invalid", text);
    if body["resourceType"].as_str() != Some(resource_type) {
        return refuse("resourceType is missing or is not the type in the URL".to_owned());
    }
    let (required, statuses): (&[&str], &str) = match resource_type {
        "Observation" => (&["status", "code"], OBSERVATION),
        "ServiceRequest" => (&["status", "intent", "subject"], SERVICE_REQUEST),
        "Task" => (&["status", "intent"], TASK),
        _ => (&[], ""),
    };
    for element in required {
        if body[element].is_null() {
            return refuse(format!("required element {element} is missing"));
        }
    }
    if !statuses.is_empty() {
        let status = body["status"].as_str().unwrap_or_default();
        if !statuses
            .split_ascii_whitespace()
            .any(|known| known == status)
        {
            let text = "status is not a code of its value set";
            return Failure::refuse(400, "code-invalid", text);
        }
    }
    let values = body.as_object().map_or(0, |members| {
        members
            .keys()
            .filter(|key| key.starts_with("value"))
            .count()
    });
    if resource_type == "Observation" && values > 1 {
        return refuse("an Observation has at most one value[x]".to_owned());
    }
    for element in ["effectiveDateTime", "authoredOn", "issued"] {
        let text = body[element].as_str();
        if text.is_some_and(|text| dates::span(text).is_none()) {
            return refuse(format!("{element} is not a FHIR date"));
        }
    }
    Ok(())
}
