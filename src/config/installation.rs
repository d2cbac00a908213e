//! The sections that belong to the installation as a whole: store, seal, schedule, routing, safety, retention, console.

use std::path::PathBuf;

use super::Surroundings;
use super::secret::{Secret, read_secret};
use super::server_address::{host_of, loopback};
use crate::diagnostics::{Code, Place};
use crate::partner::schedule::{DueTimes, read_schedule};
use crate::toml_reader::TableReader;

/// When each stage is due, Europe/London.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    pub(crate) pull: DueTimes,
    pub(crate) deliver: DueTimes,
    pub(crate) collect: DueTimes,
    pub(crate) reconcile: DueTimes,
}

/// What happens to a referral without a performer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unnamed {
    /// To the one link-worker partner whose criteria hold.
    LinkWorker,
    /// To the best partner whose criteria hold.
    Auto,
    Hold,
}

impl Unnamed {
    /// Each with its word in the config.
    const WORDS: [(&'static str, Self); 3] = [
        ("link-worker", Self::LinkWorker),
        ("auto", Self::Auto),
        ("hold", Self::Hold),
    ];

    pub(super) fn code(self) -> &'static str {
        let mut words = Self::WORDS.into_iter();
        words
            .find(|(_, rule)| *rule == self)
            .map_or("", |(word, _)| word)
    }
}

/// How referrals find their partner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Routing {
    pub(crate) unnamed: Unnamed,
    /// Whether a need alone may stand for an activity.
    pub(crate) by_need: bool,
}

impl Default for Routing {
    fn default() -> Self {
        Self {
            unnamed: Unnamed::LinkWorker,
            by_need: false,
        }
    }
}

/// How careful `kith check` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SafetyRules {
    /// Whether missing safety contacts and action columns are errors.
    pub(crate) strict: bool,
}

/// How long what is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Retain {
    /// Years after the last leg closed; the controller's decision, so without a default.
    pub(crate) person_years: Option<u32>,
}

/// Where the console listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Console {
    /// `127.0.0.1:8700`
    pub(crate) listen: String,
}

const LISTEN: &str = "127.0.0.1:8700";

pub(super) fn read_namespace(root: &TableReader<'_>) -> String {
    let namespace = root.text("namespace");
    let odd = |character: char| character.is_whitespace() || matches!(character, '|' | '?' | '#');
    let absolute = ["https://", "http://", "urn:"]
        .iter()
        .any(|scheme| namespace.value.starts_with(scheme));
    if !namespace.value.is_empty() && (!absolute || namespace.value.chars().any(odd)) {
        root.bad_value(
            "namespace",
            "an absolute address such as https://kith.example",
            &namespace.place,
        );
    }
    namespace.value.trim_end_matches('/').to_owned()
}

pub(super) fn read_store(root: &TableReader<'_>, around: &Surroundings<'_>) -> PathBuf {
    let Some(table) = root.table("store") else {
        return PathBuf::new();
    };
    let url = table.text("url");
    let path = url.value.strip_prefix("sqlite://");
    if url.value.starts_with("postgres://") || url.value.starts_with("postgresql://") {
        table.not_yet_at("a PostgreSQL store", &url.place);
    } else if !url.value.is_empty()
        && path.is_none_or(|path| path.is_empty() || path.contains(['?', '#']))
    {
        table.bad_value("url", "sqlite:// and the path of a file", &url.place);
    }
    table.finish();
    around.resolve(path.unwrap_or_default())
}

pub(super) fn read_seal(root: &TableReader<'_>, around: &Surroundings<'_>) -> Secret {
    let read = |table: &TableReader<'_>| Some(read_secret(table.secret_table("key")?, around));
    let secret = root.table("seal").and_then(|table| table.read_with(read));
    secret.unwrap_or_else(Secret::none)
}

pub(super) fn read_schedules(table: Option<TableReader<'_>>) -> Schedule {
    let said = |key: &'static str, default: &str| {
        let read = table.as_ref().and_then(|table| read_schedule(table, key));
        read.unwrap_or_else(|| {
            DueTimes::parse(default).expect("the contract's default schedules come due")
        })
    };
    let schedule = Schedule {
        pull: said("pull", "*/30 * * * *"),
        deliver: said("deliver", "0 6 * * MON-FRI"),
        collect: said("collect", "*/15 * * * *"),
        reconcile: said("reconcile", "0 2 * * *"),
    };
    if let Some(table) = table {
        table.finish();
    }
    schedule
}

/// Reads `routing` of the installation or of a source, over what is in force otherwise.
pub(super) fn read_routing(table: Option<TableReader<'_>>, otherwise: Routing) -> Routing {
    let Some(table) = table else { return otherwise };
    table.read_with(|table| Routing {
        unnamed: table.word_or("unnamed", &Unnamed::WORDS, otherwise.unnamed),
        by_need: table.flag("by_need", otherwise.by_need),
    })
}

pub(super) fn read_safety(root: &TableReader<'_>) -> SafetyRules {
    let Some(table) = root.opt_table("safety") else {
        return SafetyRules { strict: false };
    };
    let safety = SafetyRules {
        strict: table.flag("strict", false),
    };
    for key in ["hours", "concern_hours", "urgent_minutes"] {
        table.not_yet(key);
    }
    table.finish();
    safety
}

pub(super) fn read_retain(root: &TableReader<'_>) -> Retain {
    let table = root.opt_table("retain");
    let said = table.as_ref();
    let retain = Retain {
        person_years: said.and_then(|table| table.whole("person_years", 1..=100)),
    };
    if retain.person_years.is_none() {
        let place = table
            .as_ref()
            .map_or_else(|| root.place().clone(), |table| table.place().clone());
        root.problems().add(
            Code::RetentionUnset,
            "[retain] person_years is not set",
            &place,
        );
    }
    if let Some(table) = table {
        for key in [
            "exchange_days",
            "original_days",
            "receipt_days",
            "worklist_days",
        ] {
            table.not_yet(key);
        }
        table.finish();
    }
    retain
}

/// Whom partners ring (`[contact]`): on every receipt.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct OurContact {
    pub(crate) name: Option<String>,
    pub(crate) phone: Option<String>,
    pub(crate) email: Option<String>,
}

pub(super) fn read_contact(root: &TableReader<'_>) -> OurContact {
    let Some(table) = root.opt_table("contact") else {
        return OurContact::default();
    };
    let contact = OurContact {
        name: table.opt_string("name"),
        phone: table.opt_string("phone"),
        email: table.opt_string("email"),
    };
    table.finish();
    contact
}

pub(super) fn read_console(root: &TableReader<'_>) -> Console {
    let Some(table) = root.opt_table("console") else {
        return Console {
            listen: LISTEN.to_owned(),
        };
    };
    let listen = table.opt_text("listen");
    if let Some(listen) = &listen {
        check_listen(&table, listen.value, &listen.place);
    }
    table.not_yet("auth");
    table.finish();
    Console {
        listen: listen.map_or(LISTEN, |listen| listen.value).to_owned(),
    }
}

fn check_listen(table: &TableReader<'_>, listen: &str, place: &Place) {
    let port = listen.rsplit(':').next().unwrap_or_default();
    let possible = port.parse::<u16>().is_ok_and(|port| port > 0);
    if !possible || port.len() == listen.len() {
        table.bad_value(
            "listen",
            "an address and a port, for example 127.0.0.1:8700",
            place,
        );
    } else if !loopback(host_of(listen)) {
        let what = "the console may listen on this machine only, for it has no sign-in";
        table.problems().add(Code::InsecureAddress, what, place);
    }
}
