//! The GP side as pull sees it: one small trait, whatever the referrals come from (search, Bulk Data, a folder of extracts).
//!
//! In: nothing but calls. Out: loads of referrals, one after the other, and at the end what was read and how far. A
//! source of referrals writes nothing; pull marks as read only what is durable.

use super::certificate::Evidence;
use crate::diagnostics::{Code, Diagnostic, Place};
use crate::domain::Instant;
use crate::fhir::client::ClientError;
use crate::pipeline::gp_client;
use crate::pipeline::ingest::queue::Steps;

/// A GP side that referrals are read from.
pub(crate) trait ReferralSource: Steps<Error = PullError> {
    /// What was read, asked for once: after the last step or an error.
    fn end(&mut self) -> Ended;
}

/// What a pull read, and how far.
#[derive(Default)]
pub(crate) struct Ended {
    pub(crate) evidence: Evidence,
    /// Up to when the source's changes are known if every referral came; `None` where the source cannot say.
    pub(crate) high: Option<Instant>,
    /// Digest of what was read, so that the very same input is known again; empty where that means nothing.
    pub(crate) input: Vec<u8>,
    /// Referrals that are known without being looked at.
    pub(crate) known: u64,
    pub(crate) diagnostics: Vec<Diagnostic>,
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
    pub(crate) fn diagnostic(&self, place: Place) -> Diagnostic {
        match self {
            Self::Client(error) => {
                let usual = match error {
                    ClientError::ForeignLink { .. } | ClientError::ForeignExport => {
                        Code::ForeignLink
                    }
                    ClientError::Refused { .. } => Code::SourceRefused,
                    _ => Code::SourceUnreachable,
                };
                gp_client::diagnostic(error, usual, place)
            }
            Self::NotMatching { .. } => Diagnostic::new(Code::NotMatching, self.to_string(), place),
            Self::NotReady => Diagnostic::new(Code::PagesIncomplete, self.to_string(), place),
            Self::Own(_) => Diagnostic::new(Code::SourceUnreachable, self.to_string(), place),
        }
    }
}
