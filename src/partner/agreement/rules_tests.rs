//! Tests of whole partner files, from their text to the cells of a row.

use jiff::civil::date;

use super::*;
use crate::domain::{Action, EventKind, Reason};
use crate::json::Json;
use crate::partner::agreement::EventRule;
use crate::partner::fields::{LegFacts, ReferralView, SourceFacts};
use crate::sheet::UnencodableRule::{Hold, LetterOrHold};

const PARTNER: &str = r#"[partner]
id = "elm"
name = "Elm Befriending"
kind = "provider"
identifier = { system = "https://fhir.nhs.uk/Id/ods-organization-code", value = "ZZ901" }
contact = { name = "A. Volunteer", email = "hello@example.org" }
verified_on = 2026-11-01
[select]
activities = ["befriending"]
needs = ["loneliness"]
age_years = { min = 18 }
postcodes = ["BS1", "BS2 8"]
[share]
basis = "data sharing agreement 2026-014"
fields = ["patient.name", "patient.phone", "patient.birth_date", "patient.postcode", "patient.gender", "patient.extension",
          "referral.authored_on", "referral.reason", "referral.activity", "requester.name", "practice.name"]
[deliver]
transport = "local"
file = "referrals_{date}_{sequence}.csv"
format = { delimiter = "tab", encoding = "windows-1252", newline = "lf", quote = "always", formula = "escape" }
[[deliver.column]]
header = "Our ref"
from = "leg.reference"
[[deliver.column]]
header = "What"
from = "leg.action"
codes = { NEW = "New", AMEND = "Changed", STOP = "Please stop", PAUSE = "Please wait" }
[[deliver.column]]
header = "Surname"
from = "patient.family"
required = true
[[deliver.column]]
header = "Born"
from = "patient.birth_date"
date = "%d/%m/%Y"
[[deliver.column]]
header = "Phone"
from = "patient.phone"
default = "none given"
[[deliver.column]]
header = "Sex"
from = "patient.gender"
codes = { female = "F", male = "M" }
unmapped = "hold"
[[deliver.column]]
header = "Reason"
from = "referral.reason"
codes = "codes/reasons.csv"
unmapped = "keep"
[[deliver.column]]
header = "Activity"
from = "referral.activity"
[[deliver.column]]
header = "Need"
from = "referral.need"
[[deliver.column]]
header = "Lives alone"
fhirpath = "%patient.extension('https://example.org/alone').value.ofType(boolean)"
share = "patient.extension"
[[deliver.column]]
header = "Referred by"
from = "requester.name"
[[deliver.column]]
header = "Surgery"
from = "practice.name"
[[deliver.column]]
header = "Scheme"
text = "Winter 2026"
[collect]
transport = "local"
file = "returns*.{csv,xlsx}"
dates = "%d/%m/%Y"
acknowledged = { column = "Seen", values = ["yes"] }
[[collect.event]]
kind = "attendance"
on = "Session date"
value = { column = "Attended?", codes = "codes/attendance.csv" }
[[collect.event]]
kind = "measure"
instrument = "ons4"
occasion = { column = "When", codes = { Start = "baseline", End = "follow-up" } }
on = "First met"
items = { anxiety = "A1", satisfaction = "LS1" }
[[collect.event]]
kind = "status"
on = "Closed on"
value = { column = "Outcome", codes = { "Finished" = "completed" } }
reason = "Why"
[[collect.event]]
kind = "note"
column = "Notes"
"#;

const PATIENT: &str = r#"{"resourceType":"Patient","name":[{"use":"usual","given":["Anna"]},{"use":"official","family":"Łukasz","given":["Anna","Maria"]}],
  "birthDate":"1950-03","gender":"female","extension":[{"url":"https://example.org/alone","valueBoolean":true}]}"#;
const REQUEST: &str = r#"{"resourceType":"ServiceRequest","id":"r1","authoredOn":"2026-11-20",
  "orderDetail":[{"coding":[{"system":"https://kith.example/CodeSystem/activity","code":"befriending"}]}],
  "requester":{"display":"Dr Example"},
  "reasonCode":[{"coding":[{"system":"http://snomed.info/sct","code":"267076002","display":"Feeling lonely"}]},{"text":"Since the move"}]}"#;

fn texts(partner: &str) -> Vec<RuleText> {
    let mut texts = built_in();
    let mut add = |kind, path: &str, text: &str| {
        texts.push(RuleText {
            kind,
            built_in: false,
            path: path.to_owned(),
            text: text.to_owned(),
        });
    };
    add(
        TextKind::Codes,
        "codes/reasons.csv",
        "code,word\n267076002,Lonely\n",
    );
    add(
        TextKind::Codes,
        "codes/activities.csv",
        "activity,label\nbefriending,Tea and talk\n",
    );
    add(TextKind::Partner, "partners/elm.toml", partner);
    texts
}

fn cells(rules: &Rules, action: Action) -> Vec<Result<String, (Reason, String)>> {
    let (patient, request) = (Json::of(PATIENT), Json::of(REQUEST));
    let leg = LegFacts {
        reference: "K7M3-9QXD-4T2P",
        check: "ABCDEF",
        action,
        changed: "",
        sequence: 1,
    };
    let source = SourceFacts {
        name: "Hilltop Surgery",
        ods_code: "ZZ001",
        ..SourceFacts::default()
    };
    let view = ReferralView {
        performers: None,
        doubt: false,
        request: &request,
        patient: Some(&patient),
        requester: None,
        role: None,
        practice: None,
        unread: None,
        source,
        leg,
        today: date(2026, 11, 23),
        activity_system: "https://kith.example/CodeSystem/activity",
        vocabulary: &rules.vocabulary,
    };
    let columns = rules.partners[0].deliver.columns.iter();
    columns
        .map(|column| {
            column
                .cell(&view)
                .map(std::borrow::Cow::into_owned)
                .map_err(|problem| (problem.reason, problem.header))
        })
        .collect()
}

#[test]
fn a_partner_file_makes_a_row() {
    let (rules, warnings) = Rules::from_texts(&texts(PARTNER)).unwrap();
    let codes: Vec<&str> = warnings.iter().map(|one| one.code().text()).collect();
    assert_eq!(codes, ["PTR-018"]);
    let row: Vec<String> = cells(&rules, Action::New)
        .into_iter()
        .map(Result::unwrap)
        .collect();
    let expected = [
        "K7M3-9QXD-4T2P",
        "New",
        "Łukasz",
        "1950-03",
        "none given",
        "F",
        "Lonely; Since the move",
        "Tea and talk",
        "loneliness",
        "true",
        "Dr Example",
        "Hilltop Surgery",
        "Winter 2026",
    ];
    assert_eq!(row, expected);
    let partner = rules.partner("elm").unwrap();
    assert_eq!(
        partner.deliver.file_name("elm", date(2026, 11, 23), 42),
        "referrals_20261123_000042.csv"
    );
    let rule = |at: usize| partner.deliver.columns[at].unencodable_rule();
    assert_eq!((rule(0), rule(2), rule(10)), (Hold, LetterOrHold, Hold));
    let collect = partner.collect.as_ref().unwrap();
    assert_eq!(
        (collect.reference.as_str(), collect.check.as_deref()),
        ("Our ref", None)
    );
    assert_eq!(
        collect.events[1].headers(),
        ["First met", "When", "LS1", "A1"]
    );
}

#[test]
fn a_partner_is_made_again_from_its_bundle() {
    let (rules, _) = Rules::from_texts(&texts(PARTNER)).unwrap();
    let bundle = &rules.partners[0].bundle;
    assert!(bundle.contains("codes/reasons.csv") && bundle.contains("instruments/ons4.toml"));
    let again = Rules::from_bundle(bundle).unwrap();
    assert_eq!(again.partners[0].hash, rules.partners[0].hash);
    assert_eq!(cells(&again, Action::Stop), cells(&rules, Action::Stop));
    assert!(Rules::from_bundle("[]x").is_err());
    let mut other = texts(PARTNER);
    other[6].text.push_str("73595000,Stressed\n");
    let (changed, _) = Rules::from_texts(&other).unwrap();
    assert_ne!(changed.partners[0].hash, rules.partners[0].hash);
}

/// One change to a good file, and the one diagnostic it must give.
const BREAKS: [(&str, &str, &str); 29] = [
    ("id = \"elm\"", "id = \"other\"", "PTR-001"),
    ("\"patient.phone\", ", "", "PTR-002"),
    ("\"patient.postcode\", ", "", "PTR-002"),
    (
        "\"referral.authored_on\"",
        "\"referral.authored\"",
        "PTR-003",
    ),
    (
        "from = \"patient.family\"",
        "from = \"patient.famly\"",
        "PTR-003",
    ),
    (
        "%patient.extension('https://example.org/alone')",
        "%patient.extensionn(",
        "PTR-004",
    ),
    (
        "%patient.extension('https://example.org/alone').value",
        "%patient.name.given",
        "PTR-002",
    ),
    ("text = \"Winter 2026\"\n", "", "PTR-006"),
    (
        "text = \"Winter 2026\"",
        "text = \"x\"\nfrom = \"leg.check\"",
        "PTR-006",
    ),
    ("codes/reasons.csv", "codes/reason.csv", "PTR-007"),
    (
        "PAUSE = \"Please wait\"",
        "PAUS = \"Please wait\"",
        "PTR-008",
    ),
    (
        "from = \"leg.reference\"",
        "from = \"leg.check\"",
        "PTR-009",
    ),
    ("header = \"Born\"", "header = \"surname\"", "PTR-010"),
    ("_{sequence}", "", "PTR-011"),
    ("{date}", "{patient.family}", "PTR-012"),
    ("[share]", "consent = \"implied\"\n[share]", "PTR-013"),
    ("\"ons4\"", "\"ons5\"", "PTR-016"),
    ("date = \"%d/%m/%Y\"", "date = \"%H:%M\"", "PTR-017"),
    ("dates = \"%d/%m/%Y\"", "dates = \"%d/%m\"", "PTR-017"),
    (
        "text = \"Winter 2026\"",
        "text = \"871731000000106\"",
        "PTR-020",
    ),
    (
        "needs = [\"loneliness\"]",
        "needs = [\"lonelyness\"]",
        "CFG-008",
    ),
    ("kind = \"note\"", "kind = \"concern\"", "CFG-014"),
    ("\"completed\"", "\"complete\"", "CFG-006"),
    ("anxiety = \"A1\"", "anxeity = \"A1\"", "CFG-003"),
    ("delimiter", "delimeter", "CFG-003"),
    ("formula = \"escape\"", "formula = \"keep\"", "CFG-006"),
    (
        "basis = \"data sharing agreement 2026-014\"\n",
        "",
        "CFG-004",
    ),
    ("required = true", "required = 1", "CFG-005"),
    (
        "from = \"requester.name\"",
        "from = \"referral.risk\"",
        "CFG-014",
    ),
];

#[test]
fn one_fault_gives_its_one_diagnostic() {
    for (good, bad, code) in BREAKS {
        assert!(PARTNER.contains(good), "{good}");
        let found = Rules::from_texts(&texts(&PARTNER.replacen(good, bad, 1))).unwrap_err();
        let codes: Vec<&str> = found
            .iter()
            .filter(|one| one.fatal())
            .map(|one| one.code().text())
            .collect();
        assert!(codes.contains(&code), "{bad}: {codes:?}");
        let unexpected = codes.iter().filter(|one| **one != code).count();
        assert!(
            unexpected <= usize::from(["PTR-003", "PTR-009", "CFG-014"].contains(&code)),
            "{bad}: {codes:?}"
        );
    }
}

#[test]
fn a_layout_without_guard_or_with_a_blank_about_safety_is_refused() {
    let columns = "[[deliver.column]]\nheader = \"Our ref\"\nfrom = \"leg.reference\"\n";
    let (head, _) = PARTNER.split_once("[[deliver.column]]").unwrap();
    let (_, tail) = PARTNER.split_once("[collect]").unwrap();
    let share = "\"patient.name\"";
    let codes = |text: &str| -> Vec<&'static str> {
        let found =
            Rules::from_texts(&texts(text)).map_or_else(|found| found, |(_, warnings)| warnings);
        found.iter().map(|one| one.code().text()).collect()
    };
    let head = head
        .replace(share, "\"patient.name\", \"patient.interpreter_required\"")
        .replace(", \"patient.extension\"", "");
    assert_eq!(
        codes(&format!("{head}{columns}[collect]{tail}")),
        ["PTR-014", "PTR-015", "PTR-018"]
    );
    let held = tail.replacen("dates =", "unguarded = \"hold-all\"\ndates =", 1);
    assert_eq!(
        codes(&format!("{head}{columns}[collect]{held}")),
        ["PTR-015", "PTR-018"]
    );
    let blank = "[[deliver.column]]\nheader = \"Interpreter\"\nfrom = \"patient.interpreter_required\"\ncodes = { true = \"Y\" }\nunmapped = \"blank\"\n";
    assert_eq!(
        codes(&format!("{head}{columns}{blank}[collect]{tail}")),
        ["PTR-015", "PTR-021", "PTR-018"]
    );
    let cut = "[[deliver.column]]\nheader = \"Name\"\nfrom = \"patient.name\"\nmax_length = 35\ntoo_long = \"truncate\"\n";
    assert_eq!(
        codes(&format!("{head}{columns}{cut}[collect]{tail}")),
        ["PTR-015", "PTR-019", "PTR-018"]
    );
}

#[test]
fn every_built_in_field_says_what_it_reads() {
    let (rules, _) = Rules::from_texts(&built_in()).unwrap();
    assert_eq!(rules.vocabulary.fields.iter().count(), 54);
    for field in rules.vocabulary.fields.iter() {
        let ours = field.name.starts_with("leg.") || field.unread();
        assert_eq!(field.elements.shows.is_empty(), ours, "{}", field.name);
    }
    assert_eq!(rules.social_prescribing.len(), 2);
}

/// What makes a link worker of [`PARTNER`].
const ONWARD: &str = r#"[[collect.event]]
kind = "onward"
on = "Referred on"
partner = { column = "Refer on to", codes = { "Gardening group" = "garden-group", "Choir" = "sing-along" } }
activity = { column = "For what", codes = { "Digging" = "gardening" } }
consent = { column = "Agreed to share?", yes = "Yes" }
[onward]
to = ["garden-group", "sing-along"]
"#;

fn link_worker() -> String {
    PARTNER.replacen("\"provider\"", "\"link-worker\"", 1) + ONWARD
}

/// The texts of a partner, and two others that it may refer on to.
fn region(partner: &str) -> Vec<RuleText> {
    let mut texts = texts(partner);
    for id in ["garden-group", "sing-along"] {
        texts.push(RuleText {
            kind: TextKind::Partner,
            built_in: false,
            path: format!("partners/{id}.toml"),
            text: PARTNER
                .replacen("\"elm\"", &format!("\"{id}\""), 1)
                .replacen("ZZ901", id, 1),
        });
    }
    texts
}

#[test]
fn a_link_worker_refers_on_and_is_made_again_alone() {
    let (rules, _) = Rules::from_texts(&region(&link_worker())).unwrap();
    let partner = rules.partner("elm").unwrap();
    assert_eq!(partner.onward_to, ["garden-group", "sing-along"]);
    assert!(rules.partner("garden-group").unwrap().onward_to.is_empty());
    let event = &partner.collect.as_ref().unwrap().events[4];
    assert_eq!(event.kind(), EventKind::Onward);
    assert_eq!(
        event.headers(),
        ["Referred on", "Refer on to", "For what", "Agreed to share?"]
    );
    let EventRule::Onward {
        codes,
        activity: Some((_, activities)),
        consent_yes,
        ..
    } = &event.told
    else {
        panic!("an onward event with an activity");
    };
    assert_eq!(codes.get_typed("gardening  GROUP"), Some("garden-group"));
    assert_eq!(activities.get("Digging"), Some("gardening"));
    assert_eq!(consent_yes, "Yes");
    let again = Rules::from_bundle(&partner.bundle).unwrap();
    assert_eq!(again.partners.len(), 1);
    assert_eq!(again.partners[0].hash, partner.hash);
    assert_eq!(again.partners[0].onward_to, partner.onward_to);
}

/// What is changed in a link worker's file, into what, the diagnostic, and a part of its text.
const ONWARD_FAULTS: [(&str, &str, &str, &str); 13] = [
    (
        "= \"sing-along\" }",
        "= \"book-club\" }",
        "CFG-006",
        "does not list",
    ),
    (
        "= \"sing-along\" }",
        "= \"sing-alon\" }",
        "CFG-006",
        "did you mean \"sing-along\"?",
    ),
    (
        "to = [\"garden-group\", ",
        "to = [\"garden-group\", \"garden-grop\", ",
        "CFG-008",
        "did you mean \"garden-group\"?",
    ),
    (
        "to = [\"garden-group\", ",
        "to = [\"garden-group\", \"elm\", ",
        "CFG-006",
        "other partners than this one",
    ),
    (
        "to = [\"garden-group\", \"sing-along\"]",
        "to = []",
        "CFG-004",
        "[onward] needs the key to",
    ),
    (
        "kind = \"link-worker\"",
        "kind = \"provider\"",
        "CFG-006",
        "say kind = \"link-worker\" in [partner]",
    ),
    (
        "kind = \"link-worker\"",
        "kind = \"charity\"",
        "CFG-006",
        "kind must be one of",
    ),
    ("on = \"Referred on\"\n", "", "CFG-004", "needs the key on"),
    (", yes = \"Yes\"", "", "CFG-004", "needs the key yes"),
    (
        "yes = \"Yes\"",
        "yes = \" \"",
        "CFG-006",
        "yes must be a text that is not empty",
    ),
    (
        "yes = \"Yes\"",
        "yes = \"Yes\", no = \"No\"",
        "CFG-003",
        "\"no\" is not known",
    ),
    (
        "\"gardening\"",
        "\"\"",
        "CFG-006",
        "the name of an activity",
    ),
    (
        "to = [",
        "until = 3\nto = [",
        "CFG-003",
        "\"until\" is not known",
    ),
];

#[test]
fn onward_faults_give_their_one_diagnostic() {
    let (event, section) = ONWARD.split_at(ONWARD.find("[onward]").unwrap());
    let without = [
        (section, "", "CFG-004", "needs the key to in [onward]"),
        (event, "", "CFG-004", "needs a [[collect.event]]"),
    ];
    for (good, bad, code, part) in ONWARD_FAULTS.into_iter().chain(without) {
        let file = link_worker();
        assert!(file.contains(good), "{good}");
        let found = Rules::from_texts(&region(&file.replacen(good, bad, 1))).unwrap_err();
        let fatal: Vec<String> = found
            .iter()
            .filter(|one| one.fatal())
            .map(|one| format!("{} {}", one.code().text(), one.render()))
            .collect();
        let [one] = fatal.as_slice() else {
            panic!("{bad}: {fatal:#?}");
        };
        assert!(one.starts_with(code) && one.contains(part), "{bad}: {one}");
    }
}

#[test]
fn only_a_link_worker_has_an_onward_section() {
    let (_, section) = ONWARD.split_at(ONWARD.find("[onward]").unwrap());
    let found = Rules::from_texts(&region(&format!("{PARTNER}{section}"))).unwrap_err();
    let codes: Vec<&str> = found
        .iter()
        .filter(|one| one.fatal())
        .map(|one| one.code().text())
        .collect();
    assert_eq!(codes, ["CFG-006"]);
}

#[test]
fn a_target_with_a_fault_of_its_own_is_not_unknown_too() {
    let mut texts = region(&link_worker());
    texts.last_mut().unwrap().text.push_str("[[[\n");
    let found = Rules::from_texts(&texts).unwrap_err();
    assert!(found.iter().all(|one| one.code() != Code::UnknownId));
}
