//! Loads the mappings: the texts built in and those of the site, into one checked set of rules.
//!
//! A folder comes in, or texts kept by the store; [`Rules`] go out, or every problem of every file. Invariant: rules are
//! a function of their texts, so a drop can be made again years later from what the store kept.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;

use super::Partner;
use super::built_in;
use super::read::catalogue::Catalogue;
use super::read::lint::never_chosen;
use super::read::read_partner;
use super::texts::{
    ACTIVITIES, ATTENDANCE_CODES, NEEDS, RuleText, SOCIAL_PRESCRIBING, STOOD_ON_BY_ALL, TextKind,
    bundle_of, hash_of, read_folder, texts_of,
};
use crate::diagnostics::{Code, Diagnostic, Place};
use crate::domain::Limits;
use crate::domain::event::ATTENDANCE;
use crate::partner::fields::{CodeMap, FieldSet, Instrument, TriggerKind, Vocabulary, read_codes};
use crate::toml_reader::{At, Problems};

/// Everything that the mappings say.
#[derive(Debug)]
pub(crate) struct Rules {
    /// By id.
    pub(crate) partners: Vec<Partner>,
    pub(crate) vocabulary: Vocabulary,
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
    pub(crate) fn load(
        mappings: &Path,
        limits: &Limits,
    ) -> Result<(Self, Vec<Diagnostic>), Vec<Diagnostic>> {
        let problems = Problems::within(limits);
        let label = mappings.file_name().map_or_else(
            || "mappings".to_owned(),
            |name| name.to_string_lossy().into_owned(),
        );
        let mut texts = built_in();
        if mappings.is_dir() {
            read_folder(mappings, &label, limits, &mut texts, &problems);
        } else {
            problems.add(
                Code::FolderMissing,
                "the mappings folder does not exist",
                &Place::file(label.as_str()),
            );
        }
        Self::build(&texts, &label, limits, problems, true)
    }

    /// The same folder with another version of one partner's file in it.
    ///
    /// # Errors
    /// As [`Rules::load`].
    pub(crate) fn load_with(
        mappings: &Path,
        partner: &str,
        version: &str,
        limits: &Limits,
    ) -> Result<(Self, Vec<Diagnostic>), Vec<Diagnostic>> {
        let versions = BTreeMap::from([(partner.to_owned(), Some(version.to_owned()))]);
        Self::load_instead(mappings, &versions, limits)
    }

    /// The same folder with other versions of some partner files in it, by the partner's id; a file that has none is left out.
    ///
    /// # Errors
    /// As [`Rules::load`].
    pub(crate) fn load_instead(
        mappings: &Path,
        versions: &BTreeMap<String, Option<String>>,
        limits: &Limits,
    ) -> Result<(Self, Vec<Diagnostic>), Vec<Diagnostic>> {
        let problems = Problems::within(limits);
        let mut texts = built_in();
        read_folder(mappings, "mappings", limits, &mut texts, &problems);
        for (partner, version) in versions {
            let path = format!("partners/{partner}.toml");
            texts.retain(|text| text.path != path);
            if let Some(version) = version {
                texts.push(RuleText::of_site(TextKind::Partner, &path, version.clone()));
            }
        }
        Self::build(&texts, "mappings", limits, problems, true)
    }

    /// The partner file of a bundle, as it was.
    pub(crate) fn partner_text(bundle: &str) -> Option<String> {
        let mut texts = texts_of(bundle)?.into_iter();
        let partner = texts.find(|text| text.kind == TextKind::Partner)?;
        Some(partner.text)
    }

    /// Makes rules from texts, as [`Rules::load`] does from a folder.
    ///
    /// # Errors
    /// As [`Rules::load`].
    pub(crate) fn from_texts(
        texts: &[RuleText],
    ) -> Result<(Self, Vec<Diagnostic>), Vec<Diagnostic>> {
        let limits = Limits::default();
        Self::build(texts, "mappings", &limits, Problems::within(&limits), true)
    }

    /// Makes the one partner of a bundle again, with all it stood on.
    ///
    /// # Errors
    /// As [`Rules::load`]; a bundle that cannot be read is CFG-002.
    pub(crate) fn from_bundle(bundle: &str) -> Result<Self, Vec<Diagnostic>> {
        let Some(texts) = texts_of(bundle) else {
            let what = "a kept mapping cannot be read";
            let broken = Diagnostic::new(Code::ConfigSyntax, what, Place::default());
            return Err(vec![broken]);
        };
        // It was lawful when it was kept, so no lower limit of today stands in its way. The partners it refers on to are
        // not in it.
        let limits = Limits::ceilings();
        let read = Self::build(
            &texts,
            "mappings",
            &limits,
            Problems::within(&limits),
            false,
        );
        read.map(|(rules, _)| rules)
    }

    /// The partner with this id.
    pub(crate) fn partner(&self, id: &str) -> Option<&Partner> {
        self.partners.iter().find(|partner| partner.id == id)
    }

    fn build(
        texts: &[RuleText],
        label: &str,
        limits: &Limits,
        problems: Problems,
        whole: bool,
    ) -> Result<(Self, Vec<Diagnostic>), Vec<Diagnostic>> {
        let shared = SharedTexts::read(texts, label, &problems);
        let ids: Vec<&str> = texts.iter().filter_map(RuleText::partner_id).collect();
        let ids = whole.then_some(ids.as_slice());
        let mut partners: Vec<Partner> = Vec::new();
        for text in texts.iter().filter(|text| text.kind == TextKind::Partner) {
            partners.extend(one_partner(
                text, texts, label, &shared, ids, limits, &problems,
            ));
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
            vocabulary: shared.vocabulary,
            social_prescribing: shared.social_prescribing,
            hash,
        };
        Ok((rules, found))
    }
}

/// What all partner files share.
struct SharedTexts {
    vocabulary: Vocabulary,
    codes: BTreeMap<String, CodeMap>,
    social_prescribing: Vec<(String, TriggerKind)>,
}

impl SharedTexts {
    fn read(texts: &[RuleText], label: &str, problems: &Problems) -> Self {
        let mut fields = FieldSet::default();
        let mut instruments: Vec<Instrument> = Vec::new();
        let mut entries: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
        for text in texts {
            let file = text.shown(label);
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
        let list = |path: &str| codes.get(path).cloned().unwrap_or_default();
        let social_prescribing = list(SOCIAL_PRESCRIBING)
            .entries()
            .filter_map(|(code, word)| Some((code.to_owned(), trigger(word)?)))
            .collect();
        instruments.sort_by(|a, b| a.id.cmp(&b.id));
        let vocabulary = Vocabulary {
            fields,
            instruments,
            activities: list(ACTIVITIES),
            needs: list(NEEDS),
        };
        Self {
            vocabulary,
            codes,
            social_prescribing,
        }
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
fn check_standard(text: &RuleText, entries: &[At<(String, String)>], problems: &Problems) {
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
        let unknown = At {
            value: word.as_str(),
            place: entry.place.clone(),
        };
        problems.add_unknown(Code::BadValue, what, &unknown, known);
    }
}

fn one_partner(
    text: &RuleText,
    texts: &[RuleText],
    label: &str,
    shared: &SharedTexts,
    ids: Option<&[&str]>,
    limits: &Limits,
    problems: &Problems,
) -> Option<Partner> {
    let catalogue = Catalogue {
        vocabulary: &shared.vocabulary,
        codes: &shared.codes,
        partners: ids,
        limits,
        problems,
        used: RefCell::new(STOOD_ON_BY_ALL.map(str::to_owned).into()),
    };
    let mut partner = read_partner(&text.shown(label), &text.text, &catalogue)?;
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

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;
