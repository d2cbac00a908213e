//! Referrals through versions of a partner file: what each makes of them, with no state and nothing stored.
//!
//! In: a version in its mappings, and referrals, from files or from those kept. Out: the rows as they would be delivered, or
//! why there is none. Values are people's: who shows them shows their shape.

use std::path::Path;

use anyhow::Context as _;
use jiff::civil::Date;

pub(crate) use super::map_folder::Folder;
use crate::config::{Config, ORDERS};
use crate::diagnostics::Diagnostic;
use crate::domain::Limits;
use crate::domain::{Instant, LegId};
use crate::json::Arena;
use crate::partner::{Partner, Rules, SourceFacts, partner_named_in};
use crate::pipeline::map::{Asked, dry_reference, dry_rules, dry_run};
pub(crate) use crate::pipeline::map::{DryRun, is_check};
use crate::pipeline::referral::{ReferralTrees, Setting};
use crate::pipeline::run::Env;
use crate::pipeline::sealed_inputs;
use crate::pipeline::select::SourceRules;
use crate::toml_reader::text_within;

/// Legs read at a time.
const PAGE: i64 = 500;
/// Characters of a shape.
const SHAPE_MAX: usize = 24;

/// What a version makes of a referral.
pub(crate) type MadeRow = DryRun<Vec<String>>;

/// A version of a partner file, in the mappings as they are now.
pub(crate) struct FileVersion {
    pub(crate) rules: Rules,
    place: usize,
}

impl FileVersion {
    /// The partner as this version has it.
    pub(crate) fn partner(&self) -> &Partner {
        &self.rules.partners[self.place]
    }

    /// Reads one; else what keeps it from being used.
    ///
    /// # Errors
    /// It is no partner file, is larger than one may be, or cannot be read at all.
    pub(crate) fn read(
        mappings: &Path,
        file: &Path,
        limits: &Limits,
    ) -> anyhow::Result<Result<Self, Vec<Diagnostic>>> {
        let text = text_within(file, limits.mapping_bytes_max)
            .map_err(|error| match error.fix("mapping_bytes_max") {
                Some(fix) => anyhow::anyhow!("{error}: {fix}"),
                None => error.into(),
            })
            .with_context(|| format!("reading {}", file.display()))?;
        let Some(id) = partner_named_in(&text) else {
            anyhow::bail!("{} has no [partner] id", file.display())
        };
        let rules = match Rules::load_with(mappings, &id, &text, limits) {
            Ok((rules, _)) => rules,
            Err(mut problems) => {
                problems.retain(Diagnostic::fatal);
                return Ok(Err(problems));
            }
        };
        let place = rules.partners.iter().position(|partner| partner.id == id);
        let place = place.ok_or_else(|| anyhow::anyhow!("there is no partner \"{id}\""))?;
        Ok(Ok(Self { rules, place }))
    }
}

/// Maps referrals of files: the partner's criteria are asked, not the routing, as `kith map --select` does.
pub(crate) struct FileMapper<'c> {
    source: SourceFacts<'c>,
    activity_system: String,
    orders: [String; 5],
    today: Date,
}

impl<'c> FileMapper<'c> {
    /// As of a day, with what the config says of its first practice.
    pub(crate) fn new(config: &'c Config, today: Date) -> Self {
        Self {
            source: source_facts(config),
            activity_system: config.activity_system(),
            orders: ORDERS.map(str::to_owned),
            today,
        }
    }

    /// What a partner's file makes of the referral at this place of a folder; `None` if it is not JSON.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub(crate) fn made(
        &self,
        folder: &Folder,
        index: usize,
        by: &[(&Rules, &Partner)],
    ) -> std::io::Result<Option<Vec<MadeRow>>> {
        let referral = folder.referral(index)?;
        let arena = Arena::default();
        let Ok(trees) = referral.trees(&arena) else {
            return Ok(None);
        };
        let reference = dry_reference(trees.parts());
        let made = by.iter().map(|(rules, partner)| {
            let setting = Setting {
                source: self.source,
                today: self.today,
                activity_system: &self.activity_system,
                rules,
            };
            let asked = (&dry_rules(rules, &self.orders), Asked::Criteria);
            dry_run(
                trees.parts(),
                setting,
                partner,
                &reference,
                asked,
                cells_owned,
            )
        });
        Ok(Some(made.collect()))
    }
}

fn cells_owned(cells: &crate::pipeline::map::Cells<'_>) -> Vec<String> {
    cells.iter().map(|cell| cell.clone().into_owned()).collect()
}

/// What the config says of its first practice.
pub(crate) fn source_facts(config: &Config) -> SourceFacts<'_> {
    config
        .sources
        .first()
        .map_or_else(SourceFacts::default, |source| SourceFacts {
            name: &source.name,
            ods_code: &source.ods_code,
            phone: source.phone.as_deref(),
            safeguarding_phone: None,
        })
}

/// Referrals received in the last days, each on the day on which it was received, with its newest records, through routing
/// too: their references, and what two versions make of them.
///
/// # Errors
/// The store failed, a sealed value does not open, or `take` fails.
pub(crate) async fn each_kept(
    env: &Env,
    days: i64,
    (old, new): (&FileVersion, &FileVersion),
    mut take: impl FnMut(&str, &MadeRow, &MadeRow) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let since = env.now().plus_seconds(-days * 86_400);
    let mut after = LegId::NONE;
    loop {
        let mut legs = env.store.legs_after(after, PAGE).await?;
        let Some(last) = legs.last() else {
            return Ok(());
        };
        after = last.id;
        // An onward leg has the referral of another one; what it is sent by is the link worker's word.
        legs.retain(|leg| leg.lookup.is_some() && leg.born >= since.0);
        let raws: Vec<_> = legs.iter().map(|leg| leg.now.raws).collect();
        let referrals = sealed_inputs::referrals(env, &raws).await?;
        for (leg, referral) in legs.iter().zip(referrals) {
            let (Some(referral), Some(place)) = (referral, env.source_at(leg.source)) else {
                continue;
            };
            let arena = Arena::default();
            let Ok(trees) = referral.trees(&arena) else {
                continue;
            };
            let reference = leg.reference.to_string();
            let day = Instant(leg.born).london_day();
            let made = |version| routed(env, place, day, &trees, &reference, version);
            take(&reference, &made(old), &made(new))?;
        }
    }
}

fn routed(
    env: &Env,
    place: usize,
    day: Date,
    trees: &ReferralTrees<'_>,
    reference: &str,
    version: &FileVersion,
) -> MadeRow {
    let source = &env.sources[place].config;
    let setting = env.setting(source, &version.rules, day);
    let rules = SourceRules {
        partners: &version.rules.partners,
        ..env.source_rules(source)
    };
    let asked = (&rules, Asked::Routing);
    let partner = version.partner();
    dry_run(
        trees.parts(),
        setting,
        partner,
        reference,
        asked,
        cells_owned,
    )
}

/// The form of a value: 9 for each digit, one a for a run of letters, everything else as it is.
pub(crate) fn shape(cell: &str) -> String {
    let mut shape = String::new();
    for character in cell.chars() {
        let next = match character {
            _ if character.is_numeric() => '9',
            _ if character.is_alphabetic() => 'a',
            _ if character.is_control() => ' ',
            _ => character,
        };
        if next != 'a' || !shape.ends_with('a') {
            shape.push(next);
        }
        if shape.chars().count() >= SHAPE_MAX {
            shape.push('…');
            break;
        }
    }
    if shape.is_empty() {
        "empty".to_owned()
    } else {
        shape
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::limits;

    #[test]
    fn a_version_that_is_too_long_is_refused_not_cut() {
        let mappings = tempfile::tempdir().unwrap();
        let file = mappings.path().join("new.toml");
        let usual = Limits::default();
        limits::holds_at(usual.mapping_bytes_max, |bytes| {
            let mut text = "[partner]\nid = \"p\"\n#".to_owned();
            text.push_str(&"x".repeat(usize::try_from(bytes).unwrap() - text.len()));
            std::fs::write(&file, text).unwrap();
            FileVersion::read(mappings.path(), &file, &usual).is_ok()
        });
    }
}
