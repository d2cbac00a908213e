//! Reads a partner file's sections about who they are and whom they take: `[partner]`, `[select]`, `[share]`, `[push]`.
//!
//! The file's text comes in, a [`Partner`] goes out, the other sections read by `layout`, `returns` and `onward`. Invariant:
//! a key that this version would not act on is refused, never ignored.

use super::catalogue::Catalogue;
use super::model::{
    AgeYears, ConsentRule, Contact, Identifier, NoPostcode, Partner, PartnerKind, PartnerPush,
    Places, PostcodeArea, Select, Sends, Share, UrgentRule, Volume,
};
use super::onward::Onward;
use super::sees::CRITERIA;
use super::share::ShareCheck;
use super::table::{At, SourceText, TableReader};
use super::{layout, placeholder, returns, totality};
use crate::diagnostics::{Code, Place, nearest};

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
    let described = about.as_ref().map(|table| read_about(table, file));
    let onward = Onward::read(root.opt_table("onward"), described.as_ref(), catalogue);
    let share = shared.as_ref().map(read_share);
    let check = ShareCheck::new(
        catalogue.fields,
        share.as_ref().and_then(|(_, entries)| entries.as_deref()),
        problems,
    );
    let flagged = |key: &'static str| {
        [&about, &select]
            .into_iter()
            .flatten()
            .fold(false, |said, table| said | table.flag(key, false))
    };
    let (care_provider, children) = (flagged("care_provider"), flagged("children"));
    let criteria = select.as_ref().map(|table| {
        let criteria = read_select(table, care_provider, catalogue, &check);
        totality::check_criteria(table, &criteria, children, catalogue);
        criteria
    });
    let deliver = layout
        .as_ref()
        .map(|table| layout::read_deliver(table, catalogue, &check));
    let elements = deliver
        .as_ref()
        .map(|(_, elements)| elements.iter().map(String::as_str).collect());
    check.unknown_entries(&elements.unwrap_or_else(Vec::new));
    let deliver = deliver.map(|(deliver, _)| deliver);
    let returns = collect
        .as_ref()
        .map(|table| returns::read_collect(table, deliver.as_ref(), &onward, catalogue));
    if let (Some(table), Some(deliver)) = (&layout, &deliver) {
        layout::check_layout(table.place(), deliver, returns.as_ref(), catalogue);
    }
    let assurance = root.opt_table("assurance");
    // Kept for people who read the file: that it is a day is all that can be checked.
    assurance.as_ref().map(|table| table.date("dbs_on"));
    let push = read_push(root.opt_table("push"));
    let onward_to = onward.finish();
    let places = Places {
        identifier: place_of(about.as_ref(), "identifier"),
        priority: place_of(select.as_ref(), "priority"),
        expires_on: place_of(shared.as_ref(), "expires_on"),
    };
    for table in [about, select, shared, layout, collect, assurance]
        .into_iter()
        .flatten()
    {
        table.finish();
    }
    root.finish();
    let described = About {
        children,
        onward_to,
        places,
        ..described?
    };
    placeholder::check(source, &table, described.shadow, problems);
    Some(described.with(criteria?, share?.0, push, deliver?, returns))
}

/// Where a key stands, or its section if it is not there.
fn place_of(table: Option<&TableReader<'_>>, key: &str) -> Place {
    table
        .map(|table| {
            table
                .key_place(key)
                .unwrap_or_else(|| table.place().clone())
        })
        .unwrap_or_default()
}

/// The `[partner]` section, before the others are known.
pub(super) struct About {
    pub(super) id: String,
    name: String,
    /// Absent where the file's word is none.
    pub(super) kind: Option<PartnerKind>,
    identifier: Identifier,
    contact: Option<Contact>,
    shadow: bool,
    sensitive: bool,
    classes: Vec<String>,
    changed_by: Option<String>,
    children: bool,
    onward_to: Vec<String>,
    places: Places,
}

impl About {
    fn with(
        self,
        select: Select,
        share: Share,
        push: PartnerPush,
        deliver: super::model::Deliver,
        collect: Option<super::model::Collect>,
    ) -> Partner {
        Partner {
            id: self.id,
            name: self.name,
            kind: self.kind.unwrap_or(PartnerKind::Provider),
            identifier: self.identifier,
            contact: self.contact,
            shadow: self.shadow,
            sensitive: self.sensitive,
            children: self.children,
            classes: self.classes,
            changed_by: self.changed_by,
            sends: Sends::Everything,
            select,
            share,
            deliver,
            collect,
            push,
            onward_to: self.onward_to,
            places: self.places,
            hash: [0; 32],
            bundle: String::new(),
        }
    }
}

fn read_about(about: &TableReader<'_>, file: &str) -> About {
    let id = about.text("id");
    let stem = file
        .rsplit('/')
        .next()
        .and_then(|name| name.strip_suffix(".toml"))
        .unwrap_or_default();
    if !id.value.is_empty() {
        check_id(about, &id, stem);
    }
    let kinds = [
        ("provider", PartnerKind::Provider),
        ("link-worker", PartnerKind::LinkWorker),
    ];
    if !about.has("kind") {
        about.missing("kind");
    }
    let identifier = about.table("identifier").map(|table| {
        let identifier = Identifier {
            system: table.string("system"),
            value: table.string("value"),
        };
        table.finish();
        identifier
    });
    let contact = about.opt_table("contact").map(|table| {
        let contact = Contact {
            name: table.string("name"),
            email: table.opt_string("email"),
            phone: table.opt_string("phone"),
        };
        table.finish();
        contact
    });
    about.not_yet("home_visits");
    // For people who read the file.
    about.date("verified_on");
    About {
        id: id.value.to_owned(),
        name: about.string("name"),
        kind: about.word("kind", &kinds).map(|at| at.value),
        identifier: identifier.unwrap_or(Identifier {
            system: String::new(),
            value: String::new(),
        }),
        contact,
        shadow: about
            .word("mode", &[("live", false), ("shadow", true)])
            .is_some_and(|at| at.value),
        sensitive: about.flag("sensitive", false),
        classes: about.strings("classes"),
        changed_by: about.opt_string("changed_by"),
        children: false,
        onward_to: Vec::new(),
        places: Places::default(),
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
    let Some(table) = table else {
        return PartnerPush {
            volume: Volume::Each,
        };
    };
    let volume = read_volume(&table);
    read_notes(&table);
    table.finish();
    PartnerPush {
        volume: volume.unwrap_or(Volume::Each),
    }
}

/// Reads `volume` of a `push` table of partner or source.
pub(crate) fn read_volume(table: &TableReader<'_>) -> Option<Volume> {
    table.word("volume", &Volume::WORDS).map(|said| said.value)
}

/// Reads `notes` of a `push` table: notes are never pushed, and this version has no worklist to show them in.
pub(crate) fn read_notes(table: &TableReader<'_>) {
    if let Some(notes) = table.word("notes", &[("off", false), ("worklist", true)])
        && notes.value
    {
        table.not_yet_at("notes = \"worklist\"", &notes.place);
    }
}

/// Reads the section; the entries are none where the file has no list of them.
fn read_share(table: &TableReader<'_>) -> (Share, Option<Vec<At<String>>>) {
    if !table.has("fields") {
        table.missing("fields");
    }
    totality::check_once(table, "fields", str::to_owned);
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

fn read_select(
    table: &TableReader<'_>,
    care_provider: bool,
    catalogue: &Catalogue<'_>,
    check: &ShareCheck<'_>,
) -> Select {
    let rules = [
        ("required", ConsentRule::Required),
        ("implied", ConsentRule::Implied),
    ];
    let consent = table.word("consent", &rules);
    if let Some(at) = &consent
        && at.value == ConsentRule::Implied
        && !care_provider
    {
        table.problems().add(
            Code::ImpliedConsent,
            "consent is implied, but care_provider is not true",
            &at.place,
        );
    }
    check_criteria(table, check);
    for key in ["risk", "stale_days", "urgent_hours"] {
        table.not_yet(key);
    }
    let whole = |key: &'static str, max: i64| {
        table
            .number(key, 0..=max)
            .and_then(|at| u32::try_from(at.value).ok())
    };
    let priority = table
        .number("priority", -1_000..=1_000)
        .and_then(|at| i32::try_from(at.value).ok());
    let no_postcode = table.word(
        "no_postcode",
        &[("hold", NoPostcode::Hold), ("ignore", NoPostcode::Ignore)],
    );
    // Nobody waits for places by days yet; a wrong number is an error all the same.
    whole("capacity_days", 365);
    Select {
        enabled: table.flag("enabled", true),
        activities: table.strings("activities"),
        needs: read_needs(table, catalogue),
        age_years: read_age(table),
        postcodes: read_postcodes(table),
        no_postcode: no_postcode.map_or(NoPostcode::Hold, |at| at.value),
        consent: consent.map_or(ConsentRule::Required, |at| at.value),
        open_legs_max: whole("open_legs_max", 1_000_000),
        priority: priority.unwrap_or(0),
        practices: table.strings("practices"),
        gender: read_gender(table),
        starts_on: table.date("starts_on").map(|at| at.value),
        ends_on: table.date("ends_on").map(|at| at.value),
        urgent: read_urgent(table),
    }
}

/// A criterion tells the partner something of everyone it lets through.
fn check_criteria(table: &TableReader<'_>, check: &ShareCheck<'_>) {
    for (key, names, _) in CRITERIA {
        if let Some(place) = table.key_place(key) {
            check.criterion(key, names, &place);
        }
    }
}

fn read_needs(table: &TableReader<'_>, catalogue: &Catalogue<'_>) -> Vec<String> {
    let mut needs = Vec::new();
    for need in table.texts("needs") {
        if !catalogue.needs.has_word(need.value) {
            let what = format!("need \"{}\" is not in needs.csv", need.value);
            match nearest(need.value, catalogue.needs.entries().map(|(_, word)| word)) {
                Some(word) => {
                    let fix = format!("did you mean \"{word}\"?");
                    table
                        .problems()
                        .add_fix(Code::UnknownId, what, &need.place, fix);
                }
                None => table.problems().add(Code::UnknownId, what, &need.place),
            }
        }
        needs.push(need.value.to_owned());
    }
    needs
}

fn read_age(table: &TableReader<'_>) -> Option<AgeYears> {
    let ages = table.opt_table("age_years")?;
    let bound = |key: &'static str| {
        ages.number(key, 0..=150)
            .and_then(|at| u32::try_from(at.value).ok())
    };
    let read = AgeYears {
        min: bound("min"),
        max: bound("max"),
    };
    if let AgeYears {
        min: Some(min),
        max: Some(max),
    } = read
        && max < min
    {
        ages.bad_value("max", "at least min", ages.place());
    }
    ages.finish();
    Some(read)
}

fn read_postcodes(table: &TableReader<'_>) -> Vec<PostcodeArea> {
    let mut areas = Vec::new();
    for text in table.texts("postcodes") {
        let area = PostcodeArea::parse(text.value);
        if area.is_none() {
            let rule = "outward codes, or outward code and sector: \"BS1\", \"BS2 8\"";
            table.bad_value("postcodes", rule, &text.place);
        }
        areas.extend(area);
    }
    areas
}

fn read_gender(table: &TableReader<'_>) -> Vec<String> {
    let words = ["male", "female", "other", "unknown"].map(|word| (word, word));
    let texts = table.texts("gender");
    texts
        .iter()
        .filter_map(|text| table.choose("gender", text, &words))
        .map(str::to_owned)
        .collect()
}

fn read_urgent(table: &TableReader<'_>) -> UrgentRule {
    let words = [
        ("send-and-tell", Some(UrgentRule::SendAndTell)),
        ("hold", Some(UrgentRule::Hold)),
        ("accept", None),
    ];
    let Some(said) = table.word("urgent", &words) else {
        return UrgentRule::SendAndTell;
    };
    said.value.unwrap_or_else(|| {
        table.not_yet_at("urgent = \"accept\"", &said.place);
        UrgentRule::Hold
    })
}
