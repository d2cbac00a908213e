//! The one answer to whether a person may be acted for: death, labels, a record that moved or was replaced.
//!
//! In: the records of a referral. Out: what they say against acting. Keeps: select, review, change and push ask here and
//! nowhere else, so that what stops a row stops a write; what cannot be read is taken for the safer answer.

use super::SourceRules;
use crate::domain::Reason;
use crate::fhir::resources::patient;
use crate::json::Json;
use crate::partner::ReferralView;

/// What the records of a referral say against acting for the person.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each may be so beside the others"
)]
pub(crate) struct Safety {
    pub(crate) died: bool,
    /// The person's record or the request bears a label that the source holds back.
    pub(crate) restricted: bool,
    /// Another record took the place of the person's.
    pub(crate) replaced: bool,
    /// The practice no longer keeps the person's record.
    pub(crate) moved: bool,
}

impl Safety {
    /// What these records say; of a person who is not found only the request's labels are known.
    pub(crate) fn of(person: Option<&Json<'_>>, request: &Json<'_>, labels: &[String]) -> Self {
        let labelled = |resource: &Json<'_>| {
            let found = patient::security_labels(resource);
            found.iter().any(|(_, code)| {
                labels
                    .iter()
                    .any(|listed| listed.eq_ignore_ascii_case(code))
            })
        };
        Self {
            died: person.is_some_and(patient::deceased),
            restricted: labelled(request) || person.is_some_and(labelled),
            replaced: person.is_some_and(patient::is_replaced),
            moved: person.is_some_and(|person| !patient::active(person)),
        }
    }

    /// The same of a referral as a partner file sees it.
    pub(crate) fn of_view(view: &ReferralView<'_>, source: &SourceRules<'_>) -> Self {
        Self::of(view.patient, view.request, source.restricted_labels)
    }

    /// Why nothing may be written about the person.
    pub(crate) fn against_writing(self) -> Option<Reason> {
        [
            (self.died, Reason::Died),
            (self.restricted, Reason::Restricted),
            (self.replaced, Reason::IdentityChanged),
            (self.moved, Reason::MovedPractice),
        ]
        .into_iter()
        .find_map(|(holds, reason)| holds.then_some(reason))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(person: &str, request: &str) -> Safety {
        let labels = ["R".to_owned()];
        Safety::of(Some(&Json::of(person)), &Json::of(request), &labels)
    }

    #[test]
    fn what_cannot_be_read_is_taken_for_the_safer_answer() {
        let quiet = Safety::default();
        for (person, wanted) in [
            ("{}", quiet),
            (r#"{"active":true,"deceasedBoolean":false}"#, quiet),
            (r#"{"active":null}"#, quiet),
            (
                r#"{"active":false}"#,
                Safety {
                    moved: true,
                    ..quiet
                },
            ),
            (
                r#"{"active":"false"}"#,
                Safety {
                    moved: true,
                    ..quiet
                },
            ),
            (
                r#"{"active":"true"}"#,
                Safety {
                    moved: true,
                    ..quiet
                },
            ),
            (
                r#"{"deceasedBoolean":"false"}"#,
                Safety {
                    died: true,
                    ..quiet
                },
            ),
            (
                r#"{"deceasedDateTime":"2026"}"#,
                Safety {
                    died: true,
                    ..quiet
                },
            ),
            (
                r#"{"link":[{"type":"replaced-by"}]}"#,
                Safety {
                    replaced: true,
                    ..quiet
                },
            ),
            (r#"{"link":[{"type":"seealso"}]}"#, quiet),
            (
                r#"{"meta":{"security":[{"code":"R"}]}}"#,
                Safety {
                    restricted: true,
                    ..quiet
                },
            ),
            (r#"{"meta":{"security":[{"code":"N"}]}}"#, quiet),
        ] {
            assert_eq!(of(person, "{}"), wanted, "{person}");
        }
    }

    #[test]
    fn a_label_on_the_request_restricts_as_one_on_the_person_does() {
        let labelled = r#"{"meta":{"security":[{"code":"R"}]}}"#;
        assert!(of("{}", labelled).restricted);
        let labels = ["R".to_owned()];
        assert!(Safety::of(None, &Json::of(labelled), &labels).restricted);
        assert_eq!(
            of("{}", labelled).against_writing(),
            Some(Reason::Restricted)
        );
    }
}
