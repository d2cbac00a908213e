//! Drops that were prepared and could not leave: taken back by a person, or finished.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use super::support::partner_file::PartnerFile;
use super::support::people::{Sandbox, day, ndjson, referral};
use super::support::source::Source;
use super::support::world::{Row, World, held, later};

const BY: [&str; 4] = ["--by", "A. Person", "--because", "the share was moved"];

/// The path of a partner's drop of this number, made today.
fn drop_of(world: &World, partner: &str, number: u32, ending: &str) -> PathBuf {
    let today = day(0).strftime("%Y%m%d");
    let path = format!("var/partners/{partner}/out/referrals_{today}_{number:06}{ending}");
    world.home.below(&path)
}

fn manifest_of(world: &World, partner: &str, number: u32) -> Value {
    let text = fs::read_to_string(drop_of(world, partner, number, ".manifest.json"));
    serde_json::from_str(&text.expect("a manifest")).expect("JSON")
}

/// Two partners, each with a row; a folder has the name of elm's drop, so it is prepared and does not leave.
fn kept_back() -> World {
    let mut world = World::of_folder(&[PartnerFile::of("elm"), PartnerFile::of("oak")]);
    world.runs();
    world.gp_refers(&referral(1, "Anna", "Beech", "elm"));
    world.gp_refers(&referral(2, "Berta", "Cedar", "oak"));
    let path = drop_of(&world, "elm", 1, ".csv");
    fs::create_dir_all(path).expect("a folder");
    world.kith(&["run", "--once"], 1);
    assert_eq!(world.rows().len(), 1, "the other partner is served");
    world
}

fn matter_of_drop(world: &World) -> Option<Value> {
    let status = world.says(&["status"]);
    let matters = status["matters"].as_array().cloned().unwrap_or_default();
    matters
        .into_iter()
        .find(|matter| matter["kind"] == "drop-not-out")
}

#[test]
fn a_drop_that_never_left_is_taken_back_and_its_rows_go_with_the_next_number() {
    let world = kept_back();
    let named = drop_of(&world, "elm", 1, ".csv");
    let name = named.file_name().unwrap().to_str().unwrap();
    assert!(matter_of_drop(&world).is_some());
    let void = |drop: &str, code: i32, says: &str| {
        let ran = world.kith(&[&["void", drop][..], &BY].concat(), code);
        let said = if code == 0 { ran.stdout } else { ran.stderr };
        assert!(said.contains(says), "{drop}: {said}");
    };
    void(name, 2, "say which, elm:1, oak:1");
    void("elm:2", 2, "partner elm has no drop 2");
    void("ash:1", 2, "there is no partner \"ash\"");
    void("nothing.csv", 2, "no drop has this name");
    void("oak:1", 2, "has left");
    void("elm:1", 2, "something else has the name of");
    fs::remove_dir(&named).unwrap();
    // What a person says for it can be read from standard input.
    let arguments = ["void", "elm:1", "--by", "A. Person", "--because", "-"];
    let ran = world.home.kith_reading(&arguments, b"the share was moved");
    let ran = ran.expect_code(0);
    assert!(ran.stdout.contains("its 1 rows wait"), "{}", ran.stdout);
    void("elm:1", 0, "was taken back before");
    assert_eq!(matter_of_drop(&world), None);
    world.proves();

    world.runs();
    assert!(!named.exists(), "its number is not given again");
    let manifest = manifest_of(&world, "elm", 2);
    assert_eq!(manifest["sequence"], 2);
    assert_eq!(manifest["previous_sequence"], Value::Null);
    let rows = world.rows();
    assert_eq!(rows.len(), 2, "each row once");
    let row = rows.iter().find(|row| row["Name"].contains("Beech"));
    let reference = &row.unwrap()["Our ref"];
    let told = world.kith(&["trace", reference], 0).stdout;
    let lines = [
        format!("drop prepared: NEW row 1 of {name}"),
        format!("drop taken back by A. Person: NEW row 1 of {name}"),
        "sent to the partner: NEW row 1 of referrals_".to_owned(),
    ];
    let places: Vec<_> = lines.iter().map(|line| told.find(line.as_str())).collect();
    assert!(places.iter().all(Option::is_some), "{told}");
    assert!(places.is_sorted(), "{told}");
    let elm = &world.says(&["status"])["partners"][0];
    assert_eq!(
        (&elm["sequence"], &elm["rows"]["NEW"]),
        (&2.into(), &1.into())
    );
    world.proves();
    // What was taken back and lies there all the same is found.
    let bytes = fs::read(drop_of(&world, "elm", 2, ".csv")).unwrap();
    fs::write(&named, bytes).unwrap();
    let found = world.kith(&["prove", "--json"], 1).json();
    let found = &found["findings"][0];
    assert_eq!(found["what"], "a drop that was taken back lies in out/");
    assert!(found["where"].as_str().unwrap().contains(name), "{found}");
}

#[test]
fn a_drop_that_was_kept_from_leaving_is_made_anew_once_a_person_in_it_has_died() {
    let mut world = kept_back();
    world.gp_refers(&died_now());
    world.gp_refers(&referral(3, "Clara", "Dale", "elm"));
    let ran = world.kith(&["run", "--once"], 1);
    let said = format!("{}{}", ran.stdout, ran.stderr);
    assert!(said.contains("DELIVER-004"), "{said}");
    let names: Vec<String> = world.rows().iter().map(|row| row["Name"].clone()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(
        !names.iter().any(|name| name.contains("Beech")),
        "{names:?}"
    );
    assert_eq!(manifest_of(&world, "elm", 2)["rows"]["NEW"], 1);
    assert_eq!(world.held("died").len(), 1);
    assert_eq!(matter_of_drop(&world), None);
    world.proves();
    // Room again: the number that was taken back stays empty, and nothing goes twice.
    fs::remove_dir(drop_of(&world, "elm", 1, ".csv")).unwrap();
    world.runs();
    assert_eq!(world.rows().len(), 2);
    world.proves();
}

#[test]
fn a_stop_leaves_whatever_was_prepared_before_it() {
    let mut world = World::of_folder(&[PartnerFile::of("elm")]);
    let mut anna = referral(1, "Anna", "Beech", "elm");
    world.gp_refers(&anna);
    world.runs();
    let known = world.drops();
    // A pause is kept from leaving, then the person dies.
    let taken = [2, 3].map(|number| drop_of(&world, "elm", number, ".csv"));
    fs::create_dir(&taken[0]).unwrap();
    anna[1]["status"] = "on-hold".into();
    world.gp_refers(&anna.clone().map(later));
    world.kith(&["run", "--once"], 1);
    assert_eq!(world.rows_since(&known).len(), 0);
    fs::create_dir(&taken[1]).unwrap();
    anna[0]["deceasedDateTime"] = "2026-11-01".into();
    anna[1]["status"] = "active".into();
    world.gp_refers(&anna.map(|record| {
        let mut record = later(record);
        record["meta"]["versionId"] = "3".into();
        record
    }));
    world.kith(&["run", "--once"], 1);
    world.proves();
    for folder in taken {
        fs::remove_dir(folder).unwrap();
    }
    world.runs();
    world.runs();
    let rows = world.rows_since(&known);
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert_eq!(rows[0]["What"], "STOP");
    assert_eq!(manifest_of(&world, "elm", 3)["previous_sequence"], 1);
    world.proves();
}

#[test]
fn a_row_that_cannot_be_written_on_the_day_of_its_drop_is_held_and_the_rest_leaves() {
    let files = ["elm", "oak"].map(|id| {
        PartnerFile::of(id)
            .shares(&["patient.name", "referral.activity", "patient.age_years"])
            .column_of("Age", "from = \"patient.age_years\"\nrequired = true")
    });
    let mut world = World::of_folder(&files);
    let long_ago = |mut record: Value| {
        record["meta"]["lastUpdated"] = "2026-10-20T09:00:00Z".into();
        if record["authoredOn"].is_string() {
            record["authoredOn"] = "2026-10-20T09:00:00Z".into();
        }
        record
    };
    let anna = referral(1, "Anna", "Beech", "elm");
    let mut berta = referral(2, "Berta", "Cedar", "elm");
    // In October they are 74, in December 75; in between nobody can say.
    berta[0]["birthDate"] = "1951-11".into();
    world.gp_refers(&anna.map(long_ago));
    world.gp_refers(&berta.map(long_ago));
    // Of oak's drop nothing is left.
    let mut clara = referral(3, "Clara", "Dale", "oak");
    clara[0]["birthDate"] = "1951-11".into();
    world.gp_refers(&clara.map(long_ago));
    let run = ["run", "--once", "pull", "select", "map"];
    world.kith(
        &[&run[..], &["--as-of", "2026-10-30T06:00:00Z"]].concat(),
        0,
    );
    let run = ["run", "--once", "deliver", "--json"];
    let at = ["--as-of", "2026-11-10T06:00:00Z"];
    let summary = world.kith(&[&run[..], &at].concat(), 1).json();
    let rows = world.rows();
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert_eq!((&*rows[0]["Name"], &*rows[0]["Age"]), ("Anna Beech", "75"));
    let held = held(&summary);
    let reasons: Vec<_> = held
        .iter()
        .map(|hold| (hold["stage"].as_str(), hold["reason"].as_str()))
        .collect();
    assert_eq!(reasons, [(Some("map"), Some("required-missing")); 2]);
    let books = summary["books"].as_array().unwrap().iter();
    let books = books.filter(|book| book["stage"] == "deliver");
    let counts = |book: &Value| {
        let counts = ["received", "accepted", "held"].map(|count| book[count].as_u64());
        (book["partner"].clone(), counts.map(Option::unwrap))
    };
    let books: Vec<_> = books.map(counts).collect();
    assert_eq!(
        books,
        [("elm".into(), [2, 1, 1]), ("oak".into(), [1, 0, 1])]
    );
    assert_eq!(world.home.drops("oak").len(), 0);
    world.proves();
    // In December its owner sends it.
    let number = held[0]["number"].to_string();
    let owner = held[0]["owner"].as_str().unwrap();
    let why = ["--as", owner];
    world.kith(&[&["held", "release", &number][..], &BY, &why].concat(), 0);
    world.runs();
    assert_eq!(world.rows().len(), 2);
    world.proves();
}

#[test]
fn rows_of_a_practice_that_is_no_longer_configured_wait_and_say_so() {
    let mut world = World::of(
        &[
            Source::folder("hilltop", "extracts"),
            Source::folder("valley", "other"),
        ],
        &[PartnerFile::of("elm")],
    );
    world.gp_refers(&referral(1, "Anna", "Beech", "elm"));
    world.home.write(
        "other/1.ndjson",
        ndjson(&referral(2, "Berta", "Cedar", "elm")),
    );
    world.kith(&["run", "--once", "pull", "select", "map"], 0);
    let valley = || Source::folder("valley", "other");
    world.sources_are_these(&[Source::folder("hilltop", "extracts")]);
    let ran = world.kith(&["run", "--once"], 1);
    assert!(
        ran.stderr.contains("1 rows wait, since their practice"),
        "{}",
        ran.stderr
    );
    let names: Vec<String> = world.rows().iter().map(|row| row["Name"].clone()).collect();
    assert_eq!(names, ["Anna Beech"]);
    // A drop of theirs that lies there cannot be made again meanwhile: that is no finding, and no failure.
    world.sources_are_these(&[valley()]);
    world.proves();
    world.sources_are_these(&[Source::folder("hilltop", "extracts"), valley()]);
    world.runs();
    assert_eq!(world.rows().len(), 2);
    world.proves();
}

#[test]
fn a_folder_where_drops_lay_is_not_made_anew_when_it_is_gone() {
    let mut world = World::of_folder(&[PartnerFile::of("elm"), PartnerFile::of("oak")]);
    world.gp_refers(&referral(1, "Anna", "Beech", "elm"));
    world.runs();
    assert_eq!(world.home.drops("elm").len(), 1);
    // A share that is not mounted: its mount point is there, and empty; then that is gone too.
    let (there, away) = (
        world.home.below("var/partners/elm"),
        world.home.below("away"),
    );
    fs::rename(&there, &away).unwrap();
    fs::create_dir(&there).unwrap();
    world.gp_refers(&referral(2, "Berta", "Cedar", "elm"));
    world.gp_refers(&referral(3, "Clara", "Dale", "oak"));
    for mounted in [true, false] {
        let ran = world.kith(&["run", "--once"], 1);
        assert!(ran.stderr.contains("DELIVER-006"), "{}", ran.stderr);
        assert!(ran.stderr.contains("partner elm"), "{}", ran.stderr);
        assert_eq!(fs::read_dir(&there).map_or(0, Iterator::count), 0);
        assert_eq!(there.exists(), mounted, "nothing is made");
        assert_eq!(world.home.drops("oak").len(), 1, "others are served");
        let status = world.says(&["status"]);
        assert_eq!(status["legs"]["sent"], 2, "nothing counts as fetched");
        assert_eq!(status["legs"]["routed"], 1);
        let kinds = status["matters"].as_array().unwrap().iter();
        let mut kinds = kinds.map(|matter| matter["kind"].as_str().unwrap());
        assert!(kinds.any(|kind| kind == "folder-unreachable"));
        if mounted {
            fs::remove_dir(&there).unwrap();
        }
    }
    fs::rename(&away, &there).unwrap();
    world.runs();
    assert_eq!(world.home.drops("elm").len(), 2);
    assert_eq!(world.rows().len(), 3);
    world.proves();
}

#[test]
fn of_a_drop_that_was_kept_back_the_stop_leaves_while_nobody_can_read_the_records() {
    let elm = [PartnerFile::of("elm")];
    let records = [referral(1, "Anna", "Beech", "elm")].concat();
    let mut world = World::of_gp(&elm, &records);
    world.runs();
    let known = world.drops();
    // A stop and a new row are prepared, and kept from leaving.
    let taken = drop_of(&world, "elm", 2, ".csv");
    fs::create_dir(&taken).unwrap();
    world.gp_refers(&died_now());
    world.gp_refers(&referral(2, "Berta", "Cedar", "elm"));
    world.kith(&["run", "--once"], 1);
    assert_eq!(world.rows_since(&known).len(), 0);
    world.gp_goes();
    world.kith(&["run", "--once"], 1);
    let rows = world.rows_since(&known);
    let told =
        |rows: &[Row]| -> Vec<String> { rows.iter().map(|row| row["What"].clone()).collect() };
    assert_eq!(told(&rows), ["STOP"], "the stop does not wait");
    fs::remove_dir(&taken).unwrap();
    let records = [died_now(), referral(2, "Berta", "Cedar", "elm")].concat();
    world.home.write("again/world.ndjson", ndjson(&records));
    let gp = Sandbox::start(&world.home, "again");
    drop(world.gp_is(gp));
    world.runs();
    assert_eq!(told(&world.rows_since(&known)), ["STOP", "NEW"]);
    world.proves();
}

/// The person of the first referral, who has died.
fn died_now() -> [Value; 2] {
    let mut died = referral(1, "Anna", "Beech", "elm");
    died[0]["deceasedDateTime"] = "2026-11-01".into();
    died.map(later)
}
