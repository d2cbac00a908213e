//! A partner file that allows more than before sends nothing new until a second person has approved it (`safety.md` §7).
//!
//! The first version runs. A wider one holds what is new, while a change of what was sent goes by the old columns and a stop
//! goes at once; its writer cannot approve it, somebody else can. Narrowing needs nobody, and a reformatted file changes
//! nothing. What would go elsewhere goes where it always went until then.

use std::fs;

use serde_json::{Value, json};

use super::support::home::Ran;
use super::support::partner_file::PartnerFile;
use super::support::people::{day, referral};
use super::support::table::{self, Layout, Table};
use super::support::world::{World, came, held, later};

const PARTNER: &str = "elm";
const FILE: &str = "mappings/partners/elm.toml";

/// A world whose first version of the partner's file has run, with one person for each of these numbers.
fn world_with(people: &[u32]) -> World {
    let mut world = World::of_folder(&[first()]);
    refer(&mut world, people);
    let summary = run(&world, 0);
    assert_eq!(summary["approvals"], json!([]), "the first version runs");
    assert_eq!(world.rows().len(), people.len());
    world
}

/// New people.
fn refer(world: &mut World, people: &[u32]) {
    let all: Vec<Value> = people.iter().flat_map(|n| person(*n)).collect();
    world.gp_refers(&all);
}

fn run(world: &World, code: i32) -> Value {
    world.kith(&["run", "--once", "--json"], code).json()
}

fn approve(world: &World, by: &str, code: i32) -> Ran {
    let act = ["partner", "approve", PARTNER, "--json", "--by", by];
    let because = ["--because", "looked at it with the partner"];
    world.kith(&[&act[..], &because].concat(), code)
}

fn last_drop(world: &World) -> Table {
    let drops = world.home.drops(PARTNER);
    table::read(drops.last().expect("a drop"), Layout::COMMA)
}

/// What the last drop asks for, about whom.
fn actions(world: &World) -> Vec<(String, String)> {
    let rows = last_drop(world).rows.into_iter();
    rows.map(|row| (row[2].clone(), row[3].clone())).collect()
}

/// How many rows wait, all of them for the approval.
fn waiting(summary: &Value) -> usize {
    let held = held(summary);
    for hold in held.iter().filter(|hold| hold["reason"] != "stop-open") {
        assert_eq!(hold["reason"], "not-approved", "{hold}");
        assert_eq!(
            (&hold["owner"], &hold["partner"]),
            (&json!("ig"), &json!(PARTNER))
        );
    }
    held.iter()
        .filter(|hold| hold["reason"] == "not-approved")
        .count()
}

/// The file of the partner as it was first.
fn first() -> PartnerFile {
    PartnerFile::of(PARTNER)
}

/// The phone number is shared, in a column of its own; the file says by whom.
fn wider() -> PartnerFile {
    signed(first())
        .shares(&["patient.name", "referral.activity", "patient.phone"])
        .column("Phone", "patient.phone")
}

/// A version that says who wrote it.
fn signed(file: PartnerFile) -> PartnerFile {
    file.with("partner", "changed_by = \"A. Writer\"")
}

fn person(n: u32) -> [Value; 2] {
    referral(n, &format!("Person{n}"), "Careful", PARTNER)
}

fn name(n: u32) -> String {
    format!("Person{n} Careful")
}

fn said(action: &str, n: u32) -> (String, String) {
    (action.to_owned(), name(n))
}

#[test]
fn a_wider_version_waits_for_a_second_person_and_what_was_sent_goes_on() {
    let mut world = world_with(&[1, 2, 3]);
    let sent = last_drop(&world);
    world.agrees(wider());
    // One has married, one is revoked, one has a new number only, which the old columns do not show; one is new.
    let ([mut married, request_1], [patient_2, mut revoked]) = (person(1), person(2));
    let [mut moved, request_3] = person(3);
    married["name"][0]["family"] = json!("Carefuller");
    revoked["status"] = json!("revoked");
    moved["telecom"][0]["value"] = json!("07700 900999");
    let mut records = vec![later(married), request_1, patient_2, later(revoked)];
    records.extend([later(moved), request_3]);
    records.extend(person(4));
    world.gp_refers(&records);
    let summary = run(&world, 1);
    assert_eq!(waiting(&summary), 1, "{summary}");
    assert_eq!(last_drop(&world).header, sent.header, "the old columns");
    let married = ("AMEND".to_owned(), "Person1 Carefuller".to_owned());
    assert_eq!(actions(&world), [married, said("STOP", 2)], "no NEW");
    world_says_what_is_wider(&world, &summary);
    a_return_of_the_old_sheet_is_read(&world, &sent);
    let reference = summary["held"][0]["reference"].as_str().map(str::to_owned);
    for hold in summary["held"].as_array().unwrap() {
        if hold["reason"] == "not-approved" {
            let reference = hold["reference"].as_str().unwrap();
            let told = world.kith(&["why", reference], 0).stdout;
            assert!(told.contains("<- not-approved"), "{told}");
        }
    }
    assert!(reference.is_some());

    for writer in ["A. Writer", " a.  WRITER "] {
        let refused = approve(&world, writer, 2);
        assert!(refused.stderr.contains("PTR-061"), "{}", refused.stderr);
    }
    assert_eq!(waiting(&run(&world, 1)), 1, "nothing was approved");
    let approved = approve(&world, "B. Reader", 0).json();
    assert_eq!(approved["waiting"], 1, "{approved}");
    assert_eq!(approved["wider"].as_array().unwrap().len(), 2, "{approved}");
    let twice = approve(&world, "B. Reader", 2);
    assert!(twice.stderr.contains("PTR-062"), "{}", twice.stderr);
    let summary = run(&world, 1);
    assert_eq!(summary["approvals"], json!([]));
    assert_eq!(waiting(&summary), 0, "it goes on by itself");
    assert_eq!(actions(&world), [said("NEW", 4)]);
    let drop = last_drop(&world);
    let phone = drop.column("Phone");
    assert_eq!(drop.rows[0][phone], "07700 900104", "by the new columns");
    for (row, how) in [
        (&sent.rows[0], "(first) of the partner's file"),
        (
            &drop.rows[0],
            "(approved by B. Reader) of the partner's file",
        ),
    ] {
        let told = world.kith(&["trace", &row[0]], 0).stdout;
        assert!(told.contains(how), "{told}");
    }
    world.proves();
}

/// `kith status` and `kith check` name each thing; so does the run itself.
fn world_says_what_is_wider(world: &World, summary: &Value) {
    let wider = [
        "[share] fields: patient.phone is new; it shows patient.telecom.value",
        "[deliver] column \"Phone\": patient.phone is new; it shows patient.telecom.value",
    ];
    let of = |approvals: &Value| -> Vec<String> {
        assert_eq!(approvals[0]["partner"], PARTNER, "{approvals}");
        assert_eq!(approvals[0]["changed_by"], "A. Writer", "{approvals}");
        let wider = approvals[0]["wider"].as_array().unwrap();
        let texts = wider.iter().map(|line| line["text"].as_str().unwrap());
        texts.map(str::to_owned).collect()
    };
    let status = world.kith(&["status", "--json"], 1).json();
    let check = world.kith(&["check", "--json"], 0).json();
    for said in [summary, &status, &check] {
        assert_eq!(of(&said["approvals"]), wider, "{said}");
    }
    assert!(status["approvals"][0]["since"].is_string(), "{status}");
    let problems = check["problems"].as_array().unwrap();
    assert!(problems.iter().any(|problem| problem["code"] == "PTR-060"));
    for command in ["status", "check"] {
        let text = world.home.kith(&[command]).stdout;
        for line in wider {
            assert!(text.contains(line), "{command} says\n{text}");
        }
    }
}

/// The partner answers on the sheet that it was sent, whose check is of the old columns.
fn a_return_of_the_old_sheet_is_read(world: &World, sent: &Table) {
    let row = sent.rows.iter().find(|row| row[3] == name(3)).unwrap();
    let row = sent.header.iter().cloned().zip(row.clone());
    world.partner_returns(PARTNER, "returns.csv", &[(row.collect(), came(1, "Y"))]);
    let collect = ["run", "--once", "collect", "match", "--json"];
    let summary = world.kith(&collect, 1).json();
    let books = summary["books"].as_array().unwrap();
    let matched = books.iter().find(|book| book["stage"] == "match").unwrap();
    assert_eq!(
        (&matched["accepted"], &matched["held"]),
        (&json!(1), &json!(0)),
        "{matched}"
    );
}

#[test]
fn narrowing_and_reformatting_need_nobody_and_a_version_taken_back_releases_what_waited() {
    let mut world = world_with(&[1]);
    // A reformatted file, with another header and order.
    let home = &world.home;
    home.edit(FILE, "[partner]\n", "# Made for tests.\n\n[partner]\n");
    home.edit(FILE, "header = \"Name\"", "header =   \"Full name\"");
    refer(&mut world, &[2]);
    let summary = run(&world, 0);
    assert_eq!(summary["approvals"], json!([]));
    assert_eq!(actions(&world), [said("NEW", 2)]);
    world.agrees(first());

    // Wider, then as it was: nobody has to approve that.
    world.agrees(wider());
    refer(&mut world, &[3]);
    assert_eq!(waiting(&run(&world, 1)), 1);
    world.agrees(first());
    assert_eq!(waiting(&run(&world, 0)), 0);
    assert_eq!(actions(&world), [said("NEW", 3)]);

    // Narrower at once; and what it was before is wider then.
    world.agrees(first().with("select", "open_legs_max = 5"));
    refer(&mut world, &[4]);
    assert_eq!(waiting(&run(&world, 0)), 0);
    assert_eq!(actions(&world), [said("NEW", 4)]);
    world.agrees(first());
    refer(&mut world, &[5]);
    let summary = run(&world, 1);
    assert_eq!(waiting(&summary), 1);
    let wider = &summary["approvals"][0]["wider"];
    assert_eq!(wider[0]["key"], "open_legs_max", "{wider}");
    // The first version names no writer, so nobody can be told apart.
    let refused = approve(&world, "B. Reader", 2);
    assert!(refused.stderr.contains("PTR-061"), "{}", refused.stderr);
    world.proves();
}

#[test]
fn drops_stay_where_they_went_and_what_had_not_left_waits() {
    let mut world = world_with(&[1]);
    // Decided, not yet delivered.
    refer(&mut world, &[2]);
    let decide = ["run", "--once", "pull", "select", "map", "--json"];
    world.kith(&decide, 0);
    let (from, to) = ("var/partners/{partner}", "var/elsewhere/{partner}");
    world.home.edit("config/kith.toml", from, to);
    let [patient, mut request] = person(1);
    request["status"] = json!("revoked");
    world.gp_refers(&[patient, later(request)]);
    let summary = run(&world, 1);
    assert_eq!(waiting(&summary), 1, "{summary}");
    let wider = summary["approvals"][0]["wider"].as_array().unwrap();
    assert_eq!(wider.len(), 1);
    assert_eq!(
        wider[0]["text"],
        "[deliver] transport: drops went to folder var/partners/elm, they would go to folder var/elsewhere/elm"
    );
    assert_eq!(
        actions(&world),
        [said("STOP", 1)],
        "the stop went where the row had gone"
    );
    assert!(!world.home.below("var/elsewhere/elm/out").exists());
    world.proves();

    world.agrees(signed(first()));
    approve(&world, "B. Reader", 0);
    let summary = run(&world, 1);
    assert_eq!(waiting(&summary), 0, "{summary}");
    let out = world.home.below("var/elsewhere/elm/out");
    let drops: Vec<_> = fs::read_dir(out)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    let drop = drops
        .iter()
        .find(|path| path.extension().is_some_and(|ending| ending == "csv"));
    let drop = table::read(drop.expect("a drop"), Layout::COMMA);
    assert_eq!((drop.rows.len(), drop.rows[0][3].clone()), (1, name(2)));
    world.proves();
}

#[test]
fn an_agreement_past_its_end_sends_nothing_new_and_its_renewal_is_approved() {
    let mut world = world_with(&[1]);
    let until = |days: i64| first().with("share", format!("expires_on = {}", day(days)));
    world.agrees(until(-1));
    refer(&mut world, &[2]);
    let summary = run(&world, 1);
    assert_eq!(
        summary["held"][0]["reason"], "agreement-expired",
        "{summary}"
    );
    assert_eq!(summary["approvals"], json!([]), "an end is no widening");
    world.agrees(signed(until(30)));
    assert_eq!(waiting(&run(&world, 1)), 1);
    approve(&world, "B. Reader", 0);
    assert_eq!(waiting(&run(&world, 0)), 0);
    assert_eq!(actions(&world), [said("NEW", 2)]);
}

#[test]
fn what_cannot_send_yet_may_still_be_written() {
    let shadow = first().with("partner", "mode = \"shadow\"");
    let mut world = World::of_folder(&[shadow]);
    refer(&mut world, &[1]);
    run(&world, 0);
    world.agrees(wider());
    let summary = run(&world, 0);
    assert_eq!(summary["approvals"], json!([]), "the first that could send");
    assert_eq!(actions(&world), [said("NEW", 1)]);
    let fields = ["patient.name", "referral.activity", "patient.phone"];
    world.agrees(wider().shares(&[&fields[..], &["patient.email"]].concat()));
    let summary = run(&world, 1);
    assert_eq!(summary["approvals"][0]["partner"], PARTNER, "a later one");
}
