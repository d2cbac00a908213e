//! The JSON Schema of partner files, for editors: completion, and a word on each key while it is written.
//!
//! The table of keys below goes in, the schema goes out. Invariant: its keys are those that the loader asks for, no more and no
//! fewer, which a test sees by watching the loader. What a file may say beyond its keys is `kith check`'s to judge.

use serde_json::{Map, Value, json};

use super::model::Volume;

/// What a key takes.
#[derive(Clone, Copy)]
enum Takes {
    Text,
    Flag,
    Day,
    Texts,
    /// From the first to the second.
    Whole(i64, i64),
    OneOf(&'static [&'static str]),
    ManyOf(&'static [&'static str]),
    Volumes,
    /// The table of that name below this one; the flag says whether several.
    Table,
    Tables,
    /// A list of codes: a file below mappings, or an inline table.
    Codes,
    /// Headers by item of an instrument.
    Items,
    /// A word, or a column that tells it.
    WordOrTable(&'static [&'static str]),
}

/// A key: its table, its name, whether it must be there, what it takes, what it says.
type Key = (&'static str, &'static str, bool, Takes, &'static str);

use Takes::{
    Codes, Day, Flag, Items, ManyOf, OneOf, Table, Tables, Text, Texts, Volumes, Whole, WordOrTable,
};

const KEYS: &[Key] = &[
    ("", "partner", true, Table, "Who they are"),
    ("", "select", true, Table, "Whom they take"),
    (
        "",
        "share",
        true,
        Table,
        "What may leave at all, and on which ground",
    ),
    ("", "deliver", true, Table, "How they want a drop"),
    ("", "collect", false, Table, "How they answer"),
    (
        "",
        "push",
        false,
        Table,
        "What of their answers reaches the GP record",
    ),
    (
        "",
        "onward",
        false,
        Table,
        "Where a link worker may refer on",
    ),
    ("", "assurance", false, Table, "What was checked about them"),
    (
        "partner",
        "id",
        true,
        Text,
        "The file's name: lower-case letters, digits and hyphens",
    ),
    ("partner", "name", true, Text, "As they call themselves"),
    (
        "partner",
        "kind",
        true,
        OneOf(&["provider", "link-worker"]),
        "What they do",
    ),
    (
        "partner",
        "identifier",
        true,
        Table,
        "How a referral's performer names them",
    ),
    ("partner", "contact", false, Table, "Whom to ask"),
    (
        "partner",
        "mode",
        false,
        OneOf(&["live", "shadow"]),
        "In shadow all is decided and recorded, and nothing is sent",
    ),
    (
        "partner",
        "care_provider",
        false,
        Flag,
        "Gives direct care, so that consent may be implied",
    ),
    (
        "partner",
        "sensitive",
        false,
        Flag,
        "Their name by itself tells something about a person",
    ),
    ("partner", "children", false, Flag, "Takes people under 18"),
    (
        "partner",
        "classes",
        false,
        Texts,
        "Classes of recipients that a Consent may name instead of them",
    ),
    (
        "partner",
        "verified_on",
        false,
        Day,
        "When the file was last checked with them",
    ),
    (
        "partner",
        "changed_by",
        false,
        Text,
        "Who wrote this version; somebody else approves it",
    ),
    (
        "partner.identifier",
        "system",
        true,
        Text,
        "The identifier's system",
    ),
    ("partner.identifier", "value", true, Text, "The identifier"),
    ("partner.contact", "name", true, Text, "A person or a desk"),
    ("partner.contact", "email", false, Text, "An e-mail address"),
    (
        "partner.contact",
        "phone",
        false,
        Text,
        "A telephone number",
    ),
    ("select", "enabled", false, Flag, "False: nobody is sent"),
    ("select", "care_provider", false, Flag, "As in [partner]"),
    ("select", "children", false, Flag, "As in [partner]"),
    (
        "select",
        "activities",
        false,
        Texts,
        "Names of activities.csv",
    ),
    ("select", "needs", false, Texts, "Needs of needs.csv"),
    (
        "select",
        "age_years",
        false,
        Table,
        "Ages taken, both included",
    ),
    (
        "select",
        "postcodes",
        false,
        Texts,
        "Outward codes, or outward code and sector: BS1, BS2 8",
    ),
    (
        "select",
        "no_postcode",
        false,
        OneOf(&["hold", "ignore"]),
        "What happens to a person without a postcode",
    ),
    (
        "select",
        "consent",
        false,
        OneOf(&["required", "implied"]),
        "On what a disclosure rests",
    ),
    (
        "select",
        "open_legs_max",
        false,
        Whole(0, 1_000_000),
        "Places",
    ),
    (
        "select",
        "priority",
        false,
        Whole(-1_000, 1_000),
        "The highest wins a tie",
    ),
    (
        "select",
        "practices",
        false,
        Texts,
        "ODS codes of the practices whose referrals are taken",
    ),
    (
        "select",
        "gender",
        false,
        ManyOf(&["male", "female", "other", "unknown"]),
        "May only ever hold",
    ),
    ("select", "starts_on", false, Day, "The first day"),
    ("select", "ends_on", false, Day, "The last day"),
    (
        "select",
        "urgent",
        false,
        OneOf(&["send-and-tell", "hold"]),
        "What happens to an urgent referral",
    ),
    (
        "select",
        "capacity_days",
        false,
        Whole(0, 365),
        "Days after which the practice is asked about people who wait for a place",
    ),
    (
        "select.age_years",
        "min",
        false,
        Whole(0, 150),
        "From this age",
    ),
    (
        "select.age_years",
        "max",
        false,
        Whole(0, 150),
        "Up to this age",
    ),
    (
        "share",
        "basis",
        true,
        Text,
        "The agreement, with its number",
    ),
    (
        "share",
        "fields",
        true,
        Texts,
        "Fields or groups of `kith explain fields`",
    ),
    (
        "share",
        "expires_on",
        false,
        Day,
        "After this day nothing new goes",
    ),
    (
        "deliver",
        "transport",
        true,
        Text,
        "A transport of the config",
    ),
    (
        "deliver",
        "file",
        true,
        Text,
        "Name of a drop with {date}, {sequence}, {partner}",
    ),
    (
        "deliver",
        "schedule",
        false,
        Text,
        "Five fields of crontab, Europe/London",
    ),
    (
        "deliver",
        "empty",
        false,
        Flag,
        "Whether a drop without rows is written",
    ),
    ("deliver", "format", false, Table, "How the file is written"),
    (
        "deliver",
        "column",
        true,
        Tables,
        "One column, in their order",
    ),
    (
        "deliver.format",
        "kind",
        false,
        OneOf(&["csv"]),
        "The kind of file",
    ),
    (
        "deliver.format",
        "delimiter",
        false,
        OneOf(&[",", ";", "|", "tab", "\t", "\\t"]),
        "Between cells",
    ),
    (
        "deliver.format",
        "encoding",
        false,
        OneOf(&["utf-8", "utf-8-bom", "windows-1252"]),
        "Of letters",
    ),
    (
        "deliver.format",
        "newline",
        false,
        OneOf(&["crlf", "lf"]),
        "End of a row",
    ),
    (
        "deliver.format",
        "quote",
        false,
        OneOf(&["necessary", "always"]),
        "Which cells stand in quotes",
    ),
    (
        "deliver.format",
        "formula",
        false,
        OneOf(&["escape"]),
        "A cell never runs in their spreadsheet",
    ),
    (
        "deliver.column",
        "header",
        true,
        Text,
        "As it stands in their sheet",
    ),
    (
        "deliver.column",
        "from",
        false,
        Text,
        "A field of `kith explain fields`",
    ),
    (
        "deliver.column",
        "fhirpath",
        false,
        Text,
        "For what has no field; needs share",
    ),
    (
        "deliver.column",
        "share",
        false,
        Text,
        "The element that fhirpath reads, also in [share]",
    ),
    (
        "deliver.column",
        "text",
        false,
        Text,
        "The same text in every row",
    ),
    (
        "deliver.column",
        "required",
        false,
        Flag,
        "A row without it waits",
    ),
    (
        "deliver.column",
        "default",
        false,
        Text,
        "Stands where the value is empty",
    ),
    (
        "deliver.column",
        "date",
        false,
        Text,
        "How a day is written: %d/%m/%Y",
    ),
    (
        "deliver.column",
        "codes",
        false,
        Codes,
        "Their word for each code",
    ),
    (
        "deliver.column",
        "unmapped",
        false,
        Text,
        "hold, blank, keep, or a text for what codes does not list",
    ),
    (
        "deliver.column",
        "max_length",
        false,
        Whole(1, 32_767),
        "Characters that they take",
    ),
    (
        "deliver.column",
        "too_long",
        false,
        OneOf(&["hold", "truncate"]),
        "What happens to a longer text",
    ),
    (
        "deliver.column",
        "join",
        false,
        Text,
        "Between several values",
    ),
    (
        "deliver.column",
        "unencodable",
        false,
        OneOf(&["hold", "replace"]),
        "What happens to a letter that the encoding lacks",
    ),
    (
        "collect",
        "transport",
        true,
        Text,
        "A transport of the config",
    ),
    (
        "collect",
        "file",
        true,
        Text,
        "Names of returns: returns*.csv",
    ),
    (
        "collect",
        "dates",
        true,
        Text,
        "How they write days: %d/%m/%Y",
    ),
    (
        "collect",
        "reference",
        false,
        Text,
        "Header of our reference, if not as delivered",
    ),
    (
        "collect",
        "check",
        false,
        Text,
        "Header of the row token, if not as delivered",
    ),
    (
        "collect",
        "settle_seconds",
        false,
        Whole(0, 86_400),
        "How long a return must have stood still",
    ),
    (
        "collect",
        "early_days",
        false,
        Whole(0, 365),
        "Days by which an event may lie before the referral",
    ),
    (
        "collect",
        "unguarded",
        false,
        OneOf(&["hold-all"]),
        "Where neither check nor identity column goes out",
    ),
    (
        "collect",
        "acknowledged",
        false,
        Table,
        "How a stop or a change is acknowledged",
    ),
    (
        "collect",
        "withdrawn",
        false,
        Table,
        "How a row takes back what it told",
    ),
    (
        "collect",
        "event",
        false,
        Tables,
        "What a row can tell; a row may tell several",
    ),
    ("collect.acknowledged", "column", true, Text, "Header"),
    (
        "collect.acknowledged",
        "values",
        true,
        Texts,
        "Any of these says so",
    ),
    ("collect.withdrawn", "column", true, Text, "Header"),
    (
        "collect.withdrawn",
        "values",
        true,
        Texts,
        "Any of these says so",
    ),
    (
        "collect.event",
        "kind",
        true,
        OneOf(&[
            "attendance",
            "measure",
            "status",
            "acknowledged",
            "note",
            "onward",
        ]),
        "What is told",
    ),
    ("collect.event", "on", false, Text, "Header of the day"),
    (
        "collect.event",
        "value",
        false,
        Table,
        "The column with the answer",
    ),
    (
        "collect.event",
        "reason",
        false,
        Text,
        "Header of their own words on a status",
    ),
    (
        "collect.event",
        "instrument",
        false,
        Text,
        "An instrument of the catalogue: ons4",
    ),
    (
        "collect.event",
        "occasion",
        false,
        WordOrTable(&["baseline", "follow-up"]),
        "When in the course a measure was taken",
    ),
    (
        "collect.event",
        "items",
        false,
        Items,
        "Header of each item",
    ),
    ("collect.event", "column", false, Text, "Header of a note"),
    (
        "collect.event",
        "partner",
        false,
        Table,
        "Where a person is referred on to",
    ),
    (
        "collect.event",
        "activity",
        false,
        Table,
        "What a person is referred on for",
    ),
    (
        "collect.event",
        "consent",
        false,
        Table,
        "Whether the person agreed to be referred on",
    ),
    ("collect.event.value", "column", true, Text, "Header"),
    (
        "collect.event.value",
        "codes",
        false,
        Codes,
        "What each of their words means",
    ),
    (
        "collect.event.value",
        "values",
        false,
        Texts,
        "Of kind acknowledged: any of these says so",
    ),
    ("collect.event.occasion", "column", true, Text, "Header"),
    (
        "collect.event.occasion",
        "codes",
        true,
        Codes,
        "What each of their words means",
    ),
    ("collect.event.partner", "column", true, Text, "Header"),
    (
        "collect.event.partner",
        "codes",
        true,
        Codes,
        "Partner of each of their words",
    ),
    ("collect.event.activity", "column", true, Text, "Header"),
    (
        "collect.event.activity",
        "codes",
        true,
        Codes,
        "Activity of each of their words",
    ),
    ("collect.event.consent", "column", true, Text, "Header"),
    (
        "collect.event.consent",
        "yes",
        true,
        Text,
        "The one value that says yes",
    ),
    (
        "push",
        "volume",
        false,
        Volumes,
        "How many of a person's events reach the record",
    ),
    (
        "push",
        "notes",
        false,
        OneOf(&["off"]),
        "Notes are never pushed",
    ),
    (
        "onward",
        "to",
        true,
        Texts,
        "Ids of the partners they may refer on to",
    ),
    (
        "assurance",
        "dbs_on",
        false,
        Day,
        "Day of the check of those who work with children",
    ),
];

/// The schema.
pub(crate) fn schema() -> Value {
    let mut schema = table("");
    if let Some(root) = schema.as_object_mut() {
        root.insert(
            "$schema".to_owned(),
            "https://json-schema.org/draft/2020-12/schema".into(),
        );
        root.insert("title".to_owned(), "A partner file of Kith".into());
    }
    schema
}

fn table(name: &str) -> Value {
    let mut properties = Map::new();
    let mut required: Vec<&str> = Vec::new();
    for (_, key, needed, takes, says) in KEYS.iter().filter(|(table, ..)| *table == name) {
        let below = if name.is_empty() {
            (*key).to_owned()
        } else {
            format!("{name}.{key}")
        };
        let mut property = takes_json(*takes, &below);
        if let Some(property) = property.as_object_mut() {
            property.insert("description".to_owned(), (*says).into());
        }
        properties.insert((*key).to_owned(), property);
        if *needed {
            required.push(key);
        }
    }
    json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

fn takes_json(takes: Takes, below: &str) -> Value {
    let text = || json!({"type": "string", "minLength": 1});
    match takes {
        Text => text(),
        Flag => json!({"type": "boolean"}),
        // TOML has days of its own, which editors show to a schema as text.
        Day => json!({"type": "string", "format": "date"}),
        Texts => json!({"type": "array", "items": text()}),
        Whole(min, max) => json!({"type": "integer", "minimum": min, "maximum": max}),
        OneOf(words) => json!({"type": "string", "enum": words}),
        ManyOf(words) => json!({"type": "array", "items": {"type": "string", "enum": words}}),
        Volumes => json!({"type": "string", "enum": Volume::WORDS.map(|(word, _)| word)}),
        Table => table(below),
        Tables => json!({"type": "array", "items": table(below)}),
        Codes => {
            json!({"anyOf": [text(), {"type": "object", "additionalProperties": {"type": "string"}}]})
        }
        Items => json!({"type": "object", "additionalProperties": text()}),
        WordOrTable(words) => json!({"anyOf": [{"type": "string", "enum": words}, table(below)]}),
    }
}

#[cfg(test)]
#[path = "schema_tests.rs"]
mod tests;
