//! Before anything is written: is the person still the one that the referral was about, alive and here?
//!
//! In: units about to be sent, the labels that restrict, whether addresses may be on another host, and Patient and `ServiceRequest` as the server has them now, read many at a time. Out: the
//! units that may go, and the reason of each other one. Keeps: in doubt nothing is written, and the practice is asked.

use std::collections::HashMap;

use super::Unit;
use jiff::civil::Date;

use crate::domain::Reason;
use crate::fhir::client::{Client, ClientError};
use crate::fhir::resources::bundle::Head;
use crate::fhir::resources::{patient, service_request};
use crate::json::{Arena, Json};
use crate::pipeline::select::Safety;

/// What a server has now of those that units are about.
struct Now {
    patients: HashMap<String, Result<Vec<u8>, ClientError>>,
    requests: HashMap<String, Result<Vec<u8>, ClientError>>,
}

/// Parts units into those that may go, and those that may not, with the reason.
///
/// # Errors
/// The server cannot be read: nothing may go.
pub(super) async fn part(
    client: &Client,
    (restricted, rebase): (&[String], bool),
    today: Date,
    units: Vec<Unit>,
) -> Result<(Vec<Unit>, Vec<(Unit, Reason)>), ClientError> {
    let now = read(client, &units, rebase).await?;
    let (mut free, mut held) = (Vec::with_capacity(units.len()), Vec::new());
    for unit in units {
        let arena = Arena::default();
        let person = now.patients.get(&unit.about.patient);
        let request = now.requests.get(&unit.about.service_request);
        let objection = match (person, request) {
            (Some(Err(_)), _) | (_, Some(Err(_))) => Some(Reason::NotReRead),
            // Parts of it are missing: perhaps just the one that speaks against writing.
            (Some(Ok(person)), Some(Ok(request))) if is_part(person) || is_part(request) => {
                Some(Reason::NotReRead)
            }
            (Some(Ok(person)), Some(Ok(request))) => {
                match (Json::parse(person, &arena), Json::parse(request, &arena)) {
                    (Ok(person), Ok(request)) => {
                        let number = unit.about.nhs_number.as_deref();
                        objection(&person, &request, number, restricted, today)
                    }
                    _ => Some(Reason::Unreadable),
                }
            }
            _ => Some(Reason::SourceGone),
        };
        match objection {
            None => free.push(unit),
            Some(reason) => held.push((unit, reason)),
        }
    }
    Ok((free, held))
}

fn is_part(resource: &[u8]) -> bool {
    Head::of(resource).subsetted()
}

async fn read(client: &Client, units: &[Unit], rebase: bool) -> Result<Now, ClientError> {
    let distinct = |id: fn(&Unit) -> &str| {
        let mut ids: Vec<&str> = units.iter().map(id).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    };
    let patients = distinct(|unit| &unit.about.patient);
    let requests = distinct(|unit| &unit.about.service_request);
    let (patients, requests) = tokio::join!(
        client.read_all("Patient", &patients, rebase),
        client.read_all("ServiceRequest", &requests, rebase)
    );
    Ok(Now {
        patients: patients?,
        requests: requests?,
    })
}

/// Why nothing may be written about this person now.
fn objection(
    person: &Json<'_>,
    request: &Json<'_>,
    number: Option<&str>,
    restricted: &[String],
    today: Date,
) -> Option<Reason> {
    if service_request::status(request) == Some("entered-in-error") {
        return Some(Reason::EnteredInError);
    }
    let safety = Safety::of(Some(person), request, restricted);
    safety.against_writing().or_else(|| {
        let other = number
            .is_some_and(|number| patient::nhs_number(person, today).as_deref() != Some(number));
        other.then_some(Reason::IdentityChanged)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TODAY: Date = Date::constant(2026, 11, 23);

    fn check(person: &str, status: &str, wanted: Option<Reason>) {
        check_labelled(person, status, "", wanted);
    }

    fn check_labelled(person: &str, status: &str, label: &str, wanted: Option<Reason>) {
        let person = format!(
            r#"{{"resourceType":"Patient","identifier":[{{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9990000018"}}]{person}}}"#
        );
        let request = format!(r#"{{"resourceType":"ServiceRequest","status":"{status}"{label}}}"#);
        let (person, request) = (Json::of(&person), Json::of(&request));
        let restricted = ["R".to_owned()];
        let found = objection(&person, &request, Some("9990000018"), &restricted, TODAY);
        assert_eq!(found, wanted);
    }

    #[test]
    fn nothing_is_written_where_the_person_is_in_doubt() {
        check("", "active", None);
        check(r#","deceasedBoolean":false,"active":true"#, "on-hold", None);
        check("", "revoked", None);
        check("", "entered-in-error", Some(Reason::EnteredInError));
        check(
            r#","deceasedDateTime":"2026""#,
            "active",
            Some(Reason::Died),
        );
        check(
            r#","meta":{"security":[{"code":"R"}]}"#,
            "active",
            Some(Reason::Restricted),
        );
        // In doubt nothing is written: whatever is neither absent nor true is not active.
        for active in ["false", r#""false""#, "0"] {
            let person = format!(r#","active":{active}"#);
            check(&person, "active", Some(Reason::MovedPractice));
        }
        check(r#","active":null"#, "active", None);
        check_labelled(
            "",
            "active",
            r#","meta":{"security":[{"code":"R"}]}"#,
            Some(Reason::Restricted),
        );
        check(
            r#","active":false,"link":[{"type":"replaced-by","other":{"reference":"Patient/2"}}]"#,
            "active",
            Some(Reason::IdentityChanged),
        );
    }

    #[test]
    fn another_number_is_another_person() {
        let request = Json::of(r#"{"resourceType":"ServiceRequest","status":"active"}"#);
        let bare = Json::of("{\"resourceType\":\"Patient\"}");
        assert_eq!(
            objection(&bare, &request, Some("9990000018"), &[], TODAY),
            Some(Reason::IdentityChanged)
        );
        assert_eq!(objection(&bare, &request, None, &[], TODAY), None);
    }
}
