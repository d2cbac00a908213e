//! Drops that a run prepared and did not see leave: what the next runs make of them, on the same day and on a later one.

use std::sync::Arc;

use super::batch_tests::Installation;
use super::{Only, RunOutcome, run};
use crate::actions::Actor;
use crate::actions::accept_store::accept;
use crate::app::App;
use crate::diagnostics::{Code, Diagnostic};
use crate::domain::{LegId, LegState, Stage};
use crate::transport::{MemoryTransport, Transport as _};

const TODAY: &str = "2026-11-23T06:00:00Z";
const LATER: &str = "2026-11-23T08:00:00Z";
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

/// A practice with one person for `p`, whose drop has left; what is done from here on is with the next ones.
async fn begun() -> (Installation, MemoryTransport) {
    let mut installation = Installation::new();
    installation.partner("p", 2, 0);
    installation.practice("a", 1, |_| "p".to_owned());
    let transport = MemoryTransport::losing_the_first_answer(true);
    transport.prepare().await.unwrap();
    for _ in 0..2 {
        let (app, _) = runs(&installation, &transport, TODAY, &OUT).await;
        app.close().await;
    }
    assert_eq!(transport.published().len(), 2);
    transport.is_fetched();
    (installation, transport)
}

const OUT: [Stage; 2] = [Stage::Pull, Stage::Deliver];

/// The number and the rows of each drop that the partner sees: `2 STOP`.
fn seen(by: &MemoryTransport) -> Vec<String> {
    let drops = by.published().into_iter();
    let drops = drops.filter(|(name, _)| !name.ends_with(".manifest.json"));
    let rows = |(name, bytes): (String, Vec<u8>)| {
        let text = String::from_utf8(bytes).unwrap();
        let actions = text.lines().skip(1).map(|line| line.split(',').nth(1));
        let actions: Vec<&str> = actions.map(Option::unwrap).collect();
        let number = name.trim_end_matches(".csv").rsplit('_').next().unwrap();
        format!("{} {}", number.trim_start_matches('0'), actions.join(" "))
    };
    drops.map(rows).collect()
}

async fn proves(app: App) {
    let proof = crate::actions::books::proof(app.env(), false).await;
    let proof = proof.unwrap();
    assert!(proof.balanced, "{:?}", proof.findings);
    app.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drop_of_an_earlier_day_leaves_once_records_are_read_again_and_not_before() {
    let (installation, transport) = begun().await;
    installation.practice_adds("a", 1, "p");
    transport.loses_the_next_answer(false);
    let (app, outcome) = runs(&installation, &transport, TODAY, &OUT).await;
    assert_eq!(codes(&outcome.unreachable), [Code::DropFailed]);
    app.close().await;
    // A run that only pulls reads nobody's record again.
    let (app, outcome) = runs(&installation, &transport, TOMORROW, &[Stage::Pull]).await;
    assert_eq!(codes(&outcome.unreachable), []);
    assert_eq!(seen(&transport), Vec::<String>::new());
    app.close().await;
    // A stop cannot pass it, which is said.
    installation.dies("a", 0);
    let (app, outcome) = runs(&installation, &transport, TOMORROW, &[Stage::Pull]).await;
    assert_eq!(codes(&outcome.unreachable), [Code::DropWaits]);
    assert_eq!(seen(&transport), Vec::<String>::new());
    app.close().await;
    let (app, outcome) = runs(&installation, &transport, TOMORROW, &OUT).await;
    assert_eq!(codes(&outcome.unreachable), []);
    assert_eq!(seen(&transport), ["2 NEW", "3 STOP"]);
    proves(app).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_that_goes_at_once_passes_a_drop_that_was_kept_from_leaving() {
    let (installation, transport) = begun().await;
    installation.practice_adds("a", 1, "p");
    transport.is_full(true);
    let (app, _) = runs(&installation, &transport, TODAY, &OUT).await;
    app.close().await;
    transport.is_full(false);
    // Nothing waits that goes at once: it is left as it is.
    let (app, outcome) = runs(&installation, &transport, TOMORROW, &[Stage::Pull]).await;
    assert!(!codes(&outcome.diagnostics).contains(&Code::DropVoided));
    app.close().await;
    installation.dies("a", 0);
    let (app, outcome) = runs(&installation, &transport, TOMORROW, &[Stage::Pull]).await;
    assert!(codes(&outcome.diagnostics).contains(&Code::DropVoided));
    assert_eq!(seen(&transport), ["3 STOP"]);
    app.close().await;
    let (app, _) = runs(&installation, &transport, TOMORROW, &OUT).await;
    assert_eq!(seen(&transport), ["3 STOP", "4 NEW"]);
    proves(app).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drop_is_dealt_with_although_none_of_its_rows_waits_any_more() {
    for (kept, codes_then) in [(true, vec![]), (false, vec![Code::DropStale])] {
        let (installation, transport) = begun().await;
        installation.practice_adds("a", 1, "p");
        transport.is_full(kept);
        transport.loses_the_next_answer(false);
        let (app, _) = runs(&installation, &transport, TODAY, &OUT).await;
        app.close().await;
        transport.is_full(false);
        installation.dies("a", 1);
        let (app, _) = runs(&installation, &transport, TOMORROW, &[Stage::Pull]).await;
        let pending = app
            .env()
            .store
            .legs_pending(app.env().partners[0].strand, LegId::NONE, 1);
        assert_eq!(pending.await.unwrap().len(), 0);
        app.close().await;
        let (app, outcome) = runs(&installation, &transport, TOMORROW, &OUT).await;
        assert_eq!(codes(&outcome.unreachable), codes_then);
        let voided = codes(&outcome.diagnostics).contains(&Code::DropVoided);
        assert_eq!(voided, kept);
        assert_eq!(seen(&transport), Vec::<String>::new());
        proves(app).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_older_store_says_of_a_drop_is_not_believed() {
    let (installation, transport) = begun().await;
    installation.practice_adds("a", 1, "p");
    transport.is_full(true);
    let (app, _) = runs(&installation, &transport, TODAY, &OUT).await;
    app.close().await;
    transport.is_full(false);
    // The store is put back to here: in between its drop may have left.
    let app = installation.open_at(1, LATER).await.unwrap();
    let actor = Actor::new("A. Person", "put back").unwrap();
    accept(app.env(), &actor).await.unwrap();
    app.close().await;
    for stages in [&[Stage::Pull][..], &OUT] {
        let (app, outcome) = runs(&installation, &transport, LATER, stages).await;
        let stale = codes(&outcome.unreachable).contains(&Code::DropStale);
        assert_eq!(stale, stages == OUT);
        assert!(!codes(&outcome.diagnostics).contains(&Code::DropVoided));
        assert_eq!(seen(&transport), Vec::<String>::new());
        app.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drop_whose_number_could_not_be_anchored_never_left_and_is_known_to_have_not() {
    let (installation, transport) = begun().await;
    installation.practice_adds("a", 1, "p");
    let lock = installation.exchange().with_file_name("anchor.lock");
    let mut app = installation.open_at(1, TODAY).await.unwrap();
    app.carry(0, Arc::new(transport.clone()));
    // Nobody can lock the anchor.
    std::fs::remove_file(&lock).unwrap();
    std::fs::create_dir(&lock).unwrap();
    let ran = run(app.env(), &OUT, &Only::default()).await;
    assert!(ran.is_err());
    std::fs::remove_dir(&lock).unwrap();
    app.close().await;
    assert_eq!(seen(&transport), Vec::<String>::new());
    installation.dies("a", 1);
    installation.practice_adds("a", 2, "p");
    let (app, outcome) = runs(&installation, &transport, TODAY, &OUT).await;
    assert_eq!(codes(&outcome.unreachable), []);
    assert!(codes(&outcome.diagnostics).contains(&Code::DropVoided));
    assert_eq!(seen(&transport), ["3 NEW"]);
    proves(app).await;
}
