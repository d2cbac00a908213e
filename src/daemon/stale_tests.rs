//! Prepared drops whose people change before they leave: nobody is told what is no longer so, and whoever was told is told to stop.

use std::sync::Arc;

use super::batch_tests::Installation;
use super::{Only, RunOutcome, run};
use crate::actions::Actor;
use crate::actions::void_drop::{it_left, void};
use crate::app::App;
use crate::diagnostics::{Code, Diagnostic};
use crate::domain::{LegId, LegState, Stage};
use crate::transport::{MemoryTransport, Transport as _};

/// Two partners, each with people of the practice: `p` by a transport of the tests, `q` by its folder.
async fn begun(arrives: bool) -> (Installation, MemoryTransport) {
    let mut installation = Installation::new();
    installation.partner("p", 2, 0);
    installation.partner("q", 2, 0);
    let partner = |number: usize| if number < 2 { "p" } else { "q" };
    installation.practice("a", 3, |number| partner(number).to_owned());
    let transport = MemoryTransport::losing_the_first_answer(arrives);
    transport.prepare().await.unwrap();
    (installation, transport)
}

async fn runs(installation: &Installation, by: &MemoryTransport) -> (App, RunOutcome) {
    let mut app = installation.open(1).await.unwrap();
    app.carry(0, Arc::new(by.clone()));
    let stages = [Stage::Pull, Stage::Deliver];
    let outcome = run(app.env(), &stages, &Only::default()).await.unwrap();
    (app, outcome)
}

/// The actions in each drop that the partner sees, by name.
fn actions(by: &MemoryTransport) -> Vec<(String, Vec<String>)> {
    let drops = by.published().into_iter();
    let drops = drops.filter(|(name, _)| !name.ends_with(".manifest.json"));
    let rows = |bytes: Vec<u8>| {
        let text = String::from_utf8(bytes).unwrap();
        let actions = text.lines().skip(1).map(|line| {
            let action = line.split(',').nth(1);
            action.unwrap().to_owned()
        });
        actions.collect()
    };
    drops.map(|(name, bytes)| (name, rows(bytes))).collect()
}

async fn proves(app: &App) {
    let proof = crate::actions::books::proof(app.env(), false)
        .await
        .unwrap();
    assert!(proof.balanced, "{:?}", proof.findings);
}

fn codes(outcome: &RunOutcome) -> Vec<Code> {
    outcome.unreachable.iter().map(Diagnostic::code).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drop_of_which_nobody_knows_whether_it_left_does_not_leave_once_a_person_in_it_has_died()
{
    let (installation, transport) = begun(false).await;
    let (app, _) = runs(&installation, &transport).await;
    app.close().await;
    // It cannot be put out again at the start of the run that reads of the death.
    transport.is_full(true);
    installation.dies("a", 0);
    let (app, outcome) = runs(&installation, &transport).await;
    assert_eq!(codes(&outcome), [Code::DropFailed]);
    app.close().await;
    transport.is_full(false);
    installation.practice_adds("a", 7, "q");
    let (app, outcome) = runs(&installation, &transport).await;
    assert_eq!(codes(&outcome), [Code::DropStale]);
    assert_eq!(transport.published(), [], "it does not leave");
    let sent = app.env().store.legs_after(LegId::NONE, 9).await.unwrap();
    let to = |place: usize| app.env().partners[place].strand;
    let with_q =
        |leg: &&crate::store::Leg| leg.now.partner == to(1) && leg.now.state == LegState::Sent;
    assert_eq!(sent.iter().filter(with_q).count(), 2, "others go on");
    proves(&app).await;
    let matters = crate::actions::matters::of(app.env()).await.unwrap();
    let drop = matters.iter().find(|matter| matter.what.contains("drop "));
    assert!(drop.unwrap().command.starts_with("kith void p:1 "));
    let actor = Actor::new("A. Person", "the partner has it not").unwrap();
    void(app.env(), "p:1", &actor).await.unwrap();
    app.close().await;
    let (app, outcome) = runs(&installation, &transport).await;
    assert_eq!(codes(&outcome), []);
    let seen = actions(&transport);
    assert_eq!(seen.len(), 1);
    assert!(seen[0].0.contains("_000002."), "{seen:?}");
    assert_eq!(seen[0].1, ["NEW"], "only the other person");
    proves(&app).await;
    app.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drop_that_had_left_before_a_person_in_it_died_is_followed_by_a_stop() {
    let (installation, transport) = begun(true).await;
    let (app, _) = runs(&installation, &transport).await;
    app.close().await;
    // Its file is there, and its manifest finds no room, while the run reads of the death.
    transport.is_full(true);
    installation.dies("a", 0);
    let (app, outcome) = runs(&installation, &transport).await;
    assert_eq!(codes(&outcome), [Code::DropFailed]);
    app.close().await;
    transport.is_full(false);
    let (app, outcome) = runs(&installation, &transport).await;
    assert_eq!(codes(&outcome), []);
    let seen = actions(&transport);
    let of: Vec<_> = seen.iter().map(|(_, actions)| actions.clone()).collect();
    assert_eq!(of, [vec!["NEW", "NEW"], vec!["STOP"]]);
    assert!(seen[1].0.contains("_000002."), "{seen:?}");
    assert_eq!(transport.published().len(), 4, "each with its manifest");
    proves(&app).await;
    app.close().await;
    let (app, _) = runs(&installation, &transport).await;
    assert_eq!(actions(&transport), seen, "nothing goes twice");
    proves(&app).await;
    app.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drop_that_left_as_a_person_says_is_followed_by_a_stop_and_nobody_is_told_twice() {
    let (installation, transport) = begun(true).await;
    let (app, _) = runs(&installation, &transport).await;
    app.close().await;
    // The partner has both files; a person in it dies before anybody knows.
    transport.is_fetched();
    transport.is_full(true);
    installation.dies("a", 0);
    let (app, outcome) = runs(&installation, &transport).await;
    assert_eq!(codes(&outcome), [Code::DropFailed]);
    app.close().await;
    transport.is_full(false);
    let (app, outcome) = runs(&installation, &transport).await;
    assert_eq!(codes(&outcome), [Code::DropStale]);
    let actor = Actor::new("A. Person", "they read its name out").unwrap();
    let said = it_left(app.env(), "p:1", &actor).await.unwrap();
    assert_eq!((said.before, said.changed), (false, 1));
    let again = it_left(app.env(), "p:1", &actor).await.unwrap();
    assert!(again.before);
    let refused = void(app.env(), "p:1", &actor).await.unwrap_err();
    assert!(refused.to_string().contains("has left"), "{refused}");
    proves(&app).await;
    app.close().await;
    let (app, outcome) = runs(&installation, &transport).await;
    assert_eq!(codes(&outcome), []);
    let seen = actions(&transport);
    let of: Vec<_> = seen.iter().map(|(_, actions)| actions.clone()).collect();
    assert_eq!(of, [vec!["STOP"]], "{seen:?}");
    assert!(seen[0].0.contains("_000002."), "{seen:?}");
    proves(&app).await;
    app.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_can_say_of_a_drop_that_lies_there_or_was_kept_from_leaving_that_it_left() {
    for (arrives, full, says) in [
        (true, false, "lies in out/"),
        (false, true, "was kept from leaving"),
    ] {
        let (installation, transport) = begun(arrives).await;
        transport.is_full(full);
        let (app, _) = runs(&installation, &transport).await;
        let actor = Actor::new("A. Person", "they say so").unwrap();
        let refused = it_left(app.env(), "p:1", &actor).await.unwrap_err();
        assert!(refused.to_string().contains(says), "{refused}");
        app.close().await;
    }
}
