//! A disk that does not answer, and drops that somebody touched.

use std::fs;
use std::fs::OpenOptions;
use std::time::{Duration, UNIX_EPOCH};

use super::tests::{drop_one, place};
use super::*;
use crate::domain::limits;

#[tokio::test]
async fn a_disk_that_does_not_answer_is_given_up_and_takes_only_so_many_threads() {
    limits::holds_at(SECONDS_MAX, |seconds: u64| {
        may_wait(seconds - 1, SECONDS_MAX)
    });
    let exchange = place();
    let (answers, waits) = std::sync::mpsc::channel::<()>();
    let waits = std::sync::Mutex::new(waits);
    let begun = std::time::Instant::now();
    let late = in_time(
        tokio::task::spawn_blocking(move || {
            waits.lock().unwrap().recv().unwrap_or(());
            Ok(())
        }),
        1,
    );
    let late = late.await.unwrap_err();
    assert!(!late.unseen(), "it may be there yet");
    assert_eq!(
        late.to_string(),
        "its disk did not answer within 1 seconds: the next run tries again"
    );
    assert!(begun.elapsed() >= Duration::from_secs(1));
    drop(answers);
    let mut calls: Vec<FolderCall> = (0..CALLS_MAX)
        .filter_map(|_| FolderCall::begin(Arc::clone(&exchange.transport.0)))
        .collect();
    assert_eq!(calls.len(), CALLS_MAX);
    let refused = exchange.transport.reread("a.csv", 1).await;
    assert!(matches!(refused, Err(TransportError::Late { .. })));
    calls.pop();
    assert!(exchange.transport.reread("a.csv", 1).await.is_ok());
}

#[test]
fn of_drops_those_alone_are_looked_at_that_somebody_touched() {
    let place = place();
    place.folder().publish(&drop_one()).unwrap();
    let second = OutgoingDrop {
        name: "b.csv".to_owned(),
        manifest_name: "b.manifest.json".to_owned(),
        ..drop_one()
    };
    place.folder().publish(&second).unwrap();
    let names = || vec![drop_one().name, second.name.clone(), "c.csv".to_owned()];
    let touched = || place.folder().touched(names()).unwrap();
    assert!(touched().is_empty());
    fs::write(place.below("out/b.csv"), "filled in").unwrap();
    assert_eq!(touched(), ["b.csv"]);
    // A time that is set back does not hide it.
    let file = OpenOptions::new()
        .write(true)
        .open(place.below("out/b.csv"))
        .unwrap();
    file.set_modified(UNIX_EPOCH + Duration::from_secs(MODIFIED_SECONDS))
        .unwrap();
    assert_eq!(touched(), ["b.csv"]);
    fs::remove_file(place.below("out").join(&drop_one().manifest_name)).unwrap();
    assert_eq!(touched(), [drop_one().name, "b.csv".to_owned()]);
}
