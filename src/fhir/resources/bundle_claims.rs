//! What a Bundle says of itself: which page it is, how much there is, and what could not be given.
//!
//! In: the text of a Bundle from anywhere. Out: its links, its count, and the entries that failed or are empty. Kept: texts of
//! people (`diagnostics`, `details`) are never read.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::operation_outcome::says_incomplete;
use super::resource::resource_type;
use crate::json::{Arena, Json};

/// What a Bundle claims.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct BundleClaims<'a> {
    pub(crate) self_link: Option<Cow<'a, str>>,
    /// The page behind it.
    pub(crate) next: Option<Cow<'a, str>>,
    /// Entries that are neither included nor about the search.
    pub(crate) matches: u64,
    /// Matches on all pages of a search; none where they were only estimated, or this is no search.
    pub(crate) total: Option<u64>,
    /// Positions of entries whose answer is a failure.
    pub(crate) failed: Vec<usize>,
    /// Positions of entries that hold nothing at all.
    pub(crate) empty: Vec<usize>,
}

#[derive(Deserialize)]
struct ClaimsText<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    total: Option<&'a RawValue>,
    #[serde(default, rename = "_total")]
    about_total: Option<IgnoredAny>,
    #[serde(borrow, default)]
    link: Vec<ClaimsLink<'a>>,
    #[serde(borrow, default)]
    entry: Vec<ClaimsEntry<'a>>,
}

#[derive(Deserialize)]
struct ClaimsLink<'a> {
    #[serde(borrow, default)]
    relation: Cow<'a, str>,
    #[serde(borrow, default)]
    url: Cow<'a, str>,
}

#[derive(Deserialize)]
struct ClaimsEntry<'a> {
    #[serde(default)]
    resource: Option<IgnoredAny>,
    #[serde(default)]
    request: Option<IgnoredAny>,
    #[serde(borrow, default)]
    search: Option<ClaimsSearch<'a>>,
    #[serde(borrow, default)]
    response: Option<ClaimsAnswer<'a>>,
}

#[derive(Deserialize)]
struct ClaimsSearch<'a> {
    #[serde(borrow, default)]
    mode: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct ClaimsAnswer<'a> {
    /// A text, and with some servers a number.
    #[serde(borrow, default)]
    status: Option<&'a RawValue>,
    #[serde(borrow, default)]
    outcome: Option<&'a RawValue>,
}

impl ClaimsAnswer<'_> {
    /// Whether what was asked for is missing. That there is no such resource is an answer.
    fn failed(&self) -> bool {
        let status = self.status.map_or("", RawValue::get);
        let digits = status.trim_start_matches(['"', ' ']).get(..3);
        let status = digits.and_then(|digits| digits.parse::<u16>().ok());
        let refused = status.is_some_and(|status| status >= 400 && !matches!(status, 404 | 410));
        let arena = Arena::default();
        let outcome = self.outcome.map(|text| text.get().as_bytes());
        let outcome = outcome.and_then(|text| Json::parse(text, &arena).ok());
        let absent = matches!(status, Some(404 | 410));
        refused || !absent && outcome.as_ref().is_some_and(says_incomplete)
    }
}

impl<'a> BundleClaims<'a> {
    /// What the Bundle of this text claims; none where it has another form.
    pub(crate) fn of(bytes: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let raw: ClaimsText<'a> = serde_json::from_str(text.trim_start_matches('\u{feff}')).ok()?;
        let mut claims = Self::default();
        for (number, entry) in raw.entry.iter().enumerate() {
            let mode = entry
                .search
                .as_ref()
                .and_then(|search| search.mode.as_deref());
            let counts = entry.resource.is_some() && !matches!(mode, Some("include" | "outcome"));
            claims.matches += u64::from(counts);
            if entry.response.as_ref().is_some_and(ClaimsAnswer::failed) {
                claims.failed.push(number);
            }
            if entry.resource.is_none() && entry.request.is_none() && entry.response.is_none() {
                claims.empty.push(number);
            }
        }
        for link in raw.link.into_iter().filter(|link| !link.url.is_empty()) {
            match link.relation.as_ref() {
                "self" => claims.self_link = Some(link.url),
                "next" => claims.next = Some(link.url),
                _ => {}
            }
        }
        let own = claims.self_link.as_deref().unwrap_or_default();
        let search = raw.kind.as_deref() == Some("searchset");
        if search && counted(own, raw.about_total.is_some()) {
            claims.total = raw.total.and_then(count);
        }
        Some(claims)
    }
}

/// A count, where it is a whole number.
pub(super) fn count(total: &RawValue) -> Option<u64> {
    total.get().parse().ok()
}

/// Whether a total was counted rather than estimated, by what the server says of it.
pub(crate) fn counted(self_link: &str, qualified: bool) -> bool {
    !qualified && !self_link.contains("_total=estimate")
}

/// Whether there is a resource within what is none itself.
pub(crate) fn holds_resource(tree: &Json<'_>) -> bool {
    match tree {
        Json::Array(elements) => elements.iter().any(holds_resource),
        Json::Object(members) => {
            resource_type(tree).is_some() || members.iter().any(|(_, value)| holds_resource(value))
        }
        _ => false,
    }
}

/// Whether a resource that is no Bundle wraps others, as `Parameters` may.
pub(crate) fn wraps_resource(kind: &str, tree: &Json<'_>) -> bool {
    kind == "Parameters" && tree.get("parameter").is_some_and(holds_resource)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(entries: &str, rest: &str) -> (Vec<usize>, Vec<usize>, u64, Option<u64>) {
        let text =
            format!(r#"{{"resourceType":"Bundle","type":"searchset","entry":[{entries}]{rest}}}"#);
        let claims = BundleClaims::of(text.as_bytes()).unwrap();
        (claims.failed, claims.empty, claims.matches, claims.total)
    }

    #[test]
    fn an_entry_fails_by_its_status_or_its_outcome() {
        let outcome = |severity: &str, code: &str| {
            format!(
                r#","outcome":{{"resourceType":"OperationOutcome","issue":[{{"severity":"{severity}","code":"{code}"}}]}}"#
            )
        };
        for (status, outcome, failed) in [
            ("200", String::new(), false),
            ("200 OK", outcome("warning", "value"), false),
            ("200", outcome("error", "exception"), true),
            ("200", outcome("warning", "incomplete"), true),
            ("500", String::new(), true),
            (" 500", String::new(), true),
            ("503 Service Unavailable", String::new(), true),
            ("403", String::new(), true),
            ("404", outcome("error", "not-found"), false),
            ("410", String::new(), false),
            ("", String::new(), false),
        ] {
            let entry = format!(
                r#"{{"resource":{{"id":"a"}}}},{{"response":{{"status":"{status}"{outcome}}}}}"#
            );
            let wanted: Vec<usize> = failed.then_some(1).into_iter().collect();
            assert_eq!(claims(&entry, "").0, wanted, "{status}{outcome}");
        }
    }

    #[test]
    fn only_matches_count_and_an_estimate_is_no_total() {
        let entries = r#"{"resource":{}},{"resource":{},"search":{"mode":"match"}},{"resource":{},"search":{"mode":"include"}},
            {"resource":{},"search":{"mode":"outcome"}},{"fullUrl":"x"},{"request":{"method":"DELETE","url":"Patient/1"}}"#;
        let link = |url: &str| format!(r#","link":[{{"relation":"self","url":"{url}"}}]"#);
        for (rest, total) in [
            (String::new(), None),
            (r#","total":9"#.to_owned(), Some(9)),
            (r#","total":9,"_total":{"extension":[]}"#.to_owned(), None),
            (format!(r#","total":9{}"#, link("http://h/X?a=1")), Some(9)),
            (
                format!(r#","total":9{}"#, link("http://h/X?a=1&_total=estimate")),
                None,
            ),
        ] {
            assert_eq!(
                claims(entries, &rest),
                (vec![], vec![4], 2, total),
                "{rest}"
            );
        }
        let collection =
            br#"{"type":"collection","total":9,"link":[{"relation":"next","url":"n"}]}"#;
        let claims = BundleClaims::of(collection).unwrap();
        assert_eq!((claims.total, claims.next.as_deref()), (None, Some("n")));
    }

    #[test]
    fn a_resource_is_found_however_deep_it_lies() {
        for (text, wanted) in [
            (r#"{"a":[{"b":{"resourceType":"Patient"}}]}"#, true),
            (r#"[[{"resourceType":"Patient"}]]"#, true),
            (
                r#"{"a":[{"b":{"type":"Patient"}}],"resourceType":7}"#,
                false,
            ),
            ("[]", false),
        ] {
            assert_eq!(holds_resource(&Json::of(text)), wanted, "{text}");
        }
    }
}
