//! What comes back stands in the record once, follows its corrections, and can be taken back.
//!
//! The GP system is `kith sandbox`: it has transactions, versions and `If-None-Exist`. Its clock is the machine's.

use serde_json::{Value, json};

use super::support::partner_file::PartnerFile;
use super::support::people::{day, referral};
use super::support::shared;
use super::support::validator::assert_no_errors;
use super::support::workload::text;
use super::support::world::{Row, World, came, held};

/// The people at the one partner.
const PEOPLE: [&str; 2] = ["Anna", "Ben"];
/// A row that the partner sends back: whose it is, how many days ago, attended, outcome, mistake.
type Told<'t> = (usize, i64, &'t str, &'t str, &'t str);

/// Both people were sent, and the GP system is written to in this way.
fn world_pushing(push: &str) -> World {
    let people = (1..).zip(PEOPLE);
    let records: Vec<Value> = people
        .flat_map(|(n, given)| referral(n, given, "Beech", "elm"))
        .collect();
    let withdrawn = r#"withdrawn = { column = "Mistake?", values = ["X"] }"#;
    let elm = PartnerFile::of("elm").with("collect", withdrawn);
    let mut world = World::of_gp(&[elm], &records);
    world.source(|source| source.push(push));
    world.kith(&["run", "--once"], 0);
    assert_eq!(world.rows().len(), PEOPLE.len());
    world
}

/// A return, and a run of the loop.
fn returns(world: &World, file: &str, rows: &[Told]) {
    puts(world, file, rows);
    world.runs();
}

/// A return.
fn puts(world: &World, file: &str, rows: &[Told]) {
    let told = rows.iter().map(|&(who, ago, attended, outcome, mistake)| {
        let mut answers = came(ago, attended);
        answers.push(("Outcome", outcome.to_owned()));
        answers.push(("Mistake?", mistake.to_owned()));
        (row(world, who), answers)
    });
    world.partner_returns("elm", file, &told.collect::<Vec<_>>());
}

fn row(world: &World, who: usize) -> Row {
    world.row_of(&format!("{} Beech", PEOPLE[who]))
}

/// The Observations about a person: status, value, version.
fn observations(world: &World, who: usize) -> Vec<[String; 3]> {
    let about = format!("Patient/person-{}", who + 1);
    let mut all = world.gp_has("Observation");
    all.retain(|one| one["subject"]["reference"] == about.as_str());
    let paths = [
        "/status",
        "/valueCodeableConcept/coding/0/code",
        "/meta/versionId",
    ];
    texts(&all, paths)
}

/// The texts at these places of each resource, sorted.
fn texts(resources: &[Value], paths: [&str; 3]) -> Vec<[String; 3]> {
    let of = |one: &Value, path| text(one.pointer(path).unwrap_or(&Value::Null)).to_owned();
    let mut texts: Vec<[String; 3]> = resources
        .iter()
        .map(|one| paths.map(|path| of(one, path)))
        .collect();
    texts.sort();
    texts
}

fn proves(world: &World) {
    world.proves();
    world.kith(&["prove", "--online"], 0);
}

/// What the server has of ours now is without an error.
fn validates(world: &World, test: &str) {
    let Some(shared) = shared::folder(&format!("write_back::{test}, validated")) else {
        return;
    };
    let mut written = world.gp_has("Observation");
    written.extend(world.gp_has("Task"));
    assert_no_errors(&shared, written);
}

/// Why anything waits, sorted.
fn reasons(world: &World) -> Vec<String> {
    let held = held(&world.says(&["status"]));
    let mut reasons: Vec<String> = held
        .iter()
        .map(|hold| text(&hold["reason"]).to_owned())
        .collect();
    reasons.sort();
    reasons
}

fn said(rows: &[[&str; 3]]) -> Vec<[String; 3]> {
    rows.iter().map(|row| row.map(str::to_owned)).collect()
}

#[test]
fn a_changed_answer_amends_its_observation_and_a_mistake_enters_it_in_error() {
    let mut world = world_pushing("{ kind = \"fhir\" }");
    returns(
        &world,
        "returns 1.csv",
        &[(0, 3, "Y", "", ""), (1, 3, "Y", "", "")],
    );
    assert_eq!(observations(&world, 0), said(&[["final", "attended", "1"]]));
    // What the practice adds to the entry stays, whatever we change.
    let mut own = world.gp_has("Observation");
    own.retain(|one| one["subject"]["reference"] == "Patient/person-1");
    let mut noted = own.remove(0);
    noted["bodySite"] = json!({"text": "added by the practice"});
    world.gp_refers(&[noted.clone()]);

    returns(
        &world,
        "returns 2.csv",
        &[(0, 3, "N", "", ""), (1, 3, "Y", "", "")],
    );
    let amended = said(&[["amended", "did-not-attend", "3"]]);
    assert_eq!(observations(&world, 0), amended);
    assert_eq!(observations(&world, 1), said(&[["final", "attended", "1"]]));
    let all = world.gp_has("Observation");
    assert!(all.iter().any(|one| one["bodySite"] == noted["bodySite"]));
    // The same sheet with other bytes changes nothing; nor does running again.
    returns(
        &world,
        "returns 3.csv",
        &[(1, 3, "Y", "", ""), (0, 3, "N", "", "")],
    );
    world.runs();
    assert_eq!(observations(&world, 0), amended);

    returns(&world, "returns 4.csv", &[(0, 3, "N", "", "X")]);
    let gone = said(&[["entered-in-error", "did-not-attend", "4"]]);
    assert_eq!(observations(&world, 0), gone);
    returns(
        &world,
        "returns 5.csv",
        &[(0, 3, "N", "", "X"), (1, 3, "Y", "", "")],
    );
    assert_eq!(observations(&world, 0), gone, "taken back once");
    returns(&world, "returns 6.csv", &[(0, 3, "Y", "", "")]);
    // Word for word what an earlier sheet said and later ones changed: an older sheet, or a change of mind, and so a question.
    assert_eq!(observations(&world, 0), gone, "an older word is no new one");
    assert_eq!(reasons(&world), ["conflict-copy"]);
    proves(&world);
    validates(
        &world,
        "a_changed_answer_amends_its_observation_and_a_mistake_enters_it_in_error",
    );
}

#[test]
fn a_return_that_is_undone_leaves_none_of_its_entries_and_nothing_else_is_touched() {
    let world = world_pushing("{ kind = \"fhir\" }");
    returns(
        &world,
        "returns 1.csv",
        &[(0, 5, "Y", "", ""), (1, 5, "Y", "", "")],
    );
    let second = [
        (0, 4, "Y", "", ""),
        (0, 5, "N", "", ""),
        (1, 3, "N", "Finished", ""),
    ];
    returns(&world, "returns 2.csv", &second);
    assert_eq!(observations(&world, 0).len(), 2);
    assert_eq!(observations(&world, 1).len(), 3);
    let undo = || {
        let arguments = ["undo", "returns 2.csv", "--by", "J. Test"];
        let because = ["--because", "sent by mistake"];
        world.kith(&[&arguments[..], &because].concat(), 0).stdout
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
        assert_eq!(observations(&world, 0), anna, "as the first return told it");
        let ben = said(&[
            ["entered-in-error", "completed", "2"],
            ["entered-in-error", "did-not-attend", "2"],
            ["final", "attended", "1"],
        ]);
        assert_eq!(observations(&world, 1), ben);
    }
    assert_eq!(
        reasons(&world),
        ["undone"],
        "the practice is asked how it ended"
    );
    let trace = world.says(&["trace", &row(&world, 1)["Our ref"]]);
    assert_eq!(trace["state"], "completed", "what has ended stays ended");
    // A file that was undone is judged again when it comes again.
    returns(&world, "returns 2 again.csv", &second);
    let anna = said(&[
        ["amended", "attended", "3"],
        ["amended", "did-not-attend", "4"],
    ]);
    assert_eq!(observations(&world, 0), anna);
    proves(&world);
    validates(
        &world,
        "a_return_that_is_undone_leaves_none_of_its_entries_and_nothing_else_is_touched",
    );
    world.kith(&["undo", "99", "--by", "x", "--because", "y"], 2);
}

#[test]
fn the_task_follows_the_referral_and_is_there_once() {
    let push = "{ kind = \"fhir\", write_task = true, write_request_status = true }";
    let world = world_pushing(push);
    let tasks = || {
        let paths = ["/for/reference", "/status", "/businessStatus/coding/0/code"];
        texts(&world.gp_has("Task"), paths)
    };
    let (anna, ben) = ("Patient/person-1", "Patient/person-2");
    let sent = said(&[[anna, "requested", "sent"], [ben, "requested", "sent"]]);
    assert_eq!(tasks(), sent, "as soon as the partner has been sent them");
    returns(
        &world,
        "returns 1.csv",
        &[(0, 4, "", "Taken on", ""), (1, 4, "Y", "", "")],
    );
    let begun = said(&[
        [anna, "accepted", "accepted"],
        [ben, "in-progress", "attending"],
    ]);
    assert_eq!(tasks(), begun);
    returns(
        &world,
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
    let all = world.gp_has("Task");
    let done = all.iter().find(|task| task["status"] == "completed");
    let outputs = done.and_then(|task| task["output"].as_array()).unwrap();
    assert_eq!(outputs.len(), 3, "accepted, attended, completed");
    let ids: Vec<String> = world
        .gp_has("Observation")
        .iter()
        .map(|one| format!("Observation/{}", text(&one["id"])))
        .collect();
    for output in outputs {
        let named = text(&output["valueReference"]["reference"]);
        assert!(ids.iter().any(|id| id == named), "{named}");
    }
    let requests = world.gp_has("ServiceRequest");
    let status = |id: &str| {
        let found = requests.iter().find(|one| one["id"] == id);
        found.map(|one| text(&one["status"]).to_owned())
    };
    assert_eq!(status("request-1").as_deref(), Some("completed"));
    assert_eq!(status("request-2").as_deref(), Some("active"));
    proves(&world);
    validates(&world, "the_task_follows_the_referral_and_is_there_once");
}

#[test]
fn nothing_is_written_about_somebody_who_has_died_or_moved_on() {
    let mut world = world_pushing("{ kind = \"fhir\" }");
    let [mut anna, _] = referral(1, "Anna", "Beech", "elm");
    anna["identifier"][0]["value"] = json!("9000000009");
    let [mut ben, _] = referral(2, "Ben", "Beech", "elm");
    ben["active"] = json!(false);
    world.gp_refers(&[anna, ben]);
    // Only push looks: the referrals are not read again in between.
    puts(
        &world,
        "returns 1.csv",
        &[(0, 3, "Y", "", ""), (1, 3, "Y", "", "")],
    );
    for _ in 0..2 {
        // Somebody must decide.
        world.kith(&["run", "--once", "collect", "match", "push"], 1);
        assert_eq!(world.gp_has("Observation").len(), 0);
        assert_eq!(reasons(&world), ["identity-changed", "moved-practice"]);
    }
    // Put right at the practice: what waited goes by itself, and nobody is asked any more.
    let [anna, _] = referral(1, "Anna", "Beech", "elm");
    world.gp_refers(&[anna]);
    world.kith(&["run", "--once", "push"], 1);
    assert_eq!(observations(&world, 0), said(&[["final", "attended", "1"]]));
    assert_eq!(reasons(&world), ["moved-practice"]);
    world.proves();
}

#[test]
fn a_month_is_counted_once_when_it_is_over_and_again_when_it_is_put_right() {
    let world = world_pushing("{ kind = \"fhir\", volume = \"counts\" }");
    // The last days of the month that is over, and today; a referral may be answered 28 days back from its own day.
    let counts = || {
        let mut counts: Vec<(String, i64, String)> = world
            .gp_has("Observation")
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
    returns(&world, "returns 1.csv", &rows);
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
    returns(&world, "returns 2.csv", &corrected);
    assert_eq!(counts(), final_(1, 2, "amended"));
    world.runs();
    assert_eq!(counts(), final_(1, 2, "amended"));
    proves(&world);
}
