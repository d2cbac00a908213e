//! What a server says went wrong, reduced to codes.
//!
//! In comes the body of a refusal, which may be HTML, empty, or an `OperationOutcome` without its `resourceType`; out go
//! severity and code of its gravest issue. The texts (`diagnostics`, `details`) quote patient data and are never read.

use std::borrow::Cow;

use serde::Deserialize;

use super::reference::text_of;
use crate::json::{Json, items};

/// The issue codes of R4 (valueset issue-type): a code outside them is not repeated anywhere.
const CODES: &[&str] = &[
    "invalid",
    "structure",
    "required",
    "value",
    "invariant",
    "security",
    "login",
    "unknown",
    "expired",
    "forbidden",
    "suppressed",
    "processing",
    "not-supported",
    "duplicate",
    "multiple-matches",
    "not-found",
    "deleted",
    "too-long",
    "code-invalid",
    "extension",
    "too-costly",
    "business-rule",
    "conflict",
    "transient",
    "lock-error",
    "no-store",
    "exception",
    "timeout",
    "incomplete",
    "throttled",
    "informational",
];

/// The gravest issue of a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Issue {
    /// How grave it is.
    pub(crate) severity: IssueSeverity,
    /// The R4 issue code; none where the server gave none of R4.
    pub(crate) code: Option<&'static str>,
}

/// Issue severity, gravest last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum IssueSeverity {
    /// `information`
    Information,
    /// `warning`
    Warning,
    /// `error`; also where the server does not say
    Error,
    /// `fatal`
    Fatal,
}

#[derive(Deserialize)]
struct RawOutcome<'a> {
    #[serde(borrow, default)]
    issue: Vec<RawIssue<'a>>,
}

#[derive(Deserialize)]
struct RawIssue<'a> {
    #[serde(borrow, default)]
    severity: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    code: Option<Cow<'a, str>>,
}

/// Reads the gravest issue; none where the body is no `OperationOutcome` or has no issue.
pub(crate) fn gravest(body: &[u8]) -> Option<Issue> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let outcome: RawOutcome<'_> = serde_json::from_slice(body).ok()?;
    let mut gravest: Option<Issue> = None;
    for issue in &outcome.issue {
        let severity = match issue.severity.as_deref() {
            Some("information") => IssueSeverity::Information,
            Some("warning") => IssueSeverity::Warning,
            Some("fatal") => IssueSeverity::Fatal,
            _ => IssueSeverity::Error,
        };
        let code = issue.code.as_deref();
        let code = CODES.iter().copied().find(|known| Some(*known) == code);
        if gravest.is_none_or(|held| severity > held.severity) {
            gravest = Some(Issue { severity, code });
        }
    }
    gravest
}

/// Whether an `OperationOutcome` says that something was left out or went wrong: an issue of severity error or fatal, or of
/// code `incomplete` whatever its severity.
pub(crate) fn says_incomplete(outcome: &Json<'_>) -> bool {
    items(outcome.get("issue")).iter().any(|issue| {
        let mild = matches!(text_of(issue, "severity"), Some("information" | "warning"));
        !mild || text_of(issue, "code") == Some("incomplete")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_says_that_something_is_missing() {
        for (severity, code, wanted) in [
            ("error", "exception", true),
            ("fatal", "timeout", true),
            ("warning", "incomplete", true),
            ("information", "incomplete", true),
            ("warning", "value", false),
            ("information", "informational", false),
        ] {
            let text = format!(
                r#"{{"issue":[{{"severity":"information","code":"value"}},{{"severity":"{severity}","code":"{code}"}}]}}"#
            );
            assert_eq!(says_incomplete(&Json::of(&text)), wanted, "{text}");
        }
        assert!(!says_incomplete(&Json::of("{}")));
        assert!(says_incomplete(&Json::of(r#"{"issue":[{}]}"#)));
    }

    #[test]
    fn only_codes_come_out() {
        for (body, severity, code) in [
            (
                r#"{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"invalid","diagnostics":"Ada"}]}"#,
                Some(IssueSeverity::Error),
                Some("invalid"),
            ),
            (
                r#"{"issue":[{"severity":"warning","code":"value"},{"severity":"fatal","code":"exception"}]}"#,
                Some(IssueSeverity::Fatal),
                Some("exception"),
            ),
            (
                r#"{"issue":[{"code":"Ada Lovelace"}]}"#,
                Some(IssueSeverity::Error),
                None,
            ),
            (r#"{"resourceType":"OperationOutcome"}"#, None, None),
            ("<html><body>502</body></html>", None, None),
            ("", None, None),
        ] {
            let issue = gravest(body.as_bytes());
            assert_eq!(issue.map(|issue| issue.severity), severity, "{body}");
            assert_eq!(issue.and_then(|issue| issue.code), code, "{body}");
        }
    }
}
