//! What comes back stands in the record once, follows its corrections, and can be taken back.
//!
//! The GP system is `kith sandbox`: it has transactions, versions and `If-None-Exist`. Its clock is the machine's.

use serde_json::{Value, json};

use super::support::home::Home;
use super::support::partner_file::PartnerFile;
use super::support::people::{Sandbox, day, install, ndjson, referral, written};
use super::support::shared;
use super::support::source::Source;
use super::support::table::{self, Layout, Table};
use super::support::validator::assert_no_errors;
use super::support::workload::text;

const HEADER: [&str; 8] = [
    "Our ref",
    "Check",
    "Name",
    "Date seen",
    "Attended?",
    "Outcome",
    "Stopped?",
    "Mistake?",
];

/// Two people at one partner, and the GP system that is written to.
struct World {
    home: Home,
    sandbox: Sandbox,
    /// Reference, check and name of each, by name.
    sent: Vec<[String; 3]>,
}

impl World {
    fn new(push: &str) -> Self {
        let home = Home::new();
        let mut resources = Vec::new();
        for (n, given) in (1..).zip(["Anna", "Ben"]) {
            resources.extend(referral(n, given, "Beech", "elm"));
        }
        home.write("data/world.ndjson", ndjson(&resources));
        let sandbox = Sandbox::start(&home, "data");
        let source = Source::searched("hilltop", &sandbox.fhir.base).push(push);
        let withdrawn = r#"withdrawn = { column = "Mistake?", values = ["X"] }"#;
        let elm = PartnerFile::of("elm").with("collect", withdrawn);
        install(&home, &[source], &[elm]);
        home.kith(&["run", "--once"]).expect_code(0);
        let drops = home.drops("elm");
        let table = table::read(&drops[0], Layout::COMMA);
        let mut sent: Vec<[String; 3]> = table
            .rows
            .into_iter()
            .map(|row| [row[0].clone(), row[1].clone(), row[3].clone()])
            .collect();
        sent.sort_by(|one, other| one[2].cmp(&other[2]));
        assert_eq!(sent.len(), 2);
        Self {
            home,
            sandbox,
            sent,
        }
    }

    /// A return, and a run of the loop.
    fn returns(&self, file: &str, rows: &[(usize, i64, &str, &str, &str)]) {
        self.puts(file, rows);
        self.runs();
    }

    /// A return: whose row, how many days ago, attended, outcome, mistake.
    fn puts(&self, file: &str, rows: &[(usize, i64, &str, &str, &str)]) {
        let rows = rows
            .iter()
            .map(|(who, ago, attended, outcome, mistake)| {
                let [reference, check, name] = self.sent[*who].clone();
                let seen = written(day(-ago));
                let told = [*attended, *outcome, "", *mistake].map(str::to_owned);
                let mut row = vec![reference, check, name, seen];
                row.extend(told);
                row
            })
            .collect();
        let header = HEADER.map(str::to_owned).to_vec();
        let content = table::write(&Table { header, rows }, Layout::COMMA);
        self.home.put_return("elm", file, &content);
    }

    fn runs(&self) -> Value {
        let ran = self.home.kith(&["run", "--once", "--json"]);
        assert!(matches!(ran.code, 0 | 1), "{}\n{}", ran.code, ran.stderr);
        ran.json()
    }

    /// The Observations about a person: status, value, version.
    fn observations(&self, who: usize) -> Vec<[String; 3]> {
        let about = format!("Patient/person-{}", who + 1);
        let mut said: Vec<[String; 3]> = self
            .sandbox
            .fhir
            .all("Observation")
            .iter()
            .filter(|one| one["subject"]["reference"] == about.as_str())
            .map(|one| {
                [
                    text(&one["status"]).to_owned(),
                    text(&one["valueCodeableConcept"]["coding"][0]["code"]).to_owned(),
                    text(&one["meta"]["versionId"]).to_owned(),
                ]
            })
            .collect();
        said.sort();
        said
    }

    fn proves(&self) {
        self.home.kith(&["prove"]).expect_code(0);
        self.home.kith(&["prove", "--online"]).expect_code(0);
    }

    /// What the server has of ours now is without an error.
    fn validates(&self, test: &str) {
        let Some(shared) = shared::folder(&format!("write_back::{test}, validated")) else {
            return;
        };
        let mut written = self.sandbox.fhir.all("Observation");
        written.extend(self.sandbox.fhir.all("Task"));
        assert_no_errors(&shared, written);
    }

    fn held(&self) -> Vec<String> {
        let status = self.home.kith(&["status", "--json"]).json();
        let held = status["held"].as_array().expect("held").clone();
        held.iter()
            .map(|hold| text(&hold["reason"]).to_owned())
            .collect()
    }
}

fn said(rows: &[[&str; 3]]) -> Vec<[String; 3]> {
    rows.iter().map(|row| row.map(str::to_owned)).collect()
}

#[test]
fn a_changed_answer_amends_its_observation_and_a_mistake_enters_it_in_error() {
    let world = World::new("{ kind = \"fhir\" }");
    world.returns("returns 1.csv", &[(0, 3, "Y", "", ""), (1, 3, "Y", "", "")]);
    assert_eq!(world.observations(0), said(&[["final", "attended", "1"]]));
    // What the practice adds to the entry stays, whatever we change.
    let mut own = world.sandbox.fhir.all("Observation");
    own.retain(|one| one["subject"]["reference"] == "Patient/person-1");
    let mut noted = own.remove(0);
    noted["bodySite"] = json!({"text": "added by the practice"});
    world.sandbox.fhir.put(&noted);

    world.returns("returns 2.csv", &[(0, 3, "N", "", ""), (1, 3, "Y", "", "")]);
    let amended = said(&[["amended", "did-not-attend", "3"]]);
    assert_eq!(world.observations(0), amended);
    assert_eq!(world.observations(1), said(&[["final", "attended", "1"]]));
    let all = world.sandbox.fhir.all("Observation");
    assert!(all.iter().any(|one| one["bodySite"] == noted["bodySite"]));
    // The same sheet with other bytes changes nothing; nor does running again.
    world.returns("returns 3.csv", &[(1, 3, "Y", "", ""), (0, 3, "N", "", "")]);
    world.runs();
    assert_eq!(world.observations(0), amended);

    world.returns("returns 4.csv", &[(0, 3, "N", "", "X")]);
    let gone = said(&[["entered-in-error", "did-not-attend", "4"]]);
    assert_eq!(world.observations(0), gone);
    world.returns(
        "returns 5.csv",
        &[(0, 3, "N", "", "X"), (1, 3, "Y", "", "")],
    );
    assert_eq!(world.observations(0), gone, "taken back once");
    world.returns("returns 6.csv", &[(0, 3, "Y", "", "")]);
    let again = said(&[["amended", "attended", "5"]]);
    assert_eq!(world.observations(0), again, "told again after all");
    world.proves();
    world.validates("a_changed_answer_amends_its_observation_and_a_mistake_enters_it_in_error");
}

#[test]
fn a_return_that_is_undone_leaves_none_of_its_entries_and_nothing_else_is_touched() {
    let world = World::new("{ kind = \"fhir\" }");
    world.returns("returns 1.csv", &[(0, 5, "Y", "", ""), (1, 5, "Y", "", "")]);
    let second = [
        (0, 4, "Y", "", ""),
        (0, 5, "N", "", ""),
        (1, 3, "N", "Finished", ""),
    ];
    world.returns("returns 2.csv", &second);
    assert_eq!(world.observations(0).len(), 2);
    assert_eq!(world.observations(1).len(), 3);
    let undo = || {
        let arguments = ["undo", "returns 2.csv", "--by", "J. Test"];
        let because = ["--because", "sent by mistake"];
        let ran = world.home.kith(&[&arguments[..], &because[..]].concat());
        ran.expect_code(0).stdout
    };
    let first = undo();
    assert!(first.contains("4 events, 4 entries"), "{first}");
    assert!(undo().starts_with("Nothing of return"), "twice is once");
    for _ in 0..2 {
        world.runs();
        let anna = said(&[
            ["amended", "attended", "3"],
            ["entered-in-error", "attended", "2"],
        ]);
        assert_eq!(world.observations(0), anna, "as the first return told it");
        let ben = said(&[
            ["entered-in-error", "completed", "2"],
            ["entered-in-error", "did-not-attend", "2"],
            ["final", "attended", "1"],
        ]);
        assert_eq!(world.observations(1), ben);
    }
    assert_eq!(
        world.held(),
        ["undone"],
        "the practice is asked how it ended"
    );
    let trace = world
        .home
        .kith(&["trace", &world.sent[1][0], "--json"])
        .json();
    assert_eq!(trace["state"], "completed", "what has ended stays ended");
    // The bytes of the undone file are known; only another sheet tells anything new.
    world.returns("returns 2 again.csv", &second);
    assert_eq!(world.observations(0)[1][0], "entered-in-error");
    world.proves();
    world.validates(
        "a_return_that_is_undone_leaves_none_of_its_entries_and_nothing_else_is_touched",
    );
    world
        .home
        .kith(&["undo", "99", "--by", "x", "--because", "y"])
        .expect_code(2);
}

#[test]
fn the_task_follows_the_referral_and_is_there_once() {
    let push = "{ kind = \"fhir\", write_task = true, write_request_status = true }";
    let world = World::new(push);
    let tasks = || {
        let mut tasks: Vec<[String; 3]> = world
            .sandbox
            .fhir
            .all("Task")
            .iter()
            .map(|task| {
                [
                    text(&task["for"]["reference"]).to_owned(),
                    text(&task["status"]).to_owned(),
                    text(&task["businessStatus"]["coding"][0]["code"]).to_owned(),
                ]
            })
            .collect();
        tasks.sort();
        tasks
    };
    let (anna, ben) = ("Patient/person-1", "Patient/person-2");
    let sent = said(&[[anna, "requested", "sent"], [ben, "requested", "sent"]]);
    assert_eq!(tasks(), sent, "as soon as the partner has been sent them");
    world.returns(
        "returns 1.csv",
        &[(0, 4, "", "Taken on", ""), (1, 4, "Y", "", "")],
    );
    let begun = said(&[
        [anna, "accepted", "accepted"],
        [ben, "in-progress", "attending"],
    ]);
    assert_eq!(tasks(), begun);
    world.returns(
        "returns 2.csv",
        &[(0, 3, "Y", "", ""), (0, 2, "", "Finished", "")],
    );
    for _ in 0..2 {
        let ended = said(&[
            [anna, "completed", "completed"],
            [ben, "in-progress", "attending"],
        ]);
        assert_eq!(tasks(), ended);
        world.runs();
    }
    let all = world.sandbox.fhir.all("Task");
    let done = all.iter().find(|task| task["status"] == "completed");
    let outputs = done.and_then(|task| task["output"].as_array()).unwrap();
    assert_eq!(outputs.len(), 3, "accepted, attended, completed");
    let ids: Vec<String> = world
        .sandbox
        .fhir
        .all("Observation")
        .iter()
        .map(|one| format!("Observation/{}", text(&one["id"])))
        .collect();
    for output in outputs {
        let named = text(&output["valueReference"]["reference"]);
        assert!(ids.iter().any(|id| id == named), "{named}");
    }
    let requests = world.sandbox.fhir.all("ServiceRequest");
    let status = |id: &str| {
        let found = requests.iter().find(|one| one["id"] == id);
        found.map(|one| text(&one["status"]).to_owned())
    };
    assert_eq!(status("request-1").as_deref(), Some("completed"));
    assert_eq!(status("request-2").as_deref(), Some("active"));
    world.proves();
    world.validates("the_task_follows_the_referral_and_is_there_once");
}

#[test]
fn nothing_is_written_about_somebody_who_has_died_or_moved_on() {
    let world = World::new("{ kind = \"fhir\" }");
    let [mut anna, _] = referral(1, "Anna", "Beech", "elm");
    anna["identifier"][0]["value"] = json!("9000000009");
    world.sandbox.fhir.put(&anna);
    let [mut ben, _] = referral(2, "Ben", "Beech", "elm");
    ben["active"] = json!(false);
    world.sandbox.fhir.put(&ben);
    // Only push looks: the referrals are not read again in between.
    world.puts("returns 1.csv", &[(0, 3, "Y", "", ""), (1, 3, "Y", "", "")]);
    for _ in 0..2 {
        let ran = world
            .home
            .kith(&["run", "--once", "collect", "match", "push", "--json"]);
        assert_eq!(ran.code, 1, "somebody must decide\n{}", ran.stderr);
        assert_eq!(world.sandbox.fhir.all("Observation").len(), 0);
        let mut held = world.held();
        held.sort();
        assert_eq!(held, ["identity-changed", "moved-practice"]);
    }
    // Put right at the practice: what waited goes by itself, and nobody is asked any more.
    let [anna, _] = referral(1, "Anna", "Beech", "elm");
    world.sandbox.fhir.put(&anna);
    world.home.kith(&["run", "--once", "push"]).expect_code(1);
    assert_eq!(world.observations(0), said(&[["final", "attended", "1"]]));
    assert_eq!(world.held(), ["moved-practice"]);
    world.home.kith(&["prove"]).expect_code(0);
}

#[test]
fn a_month_is_counted_once_when_it_is_over_and_again_when_it_is_put_right() {
    let world = World::new("{ kind = \"fhir\", volume = \"counts\" }");
    // The last days of the month that is over, and today; a referral may be answered 28 days back from its own day.
    let counts = || {
        let mut counts: Vec<(String, i64, String)> = world
            .sandbox
            .fhir
            .all("Observation")
            .iter()
            .map(|one| {
                (
                    text(&one["code"]["coding"][0]["code"]).to_owned(),
                    one["valueQuantity"]["value"].as_i64().unwrap_or(-1),
                    text(&one["status"]).to_owned(),
                )
            })
            .collect();
        counts.sort();
        counts
    };
    let last = i64::from(day(0).day());
    let rows = [
        (0, last, "Y", "", ""),
        (0, last + 1, "Y", "", ""),
        (0, last + 2, "N", "", ""),
        (0, 0, "Y", "", ""),
    ];
    world.returns("returns 1.csv", &rows);
    let (came, missed) = ("298057009", "298058004");
    let final_ = |came_times, missed_times, status: &str| {
        vec![
            (came.to_owned(), came_times, status.to_owned()),
            (missed.to_owned(), missed_times, status.to_owned()),
        ]
    };
    assert_eq!(counts(), final_(2, 1, "final"), "this month is not over");
    let corrected = [
        (0, last, "N", "", ""),
        (0, last + 1, "Y", "", ""),
        (0, last + 2, "N", "", ""),
        (0, 0, "Y", "", ""),
    ];
    world.returns("returns 2.csv", &corrected);
    assert_eq!(counts(), final_(1, 2, "amended"));
    world.runs();
    assert_eq!(counts(), final_(1, 2, "amended"));
    world.proves();
}
