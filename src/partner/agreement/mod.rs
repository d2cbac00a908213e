//! What a partner file says, read and checked.
//!
//! A mappings folder comes in, or texts that the store kept; [`Rules`] with every [`Partner`] go out, or every problem of
//! every file. Kept: rules are a function of their texts; what passes can disclose nothing beyond `[share]`; nothing of this
//! version that a file asks for is ignored.

mod answers;
mod criteria;
mod layout;
mod partner;
mod read;
mod rules;
mod texts;
mod transforms;

pub(crate) use answers::{
    Acknowledged, Collect, CollectEvent, EventRule, MeasureItem, OccasionFrom, REPORTABLE,
};
pub(crate) use criteria::{
    AgeYears, CRITERIA, ConsentRule, Criteria, NoPostcode, PostcodeArea, UrgentRule,
};
pub(crate) use layout::{ColumnSource, Deliver, DropColumn, TooLong, UnencodableChoice, Unmapped};
pub(crate) use partner::{
    KeyPlaces, Partner, PartnerContact, PartnerIdentifier, PartnerKind, PartnerPush, Sends, Share,
    Volume,
};
pub(crate) use read::{ID_RULE, PLACEHOLDER, lawful_id, read_volume};
pub(crate) use rules::Rules;
#[cfg(test)]
pub(crate) use texts::{RuleText, TextKind};
pub(crate) use texts::{built_in, partner_named_in};
