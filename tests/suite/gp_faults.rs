//! The whole loop against a GP system that misbehaves on a quarter of all requests: nothing lost, nothing twice, and no
//! certificate that promises what it cannot.
//!
//! One function a seed, because each is a story of its own; `support/gp_world.rs` tells it.

use super::support::gp_world::Misbehaving;
use super::support::shared;
use super::support::workload::Workload;

/// Referrals of a seed.
const REFERRALS: u32 = 60;
/// Runs after the first.
const FURTHER_RUNS: u32 = 20;
/// Minutes between two runs.
const MINUTES_BETWEEN: i64 = 40;

#[test]
fn seed_01() {
    // A campaign asks for other seeds.
    let seed = std::env::var("KITH_TEST_SEED");
    survives(seed.map_or(1, |seed| seed.parse().expect("KITH_TEST_SEED is a number")));
}

#[test]
fn seed_02() {
    survives(2);
}

#[test]
fn seed_03() {
    survives(3);
}

#[test]
fn seed_04() {
    survives(4);
}

#[test]
fn seed_05() {
    survives(5);
}

#[test]
fn seed_06() {
    survives(6);
}

#[test]
fn seed_07() {
    survives(7);
}

#[test]
fn seed_08() {
    survives(8);
}

#[test]
fn seed_09() {
    survives(9);
}

#[test]
fn seed_10() {
    survives(10);
}

/// Says how to have a failure again.
struct Replay(u32, String);

impl Drop for Replay {
    #[expect(
        clippy::print_stderr,
        reason = "beside the panic's own words, and only then"
    )]
    fn drop(&mut self) {
        let Self(seed, faults) = self;
        if std::thread::panicking() {
            eprintln!(
                "gp_faults: seed {seed} failed (kith sandbox --faults {faults} --seed {seed})"
            );
            eprintln!("bash tests/campaign.sh gp-faults --seed {seed} --count 1 replays it");
        }
    }
}

/// How the server of a seed misbehaves.
fn faults(seed: u32) -> String {
    let mut faults = "all=25,late=15,short-pages=40,no-post-search=1".to_owned();
    if seed.is_multiple_of(3) {
        faults.push_str(",no-transaction=100");
    }
    faults
}

fn survives(seed: u32) {
    let Some(shared) = shared::folder("gp_faults") else {
        return;
    };
    let replay = Replay(seed, faults(seed));
    let workload = Workload::generate(&shared, REFERRALS, seed, "0.3");
    let mut world = Misbehaving::start(&workload, seed, &replay.1);
    let mut runs = 0;
    loop {
        let summary = world.runs();
        world.certificate_is_true(&summary);
        if runs == 0 {
            world.refers_the_rest();
        }
        if world.done() {
            break;
        }
        assert!(
            runs < FURTHER_RUNS,
            "after {FURTHER_RUNS} further runs: {}",
            world.missing()
        );
        runs += 1;
        world.returns();
        world.moves_clock(MINUTES_BETWEEN * 60);
    }
    world.everything_is_there_once();
}
