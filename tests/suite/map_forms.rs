//! `kith map` gives the same bytes whatever the number of workers and the form of the extracts, and names the line of
//! what it cannot read.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::support::edit::replace;
use super::support::home::Home;
use super::support::process::{LIMIT, finish};
use super::support::shared;
use super::support::workload::Workload;

const REFERRALS: u32 = 1_500;

/// The rows of partner `everyone`, and what was left out.
fn mapped(home: &Home, input: &Path, more: &[&str]) -> (String, Vec<Value>) {
    let (output, diagnostics) = (home.below("mapped.csv"), home.below("left-out.ndjson"));
    let (input, output_name) = (input.display().to_string(), output.display().to_string());
    let diagnostics_name = diagnostics.display().to_string();
    let mut arguments = vec!["map", "--partner", "everyone", "--input", &input];
    arguments.extend(["--output", &output_name, "--diagnostics", &diagnostics_name]);
    arguments.extend(more);
    home.kith(&arguments).expect_code(1);
    let left_out = fs::read_to_string(diagnostics).expect("diagnostics were asked for");
    let left_out = left_out
        .lines()
        .map(|line| serde_json::from_str(line).expect("diagnostics are NDJSON"))
        .collect();
    (fs::read_to_string(output).expect("rows"), left_out)
}

fn lines(folder: &Path, name: &str) -> Vec<Value> {
    fs::read_to_string(folder.join(name))
        .expect("an extract")
        .lines()
        .map(|line| serde_json::from_str(line).expect("a resource"))
        .collect()
}

/// The same extract as Bundles of 100 requests each, the records in Bundles behind them.
fn write_bundles(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("our own folder");
    for (first, name) in ["ServiceRequest", "Patient", "Practitioner", "Organization"]
        .iter()
        .enumerate()
    {
        let resources = lines(from, &format!("{name}.ndjson"));
        for (number, some) in resources.chunks(100).enumerate() {
            let entries: Vec<Value> = some.iter().map(|one| json!({"resource": one})).collect();
            let bundle = json!({"resourceType": "Bundle", "type": "collection", "entry": entries});
            fs::write(
                to.join(format!("{first}-{number:03}.json")),
                bundle.to_string(),
            )
            .expect("our own folder");
        }
    }
}

#[test]
fn the_rows_are_the_same_whoever_makes_them_and_whatever_they_come_from() {
    let Some(shared) = shared::folder(
        "map_forms::the_rows_are_the_same_whoever_makes_them_and_whatever_they_come_from",
    ) else {
        return;
    };
    let workload = Workload::generate(&shared, REFERRALS, 11, "0.4");
    let home = Home::new();
    let extracts = workload.path();
    workload.install(&home, "--extracts", &extracts.display().to_string());

    let (rows, left_out) = mapped(&home, extracts, &["--workers", "1"]);
    assert!(left_out.len() > 100 && rows.lines().count() > 500);
    for workers in ["2", "4"] {
        let again = mapped(&home, extracts, &["--workers", workers]);
        assert!(again == (rows.clone(), left_out.clone()), "{workers}");
    }
    assert_eq!(workload.referrals.len(), REFERRALS as usize);

    let packed = home.below("packed");
    fs::create_dir_all(&packed).expect("our own folder");
    for name in ["ServiceRequest", "Patient", "Practitioner", "Organization"] {
        let name = format!("{name}.ndjson");
        fs::copy(extracts.join(&name), packed.join(&name)).expect("an extract");
        let mut packing = Command::new("gzip");
        let packing = finish(packing.arg(packed.join(&name)), LIMIT);
        assert!(packing.status.success(), "gzip");
    }
    assert!(mapped(&home, &packed, &[]).0 == rows, "packed");
    let bundles = home.below("bundles");
    write_bundles(extracts, &bundles);
    assert!(mapped(&home, &bundles, &[]).0 == rows, "Bundles");
    // With criteria every resource becomes a whole tree, and those whom they take have the same cells.
    home.edit("mappings/partners/everyone.toml", "enabled = false\n", "");
    let selected = mapped(&home, extracts, &["--select"]).0;
    let all: HashSet<&str> = rows.lines().collect();
    let strange = selected.lines().filter(|line| !all.contains(line)).count();
    assert!(selected.lines().count() > 500, "{}", selected.len());
    assert_eq!(strange, 0, "rows that are others when a tree is whole");
}

#[test]
fn what_cannot_be_read_is_named_by_its_line_wherever_it_is_cut() {
    let Some(shared) =
        shared::folder("map_forms::what_cannot_be_read_is_named_by_its_line_wherever_it_is_cut")
    else {
        return;
    };
    let workload = Workload::generate(&shared, 600, 12, "0");
    let home = Home::new();
    workload.install(&home, "--extracts", &workload.path().display().to_string());
    let extracts = home.below("damaged");
    fs::create_dir_all(&extracts).expect("our own folder");
    for name in ["ServiceRequest", "Patient", "Practitioner", "Organization"] {
        let name = format!("{name}.ndjson");
        let text = fs::read_to_string(workload.path().join(&name)).expect("an extract");
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        if name == "ServiceRequest.ndjson" {
            // The end is missing, a member stands twice far down, and one is no JSON from the start.
            lines[400].pop();
            lines[451] = replace(&lines[451], "\"supportingInfo\":", "\"reasonCode\":");
            lines[502].insert(0, '}');
        }
        if name == "Patient.ndjson" {
            let length = lines[37].len();
            lines[37].truncate(length - 2);
            lines.insert(38, String::new());
        }
        fs::write(extracts.join(&name), lines.join("\n")).expect("our own folder");
    }
    let (rows, left_out) = mapped(&home, &extracts, &[]);
    assert_eq!(
        rows.lines().count(),
        1 + 600 - 4 + notes_of_two_lines(&rows)
    );
    let mut unreadable: Vec<(String, u64)> = left_out
        .iter()
        .filter_map(|line| {
            let place = line["where"].as_object()?;
            let file = place["file"].as_str()?.to_owned();
            Some((file, place["line"].as_u64()?))
        })
        .collect();
    unreadable.sort();
    let expected = [
        ("Patient.ndjson", 38),
        ("ServiceRequest.ndjson", 401),
        ("ServiceRequest.ndjson", 452),
        ("ServiceRequest.ndjson", 503),
    ];
    let expected: Vec<(String, u64)> = expected
        .iter()
        .map(|(name, line)| ((*name).to_owned(), *line))
        .collect();
    assert_eq!(unreadable, expected, "{left_out:#?}");
    let held = left_out
        .iter()
        .filter(|line| line["reason"] == "no-patient");
    assert_eq!(held.count(), 1);
}

/// Line feeds within cells: some notes and addresses have them.
fn notes_of_two_lines(rows: &str) -> usize {
    rows.matches('\n').count() - rows.matches("\r\n").count()
}
