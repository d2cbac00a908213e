//! Whole exchanges over lines that delay, cut, repeat, reorder and lose answers: every drop arrives once, every return is taken once.

use std::collections::BTreeMap;

use super::memory_bench::MemoryBench;
use super::{AT_ONCE, Bench, a_drop, list, publish, whole};
use crate::domain::Entropy;
use crate::transport::{Acknowledgement, Published, TransportError};

/// Lines tried, each with a seed of its own.
const LINES: u64 = 300;
/// Runs after which everything has arrived.
const RUNS_MAX: usize = 40;

#[tokio::test]
async fn over_every_line_each_drop_arrives_once_and_each_return_is_taken_once() {
    let (mut unknown, mut cut) = (0, 0);
    for seed in 0..LINES {
        let (lost, interrupted) = exchange(seed).await;
        unknown += lost;
        cut += interrupted;
    }
    // The lines did what they are for.
    assert!(unknown > LINES / 4 && cut > LINES / 4, "{unknown} {cut}");
}

/// Publishes three drops and takes three returns, in as many runs as it needs; gives how many answers were lost and how many calls were cut.
async fn exchange(seed: u64) -> (u64, u64) {
    let bench = MemoryBench::new(0);
    let mut dice = Entropy::from_seed([7; 32]).stream(seed);
    let mut roll = move |below: u8| usize::from(dice.bytes::<1>()[0] % below);
    bench.transport().prepare().await.unwrap();
    for name in ["a.csv", "b.csv", "c.csv"] {
        bench.puts(name, name.as_bytes());
    }
    let (mut unknown, mut cut) = (0, 0);
    let drops = [a_drop(1), a_drop(2), a_drop(3)];
    let mut published = 0;
    // What was recorded of returns, by name: the same bytes again are known.
    let mut recorded: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for _ in 0..RUNS_MAX {
        {
            let mut line = bench.transport.line();
            line.delays = roll(4);
            line.repeats = roll(2) == 0;
            line.cut_in(roll(12));
            line.lose_in(roll(4), roll(2) == 0);
        }
        while let Some(drop) = drops.get(published) {
            match publish(&bench, drop).await {
                Ok(Published::Now | Published::Before) => published += 1,
                Ok(Published::Unknown) => {
                    unknown += 1;
                    break;
                }
                Err(error) => {
                    assert!(matches!(error.cause(), TransportError::Cut), "{error}");
                    cut += 1;
                    break;
                }
            }
        }
        cut += u64::from(take_all(&bench, &mut recorded).await.is_err());
        if published == drops.len() && bench.returns().is_empty() {
            break;
        }
    }
    assert_eq!(bench.sees(), whole(&drops), "seed {seed}");
    let taken: Vec<(String, Vec<u8>)> = recorded.into_iter().collect();
    assert_eq!(bench.done(), taken, "seed {seed}");
    assert_eq!(taken.len(), 3, "seed {seed}");
    (unknown, cut)
}

async fn take_all(
    bench: &MemoryBench,
    recorded: &mut BTreeMap<String, Vec<u8>>,
) -> Result<(), TransportError> {
    for candidate in list(bench, AT_ONCE).await?.candidates {
        let bytes = bench.transport().take(&candidate, 100).await?;
        let name = candidate.name.reveal().to_owned();
        let before = recorded.insert(name, bytes.clone());
        assert!(before.is_none_or(|before| before == bytes));
        let done = Acknowledgement::Done;
        bench.transport().acknowledge(&candidate, done).await?;
    }
    Ok(())
}
