//! A store that is gone, older than it was, or without its key: nobody is sent a second time, and Kith says what to do.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::support::home::{Ran, files_in, kith};
use super::support::partner_file::PartnerFile;
use super::support::people::referral;
use super::support::world::World;

/// A world with one person sent to a partner.
fn sent_one() -> World {
    let mut world = World::of_folder(&[PartnerFile::of("elm")]);
    world.gp_refers(&referral(1, "Anna", "Beech", "elm"));
    world.runs();
    assert_eq!(drops(&world), 1);
    world
}

fn drops(world: &World) -> usize {
    world.home.drops("elm").len()
}

/// The partner fetches what is there.
fn fetched(world: &World) {
    for file in files_in(&world.home.below("var/partners/elm/out")) {
        fs::remove_file(file).expect("a partner can fetch");
    }
}

/// Puts a copy of the store in place of what is there.
fn put_back(world: &World, copy: &[u8]) {
    for end in ["-wal", "-shm"] {
        drop(fs::remove_file(
            world.home.below(&format!("var/kith.db{end}")),
        ));
    }
    world.home.write("var/kith.db", copy);
}

fn store(world: &World) -> Vec<u8> {
    fs::read(world.home.below("var/kith.db")).expect("a store")
}

fn sql(store: &Path, statement: &str) {
    let script =
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute(sys.argv[2]); c.commit()";
    let mut python = Command::new("python3");
    let done = python.args(["-c", script]).arg(store).arg(statement);
    assert!(done.status().expect("python3 runs").success());
}

/// A run that is refused with a code, and sends nothing.
fn refused(world: &World, code: &str, says: &str) -> Ran {
    let ran = world.home.ran(&["run", "--once"], 2);
    assert!(ran.stderr.contains(code), "{}", ran.stderr);
    assert!(ran.stderr.contains(says), "{}", ran.stderr);
    assert!(ran.stderr.contains("  fix     "), "{}", ran.stderr);
    assert_eq!(drops(world), 0);
    ran
}

#[test]
fn what_is_gone_of_an_installation_is_named_and_nobody_is_sent_twice() {
    type Harm = fn(&World);
    let table: [(&str, &str, Harm); 6] = [
        ("STORE-003", "the store is gone", |world| {
            fs::remove_file(world.home.below("var/kith.db")).unwrap();
        }),
        ("STORE-003", "the store is gone", |world| {
            put_back(world, b"");
        }),
        ("STORE-003", "the folder var is gone", |world| {
            fs::rename(world.home.below("var"), world.home.below("away")).unwrap();
        }),
        ("STORE-003", "the seal key is gone", |world| {
            fs::remove_file(world.home.below("var/seal.key")).unwrap();
        }),
        ("SEAL-004", "keyring, row 2", |world| {
            let store = world.home.below("var/kith.db");
            sql(&store, "DELETE FROM keyring WHERE id = 2");
        }),
        ("STORE-005", "the anchor is gone", |world| {
            fs::remove_file(world.home.below("var/anchor")).unwrap();
        }),
    ];
    for (code, says, harm) in table {
        let world = sent_one();
        fetched(&world);
        harm(&world);
        refused(&world, code, says);
        refused(&world, code, says);
        // Nothing was made in place of what is gone.
        let gone = says == "the store is gone";
        let store = fs::metadata(world.home.below("var/kith.db"));
        assert!(!gone || store.map_or(0, |found| found.len()) == 0, "{says}");
    }
}

#[test]
fn drops_without_a_mark_are_of_an_installation_that_is_gone() {
    let world = sent_one();
    fs::remove_file(world.home.below(".kith")).unwrap();
    let ran = world.home.ran(&["run", "--once"], 2);
    assert!(ran.stderr.contains("STORE-006"), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("var/partners/elm/out/"),
        "{}",
        ran.stderr
    );
    // Key and store without a mark and without anything made are a first run that was cut off.
    let world = World::of_folder(&[PartnerFile::of("elm")]);
    world.runs();
    fs::remove_file(world.home.below(".kith")).unwrap();
    world.runs();
    assert!(world.home.below(".kith").exists());
}

#[test]
fn an_older_store_is_refused_and_what_it_has_not_sent_is_held_once_a_person_takes_it_into_use() {
    let mut world = World::of_folder(&[PartnerFile::of("elm")]);
    world.gp_refers(&referral(1, "Anna", "Beech", "elm"));
    world.kith(&["run", "--once", "pull", "select"], 0);
    let routed = store(&world);
    world.gp_refers(&referral(2, "Berta", "Cedar", "elm"));
    world.runs();
    assert_eq!(drops(&world), 1);
    fetched(&world);
    put_back(&world, &routed);
    let ran = refused(&world, "STORE-004", "kith store accept --by NAME");
    assert!(
        ran.stderr.contains("the store is older than it was"),
        "{}",
        ran.stderr
    );
    // Whoever looks is told as well.
    let status = world.home.ran(&["status"], 1);
    assert!(status.stderr.contains("STORE-004"), "{}", status.stderr);
    let proof = world.home.ran(&["prove", "--json"], 1).json();
    assert_eq!(proof["findings"][0]["code"], "store-004");

    world.kith(&["store", "accept", "--by", "A. Person"], 2);
    let accept = [
        "store",
        "accept",
        "--by",
        "A. Person",
        "--because",
        "the disk died",
        "--json",
    ];
    let said = world.kith(&accept, 0).json();
    assert_eq!(said["holds"], true);
    assert_eq!(said["doubts"][0]["code"], "STORE-004");
    // Both may be with the partner: the one that the old store knew, and the one that it had not seen.
    world.runs();
    assert_eq!(drops(&world), 0);
    assert_eq!(world.held("restored").len(), 2);
    assert_eq!(world.held("restored")[0]["owner"], "it");
    world.runs();
    assert_eq!((drops(&world), world.held("restored").len()), (0, 2));
    // Its owner has asked the partner, and sends one of them.
    let number = world.held("restored")[0]["number"].to_string();
    let release = ["held", "release", &number];
    let why = ["--by", "A. Person", "--because", "the partner has it not"];
    world.kith(&[release.as_slice(), &why].concat(), 0);
    world.runs();
    let names: Vec<String> = world
        .home
        .drops("elm")
        .iter()
        .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    // The number of the lost drop is not given again.
    assert_eq!(names.len(), 1);
    assert!(names[0].contains("000002"), "{names:?}");
    assert_eq!(world.held("restored").len(), 1);
    world.proves();
}

#[test]
fn a_lost_write_ahead_log_is_an_older_store() {
    let mut world = sent_one();
    let before = store(&world);
    world.gp_refers(&referral(2, "Berta", "Cedar", "elm"));
    world.runs();
    fetched(&world);
    // What the log held is gone with it: the file is as the last run but one left it.
    put_back(&world, &before);
    refused(&world, "STORE-004", "rows, and row");
}

#[test]
fn a_store_that_was_put_back_with_its_anchor_is_known_by_what_lies_in_out() {
    let mut world = sent_one();
    let anchor = fs::read(world.home.below("var/anchor")).unwrap();
    let copy = store(&world);
    world.gp_refers(&referral(2, "Berta", "Cedar", "elm"));
    world.runs();
    assert_eq!(drops(&world), 2);
    let manifest = world.home.drops("elm")[1].with_extension("manifest.json");
    let text = fs::read_to_string(&manifest).unwrap();
    let said: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert!(said["ledger"]["seq"].as_i64() > Some(0), "{text}");
    put_back(&world, &copy);
    world.home.write("var/anchor", anchor);
    for _ in 0..2 {
        let ran = world.home.ran(&["run", "--once"], 2);
        assert!(ran.stderr.contains("STORE-004"), "{}", ran.stderr);
        assert!(ran.stderr.contains("partner elm, drop 2"), "{}", ran.stderr);
        assert_eq!(drops(&world), 2);
    }
    let status = world.home.ran(&["status"], 1);
    assert!(
        status.stdout.contains("kith store accept"),
        "{}",
        status.stdout
    );
    let proof = world.home.ran(&["prove", "--json"], 1).json();
    assert_eq!(proof["findings"][0]["code"], "store-004");
    // What somebody else wrote into out/ in our form says nothing.
    let forged = text.replace(said["ledger"]["head"].as_str().unwrap(), &"0".repeat(64));
    fs::write(&manifest, &forged).unwrap();
    world.kith(&["prove"], 0);
    fs::write(&manifest, &text).unwrap();

    let accept = [
        "store",
        "accept",
        "--by",
        "A. Person",
        "--because",
        "the disk died",
    ];
    world.kith(&accept, 0);
    world.runs();
    assert_eq!(drops(&world), 2);
    assert_eq!(world.held("restored").len(), 1);
    let number = world.held("restored")[0]["number"].to_string();
    let release = ["held", "release", &number];
    let why = [
        "--by",
        "A. Person",
        "--because",
        "the partner threw it away",
    ];
    world.kith(&[release.as_slice(), &why].concat(), 0);
    world.runs();
    let last = world.home.drops("elm").pop().unwrap();
    assert!(
        last.display().to_string().contains("000003"),
        "{}",
        last.display()
    );
    world.proves();
    world.runs();
    assert_eq!(drops(&world), 3);
}

#[test]
fn an_instant_to_come_is_refused_by_what_records_and_not_by_what_looks() {
    let world = sent_one();
    fetched(&world);
    let later = ["--as-of", "2400-01-01T06:00:00Z"];
    let ran = world.home.ran(&["run", "--once", later[0], later[1]], 2);
    assert!(ran.stderr.contains("STORE-008"), "{}", ran.stderr);
    world.home.kith(&["status", later[0], later[1]]);
    world.runs();
    let why = world.home.kith(&["status", later[0], later[1]]);
    assert!(!why.stderr.contains("STORE-008"), "{}", why.stderr);
}

#[test]
fn a_new_installation_has_key_store_anchor_and_mark() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("home");
    kith(&["init", &home.display().to_string()]).expect_code(0);
    for made in [".kith", "var/seal.key", "var/kith.db", "var/anchor"] {
        assert!(home.join(made).is_file(), "{made}");
    }
    fs::remove_file(home.join("var/kith.db")).unwrap();
    let config = home.join("config/kith.toml");
    let text = fs::read_to_string(&config).unwrap();
    assert!(text.contains("sqlite://var/kith.db"), "{text}");
}

#[test]
fn what_is_made_is_open_to_nobody_else_whatever_the_umask() {
    use std::os::unix::fs::PermissionsExt as _;
    let mut world = World::of_folder(&[PartnerFile::of("elm")]);
    world.gp_refers(&referral(1, "Anna", "Beech", "elm"));
    let home = world.home.path().display();
    let run = format!(
        "umask 0000; chmod 0750 {home}; for command in 'run --once' report; do {} --config {} $command >/dev/null 2>&1; done; true",
        env!("CARGO_BIN_EXE_kith"),
        world.home.config()
    );
    let ran = Command::new("bash").args(["-c", &run]).status();
    assert!(ran.expect("bash runs").success());
    assert_eq!(drops(&world), 1);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let mut folders = vec![world.home.below("var")];
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            assert_eq!(mode(&path) & 0o007, 0, "{}", path.display());
            seen += 1;
            if path.is_dir() {
                folders.push(path);
            }
        }
    }
    assert!(seen > 10, "{seen}");
    for file in [
        "var/kith.db",
        "var/anchor",
        "var/anchor.lock",
        "var/seal.key",
    ] {
        assert_eq!(mode(&world.home.below(file)), 0o600, "{file}");
    }
    // What others may change is named with its mode.
    for (path, open) in [("config/kith.toml", 0o666), ("mappings", 0o777)] {
        let path = world.home.below(path);
        fs::set_permissions(&path, fs::Permissions::from_mode(open)).unwrap();
    }
    let check = world.home.kith(&["check"]);
    for said in [
        "config/kith.toml can be changed by others, mode 0666",
        "mappings can be changed by others, mode 0777",
        "chmod go-w mappings",
    ] {
        assert!(check.stderr.contains(said), "{said}: {}", check.stderr);
    }
}

#[test]
fn a_run_leaves_no_core_and_a_why_can_be_read_from_standard_input() {
    let mut world = World::of_folder(&[PartnerFile::of("elm")]);
    world.gp_refers(&referral(1, "Anna", "Beech", "elm"));
    let mut command = world.home.command(&["sandbox", "--port", "0"]);
    command.stdout(std::process::Stdio::piped());
    let mut sandbox = command.spawn().unwrap();
    let mut line = String::new();
    let output = sandbox.stdout.as_mut().unwrap();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(output), &mut line).unwrap();
    let limits = fs::read_to_string(format!("/proc/{}/limits", sandbox.id())).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core"));
    let words: Vec<&str> = core.unwrap().split_whitespace().collect();
    assert_eq!(words[4..6], ["0", "0"]);
    sandbox.kill().unwrap();
    sandbox.wait().unwrap();

    let accept = ["store", "accept", "--by", "A. Person", "--because", "-"];
    world.runs();
    let empty = world.home.kith_reading(&accept, b"\n").expect_code(2);
    assert!(
        empty.stderr.contains("must say something"),
        "{}",
        empty.stderr
    );
    world
        .home
        .kith_reading(&accept, b"read here\n")
        .expect_code(0);
}

#[test]
fn thousands_of_odd_files_are_one_line() {
    let world = sent_one();
    let odd = world.home.below("var/partners/elm/in");
    for number in 0..1_500 {
        fs::write(odd.join(format!("holiday {number}.jpg")), "x").unwrap();
    }
    world.home.edit(
        "config/kith.toml",
        "[store]",
        "[limits]\nreturn_files_max = 15\n[store]",
    );
    let ran = world.home.kith(&["run", "--once", "collect"]);
    for code in ["COLLECT-005", "COLLECT-006"] {
        assert_eq!(ran.stderr.matches(code).count(), 1, "{}", ran.stderr);
    }
    assert!(ran.stderr.contains("15 of them"), "{}", ran.stderr);
    let refused = world.home.below("var/partners/elm/in/refused");
    assert_eq!(files_in(&refused).len(), 15);
}

#[test]
fn one_partner_file_in_error_stops_that_partner_and_not_the_run() {
    let mut world = World::of_folder(&[PartnerFile::of("elm"), PartnerFile::of("oak")]);
    world.gp_refers(&referral(1, "Anna", "Beech", "elm"));
    world.gp_refers(&referral(2, "Berta", "Cedar", "oak"));
    world.runs();
    // A live partner goes on by the version that was in force.
    let file = "mappings/partners/elm.toml";
    let good = fs::read_to_string(world.home.below(file)).unwrap();
    world.home.write(
        file,
        good.replace("consent = \"implied\"", "consent = \"perhaps\""),
    );
    world.gp_refers(&referral(3, "Clara", "Dogwood", "elm"));
    world.gp_refers(&referral(4, "Dora", "Elder", "oak"));
    let ran = world.home.ran(&["run", "--once"], 1);
    for said in [
        "PTR-063",
        "partner elm",
        "CFG-006",
        "mappings/partners/elm.toml:",
    ] {
        assert!(ran.stderr.contains(said), "{said}: {}", ran.stderr);
    }
    assert_eq!(
        (world.home.drops("elm").len(), world.home.drops("oak").len()),
        (2, 2)
    );
    let status = world.home.ran(&["status"], 1);
    assert!(status.stderr.contains("PTR-063"), "{}", status.stderr);
    world.home.ran(&["check"], 2);
    // A file of which no version was ever in force is left out.
    world.home.write(file, &good);
    world
        .home
        .write("mappings/partners/yew.toml", "[partner]\nid = \"yew\"\n");
    world.gp_refers(&referral(5, "Edna", "Fir", "oak"));
    let ran = world.home.ran(&["run", "--once"], 1);
    assert!(ran.stderr.contains("PTR-064"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("PTR-063"), "{}", ran.stderr);
    assert_eq!(world.home.drops("oak").len(), 3);
    fs::remove_file(world.home.below("mappings/partners/yew.toml")).unwrap();
    world.home.ran(&["run", "--once"], 0);
    world.proves();
}
