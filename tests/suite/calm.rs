//! `kith status` on an installation that runs by the machine's clock: its first line, the command in it, and the exit code.
//!
//! Each situation begins with what is well, and does to it what people and machines do.

use std::fs;

use serde_json::json;

use super::support::case::Case;
use super::support::home::{Home, files_in};
use super::support::partner_file::PartnerFile;
use super::support::people::{day, ndjson, referral};
use super::support::source::Source;
use super::support::world::{World, came};
use super::writes::Told;

const CALM: &str = "Nothing needs anyone before 08:00";

/// A practice with an extract, and a partner; nothing has run.
fn installed() -> World {
    let source = Source::folder("gp", "extracts");
    let world = World::of(&[source], &[PartnerFile::of("elm")]);
    world.home.write(
        "extracts/a.ndjson",
        ndjson(&referral(1, "Anna", "Beech", "elm")),
    );
    world
}

/// The same, after one run to which nothing was wrong.
fn well() -> World {
    let world = installed();
    world.home.ran(&["run", "--once"], 0);
    says(&world.home, 0, CALM, "");
    world
}

/// The first line begins and ends with these, and all three forms agree with the exit code.
fn says(home: &Home, code: i32, begins: &str, ends: &str) {
    let shown = home.ran(&["status"], code).stdout;
    let first = shown.lines().next().expect("a first line");
    assert!(
        first.starts_with(begins) && first.ends_with(ends),
        "{shown}"
    );
    if code == 2 {
        return;
    }
    let json = home.ran(&["status", "--json"], code).json();
    assert_eq!(json["first_line"], first);
    assert_eq!(
        json["matters"].as_array().map(Vec::is_empty),
        Some(code == 0),
        "{json}"
    );
    let urgent = json["matters"]
        .as_array()
        .is_some_and(|all| all.iter().any(|one| one["urgency"] == "now"));
    let (word, plugin) = match (code, urgent) {
        (0, _) => ("OK", 0),
        (_, false) => ("WARNING", 1),
        (_, true) => ("CRITICAL", 2),
    };
    let line = home.ran(&["status", "--oneline"], plugin).stdout;
    assert_eq!(line, format!("{word} - {first}\n"));
}

#[test]
fn what_lies_in_folders_and_nobody_takes_is_said() {
    let world = well();
    let home = &world.home;
    home.put_return("elm", "returns.csv", b"");
    says(
        home,
        1,
        "Needs somebody today: nobody takes 1 file in in/ of partner elm (1 empty): ls -l ",
        "/elm/in",
    );
    fs::remove_file(home.below("var/partners/elm/in/returns.csv")).expect("the file was put there");
    says(home, 0, CALM, "");
    let drop = home.drops("elm").pop().expect("a drop");
    let written = fs::read(&drop).expect("the drop can be read");
    fs::write(&drop, [&written[..], b"x"].concat()).expect("a partner can write into it");
    says(
        home,
        1,
        "Needs somebody today: somebody wrote into drop referrals_",
        "/elm/out",
    );
    fs::write(&drop, written).expect("it can be put back");
    says(home, 0, CALM, "");
    fs::remove_dir_all(home.below("var/partners/elm")).expect("the folder was made by the run");
    says(
        home,
        1,
        "Needs somebody today: the folder of partner elm cannot be looked into: ",
        "/elm",
    );
}

#[test]
fn what_did_not_run_or_was_not_read_is_said() {
    let world = installed();
    let home = &world.home;
    says(
        home,
        1,
        "Needs somebody now: nothing has run here yet: kith run",
        "kith run",
    );
    home.ran(&["run", "--once"], 0);
    says(home, 0, CALM, "");
    let later = home
        .ran(&["status", "--as-of", "2126-01-01T00:00:00Z"], 1)
        .stdout;
    let first = later.lines().next().expect("a first line");
    assert!(
        first.starts_with("Needs somebody now: nothing has run since ")
            && first.contains(" days): kith run"),
        "{first}"
    );
    let away = home.below("away");
    fs::rename(home.below("extracts"), &away).expect("the extracts are there");
    home.ran(&["run", "--once"], 1);
    says(
        home,
        1,
        "Needs somebody today: source gp (",
        ": kith run --once pull --source gp",
    );
    fs::rename(&away, home.below("extracts")).expect("they were moved there");
    home.ran(&["run", "--once"], 0);
    says(home, 0, CALM, "");
    // A partner file in error, and what keeps the installation from opening, are first lines too.
    let file = "mappings/partners/elm.toml";
    home.edit(file, "id = \"elm\"", "id = \"elm\"\nidd = \"x\"");
    let begins = "Needs somebody now: a partner file has a fault: the partner goes on by its last good version";
    says(home, 1, begins, ": kith check");
    home.edit(file, "\nidd = \"x\"", "");
    home.edit("config/kith.toml", "[store]", "[stor]");
    says(
        home,
        2,
        "Needs somebody now: Kith cannot look, ",
        "kith explain CFG-003",
    );
    let line = home.ran(&["status", "--oneline"], 3).stdout;
    assert!(
        line.starts_with("UNKNOWN - Needs somebody now: Kith cannot look"),
        "{line}"
    );
}

/// An installation in which three referrals wait for the practice.
fn three_wait() -> World {
    let world = installed();
    let lost = |number: u32| {
        let [_, request] = referral(number, "Nobody", "Known", "elm");
        request
    };
    let three: Vec<_> = (7..10).map(lost).collect();
    world.home.write("extracts/b.ndjson", ndjson(&three));
    world.home.ran(&["run", "--once"], 1);
    world
}

/// What was said holds each of these.
fn holds_all(said: &str, parts: &[&str]) {
    for part in parts {
        assert!(said.contains(part), "{part} is not in {said}");
    }
}

#[test]
fn holds_are_listed_with_their_age_and_told_in_words() {
    let world = three_wait();
    let home = &world.home;
    let begins =
        "Needs somebody today: 3 questions wait for the practice (no-patient), the oldest since ";
    says(home, 1, begins, ": kith held list --owner practice");
    let list = home.ran(&["held", "list", "--owner", "practice"], 0).stdout;
    assert!(list.starts_with("3 questions wait. "), "{list}");
    let parts = [
        "age  whose ",
        "no-patient (3): The person's record cannot be found",
        "kith check --online",
    ];
    holds_all(&list, &parts);
    assert_eq!(
        home.ran(&["held", "list", "--owner", "ig"], 0).stdout,
        "Nothing waits.\n"
    );
    home.ran(&["held", "list", "--reason", "no-patent"], 2);
    let shown = home.ran(&["held", "show", "1"], 0).stdout;
    let parts = [
        "Hold 1: The person's record cannot be found",
        "What it means: ",
        "What to do: ",
    ];
    holds_all(&shown, &parts);
}

#[test]
fn holds_of_one_reason_are_released_together_by_their_owner() {
    let world = three_wait();
    let home = &world.home;
    let who = ["--by", "A. Person", "--because", "they are there"];
    let many = [&["held", "release", "--reason", "no-patient"][..], &who].concat();
    holds_all(&home.ran(&many, 2).stderr, &["use --as practice"]);
    let many = [&many[..], &["--as", "practice"]].concat();
    let asks = home.ran(&many, 2);
    assert!(
        asks.stdout
            .starts_with("3 wait for no-patient, the oldest since "),
        "{}",
        asks.stdout
    );
    holds_all(&asks.stderr, &["--yes"]);
    let done = home.ran(&[&many[..], &["--yes"]].concat(), 0).stdout;
    holds_all(&done, &["3 still waiting"]);
    let none = [
        &["held", "release", "--reason", "tie", "--as", "practice"][..],
        &who,
    ]
    .concat();
    assert_eq!(home.ran(&none, 0).stdout, "Nothing waits for tie there.\n");
}

#[test]
fn healthy_installations_need_nobody() {
    type Make = fn() -> Case;
    let healthy: [(&str, Make); 12] = [
        ("after one run", Case::well),
        ("after two", || Case::well().ran(0)),
        ("with a GP system", || Case::served().ran(0)),
        ("closed at the practice before it was sent", || {
            let [person, mut request] = referral(2, "Ben", "Cedar", "elm");
            request["status"] = json!("completed");
            Case::well()
                .writes("extracts/b.ndjson", ndjson(&[person, request]))
                .ran(0)
        }),
        ("a partner in shadow", || {
            Case::of(PartnerFile::of("elm").with("partner", "mode = \"shadow\"")).ran(0)
        }),
        ("a return that was taken in", || {
            let case = Case::well();
            let row = case.world.row_of("Anna Beech");
            case.world
                .partner_returns("elm", "returns.csv", &[(row, came(3, "Y"))]);
            case.ran(0)
        }),
        ("a return that has just come", || {
            let case = Case::well();
            let row = case.world.row_of("Anna Beech");
            case.world
                .partner_returns("elm", "returns.csv", &[(row, came(3, "Y"))]);
            case
        }),
        ("what spreadsheets leave beside their files", || {
            let case = Case::well().writes("var/partners/elm/in/~$returns.xlsx", "x");
            case.writes("var/partners/elm/in/.~lock.returns.ods#", "x")
                .ran(0)
        }),
        ("the last day of an agreement", || {
            Case::of(PartnerFile::of("elm").with("share", format!("expires_on = {}", day(0))))
                .ran(0)
        }),
        ("a drop that the partner has fetched", || {
            let case = Case::well();
            let out = case.world.home.below("var/partners/elm/out");
            for file in files_in(&out) {
                fs::remove_file(file).unwrap();
            }
            case.ran(0)
        }),
        ("the day after, its night issued", || {
            Case::well().after(86_400).ran(0).after(86_460)
        }),
        ("a write that went", || {
            let told = Told::new().came();
            told.writes_after(60, 0);
            let (world, start) = (told.world, told.start);
            Case::of_world(world, start).after(90)
        }),
    ];
    let mut wrong = Vec::new();
    for (name, make) in healthy {
        let case = make();
        let ran = case.world.home.kith(&["status"]);
        if ran.code != 0 || !ran.stdout.starts_with(CALM) {
            wrong.push(format!("{name}: exit {}, {}", ran.code, ran.stdout));
        }
        let line = case.world.home.kith(&["status", "--oneline"]);
        if line.code != 0 || line.stdout != format!("OK - {CALM}\n") {
            wrong.push(format!("{name}, one line: {}", line.stdout));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
