//! The Observations that Kith writes into a GP record: one attendance, one change of state, or one questionnaire.
//!
//! In comes plain data, coded and worded by our catalogue; out go the bytes of one FHIR R4 Observation, the same for the
//! same input. The referral code never stands in an Observation: a practice's searches would count it as a new referral.
//! No free text of a partner gets here: the types have no place for it.

use serde::Serialize;

use super::elements::{
    CodingElement, ConceptElement, IdentifierElement, LogicalReference, ReferenceElement,
    TextElement, coding, concept, reference,
};

/// SNOMED CT, referral to social prescribing service: says that somebody was referred, so never what came of it.
const REFERRAL_CODE: &str = "871731000000106";
const PROFILE: &str = "https://fhir.hl7.org.uk/StructureDefinition/UKCore-Observation";
const CATEGORY: &str = "http://terminology.hl7.org/CodeSystem/observation-category";
const ABSENT: &str = "http://terminology.hl7.org/CodeSystem/data-absent-reason";
const NOTE: &str = "Reported by partner; not clinically verified.";
/// Items of a questionnaire.
const ITEMS_MAX: usize = 200;

/// Why an Observation was not built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ObservationError {
    /// The referral code was in it.
    #[error("an Observation would carry the referral code")]
    ReferralCode,
    /// A questionnaire without items, or with too many.
    #[error("a questionnaire has no item, or more than {ITEMS_MAX}")]
    Items,
    /// Something that must be there is empty.
    #[error("an Observation would lack its {0}")]
    Empty(&'static str),
}

/// Who reported it, as a logical reference.
#[derive(Clone)]
pub(crate) struct Performer {
    /// The system of the identifier: ODS, charity number, or our own partner ids.
    pub(crate) system: String,
    /// The identifier.
    pub(crate) value: String,
    /// The partner's name.
    pub(crate) display: String,
}

/// What an Observation is made of. No `Debug`: it holds server ids and outcomes of a person.
#[derive(Clone)]
pub(crate) struct ObservationInput {
    /// The installation's namespace, without a slash at the end.
    pub(crate) namespace: String,
    /// The deterministic `UUIDv5` of the event.
    pub(crate) identifier: String,
    /// The server's id of the `ServiceRequest`.
    pub(crate) service_request_id: String,
    /// The server's id of the Patient.
    pub(crate) patient_id: String,
    /// `final`, `amended` or `entered-in-error`.
    pub(crate) status: &'static str,
    /// The date of the event as given, precision kept.
    pub(crate) effective: String,
    /// When it was built, RFC 3339 in UTC.
    pub(crate) issued: String,
    /// `meta.source`: the batch it came with.
    pub(crate) source: String,
    /// The partner.
    pub(crate) performer: Performer,
    /// What happened.
    pub(crate) kind: ObservationKind,
}

/// What an Observation says. Every text is ours, from the catalogue.
#[derive(Clone)]
pub(crate) enum ObservationKind {
    /// Somebody came, or did not.
    Attendance {
        /// Names the activity, such as "befriending visit".
        activity_text: String,
        /// `attended`, `did-not-attend`, ….
        code: String,
        /// The words for the code.
        text: String,
    },
    /// The leg's state changed.
    Status {
        /// A leg state of the contract, such as `accepted`.
        state: String,
        /// The words for the state.
        text: String,
    },
    /// How often somebody came in a period that begins on the effective date, or did not.
    Count {
        /// Came; else was missed.
        attended: bool,
        /// Names the activity.
        activity_text: String,
        /// The last day of the period.
        last_day: String,
        /// How often.
        count: i64,
    },
    /// A questionnaire was answered.
    Measure {
        /// The instrument's id in the catalogue, such as `ons4`.
        instrument: String,
        /// Its title.
        title: String,
        /// `baseline`, `follow-up`, ….
        occasion: String,
        /// Its items, in the catalogue's order.
        items: Vec<QuestionItem>,
    },
}

/// One item of a questionnaire.
#[derive(Clone)]
pub(crate) struct QuestionItem {
    /// The item's id, such as `ons4-anxiety`.
    pub(crate) id: String,
    /// Its title.
    pub(crate) title: String,
    /// What was answered.
    pub(crate) answer: ItemAnswer,
}

/// The answer to an item.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum ItemAnswer {
    /// A score.
    Score(i64),
    /// Nothing was given, and nobody said why: an empty cell is not a refusal.
    NotKnown,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Observation<'a> {
    resource_type: &'static str,
    meta: ObservationMeta<'a>,
    identifier: [IdentifierElement<'a>; 1],
    based_on: [ReferenceElement; 1],
    status: &'static str,
    category: [ConceptElement<'a>; 1],
    code: ConceptElement<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value_codeable_concept: Option<ConceptElement<'a>>,
    subject: ReferenceElement,
    #[serde(skip_serializing_if = "Option::is_none")]
    value_quantity: Option<QuantityElement>,
    #[serde(skip_serializing_if = "Option::is_none")]
    effective_date_time: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    effective_period: Option<PeriodElement<'a>>,
    issued: &'a str,
    performer: [LogicalReference<'a>; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<[TextElement; 1]>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    component: Vec<ComponentElement<'a>>,
}

#[derive(Serialize)]
struct ObservationMeta<'a> {
    profile: [&'static str; 1],
    source: &'a str,
    tag: [CodingElement<'a>; 1],
}

#[derive(Serialize)]
struct QuantityElement {
    value: i64,
    unit: &'static str,
    system: &'static str,
    code: &'static str,
}

#[derive(Serialize)]
struct PeriodElement<'a> {
    start: &'a str,
    end: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ComponentElement<'a> {
    code: ConceptElement<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value_integer: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_absent_reason: Option<ConceptElement<'a>>,
}

/// Builds the Observation.
///
/// # Errors
/// When the referral code would be in it, an item list is empty or too long, or something required is empty.
///
/// # Source
/// `fhir.md` §8.1 and §8.3: FHIR R4 Observation, UK Core Observation 2.5.0; attendance as Observation after HL7 `BSeR`.
pub(crate) fn build(input: &ObservationInput) -> Result<Vec<u8>, ObservationError> {
    check(input)?;
    let Content {
        category,
        code,
        value,
        quantity,
        component,
    } = content(input)?;
    let last_day = match &input.kind {
        ObservationKind::Count { last_day, .. } => Some(last_day.as_str()),
        _ => None,
    };
    let observation = Observation {
        resource_type: "Observation",
        meta: ObservationMeta {
            profile: [PROFILE],
            source: &input.source,
            tag: [coding(
                format!("{}/CodeSystem/origin", input.namespace),
                "vcse-return",
            )],
        },
        identifier: [IdentifierElement {
            system: identifier_system(&input.namespace),
            value: &input.identifier,
        }],
        based_on: [reference("ServiceRequest", &input.service_request_id)],
        status: input.status,
        category: [concept(CATEGORY.to_owned(), category, None)],
        code,
        note: component.is_empty().then_some([TextElement { text: NOTE }]),
        value_codeable_concept: value,
        value_quantity: quantity,
        subject: reference("Patient", &input.patient_id),
        effective_date_time: last_day.is_none().then_some(&*input.effective),
        effective_period: last_day.map(|end| PeriodElement {
            start: &input.effective,
            end,
        }),
        issued: &input.issued,
        performer: [LogicalReference {
            identifier: IdentifierElement {
                system: input.performer.system.clone(),
                value: &input.performer.value,
            },
            display: Some(&input.performer.display),
        }],
        component,
    };
    let bytes = serde_json::to_vec(&observation).expect("strings and integers are always JSON");
    let referral = REFERRAL_CODE.as_bytes();
    if bytes
        .windows(referral.len())
        .any(|window| window == referral)
    {
        return Err(ObservationError::ReferralCode);
    }
    Ok(bytes)
}

fn check(input: &ObservationInput) -> Result<(), ObservationError> {
    for (value, what) in [
        (&input.identifier, "identifier"),
        (&input.service_request_id, "basedOn"),
        (&input.patient_id, "subject"),
        (&input.effective, "effective date"),
        (&input.issued, "issued"),
        (&input.performer.value, "performer"),
    ] {
        if value.is_empty() {
            return Err(ObservationError::Empty(what));
        }
    }
    Ok(())
}

/// What differs between the kinds.
struct Content<'a> {
    category: &'static str,
    code: ConceptElement<'a>,
    value: Option<ConceptElement<'a>>,
    quantity: Option<QuantityElement>,
    component: Vec<ComponentElement<'a>>,
}

fn content(input: &ObservationInput) -> Result<Content<'_>, ObservationError> {
    let system = |name: &str| format!("{}/CodeSystem/{name}", input.namespace);
    let mut component = Vec::new();
    let (category, code, value) = match &input.kind {
        ObservationKind::Count {
            attended,
            activity_text,
            count,
            ..
        } => return Ok(counted(*attended, activity_text, *count)),
        ObservationKind::Attendance {
            activity_text,
            code,
            text,
        } => (
            "social-history",
            concept(
                system("attendance"),
                "attendance",
                Some(format!("Attendance: {activity_text}")),
            ),
            Some(concept(system("attendance"), code, Some(text.clone()))),
        ),
        ObservationKind::Status { state, text } => (
            "social-history",
            concept(
                system("referral-state"),
                "referral-state",
                Some("Referral state".to_owned()),
            ),
            Some(concept(system("referral-state"), state, Some(text.clone()))),
        ),
        ObservationKind::Measure {
            instrument,
            title,
            occasion,
            items,
        } => {
            if !(1..=ITEMS_MAX).contains(&items.len()) {
                return Err(ObservationError::Items);
            }
            component = items
                .iter()
                .map(|item| component_of(system("instrument"), item))
                .collect();
            let text = format!("{title}, {occasion}");
            (
                "survey",
                concept(system("instrument"), instrument, Some(text)),
                None,
            )
        }
    };
    Ok(Content {
        category,
        code,
        value,
        quantity: None,
        component,
    })
}

/// A running count (`fhir.md` §8.2).
fn counted<'a>(attended: bool, activity: &str, count: i64) -> Content<'a> {
    let (code, display, word) = if attended {
        ("298057009", "Number of appointments attended", "attended")
    } else {
        ("298058004", "Number of appointments missed", "missed")
    };
    Content {
        category: "social-history",
        code: ConceptElement {
            coding: [CodingElement {
                system: "http://snomed.info/sct".to_owned(),
                code,
                display: Some(display),
            }],
            text: Some(format!("{activity} visits {word}")),
        },
        value: None,
        quantity: Some(QuantityElement {
            value: count,
            unit: "visits",
            system: "http://unitsofmeasure.org",
            code: "1",
        }),
        component: Vec::new(),
    }
}

/// The system of the identifiers of Observations, for looking them up.
pub(crate) fn identifier_system(namespace: &str) -> String {
    format!("{namespace}/Id/return-event")
}

fn component_of(system: String, item: &QuestionItem) -> ComponentElement<'_> {
    let absent = |reason| Some(concept(ABSENT.to_owned(), reason, None));
    let (value_integer, data_absent_reason) = match item.answer {
        ItemAnswer::Score(score) => (Some(score), None),
        ItemAnswer::NotKnown => (None, absent("unknown")),
    };
    ComponentElement {
        code: concept(system, &item.id, Some(item.title.clone())),
        value_integer,
        data_absent_reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(kind: ObservationKind) -> ObservationInput {
        ObservationInput {
            namespace: "https://kith.example".to_owned(),
            identifier: "5f0c4c1e-0d0b-5c3e-8a4f-6f2d9b7c1a22".to_owned(),
            service_request_id: "123".to_owned(),
            patient_id: "456".to_owned(),
            status: "final",
            effective: "2026-11-19".to_owned(),
            issued: "2026-11-22T02:10:00Z".to_owned(),
            source: "https://kith.example/batch/2026-11-22#elm".to_owned(),
            performer: Performer {
                system: "https://kith.example/Id/partner".to_owned(),
                value: "elm".to_owned(),
                display: "Elm Befriending".to_owned(),
            },
            kind,
        }
    }

    fn attendance(code: &str) -> ObservationKind {
        ObservationKind::Attendance {
            activity_text: "befriending visit".to_owned(),
            code: code.to_owned(),
            text: "Did not attend".to_owned(),
        }
    }

    #[test]
    fn a_count_has_the_shape_of_the_contract() {
        let mut counted = input(ObservationKind::Count {
            attended: true,
            activity_text: "Befriending".to_owned(),
            last_day: "2026-10-31".to_owned(),
            count: 3,
        });
        counted.effective = "2026-10-01".to_owned();
        let value: serde_json::Value = serde_json::from_slice(&build(&counted).unwrap()).unwrap();
        assert_eq!(
            value["code"],
            serde_json::json!({"coding": [{"system": "http://snomed.info/sct", "code": "298057009",
                "display": "Number of appointments attended"}], "text": "Befriending visits attended"})
        );
        assert_eq!(
            value["valueQuantity"],
            serde_json::json!({"value": 3, "unit": "visits", "system": "http://unitsofmeasure.org", "code": "1"})
        );
        assert_eq!(
            value["effectivePeriod"],
            serde_json::json!({"start": "2026-10-01", "end": "2026-10-31"})
        );
        assert!(value.get("effectiveDateTime").is_none() && value.get("component").is_none());
    }

    #[test]
    fn attendance_has_the_shape_of_the_contract() {
        let bytes = build(&input(attendance("did-not-attend"))).unwrap();
        let wanted = r#"{"resourceType":"Observation","meta":{"profile":["https://fhir.hl7.org.uk/StructureDefinition/UKCore-Observation"],"source":"https://kith.example/batch/2026-11-22#elm","tag":[{"system":"https://kith.example/CodeSystem/origin","code":"vcse-return"}]},"identifier":[{"system":"https://kith.example/Id/return-event","value":"5f0c4c1e-0d0b-5c3e-8a4f-6f2d9b7c1a22"}],"basedOn":[{"reference":"ServiceRequest/123"}],"status":"final","category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"social-history"}]}],"code":{"coding":[{"system":"https://kith.example/CodeSystem/attendance","code":"attendance"}],"text":"Attendance: befriending visit"},"valueCodeableConcept":{"coding":[{"system":"https://kith.example/CodeSystem/attendance","code":"did-not-attend"}],"text":"Did not attend"},"subject":{"reference":"Patient/456"},"effectiveDateTime":"2026-11-19","issued":"2026-11-22T02:10:00Z","performer":[{"identifier":{"system":"https://kith.example/Id/partner","value":"elm"},"display":"Elm Befriending"}],"note":[{"text":"Reported by partner; not clinically verified."}]}"#;
        assert_eq!(String::from_utf8(bytes).unwrap(), wanted);
    }

    #[test]
    fn a_questionnaire_keeps_what_was_answered() {
        let item = |id: &str, answer| QuestionItem {
            id: id.to_owned(),
            title: "Anxiety".to_owned(),
            answer,
        };
        let kind = ObservationKind::Measure {
            instrument: "ons4".to_owned(),
            title: "ONS4 personal well-being (4 questions)".to_owned(),
            occasion: "baseline".to_owned(),
            items: vec![
                item("a", ItemAnswer::Score(6)),
                item("c", ItemAnswer::NotKnown),
            ],
        };
        let bytes = build(&input(kind)).unwrap();
        let value: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(
            value["code"]["text"],
            "ONS4 personal well-being (4 questions), baseline"
        );
        assert_eq!(value["category"][0]["coding"][0]["code"], "survey");
        assert_eq!(value["component"][0]["valueInteger"], 6);
        assert_eq!(
            value["component"][1]["dataAbsentReason"]["coding"][0]["code"],
            "unknown"
        );
        assert!(value.get("note").is_none() && value.get("valueCodeableConcept").is_none());
    }

    #[test]
    fn what_must_not_be_written_is_not_built() {
        let mut no_subject = input(attendance("attended"));
        no_subject.patient_id = String::new();
        let no_items = ObservationKind::Measure {
            instrument: "ons4".to_owned(),
            title: "ONS4".to_owned(),
            occasion: "baseline".to_owned(),
            items: Vec::new(),
        };
        for (input, error) in [
            (
                input(attendance(REFERRAL_CODE)),
                ObservationError::ReferralCode,
            ),
            (no_subject, ObservationError::Empty("subject")),
            (input(no_items), ObservationError::Items),
        ] {
            assert_eq!(build(&input), Err(error));
        }
    }
}
