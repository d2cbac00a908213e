//! The command line as the contract has it: help, exit codes, and messages that say what, where and how to put it right.

use std::fs;
use std::path::Path;

use super::support::home::{Home, Ran, kith, snapshot};
use super::support::partner_file::partners;
use super::support::people::{ndjson, referral};
use super::support::source::Source;
use super::support::world::World;

const COMMANDS: [&str; 15] = [
    "demo", "init", "check", "run", "map", "status", "trace", "why", "held", "prove", "report",
    "explain", "sandbox", "undo", "partner",
];
/// Schemas of what `--json` and the report print, and of partner files.
const SCHEMAS: [&str; 5] = ["partner", "prove", "report", "run", "status"];
const AT: &str = "2026-11-23T06:00:00Z";

/// An installation that pulls from a folder with these resources.
fn home_with(resources: &str) -> Home {
    let push = "{ kind = \"folder\", path = \"var/gp-import\" }";
    let source = Source::folder("gp", "extracts").push(push);
    let world = World::of(&[source], &partners());
    world.home.write("extracts/all.ndjson", resources);
    world.home
}

/// Two referrals that can go, and as many without a person as asked.
fn resources(held: usize) -> String {
    let mut resources = Vec::new();
    for (n, (given, partner)) in (1..).zip([("Anna", "elm"), ("Ben", "oak")]) {
        let [patient, mut request] = referral(n, given, "Beech", partner);
        request["authoredOn"] = "2026-11-20T09:00:00Z".into();
        resources.extend([patient, request]);
    }
    for n in 0..held {
        let [_, mut request] = referral(
            10 + u32::try_from(n).expect("few"),
            "Nobody",
            "Known",
            "elm",
        );
        request["authoredOn"] = "2026-11-20T09:00:00Z".into();
        resources.push(request);
    }
    ndjson(&resources)
}

/// The rows of a partner, from a folder.
fn rows_of(home: &Home, partner: &str, input: &str, code: i32) -> Ran {
    let map = ["map", "--partner", partner, "--input", input];
    home.ran(&[&map[..], &["--output", "-"]].concat(), code)
}

#[test]
fn every_command_has_help_and_an_unknown_one_is_a_usage_error() {
    let all = kith(&["--help"]).expect_code(0).stdout;
    for command in COMMANDS {
        assert!(
            all.contains(command),
            "{command} is not in kith --help:\n{all}"
        );
        let help = kith(&[command, "--help"]).expect_code(0).stdout;
        assert!(help.contains("Usage"), "{command}: {help}");
    }
    let unknown = kith(&["deliverr"]).expect_code(2);
    assert!(
        unknown.stdout.is_empty() && unknown.stderr.contains("deliverr"),
        "{}",
        unknown.stderr
    );
    kith(&["run", "--onc"]).expect_code(2);
}

#[test]
fn a_misspelt_key_is_named_with_its_place_and_the_key_that_was_meant() {
    let home = home_with(&resources(0));
    let file = "mappings/partners/elm.toml";
    let text = fs::read_to_string(home.below(file)).expect("the partner file");
    let line = text
        .lines()
        .position(|line| line.starts_with("format = "))
        .expect("a format")
        + 1;
    home.edit(file, "delimiter", "delimeter");
    let ran = home.kith(&["check"]).expect_code(2);
    let shown = format!("{}{}", ran.stdout, ran.stderr);
    for part in [
        "CFG-003",
        "delimeter",
        "delimiter",
        &format!("mappings/partners/elm.toml:{line}:12"),
    ] {
        assert!(shown.contains(part), "{part} is not in:\n{shown}");
    }
    let json = home.kith(&["check", "--json"]).expect_code(2).json();
    let problems = json["problems"].as_array().expect("problems").clone();
    let problem = problems
        .iter()
        .find(|problem| problem["code"] == "CFG-003")
        .expect("the misspelt key");
    assert_eq!(problem["where"]["file"], "mappings/partners/elm.toml");
    assert_eq!(
        (
            problem["where"]["line"].as_u64(),
            problem["where"]["column"].as_u64()
        ),
        (u64::try_from(line).ok(), Some(12))
    );
}

#[test]
fn every_code_and_field_has_its_page() {
    let page = kith(&["explain", "CFG-003"]).expect_code(0).stdout;
    assert!(
        page.contains("CFG-003") && page.contains("nearest"),
        "{page}"
    );
    let fields = kith(&["explain", "fields"]).expect_code(0).stdout;
    for field in [
        "leg.reference",
        "patient.nhs_number",
        "referral.reason",
        "practice.ods_code",
    ] {
        assert!(
            fields.contains(field),
            "{field} is not in the list of fields"
        );
    }
    kith(&["explain", "XYZ-999"]).expect_code(2);
}

#[test]
fn the_annotated_example_is_free_of_errors() {
    let config = concat!(env!("CARGO_MANIFEST_DIR"), "/config/kith.toml");
    kith(&["check", "--config", config]).expect_code(0);
}

#[test]
fn exit_codes_say_whether_anybody_must_act() {
    let fine = home_with(&resources(0));
    fine.kith(&["check"]).expect_code(0);
    fine.kith(&["run", "--once", "--as-of", AT]).expect_code(0);
    let calm = fine.kith(&["status", "--as-of", AT]).expect_code(0).stdout;
    assert!(
        calm.starts_with("Nothing needs anyone before 08:00\n"),
        "{calm}"
    );
    fine.kith(&["prove"]).expect_code(0);
    let extracts = fine.below("extracts").display().to_string();
    let mapped = rows_of(&fine, "elm", &extracts, 0);
    assert_eq!(
        mapped.stdout.lines().count(),
        3,
        "a header and every referral, whomever it names:\n{}",
        mapped.stdout
    );

    let waiting = home_with(&resources(2));
    let run = waiting
        .kith(&["run", "--once", "--json", "--as-of", AT])
        .expect_code(1)
        .json();
    assert_eq!(run["held"].as_array().map(Vec::len), Some(2));
    let waits = waiting.kith(&["status", "--as-of", AT]).expect_code(1);
    assert!(
        waits
            .stdout
            .starts_with("Needs somebody today: 2 questions wait for the practice (no-patient)"),
        "{}",
        waits.stdout
    );
    waiting.kith(&["prove"]).expect_code(0);
    let extracts = waiting.below("extracts").display().to_string();
    rows_of(&waiting, "elm", &extracts, 1);
}

#[test]
fn what_cannot_be_done_is_exit_2() {
    let home = home_with(&resources(0));
    home.kith(&["trace", "A000-0000-000N"]).expect_code(2);
    rows_of(&home, "nobody", "extracts", 2);
    kith(&["run", "--once", "--config", "no-such-folder/kith.toml"]).expect_code(2);
    home.kith(&["run", "--once", "--as-of", AT]).expect_code(0);
    let earlier = home.ran(&["run", "--once", "--as-of", "2026-11-22T06:00:00Z"], 2);
    assert!(earlier.stderr.contains("as-of"), "{}", earlier.stderr);
    // A store that has rows and a key that does not open it: never a new key.
    fs::remove_file(home.below("var/seal.key")).expect("the key was made at the first run");
    home.ran(&["run", "--once", "--as-of", "2026-11-23T07:00:00Z"], 2);
    assert!(
        !home.below("var/seal.key").exists(),
        "no new key was made for an old store"
    );
}

#[test]
fn init_makes_an_installation_that_passes_check_and_overwrites_nothing() {
    let home = Home::new();
    let dir = home.below("fresh").display().to_string();
    kith(&["init", &dir]).expect_code(0);
    let made = snapshot(&home.below("fresh"));
    let config = home.below("fresh/config/kith.toml").display().to_string();
    kith(&["check", "--config", &config]).expect_code(0);
    kith(&["init", &dir]).expect_code(2);
    assert_eq!(
        snapshot(&home.below("fresh")),
        made,
        "nothing was overwritten"
    );
}

#[test]
fn the_manual_and_the_schemas_in_docs_are_those_of_the_program() {
    let mut stale = Vec::new();
    let manual = ("docs/errors.md".to_owned(), vec!["explain", "all"]);
    let schemas = SCHEMAS.map(|name| {
        let file = format!("docs/schemas/{name}.json");
        (file, vec!["explain", "schema", name])
    });
    for (file, command) in std::iter::once(manual).chain(schemas) {
        let printed = kith(&command).expect_code(0).stdout;
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(&file);
        if fs::read_to_string(&path).is_ok_and(|kept| kept == printed) {
            continue;
        }
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::create_dir_all(path.parent().expect("docs")).expect("docs can be written");
            fs::write(&path, printed).expect("docs can be written");
        } else {
            stale.push(file);
        }
    }
    assert!(
        stale.is_empty(),
        "{stale:?}: refresh with UPDATE_GOLDEN=1 cargo test --test suite cli::"
    );
}
