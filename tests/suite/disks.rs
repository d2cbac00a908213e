//! Disks that hurt: each kind of trouble, at each place where files go, for one, two and three runs.
//!
//! Every partner of a world has a trouble of its own, and so has the report folder of every commissioner, so one run meets them
//! all; one of each has none. Afterwards, and with nothing repaired by hand, every row, every receipt and every report is there
//! once, and the healthy ones were served in the first run. Mounts and injected errors need root and strace; without them these
//! troubles are left out, which is said.
//!
//! What vanishes: `out/` and a partner's whole folder are not made again, since a disk that is away comes back, and nobody would
//! read what was put in its place; all other folders are made again, those of reports too. What lay in `in/` is taken when it is back.

use std::cell::Cell;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use super::support::home::files_in;
use super::support::partner_file::PartnerFile;
use super::support::people::{day, referral};
use super::support::process::Process;
use super::support::table::{self, Layout};
use super::support::trouble::{
    Means, Mounted, Off, REPORT_TROUBLES, SMALL, SMALL_FOR_REPORTS, TROUBLES, Trouble, injected,
    injecting, injects, name, night_in, small_disk,
};
use super::support::world::{World, came};

/// The partner without trouble.
const HEALTHY: &str = "oak";
/// The commissioner whose report folder has no trouble; and the one whose renames are busy.
const HEALTHY_REPORT: &str = "icb";
const BUSY_REPORT: &str = "busy";
/// The report folder of a commissioner.
fn reports(world: &World, commissioner: &str) -> PathBuf {
    world.home.below(&format!("var/reports/{commissioner}"))
}

/// The config has commissioners with a report folder each; the healthy one is there already.
fn commissions(world: &World, ids: &[String]) {
    let config = world.home.config();
    let text = fs::read_to_string(&config).unwrap();
    // The healthy one too has its own.
    let healthy = text.replace("path = \"var/reports\"", "path = \"var/reports/icb\"");
    let others = ids.iter().filter(|id| *id != HEALTHY_REPORT).map(|id| {
        format!(
            "[[transport]]\nid = \"{id}\"\nkind = \"folder\"\npath = \"var/reports/{id}\"\n\
             [[commissioner]]\nid = \"{id}\"\nname = \"{id}\"\nreport = {{ transport = \"{id}\" }}\n"
        )
    });
    let text: String = std::iter::once(healthy).chain(others).collect();
    fs::write(config, text).unwrap();
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
        world.partner_returns(partner, "returns 1.csv", &[(row, came(1, "Y"))]);
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

/// A world in which every partner has been sent one person two days ago, and every commissioner a report of that night.
fn begun(partners: &[String], commissioners: &[String]) -> (World, Vec<Mounted>) {
    let files: Vec<PartnerFile> = partners.iter().map(|id| PartnerFile::of(id)).collect();
    let mut world = World::of_folder(&files);
    commissions(&world, commissioners);
    let mut mounted = Vec::new();
    if partners.iter().any(|id| id == "p00") {
        mounted.extend(small_disk(&folder(&world, "p00"), SMALL));
    }
    if commissioners.iter().any(|id| id == "r0") {
        mounted.extend(small_disk(&reports(&world, "r0"), SMALL_FOR_REPORTS));
    }
    for (number, partner) in (0..).zip(partners) {
        world.gp_refers(&referral(number + 1, "Anna", "First", partner));
    }
    let (first, second) = (
        format!("{}T12:00:00Z", day(-2)),
        format!("{}T12:00:00Z", day(-1)),
    );
    let out = ["run", "--once", "pull", "select", "map", "deliver"];
    world.kith(&[&out[..], &["--as-of", &first]].concat(), 0);
    world.kith(&["run", "--once", "reconcile", "--as-of", &second], 0);
    (world, mounted)
}

/// Those who have a trouble, each with its own.
type Troubled = [(String, &'static Trouble)];

/// Troubles that can be made here, with names for those who have them.
fn troubled(
    letter: char,
    troubles: &'static [Trouble],
    means: &Means,
) -> Vec<(String, &'static Trouble)> {
    troubles
        .iter()
        .enumerate()
        .filter(|(_, trouble)| means.mounts || !trouble.mounts)
        .map(|(number, trouble)| match letter {
            'p' => (format!("p{number:02}"), trouble),
            _ => (format!("{letter}{number}"), trouble),
        })
        .collect()
}

/// Whether a run makes whole by itself what is missing.
fn heals(trouble: &Trouble) -> bool {
    trouble.kind == "vanished" || trouble.place == "receipt"
}

/// One run in trouble: what is not as it must be.
fn run_in_trouble(
    world: &World,
    (partners, commissioners): (&Troubled, &Troubled),
    means: &Means,
) -> Vec<String> {
    let busy = [
        folder(world, "busy-in").join("in"),
        folder(world, "busy-out").join("out"),
        night_in(&reports(world, BUSY_REPORT)),
    ];
    let ran = if means.injects {
        injected(world, "renameat2,renameat:error=EBUSY", &busy)
    } else {
        world.home.kith(&["run", "--once"])
    };
    let mut wrong = Vec::new();
    if ran.code != 1 {
        wrong.push(format!("it ended with {}", ran.code));
    }
    for (who, troubled) in [("partner", partners), ("commissioner", commissioners)] {
        for (id, trouble) in troubled.iter().filter(|(_, trouble)| !heals(trouble)) {
            if !ran.stderr.contains(&format!("{who} {id}")) {
                let (kind, place) = (trouble.kind, trouble.place);
                wrong.push(format!("nothing is said of {id}, {kind}, {place}"));
            }
        }
    }
    let busy = ["partner busy-in", "partner busy-out", "commissioner busy"];
    for who in busy.into_iter().filter(|_| means.injects) {
        // To its end, since one name begins with another.
        let said = ran.stderr.matches(&format!("where   {who}")).count();
        if said != 1 {
            wrong.push(format!("{said} sentences of {who}"));
        }
    }
    // A report that a person asks for: those that can be written are, and the others are said.
    let report = world.home.kith(&["report"]);
    let unsaid = commissioners
        .iter()
        .filter(|(id, trouble)| !heals(trouble) && !report.stderr.contains(id.as_str()));
    wrong.extend(unsaid.map(|(id, _)| format!("kith report says nothing of {id}")));
    if report.code != 2 || !report.stdout.contains("/icb/") {
        wrong.push(format!("the report ended with {}", report.code));
    }
    // Served in the same run, whatever ails the others.
    wrong.extend(wrong_with(world, HEALTHY));
    wrong.extend(wrong_with_reports(world, HEALTHY_REPORT));
    if !wrong.is_empty() {
        wrong.push(ran.stderr);
        wrong.push(report.stderr);
    }
    wrong
}

/// What is not as it must be at the end with the reports of a commissioner.
fn wrong_with_reports(world: &World, id: &str) -> Vec<String> {
    let night = night_in(&reports(world, id));
    let lacks = |name: &&str| !night.join(name).is_file();
    let mut wrong: Vec<String> = ["report.html", "report.json"]
        .into_iter()
        .filter(lacks)
        .map(|name| format!("{id}: no {name} of the night"))
        .collect();
    let unfinished = files_in(&night).into_iter();
    wrong.extend(
        unfinished
            .filter(|file| file.to_string_lossy().ends_with(".part"))
            .map(|file| format!("{id}: unfinished {}", file.display())),
    );
    wrong
}

/// Every trouble for so many runs; what was left out here.
fn hurt(runs: usize) -> String {
    let means = Means::here();
    let at_partners = troubled('p', &TROUBLES, &means);
    let at_reports = troubled('r', &REPORT_TROUBLES, &means);
    let ids = |troubled: &Troubled, further: &[&str]| {
        let ids = troubled.iter().map(|(id, _)| id.clone());
        let further = further.iter().map(|id| (*id).to_owned());
        ids.chain(further).collect::<Vec<String>>()
    };
    let partners = ids(&at_partners, &[HEALTHY, "busy-in", "busy-out"]);
    let commissioners = ids(&at_reports, &[HEALTHY_REPORT, BUSY_REPORT]);
    let (mut world, _mounted) = begun(&partners, &commissioners);
    second_round(&mut world, &partners);
    let at_partner = |(id, trouble): &(String, &Trouble)| (trouble.on)(&folder(&world, id));
    let at_report = |(id, trouble): &(String, &Trouble)| (trouble.on)(&reports(&world, id));
    let mut off: Vec<Off> = at_partners.iter().map(at_partner).collect();
    off.extend(at_reports.iter().map(at_report));
    let mut wrong = Vec::new();
    for _ in 0..runs {
        wrong.extend(run_in_trouble(&world, (&at_partners, &at_reports), &means));
    }
    for off in off {
        off();
    }
    for _ in 0..2 {
        let ran = world.home.kith(&["run", "--once"]);
        if !(0..=1).contains(&ran.code) {
            wrong.push(format!("afterwards: exit {}, {}", ran.code, ran.stderr));
        }
    }
    for partner in &partners {
        wrong.extend(wrong_with(&world, partner));
    }
    for commissioner in &commissioners {
        wrong.extend(wrong_with_reports(&world, commissioner));
    }
    let table: String = [at_partners, at_reports]
        .concat()
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
fn a_disk_that_cannot_sync_folders_holds_nobody_up() {
    if !injects() {
        println!("left out: no errors can be injected here");
        return;
    }
    for what in ["fsync:error=EINVAL", "fsync:error=EOPNOTSUPP"] {
        let partners = ["elm".to_owned(), HEALTHY.to_owned()];
        let commissioners = ["r9".to_owned(), HEALTHY_REPORT.to_owned()];
        let (mut world, _mounted) = begun(&partners, &commissioners);
        second_round(&mut world, &partners);
        let here = folder(&world, "elm");
        let mut folders = ["out", "out/receipts", "in", "in/done"]
            .map(|below| here.join(below))
            .to_vec();
        folders.push(night_in(&reports(&world, "r9")));
        let ran = injected(&world, what, &folders);
        assert!((0..=1).contains(&ran.code), "{what}: {}", ran.stderr);
        let noted = ran
            .stderr
            .matches("cannot put a folder's names on disk")
            .count();
        assert_eq!(noted, 1, "{what}: {}", ran.stderr);
        for partner in &partners {
            assert_eq!(wrong_with(&world, partner), Vec::<String>::new(), "{what}");
        }
        for commissioner in &commissioners {
            assert_eq!(
                wrong_with_reports(&world, commissioner),
                Vec::<String>::new(),
                "{what}"
            );
        }
        world.proves();
    }
}

/// When a file last got a name.
fn named_at(file: &Path) -> (i64, i64) {
    let found = fs::metadata(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    (found.ctime(), found.ctime_nsec())
}

#[test]
fn a_slow_disk_delays_nobody_but_its_own_partner() {
    if !injects() {
        println!("left out: no calls can be slowed here");
        return;
    }
    // 5 s a call in a campaign; longer than a disk is waited for in any case.
    let slow = std::env::var("KITH_TEST_COUNT").map_or(3_000_000, |_| 5_000_000);
    // One that is slow to take drops, one to list, one to take receipts and to let a return go; all stand before the healthy one.
    let slow_ones = ["a-out", "b-list", "c-receipts"];
    let mut partners = slow_ones.map(str::to_owned).to_vec();
    partners.push(HEALTHY.to_owned());
    let commissioners = ["a-slow".to_owned(), HEALTHY_REPORT.to_owned()];
    let (mut world, _mounted) = begun(&partners, &commissioners);
    second_round(&mut world, &partners);
    let slow_folders = [
        folder(&world, "a-out").join("out"),
        folder(&world, "b-list").join("in"),
        folder(&world, "c-receipts").join("out/receipts"),
        folder(&world, "c-receipts").join("in/done"),
        night_in(&reports(&world, "a-slow")),
    ];
    let what = format!("renameat2,renameat,getdents64:delay_enter={slow}");
    let ran = injected(&world, &what, &slow_folders);
    assert!((0..=1).contains(&ran.code), "{}", ran.stderr);
    for partner in &partners {
        assert_eq!(wrong_with(&world, partner), Vec::<String>::new());
    }
    for commissioner in &commissioners {
        assert_eq!(
            wrong_with_reports(&world, commissioner),
            Vec::<String>::new()
        );
    }
    let sent = |partner: &str| named_at(&name(&folder(&world, partner), ".manifest.json"));
    let put_away = |partner: &str| named_at(&folder(&world, partner).join("in/done/returns 1.csv"));
    for other in ["b-list", "c-receipts", HEALTHY] {
        assert!(sent(other) < sent("a-out"), "{other} waited for its drop");
    }
    for slow in ["b-list", "c-receipts"] {
        assert!(
            put_away(HEALTHY) < put_away(slow),
            "its return waited for {slow}"
        );
    }
    assert!(put_away("a-out") < put_away("c-receipts"));
    world.proves();
}

#[test]
fn what_has_left_is_recorded_although_a_disk_before_it_never_answers() {
    if !injects() {
        println!("left out: no calls can be slowed here");
        return;
    }
    let partners = ["a-hung".to_owned(), HEALTHY.to_owned()];
    let files: Vec<PartnerFile> = partners.iter().map(|id| PartnerFile::of(id)).collect();
    let mut world = World::of_folder(&files);
    world.runs();
    for (number, partner) in (1..).zip(&partners) {
        world.gp_refers(&referral(number, "Anna", "First", partner));
    }
    let hung = [folder(&world, "a-hung").join("out")];
    let hangs = injecting(&world, "renameat2,renameat:delay_enter=100000000", &hung);
    let mut process = Process::start_silent(&mut { hangs });
    let sent = || world.says(&["status"])["legs"]["sent"] == 1;
    let recorded = Cell::new(false);
    process.wait_until(Duration::from_secs(30), || {
        recorded.replace(sent());
        recorded.get()
    });
    assert!(recorded.get(), "it waits for the disk of another partner");
    // The partner fetches both, and the run has to be killed.
    for file in files_in(&folder(&world, HEALTHY).join("out")) {
        fs::remove_file(file).unwrap();
    }
    let traced = format!("/proc/{0}/task/{0}/children", process.id());
    let traced = fs::read_to_string(traced).unwrap();
    let killed = Command::new("kill").arg("-9").arg(traced.trim()).status();
    assert!(killed.unwrap().success());
    process.wait_until(Duration::from_secs(10), || false);
    world.runs();
    assert_eq!(world.home.drops(HEALTHY), Vec::<PathBuf>::new());
    assert_eq!(world.home.drops("a-hung").len(), 1);
    let status = world.says(&["status"]);
    assert_eq!(status["legs"]["delivered"], 1, "{}", status["legs"]);
    assert_eq!(status["legs"]["sent"], 1, "{}", status["legs"]);
    world.proves();
}
