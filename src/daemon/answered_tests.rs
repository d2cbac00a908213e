//! Drops that left although nothing says so but the partner's answer: they count as sent, and nothing goes twice.

use std::sync::Arc;

use super::batch_tests::Installation;
use super::{Only, RunOutcome, run};
use crate::app::App;
use crate::diagnostics::{Code, Diagnostic};
use crate::domain::{LegId, LegState, Stage};
use crate::transport::{MemoryTransport, Transport as _};

const TODAY: &str = "2026-11-23T06:00:00Z";
const TOMORROW: &str = "2026-11-24T06:00:00Z";

async fn runs(
    installation: &Installation,
    by: &MemoryTransport,
    at: &str,
    stages: &[Stage],
) -> (App, RunOutcome) {
    let mut app = installation.open_at(1, at).await.unwrap();
    app.carry(0, Arc::new(by.clone()));
    let outcome = run(app.env(), stages, &Only::default()).await.unwrap();
    (app, outcome)
}

/// Where each leg stands, in the order in which they came.
async fn states(app: &App) -> Vec<LegState> {
    let legs = app.env().store.legs_after(LegId::NONE, 9).await.unwrap();
    legs.iter().map(|leg| leg.now.state).collect()
}

fn codes(found: &[Diagnostic]) -> Vec<Code> {
    found.iter().map(Diagnostic::code).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drop_that_a_return_answers_has_left_and_nobody_in_it_is_told_twice() {
    let mut installation = Installation::new();
    installation.returning_partner("p");
    installation.practice("a", 2, |_| "p".to_owned());
    let transport = MemoryTransport::losing_the_first_answer(true);
    transport.prepare().await.unwrap();
    let out = [Stage::Pull, Stage::Deliver];
    let (app, _) = runs(&installation, &transport, TODAY, &out).await;
    assert_eq!(states(&app).await, [LegState::Routed; 2]);
    let legs = app.env().store.legs_after(LegId::NONE, 9).await.unwrap();
    app.close().await;
    // The run died before it could say so: the partner has both files, and on the next day it tells of one person.
    transport.is_fetched();
    let sheet = format!(
        "Our ref,C2,Visit date,Came\r\n{},Example,21/11/2026,Y\r\n",
        legs[0].reference
    );
    transport.has_in("r.csv", sheet.as_bytes());
    let back = [Stage::Collect, Stage::Match];
    let (app, outcome) = runs(&installation, &transport, TOMORROW, &back).await;
    assert_eq!(codes(&outcome.unreachable), []);
    assert!(codes(&outcome.diagnostics).contains(&Code::DropRemade));
    // What it reports is followed: the leg had been sent before.
    assert_eq!(
        states(&app).await,
        [LegState::InProgress, LegState::Sent],
        "{:?}",
        outcome.diagnostics
    );
    app.close().await;
    transport.is_fetched();
    let (app, outcome) = runs(&installation, &transport, TOMORROW, &out).await;
    assert_eq!(codes(&outcome.unreachable), []);
    assert_eq!(transport.published(), [], "nobody is told twice");
    let proof = crate::actions::books::proof(app.env(), false).await;
    assert!(proof.unwrap().balanced);
    app.close().await;
}
