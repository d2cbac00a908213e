//! One partner file in error stops that partner, not the run.
//!
//! In: a config whose mappings have faults. Out: the rules without them, and what stands in for each file at fault. Keeps: a live
//! partner goes on by the version that a run last recorded; one that was never recorded is left out; a fault anywhere else stops all.

use std::collections::BTreeMap;

use super::load_rules;
use super::open::store_refused;
use crate::config::Config;
use crate::diagnostics::{Code, Diagnostic, Place, Refused};
use crate::partner::Rules;
use crate::pipeline::approval::{self, How};
use crate::store::{SqliteStore, Store, StoreError};

/// The rules to run by, and every fault of the files that others stand in for, loudest first.
///
/// # Errors
/// [`Refused`] with every problem, where they are not of partner files alone, or nothing is left without those.
pub(super) async fn rules(config: &Config) -> Result<(Rules, Vec<Diagnostic>), Refused> {
    let problems = match load_rules(config, Vec::new()) {
        Ok((rules, _)) => return Ok((rules, Vec::new())),
        Err(Refused(problems)) => problems,
    };
    let mut broken: BTreeMap<String, Option<String>> = BTreeMap::new();
    for problem in problems.iter().filter(|problem| config.refuses(problem)) {
        let Some(id) = partner_at_fault(problem) else {
            return Err(Refused(problems));
        };
        broken.insert(id, None);
    }
    // A first run has nothing that could stand in, and nobody waits for it.
    if !config.store.exists() {
        return Err(Refused(problems));
    }
    recorded(config, &mut broken)
        .await
        .map_err(|error| store_refused(&error, config))?;
    let Ok(rules) = without_faults(config, &broken) else {
        return Err(Refused(problems));
    };
    let mut said: Vec<Diagnostic> = broken
        .iter()
        .map(|(id, version)| {
            let (code, what) = match version {
                Some(_) => (
                    Code::PartnerStandsIn,
                    "a partner file has a fault: the partner goes on by its last good version",
                ),
                None => (
                    Code::PartnerLeftOut,
                    "a partner file has a fault, and there is no earlier version: the partner is left out",
                ),
            };
            Diagnostic::new(code, what, Place::detail(format!("partner {id}")))
        })
        .collect();
    said.extend(
        problems
            .into_iter()
            .filter(|problem| config.refuses(problem)),
    );
    Ok((rules, said))
}

/// The rules with what stands in, if nothing speaks against them.
fn without_faults(
    config: &Config,
    versions: &BTreeMap<String, Option<String>>,
) -> Result<Rules, Vec<Diagnostic>> {
    let (rules, warnings) = Rules::load_instead(&config.mappings, versions, &config.limits)?;
    let mut found = config.check_rules(&rules);
    found.extend(warnings);
    if found.iter().any(|found| config.refuses(found)) {
        return Err(found);
    }
    Ok(rules)
}

/// The partner whose file a problem is of.
fn partner_at_fault(problem: &Diagnostic) -> Option<String> {
    let (_, name) = problem.place().file_name()?.rsplit_once("/partners/")?;
    let id = name.strip_suffix(".toml")?;
    (!id.contains('/')).then(|| id.to_owned())
}

/// Looks up the version of each that a run last recorded as in force.
async fn recorded(
    config: &Config,
    broken: &mut BTreeMap<String, Option<String>>,
) -> Result<(), StoreError> {
    let store = SqliteStore::open(&config.store, &config.limits).await?;
    let looked = look_up(&store, broken).await;
    store.close().await;
    looked
}

async fn look_up(
    store: &SqliteStore,
    broken: &mut BTreeMap<String, Option<String>>,
) -> Result<(), StoreError> {
    let strands = store.strands().await?;
    let strand = |name: &str| strands.iter().find(|known| known.name == name);
    let Some(installation) = strand("installation") else {
        return Ok(());
    };
    let known = approval::recorded(store, installation.id).await?;
    for (id, version) in broken {
        let Some(own) = strand(&format!("partner:{id}")) else {
            continue;
        };
        let mut rows = known.iter().filter(|row| row.partner == own.id);
        if let Some(last) = rows.rfind(|row| row.how != How::Waits)
            && let Some(bundle) = store.rule(last.file).await?
        {
            *version = Rules::partner_text(&bundle);
        }
    }
    Ok(())
}
