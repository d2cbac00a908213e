//! Reads `[select]`: whom a partner takes.
//!
//! The section comes in; [`Criteria`] go out. Kept: a criterion tells something of everyone it lets through, so its field is
//! shared.

use super::catalogue::Catalogue;
use super::share_check::ShareCheck;
use crate::diagnostics::Code;
use crate::partner::agreement::{
    AgeYears, CRITERIA, ConsentRule, Criteria, NoPostcode, PostcodeArea, UrgentRule,
};
use crate::toml_reader::TableReader;

/// Reads the section.
pub(super) fn read_select(
    table: &TableReader<'_>,
    care_provider: bool,
    catalogue: &Catalogue<'_>,
    check: &ShareCheck<'_>,
) -> Criteria {
    let rules = [
        ("required", ConsentRule::Required),
        ("implied", ConsentRule::Implied),
    ];
    let consent = table.word("consent", &rules);
    if let Some(at) = &consent
        && at.value == ConsentRule::Implied
        && !care_provider
    {
        table.problems().add(
            Code::ImpliedConsent,
            "consent is implied, but care_provider is not true",
            &at.place,
        );
    }
    check_criteria(table, check);
    for key in ["capacity_days", "risk", "stale_days", "urgent_hours"] {
        table.not_yet(key);
    }
    let without = [("hold", NoPostcode::Hold), ("ignore", NoPostcode::Ignore)];
    Criteria {
        enabled: table.flag("enabled", true),
        activities: table.strings("activities"),
        needs: read_needs(table, catalogue),
        age_years: read_age(table),
        postcodes: read_postcodes(table),
        no_postcode: table.word_or("no_postcode", &without, NoPostcode::Hold),
        consent: consent.map_or(ConsentRule::Required, |at| at.value),
        open_legs_max: table.whole("open_legs_max", 0..=1_000_000),
        priority: table.whole("priority", -1_000..=1_000).unwrap_or(0),
        practices: table.strings("practices"),
        gender: read_gender(table),
        starts_on: table.date("starts_on").map(|at| at.value),
        ends_on: table.date("ends_on").map(|at| at.value),
        urgent: read_urgent(table),
    }
}

/// A criterion tells the partner something of everyone it lets through.
fn check_criteria(table: &TableReader<'_>, check: &ShareCheck<'_>) {
    for (key, names, _) in CRITERIA {
        if let Some(place) = table.key_place(key) {
            check.criterion(key, names, &place);
        }
    }
}

fn read_needs(table: &TableReader<'_>, catalogue: &Catalogue<'_>) -> Vec<String> {
    let known = &catalogue.vocabulary.needs;
    let mut needs = Vec::new();
    for need in table.texts("needs") {
        if !known.has_word(need.value) {
            let what = format!("need \"{}\" is not in needs.csv", need.value);
            let words = known.entries().map(|(_, word)| word);
            table
                .problems()
                .add_unknown(Code::UnknownId, what, &need, words);
        }
        needs.push(need.value.to_owned());
    }
    needs
}

fn read_age(table: &TableReader<'_>) -> Option<AgeYears> {
    let ages = table.opt_table("age_years")?;
    let read = AgeYears {
        min: ages.whole("min", 0..=150),
        max: ages.whole("max", 0..=150),
    };
    if let AgeYears {
        min: Some(min),
        max: Some(max),
    } = read
        && max < min
    {
        ages.bad_value("max", "at least min", ages.place());
    }
    ages.finish();
    Some(read)
}

fn read_postcodes(table: &TableReader<'_>) -> Vec<PostcodeArea> {
    let mut areas = Vec::new();
    for text in table.texts("postcodes") {
        let area = PostcodeArea::parse(text.value);
        if area.is_none() {
            let rule = "outward codes, or outward code and sector: \"BS1\", \"BS2 8\"";
            table.bad_value("postcodes", rule, &text.place);
        }
        areas.extend(area);
    }
    areas
}

fn read_gender(table: &TableReader<'_>) -> Vec<String> {
    let words = ["male", "female", "other", "unknown"].map(|word| (word, word));
    let said = table.words("gender", &words).into_iter();
    said.map(str::to_owned).collect()
}

fn read_urgent(table: &TableReader<'_>) -> UrgentRule {
    let words = [
        ("send-and-tell", Some(UrgentRule::SendAndTell)),
        ("hold", Some(UrgentRule::Hold)),
        ("accept", None),
    ];
    let Some(said) = table.word("urgent", &words) else {
        return UrgentRule::SendAndTell;
    };
    said.value.unwrap_or_else(|| {
        table.not_yet_at("urgent = \"accept\"", &said.place);
        UrgentRule::Hold
    })
}
