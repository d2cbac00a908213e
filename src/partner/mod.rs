//! The partner file and what it stands on: fields, transforms, instruments, code lists.
//!
//! A mappings folder comes in; checked [`Rules`] go out, with every problem of every file at once. Rows are then made
//! from a [`View`] of a referral by a partner's columns. Invariants: what passes can disclose nothing beyond `[share]`,
//! decided from the files alone; a partner can be made again from the texts it was read from; nothing of this version
//! that a file asks for is ignored.

mod agreement;
mod catalogue;
pub(crate) mod codes;
pub(crate) mod derive;
pub(crate) mod draft;
pub(crate) mod due;
mod elements;
pub(crate) mod fields;
pub(crate) mod instruments;
mod layout;
pub(crate) mod load;
pub(crate) mod model;
mod onward;
pub(crate) mod pages;
mod patterns;
mod placeholder;
mod returns;
pub(crate) mod schema;
mod sees;
mod share;
mod source_text;
pub(crate) mod table;
mod totality;
pub(crate) mod transforms;
pub(crate) mod view;
mod wanted;
pub(crate) mod wider;

pub(crate) use agreement::{ID_RULE, lawful_id, read_notes, read_volume};
pub(crate) use codes::TriggerKind;
pub(crate) use instruments::{Instrument, Item};
pub(crate) use layout::read_schedule;
pub(crate) use load::{Rules, bytes_within, partner_named_in};
pub(crate) use model::{Collect, CollectEvent, Column, EventRule, Partner, PartnerKind, Volume};
pub(crate) use sees::{Part, Seen, elements, seen};
pub(crate) use view::{LegFacts, SourceFacts, View};
pub(crate) use wanted::Wanted;
