//! A disk that does not answer.

use std::time::Duration;

use super::tests::place;
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
