//! What a person signs has its effect or is not kept, an older store that was taken into use writes nothing twice, and a lost
//! key of a person is named before anything is done.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::support::case::Case;
use super::support::partner_file::PartnerFile;
use super::support::people::{ndjson, referral};
use super::writes::Told;

const WHO: [&str; 4] = ["--by", "A. Person", "--because", "a call"];

/// What a statement gives, run on a store behind Kith's back: a line a row.
fn sql(store: &Path, statement: &str) -> Vec<String> {
    let script = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1])\nfor row in c.execute(sys.argv[2]): print(*row)\nc.commit()";
    let mut python = Command::new("python3");
    let done = python.args(["-c", script]).arg(store).arg(statement);
    let done = done.output().expect("python3 runs");
    assert!(done.status.success(), "{done:?}");
    let said = String::from_utf8_lossy(&done.stdout);
    said.lines().map(str::to_owned).collect()
}

/// Removes the store's log, and puts this in the store's place.
fn put_back(case: &Case, store: &[u8]) {
    for ending in ["-wal", "-shm"] {
        let path = case.world.home.below(&format!("var/kith.db{ending}"));
        drop(fs::remove_file(path));
    }
    case.world.home.write("var/kith.db", store);
}

#[test]
fn an_older_store_that_was_taken_into_use_looks_up_what_it_writes() {
    let told = Told::new().came();
    let gp = told.gp;
    let case = Case::of_world(told.world, told.start).after(60);
    let case = case.does(&["run", "--once", "collect", "match"], 0);
    let before = fs::read(case.world.home.below("var/kith.db")).unwrap();
    let case = case.after(90).does(&["run", "--once", "push"], 0);
    let posted = || gp.asked("POST /Observation") - gp.asked("POST /Observation/_search");
    assert_eq!((posted(), gp.all("Observation").len()), (1, 1));
    // The copy knows of the write, and not that it went.
    put_back(&case, &before);
    let case = case.after(120).does(&["run", "--once", "push"], 2);
    let accept = [&["store", "accept"][..], &WHO].concat();
    let case = case.does(&accept, 0);
    let searched = gp.asked("POST /Observation/_search");
    let case = case.after(150).does(&["run", "--once", "push"], 0);
    assert!(
        gp.asked("POST /Observation/_search") > searched,
        "it was not looked up"
    );
    assert_eq!(
        (posted(), gp.all("Observation").len()),
        (1, 1),
        "it was sent again"
    );
    case.world.proves();
}

#[test]
fn who_releases_a_question_is_kept_with_what_comes_of_it() {
    // Nobody is found: the question stays, and who looked at it is kept all the same.
    let [_, request] = referral(7, "Nobody", "Known", "elm");
    let case = Case::well()
        .writes("extracts/b.ndjson", ndjson(&[request]))
        .ran(1);
    let store = case.world.home.below("var/kith.db");
    let signed = "SELECT kind, at FROM ledger WHERE kind IN (11, 25) ORDER BY at, kind";
    let kinds = |rows: &[String]| -> Vec<String> {
        let word = |row: &String| row.split(' ').next().unwrap_or_default().to_owned();
        rows.iter().map(word).collect()
    };
    let before = sql(&store, signed);
    let release = [&["held", "release", "1", "--as", "practice"][..], &WHO].concat();
    let case = case.does(&release, 0);
    let after = sql(&store, signed);
    assert_eq!(kinds(&after[before.len()..]), ["25"], "{after:?}");
    drop(case);
    // Where it changes something, signature and decision are of one transaction.
    let apart = PartnerFile::of("elm").with("select", "open_legs_max = 1");
    let case = Case::of(apart)
        .writes(
            "extracts/b.ndjson",
            ndjson(&referral(2, "Ben", "Cedar", "elm")),
        )
        .ran(1);
    let store = case.world.home.below("var/kith.db");
    let held = case.world.held("capacity");
    assert_eq!(held.len(), 1);
    let before = sql(&store, signed).len();
    let number = held[0]["number"].to_string();
    case.world.home.edit(
        "mappings/partners/elm.toml",
        "open_legs_max = 1",
        "open_legs_max = 2",
    );
    let release = [&["held", "release", &number, "--as", "partner"][..], &WHO].concat();
    let case = case.does(&release, 0);
    let after = sql(&store, signed)[before..].to_vec();
    assert_eq!(kinds(&after), ["11", "25"], "{after:?}");
    let at = |row: &String| row.split(' ').nth(1).unwrap_or_default().to_owned();
    assert_eq!(at(&after[0]), at(&after[1]), "one transaction has one time");
    case.world.proves();
}

#[test]
fn a_lost_key_of_somebody_under_way_is_named_before_anything_is_done() {
    let sent = Case::well();
    let [_, request] = referral(7, "Nobody", "Known", "elm");
    let held = Case::of(PartnerFile::of("elm"));
    let held = held.writes("extracts/a.ndjson", ndjson(&[request])).ran(1);
    for case in [sent, held] {
        let store = case.world.home.below("var/kith.db");
        let rows = sql(
            &store,
            "SELECT id FROM keyring WHERE id IN (SELECT person FROM leg)",
        );
        assert_eq!(rows.len(), 1);
        let kept = fs::read(&store).unwrap();
        sql(
            &store,
            "DELETE FROM keyring WHERE id IN (SELECT person FROM leg)",
        );
        let named = format!("keyring, row {}", rows[0]);
        for command in [&["run", "--once"][..], &["status"], &["held", "list"]] {
            let ran = case.world.home.ran(command, 2);
            assert!(ran.stderr.contains("SEAL-004"), "{}", ran.stderr);
            assert!(ran.stderr.contains(&named), "{named}: {}", ran.stderr);
            assert!(
                ran.stderr
                    .contains("Put the newest store back from its copy"),
                "{}",
                ran.stderr
            );
        }
        put_back(&case, &kept);
        case.world.home.kith(&["run", "--once"]);
        case.world.proves();
    }
}
