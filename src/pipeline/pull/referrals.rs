//! The GP side as pull sees it: one small trait, whatever the referrals come from (search, Bulk Data, a folder of extracts).
//!
//! In: nothing but calls. Out: loads of referrals, one after the other, and at the end what was read and how far. A
//! source of referrals writes nothing; pull marks as read only what is durable.

use std::future::Future;

use super::certificate::Evidence;
use super::load::Load;
use crate::diagnostics::{Code, Diagnostic, Place};
use crate::domain::Instant;
use crate::fhir::client_error::ClientError;
use crate::pipeline::gp;

/// A GP side that referrals are read from.
pub(super) trait Referrals: Send {
    /// The next step; `None` after the last. After an error nothing more is asked for.
    fn next(&mut self) -> impl Future<Output = Result<Option<Step>, PullError>> + Send;

    /// What was read, asked for once: after the last step or an error.
    fn end(&mut self) -> Ended;
}

/// What pull is to do next.
pub(super) enum Step {
    /// Takes these in.
    Load(Load),
    /// From here on come referrals that earlier pulls must have seen: what is new among them was missed.
    Sweep,
    /// The source has deleted the requests with these ids.
    Gone(Vec<String>),
}

/// What a pull read, and how far.
#[derive(Default)]
pub(super) struct Ended {
    pub(super) evidence: Evidence,
    /// Up to when the source's changes are known if every referral came; `None` where the source cannot say.
    pub(super) high: Option<Instant>,
    /// Digest of what was read, so that the very same input is known again; empty where that means nothing.
    pub(super) input: Vec<u8>,
    /// Referrals that are known without being looked at.
    pub(super) known: u64,
    pub(super) diagnostics: Vec<Diagnostic>,
}

/// Why a source could not be read to its end. Names no person and quotes no server.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PullError {
    /// The server could not be reached, refused, or gave what is no answer.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The server gives what it was not asked for.
    #[error("{not_matching} of {returned} resources do not match what was asked for")]
    NotMatching {
        /// Resources with another code, or from outside the window.
        not_matching: u64,
        /// Resources that came.
        returned: u64,
    },
    /// The server is still making an export.
    #[error("an export is not ready yet; the next run goes on with it")]
    NotReady,
    /// Not the server: what came could not be kept.
    #[error("our own disk or store failed while an export was read")]
    Own(#[source] anyhow::Error),
}

impl PullError {
    /// As a diagnostic.
    pub(super) fn diagnostic(&self, place: Place) -> Diagnostic {
        match self {
            Self::Client(error) => {
                let usual = match error {
                    ClientError::ForeignLink { .. } | ClientError::ForeignExport => {
                        Code::ForeignLink
                    }
                    ClientError::Refused { .. } => Code::SourceRefused,
                    _ => Code::SourceUnreachable,
                };
                gp::diagnostic(error, usual, place)
            }
            Self::NotMatching { .. } => Diagnostic::new(Code::NotMatching, self.to_string(), place),
            Self::NotReady => Diagnostic::new(Code::PagesIncomplete, self.to_string(), place),
            Self::Own(_) => Diagnostic::new(Code::SourceUnreachable, self.to_string(), place),
        }
    }
}
