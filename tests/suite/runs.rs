//! Runs beside each other on one installation: each has what it works on by a lease in the store, and no file is a lock.
//!
//! Two processes of two practices go on side by side while a person decides. A run that slept beyond its lease writes
//! nothing. A run that was killed is taken over at once. What another run has is said with who has it.

use std::collections::BTreeSet;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::support::home::Home;
use super::support::partner_file::PartnerFile;
use super::support::people::{ndjson, referral};
use super::support::process::{LIMIT, Process, finish};
use super::support::source::Source;
use super::support::world::World;

/// Acts of a person without a campaign.
const FEW: usize = 16;
/// Seconds within which each act ends (`security.md` §8, the lock wait).
pub(super) const LONGEST: Duration = Duration::from_secs(5);
/// How far a run goes on before it is looked at.
const STEP: Duration = Duration::from_millis(30);
/// Seconds of a lease, and one more.
const LEASE_OVER: Duration = Duration::from_secs(31);

/// Two practices with extracts, and a partner.
pub(super) fn two_practices() -> World {
    let practice = |id: &str| Source::folder(&format!("practice-{id}"), &format!("extracts/{id}"));
    let practices = [practice("a"), practice("b").ods_code("ZZ002")];
    World::of(&practices, &[PartnerFile::of("elm")])
}

/// People of a practice, in an extract of its own.
pub(super) fn refers(
    home: &Home,
    practice: &str,
    extract: &str,
    people: impl Iterator<Item = u32>,
) {
    let records: Vec<Value> = people
        .flat_map(|number| {
            let [mut patient, request] = referral(number, "Anna", "Beech", "elm");
            patient["telecom"][0]["value"] = "07700 900123".into();
            [patient, request]
        })
        .collect();
    let path = format!("extracts/{practice}/{extract}.ndjson");
    home.write(&path, ndjson(&records));
}

/// References of every row that the partner was sent.
pub(super) fn references(world: &World) -> Vec<String> {
    let rows = world.rows();
    rows.iter().map(|row| row["Our ref"].clone()).collect()
}

/// Lets a run go on step by step until it is stopped with this in hand, and not within a transaction: that keeps everybody
/// out by the engine's own lock.
pub(super) fn stopped_with(world: &World, run: &mut Process, what: &str) {
    let until = Instant::now() + LIMIT;
    loop {
        thread::sleep(STEP);
        signal(run, "-STOP");
        thread::sleep(STEP / 10);
        if !writes(run.id()) && world.home.kith(&["status"]).stdout.contains(what) {
            return;
        }
        assert!(Instant::now() < until, "nobody has {what}");
        signal(run, "-CONT");
        run.assert_alive();
    }
}

/// Whether a process has the engine's write lock: byte 120 of the file beside the write-ahead log.
fn writes(id: u32) -> bool {
    let locks = std::fs::read_to_string("/proc/locks").expect("the system lists its locks");
    locks.lines().any(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        words.get(3) == Some(&"WRITE")
            && words.get(4) == Some(&id.to_string().as_str())
            && words.get(6) == Some(&"120")
    })
}

pub(super) fn signal(process: &Process, name: &str) {
    let mut kill = Command::new("kill");
    let sent = finish(kill.args([name, &process.id().to_string()]), LIMIT);
    assert!(sent.status.success());
}

#[test]
fn two_practices_run_side_by_side_while_a_person_acts() {
    let count = std::env::var("KITH_TEST_COUNT").map_or(FEW, |count| {
        count.parse().expect("KITH_TEST_COUNT is a number")
    });
    let world = two_practices();
    refers(&world.home, "a", "first", 1..=40);
    refers(&world.home, "b", "first", 1001..=1040);
    world.home.ran(&["run", "--once"], 0);
    let asked = references(&world);
    assert_eq!(asked.len(), 80);
    let mut longest = Duration::ZERO;
    let acting = std::sync::atomic::AtomicBool::new(true);
    let home = &world.home;
    let more = |practice: &str, begin: u32| {
        let mut round = 0;
        while acting.load(std::sync::atomic::Ordering::Relaxed) {
            let first = begin + round * 20;
            refers(
                home,
                practice,
                &format!("round-{round:04}"),
                first..first + 20,
            );
            let source = format!("practice-{practice}");
            let ran = home.kith(&["run", "--once", "--source", &source]);
            assert!(ran.code < 2, "{}", ran.stderr);
            round += 1;
        }
        round
    };
    let rounds = thread::scope(|scope| {
        let a = scope.spawn(|| more("a", 2001));
        let b = scope.spawn(|| more("b", 500_001));
        for number in 0..count {
            let reference = &asked[number % asked.len()];
            let begun = Instant::now();
            let act = [
                "why",
                reference,
                "--identify",
                "--by",
                "A. Person",
                "--because",
                "a call",
            ];
            let ran = world.home.kith(&act);
            longest = longest.max(begun.elapsed());
            assert_eq!(ran.code, 0, "act {number}: {}", ran.stderr);
        }
        acting.store(false, std::sync::atomic::Ordering::Relaxed);
        (a.join().expect("practice a"), b.join().expect("practice b"))
    });
    println!("{count} acts beside {rounds:?} runs; the longest took {longest:?}");
    assert!(longest <= LONGEST, "an act took {longest:?}");
    // What one run left to the other, the last one does.
    world.home.ran(&["run", "--once"], 0);
    let sent = references(&world);
    let once: BTreeSet<&String> = sent.iter().collect();
    let rounds = usize::try_from(rounds.0 + rounds.1).expect("a few");
    assert_eq!((sent.len(), once.len()), (80 + rounds * 20, sent.len()));
    world.home.ran(&["prove"], 0);
    let views = world.home.ran(&["audit", "views"], 0).stdout;
    assert_eq!(views.matches("A. Person").count(), count);
}

#[test]
fn a_run_that_slept_beyond_its_lease_writes_nothing() {
    let world = two_practices();
    refers(&world.home, "a", "first", 1..=3000);
    let run = ["run", "--once", "--source", "practice-a"];
    let mut sleeper = Process::start_silent(&mut world.home.command(&run));
    let mine = format!("pull of source practice-a (pid {}", sleeper.id());
    stopped_with(&world, &mut sleeper, &mine);
    let stopped = Instant::now();
    // Files are no lock: the other run is refused by the store, which says who has it.
    let refused = world.home.ran(&run, 2).stderr;
    let who = format!("another run (pid {} on ", sleeper.id());
    assert!(
        refused.contains(&who) && refused.contains("has pull of source practice-a"),
        "{refused}"
    );
    thread::sleep(LEASE_OVER.saturating_sub(stopped.elapsed()));
    world.home.ran(&run, 0);
    assert_eq!(references(&world).len(), 3000);
    let before = world.home.ran(&["status", "--json"], 0).json();
    signal(&sleeper, "-CONT");
    let ended = sleeper.wait_until(LIMIT, || false);
    assert_eq!(ended.and_then(|status| status.code()), Some(1));
    let after = world.home.ran(&["status", "--json"], 0).json();
    assert_eq!(before["legs"], after["legs"]);
    assert_eq!(references(&world).len(), 3000);
    world.home.ran(&["prove"], 0);
}

#[test]
fn a_run_that_was_killed_is_taken_over_at_once() {
    let world = two_practices();
    refers(&world.home, "a", "first", 1..=4000);
    let run = ["run", "--once", "--source", "practice-a"];
    let mut killed = Process::start_silent(&mut world.home.command(&run));
    let its = format!("pull of source practice-a (pid {}", killed.id());
    stopped_with(&world, &mut killed, &its);
    drop(killed);
    let begun = Instant::now();
    world.home.ran(&run, 0);
    println!("the next run took {:?}", begun.elapsed());
    assert_eq!(references(&world).len(), 4000);
    world.home.ran(&["prove"], 0);
}

#[test]
fn an_installation_that_several_processes_begin_at_once_is_begun_once() {
    for _ in 0..2 {
        let world = two_practices();
        refers(&world.home, "a", "first", 1..=3);
        refers(&world.home, "b", "first", 1001..=1003);
        let of = |source: &'static str| vec!["run", "--once", "--source", source];
        let all = [
            of("practice-a"),
            vec!["status"],
            of("practice-b"),
            vec!["held"],
        ];
        let begun: Vec<Process> = all
            .iter()
            .map(|arguments| Process::start_silent(&mut world.home.command(arguments)))
            .collect();
        for mut process in begun {
            let ended = process.wait_until(LIMIT, || false);
            let code = ended.and_then(|status| status.code());
            assert!(matches!(code, Some(0 | 1)), "{code:?}");
        }
        world.home.ran(&["run", "--once"], 0);
        assert_eq!(references(&world).len(), 6);
        world.home.ran(&["prove"], 0);
    }
}
