//! What was seen at practices once: small inputs, each with what comes of it from the outside: the row that leaves or the reason
//! for which it waits, the certificate, the exit code, and the first line of `kith status`.

use std::io::Write as _;

use serde_json::{Value, json};

use super::support::partner_file::PartnerFile;
use super::support::people::{ndjson, nhs_number, referral};
use super::support::source::Source;
use super::support::workload::text;
use super::support::world::World;

const CALM: &str = "Nothing needs anyone before 08:00";
const WHOLE: &str = "complete";

/// The columns that the cases look at.
pub(super) fn elm() -> PartnerFile {
    let fields = [
        ("NHS", "patient.nhs_number"),
        ("Line 1", "patient.address_line_1"),
        ("Line 4", "patient.address_line_4"),
        ("Postcode", "patient.postcode"),
        ("Note", "referral.note"),
    ];
    let mut shared = vec![
        "patient.name",
        "patient.address",
        "referral.activity",
        "referral.authored_on",
    ];
    shared.extend(fields.map(|(_, field)| field));
    let file = PartnerFile::of("elm")
        .shares(&shared)
        .with("select", "postcodes = [\"BS1\", \"BS2\"]")
        .with("select", "urgent = \"hold\"")
        .column_of(
            "Referred",
            "from = \"referral.authored_on\"\ndate = \"%d/%m/%Y\"",
        );
    fields
        .iter()
        .fold(file, |file, (header, field)| file.column(header, field))
}

/// Una with her referral, changed.
pub(super) fn una(change: impl FnOnce(&mut Value, &mut Value)) -> Vec<Value> {
    let [mut person, mut request] = referral(1, "Una", "Testperson", "elm");
    request["note"] = json!([{"text": "For Una"}]);
    request["authoredOn"] = json!("2026-11-19T09:00:00");
    change(&mut person, &mut request);
    vec![person, request]
}

pub(super) fn lines(records: &[Value]) -> Vec<(&'static str, Vec<u8>)> {
    vec![("x.ndjson", ndjson(records).into_bytes())]
}

/// What a run came to: exit, the rows by these columns, the reasons for which something waits, the certificate, and the first
/// line of status.
#[derive(Debug, PartialEq)]
pub(super) struct Came {
    exit: i32,
    rows: Vec<String>,
    held: Vec<String>,
    verdict: String,
    first: String,
}

impl Came {
    pub(super) fn of(world: &World, columns: &[&str]) -> Self {
        let ran = world.home.kith(&["run", "--once", "--json"]);
        let summary = ran.json();
        let certificate = &summary["certificates"][0];
        let verdict = [&certificate["verdict"], &certificate["except"]].map(text_or_none);
        let held = summary["held"].as_array().unwrap().iter();
        let held = held.map(|hold| text(&hold["reason"]).to_owned()).collect();
        let shown = world.home.kith(&["status"]);
        let first = shown.stdout.lines().next().unwrap_or_default();
        let mut rows: Vec<String> = world
            .rows()
            .iter()
            .map(|row| {
                columns
                    .iter()
                    .map(|column| &*row[*column])
                    .collect::<Vec<_>>()
                    .join("|")
            })
            .collect();
        rows.sort();
        assert_eq!(
            shown.code, ran.code,
            "status and run agree on whether somebody must act: {first}"
        );
        Self {
            exit: ran.code,
            rows,
            held,
            verdict: verdict.join(" ").trim().to_owned(),
            first: first.to_owned(),
        }
    }

    /// Of a folder with these files.
    pub(super) fn of_folder(files: &[(&str, Vec<u8>)], columns: &[&str]) -> Self {
        let source = Source::folder("hilltop", "ext");
        let world = World::of(&[source], &[elm()]);
        for (name, bytes) in files {
            world.home.write(&format!("ext/{name}"), bytes);
        }
        Self::of(&world, columns)
    }

    /// Somebody is sent, and nothing else happens.
    pub(super) fn assert_sent(&self, rows: &[&str], name: &str) {
        let all = (self.exit, &*self.verdict, &*self.first);
        assert_eq!(all, (0, WHOLE, CALM), "{name}: {self:?}");
        assert_eq!(
            (&self.rows[..], self.held.len()),
            (&rows.map_owned()[..], 0),
            "{name}"
        );
    }

    /// One referral waits for this reason; status begins so.
    pub(super) fn assert_held(&self, reason: &str, first: &str, name: &str) {
        assert_eq!((self.exit, &*self.verdict), (1, WHOLE), "{name}: {self:?}");
        assert_eq!(
            (&self.rows[..], &self.held[..]),
            (&[][..], &[reason.to_owned()][..]),
            "{name}"
        );
        assert!(self.first.starts_with(first), "{name}: {}", self.first);
    }
}

fn text_or_none(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Texts as they stand in what came.
trait Owned {
    fn map_owned(&self) -> Vec<String>;
}

impl Owned for [&str] {
    fn map_owned(&self) -> Vec<String> {
        self.iter().map(|text| (*text).to_owned()).collect()
    }
}

/// The first line about one question of the practice.
pub(super) fn practice(reason: &str) -> String {
    format!("Needs somebody today: 1 question waits for the practice ({reason})")
}

/// The same of whoever looks after the machine.
fn machine(reason: &str) -> String {
    format!("Needs somebody today: 1 question waits for IT ({reason})")
}

#[test]
fn what_can_be_read_one_way_only_is_read_so() {
    let number = nhs_number(1);
    let (area, rest) = number.split_at(3);
    let (middle, end) = rest.split_at(3);
    let dashed = format!("{area}-{middle}-{end}");
    let sent = |records: Vec<Value>, columns: &[&str], row: &str, name: &str| {
        Came::of_folder(&lines(&records), columns).assert_sent(&[row], name);
    };
    let five = json!([
        "Flat 1",
        "Sample House",
        "1 Sample Street",
        "Clifton",
        "Bristol"
    ]);
    sent(
        una(|person, _| person["address"][0]["line"] = five),
        &["Line 1", "Line 4"],
        "Flat 1|Clifton, Bristol",
        "a fifth line stands with the fourth",
    );
    sent(
        una(|person, _| person["identifier"][0]["value"] = json!(dashed)),
        &["NHS", "Referred"],
        &format!("{number}|19/11/2026"),
        "a number with dashes, a time without offset",
    );
    let whole = una(|_, _| ());
    let array = ("x.json", json!(whole).to_string().into_bytes());
    Came::of_folder(&[array], &["NHS"]).assert_sent(&[&number], "a list of resources");
    let entries: Vec<Value> = whole.iter().map(|one| json!({"resource": one})).collect();
    let inner =
        json!({"resourceType": "Bundle", "type": "searchset", "total": 1, "entry": entries});
    let outer = json!({"resourceType": "Bundle", "type": "batch-response",
        "entry": [{"response": {"status": "200"}, "resource": inner}]});
    let nested = ("x.json", outer.to_string().into_bytes());
    Came::of_folder(&[nested], &["NHS"]).assert_sent(&[&number], "a Bundle in a Bundle");
    let bundle = |n: u32, given: &str| {
        let [mut person, mut request] = referral(n, given, "Testperson", "elm");
        person["id"] = json!("1");
        request["subject"]["reference"] = json!("Patient/1");
        request["note"] = json!([{"text": format!("For {given}")}]);
        let entries = [request, person].map(|one| json!({"resource": one}));
        let bundle = json!({"resourceType": "Bundle", "type": "message", "entry": entries});
        bundle.to_string().into_bytes()
    };
    let two = [("a.json", bundle(1, "Una")), ("b.json", bundle(2, "Ben"))];
    let rows = [1, 2].map(nhs_number);
    let rows = [
        format!("For Ben|{}", rows[1]),
        format!("For Una|{}", rows[0]),
    ];
    Came::of_folder(&two, &["Note", "NHS"])
        .assert_sent(&[&rows[0], &rows[1]], "two Bundles with an id of their own");
}

#[test]
fn a_performer_by_reference_names_the_partner_that_its_record_does() {
    let record = |kind: &str| {
        json!({"resourceType": kind, "id": "o1", "name": "Elm",
            "identifier": [{"system": "https://kith.example/Id/partner", "value": "elm"}]})
    };
    let asking = |reference: &str| {
        let performer = json!([{"reference": reference}]);
        una(|_, request| request["performer"] = performer)
    };
    let organization = [asking("Organization/o1"), vec![record("Organization")]].concat();
    let service = [
        asking("HealthcareService/o1"),
        vec![record("HealthcareService")],
    ]
    .concat();
    let mut contained = asking("#o1");
    contained[1]["contained"] = json!([record("Organization")]);
    let number = nhs_number(1);
    for (name, records) in [
        ("it", organization),
        ("contained", contained),
        ("service", service),
    ] {
        Came::of_folder(&lines(&records), &["NHS"]).assert_sent(&[&number], name);
    }
    let mut other = record("Organization");
    other["identifier"][0]["value"] = json!("fir");
    let other = [asking("Organization/o1"), vec![other]].concat();
    Came::of_folder(&lines(&other), &["NHS"]).assert_held(
        "unknown-partner",
        &practice("unknown-partner"),
        "no partner's",
    );
}

#[test]
fn whom_a_performer_named_is_remembered_where_its_record_is_missing() {
    let fir = PartnerFile::of("fir");
    let mut world = World::of(&[Source::folder("hilltop", "ext")], &[elm(), fir]);
    let of = |partner: &str| {
        json!({"resourceType": "Organization", "id": "o1",
            "identifier": [{"system": "https://kith.example/Id/partner", "value": partner}]})
    };
    let performer = json!([{"reference": "Organization/o1"}]);
    let records = una(|_, request| request["performer"] = performer);
    let come = |world: &mut World, more: &[Value], code: i32| {
        let all = [&records[..], more].concat();
        world.home.write("ext/x.ndjson", ndjson(&all));
        world.kith(&["run", "--once"], code);
        let rows = world.rows();
        let said = rows
            .iter()
            .map(|row| format!("{} {}", row["What"], row["partner"]));
        said.collect::<Vec<_>>()
    };
    assert_eq!(come(&mut world, &[of("elm")], 0), ["NEW elm"]);
    // Nothing changed but that the record is not there this time.
    assert_eq!(come(&mut world, &[], 0), ["NEW elm"]);
    assert_eq!(come(&mut world, &[of("elm")], 0), ["NEW elm"]);
    // It names another partner now.
    let moved = come(&mut world, &[of("fir")], 1);
    assert!(moved.contains(&"STOP elm".to_owned()), "{moved:?}");
}

#[test]
fn a_question_about_a_record_is_the_practices_wherever_it_is_told() {
    let world = World::of(&[Source::folder("hilltop", "ext")], &[elm()]);
    let records = una(|_, request| request["authoredOn"] = json!("2026-02-30"));
    world.home.write("ext/x.ndjson", ndjson(&records));
    world.kith(&["run", "--once"], 1);
    let hold = &world.held("bad-date")[0];
    assert_eq!(hold["owner"], "practice");
    let reference = text(&hold["reference"]);
    for command in ["why", "trace"] {
        let told = world.kith(&[command, reference], 0).stdout;
        assert!(told.contains(" for practice: "), "{command}: {told}");
        let told = world.kith(&[command, reference, "--json"], 0).stdout;
        let told = told.replace(' ', "");
        assert!(told.contains("\"owner\":\"practice\""), "{told}");
    }
}

#[test]
fn what_has_no_one_reading_waits_with_its_reason() {
    let held = |records: Vec<Value>, reason: &str, first: &str| {
        Came::of_folder(&lines(&records), &["NHS"]).assert_held(reason, first, reason);
    };
    let code: Value = serde_json::from_str("871731000000106").unwrap();
    held(
        una(|_, request| request["code"]["coding"][0]["code"] = code),
        "malformed",
        &machine("malformed"),
    );
    held(
        una(|_, request| request["note"] = json!("Please phone after 6 pm")),
        "malformed",
        &machine("malformed"),
    );
    held(
        una(|_, request| request["authoredOn"] = json!("2026-02-30")),
        "bad-date",
        &practice("bad-date"),
    );
    let untraced = json!([{
        "url": "https://fhir.nhs.uk/R4/StructureDefinition/Extension-UKCore-NHSNumberVerificationStatus",
        "valueCodeableConcept": {"coding": [{"code": "02"}]},
    }]);
    held(
        una(|person, _| person["identifier"][0]["extension"] = untraced),
        "nhs-number",
        &practice("nhs-number"),
    );
    let now = "Needs somebody now: ";
    for word in ["URGENT", "emergency"] {
        let urgent = una(|_, request| request["priority"] = json!(word));
        held(urgent, "urgent", now);
    }
    let addresses = json!([
        {"use": "home", "type": "postal", "line": ["PO Box 1"], "city": "Bristol", "postalCode": "BS1 9ZZ"},
        {"use": "home", "type": "physical", "line": ["1 Far Street"], "city": "Leeds", "postalCode": "LS1 1AA"},
    ]);
    held(
        una(|person, _| person["address"] = addresses),
        "area",
        &practice("area"),
    );
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of extracts")]
fn what_an_extract_lacks_or_takes_back_is_told() {
    let whole = una(|_, _| ());
    let written = ndjson(&whole);
    let number = nhs_number(1);
    let gone = json!({"resourceType": "Bundle", "type": "transaction", "meta": {"lastUpdated": "2126-01-01T00:00:00Z"},
        "entry": [{"fullUrl": "https://gp.example/fhir/ServiceRequest/request-1",
            "request": {"method": "DELETE", "url": "ServiceRequest/request-1"}}]});
    let mut files = lines(&whole);
    files.push(("deleted/Bundle.ndjson", gone.to_string().into_bytes()));
    let deleted = Came::of_folder(&files, &["NHS"]);
    assert_eq!(
        (&deleted.rows[..], &*deleted.verdict),
        (&[][..], WHOLE),
        "{deleted:?}"
    );
    deleted.assert_held("source-gone", &practice("source-gone"), "deleted");

    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(written.as_bytes()).unwrap();
    let packed = packed.finish().unwrap();
    let cut = written.rfind("{\"authoredOn\"").unwrap() + 40;
    let cut = &written.as_bytes()[..cut];
    let entries: Vec<Value> = whole.iter().map(|one| json!({"resource": one})).collect();
    let answer = |more: Value| {
        let mut bundle =
            json!({"resourceType": "Bundle", "type": "batch-response", "entry": entries});
        bundle["entry"]
            .as_array_mut()
            .unwrap()
            .extend(more["entry"].as_array().cloned().unwrap_or_default());
        if more["link"].is_array() {
            bundle["link"] = more["link"].clone();
        }
        bundle.to_string().into_bytes()
    };
    let outcome = br#"{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"incomplete"}]}"#;
    let missing = "complete except 1 that the source says are missing";
    let unreadable = "complete except 1 unreadable";
    for (name, files, row, verdict) in [
        (
            "cut .gz",
            vec![("x.ndjson.gz", packed[..packed.len() - 30].to_vec())],
            false,
            unreadable,
        ),
        (
            "cut line",
            vec![("x.ndjson", cut.to_vec())],
            false,
            unreadable,
        ),
        (
            "outcome",
            vec![
                ("x.ndjson", written.clone().into_bytes()),
                ("y.ndjson", outcome.to_vec()),
            ],
            true,
            missing,
        ),
        (
            "500",
            vec![(
                "x.json",
                answer(json!({"entry": [{"response": {"status": "500"}}]})),
            )],
            true,
            missing,
        ),
        (
            "next",
            vec![(
                "x.json",
                answer(
                    json!({"link": [{"relation": "next", "url": "https://gp.example/fhir?page=2"}]}),
                ),
            )],
            true,
            missing,
        ),
    ] {
        let came = Came::of_folder(&files, &["NHS"]);
        let rows = if row {
            vec![number.clone()]
        } else {
            Vec::new()
        };
        assert_eq!(
            (came.exit, &*came.verdict, &came.rows),
            (1, verdict, &rows),
            "{name}"
        );
        let read = verdict.replace("complete", "read");
        let first = format!("Needs somebody today: source hilltop was {read}: ");
        assert!(came.first.starts_with(&first), "{name}: {}", came.first);
    }
    let utf16 = written.encode_utf16().flat_map(u16::to_le_bytes);
    let utf16 = [0xff, 0xfe].into_iter().chain(utf16).collect();
    Came::of_folder(&[("x.ndjson", utf16)], &["NHS"]).assert_sent(&[&number], "UTF-16");
}

#[test]
fn an_element_with_parts_fills_no_cell() {
    let visits = json!([{"url": "https://example.org/visits", "valueQuantity": {"value": 3, "unit": "visits"}}]);
    let records = una(|person, _| person["extension"] = visits);
    let world = |header: &str, path: &str, share: &str| {
        let file = elm()
            .shares(&[
                "patient.name",
                "patient.nhs_number",
                "patient.address",
                "patient.address_line_1",
                "patient.address_line_4",
                "patient.postcode",
                "referral.activity",
                "referral.authored_on",
                "referral.note",
                "patient.extension",
            ])
            .column_of(
                header,
                &format!("fhirpath = \"{path}\"\nshare = \"{share}\""),
            );
        let world = World::of(&[Source::folder("hilltop", "ext")], &[file]);
        world.home.write("ext/x.ndjson", ndjson(&records));
        world
    };
    // The type of a name is known without any record, that of an extension's value is not.
    let whole = world("Whole name", "%patient.name", "patient.name");
    let refused = whole.home.ran(&["check"], 2);
    let said = refused.stdout + &refused.stderr;
    assert!(
        said.contains("elm.toml") && said.contains("name one of its parts"),
        "{said}"
    );
    let visits = world(
        "Visits",
        "%patient.extension('https://example.org/visits').value",
        "patient.extension",
    );
    visits.home.ran(&["check"], 0);
    Came::of(&visits, &["NHS"]).assert_held(
        "expression-failed",
        &machine("expression-failed"),
        "visits",
    );
    let number = visits.held("expression-failed")[0]["number"].to_string();
    let shown = visits.kith(&["held", "show", &number], 0).stdout;
    assert!(
        shown.contains("column \"Visits\"") && shown.contains("parts"),
        "{shown}"
    );
}
