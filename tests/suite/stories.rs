//! Stories from a referral to its Observations, each a folder without Rust: `fixtures/README.md` says how one is told.
//!
//! A story stands beside the partner whose story it is. The GP system is `kith sandbox`, whose clock stands where the story
//! is, and what came out is compared byte by byte. Only the words that Kith draws by lot have other names there.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value as Json;
use toml::Table;

use super::partner_files::{layout, name, parsed, tables, text};
use super::support::home::{Home, files_in, snapshot};
use super::support::people::Sandbox;
use super::support::table;
use super::support::world::World;

const FOLDER: &str = "fixtures/partners";
/// When the first run is; what comes later comes a day later, and each return a week after what was before it.
const FIRST: &str = "2026-11-23T06:00:00Z";
const DAY: jiff::SignedDuration = jiff::SignedDuration::from_hours(24);
const WEEK: jiff::SignedDuration = jiff::SignedDuration::from_hours(7 * 24);
/// What stands before the number of a receipt.
const RECEIPT: &str = "The number of this receipt is ";
/// How long before a run something changes at the practice.
const BEFORE: jiff::SignedDuration = jiff::SignedDuration::from_mins(30);

/// Files by their names in `expected`.
type Files = BTreeMap<PathBuf, Vec<u8>>;

#[test]
fn every_story_comes_out_as_it_is_told() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(FOLDER);
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let wrong = told(&root, update);
    assert!(
        wrong.is_empty(),
        "{}\nUPDATE_GOLDEN=1 cargo test --test suite stories:: writes what came out; read it as a contract",
        wrong.join("\n")
    );
}

#[test]
fn what_comes_out_otherwise_and_what_nobody_wrote_are_named_and_nothing_is_written() {
    let home = Home::new();
    assert_eq!(told(home.path(), false), ["there is no story at all"]);
    let partner = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join(FOLDER)
        .join("mill-lane-befrienders");
    for (path, bytes) in snapshot(&partner) {
        let path = Path::new("mill-lane-befrienders").join(path);
        home.write(&path.to_string_lossy(), bytes);
    }
    let expected = "mill-lane-befrienders/nobody-at-home/expected";
    home.write(&format!("{expected}/nobody-wrote-this.csv"), "");
    home.edit(
        &format!("{expected}/observations.json"),
        "did-not-attend",
        "attended",
    );
    home.write("mill-lane-befrienders/told-badly/story.md", "Who?");
    home.write("mill-lane-befrienders/told-badly/Return.csv", "");
    fs::remove_file(home.below(expected).join("receipts/returns 1.receipt.csv"))
        .expect("a receipt");
    let before = snapshot(home.path());
    let wrong = told(home.path(), false);
    let of = |what: &str| format!("mill-lane-befrienders/nobody-at-home: expected/{what}");
    let differs = of("observations.json: line ");
    assert!(wrong[1].starts_with(&differs), "{wrong:?}");
    assert_eq!(wrong[0], of("nobody-wrote-this.csv did not come out"));
    assert_eq!(
        wrong[2],
        of("receipts/returns 1.receipt.csv is not there, and came out")
    );
    let badly = "mill-lane-befrienders/told-badly: nobody reads Return.csv";
    assert_eq!((wrong[3].as_str(), wrong.len()), (badly, 4), "{wrong:?}");
    assert!(snapshot(home.path()) == before, "nothing is written");
}

/// What is wrong with the stories of all partners; with `update`, what came out is written instead.
fn told(root: &Path, update: bool) -> Vec<String> {
    let (mut stories, mut wrong) = (0, Vec::new());
    for partner in folders(root) {
        for story in folders(&partner) {
            stories += 1;
            let which = format!("{}/{}", name(&partner), name(&story));
            if let Some(fault) = badly_told(&story) {
                wrong.push(format!("{which}: {fault}"));
            } else {
                let found = play(root, &partner, &story);
                let expected = story.join("expected");
                if update {
                    write(&expected, &found);
                }
                let faults = differences(&snapshot(&expected), &found);
                wrong.extend(faults.iter().map(|fault| format!("{which}: {fault}")));
            }
        }
    }
    if stories == 0 {
        wrong.push("there is no story at all".to_owned());
    }
    wrong
}

/// What a story lacks, or has and nobody reads.
fn badly_told(story: &Path) -> Option<String> {
    let told = fs::read_to_string(story.join("story.md")).unwrap_or_default();
    if told.trim().is_empty() {
        return Some("no story.md says who, what and what must be true".to_owned());
    }
    let parts = ["story.md", "partner.toml", "gp", "later", "expected"];
    let entries = fs::read_dir(story).expect("a story");
    let mut names = entries.map(|entry| name(&entry.expect("a file of a story").path()));
    let sheets = inputs(story, "csv");
    let read = |file: &String| {
        parts.contains(&file.as_str()) || sheets.iter().any(|sheet| name(sheet) == *file)
    };
    let unread = names.find(|file| !read(file));
    unread.map(|file| format!("nobody reads {file}"))
}

fn folders(root: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(root).expect("a folder of fixtures");
    let paths = entries.map(|entry| entry.expect("a fixture").path());
    let mut folders: Vec<PathBuf> = paths.filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

/// Resources (`json`) or returns (`csv`) in a folder, by name.
fn inputs(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut files = files_in(folder);
    let begins = if ending == "csv" { "return" } else { "" };
    files.retain(|file| {
        file.extension().is_some_and(|found| found == ending) && name(file).starts_with(begins)
    });
    files.sort();
    files
}

fn write(expected: &Path, found: &Files) {
    if expected.exists() {
        fs::remove_dir_all(expected).expect("what was expected can be removed");
    }
    for (path, bytes) in found {
        let path = expected.join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("folders can be made");
        fs::write(path, bytes).expect("fixtures can be written");
    }
}

fn differences(expected: &Files, found: &Files) -> Vec<String> {
    let mut faults = Vec::new();
    for path in expected
        .keys()
        .chain(found.keys().filter(|path| !expected.contains_key(*path)))
    {
        let file = format!("expected/{}", path.display());
        match (expected.get(path), found.get(path)) {
            (Some(_), None) => faults.push(format!("{file} did not come out")),
            (None, Some(_)) => faults.push(format!("{file} is not there, and came out")),
            (Some(told), Some(came)) if told != came => {
                let (told, came) = (chars(told), chars(came));
                let same = told
                    .lines()
                    .zip(came.lines())
                    .take_while(|(told, came)| told == came);
                let line = same.count();
                let of = |text: &str| text.lines().nth(line).unwrap_or("the end").to_owned();
                faults.push(format!(
                    "{file}: line {} should be\n  {}\nand is\n  {}",
                    line + 1,
                    of(&told),
                    of(&came)
                ));
            }
            _ => {}
        }
    }
    faults.sort();
    faults
}

/// Plays a story, and gives what the partner, the practice and the operator see of it.
fn play(root: &Path, partner: &Path, story: &Path) -> Files {
    // A story may have its own version of its partner's file.
    let own = fs::read_to_string(story.join("partner.toml"));
    let file = |of: &Path| match &own {
        Ok(own) if of == partner => own.clone(),
        _ => fs::read_to_string(of.join("partner.toml")).expect("a partner file"),
    };
    let mut world = World::of(&[], &[]);
    for json in inputs(&story.join("gp"), "json") {
        let resource = fs::read(&json).expect("a resource");
        world.home.write(&format!("data/{}", name(&json)), resource);
    }
    // Its clock can be set where it has a list of faults, be it of none.
    world.gp_is(Sandbox::with(
        &world.home.below("data"),
        &["--faults", "all=0"],
    ));
    let (home, gp) = (&world.home, world.gp());
    let partners = folders(root);
    for partner in &partners {
        home.write(
            &format!("mappings/partners/{}.toml", name(partner)),
            file(partner),
        );
    }
    let mut lots = Lots::default();
    let mut now: jiff::Timestamp = FIRST.parse().expect("an instant");
    let mut run = |after: jiff::SignedDuration, change: &dyn Fn(&Lots)| {
        now += after;
        gp.fhir.say("$clock", &(now - BEFORE).to_string());
        change(&lots);
        gp.fhir.say("$clock", &now.to_string());
        let summary = world.runs_with(&["--as-of", &now.to_string()]);
        for partner in &partners {
            lots.learn(home, &name(partner), &parsed(&file(partner)));
        }
        summary
    };
    let mut summary = run(jiff::SignedDuration::ZERO, &|_| {});
    let later = inputs(&story.join("later"), "json");
    if !later.is_empty() {
        summary = run(DAY, &|_| {
            for json in &later {
                let json = fs::read(json).expect("a resource");
                gp.fhir
                    .put(&serde_json::from_slice(&json).expect("a resource is JSON"));
            }
        });
    }
    for sheet in inputs(story, "csv") {
        summary = run(WEEK, &|lots| {
            let bytes = lots.filled(&fs::read(&sheet).expect("a return"));
            home.put_return(&name(partner), &name(&sheet), &bytes);
        });
    }
    world.proves();
    seen(home, gp, &partners, &summary, &lots)
}

fn seen(home: &Home, gp: &Sandbox, partners: &[PathBuf], summary: &Json, lots: &Lots) -> Files {
    let mut files = Files::new();
    for partner in partners {
        for (path, bytes) in snapshot(&home.below(&format!("var/partners/{}/out", name(partner)))) {
            if path.extension().is_some_and(|ending| ending == "csv") {
                files.insert(path, lots.hidden(&bytes));
            }
        }
    }
    let mut observations = gp.fhir.all("Observation");
    for observation in &mut observations {
        let object = observation
            .as_object_mut()
            .expect("a resource is an object");
        // The server's own words, and an id that Kith makes of what it drew.
        object.remove("id");
        object.remove("meta");
        observation["identifier"][0]["value"] = "{event}".into();
    }
    observations.sort_by_key(Json::to_string);
    let observations = serde_json::to_string_pretty(&observations).expect("JSON") + "\n";
    files.insert(
        "observations.json".into(),
        lots.hidden(observations.as_bytes()),
    );
    let mut held = vec!["reason,owner,reference\n".to_owned()];
    for hold in summary["held"].as_array().expect("held") {
        let of = |key: &str| hold[key].as_str().unwrap_or_default();
        held.push(format!(
            "{},{},{}\n",
            of("reason"),
            of("owner"),
            of("reference")
        ));
    }
    held[1..].sort();
    if held.len() > 1 {
        files.insert("held.csv".into(), lots.hidden(held.concat().as_bytes()));
    }
    files
}

/// What Kith drew by lot, and what it is called in a story: `{reference-1}`, `{check-1}`.
#[derive(Default)]
struct Lots {
    references: Vec<String>,
    called: Vec<(String, String)>,
}

impl Lots {
    /// Reads the drops of a partner; referrals are counted as they are first seen.
    fn learn(&mut self, home: &Home, id: &str, partner: &Table) {
        let columns = tables(partner, "deliver", "column");
        let at = |from: &'static str| {
            let found = columns
                .iter()
                .position(|column| text(column, "from") == from);
            found.map(|column| (column, from.trim_start_matches("leg.")))
        };
        let drawn: Vec<(usize, &str)> = ["leg.reference", "leg.check"]
            .into_iter()
            .filter_map(at)
            .collect();
        let format = layout(partner["deliver"]["format"].as_table().expect("a format"));
        for drop in home.drops(id) {
            for row in table::read(&drop, format).rows {
                let reference = &row[drawn[0].0];
                if !self.references.contains(reference) {
                    self.references.push(reference.clone());
                }
                let number = self
                    .references
                    .iter()
                    .take_while(|one| *one != reference)
                    .count()
                    + 1;
                for (column, kind) in &drawn {
                    let lot = (row[*column].clone(), format!("{{{kind}-{number}}}"));
                    if !self.called.contains(&lot) {
                        self.called.push(lot);
                    }
                }
            }
        }
    }

    /// The bytes with each lot as it is called.
    fn hidden(&self, bytes: &[u8]) -> Vec<u8> {
        let mut text = chars(bytes);
        for (drawn, called) in &self.called {
            text = text.replace(drawn, called);
        }
        // By what number a receipt is known depends on what else was kept.
        if let Some(at) = text.find(RECEIPT) {
            let (before, number) = text.split_at(at + RECEIPT.len());
            let behind = number.trim_start_matches(|sign: char| sign.is_ascii_digit());
            text = format!("{before}{{receipt}}{behind}");
        }
        bytes_of(&text)
    }

    /// The bytes with what was drawn in its places.
    fn filled(&self, bytes: &[u8]) -> Vec<u8> {
        let mut text = chars(bytes);
        for (drawn, called) in &self.called {
            text = text.replace(called, drawn);
        }
        for kind in ["{reference-", "{check-"] {
            assert!(
                !text.contains(kind),
                "a return names a row that was never sent: {text}"
            );
        }
        bytes_of(&text)
    }
}

/// One character a byte: the encoding is the partner's.
fn chars(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

fn bytes_of(text: &str) -> Vec<u8> {
    let bytes = text.chars().map(u8::try_from);
    bytes
        .collect::<Result<_, _>>()
        .expect("one byte a character")
}
