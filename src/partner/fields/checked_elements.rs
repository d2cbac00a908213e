//! Which elements of a referral must have the form that FHIR R4 gives them before it is decided, and before its row is made.
//!
//! Names such as `patient.telecom.value` come in; of a [`ReferralView`] the first of them that has another form goes out. Kept:
//! what select reads is listed here, what a row reads is what its columns read, and neither ever passes for absent.

use std::sync::LazyLock;

use super::ReferralView;
use crate::fhirpath::{ElementCheck, ElementFault};
use crate::json::Json;

/// Checks of each resource of a referral.
#[derive(Debug, Default)]
pub(crate) struct ReferralCheck {
    request: ElementCheck,
    patient: ElementCheck,
    requester: ElementCheck,
    role: ElementCheck,
    practice: ElementCheck,
}

/// What says that a request is an order to act on, what it asks for, and of whom.
const REQUEST: &[&str] = &[
    "implicitRules",
    "meta.security.code",
    "meta.tag.code",
    "status",
    "intent",
    "doNotPerform",
    "priority",
    "code.coding.code",
    "orderDetail.coding.system",
    "orderDetail.coding.code",
    "orderDetail.text",
    "subject.reference",
    "subject.identifier.system",
    "subject.identifier.value",
    "requester.reference",
    "performer.reference",
    "performer.identifier.system",
    "performer.identifier.value",
    "reasonCode.coding.system",
    "reasonCode.coding.code",
    "supportingInfo.reference",
    "supportingInfo.type",
];

/// What says whether we may act for a person.
const STANDING: &[&str] = &[
    "implicitRules",
    "meta.security.code",
    "meta.tag.code",
    "active",
    "deceased",
    "link.type",
];

/// What says who and where a person is.
const IDENTITY: &[&str] = &[
    "identifier.use",
    "identifier.system",
    "identifier.value",
    "identifier.period.start",
    "identifier.period.end",
    "identifier.extension.url",
    "identifier.extension.value.coding.code",
    "name.use",
    "name.text",
    "name.family",
    "name.given",
    "name.period.start",
    "name.period.end",
    "birthDate",
    "address.use",
    "address.type",
    "address.postalCode",
    "address.period.start",
    "address.period.end",
    "extension.url",
];

/// What says by whose order and with whose agreement.
const PRACTICE: &[&str] = &["identifier.use", "identifier.system", "identifier.value"];
const CONSENT: &[&str] = &[
    "implicitRules",
    "meta.tag.code",
    "status",
    "scope.coding.code",
    "category.coding.code",
    "dateTime",
    "policyRule.coding.system",
    "policyRule.coding.code",
    "provision.type",
    "provision.period.start",
    "provision.period.end",
    "provision.actor.role.coding.code",
    "provision.actor.reference.reference",
    "provision.actor.reference.identifier.system",
    "provision.actor.reference.identifier.value",
    "provision.purpose.code",
];

struct DecisionChecks {
    request: ElementCheck,
    standing: ElementCheck,
    identity: ElementCheck,
    practice: ElementCheck,
    consent: ElementCheck,
}

fn decision_checks() -> &'static DecisionChecks {
    static CHECKS: LazyLock<DecisionChecks> = LazyLock::new(|| {
        let of = |kind, paths: &[&'static str]| ElementCheck::of(kind, paths.iter().copied());
        DecisionChecks {
            request: of("ServiceRequest", REQUEST),
            standing: of("Patient", STANDING),
            identity: of("Patient", IDENTITY),
            practice: of("Organization", PRACTICE),
            consent: of("Consent", CONSENT),
        }
    });
    &CHECKS
}

/// Of what a request asks, the first element of another form.
pub(crate) fn request_fault(view: &ReferralView<'_>) -> Option<ElementFault> {
    let fault = decision_checks().request.fault(view.request)?;
    Some(fault.below("ServiceRequest"))
}

/// The same of what says whether we may act for the person.
pub(crate) fn standing_fault(person: &Json<'_>) -> Option<ElementFault> {
    let fault = decision_checks().standing.fault(person)?;
    Some(fault.below("Patient"))
}

/// The same of who and where the person is, and of the practice.
pub(crate) fn identity_fault(view: &ReferralView<'_>) -> Option<ElementFault> {
    let checks = decision_checks();
    let person = || Some(checks.identity.fault(view.patient?)?.below("Patient"));
    let practice = || Some(checks.practice.fault(view.practice?)?.below("Organization"));
    person().or_else(practice)
}

/// The same of a consent.
pub(crate) fn consent_fault(consent: &Json<'_>) -> Option<ElementFault> {
    Some(decision_checks().consent.fault(consent)?.below("Consent"))
}

impl ReferralCheck {
    /// Checks these elements, each `patient.telecom.value`.
    pub(crate) fn of<'e>(elements: impl IntoIterator<Item = &'e str>) -> Self {
        let elements: Vec<(&str, &str)> = elements
            .into_iter()
            .filter_map(|element| element.split_once('.'))
            .collect();
        let of = |root: &str, kind: &str| {
            let paths = elements.iter().filter(|(of, _)| *of == root);
            ElementCheck::of(kind, paths.map(|(_, path)| *path))
        };
        Self {
            request: of("referral", "ServiceRequest"),
            patient: of("patient", "Patient"),
            requester: of("requester", "Practitioner"),
            role: of("role", "PractitionerRole"),
            practice: of("practice", "Organization"),
        }
    }

    /// The first of the elements that has another form: its name as `patient.telecom.value`, and the fault.
    pub(crate) fn fault(&self, view: &ReferralView<'_>) -> Option<(String, ElementFault)> {
        let in_request = self.request.fault(view.request);
        let (root, shown, fault) = in_request
            .map(|fault| ("referral", "ServiceRequest", fault))
            .or_else(|| {
                let of = |check: &ElementCheck, resource: Option<&Json<'_>>| check.fault(resource?);
                of(&self.patient, view.patient)
                    .map(|fault| ("patient", "Patient", fault))
                    .or_else(|| {
                        let fault = of(&self.requester, view.requester)?;
                        Some(("requester", "Practitioner", fault))
                    })
                    .or_else(|| {
                        let fault = of(&self.role, view.role)?;
                        Some(("role", "PractitionerRole", fault))
                    })
                    .or_else(|| {
                        let fault = of(&self.practice, view.practice)?;
                        Some(("practice", "Organization", fault))
                    })
            })?;
        let element = format!("{root}.{}", fault.element());
        Some((element, fault.below(shown)))
    }
}
