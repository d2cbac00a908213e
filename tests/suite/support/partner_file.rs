//! Partner files of the tests: well as they begin, and changed key by key.

use super::edit::replace;

/// The ids of the two partners that most tests have.
pub(crate) const PARTNERS: [&str; 2] = ["elm", "oak"];
const BEGINNING: &str = r#"[partner]
id = "ID"
name = "The ID project"
kind = "provider"
identifier = { system = "https://kith.example/Id/partner", value = "ID" }
contact = { name = "Test Contact", email = "ID@example.org" }
verified_on = 2026-11-01
care_provider = true
[select]
activities = ["befriending"]
consent = "implied"
[share]
basis = "made-up agreement for tests"
[deliver]
transport = "local"
file = "referrals_{date}_{sequence}.csv"
format = { delimiter = ",", encoding = "utf-8-bom", newline = "crlf", quote = "necessary", formula = "escape" }
[collect]
transport = "local"
file = "returns*.csv"
dates = "%d/%m/%Y"
acknowledged = { column = "Stopped?", values = ["Y"] }"#;
const ATTENDANCE: &str = r#"kind = "attendance"
on = "Date seen"
value = { column = "Attended?", codes = { Y = "attended", N = "did-not-attend" } }"#;
const STATUS: &str = r#"kind = "status"
on = "Date seen"
value = { column = "Outcome", codes = { "Taken on" = "accepted", "Finished" = "completed" } }"#;

/// A partner file. It shares name and activity, has columns for our reference, check, action and the name, and reads attendance and outcome.
#[derive(Clone)]
pub(crate) struct PartnerFile {
    pub(crate) id: String,
    /// Sections with their lines, one a key.
    sections: Vec<(String, Vec<String>)>,
    columns: Vec<(String, String)>,
    events: String,
    /// What comes behind.
    more: String,
}

impl PartnerFile {
    /// The file of the partner with this id.
    pub(crate) fn of(id: &str) -> Self {
        let mut sections: Vec<(String, Vec<String>)> = Vec::new();
        for line in replace(BEGINNING, "ID", id).lines() {
            match line.strip_prefix('[') {
                Some(name) => sections.push((name.trim_end_matches(']').to_owned(), Vec::new())),
                None => sections
                    .last_mut()
                    .expect("a section")
                    .1
                    .push(line.to_owned()),
            }
        }
        let file = Self {
            id: id.to_owned(),
            sections,
            columns: Vec::new(),
            events: String::new(),
            more: String::new(),
        };
        file.shares(&["patient.name", "referral.activity"])
            .column("Our ref", "leg.reference")
            .column("Check", "leg.check")
            .column("What", "leg.action")
            .column("Name", "patient.name")
            .event(ATTENDANCE)
            .event(STATUS)
    }

    /// The key of a section is as this line says, whatever the file said of it.
    pub(crate) fn with(mut self, section: &str, line: impl Into<String>) -> Self {
        let line = line.into();
        let key = |line: &str| line.split(" =").next().unwrap_or_default().to_owned();
        let lines = self.sections.iter_mut().find(|(name, _)| name == section);
        let (_, lines) = lines.unwrap_or_else(|| panic!("no section {section}"));
        match lines.iter_mut().find(|known| key(known) == key(&line)) {
            Some(known) => *known = line,
            None => lines.push(line),
        }
        self
    }

    /// These fields are shared and no others.
    pub(crate) fn shares(self, fields: &[&str]) -> Self {
        self.with("share", format!("fields = {fields:?}"))
    }

    /// A further column, with a field in it.
    pub(crate) fn column(self, header: &str, from: &str) -> Self {
        self.column_of(header, &format!("from = \"{from}\""))
    }

    /// A further column, with keys as they are written.
    pub(crate) fn column_of(mut self, header: &str, keys: &str) -> Self {
        self.columns.push((header.to_owned(), keys.to_owned()));
        self
    }

    /// Without a column that it had.
    pub(crate) fn without(mut self, header: &str) -> Self {
        let before = self.columns.len();
        self.columns.retain(|(known, _)| known != header);
        assert!(self.columns.len() < before, "no column {header}");
        self
    }

    /// A further event that returns tell of, with keys as they are written.
    pub(crate) fn event(mut self, keys: &str) -> Self {
        let event = format!("[[collect.event]]\n{keys}\n");
        self.events.push_str(&event);
        self
    }

    /// What comes behind everything else.
    pub(crate) fn then(mut self, text: &str) -> Self {
        self.more.push_str(text);
        self
    }

    /// The file as it is written.
    pub(crate) fn toml(&self) -> String {
        let mut text = String::new();
        for (name, lines) in &self.sections {
            if name == "collect" {
                let columns = self.columns.iter();
                text.extend(columns.map(|(header, keys)| {
                    format!("[[deliver.column]]\nheader = \"{header}\"\n{keys}\n")
                }));
            }
            let section = format!("[{name}]\n{}\n", lines.join("\n"));
            text.push_str(&section);
        }
        text + &self.events + &self.more
    }
}

/// The files of those two.
pub(crate) fn partners() -> Vec<PartnerFile> {
    PARTNERS.map(PartnerFile::of).to_vec()
}
