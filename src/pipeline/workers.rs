//! Several workers at one list of work, with results in the order of the list.
//!
//! In: how many pieces of work there are, and what to do with one. Out: what was made of each, all together or handed over
//! one by one. Kept: the order does not depend on who was faster; no more results wait for their turn than [`AHEAD`] a
//! worker; a worker that dies is seen, and nobody waits for it.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use tracing::Span;

/// Pieces of work that a worker may be ahead of the one whose turn it is.
const AHEAD: usize = 4;
/// Workers, however many cores there are: more only wait for the disk.
const WORKERS_MAX: usize = 16;

/// How many workers a machine has room for.
pub(crate) fn workers() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| cores.get().min(WORKERS_MAX))
}

/// What workers make of `0..number`, in that order, each worker with something of its own that it uses again.
///
/// A worker that dies takes its results along: they are `None`.
pub(crate) fn in_parallel<O: Default, R: Send>(
    number: usize,
    threads: usize,
    work: impl Fn(&mut O, usize) -> R + Sync,
) -> Vec<Option<R>> {
    let next = AtomicUsize::new(0);
    let all: Mutex<Vec<Option<R>>> = Mutex::new((0..number).map(|_| None).collect());
    let worker = || {
        let mut own = O::default();
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            if place >= number {
                return;
            }
            let result = work(&mut own, place);
            all.lock().unwrap_or_else(PoisonError::into_inner)[place] = Some(result);
        }
    };
    let span = Span::current();
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads.min(number))
            .map(|_| scope.spawn(|| span.in_scope(worker)))
            .collect();
        worker();
        for other in others {
            // What it had not finished stays `None`, which is seen.
            drop(other.join());
        }
    });
    all.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// What is made of each item, in their order; a worker takes `piece` of them at a time.
///
/// # Errors
/// A worker died.
pub(crate) fn of_each<T: Sync, R: Send>(
    items: &[T],
    piece: usize,
    threads: usize,
    work: impl Fn(&T) -> R + Sync,
) -> anyhow::Result<Vec<R>> {
    let pieces: Vec<&[T]> = items.chunks(piece).collect();
    let made = in_parallel(pieces.len(), threads, |(): &mut (), place| {
        pieces[place].iter().map(&work).collect::<Vec<R>>()
    });
    let mut all = Vec::with_capacity(items.len());
    for made in made {
        all.extend(made.ok_or_else(|| anyhow::anyhow!("a worker died"))?);
    }
    Ok(all)
}

/// What is handed over next, and what came before its turn.
struct Turns<R, T> {
    begun: usize,
    taken: usize,
    waiting: BTreeMap<usize, R>,
    take: T,
    failed: Option<anyhow::Error>,
}

/// Hands over what workers make of `0..number` in that order, while they work on.
///
/// # Errors
/// The first error of a worker or of `take`, after which no more work is begun.
pub(crate) fn in_order<O: Default, R: Send>(
    number: usize,
    workers: usize,
    work: impl Fn(&mut O, usize) -> anyhow::Result<R> + Sync,
    take: impl FnMut(R) -> anyhow::Result<()> + Send,
) -> anyhow::Result<()> {
    let workers = workers.clamp(1, number.max(1));
    let (turns, moved) = (
        Mutex::new(Turns {
            begun: 0,
            taken: 0,
            waiting: BTreeMap::new(),
            take,
            failed: None,
        }),
        Condvar::new(),
    );
    let worker = || {
        let mut own = O::default();
        while let Some(place) = begin(&turns, &moved, number, workers * AHEAD) {
            let made = catch_unwind(AssertUnwindSafe(|| work(&mut own, place)));
            let made = made.unwrap_or_else(|_| Err(anyhow::anyhow!("a worker died")));
            end(&turns, place, made);
            moved.notify_all();
        }
    };
    let span = Span::current();
    std::thread::scope(|scope| {
        for _ in 1..workers {
            scope.spawn(|| span.in_scope(worker));
        }
        worker();
    });
    let turns = turns.into_inner().unwrap_or_else(PoisonError::into_inner);
    turns.failed.map_or(Ok(()), Err)
}

fn locked<R, T>(turns: &Mutex<Turns<R, T>>) -> MutexGuard<'_, Turns<R, T>> {
    turns.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The next piece of work, when there is room for its result.
fn begin<R, T>(
    turns: &Mutex<Turns<R, T>>,
    moved: &Condvar,
    number: usize,
    ahead: usize,
) -> Option<usize> {
    let mut turns = locked(turns);
    loop {
        if turns.begun >= number || turns.failed.is_some() {
            return None;
        }
        if turns.begun < turns.taken + ahead {
            turns.begun += 1;
            return Some(turns.begun - 1);
        }
        turns = moved.wait(turns).unwrap_or_else(PoisonError::into_inner);
    }
}

/// Hands over a result and those that waited for it, or keeps it for its turn.
fn end<R, T: FnMut(R) -> anyhow::Result<()>>(
    turns: &Mutex<Turns<R, T>>,
    place: usize,
    made: anyhow::Result<R>,
) {
    let mut turns = locked(turns);
    match made {
        Ok(made) => {
            turns.waiting.insert(place, made);
        }
        Err(error) => {
            turns.failed.get_or_insert(error);
        }
    }
    while turns.failed.is_none() {
        let taken = turns.taken;
        let Some(made) = turns.waiting.remove(&taken) else {
            return;
        };
        turns.taken += 1;
        if let Err(error) = (turns.take)(made) {
            turns.failed = Some(error);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::{self, LogFormat};

    #[test]
    fn what_is_made_of_each_stands_in_the_order_of_the_items() {
        let items: Vec<usize> = (0..1_000).collect();
        for (piece, threads) in [(1, 3), (7, 2), (1_000, 4), (2_000, 1)] {
            let made = of_each(&items, piece, threads, |item| item * 2).unwrap();
            assert_eq!(made, (0..2_000).step_by(2).collect::<Vec<_>>());
        }
    }

    #[test]
    fn results_come_in_the_order_of_the_work_whoever_does_it() {
        for workers in [1, 2, 4, 9] {
            let mut taken = Vec::new();
            let work = |(): &mut (), place: usize| {
                if place.is_multiple_of(3) {
                    std::thread::yield_now();
                }
                Ok(place)
            };
            in_order(200, workers, work, |place| {
                taken.push(place);
                Ok(())
            })
            .unwrap();
            assert_eq!(taken, (0..200).collect::<Vec<_>>(), "{workers} workers");
            let all = in_parallel(200, workers, |(): &mut (), place| place);
            assert_eq!(all, (0..200).map(Some).collect::<Vec<_>>());
        }
        in_order(0, 4, |(): &mut (), place| Ok(place), |_| Ok(())).unwrap();
    }

    #[test]
    fn nothing_is_handed_over_behind_an_error() {
        for workers in [1, 4] {
            let mut taken = Vec::new();
            let work = |(): &mut (), place: usize| {
                anyhow::ensure!(place != 50, "fifty");
                Ok(place)
            };
            let error = in_order(200, workers, work, |place| {
                taken.push(place);
                Ok(())
            });
            assert_eq!(error.unwrap_err().to_string(), "fifty");
            assert!(taken.len() <= 50, "{workers} workers");
            assert_eq!(taken, (0..taken.len()).collect::<Vec<_>>());
            let refused = in_order(
                200,
                workers,
                |(): &mut (), place| Ok(place),
                |place| {
                    anyhow::ensure!(place != 7, "no more");
                    Ok(())
                },
            );
            assert_eq!(refused.unwrap_err().to_string(), "no more");
        }
    }

    #[test]
    fn a_worker_that_dies_is_an_error_and_nobody_waits_for_it() {
        let work = |(): &mut (), place: usize| {
            assert!(place != 5, "a made-up fault");
            Ok(place)
        };
        let error = in_order(100, 3, work, |_| Ok(())).unwrap_err();
        assert_eq!(error.to_string(), "a worker died");
    }

    /// What one worker of two does in a process of its own, with the log as JSON.
    const DIES: &str = "KITH_TEST_A_WORKER_DIES";

    #[test]
    fn a_worker_that_dies_says_so_in_one_object_that_names_the_run() {
        if std::env::var_os(DIES).is_some() {
            telemetry::start(LogFormat::Json, 0);
            let _in_run = tracing::error_span!("run", run.id = 7).entered();
            let turn = std::sync::Barrier::new(2);
            let work = |(): &mut (), place: usize| {
                // Each of the two has one piece of work, so one of them is not the thread that began.
                turn.wait();
                assert!(place > 1, "a made-up fault");
                Ok(place)
            };
            drop(in_order(2, 2, work, |_| Ok(())));
            return;
        }
        let test =
            "pipeline::workers::tests::a_worker_that_dies_says_so_in_one_object_that_names_the_run";
        let ran = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test, "--nocapture", "--test-threads=1"])
            .env(DIES, "1")
            .output()
            .unwrap();
        let said = String::from_utf8(ran.stderr).unwrap();
        let lines: Vec<serde_json::Value> = said
            .lines()
            .map(|line| serde_json::from_str(line).expect(line))
            .collect();
        assert_eq!(lines.len(), 2, "{said}");
        for line in lines {
            assert_eq!(line["run.id"], 7, "{line}");
            assert_eq!(line["level"], "ERROR");
            let place = line["panic.place"].as_str().unwrap();
            assert!(place.starts_with("src/pipeline/workers.rs:"), "{line}");
            assert!(!line.to_string().contains("made-up"), "{line}");
        }
    }
}
