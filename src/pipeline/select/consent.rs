//! Whether a Consent covers a partner (`safety.md` §4).

use jiff::civil::Date;

use crate::fhir::resources::consent;
use crate::fhir::resources::service_request;
use crate::json::Json;
use crate::partner::{Partner, PartnerKind, ReferralView};

/// Active, in date, a permit, and for this partner: by name or class, by being attached to a request that names the
/// partner, or, if it names nobody, for a link-worker service.
pub(super) fn covers(consent: &Json<'_>, partner: &Partner, view: &ReferralView<'_>) -> bool {
    if !in_force(consent, view.today) {
        return false;
    }
    let recipients = consent::recipients(consent);
    if recipients.is_empty() {
        let named = service_request::performer_identifiers(view.request);
        let for_performer = named
            .iter()
            .any(|(_, value)| *value == partner.id || *value == partner.identifier.value);
        return for_performer || partner.kind == PartnerKind::LinkWorker;
    }
    recipients.iter().any(|recipient| {
        let by_name = recipient.identifier.is_some_and(|(system, value)| {
            value == partner.identifier.value
                && system.is_none_or(|system| system == partner.identifier.system)
        });
        let listed = |code: &&str| partner.classes.iter().any(|listed| listed == code);
        by_name || recipient.classes.iter().any(listed)
    })
}

/// Active, a permit, and in date.
pub(super) fn in_force(consent: &Json<'_>, today: Date) -> bool {
    consent::status(consent) == Some("active")
        && consent::permits(consent)
        && consent::in_date(consent, today)
}
