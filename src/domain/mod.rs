//! What Kith talks about, without any I/O: identifiers, states, dispositions, reasons, time, limits.
//!
//! Values are parsed here once into types that cannot be wrong; past this module nobody re-checks them.

pub(crate) mod clock;
pub(crate) mod coded_enums;
pub(crate) mod destination;
pub(crate) mod disposition;
pub(crate) mod encoding;
pub(crate) mod entropy;
pub(crate) mod event;
pub(crate) mod ids;
pub(crate) mod leg;
pub(crate) mod limit_table;
pub(crate) mod limits;
pub(crate) mod nhs_number;
pub(crate) mod reason;
pub(crate) mod reason_guide;
pub(crate) mod recorded_days;
pub(crate) mod reference;

pub(crate) use clock::{Clock, Instant};
pub(crate) use destination::Destination;
pub(crate) use disposition::{Counts, Disposition, Stage};
pub(crate) use entropy::Entropy;
pub(crate) use event::{EventKind, Occasion};
pub(crate) use ids::{
    DropId, EventId, HoldNumber, Id, KeyId, LegId, NoteId, RawId, ReturnId, RunId, StrandId,
};
pub(crate) use leg::{Action, LegState};
pub(crate) use limit_table::{Limits, how_to_raise};
pub(crate) use nhs_number::NhsNumber;
pub(crate) use reason::{Owner, Reason};
pub(crate) use recorded_days::{recorded_day, recorded_days};
pub(crate) use reference::{LegReference, RowToken};
