//! The referral criteria as they are signed: whom the partner takes, what they are told, on which ground and until when.

use jiff::civil::Date;
use maud::{DOCTYPE, PreEscaped, html};

use super::dictionary::STYLE;
use crate::partner::agreement::{
    AgeYears, ConsentRule, NoPostcode, Partner, PartnerKind, PostcodeArea, Rules, UrgentRule,
};

/// A heading and what stands below it.
type CriteriaSection = (&'static str, Vec<String>);

/// The criteria as text.
pub(crate) fn text(rules: &Rules, partner: &Partner) -> String {
    let mut lines = vec![title(partner)];
    for (heading, below) in parts(rules, partner) {
        lines.extend([String::new(), heading.to_owned()]);
        lines.extend(below.iter().map(|line| format!("  - {line}")));
    }
    lines.join("\n") + "\n"
}

/// The criteria as a page to print and sign.
pub(crate) fn page(rules: &Rules, partner: &Partner) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en-GB" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title(partner)) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { "Referral criteria" }
                p class="for" { (partner.name) }
                @for (heading, lines) in parts(rules, partner) {
                    h2 { (heading) }
                    ul { @for line in lines { li { (line) } } }
                }
                h2 { "Agreed" }
                table class="sign" {
                    tr { td { "For the partner" } td { "Date" } }
                    tr { td { "For the practices" } td { "Date" } }
                }
            }
        }
    };
    page.into_string()
}

fn title(partner: &Partner) -> String {
    format!("Referral criteria of {}", partner.name)
}

fn parts(rules: &Rules, partner: &Partner) -> Vec<CriteriaSection> {
    vec![
        ("Who they are", about(partner)),
        ("Who can be referred", whom(rules, partner)),
        ("When", when(partner)),
        ("What they are told about a person", told(rules, partner)),
        ("On which ground", ground(partner)),
    ]
}

fn about(partner: &Partner) -> Vec<String> {
    let kind = match partner.kind {
        PartnerKind::Provider => "A service that people are referred to",
        PartnerKind::LinkWorker => "A link-worker service",
    };
    let mut lines = vec![format!("{kind}, known as {}", partner.id)];
    if let Some(contact) = &partner.contact {
        let ways = [&contact.phone, &contact.email];
        let ways: Vec<&str> = ways.into_iter().flatten().map(String::as_str).collect();
        lines.push(format!("To ask: {} {}", contact.name, ways.join(", ")));
    }
    if let Some(on) = partner.verified_on {
        lines.push(format!("Last gone through with them on {}", day(on)));
    }
    if partner.shadow {
        lines.push("Not live yet: nothing is sent".to_owned());
    }
    lines
}

fn whom(rules: &Rules, partner: &Partner) -> Vec<String> {
    let select = &partner.select;
    let mut lines = Vec::new();
    if !select.activities.is_empty() {
        let labels: Vec<String> = select
            .activities
            .iter()
            .map(|name| {
                rules
                    .vocabulary
                    .activities
                    .get(name)
                    .unwrap_or(name)
                    .to_owned()
            })
            .collect();
        lines.push(format!("For: {}", labels.join(", ")));
    }
    if !select.needs.is_empty() {
        lines.push(format!(
            "People who need help with: {}",
            select.needs.join(", ")
        ));
    }
    lines.extend(select.age_years.map(age));
    lines.push(if partner.children {
        "People under 18 too".to_owned()
    } else {
        "Nobody under 18".to_owned()
    });
    if !select.postcodes.is_empty() {
        let areas: Vec<String> = select.postcodes.iter().map(PostcodeArea::text).collect();
        let without = match select.no_postcode {
            NoPostcode::Hold => "a person without a postcode waits until the practice has decided",
            NoPostcode::Ignore => "a person without a postcode is taken",
        };
        lines.push(format!("Living in {}; {without}", areas.join(", ")));
    }
    if !select.practices.is_empty() {
        lines.push(format!(
            "From the practices with the codes {}",
            select.practices.join(", ")
        ));
    }
    if !select.gender.is_empty() {
        lines.push(format!(
            "Gender: {}; others wait until the practice has decided",
            select.gender.join(", ")
        ));
    }
    lines.extend(select.open_legs_max.map(|places| {
        format!("At most {places} people at a time; further ones wait, the oldest referral first")
    }));
    lines.push(match select.urgent {
        UrgentRule::SendAndTell => {
            "Urgent referrals are sent as usual, and the practice is told to phone".to_owned()
        }
        UrgentRule::Hold => "Urgent referrals are not sent; the practice decides".to_owned(),
    });
    lines
}

fn age(ages: AgeYears) -> String {
    match (ages.min, ages.max) {
        (Some(min), Some(max)) => format!("Aged from {min} to {max}, both included"),
        (Some(min), None) => format!("Aged {min} or over"),
        (None, Some(max)) => format!("Aged {max} or under"),
        (None, None) => "Of any age".to_owned(),
    }
}

fn when(partner: &Partner) -> Vec<String> {
    let select = &partner.select;
    let mut lines = Vec::new();
    if !select.enabled {
        lines.push("Not taking anybody at present".to_owned());
    }
    lines.extend(select.starts_on.map(|on| format!("From {}", day(on))));
    lines.extend(select.ends_on.map(|on| format!("Until {}", day(on))));
    lines.push(match partner.share.expires_on {
        Some(on) => format!(
            "The agreement ends after {}: nothing new is sent then",
            day(on)
        ),
        None => "The agreement has no end in the file".to_owned(),
    });
    lines
}

fn told(rules: &Rules, partner: &Partner) -> Vec<String> {
    let mut lines = Vec::new();
    for entry in &partner.share.fields {
        let covered: Vec<&str> = rules
            .vocabulary
            .fields
            .iter()
            .filter(|field| field.name == *entry || field.group.as_deref() == Some(entry))
            .map(|field| field.says.as_str())
            .collect();
        lines.push(if covered.is_empty() {
            format!("{entry} (an element of the record)")
        } else {
            format!("{entry}: {}", covered.join("; "))
        });
    }
    lines.push("Nothing else".to_owned());
    lines
}

fn ground(partner: &Partner) -> Vec<String> {
    let consent = match partner.select.consent {
        ConsentRule::Required => "The person's recorded consent, which names this service",
        ConsentRule::Implied => "Direct care: the service is a care provider of the person",
    };
    vec![
        format!("Basis: {}", partner.share.basis),
        consent.to_owned(),
    ]
}

/// `3 March 2026`.
fn day(on: Date) -> String {
    on.strftime("%-d %B %Y").to_string()
}
