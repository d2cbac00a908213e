//! What waits is decided again under changed rules, source by source, whatever ran in between.

use std::collections::BTreeMap;

use super::batch_tests::Installation;
use super::{Only, run};
use crate::app::App;
use crate::domain::{RunId, Stage, StrandId};
use crate::store::LeaseStage;

/// Two practices with a referral each that waits, since its partner is not known yet.
async fn two_waiting() -> Installation {
    let mut installation = Installation::new();
    installation.partner("other", 2, 0);
    installation.practice_of("a", 0..1, |_| "p".to_owned());
    installation.practice_of("b", 1..2, |_| "p".to_owned());
    let app = installation.open(1).await.unwrap();
    run(app.env(), &Stage::ALL, &Only::default()).await.unwrap();
    assert_eq!(states(&app).await, ["held", "held"]);
    assert_eq!(looked_at(&app).await, [Some(true), Some(true)]);
    app.close().await;
    installation
}

fn strand_of(app: &App, id: &str) -> StrandId {
    let mut sources = app.env().sources.iter();
    let source = sources.find(|source| source.config.id == id);
    source.unwrap().strand
}

/// Where the leg of each practice stands.
async fn states(app: &App) -> [&'static str; 2] {
    let counts = app.env().store.leg_counts().await.unwrap();
    let states: BTreeMap<StrandId, &'static str> = counts
        .iter()
        .map(|count| (count.source, count.state.code()))
        .collect();
    ["a", "b"].map(|id| states[&strand_of(app, id)])
}

/// Of each practice, whether what waits was looked at under the rules in force, if it is known under which.
async fn looked_at(app: &App) -> [Option<bool>; 2] {
    let strands = app.env().store.strands().await.unwrap();
    ["a", "b"].map(|id| {
        let own = strands.iter().find(|known| known.id == strand_of(app, id));
        let noted = own.unwrap().rules;
        noted.map(|rules| rules == app.env().rules.hash)
    })
}

/// Runs stages, of one practice where it is named, and says where the legs stand and what is noted.
async fn after(
    installation: &Installation,
    stages: &[Stage],
    source: Option<&str>,
) -> ([&'static str; 2], [Option<bool>; 2]) {
    let app = installation.open(1).await.unwrap();
    let only = Only {
        source: source.map(str::to_owned),
        ..Only::default()
    };
    run(app.env(), stages, &only).await.unwrap();
    let found = (states(&app).await, looked_at(&app).await);
    app.close().await;
    found
}

#[tokio::test]
async fn a_source_that_a_run_left_out_is_decided_again_by_the_next() {
    let installation = two_waiting().await;
    installation.partner("p", 2, 0);
    let of_a = after(&installation, &Stage::ALL, Some("a")).await;
    assert_eq!(of_a, (["sent", "held"], [Some(true), Some(false)]));
    let all = after(&installation, &Stage::ALL, None).await;
    assert_eq!(all, (["sent", "sent"], [Some(true), Some(true)]));
}

#[tokio::test]
async fn a_run_that_does_not_decide_leaves_that_to_the_next() {
    let installation = two_waiting().await;
    installation.partner("p", 2, 0);
    let collected = after(&installation, &[Stage::Collect, Stage::Match], None).await;
    assert_eq!(collected, (["held", "held"], [Some(false), Some(false)]));
    // What a pull adds would be decided under other rules than what waits: it is known of neither any longer.
    let pulled = after(&installation, &[Stage::Pull], None).await;
    assert_eq!(pulled, (["held", "held"], [None, None]));
    let all = after(&installation, &Stage::ALL, None).await;
    assert_eq!(all, (["sent", "sent"], [Some(true), Some(true)]));
}

#[tokio::test]
async fn a_source_that_another_run_had_is_decided_again_by_the_next() {
    let installation = two_waiting().await;
    installation.partner("p", 2, 0);
    let other = installation.open(1).await.unwrap();
    let (stage, strand) = (LeaseStage::Pull, strand_of(&other, "b"));
    let held = other.env().leases.take(stage, strand, RunId::NONE).await;
    let held = held.unwrap().unwrap();
    let beside = after(&installation, &Stage::ALL, None).await;
    assert_eq!(beside, (["sent", "held"], [Some(true), Some(false)]));
    held.give_back().await.unwrap();
    other.close().await;
    let all = after(&installation, &Stage::ALL, None).await;
    assert_eq!(all, (["sent", "sent"], [Some(true), Some(true)]));
}
