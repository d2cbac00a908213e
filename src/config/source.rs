//! A GP system, usually one practice: `[[source]]`.

use std::path::PathBuf;

use super::auth::{Reach, read_reach};
use super::bulk::{Bulk, read_bulk};
use super::exchange::Commissioner;
use super::installation::{Routing, SafetyRules, read_routing};
use super::server_address::read_base_url;
use super::{Surroundings, read_id};
use crate::diagnostics::{Code, Place};
use crate::partner::{Volume, read_volume};
use crate::toml_reader::TableReader;

/// Security labels with which nothing of a person goes out: restricted and very restricted.
const RESTRICTED_LABELS: [&str; 2] = ["R", "V"];
/// Intents that are an instruction to send (`safety.md` §3).
pub(crate) const ORDERS: [&str; 5] = [
    "order",
    "original-order",
    "reflex-order",
    "filler-order",
    "instance-order",
];
/// Every intent of FHIR R4.
const INTENTS: [&str; 9] = [
    "proposal",
    "plan",
    "directive",
    "order",
    "original-order",
    "reflex-order",
    "filler-order",
    "instance-order",
    "option",
];

/// A GP system.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) ods_code: String,
    /// Id of a commissioner.
    pub(crate) commissioner: String,
    /// Denominator of the referral rate.
    pub(crate) registered_patients: Option<u64>,
    pub(crate) phone: Option<String>,
    pub(crate) enabled: bool,
    pub(crate) pull: Pull,
    pub(crate) push: Push,
    /// Sign-in, headers and limits of its server.
    pub(crate) reach: Reach,
    /// Who is told of a worry about somebody.
    pub(crate) safety: Vec<Contact>,
    /// In shadow all is decided and recorded, and nothing goes out.
    pub(crate) shadow: bool,
    /// Whether test people are held.
    pub(crate) hold_test_people: bool,
    pub(crate) intents: Vec<String>,
    pub(crate) restricted_labels: Vec<String>,
    /// Codes that make a `ServiceRequest` ours, instead of those of `social-prescribing.csv`.
    pub(crate) codes: Option<Vec<String>>,
    pub(crate) routing: Routing,
}

/// Where referrals come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Pull {
    Search {
        base_url: String,
        reading: Reading,
    },
    /// A folder of extracts, read only.
    Folder {
        path: PathBuf,
        place: Place,
    },
    Bulk(Bulk),
}

impl Pull {
    /// Whether the addresses that a server gives may be on another host than its own.
    pub(crate) fn rebases(&self) -> bool {
        match self {
            Self::Search { reading, .. } => reading.rebase_links,
            Self::Bulk(bulk) => bulk.rebase_links,
            Self::Folder { .. } => false,
        }
    }
}

/// How a server's changes are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reading {
    /// A window begins this long before the last one ended: servers write late and have clocks of their own; 600.
    pub(crate) overlap_seconds: i64,
    /// The high mark stays this long behind the server's time: what is being written then is read again; 120.
    pub(crate) settle_seconds: i64,
    /// Page links that name another host are followed on the server's own address; off.
    pub(crate) rebase_links: bool,
}

impl Default for Reading {
    fn default() -> Self {
        Self {
            overlap_seconds: 600,
            settle_seconds: 120,
            rebase_links: false,
        }
    }
}

/// Where outcomes go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Push {
    pub(crate) to: PushTo,
    pub(crate) write_task: bool,
    /// Whether a completed leg completes the request; the practice's own choice.
    pub(crate) write_request_status: bool,
    pub(crate) volume: Volume,
}

/// The way back into the GP record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PushTo {
    Fhir { base_url: String },
    Folder { path: PathBuf },
    Off,
}

/// Somebody to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Contact {
    pub(crate) name: String,
    pub(crate) email: Option<String>,
    pub(crate) phone: Option<String>,
}

pub(super) fn read_sources(
    root: &TableReader<'_>,
    around: &Surroundings<'_>,
    commissioners: &[Commissioner],
    safety: SafetyRules,
    routing: Routing,
) -> Vec<Source> {
    let mut sources: Vec<Source> = Vec::new();
    for table in root.tables("source") {
        let id = read_id(
            &table,
            "source",
            sources.iter().map(|known| known.id.as_str()),
        );
        sources.extend(read_source(
            &table,
            id,
            around,
            commissioners,
            safety,
            routing,
        ));
        table.finish();
    }
    sources
}

fn read_source(
    table: &TableReader<'_>,
    id: String,
    around: &Surroundings<'_>,
    commissioners: &[Commissioner],
    safety: SafetyRules,
    routing: Routing,
) -> Option<Source> {
    let pull = read_pull(table, around);
    let push = read_push(table, around, pull.as_ref());
    table.not_yet("schedule");
    table.not_yet("worklist");
    let ods_code = read_ods_code(table);
    let codes = table.has("codes").then(|| table.strings("codes"));
    let test_people = [("allow", false), ("hold", true)];
    let labels = table
        .has("restricted_labels")
        .then(|| table.strings("restricted_labels"));
    Some(Source {
        id,
        name: table.string("name"),
        reach: read_reach(table, around, &ods_code),
        ods_code,
        commissioner: read_commissioner(table, commissioners),
        registered_patients: table.whole("registered_patients", 1..=100_000_000),
        phone: table.opt_string("phone"),
        enabled: table.flag("enabled", true),
        safety: read_contacts(table, safety),
        shadow: table.word_or("mode", &[("live", false), ("shadow", true)], false),
        hold_test_people: table.word_or("test_people", &test_people, false),
        intents: read_intents(table),
        restricted_labels: labels.unwrap_or_else(|| RESTRICTED_LABELS.map(str::to_owned).to_vec()),
        codes,
        routing: read_routing(table.opt_table("routing"), routing),
        pull: pull?,
        push: push?,
    })
}

fn read_pull(table: &TableReader<'_>, around: &Surroundings<'_>) -> Option<Pull> {
    let pull = table.table("pull")?;
    pull.needs("kind");
    let kinds = ["search", "folder", "bulk"].map(|kind| (kind, kind));
    let kind = pull.word("kind", &kinds);
    let read = match kind.as_ref().map(|kind| kind.value) {
        Some("search") => Some(Pull::Search {
            base_url: read_base_url(&pull, &pull.text("base_url")),
            reading: read_reading(&pull),
        }),
        Some("folder") => {
            let path = pull.text("path");
            Some(Pull::Folder {
                path: around.resolve(path.value),
                place: path.place,
            })
        }
        Some(_) => Some(Pull::Bulk(read_bulk(&pull))),
        None => None,
    };
    if read.is_none() {
        pull.forgive();
    }
    pull.finish();
    read
}

fn read_reading(pull: &TableReader<'_>) -> Reading {
    let usual = Reading::default();
    let minutes = pull.number("overlap_minutes", 5..=1_440);
    let seconds = pull.number("settle_seconds", 0..=3_600);
    Reading {
        overlap_seconds: minutes.map_or(usual.overlap_seconds, |at| at.value * 60),
        settle_seconds: seconds.map_or(usual.settle_seconds, |at| at.value),
        rebase_links: pull.flag("rebase_links", usual.rebase_links),
    }
}

fn read_push(
    table: &TableReader<'_>,
    around: &Surroundings<'_>,
    pull: Option<&Pull>,
) -> Option<Push> {
    let push = table.table("push")?;
    push.needs("kind");
    let kind = push.word("kind", &["fhir", "folder", "off"].map(|kind| (kind, kind)));
    let to = match kind.map(|kind| kind.value) {
        Some("fhir") => read_push_url(&push, pull).map(|base_url| PushTo::Fhir { base_url }),
        Some("folder") => Some(PushTo::Folder {
            path: around.resolve(push.text("path").value),
        }),
        Some(_) => Some(PushTo::Off),
        None => {
            push.forgive();
            None
        }
    };
    let volume = read_volume(&push);
    for key in ["notes", "snomed_dna", "snomed_declined"] {
        push.not_yet(key);
    }
    let write_task = push.flag("write_task", false);
    let write_request_status = push.flag("write_request_status", false);
    push.finish();
    Some(Push {
        to: to?,
        write_task,
        write_request_status,
        volume: volume.unwrap_or(Volume::Each),
    })
}

/// The server to write to: its own address, else the one that is read from.
fn read_push_url(push: &TableReader<'_>, pull: Option<&Pull>) -> Option<String> {
    if let Some(url) = push.opt_text("base_url") {
        return Some(read_base_url(push, &url));
    }
    match pull {
        Some(Pull::Search { base_url, .. } | Pull::Bulk(Bulk { base_url, .. })) => {
            Some(base_url.clone())
        }
        Some(Pull::Folder { .. }) => {
            push.missing("base_url");
            None
        }
        None => Some(String::new()),
    }
}

fn read_ods_code(table: &TableReader<'_>) -> String {
    let code = table.text("ods_code");
    let lawful = (3..=12).contains(&code.value.len())
        && code
            .value
            .chars()
            .all(|character| character.is_ascii_uppercase() || character.is_ascii_digit());
    if !code.value.is_empty() && !lawful {
        table.bad_value(
            "ods_code",
            "3 to 12 capital letters and digits",
            &code.place,
        );
    }
    code.value.to_owned()
}

fn read_commissioner(table: &TableReader<'_>, commissioners: &[Commissioner]) -> String {
    let id = table.text("commissioner");
    if !id.value.is_empty() && !commissioners.iter().any(|known| known.id == id.value) {
        let what = format!("commissioner \"{}\" is not configured", id.value);
        let known = commissioners.iter().map(|known| known.id.as_str());
        table
            .problems()
            .add_unknown(Code::UnknownId, what, &id, known);
    }
    id.value.to_owned()
}

fn read_contacts(table: &TableReader<'_>, safety: SafetyRules) -> Vec<Contact> {
    let mut contacts = Vec::new();
    for entry in table.tables("safety") {
        if !entry.has("email") && !entry.has("phone") {
            entry.missing("email");
        }
        contacts.push(Contact {
            name: entry.string("name"),
            email: entry.opt_string("email"),
            phone: entry.opt_string("phone"),
        });
        entry.finish();
    }
    if contacts.is_empty() && safety.strict {
        let what = "a source needs the key safety while [safety] strict = true";
        table.problems().add(Code::MissingKey, what, table.place());
    } else if contacts.is_empty() {
        table.problems().add(
            Code::NoSafetyContact,
            "this source has no safety contact",
            table.place(),
        );
    }
    contacts
}

fn read_intents(table: &TableReader<'_>) -> Vec<String> {
    if !table.has("intents") {
        return ORDERS.map(str::to_owned).to_vec();
    }
    let words = table.words("intents", &INTENTS.map(|intent| (intent, intent)));
    words.into_iter().map(str::to_owned).collect()
}
