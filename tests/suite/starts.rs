//! A command that has said its word ends: many starts, several at once, on a machine that has other work.
//!
//! A pool of the store once kept a maintenance task, which could count an idle connection below zero and loop for ever: the
//! command had printed its result and never ended.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::support::partner_file::PartnerFile;
use super::support::people::referral;
use super::support::world::World;

/// Starts at once: several times the cores, so that the runtime's threads are stopped at any place.
const AT_ONCE: usize = 12;
/// Starts without a campaign.
const FEW: usize = 48;

#[test]
fn every_start_ends() {
    let count = std::env::var("KITH_TEST_COUNT").map_or(FEW, |count| {
        count.parse().expect("KITH_TEST_COUNT is a number")
    });
    let mut world = World::of_folder(&[PartnerFile::of("elm")]);
    world.gp_refers(&referral(1, "Anna", "Beech", "elm"));
    world.runs();
    let started = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let number = started.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        break;
                    }
                    let command = ["prove", "status", "held"][number % 3];
                    // Whoever does not end within a minute is named, and fails this test.
                    world.home.ran(&[command], 0);
                }
            });
        }
    });
    println!("{count} starts ended");
}
