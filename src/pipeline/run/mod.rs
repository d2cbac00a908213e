//! One run: the installation it works on, what it knows by itself, and what its stages answer.

mod book_log;
mod claims;
mod ids;
mod installation;
mod ledger_access;
mod readings;
mod row_cache;
mod stage_outcome;
mod state;

pub(crate) use book_log::BookLog;
use claims::Claims;
pub(crate) use ids::{IdRanges, Ids};
pub(crate) use installation::{Env, PartnerEnv, SourceEnv};
pub(crate) use ledger_access::{LedgerAccess, raw_spot};
pub(crate) use row_cache::cells_of;
pub(crate) use stage_outcome::{Only, StageOutcome, Totals};
pub(crate) use state::Run;
