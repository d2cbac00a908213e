//! One run: the installation it works on, what it knows by itself, and what its stages answer.

mod anchor;
mod book_log;
mod claims;
mod ids;
mod installation;
mod lease_keeper;
mod lease_set;
mod ledger_access;
mod patience;
mod readings;
mod row_cache;
mod stage_outcome;
mod state;

pub(crate) use anchor::{Anchor, AnchorAnswer};
pub(crate) use book_log::BookLog;
use claims::Claims;
pub(crate) use ids::{IdRanges, Ids};
pub(crate) use installation::{Env, PartnerEnv, ReportPlace, SourceEnv};
pub(crate) use lease_keeper::{HeldLease, LeaseKeeper, STALE_TRIES, give_back, is_stale};
pub(crate) use lease_set::LeaseSet;
pub(crate) use ledger_access::{LedgerAccess, busy, raw_spot};
pub(crate) use patience::{RecordTurn, SLOW_AT_ONCE, SeveralAtOnce};
pub(crate) use row_cache::cells_of;
pub(crate) use stage_outcome::{Only, StageOutcome, Totals};
pub(crate) use state::Run;
