//! Writes to a GP system that loses answers, refuses, or says that it stored what it did not: what is sent again and when, and
//! what is said of it.
//!
//! The GP system is `support/fake_gp.rs`. Kith's clock is a made-up one, so that two minutes pass at once.

use jiff::{Timestamp, ToSpan as _};
use serde_json::Value;

use super::support::fake_gp::{FakeGp, Writes};
use super::support::partner_file::PartnerFile;
use super::support::people::{ndjson, referral};
use super::support::process::Process;
use super::support::source::Source;
use super::support::world::{World, came, ended};

/// Where a new Observation goes.
const CREATE: &str = "POST /Observation";
/// The rooms that bring an outcome back.
const BACK: [&str; 5] = ["run", "--once", "collect", "match", "push"];
const NOT_SETTLED: &str = "PUSH-002";
const CALM: &str = "Nothing needs anyone before 08:00";

/// Anna was sent to elm, and elm says that she came; nothing of it is written yet.
pub(crate) struct Told {
    pub(crate) world: World,
    pub(crate) gp: FakeGp,
    /// When the first run was.
    pub(crate) start: Timestamp,
}

impl Told {
    /// The server takes what is written, and says that it heeds `If-None-Exist`.
    pub(crate) fn new() -> Self {
        Self::with("", Writes::Takes, 0)
    }

    /// With further keys of `push`, on a server that does this to the first run, which ends with this code.
    fn with(push: &str, writes: Writes, code: i32) -> Self {
        let records = referral(1, "Anna", "Beech", "elm");
        let gp = FakeGp::of(&records);
        gp.writes(writes);
        gp.heeds(writes == Writes::Takes);
        let push = format!("{{ kind = \"fhir\", base_url = \"{}\"{push} }}", gp.base);
        let source = Source::folder("gp", "extracts").push(&push);
        let world = World::of(&[source], &[PartnerFile::of("elm")]);
        world.home.write("extracts/a.ndjson", ndjson(&records));
        let start = Timestamp::now() + 24.hours();
        let told = Self { world, gp, start };
        told.is_after(0);
        told.world.kith(&["run", "--once"], code);
        told
    }

    /// Elm says that she came.
    pub(crate) fn came(self) -> Self {
        let row = self.world.row_of("Anna Beech");
        let told = [(row, came(3, "Y"))];
        self.world.partner_returns("elm", "returns.csv", &told);
        self
    }

    /// It is so many seconds after the first run.
    fn is_after(&self, seconds: i64) {
        let at = self.start + seconds.seconds();
        self.world.home.is_at(&at.to_string());
    }

    /// The rooms of the way back, so many seconds after the first run.
    pub(crate) fn writes_after(&self, seconds: i64, code: i32) -> String {
        self.is_after(seconds);
        self.world.kith(&BACK, code).stderr
    }

    /// The first line of `kith status` now, and its exit code.
    fn says(&self, code: i32, begins: &str, ends: &str) {
        let shown = self.world.kith(&["status"], code).stdout;
        let first = shown.lines().next().unwrap_or_default();
        assert!(
            first.starts_with(begins) && first.ends_with(ends),
            "{shown}"
        );
    }

    fn sent(&self) -> usize {
        self.gp.asked(CREATE) - self.gp.asked("POST /Observation/_search")
    }

    /// The Observations in the record.
    fn entries(&self) -> Vec<Value> {
        self.gp.all("Observation")
    }
}

#[test]
fn without_if_none_exist_a_lost_write_is_sent_again_only_when_two_minutes_have_passed() {
    // The entry is there and no search shows it; or it never arrived.
    for (writes, there) in [(Writes::Hides, 1), (Writes::Drops, 0)] {
        let told = Told::new().came();
        told.gp.heeds(false);
        told.gp.writes(writes);
        let said = told.writes_after(60, 1);
        assert!(said.contains(NOT_SETTLED), "{said}");
        assert_eq!((told.sent(), told.entries().len()), (1, there));
        // Looked up in between, and that does not begin the two minutes anew.
        told.gp.writes(Writes::Takes);
        for seconds in [90, 150, 175] {
            let said = told.writes_after(seconds, 1);
            assert!(said.contains(NOT_SETTLED), "{seconds} s: {said}");
            assert_eq!(
                (told.sent(), told.entries().len()),
                (1, there),
                "{seconds} s"
            );
        }
        told.gp.shows_all();
        told.writes_after(200, 0);
        assert_eq!(told.sent(), 2 - there, "{writes:?}");
        assert_eq!(told.entries().len(), 1, "{writes:?}");
        told.world.proves();
    }
}

#[test]
fn an_entry_told_and_corrected_while_the_server_was_down_is_there_once() {
    // The entry is there and no search shows it; or it never arrived.
    for writes in [Writes::Hides, Writes::Drops] {
        let told = Told::new().came();
        told.is_after(30);
        told.world.kith(&["run", "--once", "collect", "match"], 0);
        let row = told.world.row_of("Anna Beech");
        let again = [(row, came(3, "N"))];
        told.world.partner_returns("elm", "returns 2.csv", &again);
        told.gp.heeds(false);
        told.gp.writes(writes);
        told.writes_after(60, 1);
        assert_eq!(told.sent(), 1, "{writes:?}");
        told.gp.writes(Writes::Takes);
        told.writes_after(90, 1);
        assert_eq!(told.sent(), 1, "{writes:?}");
        told.gp.shows_all();
        told.writes_after(300, 0);
        let entries = told.entries();
        let said = entries.iter().map(|entry| {
            let value = &entry["valueCodeableConcept"]["coding"][0]["code"];
            (entry["status"].clone(), value.clone())
        });
        let wanted = ("amended".into(), "did-not-attend".into());
        assert_eq!(said.collect::<Vec<_>>(), [wanted], "{writes:?}");
        told.world.proves();
    }
}

#[test]
fn a_lost_write_that_can_be_found_is_confirmed_at_once() {
    let told = Told::new().came();
    told.gp.heeds(false);
    told.gp.writes(Writes::Hides);
    told.writes_after(60, 1);
    told.gp.shows_all();
    told.writes_after(70, 0);
    assert_eq!((told.sent(), told.entries().len()), (1, 1));
    told.world.proves();
}

#[test]
fn under_if_none_exist_a_lost_write_is_sent_again_at_once_and_is_there_once() {
    let told = Told::new().came();
    told.gp.writes(Writes::Hides);
    told.writes_after(60, 1);
    told.gp.writes(Writes::Takes);
    told.writes_after(70, 0);
    assert_eq!((told.sent(), told.entries().len()), (2, 1));
    told.world.proves();
}

#[test]
fn without_if_none_exist_a_lost_task_waits_two_minutes_as_well() {
    let told = Told::with(", write_task = true", Writes::Drops, 1);
    let posted = || told.gp.asked("POST /Task") - told.gp.asked("POST /Task/_search");
    assert_eq!((posted(), told.gp.all("Task").len()), (1, 0));
    told.gp.writes(Writes::Takes);
    for seconds in [60, 115] {
        let said = told.writes_after(seconds, 1);
        assert!(said.contains(NOT_SETTLED), "{seconds} s: {said}");
        assert_eq!(posted(), 1, "{seconds} s");
    }
    told.writes_after(140, 0);
    assert_eq!((posted(), told.gp.all("Task").len()), (2, 1));
    told.world.proves();
}

#[test]
fn a_claim_whose_run_died_waits_two_minutes_from_when_it_was_found() {
    let told = Told::new().came();
    told.gp.heeds(false);
    told.gp.writes(Writes::Hangs);
    told.is_after(60);
    let run = Process::start_silent(&mut told.world.home.command(&BACK));
    while told.gp.asked(CREATE) == told.gp.asked("POST /Observation/_search") {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    drop(run);
    told.gp.writes(Writes::Takes);
    let before = told.sent();
    // Ten minutes later nobody knows when it died.
    for seconds in [660, 700, 775] {
        told.writes_after(seconds, 1);
        assert_eq!(
            (told.sent(), told.entries().len()),
            (before, 0),
            "{seconds} s"
        );
    }
    told.writes_after(800, 0);
    assert_eq!((told.sent(), told.entries().len()), (before + 1, 1));
    told.world.proves();
}

#[test]
fn what_was_stored_silently_is_read_back_before_it_counts() {
    let told = Told::new().came();
    told.gp.writes(Writes::TakesSilently);
    told.writes_after(60, 0);
    assert_eq!(told.gp.asked("GET /Observation/"), 1);
    // Where another's entry lies nothing is confirmed, and the practice is asked.
    let row = told.world.row_of("Anna Beech");
    let again = [(row, ended(2, "Finished"))];
    told.world.partner_returns("elm", "returns 2.csv", &again);
    told.gp.writes(Writes::Misplaces);
    told.writes_after(120, 1);
    let held = told.world.held("identity-changed");
    assert_eq!(held.len(), 1);
    assert_eq!(held[0]["owner"], "practice");
    told.world.proves();
}

#[test]
fn what_is_of_a_partner_whose_file_is_gone_waits_until_it_is_back() {
    let told = Told::new().came();
    told.is_after(60);
    told.world.kith(&["run", "--once", "collect", "match"], 0);
    let file = told.world.home.below("mappings/partners/elm.toml");
    let away = told.world.home.below("elm.toml");
    std::fs::rename(&file, &away).unwrap();
    for _ in 0..2 {
        told.world.kith(&["run", "--once", "push"], 1);
        let held = told.world.held("partner-disabled");
        assert_eq!(held.len(), 1);
        assert_eq!((told.sent(), &held[0]["owner"]), (0, &Value::from("it")));
    }
    std::fs::rename(&away, &file).unwrap();
    told.world.kith(&["run", "--once", "push"], 0);
    assert_eq!((told.sent(), told.entries().len()), (1, 1));
    assert!(told.world.held("partner-disabled").is_empty());
    told.world.proves();
}

#[test]
fn what_is_about_a_person_without_a_record_of_their_own_is_the_practices() {
    let [mut person, mut request] = referral(2, "Ben", "Beech", "elm");
    person["id"] = Value::from("p");
    request["contained"] = Value::from(vec![person]);
    request["subject"]["reference"] = Value::from("#p");
    let told = Told::new();
    told.world
        .home
        .write("extracts/b.ndjson", ndjson(&[request]));
    told.is_after(30);
    told.world.kith(&["run", "--once"], 0);
    let row = told.world.row_of("Ben Beech");
    let back = [(row, came(3, "Y"))];
    told.world.partner_returns("elm", "returns.csv", &back);
    told.writes_after(60, 1);
    let held = told.world.held("no-patient");
    assert_eq!((held.len(), told.sent()), (1, 0));
    assert_eq!(held[0]["owner"], "practice");
    told.world.proves();
}

#[test]
fn what_a_server_does_not_take_is_said_by_the_run_and_by_status() {
    // What it asks to wait with is nobody's but the machine's; what it refuses for good is somebody's to look at.
    for (refused, code, begins, ends) in [
        (
            429,
            "PUSH-003",
            "Needs somebody today: the last run, ",
            ", could not reach everything (PUSH-003): kith explain PUSH-003",
        ),
        (
            422,
            "PUSH-001",
            "Needs somebody today: 1 question waits for IT (refused), the oldest since ",
            ": kith held list --owner it",
        ),
    ] {
        let told = Told::new().came();
        told.gp.writes(Writes::Refuses(refused));
        told.is_after(60);
        let ran = told.world.kith(&["run", "--once"], 1);
        assert!(ran.stderr.contains(code), "{refused}: {}", ran.stderr);
        told.is_after(90);
        told.says(1, begins, ends);
        told.gp.writes(Writes::Takes);
        if refused == 429 {
            told.is_after(120);
            told.world.kith(&["run", "--once"], 0);
            told.is_after(150);
            told.says(0, CALM, "");
        }
        told.world.proves();
    }
}

#[test]
fn a_correction_that_is_refused_for_good_is_said_as_the_practices() {
    let told = Told::new().came();
    told.writes_after(60, 0);
    let row = told.world.row_of("Anna Beech");
    let changed = [(row, came(3, "N"))];
    told.world.partner_returns("elm", "returns 2.csv", &changed);
    told.gp.writes(Writes::Refuses(412));
    told.is_after(120);
    told.world.kith(&["run", "--once"], 1);
    told.is_after(150);
    let begins =
        "Needs somebody today: 1 question waits for the practice (correction), the oldest since ";
    told.says(1, begins, ": kith held list --owner practice");
    // It is not sent again.
    let puts = told.gp.asked("PUT");
    told.is_after(180);
    told.world.kith(&["run", "--once"], 1);
    assert_eq!((puts, told.gp.asked("PUT")), (1, 1));
    told.world.proves();
}
