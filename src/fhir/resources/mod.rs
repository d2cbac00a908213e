//! FHIR R4 resources: those we read, and those we write.
//!
//! In come trees or texts of raw JSON; out come their elements, borrowed, absent where the source says nothing, and the bytes
//! of resources of ours. Kept: no judgement here. What a status, a label or a consent means for a referral is for the stages
//! to decide.

pub(crate) mod bundle;
pub(crate) mod bundle_claims;
pub(crate) mod capability_statement;
pub(crate) mod consent;
pub(crate) mod correction;
pub(crate) mod edit;
mod elements;
pub(crate) mod observation;
pub(crate) mod operation_outcome;
pub(crate) mod outline;
pub(crate) mod patient;
mod patient_number;
pub(crate) mod practitioner;
pub(crate) mod reference;
pub(crate) mod resource;
pub(crate) mod service_request;
pub(crate) mod task;
pub(crate) mod version;
