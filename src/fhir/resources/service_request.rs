//! Reads a FHIR R4 `ServiceRequest`: the GP's referral.
//!
//! In comes the resource's tree; out come its parts, borrowed, absent where the source says nothing. Kept: no
//! judgement here. Whether a status, an intent or a code makes it ours is select's question.
//!
//! # Source
//! FHIR R4 `ServiceRequest`; UK Core `UKCore-ServiceRequest` 2.5.1.

use std::borrow::Cow;

use super::bundle::by_address;
use super::practitioner::role_services;
use super::reference::{Address, Reference, identifier, text_of};
pub(crate) use super::resource::has_modifier_extension;
use super::resource::{coded, contained, resource_type};
use crate::json::{Json, items};

/// One coding of what is asked for, with the words of its concept.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Coding<'t> {
    pub(crate) system: Option<&'t str>,
    pub(crate) code: Option<&'t str>,
    pub(crate) display: Option<&'t str>,
    /// `CodeableConcept.text`.
    pub(crate) text: Option<&'t str>,
}

/// A display or text may be free text about a person.
impl std::fmt::Debug for Coding<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Coding(masked)")
    }
}

pub(crate) fn status<'t>(request: &'t Json<'_>) -> Option<&'t str> {
    text_of(request, "status")
}

pub(crate) fn intent<'t>(request: &'t Json<'_>) -> Option<&'t str> {
    text_of(request, "intent")
}

/// Whether the request says *not* to do it. Anything there but `false` counts: in doubt nothing goes out.
pub(crate) fn do_not_perform(request: &Json<'_>) -> bool {
    request
        .get("doNotPerform")
        .is_some_and(|said| !said.is_null() && said.as_bool() != Some(false))
}

/// `code.coding` as (system, code).
pub(crate) fn codes<'t>(request: &'t Json<'_>) -> Vec<(Option<&'t str>, &'t str)> {
    coded(request.at(&["code", "coding"]))
}

/// Whether a word or a number anywhere below `code` is one of the codes that are asked for, whatever its form and system.
pub(crate) fn mentions_code(request: &Json<'_>, listed: &dyn Fn(&str) -> bool) -> bool {
    request
        .get("code")
        .is_some_and(|code| mentions(code, listed))
}

fn mentions(value: &Json<'_>, listed: &dyn Fn(&str) -> bool) -> bool {
    match value {
        Json::String(text) => {
            listed(text.trim()) || text.split(|c: char| !c.is_alphanumeric()).any(listed)
        }
        // As written, and as a spreadsheet may have left it.
        Json::Number(text) => {
            let whole = || {
                text.parse::<f64>()
                    .is_ok_and(|number| listed(&format!("{number:.0}")))
            };
            listed(text) || whole()
        }
        Json::Array(values) => values.iter().any(|value| mentions(value, listed)),
        Json::Object(members) => members.iter().any(|(_, value)| mentions(value, listed)),
        Json::Null | Json::Bool(_) => false,
    }
}

/// How soon a request wants to be acted on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PriorityClass {
    Routine,
    /// `urgent` or `asap`.
    Urgent,
    /// `stat`, or a word that FHIR does not have: nobody can say how soon.
    Stat,
}

/// How urgent the request calls itself, in whatever letters.
pub(crate) fn urgency(request: &Json<'_>) -> PriorityClass {
    let said = request.get("priority").filter(|said| !said.is_null());
    match (said, known_priority(request)) {
        (None, _) | (_, Some("routine")) => PriorityClass::Routine,
        (_, Some("urgent" | "asap")) => PriorityClass::Urgent,
        (Some(said), None) if said.as_str().is_some_and(|text| text.trim().is_empty()) => {
            PriorityClass::Routine
        }
        _ => PriorityClass::Stat,
    }
}

/// `priority` as FHIR writes it, if it is one of its codes in whatever letters.
pub(crate) fn known_priority(request: &Json<'_>) -> Option<&'static str> {
    let said = text_of(request, "priority")?;
    ["routine", "urgent", "asap", "stat"]
        .into_iter()
        .find(|known| said.eq_ignore_ascii_case(known))
}

/// `orderDetail.coding` as (system, code): "do not contact" stands here.
pub(crate) fn order_detail_codes<'t>(request: &'t Json<'_>) -> Vec<(Option<&'t str>, &'t str)> {
    codes_of(request, "orderDetail")
}

/// What is asked for, in the order it is looked up: every `orderDetail`, then `code`. A concept of words alone
/// gives one entry without a code.
pub(crate) fn activity_codings<'t>(request: &'t Json<'_>) -> Vec<Coding<'t>> {
    items(request.get("orderDetail"))
        .iter()
        .chain(request.get("code"))
        .flat_map(concept_codings)
        .collect()
}

/// What each `orderDetail` says, of those that say anything.
pub(crate) fn details<'t>(request: &'t Json<'_>) -> Vec<Vec<Coding<'t>>> {
    let details = items(request.get("orderDetail")).iter();
    details
        .map(concept_codings)
        .filter(|codings| !codings.is_empty())
        .collect()
}

pub(crate) fn subject<'t>(request: &'t Json<'_>, base: Option<&str>) -> Reference<'t> {
    Reference::of(request.get("subject"), base)
}

/// The identifier of the subject beside whatever address it has.
pub(crate) fn subject_identifier<'t>(request: &'t Json<'_>) -> Option<(Option<&'t str>, &'t str)> {
    identifier(request.get("subject")?)
}

pub(crate) fn requester<'t>(request: &'t Json<'_>, base: Option<&str>) -> Reference<'t> {
    Reference::of(request.get("requester"), base)
}

/// The requester's words, for when it resolves to nothing.
pub(crate) fn requester_display<'t>(request: &'t Json<'_>) -> Option<&'t str> {
    text_of(request.get("requester")?, "display")
}

/// An identifier as (system, value).
pub(crate) type Identifier<'t> = (Option<&'t str>, &'t str);

/// Every performer, in order, by its identifiers: its own, else those of the organisation or service that it refers to, which
/// is contained in the request or one of `known`, by the reference as written. None where nobody is found.
pub(crate) fn performers_by_identifier<'t>(
    request: &'t Json<'_>,
    known: Option<&'t Json<'_>>,
) -> Vec<Vec<Identifier<'t>>> {
    items(request.get("performer"))
        .iter()
        .map(|element| named_identifiers(element, request, known, PERFORMER_STEPS))
        .collect()
}

/// From a performer to a role, and from there to its organisation.
const PERFORMER_STEPS: usize = 2;

fn named_identifiers<'t>(
    element: &'t Json<'_>,
    request: &'t Json<'_>,
    known: Option<&'t Json<'_>>,
    steps: usize,
) -> Vec<Identifier<'t>> {
    if let Some(own) = identifier(element) {
        return vec![own];
    }
    let found = text_of(element, "reference").and_then(|text| match text.strip_prefix('#') {
        Some(id) => contained(request, id),
        None => by_address(known?, text),
    });
    let Some(found) = found.filter(|_| steps > 0) else {
        return Vec::new();
    };
    match resource_type(found) {
        Some("Organization" | "HealthcareService") => items(found.get("identifier"))
            .iter()
            .filter(|element| text_of(element, "use") != Some("old"))
            .filter_map(|element| Some((text_of(element, "system"), text_of(element, "value")?)))
            .collect(),
        Some("PractitionerRole") => {
            let services = items(found.get("healthcareService")).iter();
            let named = found.get("organization").into_iter().chain(services);
            named
                .flat_map(|element| named_identifiers(element, request, known, steps - 1))
                .collect()
        }
        _ => Vec::new(),
    }
}

/// The identifiers of the performers as (system, value), in order.
pub(crate) fn performer_identifiers<'t>(
    request: &'t Json<'_>,
    known: Option<&'t Json<'_>>,
) -> Vec<Identifier<'t>> {
    performers_by_identifier(request, known).concat()
}

/// The same without those of performers that are people, or anything else that is no service.
pub(crate) fn service_identifiers<'t>(
    request: &'t Json<'_>,
    known: Option<&'t Json<'_>>,
) -> Vec<Identifier<'t>> {
    let other = |kind: &str| OTHER_PERFORMERS.contains(&kind);
    items(request.get("performer"))
        .iter()
        .filter(|element| {
            let text = text_of(element, "reference").unwrap_or_default();
            let within = text.strip_prefix('#').and_then(|id| contained(request, id));
            !(text.split('/').any(other)
                || text_of(element, "type").is_some_and(other)
                || within.and_then(resource_type).is_some_and(other))
        })
        .flat_map(|element| named_identifiers(element, request, known, PERFORMER_STEPS))
        .collect()
}

/// The types of performers that are no services: most of them are people.
const OTHER_PERFORMERS: [&str; 5] = [
    "Patient",
    "RelatedPerson",
    "Practitioner",
    "CareTeam",
    "Device",
];

/// The types of performers that are services, or lead to one.
pub(crate) const SERVICES: [&str; 3] = ["Organization", "HealthcareService", "PractitionerRole"];

/// The references of performers without an identifier, as written, to what is not contained; of a contained role, those to
/// its organisation and services.
pub(crate) fn performers_to_resolve<'t>(request: &'t Json<'_>) -> Vec<&'t str> {
    items(request.get("performer"))
        .iter()
        .filter(|element| identifier(element).is_none())
        .filter_map(|element| text_of(element, "reference"))
        .flat_map(|text| match text.strip_prefix('#') {
            None => vec![text],
            Some(id) => contained(request, id).map_or_else(Vec::new, role_services),
        })
        .collect()
}

/// Every performer as a reference: one that bears no identifier has to be resolved.
pub(crate) fn performers<'t>(request: &'t Json<'_>, base: Option<&str>) -> Vec<Reference<'t>> {
    references(request.get("performer"), base)
}

/// `reasonCode.coding` as (system, code).
pub(crate) fn reason_codes<'t>(request: &'t Json<'_>) -> Vec<(Option<&'t str>, &'t str)> {
    codes_of(request, "reasonCode")
}

/// Each reason as the text of its concept and the first code and display of its codings.
pub(crate) fn reasons<'t>(request: &'t Json<'_>) -> impl Iterator<Item = Coding<'t>> {
    items(request.get("reasonCode")).iter().map(|concept| {
        let codings = items(concept.get("coding"));
        let first = |name| codings.iter().find_map(|coding| text_of(coding, name));
        Coding {
            system: None,
            code: first("code"),
            display: first("display"),
            text: text_of(concept, "text"),
        }
    })
}

/// All note texts, joined by a line break.
pub(crate) fn note_text<'t>(request: &'t Json<'_>) -> Option<Cow<'t, str>> {
    let notes: Vec<&str> = items(request.get("note"))
        .iter()
        .filter_map(|note| text_of(note, "text"))
        .collect();
    match notes.as_slice() {
        [] => None,
        [only] => Some(Cow::Borrowed(only)),
        several => Some(Cow::Owned(several.join("\n"))),
    }
}

/// As written: a day, or an instant with its offset.
pub(crate) fn authored_on<'t>(request: &'t Json<'_>) -> Option<&'t str> {
    text_of(request, "authoredOn")
}

pub(crate) fn supporting_info<'t>(request: &'t Json<'_>, base: Option<&str>) -> Vec<Reference<'t>> {
    references(request.get("supportingInfo"), base)
}

/// A reference of `supportingInfo` to a Consent.
#[derive(PartialEq, Eq)]
pub(crate) struct NamedConsent<'t> {
    pub(crate) reference: Reference<'t>,
    /// Whether it says that it is one; of a `urn:` without a type only what it leads to does.
    pub(crate) certain: bool,
}

/// The Consents a request rests on: those of `supportingInfo` that say so by their address or type, or are contained ones.
pub(crate) fn consents<'t>(request: &'t Json<'_>, base: Option<&str>) -> Vec<NamedConsent<'t>> {
    let one = |element: &'t Json<'_>| {
        let reference = Reference::parse(element, base);
        let kind = text_of(element, "type").or_else(|| match reference {
            Reference::Relative { kind, .. } => Some(kind),
            Reference::Foreign(url) => Some(Address::parse(url)?.kind),
            Reference::Contained(id) => resource_type(contained(request, id)?),
            _ => None,
        });
        let certain = match kind {
            Some(kind) => (kind == "Consent").then_some(true)?,
            None if matches!(reference, Reference::Urn(_)) => false,
            None => return None,
        };
        Some(NamedConsent { reference, certain })
    };
    items(request.get("supportingInfo"))
        .iter()
        .filter_map(one)
        .collect()
}

/// The codes of a list of concepts.
fn codes_of<'t>(request: &'t Json<'_>, key: &str) -> Vec<(Option<&'t str>, &'t str)> {
    items(request.get(key))
        .iter()
        .flat_map(|concept| coded(concept.get("coding")))
        .collect()
}

fn references<'t>(list: Option<&'t Json<'_>>, base: Option<&str>) -> Vec<Reference<'t>> {
    items(list)
        .iter()
        .map(|element| Reference::parse(element, base))
        .collect()
}

fn concept_codings<'t>(concept: &'t Json<'_>) -> Vec<Coding<'t>> {
    let text = text_of(concept, "text");
    let mut codings: Vec<Coding<'t>> = items(concept.get("coding"))
        .iter()
        .map(|coding| Coding {
            system: text_of(coding, "system"),
            code: text_of(coding, "code"),
            display: text_of(coding, "display"),
            text,
        })
        .collect();
    if codings.is_empty() && text.is_some() {
        codings.push(Coding {
            system: None,
            code: None,
            display: None,
            text,
        });
    }
    codings
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: &str = r##"{"resourceType":"ServiceRequest","status":"active","intent":"order","identifier":[{"system":"s","value":"v"},{"system":"s"}],
        "requisition":{"value":"q"},"replaces":[{"reference":"ServiceRequest/1"}],
        "code":{"coding":[{"system":"http://snomed.info/sct","code":"871731000000106"}],"text":"Referral"},
        "orderDetail":[{"coding":[{"system":"a","code":"befriending","display":"Befriending"}]},{"text":"only words"}],
        "subject":{"reference":"Patient/p","identifier":{"value":"n"}},
        "requester":{"reference":"#gp","display":"Dr A"},
        "performer":[{"identifier":{"system":"ods","value":"ZZ901"}},{"reference":"Organization/o"}],
        "reasonCode":[{"text":"Lonely"},{"coding":[{"code":"1"},{"code":"2","display":"Two"}]},{"coding":[{"code":"3"}]},{}],
        "note":[{"text":"first"},{"authorString":"x"},{"text":"second"}],
        "supportingInfo":[{"reference":"Consent/c"},{"type":"Consent","identifier":{"value":"k"}},{"reference":"Organization/o"}]}"##;

    #[test]
    fn reads_a_referral() {
        let tree = Json::of(REQUEST);
        assert_eq!(
            (status(&tree), intent(&tree)),
            (Some("active"), Some("order"))
        );
        assert_eq!(
            codes(&tree),
            [(Some("http://snomed.info/sct"), "871731000000106")]
        );
        assert_eq!(order_detail_codes(&tree), [(Some("a"), "befriending")]);
        let activities: Vec<_> = activity_codings(&tree)
            .iter()
            .map(|coding| (coding.code, coding.text))
            .collect();
        assert_eq!(
            activities,
            [
                (Some("befriending"), None),
                (None, Some("only words")),
                (Some("871731000000106"), Some("Referral")),
            ]
        );
        assert_eq!(subject_identifier(&tree), Some((None, "n")));
        assert_eq!(requester(&tree, None), Reference::Contained("gp"));
        assert_eq!(requester_display(&tree), Some("Dr A"));
        assert_eq!(performer_identifiers(&tree, None), [(Some("ods"), "ZZ901")]);
        assert!(performers_by_identifier(&tree, None)[1].is_empty());
        let person = r#"{"performer":[{"reference":"Practitioner/1","identifier":{"value":"p"}},{"type":"Patient","identifier":{"value":"q"}}]}"#;
        assert_eq!(service_identifiers(&Json::of(person), None), []);
        assert_eq!(service_identifiers(&tree, None), [(Some("ods"), "ZZ901")]);
        assert_eq!(performers_to_resolve(&tree), ["Organization/o"]);
        assert_eq!(performers(&tree, None).len(), 2);
        assert_eq!(reason_codes(&tree).len(), 3);
        assert_eq!(note_text(&tree).as_deref(), Some("first\nsecond"));
        assert_eq!(consents(&tree, None).len(), 2);
        assert_eq!(supporting_info(&tree, None).len(), 3);
        assert!(!has_modifier_extension(&tree) && !do_not_perform(&tree));
    }

    #[test]
    fn a_performer_by_reference_is_named_by_the_identifiers_of_what_it_refers_to() {
        let known = r#"{"entry":[
            {"fullUrl":"Organization/1","resource":{"resourceType":"Organization","identifier":[{"use":"old","value":"x"},{"system":"s","value":"o"}]}},
            {"fullUrl":"HealthcareService/1","resource":{"resourceType":"HealthcareService","identifier":[{"system":"s","value":"h"}]}},
            {"fullUrl":"Practitioner/1","resource":{"resourceType":"Practitioner","identifier":[{"system":"s","value":"p"}]}}]}"#;
        let contained = r##"[{"resourceType":"Organization","id":"o","identifier":[{"system":"s","value":"c"}]},
            {"resourceType":"PractitionerRole","id":"r","organization":{"reference":"#o"},"healthcareService":[{"reference":"HealthcareService/1"}]},
            {"resourceType":"PractitionerRole","id":"l","organization":{"reference":"#l"}}]"##;
        for (element, expected) in [
            (r#"{"reference":"Organization/1"}"#, vec!["o"]),
            (r#"{"reference":"HealthcareService/1"}"#, vec!["h"]),
            (
                r#"{"reference":"Organization/1","identifier":{"system":"s","value":"own"}}"#,
                vec!["own"],
            ),
            (r##"{"reference":"#o"}"##, vec!["c"]),
            (r##"{"reference":"#r"}"##, vec!["c", "h"]),
            (r##"{"reference":"#l"}"##, vec![]),
            (r#"{"reference":"Practitioner/1"}"#, vec![]),
            (r#"{"reference":"Organization/2"}"#, vec![]),
        ] {
            let text = format!(r#"{{"contained":{contained},"performer":[{element}]}}"#);
            let (request, known) = (Json::of(&text), Json::of(known));
            let found = performers_by_identifier(&request, Some(&known));
            let found: Vec<&str> = found[0].iter().map(|(_, value)| *value).collect();
            assert_eq!(found, expected, "{element}");
        }
    }

    #[test]
    fn takes_doubt_for_a_no() {
        for (text, expected) in [
            (r#"{"doNotPerform":true}"#, true),
            (r#"{"doNotPerform":"no"}"#, true),
            (r#"{"doNotPerform":false}"#, false),
            ("{}", false),
        ] {
            let tree = Json::of(text);
            assert_eq!(do_not_perform(&tree), expected, "{text}");
        }
        let odd = Json::of(r#"{"modifierExtension":[{}],"note":"x","code":[1]}"#);
        assert!(has_modifier_extension(&odd));
        assert_eq!(note_text(&odd), None);
        assert!(activity_codings(&odd).is_empty());
    }

    #[test]
    fn a_code_in_another_form_is_mentioned_all_the_same() {
        let wanted = |word: &str| word == "871731000000106";
        for (code, mentioned) in [
            (
                r#"{"coding":[{"system":"https://snomed.info/sct","code":"871731000000106"}]}"#,
                true,
            ),
            (r#"{"coding":[{"code":871731000000106}]}"#, true),
            (r#"{"coding":[{"code":8.71731000000106E14}]}"#, true),
            (r#"{"coding":["871731000000106"]}"#, true),
            (r#"[{"coding":{"code":["871731000000106"]}}]"#, true),
            (r#""http://snomed.info/sct|871731000000106""#, true),
            (r#"{"text":"871731000000106 Referral"}"#, true),
            (r#"{"coding":[{"code":"8717310000001067"}]}"#, false),
            (
                r#"{"coding":[{"code":"390893007","display":"Referral"}]}"#,
                false,
            ),
            ("null", false),
        ] {
            let text = format!(r#"{{"code":{code}}}"#);
            assert_eq!(
                mentions_code(&Json::of(&text), &wanted),
                mentioned,
                "{code}"
            );
        }
    }

    #[test]
    fn a_priority_is_read_in_any_letters_and_doubt_is_urgent() {
        for (said, expected) in [
            ("null", (PriorityClass::Routine, None)),
            (r#""Routine""#, (PriorityClass::Routine, Some("routine"))),
            (r#""URGENT""#, (PriorityClass::Urgent, Some("urgent"))),
            (r#""asap ""#, (PriorityClass::Urgent, Some("asap"))),
            (r#""STAT""#, (PriorityClass::Stat, Some("stat"))),
            (r#""emergency""#, (PriorityClass::Stat, None)),
            (r#"["urgent"]"#, (PriorityClass::Stat, None)),
            ("1", (PriorityClass::Stat, None)),
        ] {
            let text = format!(r#"{{"priority":{said}}}"#);
            let request = Json::of(&text);
            let found = (urgency(&request), known_priority(&request));
            assert_eq!(found, expected, "{said}");
        }
        assert_eq!(urgency(&Json::of("{}")), PriorityClass::Routine);
    }

    #[test]
    fn a_detail_is_the_first_that_says_anything_and_never_the_code() {
        let code = r#""code":{"coding":[{"code":"871731000000106","display":"Referral"}]}"#;
        for (details, expected) in [
            ("[]", None),
            ("[{}]", None),
            (r#"[{"coding":[]},{"text":"walking"}]"#, Some("walking")),
            (r#"{"text":"gardening"}"#, Some("gardening")),
        ] {
            let text = format!(r#"{{"orderDetail":{details},{code}}}"#);
            let request = Json::of(&text);
            let found = super::details(&request)
                .first()
                .and_then(|detail| detail[0].text);
            assert_eq!(found, expected, "{details}");
        }
    }
}
