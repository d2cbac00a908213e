//! What a column of a partner file can name: fields and how each finds its value, code lists, instruments.
//!
//! The shared texts of the mappings come in; a [`Vocabulary`] goes out, and for a [`ReferralView`] of one referral the value of each
//! field. Kept: a field states every element that it can read, and reads no other; nothing here knows a partner.

mod age;
mod checked_elements;
mod codes;
mod derivation;
mod derive;
mod disclosed_elements;
mod expression;
mod field;
mod field_set;
mod instruments;
mod values;
mod view;
mod vocabulary;

pub(crate) use crate::fhirpath::{ElementFault, FormFault};
pub(crate) use age::{Age, age_on};
pub(crate) use checked_elements::{
    ReferralCheck, consent_fault, identity_fault, request_fault, standing_fault,
};
pub(crate) use codes::{
    CodeMap, SNOMED, TriggerKind, check_typed, read_codes, refuse_referral_code,
};
pub(crate) use derivation::Derivation;
pub(crate) use derive::{NO_FIXED_ABODE, activity_codes, activity_label, needs};
pub(crate) use disclosed_elements::{Elements, below};
pub(crate) use expression::{compile, path_values};
pub(crate) use field::{Field, FieldClass, FieldKind};
pub(crate) use field_set::{FieldId, FieldSet};
pub(crate) use instruments::{BetterWhen, Instrument, InstrumentItem};
pub(crate) use values::{FieldValue, FieldValues, ValueProblem};
pub(crate) use view::{LegFacts, ReferralView, SourceFacts, UnreadRecord};
pub(crate) use vocabulary::Vocabulary;
