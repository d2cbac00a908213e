//! Reads a partner file, section by section.
//!
//! The file's text and the shared texts come in; a [`Partner`] goes out, or every problem of the file. Invariant: a key that
//! this version would not act on is refused, never ignored.

pub(super) mod catalogue;
mod collect;
mod column;
mod deliver;
pub(super) mod lint;
mod onward;
mod patterns;
mod placeholder;
mod select;
mod share_check;

pub(crate) use placeholder::PLACEHOLDER;

use catalogue::Catalogue;
use collect::read_collect;
use deliver::{check_layout, end_with_answers, read_deliver};
use onward::Onward;
use select::read_select;
use share_check::ShareCheck;

use jiff::civil::Date;

use super::{
    Criteria, Deliver, KeyPlaces, Partner, PartnerContact, PartnerIdentifier, PartnerKind,
    PartnerPush, Sends, Share, Volume,
};
use crate::diagnostics::{Code, Place};
use crate::toml_reader::{At, SourceText, TableReader};

/// The longest partner id: it is part of folder and file names.
const ID_LENGTH_MAX: usize = 64;

/// Reads a partner file; every problem is noted, and if one is fatal the partner is not used.
pub(super) fn read_partner(file: &str, text: &str, catalogue: &Catalogue<'_>) -> Option<Partner> {
    let problems = catalogue.problems;
    let source = SourceText::new(file, text);
    let table = source.parse(problems)?;
    let root = TableReader::root(source, &table, problems);
    let (about, select, shared) = (
        root.table("partner"),
        root.table("select"),
        root.table("share"),
    );
    let (layout, collect) = (root.table("deliver"), root.opt_table("collect"));
    let described = about.as_ref().map(|table| read_about(table, source.stem()));
    let who = described
        .as_ref()
        .map(|about| (about.id.as_str(), about.kind));
    let onward = Onward::read(root.opt_table("onward"), who, catalogue);
    let share = shared.as_ref().map(read_share);
    let check = ShareCheck::new(
        &catalogue.vocabulary.fields,
        share.as_ref().and_then(|(_, entries)| entries.as_deref()),
        problems,
    );
    let flagged = |key: &'static str| {
        let tables = [&about, &select].into_iter().flatten();
        tables.fold(false, |said, table| said | table.flag(key, false))
    };
    let (care_provider, children) = (flagged("care_provider"), flagged("children"));
    let criteria = select.as_ref().map(|table| {
        let criteria = read_select(table, care_provider, catalogue, &check);
        lint::check_criteria(table, &criteria, children, &catalogue.vocabulary.activities);
        criteria
    });
    let deliver = layout
        .as_ref()
        .map(|table| read_deliver(table, catalogue, &check, collect.is_some()));
    let elements = deliver
        .as_ref()
        .map(|(_, elements, _)| elements.iter().map(String::as_str).collect());
    check.unknown_entries(&elements.unwrap_or_else(Vec::new));
    let with_answers = deliver.as_ref().is_some_and(|(_, _, answers)| *answers);
    let mut deliver = deliver.map(|(deliver, ..)| deliver);
    let returns = collect
        .as_ref()
        .map(|table| read_collect(table, deliver.as_ref(), &onward, catalogue));
    end_with_answers(deliver.as_mut(), returns.as_ref(), with_answers);
    if let (Some(table), Some(deliver)) = (&layout, &deliver) {
        check_layout(table.place(), deliver, returns.as_ref(), catalogue);
    }
    root.not_yet("assurance");
    let push = read_push(root.opt_table("push"));
    let onward_to = onward.finish();
    let places = KeyPlaces {
        identifier: place_of(about.as_ref(), "identifier"),
        priority: place_of(select.as_ref(), "priority"),
        expires_on: place_of(shared.as_ref(), "expires_on"),
    };
    let tables = [about, select, shared, layout, collect];
    for table in tables.into_iter().flatten() {
        table.finish();
    }
    root.finish();
    let about = described?;
    placeholder::check(source, &table, about.shadow, problems);
    Some(Partner {
        children,
        collect: returns,
        push,
        onward_to,
        places,
        ..about.with(criteria?, share?.0, deliver?)
    })
}

/// Where a key stands, or its section if it is not there.
fn place_of(table: Option<&TableReader<'_>>, key: &str) -> Place {
    table.map(|table| table.place_for(key)).unwrap_or_default()
}

/// The `[partner]` section, before the others are known.
struct PartnerSection {
    id: String,
    name: String,
    /// Absent where the file's word is none.
    kind: Option<PartnerKind>,
    identifier: PartnerIdentifier,
    contact: Option<PartnerContact>,
    shadow: bool,
    sensitive: bool,
    classes: Vec<String>,
    verified_on: Option<Date>,
    changed_by: Option<String>,
}

impl PartnerSection {
    /// The partner of these sections; what other sections say is still to be put in.
    fn with(self, select: Criteria, share: Share, deliver: Deliver) -> Partner {
        Partner {
            id: self.id,
            name: self.name,
            kind: self.kind.unwrap_or(PartnerKind::Provider),
            identifier: self.identifier,
            contact: self.contact,
            shadow: self.shadow,
            sensitive: self.sensitive,
            children: false,
            classes: self.classes,
            verified_on: self.verified_on,
            changed_by: self.changed_by,
            sends: Sends::Everything,
            select,
            share,
            deliver,
            collect: None,
            push: PartnerPush {
                volume: Volume::Each,
            },
            onward_to: Vec::new(),
            places: KeyPlaces::default(),
            hash: [0; 32],
            bundle: String::new(),
        }
    }
}

fn read_about(about: &TableReader<'_>, stem: &str) -> PartnerSection {
    let id = about.text("id");
    if !id.value.is_empty() {
        check_id(about, &id, stem);
    }
    let kinds = [
        ("provider", PartnerKind::Provider),
        ("link-worker", PartnerKind::LinkWorker),
    ];
    about.needs("kind");
    let identifier = |table: &TableReader<'_>| PartnerIdentifier {
        system: table.string("system"),
        value: table.string("value"),
    };
    let contact = |table: &TableReader<'_>| PartnerContact {
        name: table.string("name"),
        email: table.opt_string("email"),
        phone: table.opt_string("phone"),
    };
    let named = about.table("identifier");
    let reached = about.opt_table("contact");
    about.not_yet("home_visits");
    PartnerSection {
        id: id.value.to_owned(),
        name: about.string("name"),
        kind: about.word("kind", &kinds).map(|at| at.value),
        identifier: named.map_or_else(PartnerIdentifier::default, |table| {
            table.read_with(identifier)
        }),
        contact: reached.map(|table| table.read_with(contact)),
        shadow: about.word_or("mode", &[("live", false), ("shadow", true)], false),
        sensitive: about.flag("sensitive", false),
        classes: about.strings("classes"),
        verified_on: about.date("verified_on").map(|at| at.value),
        changed_by: about.opt_string("changed_by"),
    }
}

/// What a partner's id is made of.
pub(crate) const ID_RULE: &str = "lower-case letters, digits and hyphens, at most 64";

/// Whether a text can be a partner's id: it becomes part of folder and file names.
pub(crate) fn lawful_id(id: &str) -> bool {
    let lawful = |character: char| {
        character.is_ascii_lowercase() || character.is_ascii_digit() || character == '-'
    };
    (1..=ID_LENGTH_MAX).contains(&id.len()) && id.chars().all(lawful) && !id.starts_with('-')
}

fn check_id(about: &TableReader<'_>, id: &At<&str>, stem: &str) {
    if !lawful_id(id.value) {
        about.bad_value("id", ID_RULE, &id.place);
    } else if id.value != stem {
        let what = format!(
            "the partner's id is {}, its file is called {stem}",
            id.value
        );
        about
            .problems()
            .add(Code::PartnerIdMismatch, what, &id.place);
    }
}

fn read_push(table: Option<TableReader<'_>>) -> PartnerPush {
    let read = |table: &TableReader<'_>| {
        table.not_yet("notes");
        read_volume(table)
    };
    let volume = table.and_then(|table| table.read_with(read));
    PartnerPush {
        volume: volume.unwrap_or(Volume::Each),
    }
}

/// Reads `volume` of a `push` table of partner or source.
pub(crate) fn read_volume(table: &TableReader<'_>) -> Option<Volume> {
    table.word("volume", &Volume::WORDS).map(|said| said.value)
}

/// Reads the section; the entries are none where the file has no list of them.
fn read_share(table: &TableReader<'_>) -> (Share, Option<Vec<At<String>>>) {
    table.needs("fields");
    lint::check_once(table, "fields", str::to_owned);
    let entries: Vec<At<String>> = table
        .texts("fields")
        .into_iter()
        .map(|text| text.map(str::to_owned))
        .collect();
    let share = Share {
        basis: table.string("basis"),
        fields: entries.iter().map(|entry| entry.value.clone()).collect(),
        expires_on: table.date("expires_on").map(|at| at.value),
    };
    (share, table.is_list("fields").then_some(entries))
}
