//! The texts of the mappings: those built in and those of the site.
//!
//! A folder comes in, or a bundle that the store kept; [`RuleText`]s go out, and a bundle of them. Kept: a bundle gives back
//! the texts that it was made of.

use std::path::Path;

use aws_lc_rs::digest::{SHA256, digest};

use crate::diagnostics::{Code, Place};
use crate::domain::Limits;
use crate::domain::coded_enums::numbered;
use crate::toml_reader::{Problems, text_within};

/// Files of one mappings folder: more than any region has partners.
const FILES_MAX: usize = 5_000;

/// The texts in the binary, in the order in which a site's add to them.
const BUILT_IN: [(TextKind, &str, &str); 6] = [
    (
        TextKind::Fields,
        FIELDS,
        include_str!("../../../mappings/fields.toml"),
    ),
    (
        TextKind::Instrument,
        "instruments/ons4.toml",
        include_str!("../../../mappings/instruments/ons4.toml"),
    ),
    (
        TextKind::Codes,
        ACTIVITIES,
        include_str!("../../../mappings/codes/activities.csv"),
    ),
    (
        TextKind::Codes,
        NEEDS,
        include_str!("../../../mappings/codes/needs.csv"),
    ),
    (
        TextKind::Codes,
        SOCIAL_PRESCRIBING,
        include_str!("../../../mappings/codes/social-prescribing.csv"),
    ),
    (
        TextKind::Codes,
        ATTENDANCE_CODES,
        include_str!("../../../mappings/codes/attendance.csv"),
    ),
];

pub(super) const ACTIVITIES: &str = "codes/activities.csv";
pub(super) const NEEDS: &str = "codes/needs.csv";
pub(super) const SOCIAL_PRESCRIBING: &str = "codes/social-prescribing.csv";
pub(super) const ATTENDANCE_CODES: &str = "codes/attendance.csv";
/// What every partner file stands on.
pub(super) const STOOD_ON_BY_ALL: [&str; 5] = [
    FIELDS,
    ACTIVITIES,
    NEEDS,
    SOCIAL_PRESCRIBING,
    ATTENDANCE_CODES,
];
const FIELDS: &str = "fields.toml";

numbered! {
    /// What a mapping text is.
    pub(crate) enum TextKind {
        Fields = 1,
        Instrument = 2,
        Codes = 3,
        Partner = 4,
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

impl RuleText {
    /// A text of the site.
    pub(super) fn of_site(kind: TextKind, path: &str, text: String) -> Self {
        Self {
            kind,
            built_in: false,
            path: path.to_owned(),
            text,
        }
    }

    /// How diagnostics name it.
    pub(super) fn shown(&self, label: &str) -> String {
        let label = if self.built_in { "built-in" } else { label };
        format!("{label}/{}", self.path)
    }

    /// The id that a partner file must have. Files are asked, not what was read of them, so that a partner with a fault of
    /// its own is not unknown to the others too.
    pub(super) fn partner_id(&self) -> Option<&str> {
        let name = self.path.strip_prefix("partners/")?;
        (self.kind == TextKind::Partner).then_some(name.strip_suffix(".toml")?)
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

/// Texts as one text.
pub(super) fn bundle_of<'t>(texts: impl Iterator<Item = &'t RuleText>) -> String {
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

/// The texts of a bundle; `None` if it is none.
pub(super) fn texts_of(bundle: &str) -> Option<Vec<RuleText>> {
    let rows: Vec<(i64, bool, String, String)> = serde_json::from_str(bundle).ok()?;
    let mut texts = Vec::with_capacity(rows.len());
    for (kind, built_in, path, text) in rows {
        let kind = TextKind::from_number(kind)?;
        texts.push(RuleText {
            kind,
            built_in,
            path,
            text,
        });
    }
    Some(texts)
}

/// SHA-256 of a bundle.
pub(super) fn hash_of(bundle: &str) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, bundle.as_bytes()).as_ref());
    hash
}

/// Reads what a site has: `fields.toml`, `instruments/*.toml`, `codes/*.csv`, `partners/*.toml`.
pub(super) fn read_folder(
    mappings: &Path,
    label: &str,
    limits: &Limits,
    texts: &mut Vec<RuleText>,
    problems: &Problems,
) {
    let mut read = |path: &str, kind: TextKind| match text_within(
        &mappings.join(path),
        limits.mapping_bytes_max,
    ) {
        Ok(text) => texts.push(RuleText::of_site(kind, path, text)),
        Err(error) => {
            let place = Place::file(format!("{label}/{path}"));
            let fix = error.fix("mapping_bytes_max");
            problems.add_fix(Code::ConfigSyntax, error.to_string(), &place, fix);
        }
    };
    if mappings.join(FIELDS).exists() {
        read(FIELDS, TextKind::Fields);
    }
    let folders = [
        ("instruments", "toml", TextKind::Instrument),
        ("codes", "csv", TextKind::Codes),
        ("partners", "toml", TextKind::Partner),
    ];
    for (folder, extension, kind) in folders {
        for name in names_in(&mappings.join(folder), extension) {
            read(&format!("{folder}/{name}"), kind);
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

/// The id that a partner file gives itself, if it can be read so far.
pub(crate) fn partner_named_in(text: &str) -> Option<String> {
    let table: toml::Table = text.parse().ok()?;
    let id = table.get("partner")?.get("id")?.as_str()?;
    Some(id.to_owned())
}
