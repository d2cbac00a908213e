//! Correcting an Observation that we wrote: amended, or entered in error.
//!
//! In come the server's own text and what it should say; out goes an edit of that text. Only an Observation with our
//! identifier about the same person is touched, and of it only what differs: what a practice has added stays.

use serde_json::{Value, json};

use super::edit::{Edit, says, set};

/// What shows that an Observation is the one we wrote.
pub(crate) struct WrittenObservation<'a> {
    pub(crate) system: &'a str,
    pub(crate) value: &'a str,
    /// The server's id of the person.
    pub(crate) patient: &'a str,
}

/// Elements that an event decides; every other one is written once or belongs to the server.
const CONTENT: [&str; 6] = [
    "code",
    "valueCodeableConcept",
    "valueQuantity",
    "component",
    "effectiveDateTime",
    "effectivePeriod",
];

impl WrittenObservation<'_> {
    fn is(&self, theirs: &Value) -> bool {
        let identified = says(
            theirs,
            &json!({"resourceType": "Observation", "identifier": [{"system": self.system, "value": self.value}]}),
        );
        let about = theirs["subject"]["reference"].as_str().unwrap_or_default();
        let mut from_the_end = about
            .split("/_history/")
            .next()
            .unwrap_or_default()
            .rsplit('/');
        identified
            && from_the_end.next() == Some(self.patient)
            && from_the_end.next() == Some("Patient")
    }

    /// The Observation with the content of `ours`, and `amended`; the same if it says so already.
    pub(crate) fn amended(&self, theirs: &[u8], ours: &[u8]) -> Edit {
        let (Ok(now), Ok(wanted)) = (
            serde_json::from_slice::<Value>(theirs),
            serde_json::from_slice::<Value>(ours),
        ) else {
            return Edit::NotOurs;
        };
        if !self.is(&now) {
            return Edit::NotOurs;
        }
        let mut changes = Vec::new();
        for key in CONTENT {
            match wanted.get(key) {
                Some(value) if !now.get(key).is_some_and(|now| says(now, value)) => {
                    changes.push((key, Some(value.to_string())));
                }
                _ => {}
            }
        }
        let gone = matches!(
            now["status"].as_str(),
            Some("entered-in-error" | "cancelled")
        );
        if changes.is_empty() && !gone {
            return Edit::Same;
        }
        changes.push(("status", Some("\"amended\"".to_owned())));
        if let Some(issued) = wanted.get("issued") {
            changes.push(("issued", Some(issued.to_string())));
        }
        set(theirs, &changes).map_or(Edit::NotOurs, Edit::To)
    }

    /// The Observation as `entered-in-error`; the same if it is that already.
    pub(crate) fn withdrawn(&self, theirs: &[u8]) -> Edit {
        let Ok(now) = serde_json::from_slice::<Value>(theirs) else {
            return Edit::NotOurs;
        };
        if !self.is(&now) {
            return Edit::NotOurs;
        }
        if now["status"] == "entered-in-error" {
            return Edit::Same;
        }
        let status = Some("\"entered-in-error\"".to_owned());
        set(theirs, &[("status", status)]).map_or(Edit::NotOurs, Edit::To)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: WrittenObservation<'_> = WrittenObservation {
        system: "urn:s",
        value: "v",
        patient: "p",
    };
    const THEIRS: &str = r#"{"resourceType":"Observation","id":"1","identifier":[{"system":"urn:s","value":"v"}],"status":"final","subject":{"reference":"http://h/fhir/Patient/p"},"valueCodeableConcept":{"coding":[{"code":"attended"},{"code":"9"}]},"x":{"value":1.00}}"#;

    fn wanted(code: &str) -> String {
        format!(
            r#"{{"status":"final","issued":"2026","valueCodeableConcept":{{"coding":[{{"code":"{code}"}}]}}}}"#
        )
    }

    #[test]
    fn only_what_differs_is_changed() {
        let Edit::To(body) = OURS.amended(THEIRS.as_bytes(), wanted("did-not-attend").as_bytes())
        else {
            panic!("nothing was changed")
        };
        let text = String::from_utf8(body).unwrap();
        assert_eq!(
            text,
            THEIRS
                .replace("final", "amended")
                .replace(
                    r#"{"code":"attended"},{"code":"9"}"#,
                    r#"{"code":"did-not-attend"}"#
                )
                .replace("1.00}}", r#"1.00},"issued":"2026"}"#)
        );
        assert_eq!(
            OURS.amended(THEIRS.as_bytes(), wanted("attended").as_bytes()),
            Edit::Same
        );
        let withdrawn = THEIRS.replace("final", "entered-in-error");
        assert_eq!(
            OURS.withdrawn(THEIRS.as_bytes()),
            Edit::To(withdrawn.clone().into_bytes())
        );
        assert_eq!(OURS.withdrawn(withdrawn.as_bytes()), Edit::Same);
        // Told again after it was withdrawn: it stands again, as amended.
        assert!(matches!(
            OURS.amended(withdrawn.as_bytes(), wanted("attended").as_bytes()),
            Edit::To(_)
        ));
    }

    #[test]
    fn what_is_not_ours_is_left_alone() {
        for theirs in [
            THEIRS.replace("Patient/p", "Patient/q"),
            THEIRS.replace("Patient/p", "Group/p"),
            THEIRS.replace("urn:s", "urn:t"),
            "<html>".to_owned(),
        ] {
            let edit = OURS.amended(theirs.as_bytes(), wanted("x").as_bytes());
            assert_eq!(edit, Edit::NotOurs);
            assert_eq!(OURS.withdrawn(theirs.as_bytes()), Edit::NotOurs);
        }
    }
}
