//! Drops of which nobody knows whether they left: what may be with the partner is not taken back.

use std::sync::Arc;

use super::batch_tests::Installation;
use super::{Only, run};
use crate::actions::Actor;
use crate::actions::void_drop::void;
use crate::app::App;
use crate::domain::{LegId, Stage};
use crate::transport::{MemoryTransport, Transport as _};

async fn opened(installation: &Installation, by: &MemoryTransport) -> App {
    let mut app = installation.open(1).await.unwrap();
    app.carry(0, Arc::new(by.clone()));
    app
}

/// Whether drop 1 can be taken back; else what is said.
async fn taken_back(app: &App) -> Result<bool, String> {
    let actor = Actor::new("A. Person", "it never left").unwrap();
    let voided = void(app.env(), "p:1", &actor).await;
    voided
        .map(|voided| !voided.before)
        .map_err(|error| error.to_string())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_lies_in_out_or_was_answered_is_not_taken_back() {
    for (arrives, answered, says) in [
        (true, false, Err("lies in out/")),
        // That it has left is recorded before the return is.
        (false, true, Err("has left")),
        (false, false, Ok(true)),
    ] {
        let mut installation = Installation::new();
        installation.returning_partner("p");
        installation.practice("a", 1, |_| "p".to_owned());
        let transport = MemoryTransport::losing_the_first_answer(arrives);
        transport.prepare().await.unwrap();
        let app = opened(&installation, &transport).await;
        let stages = [Stage::Pull, Stage::Deliver];
        run(app.env(), &stages, &Only::default()).await.unwrap();
        if answered {
            let legs = app.env().store.legs_after(LegId::NONE, 1).await.unwrap();
            let reference = legs[0].reference;
            let sheet =
                format!("Our ref,C2,Visit date,Came\r\n{reference},Example,21/11/2026,Y\r\n");
            transport.has_in("r.csv", sheet.as_bytes());
            let stages = [Stage::Collect, Stage::Match];
            transport.is_full(true);
            run(app.env(), &stages, &Only::default()).await.unwrap();
        }
        let said = taken_back(&app).await;
        match (said, says) {
            (Err(said), Err(says)) => assert!(said.contains(says), "{said}"),
            (said, says) => assert_eq!(said, says.map_err(str::to_owned)),
        }
        let proof = crate::actions::books::proof(app.env(), false).await;
        assert!(proof.unwrap().balanced);
        app.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_nobody_can_look_only_what_was_kept_from_leaving_is_taken_back() {
    for kept in [true, false] {
        let mut installation = Installation::new();
        installation.partner("p", 2, 0);
        installation.practice("a", 1, |_| "p".to_owned());
        let transport = MemoryTransport::losing_the_first_answer(false);
        transport.prepare().await.unwrap();
        transport.is_full(kept);
        let app = opened(&installation, &transport).await;
        let stages = [Stage::Pull, Stage::Deliver];
        run(app.env(), &stages, &Only::default()).await.unwrap();
        transport.is_gone(true);
        let said = taken_back(&app).await;
        if kept {
            assert_eq!(said, Ok(true));
        } else {
            let said = said.unwrap_err();
            assert!(said.contains("out/ cannot be looked into"), "{said}");
        }
        app.close().await;
    }
}
