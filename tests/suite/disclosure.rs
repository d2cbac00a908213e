//! What a partner file can show is what `kith check` says it can: made-up files over records with a mark in every element.
//!
//! Every cell of every row is held against what the statement says of its own column, which is more than the contract asks
//! (a row against the whole file). The files come from a seed that a failure prints.

use std::collections::{BTreeMap, BTreeSet};
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

/// A mark found in a column, and the elements it could come from.
struct Shown<'m> {
    column: usize,
    mark: &'m str,
    elements: &'m BTreeSet<String>,
}

/// Every mark of a table.
fn shown<'m>(table: &Table, marks: &'m Marks) -> Vec<Shown<'m>> {
    let mut found = Vec::new();
    for row in &table.rows {
        for (column, cell) in row.iter().enumerate() {
            for (mark, elements) in marks.within(cell) {
                found.push(Shown {
                    column,
                    mark,
                    elements,
                });
            }
        }
    }
    found
}

/// What is shown that the statement does not name in its column.
fn breaches(shown: &[Shown<'_>], statement: &Statement) -> Vec<String> {
    let unnamed = shown.iter().filter(|one| {
        !one.elements.iter().any(|element| {
            statement[one.column].iter().any(|above| {
                element
                    .strip_prefix(above.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            })
        })
    });
    unnamed
        .map(|one| {
            let stated = &statement[one.column];
            format!(
                "column {} shows {} of {:?}, its statement is {stated:?}",
                one.column, one.mark, one.elements
            )
        })
        .collect()
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

/// A made-up file: its id, its text, the layout of its drops.
type Made = (String, String, Layout);

/// Every file, in the home where one `kith check` judges them all.
fn made(home: &Home) -> Vec<Made> {
    let fields = fields();
    let mut dice = Dice(SEED);
    let one = |n: u64| {
        let id = format!("made-{n:03}");
        let (text, layout) = partner_file(&id, &mut dice, &fields);
        home.write(&format!("mappings/partners/{id}.toml"), &text);
        (id, text, layout)
    };
    (0..FILES).map(one).collect()
}

/// The rows of every file, two at a time.
fn mapped(files: &[Made], input: &str) -> Vec<Table> {
    let all = |part: &[Made]| -> Vec<Table> {
        let of = |(id, text, layout): &Made| rows(id, text, *layout, input);
        part.iter().map(of).collect()
    };
    let (one, other) = files.split_at(files.len() / 2);
    std::thread::scope(|scope| {
        let other = scope.spawn(|| all(other));
        let mut tables = all(one);
        tables.extend(other.join().unwrap());
        tables
    })
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
    let files = made(&home);
    let checked = home.kith(&["check", "--json"]).expect_code(0).json();
    let statements: BTreeMap<&str, Statement> = checked["partners"]
        .as_array()
        .unwrap()
        .iter()
        .map(|partner| (partner["id"].as_str().unwrap(), statement(partner)))
        .collect();
    assert_eq!(statements.len(), files.len());
    let tables = mapped(&files, &home.below("input.ndjson").display().to_string());
    let (mut seen, mut left_out, mut moved) = (0, 0, 0);
    for ((id, text, _), table) in files.iter().zip(&tables) {
        let (stated, shown) = (&statements[id.as_str()], shown(table, &marks));
        let found = breaches(&shown, stated);
        let found = found.join("\n");
        assert!(found.is_empty(), "seed {SEED:#x}, {id}:\n{found}\n{text}");
        seen += shown.len();
        // Two kinds of wrong statement, which this test must see: a column left out, and each column told of the next.
        for at in 0..stated.len() {
            let mut lie = stated.clone();
            lie[at].clear();
            left_out += usize::from(!breaches(&shown, &lie).is_empty());
        }
        let mut lie = stated.clone();
        lie.rotate_left(1);
        moved += usize::from(!breaches(&shown, &lie).is_empty());
    }
    println!("{seen} marks; {left_out} columns left out and {moved} files mixed up were found out");
    assert!(
        seen > 4_000 && left_out > 1_200 && moved > 250,
        "too little to see: {seen} marks, {left_out} columns, {moved} files"
    );
}
