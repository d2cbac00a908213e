//! The write-ahead log of the store beside a process of somebody else that reads from it: said while it is there, folded in once it has gone.

use std::fs;
use std::process::{Command, Stdio};

use super::support::partner_file::PartnerFile;
use super::support::people::referral;
use super::support::process::Process;
use super::support::world::World;

/// Bytes that the log may have in this test.
const BYTES_MAX: u64 = 65_536;

/// Another process that has the store open, reading or idle.
fn other(world: &World, reads: bool) -> Process {
    let begin = if reads { "db.execute('BEGIN')" } else { "" };
    let script = format!(
        "import sqlite3, sys, time\n\
         db = sqlite3.connect(sys.argv[1])\n\
         {begin}\n\
         db.execute('SELECT count(*) FROM ledger').fetchall()\n\
         print('it reads', flush=True)\n\
         time.sleep(600)\n"
    );
    let store = world.home.below("var/kith.db");
    let mut python = Command::new("python3");
    python.args(["-c", &script]).arg(store).stdin(Stdio::null());
    let mut process = Process::start_telling(&mut python);
    assert_eq!(process.line(), "it reads");
    process
}

/// Somebody is referred, and Kith runs; what it says.
fn runs(world: &mut World, number: u32) -> String {
    world.gp_refers(&referral(number, "Anna", &format!("Number{number}"), "elm"));
    world.kith(&["run", "--once"], 0).stderr
}

fn log_bytes(world: &World) -> u64 {
    fs::metadata(world.home.below("var/kith.db-wal")).map_or(0, |found| found.len())
}

#[test]
fn the_write_ahead_log_is_said_beside_a_reader_that_does_not_end_and_folded_in_after_it() {
    let mut world = World::of_folder(&[PartnerFile::of("elm")]);
    let limits = format!("[limits]\nwrite_ahead_bytes_max = {BYTES_MAX}\n[seal]");
    world.home.edit("config/kith.toml", "[seal]", &limits);
    assert!(!runs(&mut world, 1).contains("STORE-010"));
    assert_eq!(log_bytes(&world), 0);
    // One that reads: each run goes on, and says who keeps the log.
    let reader = other(&world, true);
    let pid = reader.id();
    let mut before = 0;
    for number in 2..5 {
        let said = runs(&mut world, number);
        assert!(said.contains("STORE-010"), "{said}");
        // Where the machine tells.
        if fs::read_to_string("/proc/locks").is_ok_and(|locks| !locks.is_empty()) {
            assert!(said.contains(&format!("pid {pid}, python3")), "{said}");
        }
        assert!(log_bytes(&world) > before.max(BYTES_MAX));
        before = log_bytes(&world);
    }
    let status = world.kith(&["status"], 1).stdout;
    let first = status.lines().next().unwrap();
    assert!(
        first.starts_with(
            "Needs somebody today: the write-ahead log of the store takes 1 MiB, and grows: a process reads from it and does not end"
        ),
        "{first}"
    );
    world.proves();
    // It has gone.
    drop(reader);
    assert!(!runs(&mut world, 5).contains("STORE-010"));
    assert_eq!(log_bytes(&world), 0);
    world.kith(&["status"], 0);
    // One that has the store open and reads nothing: the engine leaves the log there, and it stays as long as it may be.
    let idle = other(&world, false);
    assert!(!runs(&mut world, 6).contains("STORE-010"));
    assert!(log_bytes(&world) <= BYTES_MAX);
    drop(idle);
    assert_eq!(world.rows().len(), 6);
}
