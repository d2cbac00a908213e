//! What widens a partner file and what does not, one pair of versions a line.

use super::*;
use crate::partner::agreement::{RuleText, TextKind, built_in};

const FILE: &str = r#"[partner]
id = "elm"
name = "Elm Befriending"
kind = "provider"
identifier = { system = "https://kith.example/Id/partner", value = "elm" }
contact = { name = "A. Volunteer", email = "hello@example.org" }
care_provider = true
classes = ["charity"]
changed_by = "A. Writer"
[select]
activities = ["befriending"]
age_years = { min = 18, max = 90 }
postcodes = ["BS1", "BS2 8"]
gender = ["female"]
practices = ["ZZ001"]
open_legs_max = 10
starts_on = 2026-03-01
ends_on = 2027-03-01
urgent = "hold"
[share]
basis = "made-up agreement"
fields = ["patient.name", "patient.phone", "patient.birth_date", "patient.postcode", "patient.gender", "patient.extension", "practice.name", "referral.activity"]
expires_on = 2027-06-30
[deliver]
transport = "local"
file = "referrals_{date}_{sequence}.csv"
[[deliver.column]]
header = "Our ref"
from = "leg.reference"
[[deliver.column]]
header = "Name"
from = "patient.name"
[[deliver.column]]
header = "Born"
from = "patient.birth_date"
date = "%d/%m/%Y"
[[deliver.column]]
header = "Alone"
fhirpath = "%patient.extension('https://a.example').value.ofType(boolean)"
share = "patient.extension"
"#;

fn read(partner: &str, fields: Option<&str>) -> Rules {
    let mut texts = built_in();
    let of_site = |kind, path: &str, text: &str| RuleText {
        kind,
        built_in: false,
        path: path.to_owned(),
        text: text.to_owned(),
    };
    texts.extend(fields.map(|text| of_site(TextKind::Fields, "fields.toml", text)));
    texts.push(of_site(TextKind::Partner, "partners/elm.toml", partner));
    match Rules::from_texts(&texts) {
        Ok((rules, _)) => rules,
        Err(problems) => panic!("{problems:?}"),
    }
}

fn version(rules: &Rules) -> AgreementVersion<'_> {
    AgreementVersion {
        rules,
        partner: &rules.partners[0],
    }
}

fn compare(before: &Rules, after: &Rules) -> Vec<String> {
    let found = widenings(version(before), version(after));
    found.iter().map(Widening::text).collect()
}

/// What is replaced, by what, and what is said; nothing where it is not wider.
type Pair = (&'static str, &'static str, &'static [&'static str]);

fn check(table: &[Pair]) {
    let before = read(FILE, None);
    for (old, new, expected) in table {
        assert!(FILE.contains(old), "the file has no {old}");
        let after = read(&FILE.replacen(old, new, 1), None);
        assert_eq!(compare(&before, &after), *expected, "{old} -> {new}");
    }
}

const WIDER: &[Pair] = &[
    (
        "\"patient.phone\",",
        "\"patient.phone\", \"patient.email\",",
        &["[share] fields: patient.email is new; it shows patient.telecom.value"],
    ),
    (
        "\"patient.extension\",",
        "\"patient.extension\", \"patient.nhs_number\",",
        &["[share] fields: patient.nhs_number is new; it shows patient.identifier.value"],
    ),
    (
        "expires_on = 2027-06-30",
        "expires_on = 2027-07-01",
        &["[share] expires_on: the agreement ended on 2027-06-30, it ends on 2027-07-01 now"],
    ),
    (
        "expires_on = 2027-06-30\n",
        "",
        &["[share] expires_on: the agreement ended on 2027-06-30, it ends never now"],
    ),
    (
        "[\"befriending\"]",
        "[\"befriending\", \"walking\"]",
        &["[select] activities: walking is taken too"],
    ),
    (
        "activities = [\"befriending\"]\n",
        "",
        &["[select] activities: is asked for no longer"],
    ),
    (
        "min = 18",
        "min = 16",
        &["[select] age_years: from 18, now from 16"],
    ),
    (
        "max = 90 }",
        "max = 120 }",
        &["[select] age_years: to 90, now to 120"],
    ),
    (", max = 90", "", &["[select] age_years: to 90, now to any"]),
    (
        "age_years = { min = 18, max = 90 }\n",
        "",
        &["[select] age_years: is asked for no longer"],
    ),
    (
        "\"BS2 8\"",
        "\"BS2 8\", \"BS3\"",
        &["[select] postcodes: BS3 is taken too"],
    ),
    (
        "\"BS2 8\"",
        "\"BS2\"",
        &["[select] postcodes: BS2 is taken too"],
    ),
    (
        "postcodes = ",
        "no_postcode = \"ignore\"\npostcodes = ",
        &["[select] no_postcode: people without a postcode were held, they are sent now"],
    ),
    (
        "gender = [\"female\"]",
        "gender = [\"female\", \"male\"]",
        &["[select] gender: male is taken too"],
    ),
    (
        "practices = [\"ZZ001\"]\n",
        "",
        &["[select] practices: is asked for no longer"],
    ),
    (
        "open_legs_max = 10",
        "open_legs_max = 11",
        &["[select] open_legs_max: 10 people at a time, now 11"],
    ),
    (
        "starts_on = 2026-03-01",
        "starts_on = 2026-02-01",
        &["[select] starts_on: the first day was 2026-03-01, it is 2026-02-01 now"],
    ),
    (
        "ends_on = 2027-03-01\n",
        "",
        &["[select] ends_on: the last day was 2027-03-01, it is any day now"],
    ),
    (
        "urgent = \"hold\"\n",
        "",
        &["[select] urgent: urgent referrals were held, they are sent now"],
    ),
    (
        "[select]\n",
        "[select]\nconsent = \"implied\"\n",
        &["[select] consent: a recorded consent was required, it is implied now"],
    ),
    (
        "[select]\n",
        "[select]\nchildren = true\n",
        &["[select] children: people under 18 are taken"],
    ),
    (
        "classes = [\"charity\"]",
        "classes = [\"charity\", \"gym\"]",
        &["[select] classes: consents that name gym are taken too"],
    ),
    (
        "kind = \"provider\"",
        "kind = \"link-worker\"",
        &["[select] kind: referrals that name nobody are taken"],
    ),
    (
        "value = \"elm\"",
        "value = \"oak\"",
        &["[select] identifier: referrals and consents that name another identifier are taken"],
    ),
    (
        "[[deliver.column]]\nheader = \"Name\"",
        "[[deliver.column]]\nheader = \"Phone\"\nfrom = \"patient.phone\"\n[[deliver.column]]\nheader = \"Name\"",
        &["[deliver] column \"Phone\": patient.phone is new; it shows patient.telecom.value"],
    ),
    (
        "from = \"patient.birth_date\"\ndate = \"%d/%m/%Y\"",
        "from = \"patient.gender\"",
        &["[deliver] column \"Born\": patient.gender is new; it shows patient.gender"],
    ),
    (
        "https://a.example",
        "https://b.example",
        &[
            "[deliver] column \"Alone\": no column had this expression; it shows patient.extension.url, patient.extension.value",
        ],
    ),
    (
        "\"patient.phone\",",
        "\"patient.phone\", \"patient.address\",",
        &[
            "[share] fields: patient.address is new; it shows patient.address.city, patient.address.line, patient.address.postalCode, patient.address.text",
            "[share] fields: patient.no_fixed_abode is new; it shows patient.address.postalCode",
        ],
    ),
];

#[test]
fn what_widens_is_named_element_by_element_and_criterion_by_criterion() {
    check(WIDER);
}

const NO_WIDER: &[Pair] = &[
    ("[partner]", "# A comment.\n\n[partner]", &[]),
    ("header = \"Born\"", "header = \"Date of birth\"", &[]),
    (
        "date = \"%d/%m/%Y\"",
        "date = \"%Y-%m-%d\"\nrequired = true",
        &[],
    ),
    (
        "header = \"Name\"\nfrom = \"patient.name\"",
        "header = \"Surname\"\nfrom = \"patient.family\"",
        &[],
    ),
    (
        "from = \"patient.birth_date\"\ndate = \"%d/%m/%Y\"",
        "from = \"patient.age_years\"",
        &[],
    ),
    (
        "value.ofType(boolean)\"",
        "value . ofType( boolean )\"",
        &[],
    ),
    (
        "file = \"referrals_{date}_{sequence}.csv\"",
        "file = \"people_{sequence}.csv\"\nformat = { delimiter = \";\" }",
        &[],
    ),
    (
        "name = \"Elm Befriending\"",
        "name = \"Elm and Friends\"",
        &[],
    ),
    (
        "changed_by = \"A. Writer\"",
        "changed_by = \"B. Writer\"",
        &[],
    ),
    ("\"patient.phone\",", "", &[]),
    (
        "\"patient.phone\",",
        "\"patient.phone\", \"patient.family\", \"patient.age_years\",",
        &[],
    ),
    ("expires_on = 2027-06-30", "expires_on = 2027-06-29", &[]),
    (
        "basis = \"made-up agreement\"",
        "basis = \"another agreement\"",
        &[],
    ),
    ("min = 18", "min = 21", &[]),
    ("\"BS2 8\"", "\"BS1 4\"", &[]),
    ("[\"BS1\", \"BS2 8\"]", "[\"BS1\"]", &[]),
    (
        "urgent = \"hold\"",
        "urgent = \"hold\"\nno_postcode = \"hold\"",
        &[],
    ),
    (
        "open_legs_max = 10",
        "open_legs_max = 9\nenabled = false",
        &[],
    ),
    (
        "starts_on = 2026-03-01\n",
        "starts_on = 2026-04-01\npriority = 5\n",
        &[],
    ),
    ("classes = [\"charity\"]\n", "", &[]),
    (
        "[[deliver.column]]\nheader = \"Name\"",
        "[[deliver.column]]\nheader = \"What\"\nfrom = \"leg.action\"\n[[deliver.column]]\nheader = \"From\"\ntext = \"Kith\"\n[[deliver.column]]\nheader = \"Name\"",
        &[],
    ),
];

#[test]
fn what_is_the_same_or_narrower_widens_nothing() {
    check(NO_WIDER);
}

#[test]
fn a_need_that_an_activity_hides_is_a_criterion_that_is_gone() {
    let needs = FILE
        .replace("activities = [\"befriending\"]", "needs = [\"loneliness\"]")
        .replace(
            "\"referral.activity\"",
            "\"referral.activity\", \"referral.reason\"",
        );
    let both = needs.replace("needs = [", "activities = [\"befriending\"]\nneeds = [");
    let (needs, both) = (read(&needs, None), read(&both, None));
    let said = ["[select] needs: is asked for no longer where an activity decides"];
    assert_eq!(compare(&needs, &both), said);
    assert_eq!(
        compare(&both, &needs),
        ["[select] activities: is asked for no longer"]
    );
}

#[test]
fn a_field_that_a_site_finds_otherwise_is_another_field() {
    let field = |path: &str| {
        format!(
            "[[field]]\nname = \"patient.phone\"\nsays = \"a number\"\nclass = \"contact\"\nkind = \"text\"\npath = \"{path}\"\n"
        )
    };
    let with = |path: &str| read(FILE, Some(&field(path)));
    let home = with("%patient.telecom.where(use = 'home').value.first()");
    let again = with("%patient.telecom.where( use = 'home' ).value.first()");
    let work = with("%patient.telecom.where(use = 'work').value.first()");
    assert_eq!(compare(&home, &again), [""; 0]);
    let said = "[share] fields: patient.phone is found in another way than before; it shows patient.telecom.use, patient.telecom.value";
    assert_eq!(compare(&home, &work), [said]);
}

#[test]
fn people_may_be_sent_again_is_wider_than_nobody() {
    let nobody = FILE.replace("[select]\n", "[select]\nenabled = false\n");
    let (nobody, everybody) = (read(&nobody, None), read(FILE, None));
    let said = ["[select] enabled: nobody was sent, people are now"];
    assert_eq!(compare(&nobody, &everybody), said);
    assert_eq!(compare(&everybody, &nobody), [""; 0]);
}
