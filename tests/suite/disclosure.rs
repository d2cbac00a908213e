//! What a partner file can show is what `kith check` says it can: made-up files over records with a mark in every element.
//!
//! Every cell of every row is held against what the statement says of its own column, which is more than the contract asks
//! (a row against the whole file). The files come from a seed that a failure prints.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::support::elements::{Marks, records};
use super::support::home::Home;
use super::support::people::ndjson;
use super::support::table::{Layout, Table, parse};

const FILES: u64 = 300;
const SEED: u64 = 0x6b69_7468;

/// A config with one source and one transport.
pub(crate) const CONFIG: &str = r#"namespace = "https://kith.example"
[store]
url = "sqlite://var/kith.db"
[seal]
key = { file = "var/seal.key" }
[[source]]
id = "hilltop"
name = "zqsourcenamezq"
ods_code = "ZZ001"
phone = "01632 961000"
commissioner = "icb"
pull = { kind = "search", base_url = "http://127.0.0.1:8080/fhir" }
push = { kind = "off" }
safety = [{ name = "Duty lead", phone = "01632 960000" }]
[[transport]]
id = "local"
kind = "folder"
path = "var/partners/{partner}"
[[commissioner]]
id = "icb"
name = "Example ICB"
"#;

/// Expressions with the share entry that each needs.
const EXPRESSIONS: [(&str, &str); 30] = [
    ("%patient.name.where(use = 'maiden').family", "patient.name"),
    ("%patient.name.select(given | family)", "patient.name"),
    (
        "%patient.name.first().family & ', ' & %patient.name.first().given.first()",
        "patient.name",
    ),
    (
        "%patient.telecom.where(system = 'email').value.first()",
        "patient.telecom",
    ),
    ("%patient.telecom.value.join(' / ')", "patient.telecom"),
    ("%patient.identifier.value", "patient.identifier.value"),
    (
        "%patient.extension.value.ofType(string)",
        "patient.extension",
    ),
    (
        "%patient.extension.descendants().ofType(string)",
        "patient.extension",
    ),
    (
        "%patient.extension.repeat(extension).value.ofType(string)",
        "patient.extension",
    ),
    (
        "%patient.contact.name.given.first()",
        "patient.contact.name",
    ),
    (
        "%patient.contact.descendants().ofType(string)",
        "patient.contact",
    ),
    (
        "%patient.address.select(city & ' ' & postalCode)",
        "patient.address",
    ),
    (
        "%patient.address.where(use = 'old').line.last()",
        "patient.address",
    ),
    (
        "%patient.communication.language.coding.display",
        "patient.communication",
    ),
    (
        "%patient.maritalStatus.text.upper()",
        "patient.maritalStatus",
    ),
    ("%patient.photo.title", "patient.photo"),
    (
        "%patient.generalPractitioner.display",
        "patient.generalPractitioner",
    ),
    ("%patient.meta.tag.display", "patient.meta"),
    (
        "iif(%patient.contact.exists(), %patient.contact.name.family, 'none')",
        "patient.contact",
    ),
    (
        "%patient.name.aggregate($total & family, '')",
        "patient.name",
    ),
    ("note.text", "referral.note"),
    ("%request.note.author.ofType(string)", "referral.note"),
    (
        "reasonCode.select(text | coding.display)",
        "referral.reasonCode",
    ),
    ("%resource.category.text", "referral.category"),
    (
        "supportingInfo.display.trace('x')",
        "referral.supportingInfo",
    ),
    (
        "contained.descendants().ofType(string)",
        "referral.contained",
    ),
    ("patientInstruction", "request.patientInstruction"),
    ("%practice.address.city", "practice.address.city"),
    ("%role.specialty.text", "role.specialty"),
    (
        "%requester.qualification.code.text",
        "requester.qualification",
    ),
];

/// Numbers that look random and are the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(end).unwrap()).unwrap()
    }

    fn one_in(&mut self, end: usize) -> bool {
        self.below(end) == 0
    }

    fn of<'t>(&mut self, list: &[&'t str]) -> &'t str {
        list[self.below(list.len())]
    }
}

/// A field as `fields.toml` has it.
struct Field {
    name: String,
    group: Option<String>,
    kind: String,
    class: String,
}

fn fields() -> Vec<Field> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("mappings/fields.toml");
    let text = fs::read_to_string(file).unwrap();
    let blocks = text.split("[[field]]").skip(1);
    let read = blocks
        .filter(|block| !block.contains("derivation = \"none\""))
        .map(|block| {
            let key = |key: &str| {
                let mut lines = block
                    .lines()
                    .filter_map(|line| line.strip_prefix(&format!("{key} = \"")));
                lines
                    .next()
                    .and_then(|rest| rest.split('"').next())
                    .map(str::to_owned)
            };
            Field {
                name: key("name").unwrap(),
                group: key("group"),
                kind: key("kind").unwrap(),
                class: key("class").unwrap(),
            }
        });
    read.collect()
}

/// A made-up partner file and the layout of its drops.
fn partner_file(id: &str, dice: &mut Dice, fields: &[Field]) -> (String, Layout) {
    let (mut shared, mut columns) = (Vec::new(), String::new());
    for n in 0..3 + dice.below(12) {
        let _ignored = writeln!(columns, "[[deliver.column]]\nheader = \"Column {n}\"");
        match dice.below(10) {
            0 => columns.push_str("text = \"the same in every row\"\n"),
            1..4 => {
                let (expression, share) = EXPRESSIONS[dice.below(EXPRESSIONS.len())];
                let _ignored =
                    writeln!(columns, "fhirpath = \"{expression}\"\nshare = \"{share}\"");
                shared.push(share.to_owned());
                keys(&mut columns, dice, "text", "special");
            }
            _ => {
                let field = &fields[dice.below(fields.len())];
                let _ignored = writeln!(columns, "from = \"{}\"", field.name);
                let entry = field.group.clone().filter(|_| dice.one_in(2));
                if field.class != "leg" {
                    shared.push(entry.unwrap_or_else(|| field.name.clone()));
                }
                keys(&mut columns, dice, &field.kind, &field.class);
            }
        }
    }
    let mut select = String::new();
    for (criterion, share) in [
        ("activities = [\"befriending\"]", "referral.activity"),
        ("needs = [\"loneliness\"]", "referral.reason"),
        ("age_years = { min = 18 }", "patient.birth_date"),
        ("postcodes = [\"BS1\"]", "patient.address"),
        ("gender = [\"female\"]", "patient.gender"),
        ("practices = [\"ZZ001\"]", "practice.ods_code"),
    ] {
        if dice.one_in(3) {
            let _ignored = writeln!(select, "{criterion}");
            shared.push(share.to_owned());
        }
    }
    let delimiter = dice.of(&[",", ";", "tab", "|"]);
    let encoding = dice.of(&["utf-8", "utf-8-bom", "windows-1252"]);
    let (newline, quote) = (dice.of(&["crlf", "lf"]), dice.of(&["necessary", "always"]));
    let layout = Layout {
        delimiter: if delimiter == "tab" {
            b'\t'
        } else {
            delimiter.as_bytes()[0]
        },
        windows_1252: encoding == "windows-1252",
        mark: encoding == "utf-8-bom",
    };
    let text = format!(
        "[partner]\nid = \"{id}\"\nname = \"Partner {id}\"\nkind = \"provider\"\nidentifier = {{ system = \"https://kith.example/Id/partner\", value = \"{id}\" }}\n\
         [select]\nenabled = false\n{select}[share]\nbasis = \"made up\"\nfields = {shared:?}\n\
         [deliver]\ntransport = \"local\"\nfile = \"{{partner}}_{{date}}_{{sequence}}.csv\"\n\
         format = {{ delimiter = \"{delimiter}\", encoding = \"{encoding}\", newline = \"{newline}\", quote = \"{quote}\" }}\n\
         [[deliver.column]]\nheader = \"Our ref\"\nfrom = \"leg.reference\"\n{columns}"
    );
    (text, layout)
}

/// Keys that change how a value is written.
fn keys(columns: &mut String, dice: &mut Dice, kind: &str, class: &str) {
    if dice.one_in(4) {
        columns.push_str("default = \"not given\"\n");
    }
    if dice.one_in(5) {
        columns.push_str("join = \" / \"\n");
    }
    if dice.one_in(5) {
        columns.push_str("unencodable = \"replace\"\n");
    }
    if dice.one_in(4) {
        columns.push_str("max_length = 60\ntoo_long = \"truncate\"\n");
    }
    if kind == "date" && dice.one_in(2) {
        let _ignored = writeln!(
            columns,
            "date = \"{}\"",
            dice.of(&["%d/%m/%Y", "%F", "%-d %B %Y"])
        );
    }
    if dice.one_in(4) {
        columns.push_str("codes = { NEW = \"New\", AMEND = \"Changed\", STOP = \"Stop\", PAUSE = \"Wait\", female = \"F\", urgent = \"!\", befriending = \"Tea\" }\n");
        let blank = if class == "safety" { "keep" } else { "blank" };
        let _ignored = writeln!(
            columns,
            "unmapped = \"{}\"",
            dice.of(&["keep", "other", blank])
        );
    }
}

/// What each column may show, by the statement.
type Statement = Vec<Vec<String>>;

fn statement(partner: &Value) -> Statement {
    let texts = |value: &Value| -> Vec<String> {
        let list = value.as_array().unwrap();
        list.iter()
            .map(|text| text.as_str().unwrap().to_owned())
            .collect()
    };
    let columns: Statement = partner["columns"]
        .as_array()
        .unwrap()
        .iter()
        .map(|column| texts(&column["shows"]))
        .collect();
    let all = texts(&partner["elements"]);
    assert!(
        columns
            .iter()
            .flatten()
            .all(|element| all.contains(element)),
        "{partner}"
    );
    columns
}

/// Every mark in a row that its column's statement does not name, and how many marks there were.
fn breaches(table: &Table, statement: &Statement, marks: &Marks) -> (Vec<String>, usize) {
    let (mut found, mut seen) = (Vec::new(), 0);
    for row in &table.rows {
        for (at, cell) in row.iter().enumerate() {
            for (mark, elements) in marks.within(cell) {
                seen += 1;
                let named = elements.iter().any(|element| {
                    let below = |above: &String| {
                        element
                            .strip_prefix(above.as_str())
                            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
                    };
                    statement[at].iter().any(below)
                });
                if !named {
                    found.push(format!(
                        "{} shows {mark} of {elements:?}, the statement is {:?}",
                        table.header[at], statement[at]
                    ));
                }
            }
        }
    }
    (found, seen)
}

/// The rows that `kith map` makes with one file in a home of its own.
fn rows(id: &str, text: &str, layout: Layout, input: &str) -> Table {
    let home = Home::new();
    home.write("config/kith.toml", CONFIG);
    home.write(&format!("mappings/partners/{id}.toml"), text);
    let output = home.below("rows.csv").display().to_string();
    let ran = home.kith(&[
        "map",
        "--partner",
        id,
        "--input",
        input,
        "--output",
        &output,
    ]);
    assert!(ran.code < 2, "{id}: {}\n{text}", ran.stderr);
    parse(&fs::read(home.below("rows.csv")).unwrap(), layout)
}

#[test]
fn a_row_holds_nothing_but_what_the_statement_names() {
    let (resources, mut marks) = records();
    for (mark, element) in [
        ("zqsourcenamezq", "source.name"),
        ("zz001", "source.ods_code"),
        ("961000", "source.phone"),
    ] {
        marks.add(mark, element);
    }
    marks.assert_apart();
    let home = Home::new();
    home.write("config/kith.toml", CONFIG);
    home.write("input.ndjson", ndjson(&resources));
    let input = home.below("input.ndjson").display().to_string();
    let fields = fields();
    let mut dice = Dice(SEED);
    let files: Vec<(String, String, Layout)> = (0..FILES)
        .map(|n| {
            let id = format!("made-{n:03}");
            let (text, layout) = partner_file(&id, &mut dice, &fields);
            home.write(&format!("mappings/partners/{id}.toml"), &text);
            (id, text, layout)
        })
        .collect();
    let checked = home.kith(&["check", "--json"]).expect_code(0).json();
    let statements: BTreeMap<&str, Statement> = checked["partners"]
        .as_array()
        .unwrap()
        .iter()
        .map(|partner| (partner["id"].as_str().unwrap(), statement(partner)))
        .collect();
    assert_eq!(statements.len(), files.len());
    let half = files.len() / 2;
    let tables: Vec<Table> = std::thread::scope(|scope| {
        let parts = [&files[..half], &files[half..]].map(|part| {
            let input = &input;
            scope.spawn(move || {
                part.iter()
                    .map(|(id, text, layout)| rows(id, text, *layout, input))
                    .collect::<Vec<_>>()
            })
        });
        parts
            .into_iter()
            .flat_map(|part| part.join().unwrap())
            .collect()
    });
    let (mut seen, mut blind, mut lies) = (0, 0, 0);
    for ((id, text, _), table) in files.iter().zip(&tables) {
        let stated = &statements[id.as_str()];
        let (found, marked) = breaches(table, stated, &marks);
        assert!(
            found.is_empty(),
            "seed {SEED:#x}, {id}:\n{}\n{text}",
            found.join("\n")
        );
        seen += marked;
        blind += usize::from(marked == 0);
        // A statement that leaves out any one column must be found out by whatever that column shows.
        for at in 0..stated.len() {
            let mut lie = stated.clone();
            lie[at].clear();
            let shown = table
                .rows
                .iter()
                .any(|row| !marks.within(&row[at]).is_empty());
            assert_eq!(
                shown,
                !breaches(table, &lie, &marks).0.is_empty(),
                "{id}, column {at}"
            );
            lies += usize::from(shown);
        }
    }
    // The proof is worth as much as there was to see.
    assert!(
        seen > 4_000 && blind < 10 && lies > 1_200,
        "{seen} marks, {blind} files without, {lies} lies found out"
    );
}
