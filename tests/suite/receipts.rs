//! Receipts where a run died between what it recorded and what it answered: the next one answers, and a row that is still to be
//! mended is told again. And receipts of people to whom something happened: they say nothing of it.

use std::fs;

use serde_json::{Value, json};

use super::support::case::Case;
use super::support::home::files_in;
use super::support::mender::OpenReceipt;
use super::support::partner_file::PartnerFile;
use super::support::people::{day, referral};
use super::support::source::Source;
use super::support::world::{Answers, Row, World, came, later};

#[test]
fn a_receipt_that_was_cut_off_is_made_whole_and_keeps_what_is_to_be_mended() {
    for lost in [&["csv", "json"][..], &["csv"], &["json"]] {
        let case = Case::well();
        let row = case.world.row_of("Anna Beech");
        let told = [(row.clone(), came(3, "Y")), (row, came(2, "Q"))];
        case.world.partner_returns("elm", "returns.csv", &told);
        let case = case.ran(1);
        let receipts = case.world.home.below("var/partners/elm/out/receipts");
        let first = fs::read_to_string(receipts.join("returns.receipt.csv")).unwrap();
        let wrong = "\"Row 3, \"\"Attended?\"\": We do not know this answer\",\"Use one of the agreed words";
        assert!(
            first.contains("Taken in") && first.contains(wrong),
            "{first}"
        );
        // As if the run had died there: the file was not moved, and what came after was not written.
        let elm = |path: &str| case.world.home.below(&format!("var/partners/elm/{path}"));
        fs::rename(elm("in/done/returns.csv"), elm("in/returns.csv")).unwrap();
        for ending in lost {
            fs::remove_file(receipts.join(format!("returns.receipt.{ending}"))).unwrap();
        }
        case.world.home.ran(&["run", "--once"], 1);
        assert!(!elm("in/returns.csv").exists(), "{lost:?}");
        // Some number has both forms, and the form for people says what to mend.
        let names: Vec<String> = files_in(&receipts)
            .iter()
            .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
            .collect();
        let stem = |name: &String| name.strip_suffix(".receipt.json").map(str::to_owned);
        let whole: Vec<String> = names
            .iter()
            .filter_map(stem)
            .filter(|stem| names.contains(&format!("{stem}.receipt.csv")))
            .collect();
        assert_eq!(whole.len(), 1, "{names:?}");
        let again = receipts.join(format!("{}.receipt.csv", whole[0]));
        let again = fs::read_to_string(again).unwrap();
        assert!(again.contains("Taken in before"), "{again}");
        assert!(again.contains(wrong), "{again}");
        // A run more changes nothing.
        let before = names.len();
        case.world.home.ran(&["run", "--once"], 1);
        assert_eq!(files_in(&receipts).len(), before);
        case.world.proves();
    }
}

/// What a receipt says of each person, by name: the result alone.
fn results(world: &World, stem: &str) -> Vec<(String, String)> {
    let path = format!("var/partners/elm/out/receipts/{stem}.receipt.csv");
    let receipt = OpenReceipt::open(&fs::read(world.home.below(&path)).unwrap());
    let name = receipt.heading.iter().position(|name| name == "Name");
    let mut results: Vec<(String, String)> = receipt
        .rows
        .into_iter()
        .map(|row| (row[name.unwrap()].clone(), row[..3].join("|")))
        .collect();
    results.sort();
    results
}

#[test]
#[expect(clippy::too_many_lines, reason = "one story of four people")]
fn what_happened_to_a_person_is_never_told_by_the_receipt_of_a_row() {
    let source =
        Source::folder("gp", "extracts").push("{ kind = \"folder\", path = \"var/gp-import\" }");
    let mut world = World::of(&[source], &[PartnerFile::of("elm")]);
    let names = ["Alive", "Died", "Labelled", "Moved"];
    let people: Vec<[Value; 2]> = (1..)
        .zip(names)
        .map(|(n, name)| referral(n, name, "Beech", "elm"))
        .collect();
    world.gp_refers(&people.concat());
    world.runs();
    let rows: Vec<Row> = names
        .iter()
        .map(|name| world.row_of(&format!("{name} Beech")))
        .collect();
    let changed = [
        json!({"deceasedBoolean": true}),
        json!({"meta": {"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}]}}),
        json!({"active": false}),
    ];
    let changed = people[1..]
        .iter()
        .zip(changed)
        .map(|([patient, _], change)| {
            let mut patient = patient.clone();
            for (key, value) in change.as_object().unwrap() {
                patient[key] = value.clone();
            }
            let labels = patient["meta"]["security"].clone();
            let mut patient = later(patient);
            if !labels.is_null() {
                patient["meta"]["security"] = labels;
            }
            patient
        });
    let changed: Vec<Value> = changed.collect();
    world.gp_refers(&changed);
    world.runs();
    let told = |days_ago: i64| {
        let told = rows.iter().map(|row| (row.clone(), came(days_ago, "Y")));
        told.collect::<Vec<(Row, Answers)>>()
    };
    let all_alike = |world: &World, stem: &str, result: &str| {
        let expected = names.map(|name| (format!("{name} Beech"), format!("{result}||")));
        assert_eq!(results(world, stem), expected, "{stem}");
    };
    world.partner_returns("elm", "returns 1.csv", &told(1));
    world.runs();
    all_alike(&world, "returns 1", "Taken in");
    // They stop, and tell of a day after that.
    let stopped = rows.iter().skip(1);
    let stopped: Vec<(Row, Answers)> = stopped
        .map(|row| (row.clone(), vec![("Stopped?", "Y".to_owned())]))
        .collect();
    world.partner_returns("elm", "returns 2.csv", &stopped);
    world.runs();
    let in_three_days = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(72);
    world.home.is_at(&in_three_days.to_string());
    world.partner_returns("elm", "returns 3.csv", &told(-2));
    world.runs();
    all_alike(&world, "returns 3", "Taken in");
    let asked = world.held("after-close");
    assert!(
        !asked.is_empty(),
        "the practice is asked about a day after the end"
    );
    assert!(asked.iter().all(|hold| hold["owner"] == "practice"));
    // Told again, nothing more is asked, and nothing else is said.
    let mut again = told(-2);
    again.reverse();
    world.partner_returns("elm", "returns 4.csv", &again);
    world.runs();
    all_alike(&world, "returns 4", "Taken in before");
    assert_eq!(world.held("after-close").len(), asked.len());
    let written: String = files_in(&world.home.below("var/gp-import"))
        .iter()
        .map(|file| fs::read_to_string(file).unwrap())
        .collect();
    let after = day(2).to_string();
    let of_whom = |n: u32| {
        let mut lines = written.lines();
        lines.any(|line| line.contains(&format!("person-{n}\"")) && line.contains(&after))
    };
    assert!(
        of_whom(1) && !of_whom(2),
        "nothing of a day after a death is written"
    );
    world.proves();
}

#[test]
fn a_return_is_known_by_its_number_and_by_the_name_under_which_it_lies() {
    let case = Case::well();
    let world = &case.world;
    let row = world.row_of("Anna Beech");
    // Two of one name: the second is put away under another.
    for (days_ago, said) in [(3, "Y"), (2, "Q")] {
        let told = [(row.clone(), came(days_ago, said))];
        world.partner_returns("elm", "returns.csv", &told);
        world.runs();
    }
    let held = |of: &str| {
        let held = world.says(&["held", "list", "--return", of]);
        held.as_array().unwrap().len()
    };
    assert_eq!((held("returns.csv"), held("returns (2).csv")), (0, 1));
    let number = world.says(&["held", "list"])[0]["return"].to_string();
    assert_eq!(held(&number), 1);
    let receipt = world
        .home
        .below("var/partners/elm/out/receipts/returns (2).receipt.csv");
    let receipt = fs::read_to_string(receipt).unwrap();
    assert!(receipt.contains(&format!("The number of this receipt is {number}.")));
    let undo = |of: &str| {
        let by = ["undo", of, "--by", "A. Name", "--because", "a test"];
        world.kith(&by, 0).stdout
    };
    assert!(undo("returns (2).csv").starts_with("Nothing of return"));
    assert!(undo("returns.csv").contains("1 events"));
    let none = ["held", "list", "--return", "../returns.csv"];
    assert!(
        world
            .home
            .kith(&none)
            .stderr
            .contains("no return came under this name")
    );
}
