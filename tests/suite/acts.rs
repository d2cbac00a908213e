//! What a person does while runs are on: each act is done at once, whatever the runs hold, and what a run had read before
//! it does not undo it.
//!
//! The runs are stopped in the midst of their work, with the lease of the source or partner in hand, and go on afterwards.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::runs::{LONGEST, refers, signal, stopped_with, two_practices};
use super::support::home::Ran;
use super::support::partner_file::PartnerFile;
use super::support::people::{ndjson, referral};
use super::support::process::{LIMIT, Process};
use super::support::world::{Answers, Row, World, came, ended, held};

/// So many that a run can be stopped in the midst of them.
const MANY: u32 = 1500;
/// Sent to the partner at first, all of whom it tells of.
const SENT: u32 = 150;
/// Returns that wait for the run that collects.
const RETURNS: i64 = 12;

/// An act, done within the time that a person waits at most.
fn acts(world: &World, arguments: &[&str], longest: &mut Duration) -> Ran {
    let who = ["--by", "B. Reader", "--because", "a call"];
    let begun = Instant::now();
    let ran = world.kith(&[arguments, &who[..]].concat(), 0);
    *longest = (*longest).max(begun.elapsed());
    assert!(*longest <= LONGEST, "{arguments:?} took {longest:?}");
    ran
}

/// Numbers and references of what waits for a reason, oldest first.
fn waiting(world: &World, reason: &str) -> Vec<(String, String)> {
    let held = world.held(reason).into_iter();
    held.map(|hold| {
        let reference = hold["reference"].as_str().unwrap_or_default();
        (hold["number"].to_string(), reference.to_owned())
    })
    .collect()
}

/// Where a referral stands.
fn state(world: &World, reference: &str) -> String {
    let told = world.says(&["trace", reference]);
    told["state"].as_str().expect("a state").to_owned()
}

/// A run of these rooms, stopped with a lease in hand.
fn stopped(world: &World, arguments: &[&str], lease: &str) -> Process {
    let all = [&["run", "--once"], arguments].concat();
    let mut run = Process::start_silent(&mut world.home.command(&all));
    let its = format!("{lease} (pid {}", run.id());
    stopped_with(world, &mut run, &its);
    run
}

/// A run that was stopped goes on to its end: what waits for a person is no failure.
fn goes_on(mut run: Process) {
    signal(&run, "-CONT");
    let ended = run.wait_until(LIMIT, || false);
    let code = ended.and_then(|status| status.code());
    assert!(matches!(code, Some(0 | 1)), "{code:?}");
}

/// The rows of the partner, each person's first, in the order of their numbers.
fn first_rows(world: &World) -> Vec<Row> {
    let mut rows: Vec<Row> = world.rows();
    rows.retain(|row| row["partner"] == "elm");
    rows
}

/// What the partner tells of each of these rows, by its place.
fn told(rows: &[Row], answers: impl Fn(usize) -> Answers) -> Vec<(Row, Answers)> {
    let rows = rows.iter().cloned().enumerate();
    rows.map(|(n, row)| (row, answers(n))).collect()
}

/// What there is to decide: rows that were sent, and numbers and references of what waits.
struct ToDecide {
    rows: Vec<Row>,
    open: Vec<(String, String)>,
    odd: Vec<(String, String)>,
}

/// People who were sent, a sheet that told something wrong of two, questions for the practice, and a file to approve.
fn much_to_decide() -> (World, ToDecide) {
    let mut world = two_practices();
    world.agrees(PartnerFile::of("oak"));
    refers(&world.home, "a", "first", 1..=SENT);
    world.runs();
    let rows = first_rows(&world);
    // The sheet that is undone below: two came, one of them has finished.
    let wrong = |n: usize| {
        if n == 0 {
            came(5, "Y")
        } else {
            ended(5, "Finished")
        }
    };
    world.partner_returns("elm", "returns 1.csv", &told(&rows[..2], wrong));
    // Two referrals that name nobody known, and four of people whose referral is open.
    let mut odd: Vec<Value> = [901, 902]
        .into_iter()
        .flat_map(|n| referral(n, "Odd", "Beech", "nobody"))
        .collect();
    odd.extend((11..=14).flat_map(|n| {
        let [mut patient, mut request] = referral(n, "Anna", "Beech", "elm");
        // The same record as in the first extract: another one under one name would be a doubt.
        patient["telecom"][0]["value"] = "07700 900123".into();
        request["id"] = format!("again-{n}").into();
        [patient, request]
    }));
    world.home.write("extracts/a/odd.ndjson", ndjson(&odd));
    world.runs();
    assert_eq!(state(&world, &rows[1]["Our ref"]), "completed");
    let open = waiting(&world, "already-open");
    let odd = waiting(&world, "unknown-partner");
    assert_eq!((open.len(), odd.len()), (4, 2));
    world.agrees(
        PartnerFile::of("elm")
            .with("partner", "changed_by = \"A. Writer\"")
            .shares(&["patient.name", "referral.activity", "patient.phone"])
            .column("Phone", "patient.phone"),
    );
    (world, ToDecide { rows, open, odd })
}

/// Two runs, each stopped in the midst: one of the practice of all of them, one that collects what the partner tells of all.
fn two_runs(world: &World, rows: &[Row]) -> [Process; 2] {
    let more: Vec<Value> = (2001..2001 + MANY)
        .flat_map(|n| referral(n, "Carl", "Alder", "oak"))
        .collect();
    world.home.write("extracts/a/more.ndjson", ndjson(&more));
    let pulling = stopped(
        world,
        &["--source", "practice-a"],
        "pull of source practice-a",
    );
    for number in 0..RETURNS {
        let all_came = told(rows, |_| came(20 + number, "Y"));
        let name = format!("returns 2-{number:02}.csv");
        world.partner_returns("elm", &name, &all_came);
    }
    let collecting = stopped(world, &["collect"], "collect of partner elm");
    [collecting, pulling]
}

/// Every act, each with the words of its effect; gives the time of the longest.
fn every_act(world: &World, to: &ToDecide) -> Duration {
    let ToDecide { rows, open, odd } = to;
    let mut longest = Duration::ZERO;
    let mut act = |arguments: &[&str]| acts(world, arguments, &mut longest).stdout;
    let beside = world
        .kith(&["held", "show", &open[1].0, "--json"], 0)
        .json()["open_beside"][0]
        .clone();
    let beside = beside.as_str().expect("the open one");
    act(&["partner", "approve", "elm"]);
    let mut decides =
        |arguments: &[&str]| act(&[&["held"], arguments, &["--as", "practice"]].concat());
    let sends = decides(&["release", &open[0].0, "--send"]);
    assert!(sends.contains("goes to its partner"), "{sends}");
    let joins = decides(&["join", &open[1].0, beside]);
    assert!(joins.contains(&format!("joined to {beside}")), "{joins}");
    let rejects = decides(&["reject", &open[2].0]);
    assert!(rejects.contains("is settled"), "{rejects}");
    let still = decides(&["release", &open[3].0]);
    assert!(still.contains("still waits"), "{still}");
    let assigns = decides(&["assign", &odd[0].0, "oak"]);
    assert!(assigns.contains("goes to its partner"), "{assigns}");
    let rejects = decides(&["reject", &odd[1].0]);
    assert!(rejects.contains("is settled"), "{rejects}");
    act(&["why", &rows[3]["Our ref"], "--identify"]);
    let undone = act(&["undo", "returns 1.csv"]);
    assert!(undone.contains("2 events"), "{undone}");
    longest
}

#[test]
fn every_act_of_a_person_is_done_at_once_beside_runs_that_hold_everything_else() {
    let (world, to) = much_to_decide();
    let runs = two_runs(&world, &to.rows);
    let longest = every_act(&world, &to);
    println!("10 acts beside 2 runs; the longest took {longest:?}");
    let ToDecide { rows, open, odd } = &to;

    // Each has its effect while the runs are still where they were.
    let states = [
        (&open[0].1, "routed"),
        (&open[1].1, "cancelled"),
        (&open[2].1, "cancelled"),
        (&open[3].1, "held"),
        (&odd[0].1, "routed"),
        (&odd[1].1, "cancelled"),
    ];
    let as_decided = |now: &str| {
        for (reference, wanted) in states {
            let wanted = if wanted == "routed" { now } else { wanted };
            assert_eq!(state(&world, reference), wanted, "{reference}");
        }
    };
    as_decided("routed");
    assert_eq!(waiting(&world, "undone").len(), 1);
    assert_eq!(
        world.says(&["status"])["approvals"],
        Value::Array(Vec::new())
    );

    // And keeps it when they have gone on.
    runs.into_iter().for_each(goes_on);
    world.runs();
    as_decided("sent");
    let sent = world.rows();
    let mut times: BTreeMap<&String, usize> = BTreeMap::new();
    for row in &sent {
        *times.entry(&row["Our ref"]).or_default() += 1;
    }
    let wanted = usize::try_from(SENT + MANY).expect("a few") + 2;
    assert_eq!((sent.len(), times.len()), (wanted, wanted), "each once");
    // What the undone sheet told was told once more as taken back; what came beside it stands, each visit once.
    for (n, told, times) in [
        (0, "attendance", 14),
        (1, "status", 2),
        (1, "attendance", 12),
    ] {
        let trace = world.says(&["trace", &rows[n]["Our ref"]]);
        let entries = trace["entries"].as_array().expect("what was told").iter();
        let found = entries.filter(|entry| entry["kind"] == told).count();
        assert_eq!(found, times, "{told} of row {n}: {trace}");
    }
    assert_eq!(waiting(&world, "undone").len(), 1, "the practice is asked");
    world.proves();
}

#[test]
fn one_person_has_one_open_row_whoever_is_first_a_person_or_the_other_practice() {
    let world = two_practices();
    let people = 1..=6_u32;
    // The first practice's referrals wait for somebody to name the partner.
    let unnamed: Vec<Value> = people
        .clone()
        .flat_map(|n| referral(n, "Anna", "Beech", "nobody"))
        .collect();
    world
        .home
        .write("extracts/a/first.ndjson", ndjson(&unnamed));
    world.runs();
    let odd = waiting(&world, "unknown-partner");
    assert_eq!(odd.len(), 6);
    // The other practice refers the same people by name, and its run is in the midst of that.
    refers(&world.home, "b", "first", people.chain(3001..3001 + MANY));
    let run = stopped(
        &world,
        &["--source", "practice-b"],
        "pull of source practice-b",
    );
    let mut longest = Duration::ZERO;
    let mut routed = 0;
    for (number, _) in &odd {
        let said = acts(
            &world,
            &["held", "assign", number, "elm", "--as", "practice"],
            &mut longest,
        )
        .stdout;
        routed += usize::from(said.contains("goes to its partner"));
    }
    println!("{routed} were first; the longest act took {longest:?}");
    goes_on(run);
    world.runs();
    let mut rows: BTreeMap<String, usize> = BTreeMap::new();
    for row in world.rows() {
        if row["Name"] == "Anna Beech" {
            *rows.entry(row["Our ref"].clone()).or_default() += 1;
        }
    }
    let wanted = usize::try_from(MANY).expect("a few") + 6;
    assert_eq!((rows.len(), rows.values().sum::<usize>()), (wanted, wanted));
    assert_eq!(
        waiting(&world, "already-open").len(),
        6,
        "the later of each two"
    );
    let first = held(&world.says(&["status"]));
    assert_eq!(first.len(), 6);
    world.proves();
}
