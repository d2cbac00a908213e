//! Reads a FHIR R4 `Consent`: what a person agreed to, for how long and for whom.
//!
//! In comes the resource's tree; out come its parts. Kept: of what is said about time, a day that cannot be read never
//! lets a consent count as in date, nor as over.
//!
//! # Source
//! FHIR R4 `Consent`.

use jiff::civil::Date;

use super::reference::identifier;
use super::resource::last_updated;
use crate::domain::{Instant, recorded_days};
use crate::json::{Json, items};

/// Somebody to whom a consent refers, by name or by class.
pub(crate) struct Recipient<'t> {
    /// System and value.
    pub(crate) identifier: Option<(Option<&'t str>, &'t str)>,
    /// Codes of `role`.
    pub(crate) classes: Vec<&'t str>,
}

/// Whose consent it is, as a `Reference` element.
pub(crate) fn person<'t, 'a>(consent: &'t Json<'a>) -> Option<&'t Json<'a>> {
    consent.get("patient")
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
        None => policy_code(consent, "OPTIN"),
    }
}

/// Whether it denies: its provision says so, or, where that says nothing, its policy is to opt out.
pub(crate) fn denies(consent: &Json<'_>) -> bool {
    match provision_type(consent) {
        Some(kind) => kind == "deny",
        None => policy_code(consent, "OPTOUT"),
    }
}

fn policy_code(consent: &Json<'_>, wanted: &str) -> bool {
    codes(consent.at(&["policyRule", "coding"])).any(|code| code == wanted)
}

/// Whether a provision within the provision takes back a part of it.
pub(crate) fn has_exceptions(consent: &Json<'_>) -> bool {
    items(consent.at(&["provision", "provision"]))
        .iter()
        .any(|inner| inner.get("type").and_then(Json::as_str) != Some("permit"))
}

/// Where a day stands to the period of a consent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InPeriod {
    Before,
    Within,
    After,
    /// A bound cannot be read.
    Unknown,
}

/// Where a day stands to the provision's period, open ends allowed.
pub(crate) fn in_period(consent: &Json<'_>, today: Date) -> InPeriod {
    let (start, end) = (bound(consent, "start"), bound(consent, "end"));
    match (start, end) {
        (PeriodBound::Unreadable, _) | (_, PeriodBound::Unreadable) => InPeriod::Unknown,
        (PeriodBound::Days(first, _), _) if today < first => InPeriod::Before,
        (_, PeriodBound::Days(_, last)) if last < today => InPeriod::After,
        _ => InPeriod::Within,
    }
}

/// First and last day of the provision, as far as they are said and can be read.
pub(crate) fn period(consent: &Json<'_>) -> (Option<Date>, Option<Date>) {
    let day = |key, last: bool| match bound(consent, key) {
        PeriodBound::Days(from, until) => Some(if last { until } else { from }),
        PeriodBound::Open | PeriodBound::Unreadable => None,
    };
    (day("start", false), day("end", true))
}

/// When it was made, else when its record changed last: its London day, and the instant where one is said.
pub(crate) fn made_on(consent: &Json<'_>) -> Option<(Date, Option<Instant>)> {
    let said = text_at(consent, &["dateTime"]).or_else(|| last_updated(consent))?;
    Some((recorded_days(said)?.0, Instant::parse(said)))
}

/// What a consent is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConsentMatter {
    /// Who is told of the person, for the person's own care.
    Disclosure,
    /// Research, planning, a treatment, an opt-out of uses beyond one's own care.
    Other,
    /// Its scope says something that we do not know.
    Unknown,
}

/// Codes of FHIR R4 `consent-scope` that are not about disclosure.
const OTHER_SCOPES: [&str; 3] = ["research", "adr", "treatment"];
/// Words of the national and the type 1 opt-out, in small letters without what stands between them.
const OPT_OUTS: [&str; 4] = [
    "nationaldataoptout",
    "nationalopt",
    "type1opt",
    "secondaryuse",
];

/// What it is about, as its scope and its category say; a consent that says neither is about what it is attached to.
pub(crate) fn matter(consent: &Json<'_>) -> ConsentMatter {
    let words = |key: &str| -> Vec<String> {
        items(consent.get(key))
            .iter()
            .flat_map(|concept| {
                let codings = items(concept.get("coding")).iter().flat_map(|coding| {
                    ["code", "display", "system"].map(|part| text_at(coding, &[part]))
                });
                codings.chain([text_at(concept, &["text"])]).flatten()
            })
            .map(|word| {
                let letters = word.chars().filter(char::is_ascii_alphanumeric);
                letters.map(|letter| letter.to_ascii_lowercase()).collect()
            })
            .collect()
    };
    let scope = || codes(consent.at(&["scope", "coding"]));
    let said = ["scope", "category", "policyRule"].map(words).concat();
    let opt_out = |word: &String| OPT_OUTS.iter().any(|mark| word.contains(mark));
    if said.iter().any(opt_out) || scope().any(|code| OTHER_SCOPES.contains(&code)) {
        ConsentMatter::Other
    } else if consent.get("scope").is_none() || scope().any(|code| code == "patient-privacy") {
        ConsentMatter::Disclosure
    } else {
        ConsentMatter::Unknown
    }
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

/// An end of a period.
enum PeriodBound {
    Open,
    Days(Date, Date),
    Unreadable,
}

fn bound(consent: &Json<'_>, key: &str) -> PeriodBound {
    match consent.at(&["provision", "period"]) {
        None | Some(Json::Null) => PeriodBound::Open,
        Some(period @ Json::Object(_)) => match period.get(key) {
            None | Some(Json::Null) => PeriodBound::Open,
            Some(value) => match value.as_str().and_then(recorded_days) {
                Some((first, last)) => PeriodBound::Days(first, last),
                None => PeriodBound::Unreadable,
            },
        },
        Some(_) => PeriodBound::Unreadable,
    }
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
            (date(2025, 12, 31), InPeriod::Before),
            (start, InPeriod::Within),
            (end, InPeriod::Within),
            (date(2027, 1, 1), InPeriod::After),
        ] {
            assert_eq!(in_period(&tree, day), expected, "{day}");
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
            (permits(&tree), in_period(&tree, today) == InPeriod::Within)
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
        for end in ["7", "true", "[]", r#"{"value":"2030"}"#, r#""2026-02-30""#] {
            let text = format!(r#"{{"provision":{{"period":{{"end":{end}}}}}}}"#);
            let found = in_period(&Json::of(&text), today);
            assert_eq!(found, InPeriod::Unknown, "{end}");
        }
        let text = Json::of(r#"{"provision":{"period":"2026"}}"#);
        assert_eq!(in_period(&text, today), InPeriod::Unknown);
    }

    #[test]
    fn a_choice_about_other_uses_is_no_refusal_of_a_referral() {
        let scope = |code: &str| format!(r#"{{"scope":{{"coding":[{{"code":"{code}"}}]}}}}"#);
        for (text, about) in [
            ("{}".to_owned(), ConsentMatter::Disclosure),
            (scope("patient-privacy"), ConsentMatter::Disclosure),
            (scope("research"), ConsentMatter::Other),
            (scope("something"), ConsentMatter::Unknown),
            (r#"{"scope":{}}"#.to_owned(), ConsentMatter::Unknown),
            (
                r#"{"category":[{"coding":[{"code":"x","display":"National Data Opt-out"}]}]}"#
                    .to_owned(),
                ConsentMatter::Other,
            ),
            (
                r#"{"category":[{"text":"Type 1 opt-out"}]}"#.to_owned(),
                ConsentMatter::Other,
            ),
        ] {
            assert_eq!(matter(&Json::of(&text)), about, "{text}");
        }
    }
}
