//! Reads a FHIR R4 `Consent`: what a person agreed to, for how long and for whom.
//!
//! In comes the resource's tree; out come its parts. Kept: of what is said about time, a day that cannot be read never
//! lets a consent count as in date.
//!
//! # Source
//! FHIR R4 `Consent`.

use jiff::civil::Date;

use crate::fhir::resources::reference::identifier;
use crate::json::{Json, items};

/// Somebody to whom a consent refers, by name or by class.
pub(crate) struct Recipient<'t> {
    /// System and value.
    pub(crate) identifier: Option<(Option<&'t str>, &'t str)>,
    /// Codes of `role`.
    pub(crate) classes: Vec<&'t str>,
}

pub(crate) fn status<'t>(consent: &'t Json<'_>) -> Option<&'t str> {
    text_at(consent, &["status"])
}

/// `permit` or `deny`, as written.
pub(crate) fn provision_type<'t>(consent: &'t Json<'_>) -> Option<&'t str> {
    text_at(consent, &["provision", "type"])
}

/// Whether it permits: its provision says so, or, where that says nothing, its policy is to opt in.
pub(crate) fn permits(consent: &Json<'_>) -> bool {
    match provision_type(consent) {
        Some(kind) => kind == "permit",
        None => codes(consent.at(&["policyRule", "coding"])).any(|code| code == "OPTIN"),
    }
}

/// Whether the provision's period covers the day, open ends allowed; a day that cannot be read is out of date.
pub(crate) fn in_date(consent: &Json<'_>, today: Date) -> bool {
    let started =
        bound(consent, "start").is_none_or(|text| day_of(text).is_some_and(|day| day <= today));
    let running =
        bound(consent, "end").is_none_or(|text| day_of(text).is_some_and(|day| today <= day));
    started && running
}

/// First and last day of the provision, as far as they are said and can be read.
pub(crate) fn period(consent: &Json<'_>) -> (Option<Date>, Option<Date>) {
    let day = |key| bound(consent, key).and_then(day_of);
    (day("start"), day("end"))
}

/// Those whom the provision names; none where it names nobody.
pub(crate) fn recipients<'t>(consent: &'t Json<'_>) -> Vec<Recipient<'t>> {
    items(consent.at(&["provision", "actor"]))
        .iter()
        .map(|actor| Recipient {
            identifier: actor.get("reference").and_then(identifier),
            classes: codes(actor.at(&["role", "coding"])).collect(),
        })
        .collect()
}

fn text_at<'t>(consent: &'t Json<'_>, path: &[&str]) -> Option<&'t str> {
    consent.at(path).and_then(Json::as_str)
}

fn codes<'t>(codings: Option<&'t Json<'_>>) -> impl Iterator<Item = &'t str> {
    items(codings)
        .iter()
        .filter_map(|coding| coding.get("code")?.as_str())
}

fn bound<'t>(consent: &'t Json<'_>, key: &str) -> Option<&'t str> {
    text_at(consent, &["provision", "period", key])
}

/// The day that a FHIR date or instant begins with.
fn day_of(text: &str) -> Option<Date> {
    text.get(..10)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn reads_a_consent() {
        let tree = Json::of(
            r#"{"status":"active","provision":{"type":"permit","period":{"start":"2026-01-01","end":"2026-12-31T09:00:00Z"},
            "actor":[{"reference":{"identifier":{"system":"s","value":"v"}}},{"role":{"coding":[{"code":"c"},{}]}}]}}"#,
        );
        assert_eq!(
            (status(&tree), provision_type(&tree), permits(&tree)),
            (Some("active"), Some("permit"), true)
        );
        let (start, end) = (date(2026, 1, 1), date(2026, 12, 31));
        assert_eq!(period(&tree), (Some(start), Some(end)));
        for (day, expected) in [
            (date(2025, 12, 31), false),
            (start, true),
            (end, true),
            (date(2027, 1, 1), false),
        ] {
            assert_eq!(in_date(&tree, day), expected, "{day}");
        }
        let named = recipients(&tree);
        assert_eq!(named[0].identifier, Some((Some("s"), "v")));
        assert_eq!(named[1].classes, ["c"]);
    }

    #[test]
    fn what_cannot_be_read_permits_nothing() {
        let today = date(2026, 6, 1);
        let of = |text: &str| {
            let tree = Json::of(text);
            (permits(&tree), in_date(&tree, today))
        };
        assert_eq!(of("{}"), (false, true));
        assert_eq!(
            of(r#"{"policyRule":{"coding":[{"code":"OPTIN"}]}}"#),
            (true, true)
        );
        assert_eq!(
            of(r#"{"policyRule":{"coding":[{"code":"OPTIN"}]},"provision":{"type":"deny"}}"#),
            (false, true)
        );
        assert_eq!(
            of(r#"{"provision":{"type":"permit","period":{"start":"soon"}}}"#),
            (true, false)
        );
    }
}
