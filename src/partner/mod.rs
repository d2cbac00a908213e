//! The partner file and what it stands on: fields, transforms, instruments, code lists.
//!
//! A mappings folder comes in; checked [`Rules`] go out, with every problem of every file at once. Rows are then made
//! from a [`ReferralView`] of a referral by a partner's columns. Invariants: what passes can disclose nothing beyond `[share]`,
//! decided from the files alone; a partner can be made again from the texts it was read from; nothing of this version
//! that a file asks for is ignored.

pub(crate) mod agreement;
pub(crate) mod disclosure;
pub(crate) mod draft;
pub(crate) mod fields;
pub(crate) mod pages;
pub(crate) mod schedule;
pub(crate) mod schema;

pub(crate) use agreement::{
    Collect, CollectEvent, DropColumn, EventRule, ID_RULE, Partner, PartnerKind, Rules, Volume,
    lawful_id, partner_named_in, read_volume,
};
pub(crate) use disclosure::NeededMembers;
pub(crate) use fields::{
    Instrument, InstrumentItem, LegFacts, ReferralView, SourceFacts, TriggerKind,
};
