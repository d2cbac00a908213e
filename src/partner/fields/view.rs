//! One referral as a partner file sees it: the resolved resources and our own facts about the leg.
//!
//! Select and map build a [`ReferralView`]; fields and columns read it. Invariant: nothing else is ever read, so what a row can
//! hold is decided by the partner file alone.

use std::fmt;

use jiff::civil::Date;

use super::Vocabulary;
use crate::domain::Action;
use crate::json::{Json, JsonError};

/// What a row is made of.
#[derive(Clone, Copy)]
pub(crate) struct ReferralView<'a> {
    pub(crate) request: &'a Json<'a>,
    pub(crate) patient: Option<&'a Json<'a>>,
    /// The Practitioner who referred.
    pub(crate) requester: Option<&'a Json<'a>>,
    /// The `PractitionerRole` in which they did.
    pub(crate) role: Option<&'a Json<'a>>,
    /// The Organization that referred.
    pub(crate) practice: Option<&'a Json<'a>>,
    /// A Bundle of what its performers refer to, each by the reference as written.
    pub(crate) performers: Option<&'a Json<'a>>,
    /// Several records bear a name that the request uses: nobody can say whose they are.
    pub(crate) doubt: bool,
    /// A record that is there and cannot be read: it is not absent.
    pub(crate) unread: Option<UnreadRecord>,
    pub(crate) source: SourceFacts<'a>,
    pub(crate) leg: LegFacts<'a>,
    /// The London day of the run.
    pub(crate) today: Date,
    /// `<namespace>/CodeSystem/activity`.
    pub(crate) activity_system: &'a str,
    /// The lists by which its codes are read.
    pub(crate) vocabulary: &'a Vocabulary,
}

/// A record of a referral that is no JSON as we read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UnreadRecord {
    /// The type of the record.
    pub(crate) kind: &'static str,
    pub(crate) error: JsonError,
}

/// What the config says of the practice, for where the referral says nothing.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SourceFacts<'a> {
    pub(crate) name: &'a str,
    pub(crate) ods_code: &'a str,
    pub(crate) phone: Option<&'a str>,
    pub(crate) safeguarding_phone: Option<&'a str>,
}

/// What the ledger says of the leg.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LegFacts<'a> {
    pub(crate) reference: &'a str,
    pub(crate) check: &'a str,
    pub(crate) action: Action,
    /// `Changed: phone`: names of columns, never values.
    pub(crate) changed: &'a str,
    /// Number of the drop, from 1.
    pub(crate) sequence: u64,
}

/// A view holds a person: nothing of it is printed.
impl fmt::Debug for ReferralView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReferralView")
            .field("leg", &self.leg.reference)
            .finish_non_exhaustive()
    }
}
