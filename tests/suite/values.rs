//! A value in a form of its own stops its row, and whoever asks is told which column or element it is, never the value.

use serde_json::json;

use super::support::partner_file::PartnerFile;
use super::support::people::referral;
use super::support::workload::text;
use super::support::world::World;

#[test]
fn a_hold_names_the_column_and_the_cause_and_the_element_that_has_another_form() {
    let elm = PartnerFile::of("elm")
        .shares(&["patient.name", "patient.phone", "referral.activity"])
        .column_of(
            "One family",
            "fhirpath = \"%patient.name.family.single()\"\nshare = \"patient.name\"",
        );
    let [mut twice_named, first] = referral(1, "Anna", "Beech", "elm");
    twice_named["name"] = json!([
        {"use": "official", "family": "Beech", "given": ["Anna"]},
        {"use": "old", "family": "Secretname"},
    ]);
    let [mut listed, second] = referral(2, "Ben", "Cedar", "elm");
    listed["name"][0]["family"] = json!(["Cedar"]);
    let [plain, third] = referral(3, "Cara", "Maple", "elm");
    let world = World::of_gp(&[elm], &[twice_named, first, listed, second, plain, third]);
    world.kith(&["run", "--once"], 1);
    let sent: Vec<String> = world.rows().iter().map(|row| row["Name"].clone()).collect();
    assert_eq!(sent, ["Cara Maple"], "the others wait");
    let detail = |reason: &str| {
        let held = world.held(reason);
        assert_eq!(held.len(), 1, "{reason}");
        let number = held[0]["number"].to_string();
        let shown = world.kith(&["held", "show", &number, "--json"], 0).json();
        assert!(
            !shown.to_string().contains("Secretname"),
            "no value is told"
        );
        text(&shown["detail"]).to_owned()
    };
    assert_eq!(
        detail("expression-failed"),
        "column \"One family\": expression: single() needs a single value and has several"
    );
    assert_eq!(
        detail("malformed"),
        "Patient.name[0].family is not a single one, as FHIR R4 has it"
    );
}
