//! The type names of FHIR R4 that an expression may use, and which elements have a choice of type.
//!
//! # Source
//! FHIR R4 `datatypes.html`, `resourcelist.html`; the choice elements are those of the resources we meet.

/// A data type or resource name, as FHIR spells it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct TypeName {
    pub(super) name: &'static str,
    pub(super) kind: TypeKind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum TypeKind {
    Primitive,
    Complex,
    Resource,
}

const PRIMITIVES: [&str; 19] = [
    "boolean",
    "integer",
    "decimal",
    "string",
    "uri",
    "url",
    "canonical",
    "base64Binary",
    "instant",
    "date",
    "dateTime",
    "time",
    "code",
    "oid",
    "id",
    "markdown",
    "unsignedInt",
    "positiveInt",
    "uuid",
];

const COMPLEX: [&str; 34] = [
    "Address",
    "Age",
    "Annotation",
    "Attachment",
    "BackboneElement",
    "CodeableConcept",
    "Coding",
    "ContactDetail",
    "ContactPoint",
    "Contributor",
    "Count",
    "DataRequirement",
    "Distance",
    "Dosage",
    "Duration",
    "Element",
    "Expression",
    "Extension",
    "HumanName",
    "Identifier",
    "Meta",
    "Money",
    "Narrative",
    "ParameterDefinition",
    "Period",
    "Quantity",
    "Range",
    "Ratio",
    "Reference",
    "RelatedArtifact",
    "SampledData",
    "Signature",
    "Timing",
    "TriggerDefinition",
];

const RESOURCES: [&str; 148] = [
    "Resource",
    "DomainResource",
    "Account",
    "ActivityDefinition",
    "AdverseEvent",
    "AllergyIntolerance",
    "Appointment",
    "AppointmentResponse",
    "AuditEvent",
    "Basic",
    "Binary",
    "BiologicallyDerivedProduct",
    "BodyStructure",
    "Bundle",
    "CapabilityStatement",
    "CarePlan",
    "CareTeam",
    "CatalogEntry",
    "ChargeItem",
    "ChargeItemDefinition",
    "Claim",
    "ClaimResponse",
    "ClinicalImpression",
    "CodeSystem",
    "Communication",
    "CommunicationRequest",
    "CompartmentDefinition",
    "Composition",
    "ConceptMap",
    "Condition",
    "Consent",
    "Contract",
    "Coverage",
    "CoverageEligibilityRequest",
    "CoverageEligibilityResponse",
    "DetectedIssue",
    "Device",
    "DeviceDefinition",
    "DeviceMetric",
    "DeviceRequest",
    "DeviceUseStatement",
    "DiagnosticReport",
    "DocumentManifest",
    "DocumentReference",
    "EffectEvidenceSynthesis",
    "Encounter",
    "Endpoint",
    "EnrollmentRequest",
    "EnrollmentResponse",
    "EpisodeOfCare",
    "EventDefinition",
    "Evidence",
    "EvidenceVariable",
    "ExampleScenario",
    "ExplanationOfBenefit",
    "FamilyMemberHistory",
    "Flag",
    "Goal",
    "GraphDefinition",
    "Group",
    "GuidanceResponse",
    "HealthcareService",
    "ImagingStudy",
    "Immunization",
    "ImmunizationEvaluation",
    "ImmunizationRecommendation",
    "ImplementationGuide",
    "InsurancePlan",
    "Invoice",
    "Library",
    "Linkage",
    "List",
    "Location",
    "Measure",
    "MeasureReport",
    "Media",
    "Medication",
    "MedicationAdministration",
    "MedicationDispense",
    "MedicationKnowledge",
    "MedicationRequest",
    "MedicationStatement",
    "MedicinalProduct",
    "MedicinalProductAuthorization",
    "MedicinalProductContraindication",
    "MedicinalProductIndication",
    "MedicinalProductIngredient",
    "MedicinalProductInteraction",
    "MedicinalProductManufactured",
    "MedicinalProductPackaged",
    "MedicinalProductPharmaceutical",
    "MedicinalProductUndesirableEffect",
    "MessageDefinition",
    "MessageHeader",
    "MolecularSequence",
    "NamingSystem",
    "NutritionOrder",
    "Observation",
    "ObservationDefinition",
    "OperationDefinition",
    "OperationOutcome",
    "Organization",
    "OrganizationAffiliation",
    "Parameters",
    "Patient",
    "PaymentNotice",
    "PaymentReconciliation",
    "Person",
    "PlanDefinition",
    "Practitioner",
    "PractitionerRole",
    "Procedure",
    "Provenance",
    "Questionnaire",
    "QuestionnaireResponse",
    "RelatedPerson",
    "RequestGroup",
    "ResearchDefinition",
    "ResearchElementDefinition",
    "ResearchStudy",
    "ResearchSubject",
    "RiskAssessment",
    "RiskEvidenceSynthesis",
    "Schedule",
    "SearchParameter",
    "ServiceRequest",
    "Slot",
    "Specimen",
    "SpecimenDefinition",
    "StructureDefinition",
    "StructureMap",
    "Subscription",
    "Substance",
    "SubstanceNucleicAcid",
    "SubstancePolymer",
    "SubstanceProtein",
    "SubstanceReferenceInformation",
    "SubstanceSourceMaterial",
    "SubstanceSpecification",
    "SupplyDelivery",
    "SupplyRequest",
    "Task",
    "TerminologyCapabilities",
    "TestReport",
    "TestScript",
    "ValueSet",
    "VerificationResult",
    "VisionPrescription",
];

/// Elements written `name[x]` in R4: in JSON the type is part of the key. A closed list, so that no path reads an
/// element of another name by accident (`birth` is not `birthDate`).
const CHOICES: [&str; 29] = [
    "abatement",
    "age",
    "allowed",
    "answer",
    "asNeeded",
    "born",
    "bounds",
    "collected",
    "content",
    "deceased",
    "defaultValue",
    "dose",
    "due",
    "effective",
    "fixed",
    "maxValue",
    "medication",
    "minValue",
    "multipleBirth",
    "occurrence",
    "onset",
    "pattern",
    "performed",
    "rate",
    "reported",
    "serviced",
    "source",
    "timing",
    "value",
];

/// Looks a type name up as FHIR spells it. The `System` types (`String`, `Boolean` …) are none of ours: an element
/// is never of one, and to take them for the primitives would answer wrongly.
pub(super) fn find_type(written: &str) -> Option<TypeName> {
    let among = |list: &'static [&'static str], kind| {
        list.iter()
            .find(|name| **name == written)
            .map(|name| TypeName { name, kind })
    };
    among(&PRIMITIVES, TypeKind::Primitive)
        .or_else(|| among(&COMPLEX, TypeKind::Complex))
        .or_else(|| among(&RESOURCES, TypeKind::Resource))
}

/// The nearest known type name, for help.
pub(super) fn nearest_type(written: &str) -> &'static str {
    let all = PRIMITIVES.iter().chain(&COMPLEX).chain(&RESOURCES);
    all.copied()
        .min_by_key(|name| strsim::osa_distance(name, written))
        .unwrap_or("string")
}

pub(super) fn is_choice(name: &str) -> bool {
    CHOICES.binary_search(&name).is_ok()
}

/// The type whose capitalised name ends a JSON key: `Boolean` of `valueBoolean`.
pub(super) fn type_of_suffix(suffix: &str) -> Option<&'static str> {
    if let Some(name) = COMPLEX.iter().find(|name| **name == suffix) {
        return Some(name);
    }
    PRIMITIVES.iter().copied().find(|name| {
        name.len() == suffix.len()
            && name
                .bytes()
                .zip(suffix.bytes())
                .enumerate()
                .all(|(at, (own, other))| {
                    if at == 0 {
                        own.to_ascii_uppercase() == other
                    } else {
                        own == other
                    }
                })
    })
}

/// The type that a data type specialises, where it may stand for it.
pub(super) fn supertype(name: &str) -> Option<&'static str> {
    match name {
        "code" | "id" | "markdown" => Some("string"),
        "url" | "canonical" | "oid" | "uuid" => Some("uri"),
        "positiveInt" | "unsignedInt" => Some("integer"),
        "Age" | "Count" | "Distance" | "Duration" => Some("Quantity"),
        _ => None,
    }
}

/// For `valueBoolean` written as a path: the element and the type it should have been.
pub(super) fn split_choice(name: &str) -> Option<(&'static str, &'static str)> {
    CHOICES.iter().find_map(|choice| {
        let suffix = name.strip_prefix(choice)?;
        Some((*choice, type_of_suffix(suffix)?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_types_and_choices() {
        assert!(CHOICES.is_sorted());
        assert_eq!(type_of_suffix("DateTime"), Some("dateTime"));
        assert_eq!(type_of_suffix("dateTime"), None);
        assert_eq!(
            split_choice("valueCodeableConcept"),
            Some(("value", "CodeableConcept"))
        );
        assert_eq!(split_choice("valueSet"), None);
        assert!(find_type("Boolean").is_none() && find_type("boolean").is_some());
        assert!(find_type("quantity").is_none());
        assert_eq!(nearest_type("Pateint"), "Patient");
        assert!(!is_choice("birth"));
    }
}
