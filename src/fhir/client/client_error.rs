//! The closed list of what can go wrong with a read from a FHIR server. No URL, no body, no value of a resource.

use crate::domain::how_to_raise;
use crate::domain::limits::{self, Bound};
use std::fmt;
use std::time::Duration;

use reqwest::StatusCode;

use super::TlsCause;
use crate::fhir::auth::SignInError;
use crate::fhir::resources::bundle::BundleError;

/// Why a read from a server failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ClientError {
    /// The settings cannot be used.
    #[error("FHIR server settings cannot be used: {0}")]
    Settings(&'static str),
    /// A secret of a source cannot be used: names the key of the config and our rule, never the secret.
    #[error("credentials cannot be used: {0}")]
    Credentials(String),
    /// No secure connection was made; nothing was asked.
    #[error("no secure connection: {0}")]
    Tls(#[from] TlsCause),
    /// No token was had; the FHIR server was not asked.
    #[error(transparent)]
    SignIn(#[from] SignInError),
    /// A type or id that cannot stand in a URL.
    #[error("resource type or id cannot stand in a FHIR URL")]
    Name,
    /// Trouble that may pass.
    #[error("FHIR server did not answer: {what}{}", Status(*.status))]
    Transient {
        /// What happened.
        what: &'static str,
        /// The HTTP status, if there was an answer.
        status: Option<u16>,
        /// How long the server asks us to wait.
        retry_after: Option<Duration>,
        /// Whether the request may have reached the server.
        sent: bool,
    },
    /// The server will not do it.
    #[error("FHIR server refused{}, issue code {}", Status(Some(*.status)), .code.unwrap_or("none"))]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The R4 issue code, if it gave one.
        code: Option<&'static str>,
    },
    /// Our credentials are missing, wrong or too narrow.
    #[error("FHIR server did not accept the credentials{}", Status(Some(*.status)))]
    Unauthorised {
        /// 401 or 403.
        status: u16,
    },
    /// There never was such a resource, or this server will not say.
    #[error("FHIR server has no such resource")]
    NotFound,
    /// It was deleted.
    #[error("FHIR server has deleted the resource")]
    Gone,
    /// A page link has expired: the search must be begun again.
    #[error("page {page} of a search had expired")]
    PageExpired {
        /// The page, from 1.
        page: usize,
    },
    /// The answer is longer than we read.
    #[error("answer is longer than {max} bytes")]
    TooLarge {
        /// The limit.
        max: usize,
    },
    /// A file of an export is longer than we read.
    #[error("file is longer than {max} bytes")]
    FileTooLarge {
        /// The limit.
        max: u64,
    },
    /// A file of an export unpacks to more than belongs to its size: it may have been made to fill a disk.
    #[error("file unpacks to more than {ratio} times its size")]
    UnpacksTooFar {
        /// The limit.
        ratio: u64,
    },
    /// The answer is nested deeper than we read.
    #[error("answer is nested more than {max} levels deep")]
    TooDeep {
        /// The limit.
        max: usize,
    },
    /// The answer is a page for people: a login page, a proxy's error page.
    #[error("answer is an HTML page, not FHIR{}", Status(Some(*.status)))]
    Html {
        /// The HTTP status.
        status: u16,
    },
    /// The answer is not FHIR.
    #[error("answer is not FHIR JSON{}", Status(Some(*.status)))]
    NotFhir {
        /// The HTTP status.
        status: u16,
    },
    /// The answer to a search is not a Bundle within the limits.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// A page link points to another scheme, host or port; it was not followed.
    #[error("link to page {page} leaves the server's own origin")]
    ForeignLink {
        /// The page, from 1.
        page: usize,
    },
    /// An address of an export points to another scheme, host or port; nothing was sent there.
    #[error("address of an export leaves the server's own origin")]
    ForeignExport,
    /// An export of more files than we read.
    #[error("export has more than {max} files")]
    TooManyFiles {
        /// The limit.
        max: usize,
    },
    /// A search with too many pages: ask for a smaller window.
    #[error("search has more than {max} pages")]
    TooManyPages {
        /// The limit.
        max: usize,
    },
}

impl ClientError {
    /// What to do about an answer that is beyond a limit of ours.
    pub(crate) fn how_to_raise(&self) -> Option<String> {
        let of_source = |key: &str, bound: Bound| {
            let most = bound.most;
            format!("raise {key} in the limits of the source, which may be {most}")
        };
        match self {
            Self::TooDeep { .. } => Some(how_to_raise("json_depth_max")),
            Self::FileTooLarge { .. } => Some(how_to_raise("bulk_file_bytes_max")),
            Self::UnpacksTooFar { .. } => Some(how_to_raise("unpacked_ratio_max")),
            Self::TooLarge { .. } => Some(of_source("response_bytes_max", limits::ANSWER_BYTES)),
            Self::TooManyPages { .. } => Some(of_source("pages_max", limits::PAGES)),
            Self::Bundle(BundleError::TooManyEntries { .. }) => {
                Some(of_source("page_resources_max", limits::PAGE_ENTRIES))
            }
            _ => None,
        }
    }

    /// Trouble that may pass, with a request that the server may have looked at.
    pub(in crate::fhir) fn passing(
        what: &'static str,
        status: Option<u16>,
        retry_after: Option<Duration>,
    ) -> Self {
        Self::Transient {
            what,
            status,
            retry_after,
            sent: true,
        }
    }

    /// Trouble that a status names.
    pub(in crate::fhir) fn in_trouble(status: u16, retry_after: Option<Duration>) -> Self {
        let named = StatusCode::from_u16(status).ok();
        let what = named.and_then(|status| status.canonical_reason());
        Self::passing(what.unwrap_or("trouble"), Some(status), retry_after)
    }

    /// What was taken for a whole answer ends too soon.
    pub(in crate::fhir) fn torn(status: u16) -> Self {
        Self::passing("a part of an answer only", Some(status), None)
    }

    /// Whether the same call may succeed later without anybody doing anything.
    pub(crate) fn is_transient(&self) -> bool {
        matches!(self, Self::Transient { .. } | Self::PageExpired { .. })
    }

    /// Whether our sign-in, secrets or certificates are at fault: no other call would fare better.
    pub(crate) fn bars(&self) -> bool {
        matches!(
            self,
            Self::Unauthorised { .. } | Self::SignIn(_) | Self::Credentials(_) | Self::Tls(_)
        )
    }

    /// How long the server asks us to wait.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Transient { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// Whether the server may have acted on the request: a write that failed so must be looked up before it goes again.
    pub(crate) fn may_have_arrived(&self) -> bool {
        match self {
            Self::Transient { sent, .. } => *sent,
            Self::Settings(_)
            | Self::Credentials(_)
            | Self::Name
            | Self::Tls(_)
            | Self::SignIn(_) => false,
            _ => true,
        }
    }
}

/// An HTTP status inside a message, where there is one.
struct Status(Option<u16>);

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .map_or(Ok(()), |status| write!(f, ", status {status}"))
    }
}
