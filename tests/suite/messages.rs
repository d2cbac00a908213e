//! What Kith says where a disk, a user or an address is at fault: the cause, whose and which path, how much is free, that
//! nothing was lost, and what to do.
//!
//! Disks and users are real ones, for which root is needed; without it these are left out, which is said.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use super::support::case::{Case, quiet, small_disk};
use super::support::fake_gp::FakeGp;
use super::support::home::{Home, Ran};
use super::support::partner_file::PartnerFile;
use super::support::people::{ndjson, referral};
use super::support::source::Source;
use super::support::world::World;

/// A user who is not root.
const NOBODY: &str = "65534";

/// What was said holds each of these.
fn says(ran: &Ran, parts: &[&str]) {
    for part in parts {
        assert!(ran.stderr.contains(part), "no {part}\n{}", ran.stderr);
    }
}

/// As another user; none where that cannot be tried.
fn as_nobody(home: &Home, arguments: &[&str]) -> Option<Ran> {
    let mut switch = Command::new("setpriv");
    switch.args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"]);
    switch.arg(env!("CARGO_BIN_EXE_kith")).args(arguments);
    let ran = switch.arg("--config").arg(home.config()).output().ok()?;
    let tried = quiet(
        Command::new("setpriv")
            .args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"])
            .args([env!("CARGO_BIN_EXE_kith"), "--version"]),
    );
    tried.then(|| ran.into())
}

fn mode(home: &Home, path: &str, mode: u32) {
    fs::set_permissions(home.below(path), fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_full_disk_is_named_with_its_room_and_nothing_is_lost() {
    let mut case = Case::of(PartnerFile::of("elm"));
    let var = case.world.home.below("var");
    case.with = small_disk(&var);
    if case.with.is_none() {
        println!("left out: nothing can be mounted here");
        return;
    }
    let case = case.ran(0);
    // More people than there is room for.
    let many: Vec<_> = (2..1_500)
        .flat_map(|n| referral(n, "Ben", "Cedar", "elm"))
        .collect();
    let case = case.writes("extracts/b.ndjson", ndjson(&many));
    let filler = Command::new("dd")
        .args(["if=/dev/zero", "bs=4k", "count=3700"])
        .arg(format!("of={}", var.join("filler").display()))
        .stderr(Stdio::null())
        .status();
    assert!(filler.is_ok());
    let full = case.world.home.ran(&["run", "--once"], 2);
    let path = var.join("kith.db").display().to_string();
    says(
        &full,
        &[
            "error[STORE-001]",
            "the disk is full",
            &format!("{path} belongs to root (mode 600), this runs as root; "),
            " of 16 MiB are free",
            "Nothing was lost: what was being written was rolled back. Make room on the disk of ",
        ],
    );
    // Room again: everything goes out, once.
    fs::remove_file(var.join("filler")).unwrap();
    let remounted = Command::new("mount")
        .args(["-o", "remount,size=200m"])
        .arg(&var)
        .status();
    assert!(remounted.unwrap().success());
    let case = case.ran(0);
    assert_eq!(case.world.rows().len(), 1_499);
    case.world.proves();
}

#[test]
fn a_disk_that_is_mounted_read_only_is_named_as_that() {
    let case = Case::well();
    let var = case.world.home.below("var").display().to_string();
    let bound = quiet(Command::new("mount").args(["--bind", &var, &var]));
    if !bound {
        println!("left out: nothing can be mounted here");
        return;
    }
    let read_only = quiet(Command::new("mount").args(["-o", "remount,ro,bind", &var]));
    let run = case.world.home.kith(&["run", "--once"]);
    let status = case.world.home.kith(&["status", "--oneline"]);
    assert!(quiet(Command::new("umount").args(["-l", &var])) && read_only);
    assert_eq!((run.code, status.code), (2, 3));
    let parts = [
        "error[STORE-001]",
        "/var/kith.db belongs to root (mode 600), this runs as root; ",
        "; that disk is mounted read-only",
        "Nothing was lost: what was being written was rolled back. Mount the disk of ",
    ];
    says(&run, &parts);
    assert!(
        status
            .stdout
            .starts_with("UNKNOWN - Needs somebody now: Kith cannot look, ")
    );
    case.ran(0).world.proves();
}

#[test]
fn another_user_is_told_whose_it_is_and_whom_to_run_it_as() {
    let case = Case::well();
    let home = &case.world.home;
    mode(home, "", 0o755);
    let Some(first) = as_nobody(home, &["run", "--once"]) else {
        println!("left out: the binary cannot be run as another user here");
        return;
    };
    let as_root = "Run it as root (sudo -u root kith …), or give ";
    let marked = home.below(".kith").display().to_string();
    assert_eq!(first.code, 2);
    let runs = "), this runs as nobody; ";
    let mark = format!("{marked} belongs to root (mode 640{runs}");
    says(
        &first,
        &[
            "error[STORE-001]",
            "the mark of the installation cannot be read: permission denied",
            &mark,
            "Nothing was lost. ",
            as_root,
        ],
    );
    // The folder cannot be entered: nothing is said to be gone that may be there.
    mode(home, ".kith", 0o644);
    let second = as_nobody(home, &["run", "--once"]).unwrap();
    assert_eq!(second.code, 2);
    let shut = format!(
        "kith.db cannot be looked at; {} belongs to root (mode 700{runs}",
        home.below("var").display()
    );
    says(
        &second,
        &[
            "the store cannot be looked at: permission denied",
            &shut,
            as_root,
        ],
    );
    assert!(!second.stderr.contains("is gone"), "{}", second.stderr);
    mode(home, "var", 0o755);
    let third = as_nobody(home, &["status"]).unwrap();
    assert_eq!(third.code, 2);
    let store = format!("/var/kith.db belongs to root (mode 600{runs}");
    says(
        &third,
        &[
            &store,
            "Nothing was lost: what was being written was rolled back. ",
            as_root,
        ],
    );
    case.ran(0).world.proves();
}

#[test]
fn an_address_without_its_path_is_told_the_path_that_answers() {
    for (path, wanted) in [("/fhir", "/fhir"), ("/R4", "/R4"), ("/elsewhere", "")] {
        let gp = FakeGp::below(path, &referral(1, "Anna", "Beech", "elm"));
        let bare = gp.base.strip_suffix(path).unwrap();
        let world = World::of(&[Source::searched("gp", bare)], &[PartnerFile::of("elm")]);
        let ran = world.kith(&["check", "--online"], 1);
        let said = format!("{}{}", ran.stdout, ran.stderr);
        assert!(
            said.contains("metadata     fault    FHIR server has no such resource"),
            "{said}"
        );
        let named = said.contains(&format!("{bare}{path}"));
        assert_eq!(named, !wanted.is_empty(), "{path}: {said}");
        // With that path it is well.
        if named {
            let world = World::of(
                &[Source::searched("gp", &gp.base)],
                &[PartnerFile::of("elm")],
            );
            let ran = world.home.kith(&["check", "--online"]);
            assert!(ran.stdout.contains("metadata     ok"), "{}", ran.stdout);
        }
    }
}
