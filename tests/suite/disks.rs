//! Disks that hurt: each kind of trouble, at each place where files go, for one, two and three runs.
//!
//! Every partner of a world has a trouble of its own, so one run meets them all; one partner has none. Afterwards, and with nothing
//! repaired by hand, every row and every receipt is there once, and the healthy partner was served in the first run. Mounts and
//! injected errors need root and strace; without them these troubles are left out, which is said.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use super::support::home::{Ran, files_in};
use super::support::partner_file::PartnerFile;
use super::support::people::{day, referral};
use super::support::table::{self, Layout};
use super::support::world::{World, came};

/// The partner without trouble.
const HEALTHY: &str = "oak";
/// Bytes of the small disks.
const SMALL: usize = 256 * 1024;

/// Ends a trouble.
type Off = Box<dyn FnOnce()>;

/// What goes wrong, at which place, and how it begins in a partner's folder.
struct Trouble {
    kind: &'static str,
    place: &'static str,
    mounts: bool,
    on: fn(&Path) -> Off,
}

/// Something mounted; taken away when dropped.
struct Mounted(PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        quiet(Command::new("umount").arg("-l").arg(&self.0));
    }
}

fn quiet(command: &mut Command) -> bool {
    let ran = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    ran.is_ok_and(|status| status.success())
}

fn mount(arguments: &[&str], at: &Path) -> Option<Mounted> {
    let mounted = quiet(Command::new("mount").args(arguments).arg(at));
    mounted.then(|| Mounted(at.to_owned()))
}

/// A small disk.
fn small_disk(at: &Path) -> Option<Mounted> {
    mount(&["-t", "tmpfs", "-o", &format!("size={SMALL}"), "none"], at)
}

/// Nothing may be written there.
fn read_only(at: &Path) -> Off {
    fs::create_dir_all(at).unwrap();
    let path = at.display().to_string();
    let mounted = mount(&["--bind", &path], at).expect("root mounts");
    assert!(quiet(Command::new("mount").args([
        "-o",
        "remount,ro,bind",
        &path
    ])));
    Box::new(move || drop(mounted))
}

/// A file stands where a folder was.
fn a_file(at: &Path) -> Off {
    let away = at.with_extension("away");
    fs::rename(at, &away).unwrap();
    fs::write(at, "a file").unwrap();
    let at = at.to_owned();
    Box::new(move || {
        fs::remove_file(&at).unwrap();
        fs::rename(&away, &at).unwrap();
    })
}

fn a_folder(at: &Path) -> Off {
    fs::create_dir_all(at).unwrap();
    let at = at.to_owned();
    Box::new(move || fs::remove_dir(at).unwrap())
}

/// The name of the second drop, and of its manifest.
fn name(folder: &Path, ending: &str) -> PathBuf {
    let today = day(0).strftime("%Y%m%d");
    folder.join(format!("out/referrals_{today}_000002{ending}"))
}

const TROUBLES: [Trouble; 14] = [
    Trouble {
        kind: "full",
        place: "the partner's folder",
        mounts: true,
        on: |folder| {
            let filler = folder.join("filler");
            let mut room = SMALL;
            while room > 0 {
                // What is left is less than this: the disk is full.
                if fs::write(&filler, vec![0; room]).is_ok() {
                    break;
                }
                room -= 4096;
            }
            Box::new(move || fs::remove_file(filler).unwrap())
        },
    },
    Trouble {
        kind: "read-only",
        place: "the partner's folder",
        mounts: true,
        on: read_only,
    },
    Trouble {
        kind: "read-only",
        place: "out",
        mounts: true,
        on: |folder| read_only(&folder.join("out")),
    },
    Trouble {
        kind: "read-only",
        place: "out/receipts",
        mounts: true,
        on: |folder| read_only(&folder.join("out/receipts")),
    },
    Trouble {
        kind: "read-only",
        place: "in",
        mounts: true,
        on: |folder| read_only(&folder.join("in")),
    },
    Trouble {
        kind: "read-only",
        place: "in/done",
        mounts: true,
        on: |folder| read_only(&folder.join("in/done")),
    },
    Trouble {
        kind: "taken name",
        place: "drop",
        mounts: false,
        on: |folder| {
            let taken = name(folder, ".csv");
            fs::write(&taken, "somebody else's").unwrap();
            Box::new(move || fs::remove_file(taken).unwrap())
        },
    },
    Trouble {
        kind: "folder in the way",
        place: "drop",
        mounts: false,
        on: |folder| a_folder(&name(folder, ".csv")),
    },
    Trouble {
        kind: "folder in the way",
        place: "manifest",
        mounts: false,
        on: |folder| a_folder(&name(folder, ".manifest.json")),
    },
    Trouble {
        kind: "file in the way",
        place: "out",
        mounts: false,
        on: |folder| a_file(&folder.join("out")),
    },
    Trouble {
        kind: "file in the way",
        place: "out/receipts",
        mounts: false,
        on: |folder| a_file(&folder.join("out/receipts")),
    },
    Trouble {
        kind: "file in the way",
        place: "in/done",
        mounts: false,
        on: |folder| a_file(&folder.join("in/done")),
    },
    Trouble {
        kind: "folder in the way",
        place: "receipt",
        mounts: false,
        on: |folder| a_folder(&folder.join("out/receipts/returns 1.receipt.csv")),
    },
    Trouble {
        kind: "vanished",
        place: "in/done and out/receipts",
        mounts: false,
        on: |folder| {
            fs::remove_dir_all(folder.join("in/done")).unwrap();
            fs::remove_dir_all(folder.join("out/receipts")).unwrap();
            Box::new(|| {})
        },
    },
];

/// Kith, with each rename of these folders or each sync answered so.
fn injected(world: &World, what: &str, folders: &[PathBuf]) -> Ran {
    let mut command = Command::new("strace");
    command.args([
        "-f",
        "-qq",
        "-o",
        "/dev/null",
        "-e",
        &format!("inject={what}"),
    ]);
    let call = what.split(':').next().unwrap_or_default();
    command.args(["-e", &format!("trace={call}")]);
    for folder in folders {
        command.arg("-P").arg(folder);
    }
    command.arg(env!("CARGO_BIN_EXE_kith"));
    command.args(["run", "--once", "--config", &world.home.config()]);
    let output = command.output().expect("strace runs");
    Ran {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Whether errors can be injected here.
fn injects() -> bool {
    quiet(Command::new("strace").args(["-f", "-o", "/dev/null", "true"]))
}

fn folder(world: &World, partner: &str) -> PathBuf {
    world.home.below(&format!("var/partners/{partner}"))
}

/// A second person is referred to each partner, and each sends word of the first.
fn second_round(world: &mut World, partners: &[String]) {
    for (number, partner) in (0..).zip(partners) {
        world.gp_refers(&referral(number + 101, "Berta", "Second", partner));
        let mut rows = world.rows().into_iter();
        let row = rows.find(|row| row["partner"] == *partner).unwrap();
        world.partner_returns(partner, "returns 1.csv", &[(row, came(2, "Y"))]);
        // It has stood still for an hour.
        let file = folder(world, partner).join("in/returns 1.csv");
        let hour = SystemTime::now() - Duration::from_hours(1);
        let file = fs::OpenOptions::new().write(true).open(file).unwrap();
        file.set_modified(hour).unwrap();
    }
}

/// What is not as it must be at the end with one partner.
fn wrong_with(world: &World, partner: &str) -> Vec<String> {
    // Of this partner alone: with others a file that is none of ours may stand in a drop's place.
    let mut names = Vec::new();
    for drop in world.home.drops(partner) {
        let table = table::read(&drop, Layout::COMMA);
        let column = table.column("Name");
        names.extend(table.rows.into_iter().map(|row| row[column].clone()));
    }
    let count = |given: &str| names.iter().filter(|name| name.contains(given)).count();
    let here = folder(world, partner);
    let ends = |below: &str, ending: &str| {
        let files = files_in(&here.join(below)).into_iter();
        files
            .filter(|file| file.to_string_lossy().ends_with(ending))
            .count()
    };
    let found = [
        ("rows of the first", count("First"), 1),
        ("rows of the second", count("Second"), 1),
        ("manifests", ends("out", ".manifest.json"), 2),
        ("receipts as CSV", ends("out/receipts", ".receipt.csv"), 1),
        ("receipts as JSON", ends("out/receipts", ".receipt.json"), 1),
        ("returns left", ends("in", ".csv"), 0),
        ("returns done", ends("in/done", ".csv"), 1),
        ("unfinished files", ends("out/.kith", ""), 0),
    ];
    found
        .into_iter()
        .filter(|(_, found, wanted)| found != wanted)
        .map(|(what, found, wanted)| format!("{partner}: {found} {what}, {wanted} wanted"))
        .collect()
}

/// A world in which every partner has been sent one person.
fn begun(partners: &[String]) -> (World, Vec<Mounted>) {
    let files: Vec<PartnerFile> = partners.iter().map(|id| PartnerFile::of(id)).collect();
    let mut world = World::of_folder(&files);
    let mounted: Vec<Mounted> = partners
        .iter()
        .filter(|id| id.as_str() == "p00")
        .filter_map(|id| {
            let at = folder(&world, id);
            fs::create_dir_all(&at).unwrap();
            small_disk(&at)
        })
        .collect();
    for (number, partner) in (0..).zip(partners) {
        world.gp_refers(&referral(number + 1, "Anna", "First", partner));
    }
    // Without the books, so that the report of the night is still to come.
    world.kith(&["run", "--once", "pull", "select", "map", "deliver"], 0);
    (world, mounted)
}

/// What can be done to a disk here.
struct Means {
    mounts: bool,
    injects: bool,
}

impl Means {
    fn here() -> Self {
        let mounts = tempfile::tempdir().is_ok_and(|at| small_disk(at.path()).is_some());
        let injects = injects();
        Self { mounts, injects }
    }
}

/// The trouble of the report, another one in each world.
fn trouble_of_reports(world: &World, runs: usize, means: &Means) -> Off {
    let reports = world.home.below("var/reports");
    match runs {
        1 => {
            fs::write(&reports, "a file").unwrap();
            Box::new(move || fs::remove_file(reports).unwrap())
        }
        2 if means.mounts => read_only(&reports),
        _ => {
            let taken = reports.join(format!("icb/{}", day(-1)));
            fs::create_dir_all(taken.parent().unwrap()).unwrap();
            fs::write(&taken, "a file").unwrap();
            Box::new(move || fs::remove_file(taken).unwrap())
        }
    }
}

/// One run in trouble: what is not as it must be.
fn run_in_trouble(world: &World, troubles: &[(String, &Trouble)], means: &Means) -> Vec<String> {
    let busy = [
        folder(world, "busy-in").join("in"),
        folder(world, "busy-out").join("out"),
    ];
    let ran = if means.injects {
        injected(world, "renameat2:error=EBUSY", &busy)
    } else {
        world.home.kith(&["run", "--once"])
    };
    let mut wrong = Vec::new();
    if ran.code != 1 {
        wrong.push(format!("it ended with {}", ran.code));
    }
    for (id, trouble) in troubles {
        let heals = trouble.kind == "vanished" || trouble.place == "receipt";
        if !heals && !ran.stderr.contains(&format!("partner {id}")) {
            let (kind, place) = (trouble.kind, trouble.place);
            wrong.push(format!("nothing is said of {id}, {kind}, {place}"));
        }
    }
    for id in ["busy-in", "busy-out"]
        .into_iter()
        .filter(|_| means.injects)
    {
        let said = ran.stderr.matches(&format!("where   partner {id}")).count();
        if said != 1 {
            wrong.push(format!("{said} sentences of {id}"));
        }
    }
    // The report has a trouble of its own: it is refused whole.
    let report = world.home.kith(&["report"]);
    if report.code != 2 || report.stderr.trim().is_empty() {
        wrong.push(format!("the report ended with {}", report.code));
    }
    // Served in the same run, whatever ails the others.
    wrong.extend(wrong_with(world, HEALTHY));
    if !wrong.is_empty() {
        wrong.push(ran.stderr);
    }
    wrong
}

/// Every trouble for so many runs; what was left out here.
fn hurt(runs: usize) -> String {
    let means = Means::here();
    let troubles: Vec<(String, &Trouble)> = (0..)
        .zip(&TROUBLES)
        .map(|(number, trouble): (usize, _)| (format!("p{number:02}"), trouble))
        .filter(|(_, trouble)| means.mounts || !trouble.mounts)
        .collect();
    let mut partners: Vec<String> = troubles.iter().map(|(id, _)| id.clone()).collect();
    partners.extend([HEALTHY, "busy-in", "busy-out"].map(str::to_owned));
    let (mut world, _mounted) = begun(&partners);
    second_round(&mut world, &partners);
    let mut off: Vec<Off> = troubles
        .iter()
        .map(|(id, trouble)| (trouble.on)(&folder(&world, id)))
        .collect();
    off.push(trouble_of_reports(&world, runs, &means));
    let mut wrong = Vec::new();
    for _ in 0..runs {
        wrong.extend(run_in_trouble(&world, &troubles, &means));
    }
    for off in off {
        off();
    }
    for command in [
        ["run", "--once"].as_slice(),
        &["run", "--once"],
        &["report"],
    ] {
        let ran = world.home.kith(command);
        if !(0..=1).contains(&ran.code) {
            wrong.push(format!("afterwards: exit {}, {}", ran.code, ran.stderr));
        }
    }
    for partner in &partners {
        wrong.extend(wrong_with(&world, partner));
    }
    let night = world.home.below(&format!("var/reports/icb/{}", day(-1)));
    if !night.join("report.json").is_file() {
        wrong.push("the report of the night is not there".to_owned());
    }
    let table: String = troubles
        .iter()
        .map(|(id, trouble)| format!("  {id}: {}, {}\n", trouble.kind, trouble.place))
        .collect();
    assert!(wrong.is_empty(), "{}\n{table}", wrong.join("\n"));
    world.proves();
    let (mounts, injects) = (means.mounts, means.injects);
    format!("mounts {mounts}, injected errors {injects}: without them these troubles are left out")
}

#[test]
fn trouble_of_one_run_leaves_every_row_and_receipt_once() {
    println!("{}", hurt(1));
}

#[test]
fn trouble_of_two_runs_leaves_every_row_and_receipt_once() {
    println!("{}", hurt(2));
}

#[test]
fn trouble_of_three_runs_leaves_every_row_and_receipt_once() {
    println!("{}", hurt(3));
}

#[test]
fn a_disk_that_cannot_sync_folders_and_one_that_is_slow_hold_nobody_up() {
    if !injects() {
        println!("left out: no errors can be injected here");
        return;
    }
    // 5 s a call in a campaign.
    let slow = std::env::var("KITH_TEST_COUNT").map_or(300_000, |_| 5_000_000);
    for what in [
        "fsync:error=EINVAL",
        "fsync:error=EOPNOTSUPP",
        "renameat2:delay_enter",
    ] {
        let partners = ["elm".to_owned(), HEALTHY.to_owned()];
        let (mut world, _mounted) = begun(&partners);
        second_round(&mut world, &partners);
        let here = folder(&world, "elm");
        let folders = ["out", "out/receipts", "in", "in/done"].map(|below| here.join(below));
        let delays = what.ends_with("delay_enter");
        let what = if delays {
            format!("{what}={slow}")
        } else {
            what.to_owned()
        };
        let ran = injected(&world, &what, &folders);
        assert!((0..=1).contains(&ran.code), "{what}: {}", ran.stderr);
        let noted = ran
            .stderr
            .matches("cannot put a folder's names on disk")
            .count();
        assert_eq!(noted, usize::from(!delays), "{what}: {}", ran.stderr);
        for partner in &partners {
            assert_eq!(wrong_with(&world, partner), Vec::<String>::new(), "{what}");
        }
        if delays {
            let at = |partner: &str| {
                let manifest = name(&folder(&world, partner), ".manifest.json");
                fs::metadata(manifest).unwrap().modified().unwrap()
            };
            assert!(at(HEALTHY) < at("elm"), "the healthy partner waited");
        }
        world.proves();
    }
}
