//! A receipt is mended as it says and sent back: everything is taken in, once, whether all of it comes back or the mended rows alone.

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;

use super::support::clashing::seeds;
use super::support::home::{files_in, snapshot};
use super::support::mender::OpenReceipt;
use super::support::mistakes::{BadSheet, HEADING, Truth, people_of, sheets};
use super::support::partner_file::PartnerFile;
use super::support::people::referral;
use super::support::source::Source;
use super::support::table::{self, Layout, Table};
use super::support::world::World;

/// People on each sheet, in the ordinary tests and in a campaign.
const EACH: usize = 3;
const EACH_OF_CAMPAIGN: usize = 40;
const PARTNER: &str = "elm";

/// How a receipt comes back.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sent {
    /// As it is, and mended once the second one has come.
    WholeAtSecond,
    /// The rows that were to be mended, without the words above.
    RowsAlone,
}

fn partner(id: &str) -> PartnerFile {
    PartnerFile::of(id)
        .shares(&["patient.name", "patient.phone", "referral.activity"])
        .column("Phone", "patient.phone")
        .event("kind = \"measure\"\ninstrument = \"ons4\"\noccasion = \"baseline\"\non = \"Scored on\"\nitems = { satisfaction = \"LS\", worthwhile = \"W\", happiness = \"H\", anxiety = \"A\" }")
        .event("kind = \"note\"\non = \"Date seen\"\ncolumn = \"Comments\"")
        .with("collect", "acknowledged = { column = \"Stopped?\", values = [\"Y\"] }")
}

fn each() -> usize {
    match std::env::var("KITH_TEST_SEED") {
        Ok(_) => EACH_OF_CAMPAIGN,
        Err(_) => EACH,
    }
}

/// An installation that has sent its people out.
fn sent_out() -> World {
    let source =
        Source::folder("gp", "extracts").push("{ kind = \"folder\", path = \"var/gp-import\" }");
    let world = World::of(&[source], &[partner(PARTNER), partner("oak")]);
    let people = (0..people_of(each())).map(|n| {
        let number = u32::try_from(n).unwrap() + 1;
        referral(
            number,
            &format!("Anna{}", letters(n)),
            &format!("Beech{}", letters(n * 7 + 3)),
            PARTNER,
        )
    });
    let strange = referral(0, "Zoe", "Strange", "oak");
    let records: Vec<Value> = people.flatten().chain(strange).collect();
    let text: String = records.iter().map(|record| format!("{record}\n")).collect();
    world.home.write("extracts/a.ndjson", text);
    world.runs();
    world
}

/// A number as letters, so that no two people have names alike.
fn letters(mut n: usize) -> String {
    let mut text = String::new();
    loop {
        text.push(char::from(b'a' + u8::try_from(n % 26).unwrap()));
        n /= 26;
        if n == 0 {
            return text;
        }
    }
}

fn bad_sheets(world: &World, seed: u64) -> Vec<BadSheet> {
    let (mut people, mut strange) = (Vec::new(), None);
    for row in world.rows() {
        if row["partner"] == PARTNER {
            people.push(row);
        } else {
            strange = Some(row);
        }
    }
    people.sort_by(|one, other| {
        one["Phone"]
            .cmp(&other["Phone"])
            .then(one["Name"].cmp(&other["Name"]))
    });
    sheets(&people, &strange.unwrap(), each(), seed)
}

/// What stands in the record, of each entry its newest word: by value, without what depends on when and under which name it came.
fn record(world: &World) -> Vec<String> {
    let mut newest: BTreeMap<String, Value> = BTreeMap::new();
    let mut files = files_in(&world.home.below("var/gp-import"));
    files.retain(|file| file.extension().is_some_and(|ending| ending == "ndjson"));
    files.sort();
    for file in files {
        for line in fs::read_to_string(file).unwrap().lines() {
            let entry: Value = serde_json::from_str(line).unwrap();
            let name = entry["identifier"][0]["value"].as_str().unwrap().to_owned();
            newest.insert(name, entry);
        }
    }
    let standing = newest.into_values();
    let standing = standing.filter(|entry| entry["status"] != "entered-in-error");
    let mut values: Vec<String> = standing.map(|entry| in_short(&entry)).collect();
    values.sort();
    values
}

/// Whose entry it is, of which day, about what, and its values.
fn in_short(entry: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let code = |of: &Value| text(&of["coding"][0]["code"]);
    let parts = entry["component"].as_array();
    let parts = parts.into_iter().flatten().map(|part| {
        let score = part["valueInteger"].as_i64();
        format!("{}={score:?}", code(&part["code"]))
    });
    let day = text(&entry["effectiveDateTime"]);
    let parts = parts.collect::<Vec<String>>().join(" ");
    let (who, word) = (
        text(&entry["subject"]["reference"]),
        code(&entry["valueCodeableConcept"]),
    );
    format!("{who} {day} {} {word} {parts}", code(&entry["code"]))
}

/// Fails with what is there too often and too seldom.
fn assert_record(world: &World, expected: &[String], why: &str) {
    let mut lost = expected.to_vec();
    let mut more = Vec::new();
    for value in record(world) {
        match lost.iter().position(|known| *known == value) {
            Some(at) => drop(lost.swap_remove(at)),
            None => more.push(value),
        }
    }
    assert!(
        lost.is_empty() && more.is_empty(),
        "{why}: lost {lost:#?}, more {more:#?}"
    );
}

/// The record of an installation where everything was right at once.
fn as_it_should_be(seed: u64) -> Vec<String> {
    let world = sent_out();
    for sheet in bad_sheets(&world, seed) {
        let rows = sheet.truth.values().map(|truth: &Truth| {
            let cell = |header: &&str| truth.get(*header).cloned().unwrap_or_default();
            HEADING.iter().map(cell).collect()
        });
        let header = HEADING.map(str::to_owned).to_vec();
        let table = Table {
            header,
            rows: rows.collect(),
        };
        world.home.put_return(
            PARTNER,
            &format!("{}.csv", sheet.name),
            &table::write(&table, Layout::COMMA),
        );
    }
    world.runs();
    let rejected = world.says(&["status"])["held"].as_array().unwrap().len();
    assert_eq!(rejected, 0, "nothing is held where nothing is wrong");
    record(&world)
}

/// A sheet that was sent, with what its rows should say.
struct SentSheet {
    stem: String,
    truth: BTreeMap<u64, Truth>,
}

fn receipt(world: &World, stem: &str) -> Vec<u8> {
    let path = format!("var/partners/{PARTNER}/out/receipts/{stem}.receipt.csv");
    fs::read(world.home.below(&path)).unwrap_or_else(|error| panic!("{stem}: {error}"))
}

/// What waits for the partner: each question's reason.
fn asked(world: &World) -> Vec<String> {
    let held = world.says(&["held", "list", "--owner", "partner"]);
    let held = held.as_array().unwrap().iter();
    let mut reasons: Vec<String> = held
        .map(|hold| hold["reason"].as_str().unwrap().to_owned())
        .collect();
    reasons.sort();
    reasons
}

fn sends_all_with_mistakes(world: &World, seed: u64) -> Vec<SentSheet> {
    let sent: Vec<SentSheet> = bad_sheets(world, seed)
        .into_iter()
        .map(|sheet| {
            world.home.put_return(
                PARTNER,
                &format!("{}.csv", sheet.name),
                sheet.text.as_bytes(),
            );
            SentSheet {
                stem: sheet.name.to_owned(),
                truth: sheet.truth,
            }
        })
        .collect();
    world.runs();
    sent
}

/// Sends each receipt, mended or not; gives what was sent.
fn answers(world: &World, sent: &[SentSheet], how: Sent, mends: bool) -> Vec<SentSheet> {
    let with_words = how == Sent::WholeAtSecond;
    let mut next = Vec::new();
    for sheet in sent {
        let mut receipt = OpenReceipt::open(&receipt(world, &sheet.stem));
        if mends {
            receipt.mend(&sheet.truth);
        }
        if how == Sent::RowsAlone {
            receipt.rows.retain(|row| OpenReceipt::asks(row));
            if receipt.rows.is_empty() {
                continue;
            }
        }
        let stem = format!("{}.receipt", sheet.stem);
        world
            .home
            .put_return(PARTNER, &format!("{stem}.csv"), &receipt.saved(with_words));
        let truth = receipt.truth(&sheet.truth, with_words);
        next.push(SentSheet { stem, truth });
    }
    world.runs();
    next
}

/// Nothing is left to mend, and what was known is known.
fn assert_all_taken_in(world: &World, sent: &[SentSheet]) {
    for sheet in sent {
        let receipt = OpenReceipt::open(&receipt(world, &sheet.stem));
        for row in &receipt.rows {
            let done = ["Taken in", "Taken in before", "Nothing new"].contains(&row[0].as_str());
            assert!(
                done || OpenReceipt::is_strangers(row),
                "{}: {row:?}",
                sheet.stem
            );
        }
    }
    let held = asked(world);
    assert!(held.is_empty(), "{held:?}");
}

fn mends_and_sends(seed: u64, how: Sent, expected: &[String]) {
    let world = sent_out();
    let mut sent = sends_all_with_mistakes(&world, seed);
    let first = record(&world);
    assert!(first.len() < expected.len(), "mistakes hold something back");
    let waits = asked(&world).len();
    if how == Sent::WholeAtSecond {
        sent = answers(&world, &sent, how, false);
        assert_record(&world, &first, "what was asked about comes back unmended");
        // Of the second heading only the rows below it are asked about any more.
        assert_eq!(
            asked(&world).len(),
            waits - 1,
            "asked again is one question"
        );
    }
    let mended = answers(&world, &sent, how, true);
    assert_all_taken_in(&world, &mended);
    assert_record(&world, expected, "each value as often as it should");
    // The same once more, as another program saves it, under other names.
    let before = snapshot(&world.home.below("var/gp-import"));
    for sheet in &mended {
        let path = format!("var/partners/{PARTNER}/in/done/{}.csv", sheet.stem);
        let text = String::from_utf8(fs::read(world.home.below(&path)).unwrap()).unwrap();
        let again = text.replacen("What to do", "What to  do", 1);
        world.home.put_return(
            PARTNER,
            &format!("{} again.csv", sheet.stem),
            again.as_bytes(),
        );
        world.home.put_return(
            PARTNER,
            &format!("{} twice.csv", sheet.stem),
            text.as_bytes(),
        );
    }
    world.runs();
    assert_eq!(
        snapshot(&world.home.below("var/gp-import")),
        before,
        "sent twice gives nothing new"
    );
    assert!(asked(&world).is_empty());
    world.proves();
}

#[test]
fn a_receipt_mended_as_it_says_is_taken_in_whole_or_in_part_and_once() {
    for seed in seeds(1) {
        let expected = as_it_should_be(seed);
        for how in [Sent::WholeAtSecond, Sent::RowsAlone] {
            mends_and_sends(seed, how, &expected);
        }
    }
}
