//! Names what in a partner file can never apply, what has two answers, and who can never be chosen.
//!
//! Sections as read come in, problems go out; no data is looked at. Invariant: nothing here changes what a file means, it
//! only says what its author cannot have meant.

use crate::diagnostics::{Code, Place};
use crate::partner::agreement::{
    AgeYears, CollectEvent, ConsentRule, Criteria, EventRule, OccasionFrom, Partner,
};
use crate::partner::fields::CodeMap;
use crate::toml_reader::{At, Problems, TableReader};

/// From this age on a person is no child (`safety.md` §5).
const ADULT_YEARS: u32 = 18;

/// Names criteria that let nobody through or ask the same twice, and activities that no list has.
pub(super) fn check_criteria(
    table: &TableReader<'_>,
    select: &Criteria,
    children: bool,
    activities: &CodeMap,
) {
    let problems = table.problems();
    for key in ["activities", "needs", "practices", "gender"] {
        check_once(table, key, str::to_owned);
    }
    check_once(table, "postcodes", str::to_ascii_uppercase);
    check_areas(table, select);
    check_activities(table, activities);
    let never = |key: &str, what: &str| {
        problems.add(Code::NeverApplies, what, &table.place_for(key));
    };
    if let (Some(starts), Some(ends)) = (select.starts_on, select.ends_on)
        && ends < starts
    {
        never(
            "ends_on",
            "the partner takes nobody: ends_on lies before starts_on",
        );
    }
    let oldest = select.age_years.and_then(|ages| ages.max);
    if oldest.is_some_and(|oldest| oldest < ADULT_YEARS) && !children {
        never(
            "age_years",
            "the partner takes nobody: only under 18s, but children is not true",
        );
    }
    if select.open_legs_max == Some(0) {
        never(
            "open_legs_max",
            "the partner takes nobody: open_legs_max is 0",
        );
    }
}

/// Names entries of a list that stand in it before, after folding.
pub(super) fn check_once(
    table: &TableReader<'_>,
    key: &'static str,
    folded: impl Fn(&str) -> String,
) {
    // A list of the wrong kind is one problem, told by whoever reads it.
    let entries = table.texts_if_any(key);
    for (at, entry) in entries.iter().enumerate() {
        let before = entries.get(..at).unwrap_or_default();
        if before
            .iter()
            .any(|known| folded(known.value) == folded(entry.value))
        {
            let what = format!("{key} names {} twice", entry.value);
            table.problems().add(Code::NeverApplies, what, &entry.place);
        }
    }
}

/// Names a sector whose whole outward code is in the list too.
fn check_areas(table: &TableReader<'_>, select: &Criteria) {
    for entry in table.texts_if_any("postcodes") {
        let Some((outward, _)) = entry.value.trim().split_once(' ') else {
            continue;
        };
        if select
            .postcodes
            .iter()
            .any(|area| area.text().eq_ignore_ascii_case(outward))
        {
            let what = format!("postcodes names {} and the whole of {outward}", entry.value);
            table.problems().add(Code::NeverApplies, what, &entry.place);
        }
    }
}

fn check_activities(table: &TableReader<'_>, activities: &CodeMap) {
    for entry in table.texts_if_any("activities") {
        let known = || activities.entries().map(|(name, _)| name);
        if known().all(|name| name != entry.value) {
            let what = format!("activity \"{}\" is not in activities.csv", entry.value);
            table
                .problems()
                .add_unknown(Code::UnlistedActivity, what, &entry, known());
        }
    }
}

/// Names a list of codes without a code: what it stands for can never be told.
pub(super) fn check_any(table: &TableReader<'_>, pairs: &[(At<&str>, At<&str>)], place: &Place) {
    if pairs.is_empty() {
        let what = "codes is empty: no cell of the column has a meaning";
        table.problems().add(Code::NeverApplies, what, place);
    }
}

/// Names an event that tells from the same cells what an earlier one tells.
pub(super) fn check_event(table: &TableReader<'_>, event: &CollectEvent, before: &[CollectEvent]) {
    if before.iter().any(|known| same(&known.told, &event.told)) {
        let what = "an earlier event reads the same cell and takes the same value";
        table.problems().add(Code::TwoAnswers, what, table.place());
    }
}

fn same(one: &EventRule, other: &EventRule) -> bool {
    if let (Some((column, codes)), Some((also, others))) = (coded(one), coded(other)) {
        let kind = std::mem::discriminant(one) == std::mem::discriminant(other);
        return kind && column == also && overlap(codes, others);
    }
    match (one, other) {
        (EventRule::Note { column }, EventRule::Note { column: also }) => column == also,
        (EventRule::Acknowledged(one), EventRule::Acknowledged(other)) => {
            one.column == other.column
        }
        (
            EventRule::Measure {
                instrument,
                occasion,
                items,
            },
            EventRule::Measure {
                instrument: also,
                occasion: when,
                items: others,
            },
        ) => {
            instrument.id == also.id
                && same_occasion(occasion, when)
                && items.iter().any(|item| others.contains(item))
        }
        _ => false,
    }
}

/// The cell that decides, of an event that is told by a code.
fn coded(told: &EventRule) -> Option<(&str, &CodeMap)> {
    match told {
        EventRule::Attendance { column, codes }
        | EventRule::Status { column, codes, .. }
        | EventRule::Onward { column, codes, .. } => Some((column, codes)),
        EventRule::Measure { .. } | EventRule::Acknowledged(_) | EventRule::Note { .. } => None,
    }
}

fn overlap(one: &CodeMap, other: &CodeMap) -> bool {
    one.entries()
        .any(|(code, _)| other.get_typed(code).is_some())
}

fn same_occasion(one: &OccasionFrom, other: &OccasionFrom) -> bool {
    match (one, other) {
        (OccasionFrom::Fixed(one), OccasionFrom::Fixed(other)) => one == other,
        (OccasionFrom::Column { column, .. }, OccasionFrom::Column { column: also, .. }) => {
            column == also
        }
        _ => false,
    }
}

/// Names each partner whose place another of its kind always takes, or always ties with.
pub(crate) fn never_chosen(partners: &[Partner], problems: &Problems) {
    for partner in partners {
        let select = &partner.select;
        if !select.enabled {
            continue;
        }
        let rival = partners.iter().find(|other| {
            other.id != partner.id
                && other.kind == partner.kind
                && other.shadow == partner.shadow
                && other.select.priority >= select.priority
                && takes_all_of(other, partner)
        });
        if let Some(rival) = rival {
            let outcome = if rival.select.priority > select.priority {
                "goes first"
            } else {
                "ties"
            };
            let what = format!(
                "wherever partner {} fits, partner {} fits too and {outcome}",
                partner.id, rival.id
            );
            problems.add(Code::NeverChosen, what, &partner.places.priority);
        }
    }
}

/// Whether everybody that one partner takes, the other takes too.
fn takes_all_of(wide: &Partner, narrow: &Partner) -> bool {
    let (w, n) = (&wide.select, &narrow.select);
    let lists = [
        (&w.activities, &n.activities),
        (&w.needs, &n.needs),
        (&w.practices, &n.practices),
        (&w.gender, &n.gender),
    ];
    let listed = lists.iter().all(|(wide, narrow)| {
        wide.is_empty() || !narrow.is_empty() && narrow.iter().all(|entry| wide.contains(entry))
    });
    let areas = w.postcodes.is_empty()
        || !n.postcodes.is_empty()
            && w.no_postcode == n.no_postcode
            && n.postcodes.iter().all(|area| w.postcodes.contains(area));
    listed
        && areas
        && ages_within(n.age_years, w.age_years)
        && (wide.children || !narrow.children)
        && (w.consent == ConsentRule::Implied || n.consent == ConsentRule::Required)
        && w.enabled
        && w.open_legs_max.is_none()
        && (w.starts_on.is_none() || w.starts_on <= n.starts_on)
        && (w.ends_on.is_none() || n.ends_on.is_some() && n.ends_on <= w.ends_on)
        && wide.share.expires_on.is_none()
        // What is sensitive, and what is done with urgent referrals, is the practice's reason to prefer one.
        && (wide.sensitive, w.urgent) == (narrow.sensitive, n.urgent)
}

fn ages_within(narrow: Option<AgeYears>, wide: Option<AgeYears>) -> bool {
    let Some(wide) = wide else { return true };
    let narrow = narrow.unwrap_or_default();
    let from = wide
        .min
        .is_none_or(|min| narrow.min.is_some_and(|own| own >= min));
    let to = wide
        .max
        .is_none_or(|max| narrow.max.is_some_and(|own| own <= max));
    from && to
}
