//! Every kind of CSV that we write, opened in a spreadsheet under each delimiter: no cell runs. References and tokens come back as text.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use serde_json::Value;

use super::support::home::snapshot;
use super::support::mistakes::Chance;
use super::support::partner_file::PartnerFile;
use super::support::people::referral;
use super::support::source::Source;
use super::support::spreadsheet::{ENGLISH_UK, ENGLISH_US, Opening, Spreadsheet};
use super::support::world::{Answers, Row, World, came};

/// The sources that write CSV; each has a file here.
const WRITERS: [&str; 7] = [
    "src/actions/map_folder.rs",
    "src/cli/map_view.rs",
    "src/partner/pages/template.rs",
    "src/pipeline/apply/our_copy.rs",
    "src/pipeline/apply/receipt.rs",
    "src/pipeline/drop_bytes.rs",
    "src/report/csv.rs",
];

/// What runs in a spreadsheet if nothing is done about it, under one delimiter or another.
const NASTY: [&str; 16] = [
    "=1+1",
    "+1+1",
    "-2+3",
    "@SUM(A1)",
    "x;=1+1",
    "x,=1+1",
    "x\t=1+1",
    "a\n=1+1",
    "\"=1+1",
    "x;\"=1+1\"",
    "x,\"\"\"=1+1\"",
    "=HYPERLINK(\"http://example.org\",\"x\")",
    "'=1+1",
    "''=1+1",
    "\u{FF1D}1+1",
    "=cmd|' /C calc'!A0",
];

/// Files with these in every place that a text of others reaches.
#[expect(
    clippy::too_many_lines,
    reason = "one installation, and each kind of file it writes"
)]
fn written(world: &mut World) -> Vec<PathBuf> {
    let formats = [
        (
            "comma",
            "{ delimiter = \",\", encoding = \"utf-8-bom\", newline = \"crlf\", quote = \"necessary\", formula = \"escape\" }",
        ),
        (
            "semicolon",
            "{ delimiter = \";\", encoding = \"utf-8\", newline = \"crlf\", quote = \"necessary\", formula = \"escape\" }",
        ),
        (
            "tab",
            "{ delimiter = \"\\t\", encoding = \"utf-8\", newline = \"lf\", quote = \"always\", formula = \"escape\" }",
        ),
    ];
    let mut records: Vec<Value> = Vec::new();
    let mut number = 0;
    for (id, format) in formats {
        let file = PartnerFile::of(id)
            .with("partner", "name = \"=1+1\"")
            .with("deliver", format!("format = {format}"))
            .shares(&[
                "patient.name",
                "patient.address",
                "referral.activity",
                "referral.reason",
            ])
            .column("=2+2", "patient.family")
            .column("Street, @SUM(A1)", "patient.address_line_1")
            .column("x;=1+1", "referral.reason");
        world.agrees(file);
        for text in NASTY {
            number += 1;
            let [mut patient, mut request] = referral(number, text, "Beech", id);
            patient["name"][0]["family"] = text.into();
            patient["address"][0]["line"] = serde_json::json!([text]);
            request["reasonCode"][0]["text"] = text.into();
            records.extend([patient, request]);
        }
    }
    world.gp_refers(&records);
    world.runs();
    // A sheet of each with such answers, and one that cannot be used.
    for (id, format) in formats {
        let rows = rows_of(
            world,
            id,
            if format.contains("\";\"") {
                b';'
            } else if format.contains("\\t") {
                b'\t'
            } else {
                b','
            },
        );
        assert!(rows.len() >= NASTY.len() / 2, "{id}: {} rows", rows.len());
        let told: Vec<(Row, Answers)> = rows
            .into_iter()
            .zip(NASTY.map(|text| came(2, text)))
            .collect();
        world.partner_returns(id, "returns =1+1.csv", &told);
        world
            .home
            .put_return(id, "returns =2+2.csv", b"=1+1,@x\r\n");
    }
    // And a drop that was written into where it lies.
    let drop = &world.home.drops("comma")[0];
    let text = fs::read_to_string(drop).unwrap();
    fs::write(drop, format!("{text}x\r\n")).unwrap();
    world.runs();
    // The night is published on the day after.
    let tomorrow = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(26);
    world.home.is_at(&tomorrow.to_string());
    world.runs();
    let path = |name: &str| world.home.below(name).display().to_string();
    world.kith(
        &["partner", "template", "comma", "--out", &path("printed")],
        0,
    );
    let mapped = [
        "map",
        "--partner",
        "comma",
        "--input",
        &path("extracts"),
        "--output",
        &path("mapped.csv"),
    ];
    world.home.kith(&mapped);
    world.home.write("view.json", r#"{"resource":"Patient","select":[{"column":[{"name":"family","path":"name.family"},{"name":"line","path":"address.line.first()"}]}]}"#);
    let viewed = [
        "map",
        "--view",
        &path("view.json"),
        "--input",
        &path("extracts"),
        "--output",
        &path("viewed.csv"),
    ];
    super::support::home::kith(&viewed);
    let files = snapshot(world.home.path()).into_keys();
    let ours = files.filter(|file| {
        let is_csv = file.extension().is_some_and(|ending| ending == "csv");
        is_csv && !file.components().any(|part| part.as_os_str() == "in")
    });
    ours.map(|file| world.home.below(&file.display().to_string()))
        .collect()
}

/// The rows of a partner's only drop.
fn rows_of(world: &World, id: &str, delimiter: u8) -> Vec<Row> {
    let bytes = fs::read(&world.home.drops(id)[0]).unwrap();
    let text = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&bytes);
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .from_reader(text);
    let header = reader.headers().unwrap().clone();
    let rows = reader.records().map(|record| {
        let record = record.unwrap();
        let cells = header.iter().zip(&record);
        cells
            .map(|(name, cell)| (name.to_owned(), cell.to_owned()))
            .collect()
    });
    rows.collect()
}

/// Whether all kinds are among the files.
fn assert_kinds(files: &[PathBuf]) {
    let has = |what: &str| {
        files
            .iter()
            .any(|file| file.display().to_string().contains(what))
    };
    for kind in [
        "comma/out/referrals_",
        "semicolon/out/referrals_",
        "tab/out/referrals_",
        "returns =1+1.receipt.csv",
        "returns =2+2.receipt.csv",
        "comma/out/receipts/referrals_",
        "comma-template.csv",
        "mapped.csv",
        "viewed.csv",
        "tables/partners.csv",
    ] {
        assert!(has(kind), "no {kind} among {files:#?}");
    }
    // Whoever else writes CSV has a file here first.
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut writers = BTreeSet::new();
    for (path, bytes) in snapshot(&root.join("src")) {
        let text = String::from_utf8_lossy(&bytes);
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        let path = format!("src/{}", path.display());
        let of_demo = path.starts_with("src/demo/") || path.starts_with("src/sheet/");
        if code.contains("RowWriter::new(") && !of_demo {
            writers.insert(path);
        }
    }
    let known: BTreeSet<String> = WRITERS.map(str::to_owned).into();
    assert_eq!(writers, known);
}

/// Signs of a token and of a reference, the first ones apart.
const LETTERS: &str = "BCDFGHJKMNPQRSTVWXYZ";
const DIGITS: &str = "0123456789";
const ALL_LETTERS: &str = "ABCDEFGHJKMNPQRSTVWXYZ";

fn sign(of: &str, chance: &mut Chance) -> char {
    let signs: Vec<char> = of.chars().collect();
    signs[chance.below(signs.len())]
}

/// Tokens of each order of letters and digits behind each first letter, and references of each order in their groups.
fn shapes() -> Vec<[String; 2]> {
    let mut chance = Chance::new(11);
    let mut rows = Vec::new();
    for shape in 0..32_usize {
        for first in LETTERS.chars() {
            let mut token = String::from(first);
            for place in 0..5 {
                let of = if shape >> place & 1 == 1 {
                    DIGITS
                } else {
                    LETTERS
                };
                token.push(sign(of, &mut chance));
            }
            let groups: Vec<String> = (0..3)
                .map(|group| {
                    let shape = chance.below(16);
                    let signs = (0..4).map(|place| {
                        let letter = group + place == 0 || shape >> place & 1 == 1;
                        sign(if letter { ALL_LETTERS } else { DIGITS }, &mut chance)
                    });
                    signs.collect()
                })
                .collect();
            rows.push([groups.join("-"), token]);
        }
    }
    // What reads like months, powers of ten, hexadecimal digits, truth and currencies.
    for [reference, token] in [
        ["MAR1-2026-0012", "MNTH01"],
        ["DEC3-1202-6000", "JNN123"],
        ["A1E5-1E10-2E10", "N0V202"],
        ["E123-4567-8901", "D12345"],
        ["JAN1-0000-2026", "H123BC"],
        ["TRVE-0000-0001", "TRVTH1"],
        ["X001-0002-0003", "GBP100"],
        ["Q120-2600-1001", "Q12026"],
        ["M052-0260-0103", "R1C1R1"],
        ["W120-0001-2026", "T10000"],
        ["AVG1-2026-0001", "F00000"],
        ["MAY1-2026-0001", "PM1200"],
    ] {
        rows.push([reference.to_owned(), token.to_owned()]);
    }
    rows
}

/// The kind and the text of each cell of a document that is not empty.
fn cells(document: &str) -> Vec<(bool, String)> {
    let cells = document.split("<table:table-cell").skip(1);
    cells
        .filter_map(|cell| {
            let (head, rest) = cell.split_once('>')?;
            let text = rest.split_once("<text:p>")?.1.split_once("</text:p>")?.0;
            let is_text = head.contains("office:value-type=\"string\"");
            Some((is_text, text.to_owned()))
        })
        .collect()
}

#[test]
fn no_cell_of_any_csv_runs_and_references_stay_text() {
    let source = Source::folder("gp", "extracts");
    let mut world = World::of(&[source], &[]);
    let mut files = written(&mut world);
    assert_kinds(&files);
    let shapes = shapes();
    let rows = shapes
        .iter()
        .map(|[reference, token]| format!("{reference},{token}\r\n"));
    world.home.write("shapes.csv", rows.collect::<String>());
    files.push(world.home.below("shapes.csv"));
    // Where nothing is done about it a formula runs, and a name is taken for a number or a day.
    world
        .home
        .write("unguarded.csv", "K7M3,=1+1\r\n12E4,MAR05\r\n");
    let unguarded = world.home.below("unguarded.csv");
    let opening = |delimiter: u8, language: u32| Opening {
        delimiter,
        language,
    };
    let mut groups = vec![
        vec![opening(b',', ENGLISH_UK), opening(b';', ENGLISH_UK)],
        vec![opening(b',', ENGLISH_US), opening(b'\t', ENGLISH_UK)],
    ];
    // A campaign opens them in both languages under each.
    if std::env::var_os("KITH_TEST_SEED").is_some() {
        groups.push(vec![opening(b';', ENGLISH_US), opening(b'\t', ENGLISH_US)]);
    }
    let expected: Vec<(bool, String)> = shapes
        .into_iter()
        .flatten()
        .map(|text| (true, text))
        .collect();
    let (files, expected, unguarded) = (&files, &expected, &unguarded);
    thread::scope(|scope| {
        for group in groups {
            scope.spawn(move || {
                let spreadsheet = Spreadsheet::new();
                for opening in group {
                    let mut documents =
                        spreadsheet.open(&[files, &[unguarded.clone()][..]].concat(), opening);
                    let unguarded = documents.pop().unwrap();
                    for (file, document) in files.iter().zip(&documents) {
                        let runs = document.split("table:formula=").nth(1);
                        let runs = runs.map(|formula| formula.chars().take(40).collect::<String>());
                        assert_eq!(runs, None, "{opening:?}: {}", file.display());
                    }
                    if opening.delimiter == b',' {
                        assert_eq!(cells(documents.last().unwrap()), *expected, "{opening:?}");
                        let kinds: Vec<bool> = cells(&unguarded)
                            .iter()
                            .map(|(is_text, _)| *is_text)
                            .collect();
                        assert!(
                            unguarded.contains("table:formula=")
                                && kinds[..3] == [true, false, false]
                        );
                    }
                }
            });
        }
    });
}
