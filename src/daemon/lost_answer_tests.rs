//! Runs whose transport loses the answer to a drop: the next run finishes it with the same bytes, and nothing goes twice.

use std::sync::Arc;

use super::batch_tests::Installation;
use super::{Only, RunOutcome, run};
use crate::app::App;
use crate::domain::{LegState, Stage};
use crate::transport::{MemoryTransport, Transport as _};

/// Delivers by a transport in place of the partner's folder.
async fn delivers(installation: &Installation, by: &MemoryTransport) -> (App, RunOutcome) {
    let mut app = installation.open(1).await.unwrap();
    app.carry(0, Arc::new(by.clone()));
    let stages = [Stage::Pull, Stage::Deliver];
    let outcome = run(app.env(), &stages, &Only::default()).await.unwrap();
    (app, outcome)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drop_whose_answer_was_lost_is_finished_by_the_next_run_and_sent_once() {
    for arrives in [true, false] {
        let mut installation = Installation::new();
        installation.partner("p", 2, 0);
        installation.practice("a", 2, |_| "p".to_owned());
        let transport = MemoryTransport::losing_the_first_answer(arrives);
        transport.prepare().await.unwrap();

        let (app, outcome) = delivers(&installation, &transport).await;
        assert_eq!(outcome.unreachable.len(), 1);
        let sent = app.env().store.leg_counts().await.unwrap();
        assert!(sent.iter().all(|count| count.state != LegState::Sent));
        app.close().await;
        let first = transport.published();
        assert_eq!(
            first.len(),
            usize::from(arrives),
            "no manifest was answered for"
        );

        let (app, outcome) = delivers(&installation, &transport).await;
        assert!(outcome.unreachable.is_empty());
        let published = transport.published();
        assert_eq!(published.len(), 2, "one drop and its manifest");
        assert!(first.iter().all(|file| published.contains(file)));
        let sent = app.env().store.leg_counts().await.unwrap();
        let sent = sent.iter().filter(|count| count.state == LegState::Sent);
        assert_eq!(sent.map(|count| count.count).sum::<i64>(), 2);
        let proof = crate::actions::books::proof(app.env(), false)
            .await
            .unwrap();
        assert!(proof.balanced, "{} findings", proof.findings.len());
        app.close().await;

        // A third run has nothing to send.
        let (app, _) = delivers(&installation, &transport).await;
        assert_eq!(transport.published(), published);
        app.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_of_a_drop_that_cannot_be_finished_go_in_no_other_drop() {
    let mut installation = Installation::new();
    installation.partner("p", 2, 0);
    installation.practice("a", 2, |_| "p".to_owned());
    let transport = MemoryTransport::losing_the_first_answer(false);
    transport.prepare().await.unwrap();
    let (app, _) = delivers(&installation, &transport).await;
    app.close().await;
    // No room for the next two runs.
    for _ in 0..2 {
        transport.is_full(true);
        let (app, outcome) = delivers(&installation, &transport).await;
        assert_eq!(outcome.unreachable.len(), 1);
        app.close().await;
        assert!(transport.published().is_empty());
    }
    transport.is_full(false);
    let (app, _) = delivers(&installation, &transport).await;
    app.close().await;
    let names = transport.published();
    assert_eq!(names.len(), 2, "one drop, the first, and its manifest");
    assert!(names.iter().all(|(name, _)| name.contains("_000001.")));
}
