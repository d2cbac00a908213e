//! A partner who swaps a folder of its own for a link to another partner's, again and again, while Kith works in it.
//!
//! Each of `in/done`, `out/receipts` and `out/.kith` in its turn. A file may be left for the next run; none may land at the other partner's, not even for
//! a moment, and none may be lost.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::{AT_ONCE, a_drop};
use crate::transport::{
    Acknowledgement, CandidateKind, FILE_MODE, FolderTransport, Receipt, Transport, TransportError,
};

/// Rounds a folder in a usual run of the tests; a campaign sets more.
const ROUNDS: usize = 3;
/// Returns of a round.
const FILES: usize = 25;

#[test]
fn a_link_swapped_in_leads_no_file_to_another_partner() {
    let asked = std::env::var("KITH_TEST_COUNT").ok();
    let rounds = asked.and_then(|count| count.parse().ok()).unwrap_or(ROUNDS);
    for swapped in ["in/done", "out/receipts", "out/.kith"] {
        race(swapped, rounds);
    }
}

fn race(swapped: &str, rounds: usize) {
    let home = tempfile::tempdir().unwrap();
    let own = home.path().join("elm");
    let others = home.path().join("oak");
    fs::create_dir(&others).unwrap();
    let untouched = entry_times(&others);
    let transport = FolderTransport::of_partner(&own, "elm", FILE_MODE);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(transport.prepare()).unwrap();
    let (folder, link) = (own.join(swapped), own.join("link"));
    symlink(&others, &link).unwrap();
    let (over, swaps) = (AtomicBool::new(false), AtomicUsize::new(0));
    let (mut put, mut worked) = (0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                swap(&link, &folder);
                swaps.fetch_add(1, Ordering::Relaxed);
            }
        });
        for round in 0..rounds {
            for number in 0..FILES {
                let name = format!("r{round:04}-{number:02}.csv");
                fs::write(own.join("in").join(name), b"content").unwrap();
                put += 1;
            }
            worked += runtime.block_on(run(&transport, round));
        }
        over.store(true, Ordering::Relaxed);
    });
    if folder.symlink_metadata().unwrap().is_symlink() {
        swap(&link, &folder);
    }
    let landed = fs::read_dir(&others).unwrap().count();
    assert_eq!(landed, 0, "{swapped}: files at another partner's");
    assert_eq!(
        entry_times(&others),
        untouched,
        "{swapped}: a file was there for a moment"
    );
    let left = plain_files(&own.join("in"));
    let done = plain_files(&own.join("in/done"));
    assert_eq!(left + done, put, "{swapped}: returns that wait or are done");
    // The race took place: folders were swapped, and yet something could be done.
    let swaps = swaps.into_inner();
    assert!(
        swaps > rounds && worked > 0,
        "{swapped}: {swaps} swaps, {worked} steps"
    );
    println!(
        "{swapped}: {rounds} rounds, {swaps} swaps, {worked} steps that were done, {landed} files elsewhere"
    );
}

/// One run over what lies there; gives how many steps could be done.
async fn run(transport: &FolderTransport, round: usize) -> usize {
    let mut done = 0;
    let mut note = |result: Result<(), TransportError>| done += usize::from(result.is_ok());
    note(transport.sweep().await);
    note(transport.publish(a_drop(round)).await.map(|_| ()));
    let listing = transport.list(AT_ONCE).await.unwrap();
    let files = listing.candidates.into_iter();
    for candidate in files.filter(|candidate| candidate.kind == CandidateKind::File) {
        let bytes = transport.take(&candidate, 100).await.unwrap();
        let receipt = Receipt {
            ending: "receipt.csv",
            bytes,
        };
        let written = transport.write_receipts(&candidate.name, vec![receipt]);
        note(written.await.map(|_| ()));
        let moved = transport.acknowledge(&candidate, Acknowledgement::Done);
        note(moved.await.map(|_| ()));
    }
    done
}

/// Puts each in the other's place, in one step.
fn swap(one: &Path, other: &Path) {
    renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE).unwrap();
}

/// When a folder's entries last changed.
fn entry_times(folder: &Path) -> (i64, i64) {
    let found = fs::metadata(folder).unwrap();
    (found.mtime(), found.mtime_nsec())
}

fn plain_files(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).unwrap();
    entries
        .filter(|entry| entry.as_ref().unwrap().path().is_file())
        .count()
}
