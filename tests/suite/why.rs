//! `kith why`: over a thousand made-up referrals, every story is whole, and no story tells who it is about.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;

use serde_json::Value;

use super::support::home::Home;
use super::support::partner_file::{PARTNERS, PartnerFile};
use super::support::people::referral;
use super::support::shared;
use super::support::workload::{Referral, Workload, nhs_number, text};
use super::support::world::{World, ended};

const FIRST: &str = "2026-11-23T06:00:00Z";

#[test]
fn a_thousand_referrals_each_have_a_whole_story() {
    let Some(shared) = shared::folder("why::a_thousand_referrals_each_have_a_whole_story") else {
        return;
    };
    let workload = Workload::generate(&shared, 1_000, 11, "0.4");
    let home = Home::new();
    workload.install(&home, "--extracts", &workload.path().display().to_string());
    home.ran(&["run", "--once", "--as-of", FIRST], 1);

    let extracts = workload.path().display().to_string();
    let brought = home.ran(&["why", "--input", &extracts, "--json"], 0);
    let stories = lines(&brought.stdout);
    assert_eq!(stories.len(), 1_000, "each referral has its story");
    let partners = criteria_of_partners(&home);
    let by_place = by_place(&workload);
    let (mut kinds, mut references) = (BTreeMap::new(), BTreeSet::new());
    for (story, line) in stories.iter().zip(brought.stdout.lines()) {
        let referral = by_place[text(&story["where"])];
        assert_nobody_is_named(line, referral);
        assert_story(story, referral, &partners);
        *kinds.entry(referral.kind).or_insert(0) += 1;
        references.extend(story["reference"].as_str().map(str::to_owned));
    }
    assert_eq!(kinds.len(), 20, "every kind of truth.json: {kinds:?}");

    let all = home.kith(&["why", "--all", "--json"]).expect_code(0);
    let mut all = lines(&all.stdout);
    let counted = all.pop().expect("a last line");
    assert_eq!(
        counted["without_reference"]["not-ours"],
        workload.count(&["not-coded"]),
        "{counted}"
    );
    let told: BTreeSet<String> = all
        .iter()
        .map(|story| text(&story["reference"]).to_owned())
        .collect();
    assert_eq!(told, references, "the same referrals both ways");
    assert_eq!(
        told.len() as u64 + workload.count(&["not-coded"]),
        1_000,
        "with a reference, and without"
    );
    one_by_its_id_and_its_reference(&home, &workload, &stories);
}

/// A full partner, what was seen of place and sex, and nobody named: each told as it was at the time.
#[test]
fn a_partner_that_was_full_is_said_to_have_been_full_then() {
    let world = four_for_two();
    let first = by_fate(&world.home);
    let sent: Vec<String> = first["sent "]
        .iter()
        .map(|story| saw(story, "capacity"))
        .collect();
    assert_eq!(sent, ["0 open of 2", "1 open of 2"]);
    let full = &first["held capacity"][0];
    assert_eq!(saw(full, "capacity"), "2 open of 2");
    assert_eq!(
        saw(&first["held no-service"][0], "routing"),
        "link-worker: no partner whose criteria all hold"
    );
    let criteria = full["partners"][0]["criteria"]
        .as_array()
        .expect("criteria");
    let seen: Vec<&str> = criteria.iter().map(|line| text(&line["saw"])).collect();
    assert_eq!(seen[1..4], ["befriending", "postcode area BS1 4", "female"]);

    // A place comes free: the one who waited goes, and what was so before is still told as it was.
    finished(&world, text(&first["sent "][0]["reference"]));
    let second = by_fate(&world.home);
    assert_eq!(saw(&second["completed "][0], "capacity"), "0 open of 2");
    let later: Vec<String> = second["sent "]
        .iter()
        .map(|story| saw(story, "capacity"))
        .collect();
    assert_eq!(
        later,
        ["1 open of 2", "1 open of 2"],
        "as of then, and as of when a place was free"
    );
}

/// Four people for a partner that takes two, one of them without a performer.
fn four_for_two() -> World {
    let [elm, oak] = PARTNERS.map(|id| {
        PartnerFile::of(id).shares(&[
            "patient.name",
            "patient.gender",
            "patient.postcode",
            "referral.activity",
        ])
    });
    let elm = elm
        .with("select", "open_legs_max = 2")
        .with("select", "postcodes = [\"BS1\"]")
        .with("select", "gender = [\"female\"]");
    let mut world = World::of_folder(&[elm, oak]);
    let mut all = Vec::new();
    for n in 1..=4 {
        let [patient, mut request] = referral(n, &format!("Person{n}"), "Shared", "elm");
        if n == 4 {
            request
                .as_object_mut()
                .expect("an object")
                .remove("performer");
        }
        all.extend([patient, request]);
    }
    world.gp_refers(&all);
    world.kith(&["run", "--once"], 1);
    world
}

/// Stories by state and reason.
fn by_fate(home: &Home) -> BTreeMap<String, Vec<Value>> {
    let told = home.kith(&["why", "--all", "--json"]).expect_code(0).stdout;
    let mut fates: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for story in lines(&told) {
        let Some(state) = story["fate"]["state"].as_str() else {
            continue;
        };
        assert_eq!(story["decision"]["agrees"], true, "{story}");
        let reason = story["fate"]["reason"].as_str().unwrap_or_default();
        let fate = format!("{state} {reason}");
        fates.entry(fate).or_default().push(story);
    }
    fates
}

/// What a check saw.
fn saw(story: &Value, check: &str) -> String {
    let steps = story["decision"]["steps"]
        .as_array()
        .expect("steps")
        .clone();
    let step = steps.into_iter().find(|step| step["check"] == check);
    step.map(|step| text(&step["saw"]).to_owned())
        .unwrap_or_default()
}

/// The partner says that it has finished with somebody; then two runs.
fn finished(world: &World, leaver: &str) {
    let mut rows = world.rows();
    rows.retain(|row| row["Our ref"] == leaver);
    let told: Vec<_> = rows
        .into_iter()
        .map(|row| (row, ended(1, "Finished")))
        .collect();
    world.partner_returns("elm", "returns 1.csv", &told);
    world.kith(&["run", "--once"], 1);
    world.kith(&["run", "--once"], 1);
}

/// The same story by reference, and on paper; by the server's own id from standard input.
fn one_by_its_id_and_its_reference(home: &Home, workload: &Workload, stories: &[Value]) {
    let story = stories
        .iter()
        .find(|story| story["fate"]["reason"] == "child")
        .expect("a child");
    let reference = text(&story["reference"]);
    let mut one = home.ran(&["why", reference, "--json"], 0).json();
    one["where"] = story["where"].clone();
    assert_eq!(&one, story, "by its reference");
    let paper = home.kith(&["why", reference]).expect_code(0).stdout;
    for words in [
        "person",
        "asks for 18 or over; the record has age 10",
        "<- child",
        "waits: hold",
    ] {
        assert!(paper.contains(words), "{words} is missing:\n{paper}");
    }
    let referral = by_place(workload)[text(&story["where"])];
    let by_id = home
        .kith_reading(&["why", "--request-id-stdin"], referral.id().as_bytes())
        .expect_code(0);
    assert_eq!(by_id.stdout, paper, "by its id");
    let stranger = home
        .kith_reading(&["why", "--request-id-stdin"], b"nobody-has-this")
        .expect_code(2);
    assert!(stranger.stderr.contains("--input"), "{}", stranger.stderr);
    assert!(!stranger.stderr.contains("nobody-has-this"));
}

/// Fate, checks and criteria of one referral against what the workload says of it.
fn assert_story(story: &Value, referral: &Referral, partners: &BTreeMap<String, Vec<String>>) {
    let kind = referral.kind;
    let fate = |state: &str, reason: &str| {
        let reason = Some(reason).filter(|reason| !reason.is_empty());
        assert_eq!(story["fate"]["state"], state, "{kind}: {story}");
        assert_eq!(story["fate"]["reason"].as_str(), reason, "{kind}: {story}");
    };
    let (state, reason) = expected(kind);
    fate(state, reason);
    let decision = &story["decision"];
    let steps = decision["steps"].as_array().expect("steps");
    let last = steps.last().expect("a decision makes a check");
    assert_eq!(
        last["ends"].as_str().unwrap_or_default(),
        reason,
        "the last check gives the reason of {kind}: {story}"
    );
    for step in &steps[..steps.len() - 1] {
        assert!(step["ends"].is_null(), "only the last check ends: {story}");
    }
    if kind == "not-coded" {
        assert_eq!(story["pulled_before"], true, "{story}");
    } else {
        assert_eq!(decision["agrees"], true, "recorded and again: {story}");
        assert_eq!(decision["same_rules"], true, "{story}");
        assert!(!story["life"].as_array().expect("a life").is_empty());
        let waits = story["waits"].as_array().expect("holds").len();
        assert_eq!(waits, usize::from(state == "held"), "{story}");
    }
    assert_partners(story, referral, partners);
}

/// Every partner has its every criterion with value and verdict, and the verdicts explain who was chosen.
fn assert_partners(story: &Value, referral: &Referral, partners: &BTreeMap<String, Vec<String>>) {
    let told = story["partners"].as_array().expect("partners");
    assert_eq!(told.len(), partners.len(), "every partner");
    let activity = referral
        .request
        .pointer("/orderDetail/0/coding/0/code")
        .and_then(Value::as_str);
    let adult = match referral.kind {
        "no-patient" => "unknown",
        "child" => "no",
        _ => "yes",
    };
    for partner in told {
        let id = text(&partner["partner"]);
        let criteria = partner["criteria"].as_array().expect("criteria");
        let names: Vec<&str> = criteria
            .iter()
            .map(|line| text(&line["criterion"]))
            .collect();
        assert_eq!(names, partners[id], "criteria of {id}");
        let mut all = partner["enabled"] == true;
        for line in criteria {
            let verdict = match text(&line["criterion"]) {
                "children" | "age_years" => adult,
                "activities" => match activity {
                    None => "unknown",
                    Some(activity) if id.starts_with(&format!("{activity}-")) => "yes",
                    Some(_) => "no",
                },
                _ => "yes",
            };
            assert_eq!(line["holds"], verdict, "{line} of {id}: {story}");
            assert!(!text(&line["saw"]).is_empty() && !text(&line["asks"]).is_empty());
            all &= verdict == "yes";
        }
        assert_eq!(partner["fits"], all, "{partner}");
        let named = referral.partner() == Some(id);
        if partner["named_or_chosen"] == true {
            assert!(named, "{id} was chosen and not named: {story}");
            assert!(
                all || story["fate"]["state"] == "held",
                "{id} was chosen and does not fit: {story}"
            );
        } else if referral.delivered() {
            assert!(!named, "{id} was named and not chosen: {story}");
        }
    }
}

fn expected(kind: &str) -> (&'static str, &'static str) {
    match kind {
        "plain" | "formula-note" | "logical-subject" | "no-postcode" => ("sent", ""),
        "not-coded" => ("rejected", "not-ours"),
        "revoked" | "completed" => ("cancelled", "closed-at-source"),
        "entered-in-error" => ("entered-in-error", "closed-at-source"),
        "declined" => ("cancelled", "declined-by-person"),
        "do-not-perform" => ("cancelled", "do-not-perform"),
        "draft" | "proposal" => ("held", "not-an-order"),
        "on-hold" => ("held", "paused-by-gp"),
        "no-patient" => ("held", "no-patient"),
        "bad-nhs-number" => ("held", "nhs-number"),
        "restricted" => ("held", "restricted"),
        "deceased" => ("held", "died"),
        "child" => ("held", "child"),
        "no-activity" => ("held", "no-destination"),
        "long-note" => ("held", "too-long"),
        other => panic!("{other} has no fate"),
    }
}

/// The criteria that each partner file asks for, in the order of the manual; read from the files themselves.
fn criteria_of_partners(home: &Home) -> BTreeMap<String, Vec<String>> {
    let folder = home.below("mappings/partners");
    let files = fs::read_dir(folder).expect("partner files");
    files
        .map(|file| {
            let path = file.expect("a partner file").path();
            let id = path
                .file_stem()
                .expect("a name")
                .to_string_lossy()
                .into_owned();
            let written = fs::read_to_string(&path).expect("a partner file");
            let asks = |key: &str| {
                written
                    .lines()
                    .any(|line| line.starts_with(&format!("{key} =")))
            };
            let keys = ["activities", "age_years"]
                .into_iter()
                .filter(|key| asks(key));
            let names = ["children"].into_iter().chain(keys).chain(["consent"]);
            (id, names.map(str::to_owned).collect())
        })
        .collect()
}

/// Referrals by the place that Kith names: file and byte.
fn by_place(workload: &Workload) -> HashMap<String, &Referral> {
    let requests =
        fs::read_to_string(workload.path().join("ServiceRequest.ndjson")).expect("requests");
    let mut offset = 0;
    let mut places = HashMap::new();
    for (line, referral) in requests.split_inclusive('\n').zip(&workload.referrals) {
        places.insert(format!("ServiceRequest.ndjson, byte {offset}"), referral);
        offset += line.len();
    }
    places
}

fn lines(stdout: &str) -> Vec<Value> {
    stdout
        .lines()
        .map(|line| serde_json::from_str(line).expect("one JSON object a line"))
        .collect()
}

/// No name, number, address, id or note of the person.
fn assert_nobody_is_named(told: &str, referral: &Referral) {
    let mut secrets = vec![referral.id().to_owned()];
    if let Some(patient) = &referral.patient {
        secrets.push(nhs_number(patient).to_owned());
        for path in ["/id", "/birthDate", "/telecom/1/value", "/name/1/family"] {
            secrets.extend(patient.pointer(path).map(|value| text(value).to_owned()));
        }
        let postcode = patient["address"][0]["postalCode"].as_str();
        secrets.extend(postcode.map(str::to_owned));
    }
    let note = referral.request.pointer("/note/0/text");
    secrets.extend(note.map(|note| text(note).to_owned()));
    for secret in secrets.iter().filter(|secret| secret.len() > 2) {
        assert!(!told.contains(secret.as_str()), "{secret} is told: {told}");
    }
}
