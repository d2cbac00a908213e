//! Views: resources in, flat rows out, as a SQL on FHIR `ViewDefinition` says.
//!
//! In come a view and files of FHIR; out come rows of text under the view's columns, one resource at a time, so that
//! memory grows with the largest resource and not with their number. A view knows no partner and no share: it is for an
//! analyst's own extract. Kept: what a view means is decided when it is read; a column never drops a second value.
//!
//! # Source
//! SQL on FHIR v2 (2.0.0), `ViewDefinition`.

mod definition;
mod input;
mod rows;

pub(crate) use definition::ViewDefinition;
pub(crate) use input::Resources;
