//! Where a referral goes: to the performer it names, else as the routing says (`product.md` §4, `safety.md` §4).
//!
//! In: the referral, the partner files and the source's routing. Out: one partner, or the reason why a person decides.
//! Keeps: a named performer is never replaced, and a tie is never guessed.

use super::{Holds, SourceRules, Trail, Unnamed, anonymous_evidence, criteria};
use crate::domain::Reason;
use crate::fhir::resources::service_request;
use crate::json::Json;
use crate::partner::agreement::ConsentRule;
use crate::partner::fields::{activity_codes, needs};
use crate::partner::{Partner, PartnerKind, ReferralView};

/// Where it goes: to the performer named, else as the routing says.
pub(super) fn destination(
    view: &ReferralView<'_>,
    consents: &[&Json<'_>],
    source: &SourceRules<'_>,
    trail: &mut Trail,
) -> Result<usize, Reason> {
    let performers = service_request::performers(view.request, None);
    if !performers.is_empty() {
        let found = named(view, source);
        trail.check("performer", found.err(), || match found {
            Ok(place) => format!("names {}", id_of(source, place)),
            Err(_) if performers.len() > 1 => format!("{} performers", performers.len()),
            Err(_) => anonymous_evidence::no_partner(view),
        });
        return found;
    }
    let (activities, found_needs) = (activity_codes(view), needs(view));
    let nowhere = activities.is_empty() && (!source.by_need || found_needs.is_empty());
    let ends = nowhere.then_some(Reason::NoDestination);
    if let Some(reason) = trail.check("performer", ends, || {
        anonymous_evidence::wants((view, source), &activities, &found_needs)
    }) {
        return Err(reason);
    }
    match source.unnamed {
        Unnamed::Hold => {
            let reason = Reason::NoService;
            trail.check("routing", Some(reason), || {
                "hold: a person chooses".to_owned()
            });
            Err(reason)
        }
        Unnamed::LinkWorker => best(view, consents, source, trail, "link-worker", |partner| {
            partner.kind == PartnerKind::LinkWorker
        }),
        Unnamed::Auto => best(view, consents, source, trail, "auto", |partner| {
            partner.select.consent == ConsentRule::Required
        }),
    }
}

fn id_of<'s>(source: &SourceRules<'s>, place: usize) -> &'s str {
    let partner = source.partners.get(place);
    partner.map_or("", |partner| partner.id.as_str())
}

/// The one partner that the performers name; anything else is held, never re-routed.
pub(super) fn named(view: &ReferralView<'_>, source: &SourceRules<'_>) -> Result<usize, Reason> {
    let mut places = Vec::new();
    for identifiers in service_request::performers_by_identifier(view.request, view.performers) {
        let mut named: Vec<usize> = identifiers
            .into_iter()
            .filter_map(|(system, value)| place_of(source, system, value))
            .collect();
        named.dedup();
        // One performer whose identifiers are two partners' names neither.
        let [place] = named.as_slice() else {
            return Err(Reason::UnknownPartner);
        };
        places.push(*place);
    }
    places.dedup();
    match places.as_slice() {
        [place] => Ok(*place),
        _ => Err(Reason::UnknownPartner),
    }
}

fn place_of(source: &SourceRules<'_>, system: Option<&str>, value: &str) -> Option<usize> {
    source.partners.iter().position(|partner| {
        let own = system == Some(source.partner_system) && partner.id == value;
        own || (system == Some(partner.identifier.system.as_str())
            && partner.identifier.value == value)
    })
}

/// The partner with the highest priority among those of a class whose criteria all hold.
fn best(
    view: &ReferralView<'_>,
    consents: &[&Json<'_>],
    source: &SourceRules<'_>,
    trail: &mut Trail,
    routing: &str,
    of_class: impl Fn(&Partner) -> bool,
) -> Result<usize, Reason> {
    let fits = |partner: &Partner| {
        partner.select.enabled
            && of_class(partner)
            && criteria(view, consents, partner, source)
                .iter()
                .all(|criterion| criterion.holds == Holds::Yes)
    };
    let mut found: Vec<(i32, usize)> = source
        .partners
        .iter()
        .enumerate()
        .filter(|(_, partner)| fits(partner))
        .map(|(place, partner)| (partner.select.priority, place))
        .collect();
    found.sort_by_key(|(priority, place)| (std::cmp::Reverse(*priority), *place));
    let chosen = match found.as_slice() {
        [] => Err(Reason::NoService),
        [(first, _), (second, _), ..] if first == second => Err(Reason::Tie),
        [(_, place), ..] => Ok(*place),
    };
    trail.check("routing", chosen.err(), || {
        let names: Vec<String> = found
            .iter()
            .map(|(priority, place)| format!("{} (priority {priority})", id_of(source, *place)))
            .collect();
        if names.is_empty() {
            format!("{routing}: no partner whose criteria all hold")
        } else {
            format!("{routing}: {}", names.join(", "))
        }
    });
    chosen
}
