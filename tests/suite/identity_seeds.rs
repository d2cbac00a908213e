//! Fifty people, split at random over practices, hosts and forms whose ids clash: every row that leaves is of one person, and
//! of the referral's; the others are held. The same of a search server that gives records of other hosts beside its own.

use serde_json::Value;

use super::support::clashing::{AT_ONCE, Allowed, PEOPLE, assert_unmixed, partner, seeds};
use super::support::clashing_folder;
use super::support::clashing_server::ClashingServers;
use super::support::source::Source;
use super::support::world::World;

/// Folders, and servers, in the ordinary tests.
const SEEDS: u64 = 30;
const STAGES: [&str; 4] = ["pull", "select", "map", "deliver"];

fn name(seed: u64) -> String {
    format!("s{seed}")
}

/// The seeds, as many together as one installation has.
fn groups() -> Vec<Vec<u64>> {
    let all: Vec<u64> = seeds(SEEDS).collect();
    let at_once = usize::try_from(AT_ONCE).unwrap();
    all.chunks(at_once).map(<[u64]>::to_vec).collect()
}

/// Runs the outward rooms; how many rows are there by then, and how many referrals wait.
fn sent(world: &World, allowed: &Allowed, seeds: &[u64]) -> usize {
    let summary = world.runs_with(&STAGES);
    let rows = world.rows();
    assert_unmixed(&rows, allowed);
    let new = rows.iter().filter(|row| row["What"] == "NEW").count();
    let legs = summary["legs"].as_object().unwrap();
    let counted = |state: &str| legs.get(state).and_then(Value::as_u64).unwrap_or(0);
    let all: u64 = legs.values().filter_map(Value::as_u64).sum();
    let due = seeds.len() as u64 * u64::from(PEOPLE);
    assert_eq!(
        all, due,
        "nobody is lost, nobody is two: {legs:?} of {seeds:?}"
    );
    assert_eq!(
        counted("held") + new as u64,
        due,
        "the rest is held: {legs:?} of {seeds:?}"
    );
    new
}

#[test]
fn a_row_from_a_folder_is_of_one_person_whatever_clashes() {
    for seeds in groups() {
        let source = |seed: &u64| Source::folder(&name(*seed), &format!("ext/{seed}"));
        let sources: Vec<Source> = seeds.iter().map(source).collect();
        let world = World::of(&sources, &[partner()]);
        let mut allowed = Allowed::new();
        for seed in &seeds {
            let path = format!("ext/{seed}");
            allowed.extend(clashing_folder::write(
                &world.home,
                &path,
                &name(*seed),
                *seed,
            ));
        }
        let rows = sent(&world, &allowed, &seeds);
        assert!(rows > seeds.len() * 20, "{rows} rows of {seeds:?}");
    }
}

#[test]
fn a_row_from_a_server_is_of_one_person_whoever_else_it_gives() {
    for seeds in groups() {
        let (servers, allowed) = ClashingServers::start(&seeds, name);
        let source = |seed: &u64| {
            let source = Source::searched(&name(*seed), &servers.base(*seed));
            source.push("{ kind = \"off\" }")
        };
        let sources: Vec<Source> = seeds.iter().map(source).collect();
        let world = World::of(&sources, &[partner()]);
        let rows = sent(&world, &allowed, &seeds);
        assert!(rows > seeds.len() * 15, "{rows} rows of {seeds:?}");
        // Read again by id, with the same hosts around them.
        servers.people_change();
        let again = sent(&world, &allowed, &seeds);
        // Somebody who was not found at first may be now.
        assert!(again >= rows, "{again} rows after {rows} of {seeds:?}");
        let amended = world
            .rows()
            .iter()
            .filter(|row| row["What"] == "AMEND")
            .count();
        assert!(
            amended > seeds.len() * 3,
            "{amended} amendments of {seeds:?}"
        );
    }
}
