//! An installation and what stands around it: the practice that refers, the partners, and what they send back.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::home::{Home, Ran};
use super::partner_file::PartnerFile;
use super::people::{Sandbox, day, ndjson, written};
use super::source::Source;
use super::table::{self, Layout, Table};
use super::workload::Workload;

/// A row of a drop by its headers; under `partner` whom it was sent to.
pub(crate) type Row = BTreeMap<String, String>;
/// The names of the drops that are there, by partner.
pub(crate) type Drops = BTreeMap<String, BTreeSet<String>>;
/// What a partner writes beside a row, by header.
pub(crate) type Answers = Vec<(&'static str, String)>;

/// What a return keeps of our columns, and what it always has beside them.
const KEPT: [&str; 3] = ["Our ref", "Check", "Name"];
const ANSWERED: [&str; 4] = ["Date seen", "Attended?", "Outcome", "Stopped?"];
const HEAD: &str = r#"namespace = "https://kith.example"
[store]
url = "sqlite://var/kith.db"
[seal]
key = { file = "var/seal.key" }
[[transport]]
id = "local"
kind = "folder"
path = "var/partners/{partner}"
[[transport]]
id = "reports"
kind = "folder"
path = "var/reports"
[[commissioner]]
id = "icb"
name = "Made-up ICB"
report = { transport = "reports" }
"#;

/// The installation, and the GP system of its practice if it has one.
pub(crate) struct World {
    pub(crate) home: Home,
    gp: Option<Sandbox>,
    sources: Vec<Source>,
    partners: BTreeMap<String, PartnerFile>,
    extracts: u32,
}

impl World {
    /// With these sources and partners.
    pub(crate) fn of(sources: &[Source], partners: &[PartnerFile]) -> Self {
        let mut world = Self::bare();
        world.sources = sources.to_vec();
        world.installs();
        for partner in partners {
            world.agrees(partner.clone());
        }
        world
    }

    /// With a practice that writes extracts into a folder.
    pub(crate) fn of_folder(partners: &[PartnerFile]) -> Self {
        Self::of(&[Source::folder("hilltop", "extracts")], partners)
    }

    /// With a practice whose GP system holds these records.
    pub(crate) fn of_gp(partners: &[PartnerFile], records: &[Value]) -> Self {
        let mut world = Self::of(&[], partners);
        world.home.write("data/world.ndjson", ndjson(records));
        world.gp_is(Sandbox::start(&world.home, "data"));
        world
    }

    /// With a workload and the files that `install.py` writes for it; the GP system is somewhere else.
    pub(crate) fn of_workload(workload: &Workload, base: &str) -> Self {
        let world = Self::bare();
        workload.install(&world.home, "--fhir", base);
        world
    }

    /// The same, with this GP system.
    pub(crate) fn of_workload_at(workload: &Workload, gp: Sandbox) -> Self {
        let world = Self::of_workload(workload, &gp.fhir.base);
        Self {
            gp: Some(gp),
            ..world
        }
    }

    /// With a workload whose extracts are in a folder.
    pub(crate) fn of_extracts(workload: &Workload) -> Self {
        let world = Self::bare();
        workload.copy(&world.home, "extracts");
        let folder = world.home.below("extracts").display().to_string();
        workload.install(&world.home, "--extracts", &folder);
        world
    }

    fn bare() -> Self {
        Self {
            home: Home::new(),
            gp: None,
            sources: Vec::new(),
            partners: BTreeMap::new(),
            extracts: 0,
        }
    }

    /// From here on this is the GP system; gives back the one before.
    pub(crate) fn gp_is(&mut self, gp: Sandbox) -> Option<Sandbox> {
        self.sources = vec![Source::searched("hilltop", &gp.fhir.base)];
        self.installs();
        self.gp.replace(gp)
    }

    /// The GP system is gone.
    pub(crate) fn gp_goes(&mut self) {
        self.gp = None;
    }

    /// Everything of a type that the GP system holds.
    pub(crate) fn gp_has(&self, resource_type: &str) -> Vec<Value> {
        self.gp().fhir.all(resource_type)
    }

    /// The GP system.
    pub(crate) fn gp(&self) -> &Sandbox {
        self.gp.as_ref().expect("the practice has a GP system")
    }

    /// Records as they are at the practice now: in its GP system, or in an extract of their own.
    pub(crate) fn gp_refers(&mut self, records: &[Value]) {
        if let Some(gp) = &self.gp {
            return records.iter().for_each(|record| gp.fhir.put(record));
        }
        self.extracts += 1;
        let name = format!("extracts/{:02}.ndjson", self.extracts);
        self.home.write(&name, ndjson(records));
    }

    /// The config names the GP system in another way.
    pub(crate) fn source(&mut self, change: impl FnOnce(Source) -> Source) {
        self.sources_are(|source| vec![change(source)]);
    }

    /// The config names further GP systems beside the one that is there.
    pub(crate) fn sources_are(&mut self, all: impl FnOnce(Source) -> Vec<Source>) {
        let source = self.sources.pop().expect("a GP system");
        self.sources = all(source);
        self.installs();
    }

    /// The config names these GP systems and no others.
    pub(crate) fn sources_are_these(&mut self, all: &[Source]) {
        self.sources = all.to_vec();
        self.installs();
    }

    fn installs(&self) {
        let sources = self.sources.iter().map(Source::toml);
        let config = std::iter::once(HEAD.to_owned()).chain(sources);
        self.home
            .write("config/kith.toml", config.collect::<String>());
    }

    /// The file of a partner, new or instead of the one before.
    pub(crate) fn agrees(&mut self, file: PartnerFile) {
        self.home
            .write(&format!("mappings/partners/{}.toml", file.id), file.toml());
        self.partners.insert(file.id.clone(), file);
    }

    /// A partner's file is changed.
    pub(crate) fn amends(&mut self, id: &str, change: impl FnOnce(PartnerFile) -> PartnerFile) {
        let file = self.partners[id].clone();
        self.agrees(change(file));
    }

    /// Runs the loop; that somebody must act is no failure.
    pub(crate) fn runs(&self) -> Value {
        self.runs_with(&[])
    }

    /// Runs these rooms, or all, with further options.
    pub(crate) fn runs_with(&self, arguments: &[&str]) -> Value {
        self.says(&[&["run", "--once"], arguments].concat())
    }

    /// Runs the loop as of an instant; it must end with this code.
    pub(crate) fn runs_at(&self, at: &str, code: i32) -> Value {
        let run = ["run", "--once", "--json", "--as-of", at];
        self.kith(&run, code).json()
    }

    /// What a command says as JSON, whether somebody must act or not.
    pub(crate) fn says(&self, arguments: &[&str]) -> Value {
        let mut as_of = arguments.iter().skip_while(|word| **word != "--as-of");
        if let Some(at) = as_of.nth(1) {
            self.home.is_at(at);
        }
        let ran = self.home.kith(&[arguments, &["--json"]].concat());
        assert!(
            matches!(ran.code, 0 | 1),
            "exit {}\n{}",
            ran.code,
            ran.stderr
        );
        ran.json()
    }

    /// A command that must end with this code.
    pub(crate) fn kith(&self, arguments: &[&str], code: i32) -> Ran {
        self.home.ran(arguments, code)
    }

    /// The books are true.
    pub(crate) fn proves(&self) {
        let proof = self.kith(&["prove", "--json"], 0).json();
        assert_eq!(proof["balanced"], true, "{proof}");
    }

    /// What waits for this reason, as `kith status` lists it.
    pub(crate) fn held(&self, reason: &str) -> Vec<Value> {
        let mut held = held(&self.says(&["status"]));
        held.retain(|hold| hold["reason"] == reason);
        held
    }

    /// The drops that are there.
    pub(crate) fn drops(&self) -> Drops {
        let names = |id: &String| {
            let drops = self.home.drops(id).into_iter();
            let name = |drop: std::path::PathBuf| {
                drop.file_name()
                    .expect("a name")
                    .to_string_lossy()
                    .into_owned()
            };
            (id.clone(), drops.map(name).collect())
        };
        self.partners.keys().map(names).collect()
    }

    /// Every row of every drop, partner by partner.
    pub(crate) fn rows(&self) -> Vec<Row> {
        self.rows_since(&Drops::new())
    }

    /// The rows of the drops that are not among these.
    pub(crate) fn rows_since(&self, known: &Drops) -> Vec<Row> {
        let mut rows = Vec::new();
        for (partner, drops) in self.drops() {
            let new = drops.iter().filter(|drop| {
                !known
                    .get(&partner)
                    .is_some_and(|known| known.contains(*drop))
            });
            for drop in new {
                let path = self
                    .home
                    .below(&format!("var/partners/{partner}/out/{drop}"));
                let table = table::read(&path, Layout::COMMA);
                for cells in table.rows {
                    let mut row: Row = table.header.iter().cloned().zip(cells).collect();
                    row.insert("partner".to_owned(), partner.clone());
                    rows.push(row);
                }
            }
        }
        rows
    }

    /// The row by which somebody was sent first.
    pub(crate) fn row_of(&self, name: &str) -> Row {
        let found = self.rows().into_iter().find(|row| row["Name"] == name);
        found.unwrap_or_else(|| panic!("{name} was not sent"))
    }

    /// A partner sends these rows back, with its answers beside them.
    pub(crate) fn partner_returns(&self, partner: &str, file: &str, told: &[(Row, Answers)]) {
        let mut header: Vec<&str> = KEPT.into_iter().chain(ANSWERED).collect();
        let further = told
            .iter()
            .flat_map(|(_, answers)| answers)
            .map(|(header, _)| *header);
        for further in further {
            if !header.contains(&further) {
                header.push(further);
            }
        }
        let cell = |row: &Row, answers: &Answers, header: &str| {
            let answer = answers.iter().find(|(answered, _)| *answered == header);
            let kept = row.get(header).filter(|_| KEPT.contains(&header));
            answer
                .map(|(_, answer)| answer)
                .or(kept)
                .cloned()
                .unwrap_or_default()
        };
        let rows = told.iter().map(|(row, answers)| {
            header
                .iter()
                .map(|header| cell(row, answers, header))
                .collect()
        });
        let rows = rows.collect();
        let header = header.iter().map(|header| (*header).to_owned()).collect();
        let sheet = table::write(&Table { header, rows }, Layout::COMMA);
        self.home.put_return(partner, file, &sheet);
    }
}

/// Whether somebody came, so many days ago.
pub(crate) fn came(days_ago: i64, attended: &str) -> Answers {
    vec![
        ("Date seen", written(day(-days_ago))),
        ("Attended?", attended.to_owned()),
    ]
}

/// How it went on, so many days ago.
pub(crate) fn ended(days_ago: i64, outcome: &str) -> Answers {
    vec![
        ("Date seen", written(day(-days_ago))),
        ("Outcome", outcome.to_owned()),
    ]
}

/// What waits, in a summary.
pub(crate) fn held(summary: &Value) -> Vec<Value> {
    summary["held"].as_array().expect("held").clone()
}

/// A later version of a record.
pub(crate) fn later(mut resource: Value) -> Value {
    resource["meta"] = json!({"versionId": "2", "lastUpdated": format!("{}T10:00:00Z", day(0))});
    resource
}
