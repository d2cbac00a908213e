//! Whether a Consent covers a partner (`safety.md` §4).

use jiff::civil::Date;

use crate::fhir::reference::identifier;
use crate::fhir::service_request;
use crate::json::{Json, items};
use crate::partner::{Partner, PartnerKind, View};

/// Active, in date, a permit, and for this partner: by name or class, by being attached to a request that names the
/// partner, or, if it names nobody, for a link-worker service.
pub(super) fn covers(consent: &Json<'_>, partner: &Partner, view: &View<'_>) -> bool {
    if !in_force(consent, view.today) {
        return false;
    }
    let actors = items(consent.at(&["provision", "actor"]));
    if actors.is_empty() {
        let named = service_request::performer_identifiers(view.request);
        let for_performer = named
            .iter()
            .any(|(_, value)| *value == partner.id || *value == partner.identifier.value);
        return for_performer || partner.kind == PartnerKind::LinkWorker;
    }
    actors.iter().any(|actor| {
        let reference = actor.get("reference").and_then(identifier);
        let by_name = reference.is_some_and(|(system, value)| {
            value == partner.identifier.value
                && system.is_none_or(|system| system == partner.identifier.system)
        });
        let class = || {
            items(actor.at(&["role", "coding"]))
                .iter()
                .filter_map(|coding| coding.get("code")?.as_str())
        };
        by_name || class().any(|code| partner.classes.iter().any(|listed| listed == code))
    })
}

/// Active, a permit, and in date.
pub(super) fn in_force(consent: &Json<'_>, today: Date) -> bool {
    let text = |path: &[&str]| consent.at(path).and_then(Json::as_str);
    let active = text(&["status"]) == Some("active");
    let permits = match text(&["provision", "type"]) {
        Some(kind) => kind == "permit",
        None => items(consent.at(&["policyRule", "coding"]))
            .iter()
            .any(|coding| coding.get("code").and_then(Json::as_str) == Some("OPTIN")),
    };
    active && permits && in_date(consent, today)
}

/// The provision's period, open ends allowed; a day that cannot be read is out of date.
fn in_date(consent: &Json<'_>, today: Date) -> bool {
    let bound = |key: &str| {
        consent
            .at(&["provision", "period", key])
            .and_then(Json::as_str)
    };
    let day = |text: &str| text.get(..10).and_then(|day| day.parse::<Date>().ok());
    let started = bound("start").is_none_or(|text| day(text).is_some_and(|day| day <= today));
    let running = bound("end").is_none_or(|text| day(text).is_some_and(|day| today <= day));
    started && running
}
