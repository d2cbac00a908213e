//! Elements of the resources that we write, with a fixed order of members.

use serde::Serialize;

#[derive(Serialize)]
pub(super) struct IdentifierElement<'a> {
    pub(super) system: String,
    pub(super) value: &'a str,
}

#[derive(Serialize)]
pub(super) struct ReferenceElement {
    pub(super) reference: String,
}

/// A reference by identifier.
#[derive(Serialize)]
pub(super) struct LogicalReference<'a> {
    pub(super) identifier: IdentifierElement<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) display: Option<&'a str>,
}

/// A `CodeableConcept` of one code.
#[derive(Serialize)]
pub(super) struct ConceptElement<'a> {
    pub(super) coding: [CodingElement<'a>; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) text: Option<String>,
}

#[derive(Serialize)]
pub(super) struct CodingElement<'a> {
    pub(super) system: String,
    pub(super) code: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) display: Option<&'static str>,
}

/// An `Annotation`, or a `CodeableConcept` of words alone.
#[derive(Serialize)]
pub(super) struct TextElement {
    pub(super) text: &'static str,
}

pub(super) fn reference(resource_type: &str, id: &str) -> ReferenceElement {
    ReferenceElement {
        reference: format!("{resource_type}/{id}"),
    }
}

pub(super) fn coding(system: String, code: &str) -> CodingElement<'_> {
    CodingElement {
        system,
        code,
        display: None,
    }
}

pub(super) fn concept(system: String, code: &str, text: Option<String>) -> ConceptElement<'_> {
    ConceptElement {
        coding: [coding(system, code)],
        text,
    }
}
