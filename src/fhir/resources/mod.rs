//! FHIR R4 resources, read from their trees.
//!
//! In come trees of raw JSON; out come their elements, borrowed, absent where the source says nothing. Kept: no judgement
//! here. What a status, a label or a consent means for a referral is for the stages to decide.

pub(crate) mod consent;
pub(crate) mod resource;
