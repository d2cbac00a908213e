//! Everything that a partner puts into `in/` is answered, whatever it is called and whatever it is, once it stood still.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use serde_json::Value;

use super::support::case::Case;
use super::support::home::{Ran, files_in};
use super::support::people::{ndjson, referral};
use super::support::process::{LIMIT, finish};
use super::support::world::{came, later};

/// A path in the folder of the only partner.
fn elm(case: &Case, path: &str) -> PathBuf {
    case.world.home.below(&format!("var/partners/elm/{path}"))
}

fn receipt_text(case: &Case, stem: &str) -> String {
    let path = elm(case, &format!("out/receipts/{stem}.receipt.csv"));
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn receipt_json(case: &Case, stem: &str) -> Value {
    let path = elm(case, &format!("out/receipts/{stem}.receipt.json"));
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn names(case: &Case, folder: &str) -> Vec<String> {
    let files = fs::read_dir(elm(case, folder)).unwrap().flatten();
    let mut names: Vec<String> = files
        .map(|file| file.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// A run that waits for what does not stand still, on a machine whose clock is so far ahead.
fn waits(case: &Case) -> Ran {
    let mut command = case.world.home.command_as_it_is(&["run", "--once"]);
    finish(&mut command, LIMIT).into()
}

/// The row of the only person, as a sheet with an answer.
fn puts_return(case: &Case, name: &str, days_ago: i64, attended: &str) {
    let row = case.world.row_of("Anna Beech");
    case.world
        .partner_returns("elm", name, &[(row, came(days_ago, attended))]);
}

/// Files that are no sheet of text: name, bytes, and what is said of each.
fn no_sheets() -> [(&'static str, Vec<u8>, &'static str); 8] {
    let zip = |member: &str| [b"PK\x03\x04", member.as_bytes()].concat();
    [
        (
            "returns week 49.numbers",
            zip("Index/Document.iwa"),
            "We could not use returns week 49.numbers: open it in Numbers, export it to CSV and send that file.",
        ),
        (
            "a.ods",
            zip("mimetypeapplication/vnd.oasis.opendocument.spreadsheet"),
            "We could not use a.ods: open it in your spreadsheet, save it as CSV and send it again.",
        ),
        (
            "returns b.csv",
            zip("xl/workbook.xml"),
            "This is an Excel workbook, and we read CSV",
        ),
        (
            "c.pdf",
            b"%PDF-1.7".to_vec(),
            "We could not use c.pdf: fill in our sheet, save it as CSV and send that.",
        ),
        ("d", b"PK".to_vec(), "We could not use d: "),
        (
            "e.xlsx",
            [b"\xD0\xCF\x11\xE0".to_vec(), utf16("EncryptedPackage")].concat(),
            "take the password off",
        ),
        (
            ".f.csv",
            b"{\"a\": 1}".to_vec(),
            "We could not use .f.csv: ",
        ),
        ("g.jpeg", b"\xFF\xD8\xFF\xE0".to_vec(), "This is a picture"),
    ]
}

#[test]
fn whatever_lies_in_the_in_folder_is_answered() {
    let case = Case::well();
    let refused = no_sheets();
    for (name, bytes, _) in &refused {
        case.world.home.put_return("elm", name, bytes);
    }
    fs::create_dir(elm(&case, "in/week 50")).unwrap();
    fs::write(elm(&case, "in/week 50/returns.csv"), "Our ref\n").unwrap();
    symlink("/etc/passwd", elm(&case, "in/link to returns")).unwrap();
    let left_alone = ["~$a.xlsx", ".DS_Store", "b.csv.crdownload", "._c.csv"];
    for name in left_alone {
        case.world.home.put_return("elm", name, b"x");
    }
    // A sheet with our headings is a return, whatever it is called: here by letters of another age.
    puts_return(&case, "answer", 3, "Y");
    let odd = elm(&case, "in").join(std::ffi::OsStr::from_bytes(b"r\xE9ponses"));
    fs::rename(elm(&case, "in/answer"), odd).unwrap();
    let case = case.ran(1);
    for (name, _, said) in &refused {
        let stem = name.trim_start_matches('.');
        let stem = stem.rsplit_once('.').map_or(stem, |(stem, _)| stem);
        let text = receipt_text(&case, stem);
        assert!(
            text.contains(said) && text.contains("Please correct"),
            "{name}: {text}"
        );
        assert!(
            text.contains("CSV") || !said.contains("CSV"),
            "{name}: {text}"
        );
    }
    let folder = receipt_json(&case, "week 50");
    assert_eq!(folder["reason"], "file-unread:folder");
    let link = receipt_json(&case, "link to returns");
    assert_eq!(
        link["what_is_wrong"],
        "This is a link, and we do not follow links"
    );
    assert!(receipt_text(&case, "r\u{FFFD}ponses").contains("Taken in: 1"));
    let mut kept = left_alone.map(str::to_owned).to_vec();
    kept.extend(["done".to_owned(), "refused".to_owned()]);
    kept.sort();
    assert_eq!(names(&case, "in"), kept);
    assert_eq!(names(&case, "in/done"), ["r\u{FFFD}ponses"]);
    assert_eq!(names(&case, "in/refused").len(), refused.len() + 2);
    // Each has a line until it is settled: the sheet of that name settles its own.
    assert_eq!(case.world.held("file-unread").len(), refused.len() + 2);
    puts_return(&case, "returns week 49.csv", 2, "Y");
    let case = case.ran(1);
    assert_eq!(case.world.held("file-unread").len(), refused.len() + 1);
    // Nothing is answered twice.
    let receipts = files_in(&elm(&case, "out/receipts")).len();
    let case = case.ran(1);
    assert_eq!(files_in(&elm(&case, "out/receipts")).len(), receipts);
    case.world.proves();
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

#[test]
fn what_may_still_grow_waits_for_a_run_by_hand_too() {
    let case = Case::well();
    puts_return(&case, "returns.csv", 3, "Y");
    case.world.home.put_return("elm", "empty.csv", b"");
    assert_eq!(waits(&case).code, 0);
    assert_eq!(
        names(&case, "in"),
        ["done", "empty.csv", "refused", "returns.csv"]
    );
    // It goes by the machine's clock: an instant that a run is given makes no file older or younger.
    let case = case.after(90);
    assert_eq!(waits(&case).code, 0);
    assert_eq!(names(&case, "in"), ["done", "empty.csv", "refused"]);
    let case = case.after(23 * 3_600).ran(0).after(25 * 3_600);
    assert_eq!(waits(&case).code, 1);
    assert_eq!(names(&case, "in"), ["done", "refused"]);
    let said = receipt_json(&case, "empty");
    assert_eq!(said["reason"], "file-unread:empty");
    // What was written a moment ago is taken where that is asked for.
    let help = case.world.kith(&["run", "--help"], 0).stdout;
    assert!(help.contains("--now"), "{help}");
    puts_return(&case, "more.csv", 2, "Y");
    let case = case.ran(1);
    assert!(receipt_text(&case, "more").contains("Taken in: 1"));
}

#[test]
fn a_file_that_grew_after_it_was_taken_is_judged_again() {
    let case = Case::well();
    puts_return(&case, "returns.csv", 3, "Y");
    let case = case.ran(0);
    let done = elm(&case, "in/done/returns.csv");
    let first = fs::read_to_string(&done).unwrap();
    puts_return(&case, "more.csv", 2, "N");
    let more = fs::read_to_string(elm(&case, "in/more.csv")).unwrap();
    fs::remove_file(elm(&case, "in/more.csv")).unwrap();
    let row = more.lines().nth(1).unwrap();
    fs::write(&done, format!("{first}{row}\r\n")).unwrap();
    let ran = case.world.kith(&["run", "--once"], 0);
    assert!(ran.stderr.contains("COLLECT-007"), "{}", ran.stderr);
    let text = receipt_text(&case, "returns (2)");
    let said = "This file has changed since we took it. We have read it again.";
    assert!(
        text.contains(said) && text.contains("Taken in: 1"),
        "{text}"
    );
    assert!(text.contains("Taken in before: 1"), "{text}");
    let again = receipt_json(&case, "returns (2)");
    assert_eq!(again["repairs"][0]["code"], "changed-after-taken");
    assert_eq!(names(&case, "in/done"), ["returns.csv"]);
    let case = case.ran(0);
    assert_eq!(files_in(&elm(&case, "out/receipts")).len(), 4);
    // It may have become something else altogether.
    fs::write(&done, b"%PDF-1.7").unwrap();
    let case = case.ran(1);
    assert_eq!(names(&case, "in/refused"), ["returns.csv"]);
    assert!(receipt_text(&case, "returns (3)").contains("We could not use returns.csv: "));
    case.world.proves();
}

#[test]
fn the_drop_itself_filled_in_is_a_return() {
    let case = Case::well();
    let drop = case.world.home.drops("elm").pop().unwrap();
    let text = fs::read_to_string(&drop).unwrap();
    let mut lines = text.lines();
    let (head, row) = (lines.next().unwrap(), lines.next().unwrap());
    // Each date before its values, a column of two events once, and what speaks of the row last.
    let answers = ",Date seen,Attended?,Outcome,Stopped?";
    assert!(head.ends_with(answers), "{head}");
    assert!(row.ends_with(",,,,") && !row.ends_with(",,,,,"), "{row}");
    // A preview shows what is delivered.
    let extract = case.world.home.below("extracts/a.ndjson");
    let extract = extract.display().to_string();
    let map = [
        "map",
        "--partner",
        "elm",
        "--input",
        &extract,
        "--output",
        "-",
    ];
    let mapped = case.world.kith(&map, 0).stdout;
    let delivered = head.strip_suffix(answers).unwrap();
    assert_eq!(mapped.lines().next(), Some(delivered));
    let out = elm(&case, "..").display().to_string();
    case.world
        .kith(&["partner", "template", "elm", "--out", &out], 0);
    let template = fs::read_to_string(elm(&case, "../elm-template.csv")).unwrap();
    assert_eq!(template.lines().next(), Some(head));
    let filled = row.strip_suffix(",,,,").unwrap();
    let seen_on = came(3, "Y").remove(0).1;
    let filled = format!("{head}\r\n{filled},{seen_on},Y,Taken on,\r\n");
    case.world
        .home
        .put_return("elm", "to do Monday", filled.as_bytes());
    let case = case.ran(0);
    assert!(receipt_text(&case, "to do Monday").contains("Taken in: 1"));
    let told = case.world.says(&["status"]);
    assert_eq!(told["legs"]["in-progress"], 1, "{told}");
    case.world.proves();
}

#[test]
fn a_drop_that_was_written_into_is_answered_and_stays_as_it_is() {
    let case = Case::well();
    let drop = case.world.home.drops("elm").pop().unwrap();
    let stem = drop.file_stem().unwrap().to_string_lossy().into_owned();
    let text = fs::read_to_string(&drop).unwrap();
    let seen_on = came(3, "Y").remove(0).1;
    let filled = text.replacen(",,,,\r\n", &format!(",{seen_on},Y,,\r\n"), 1);
    let filled = filled.replacen(",,,,\n", &format!(",{seen_on},Y,,\n"), 1);
    assert_ne!(filled, text);
    fs::write(&drop, &filled).unwrap();
    let case = case.ran(0);
    let said = receipt_json(&case, &stem);
    assert_eq!(said["what_is_wrong"], "You have written in our copy");
    let said = receipt_text(&case, &stem);
    assert!(said.contains("Save it into in/."), "{said}");
    assert!(!said.contains("worr"), "nothing was read: {said}");
    let status = case.world.kith(&["status"], 1).stdout;
    assert!(status.contains("somebody wrote into drop "), "{status}");
    // Once, and the drop is never replaced; what it tells counts only from `in/`.
    let case = case.ran(0);
    assert_eq!(files_in(&elm(&case, "out/receipts")).len(), 2);
    assert_eq!(fs::read_to_string(&drop).unwrap(), filled);
    assert_eq!(case.world.says(&["status"])["legs"]["sent"], 1);
    let name = format!("{stem}.csv");
    case.world.home.put_return("elm", &name, filled.as_bytes());
    let case = case.ran(0);
    assert!(receipt_text(&case, &format!("{stem} (2)")).contains("Taken in: 1"));
}

/// The names on a list of people; nothing where there is no list.
fn people(case: &Case, list: &str) -> Vec<String> {
    let Ok(text) = fs::read_to_string(elm(case, &format!("out/{list}"))) else {
        return Vec::new();
    };
    let mut lines = text.lines();
    let head: Vec<&str> = lines.next().unwrap().split(',').collect();
    let name = head.iter().position(|name| *name == "Name").unwrap();
    assert_eq!(
        head.last(),
        Some(&"Stopped?"),
        "with the columns for answers"
    );
    lines
        .map(|line| line.split(',').nth(name).unwrap().to_owned())
        .collect()
}

#[test]
fn the_list_of_people_is_everybody_who_is_open_and_nobody_who_was_stopped() {
    let list = "your people.csv";
    let case = Case::well();
    assert!(
        !elm(&case, "out").join(list).exists(),
        "the first drop is the list"
    );
    let ben = referral(2, "Ben", "Cedar", "elm");
    let case = case.writes("extracts/b.ndjson", ndjson(&ben)).ran(0);
    assert_eq!(people(&case, list), ["Anna Beech", "Ben Cedar"]);
    case.world.proves();
    // One row of it, saved by itself, is a return.
    let text = fs::read_to_string(elm(&case, "out").join(list)).unwrap();
    let mut lines = text.lines();
    let (head, row) = (lines.next().unwrap(), lines.next().unwrap());
    let row = row.strip_suffix(",,,,").unwrap();
    let seen_on = came(3, "Y").remove(0).1;
    let answered = format!("{head}\r\n{row},{seen_on},Y,,\r\n");
    case.world
        .home
        .put_return("elm", "anna", answered.as_bytes());
    let case = case.ran(0);
    assert!(receipt_text(&case, "anna").contains("Taken in: 1"));
    // A stop renews it at once.
    let [_, mut revoked] = ben;
    revoked["status"] = "revoked".into();
    let stopped = later(revoked);
    let case = case.writes("extracts/c.ndjson", ndjson(&[stopped])).ran(1);
    assert_eq!(people(&case, list), ["Anna Beech"]);
    // Somebody writes into it: it stays, is answered, and a new one stands beside it.
    let written = format!(
        "{}\r\nring Anna",
        fs::read_to_string(elm(&case, "out").join(list)).unwrap()
    );
    fs::write(elm(&case, "out").join(list), &written).unwrap();
    let carl = referral(3, "Carl", "Dogwood", "elm");
    let case = case.writes("extracts/d.ndjson", ndjson(&carl)).ran(1);
    assert_eq!(
        fs::read_to_string(elm(&case, "out").join(list)).unwrap(),
        written
    );
    let beside = "your people (2).csv";
    assert_eq!(people(&case, beside), ["Anna Beech", "Carl Dogwood"]);
    let said = receipt_json(&case, "your people");
    assert_eq!(said["what_is_wrong"], "You have written in our copy");
    let status = case.world.kith(&["status"], 1).stdout;
    assert!(
        status.contains("somebody wrote into list your people.csv in out/"),
        "{status}"
    );
    let dora = referral(4, "Dora", "Elder", "elm");
    let case = case.writes("extracts/e.ndjson", ndjson(&dora)).ran(1);
    assert_eq!(people(&case, beside).len(), 3);
    assert_eq!(
        names(&case, "out")
            .iter()
            .filter(|name| name.starts_with("your people"))
            .count(),
        2
    );
    // What the run did not get out is due in the next one.
    assert!(names(&case, "out/.kith").is_empty());
    case.world.proves();
}

#[test]
fn a_list_that_could_not_be_renewed_is_renewed_by_the_next_run() {
    let case = Case::well();
    let ben = referral(2, "Ben", "Cedar", "elm");
    // Every name that the list may have is taken.
    let taken = |number: usize| match number {
        1 => elm(&case, "out/your people.csv"),
        number => elm(&case, &format!("out/your people ({number}).csv")),
    };
    for number in 1..10 {
        fs::write(taken(number), "mine").unwrap();
    }
    fs::write(case.world.home.below("extracts/b.ndjson"), ndjson(&ben)).unwrap();
    let ran = case.world.kith(&["run", "--once"], 1);
    assert!(ran.stderr.contains("DELIVER-001"), "{}", ran.stderr);
    assert_eq!(case.world.home.drops("elm").len(), 2, "the drop has left");
    fs::remove_file(taken(1)).unwrap();
    let case = case.ran(0);
    assert_eq!(people(&case, "your people.csv").len(), 2);
    case.world.proves();
}
