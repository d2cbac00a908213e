//! Loads the mappings: the texts built in and those of the site, into one checked set of rules.
//!
//! A folder comes in, or texts kept by the store; [`Rules`] go out, or every problem of every file. Invariant: rules are
//! a function of their texts, so a drop can be made again years later from what the store kept.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::Path;

use aws_lc_rs::digest::{SHA256, digest};

use super::agreement::read_partner;
use super::catalogue::Catalogue;
use super::codes::{CodeList, CodeMap, TriggerKind, read_codes};
use super::fields::FieldSet;
use super::instruments::Instrument;
use super::model::Partner;
use super::table::Problems;
use super::totality::never_chosen;
use crate::diagnostics::{Code, Diagnostic, Place, nearest};
use crate::domain::event::ATTENDANCE;
use crate::domain::limits::MAPPING_BYTES_MAX;

/// Files of one mappings folder: more than any region has partners.
const FILES_MAX: usize = 5_000;

/// The texts in the binary, in the order in which a site's add to them.
const BUILT_IN: [(TextKind, &str, &str); 6] = [
    (
        TextKind::Fields,
        "fields.toml",
        include_str!("../../mappings/fields.toml"),
    ),
    (
        TextKind::Instrument,
        "instruments/ons4.toml",
        include_str!("../../mappings/instruments/ons4.toml"),
    ),
    (
        TextKind::Codes,
        ACTIVITIES,
        include_str!("../../mappings/codes/activities.csv"),
    ),
    (
        TextKind::Codes,
        NEEDS,
        include_str!("../../mappings/codes/needs.csv"),
    ),
    (
        TextKind::Codes,
        SOCIAL_PRESCRIBING,
        include_str!("../../mappings/codes/social-prescribing.csv"),
    ),
    (
        TextKind::Codes,
        ATTENDANCE_CODES,
        include_str!("../../mappings/codes/attendance.csv"),
    ),
];

pub(super) const ACTIVITIES: &str = "codes/activities.csv";
const NEEDS: &str = "codes/needs.csv";
const SOCIAL_PRESCRIBING: &str = "codes/social-prescribing.csv";
const ATTENDANCE_CODES: &str = "codes/attendance.csv";

/// What a mapping text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum TextKind {
    Fields,
    Instrument,
    Codes,
    Partner,
}

impl TextKind {
    /// Number in the store.
    pub(crate) fn number(self) -> i64 {
        match self {
            Self::Fields => 1,
            Self::Instrument => 2,
            Self::Codes => 3,
            Self::Partner => 4,
        }
    }

    /// The kind with this number.
    pub(crate) fn from_number(number: i64) -> Option<Self> {
        [Self::Fields, Self::Instrument, Self::Codes, Self::Partner]
            .into_iter()
            .find(|kind| kind.number() == number)
    }
}

/// A mapping text as used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RuleText {
    pub(crate) kind: TextKind,
    pub(crate) built_in: bool,
    /// Below the mappings folder, `partners/elm.toml`.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// Everything that the mappings say.
#[derive(Debug)]
pub(crate) struct Rules {
    /// By id.
    pub(crate) partners: Vec<Partner>,
    pub(crate) fields: FieldSet,
    pub(crate) instruments: Vec<Instrument>,
    /// Activity names with their labels.
    pub(crate) activities: CodeList,
    /// SNOMED CT codes with the needs they stand for.
    pub(crate) needs: CodeList,
    /// The codes that make a `ServiceRequest` ours.
    pub(crate) social_prescribing: Vec<(String, TriggerKind)>,
    /// SHA-256 over every text.
    pub(crate) hash: [u8; 32],
}

impl Rules {
    /// Loads a mappings folder; gives the warnings beside the rules.
    ///
    /// # Errors
    /// Every problem of every file, warnings included, if one of them is fatal.
    pub(crate) fn load(mappings: &Path) -> Result<(Self, Vec<Diagnostic>), Vec<Diagnostic>> {
        let problems = Problems::default();
        let label = mappings.file_name().map_or_else(
            || "mappings".to_owned(),
            |name| name.to_string_lossy().into_owned(),
        );
        let mut texts = built_in();
        if mappings.is_dir() {
            read_folder(mappings, &label, &mut texts, &problems);
        } else {
            problems.add(
                Code::FolderMissing,
                "the mappings folder does not exist",
                &Place::file(label.as_str()),
            );
        }
        Self::build(&texts, &label, problems, true)
    }

    /// The same folder with another version of one partner's file in it.
    ///
    /// # Errors
    /// As [`Rules::load`].
    pub(crate) fn load_with(
        mappings: &Path,
        partner: &str,
        version: &str,
    ) -> Result<(Self, Vec<Diagnostic>), Vec<Diagnostic>> {
        let problems = Problems::default();
        let mut texts = built_in();
        read_folder(mappings, "mappings", &mut texts, &problems);
        let path = format!("partners/{partner}.toml");
        texts.retain(|text| text.path != path);
        texts.push(RuleText {
            kind: TextKind::Partner,
            built_in: false,
            path,
            text: version.to_owned(),
        });
        Self::build(&texts, "mappings", problems, true)
    }

    /// Makes rules from texts, as [`Rules::load`] does from a folder.
    ///
    /// # Errors
    /// As [`Rules::load`].
    pub(crate) fn from_texts(
        texts: &[RuleText],
    ) -> Result<(Self, Vec<Diagnostic>), Vec<Diagnostic>> {
        Self::build(texts, "mappings", Problems::default(), true)
    }

    /// Makes the one partner of a bundle again, with all it stood on.
    ///
    /// # Errors
    /// As [`Rules::load`]; a bundle that cannot be read is CFG-002.
    pub(crate) fn from_bundle(bundle: &str) -> Result<Self, Vec<Diagnostic>> {
        let broken = || {
            vec![Diagnostic::new(
                Code::ConfigSyntax,
                "a kept mapping cannot be read",
                Place::default(),
            )]
        };
        let rows: Vec<(i64, bool, String, String)> =
            serde_json::from_str(bundle).map_err(|_| broken())?;
        let mut texts = Vec::new();
        for (kind, built_in, path, text) in rows {
            let kind = TextKind::from_number(kind).ok_or_else(broken)?;
            texts.push(RuleText {
                kind,
                built_in,
                path,
                text,
            });
        }
        // The partners it refers on to are not in it.
        Self::build(&texts, "mappings", Problems::default(), false).map(|(rules, _)| rules)
    }

    /// The partner with this id.
    pub(crate) fn partner(&self, id: &str) -> Option<&Partner> {
        self.partners.iter().find(|partner| partner.id == id)
    }

    /// The instrument with this id.
    pub(crate) fn instrument(&self, id: &str) -> Option<&Instrument> {
        self.instruments
            .iter()
            .find(|instrument| instrument.id == id)
    }

    fn build(
        texts: &[RuleText],
        label: &str,
        problems: Problems,
        whole: bool,
    ) -> Result<(Self, Vec<Diagnostic>), Vec<Diagnostic>> {
        let shared = Shared::read(texts, label, &problems);
        let ids: Vec<&str> = texts.iter().filter_map(partner_id).collect();
        let ids = whole.then_some(ids.as_slice());
        let mut partners: Vec<Partner> = Vec::new();
        for text in texts.iter().filter(|text| text.kind == TextKind::Partner) {
            partners.extend(one_partner(text, texts, label, &shared, ids, &problems));
        }
        partners.sort_by(|a, b| a.id.cmp(&b.id));
        same_identifiers(&partners, &problems);
        never_chosen(&partners, &problems);
        let fatal = problems.fatal();
        let found = problems.into_sorted();
        if fatal {
            return Err(found);
        }
        let hash = hash_of(&bundle_of(texts.iter()));
        let rules = Self {
            partners,
            activities: shared.list(ACTIVITIES),
            needs: shared.list(NEEDS),
            fields: shared.fields,
            instruments: shared.instruments,
            social_prescribing: shared.social_prescribing,
            hash,
        };
        Ok((rules, found))
    }
}

/// What all partner files share.
struct Shared {
    fields: FieldSet,
    instruments: Vec<Instrument>,
    codes: BTreeMap<String, CodeMap>,
    social_prescribing: Vec<(String, TriggerKind)>,
}

impl Shared {
    fn read(texts: &[RuleText], label: &str, problems: &Problems) -> Self {
        let mut fields = FieldSet::default();
        let mut instruments: Vec<Instrument> = Vec::new();
        let mut entries: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
        for text in texts {
            let file = shown(text, label);
            match text.kind {
                TextKind::Fields => fields.read(&file, &text.text, problems),
                TextKind::Instrument => {
                    let Some(read) = Instrument::read(&file, &text.text, problems) else {
                        continue;
                    };
                    instruments.retain(|known| known.id != read.id);
                    instruments.push(read);
                }
                TextKind::Codes => {
                    let read = read_codes(&file, &text.text, problems);
                    check_standard(text, &read, problems);
                    entries
                        .entry(text.path.clone())
                        .or_default()
                        .extend(read.into_iter().map(|at| at.value));
                }
                TextKind::Partner => {}
            }
        }
        let codes: BTreeMap<String, CodeMap> = entries
            .into_iter()
            .map(|(path, entries)| (path, CodeMap::from_entries(entries)))
            .collect();
        let triggers = codes.get(SOCIAL_PRESCRIBING).cloned().unwrap_or_default();
        let social_prescribing = triggers
            .entries()
            .filter_map(|(code, word)| Some((code.to_owned(), trigger(word)?)))
            .collect();
        instruments.sort_by(|a, b| a.id.cmp(&b.id));
        Self {
            fields,
            instruments,
            codes,
            social_prescribing,
        }
    }

    fn list(&self, path: &str) -> CodeList {
        self.codes.get(path).cloned().unwrap_or_default()
    }
}

fn trigger(word: &str) -> Option<TriggerKind> {
    match word {
        "referral" => Some(TriggerKind::Referral),
        "declined" => Some(TriggerKind::Declined),
        _ => None,
    }
}

/// The words of two lists are closed: an unknown one would never be found again.
fn check_standard(
    text: &RuleText,
    entries: &[super::table::At<(String, String)>],
    problems: &Problems,
) {
    for entry in entries {
        let (_, word) = &entry.value;
        let known: Vec<&str> = match text.path.as_str() {
            SOCIAL_PRESCRIBING => vec!["referral", "declined"],
            ATTENDANCE_CODES => ATTENDANCE.iter().map(|(word, _)| *word).collect(),
            _ => return,
        };
        if known.contains(&word.as_str()) {
            continue;
        }
        let what = format!("\"{word}\" must be one of: {}", known.join(", "));
        match nearest(word, known) {
            Some(near) => {
                let fix = format!("did you mean \"{near}\"?");
                problems.add_fix(Code::BadValue, what, &entry.place, fix);
            }
            None => problems.add(Code::BadValue, what, &entry.place),
        }
    }
}

/// The id that a partner file gives itself, if it can be read so far.
pub(crate) fn partner_named_in(text: &str) -> Option<String> {
    let table: toml::Table = text.parse().ok()?;
    let id = table.get("partner")?.get("id")?.as_str()?;
    Some(id.to_owned())
}

/// The id that a partner file must have. Files are asked, not what was read of them, so that a partner with a fault of
/// its own is not unknown to the others too.
fn partner_id(text: &RuleText) -> Option<&str> {
    let name = text.path.strip_prefix("partners/")?;
    (text.kind == TextKind::Partner).then_some(name.strip_suffix(".toml")?)
}

fn one_partner(
    text: &RuleText,
    texts: &[RuleText],
    label: &str,
    shared: &Shared,
    ids: Option<&[&str]>,
    problems: &Problems,
) -> Option<Partner> {
    let needs = shared.list(NEEDS);
    let catalogue = Catalogue {
        fields: &shared.fields,
        instruments: &shared.instruments,
        needs: &needs,
        codes: &shared.codes,
        partners: ids,
        problems,
        used: RefCell::new(BTreeSet::from(
            [
                "fields.toml",
                ACTIVITIES,
                NEEDS,
                SOCIAL_PRESCRIBING,
                ATTENDANCE_CODES,
            ]
            .map(str::to_owned),
        )),
    };
    let mut partner = read_partner(&shown(text, label), &text.text, &catalogue)?;
    let used = catalogue.used.into_inner();
    let stood_on = |other: &&RuleText| other.path == text.path || used.contains(&other.path);
    partner.bundle = bundle_of(texts.iter().filter(stood_on));
    partner.hash = hash_of(&partner.bundle);
    Some(partner)
}

/// A performer that names two partners names none.
fn same_identifiers(partners: &[Partner], problems: &Problems) {
    for (at, partner) in partners.iter().enumerate() {
        let known = partners.get(..at).unwrap_or_default();
        if let Some(twin) = known
            .iter()
            .find(|known| known.identifier == partner.identifier)
        {
            let what = format!(
                "partners {} and {} have the same identifier",
                twin.id, partner.id
            );
            problems.add(Code::DuplicateId, what, &partner.places.identifier);
        }
    }
}

/// The mappings in the binary.
pub(crate) fn built_in() -> Vec<RuleText> {
    let text = |(kind, path, text): (TextKind, &str, &str)| RuleText {
        kind,
        built_in: true,
        path: path.to_owned(),
        text: text.to_owned(),
    };
    BUILT_IN.into_iter().map(text).collect()
}

/// How diagnostics name a text.
fn shown(text: &RuleText, label: &str) -> String {
    if text.built_in {
        format!("built-in/{}", text.path)
    } else {
        format!("{label}/{}", text.path)
    }
}

fn bundle_of<'t>(texts: impl Iterator<Item = &'t RuleText>) -> String {
    let rows: Vec<(i64, bool, &str, &str)> = texts
        .map(|text| {
            (
                text.kind.number(),
                text.built_in,
                text.path.as_str(),
                text.text.as_str(),
            )
        })
        .collect();
    serde_json::to_string(&rows).expect("numbers, flags and texts always have a JSON form")
}

fn hash_of(bundle: &str) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, bundle.as_bytes()).as_ref());
    hash
}

/// Reads what a site has: `fields.toml`, `instruments/*.toml`, `codes/*.csv`, `partners/*.toml`.
fn read_folder(mappings: &Path, label: &str, texts: &mut Vec<RuleText>, problems: &Problems) {
    if mappings.join("fields.toml").exists() {
        read_text(
            mappings,
            "fields.toml",
            TextKind::Fields,
            label,
            texts,
            problems,
        );
    }
    let folders = [
        ("instruments", "toml", TextKind::Instrument),
        ("codes", "csv", TextKind::Codes),
        ("partners", "toml", TextKind::Partner),
    ];
    for (folder, extension, kind) in folders {
        for name in names_in(&mappings.join(folder), extension) {
            read_text(
                mappings,
                &format!("{folder}/{name}"),
                kind,
                label,
                texts,
                problems,
            );
        }
    }
}

/// Names of plain files with this extension, sorted; a folder that is not there has none.
fn names_in(folder: &Path, extension: &str) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut names = Vec::new();
    for entry in entries.take(FILES_MAX).flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if path.extension().is_some_and(|found| found == extension)
            && path.is_file()
            && !name.starts_with('.')
        {
            names.push(name);
        }
    }
    names.sort_unstable();
    names
}

fn read_text(
    mappings: &Path,
    path: &str,
    kind: TextKind,
    label: &str,
    texts: &mut Vec<RuleText>,
    problems: &Problems,
) {
    match text_within(&mappings.join(path), MAPPING_BYTES_MAX) {
        Ok(text) => texts.push(RuleText {
            kind,
            built_in: false,
            path: path.to_owned(),
            text,
        }),
        Err(what) => problems.add(
            Code::ConfigSyntax,
            what,
            &Place::file(format!("{label}/{path}")),
        ),
    }
}

/// A file's bytes within a limit, or why they cannot be had.
pub(crate) fn bytes_within(path: &Path, bytes_max: u64) -> Result<Vec<u8>, String> {
    let cannot = |error: std::io::Error| format!("the file cannot be read: {}", error.kind());
    let mut bytes = Vec::new();
    File::open(path)
        .map_err(cannot)?
        .take(bytes_max + 1)
        .read_to_end(&mut bytes)
        .map_err(cannot)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > bytes_max) {
        return Err(format!("the file has more than {bytes_max} bytes"));
    }
    Ok(bytes)
}

/// A file's text within a limit, or why it cannot be had.
pub(crate) fn text_within(path: &Path, bytes_max: u64) -> Result<String, String> {
    let mut bytes = bytes_within(path, bytes_max)?;
    // Notepad writes a mark in front that is no part of the text.
    if bytes.starts_with(b"\xEF\xBB\xBF") {
        bytes.drain(..3);
    }
    if bytes.starts_with(b"\xFF\xFE") || bytes.starts_with(b"\xFE\xFF") {
        return Err("the file is UTF-16: save it as UTF-8".to_owned());
    }
    String::from_utf8(bytes).map_err(|error| {
        format!(
            "the file is not UTF-8, byte {} is the first that is not",
            error.utf8_error().valid_up_to() + 1
        )
    })
}

#[cfg(test)]
#[path = "load_tests.rs"]
mod tests;
