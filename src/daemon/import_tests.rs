//! Files for an import that a run prepared and did not see leave: a number has one file, and each entry goes in one.

use std::sync::Arc;

use serde_json::Value;

use super::batch_tests::Installation;
use super::{Only, RunOutcome, run};
use crate::actions::Actor;
use crate::actions::void_drop::void;
use crate::app::App;
use crate::diagnostics::{Code, Diagnostic};
use crate::domain::{Stage, StrandId};
use crate::pipeline::prepared_import::manifest_of;
use crate::store::rows::PushState;
use crate::transport::{MemoryTransport, OutgoingDrop, Transport as _};

/// Partner p has told that a person of practice a came; nothing of it is written yet.
async fn told() -> Installation {
    let mut installation = Installation::new();
    installation.returning_partner("p");
    installation.practice("a", 1, |_| "p".to_owned());
    installation.imports_in("import");
    installation.runs(1, &[Stage::Pull, Stage::Deliver]).await;
    tells(&installation, "21/11/2026").await;
    installation
}

/// Partner p tells of a visit on this day.
async fn tells(installation: &Installation, on: &str) {
    let reference = installation.first_reference("p");
    let sheet = format!("Our ref,C2,Visit date,Came\r\n{reference},Example,{on},Y\r\n");
    let name = format!("p/in/{}.csv", on.replace('/', "-"));
    std::fs::write(installation.exchange().join(name), sheet).unwrap();
    let stages = [Stage::Collect, Stage::Match];
    installation.runs(1, &stages).await;
}

async fn opened(installation: &Installation, by: &MemoryTransport) -> App {
    let mut app = installation.open(1).await.unwrap();
    app.carry_import(0, Arc::new(by.clone()));
    app
}

/// A run of push alone.
async fn pushes(installation: &Installation, by: &MemoryTransport) -> RunOutcome {
    let app = opened(installation, by).await;
    let outcome = run(app.env(), &[Stage::Push], &Only::default()).await;
    proves(&app).await;
    app.close().await;
    outcome.unwrap()
}

async fn proves(app: &App) {
    let proof = crate::actions::books::proof(app.env(), false).await;
    let proof = proof.unwrap();
    assert!(proof.balanced, "{:?}", proof.findings);
}

/// How many entries stand in each state.
async fn entries(installation: &Installation) -> Vec<(PushState, i64)> {
    let app = installation.open(1).await.unwrap();
    let counts = app.env().store.push_counts().await.unwrap();
    app.close().await;
    let of = |(_, state, count): (StrandId, PushState, i64)| (state, count);
    counts.into_iter().map(of).collect()
}

fn codes(said: &[Diagnostic]) -> Vec<Code> {
    said.iter().map(Diagnostic::code).collect()
}

/// The names of the files that lie there, without the day.
fn names(by: &MemoryTransport) -> Vec<String> {
    let names = by.published().into_iter().map(|(name, _)| name);
    names
        .map(|name| name.replacen("_20261123_", "_", 1))
        .collect()
}

/// The name of the partner in the one entry of the one file that lies there.
fn performer(by: &MemoryTransport) -> String {
    let files = by.published();
    let (_, bytes) = files
        .iter()
        .find(|(name, _)| name.ends_with(".ndjson"))
        .unwrap();
    let entry: Value = serde_json::from_slice(bytes).unwrap();
    entry["performer"][0]["display"]
        .as_str()
        .unwrap()
        .to_owned()
}

const FIRST: [&str; 2] = [
    "observations_000001.manifest.json",
    "observations_000001.ndjson",
];
const SECOND: [&str; 2] = [
    "observations_000002.manifest.json",
    "observations_000002.ndjson",
];

fn sorted<const N: usize>(names: [&str; N]) -> Vec<String> {
    let mut names = names.map(str::to_owned).to_vec();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_lies_there_is_finished_as_it_was_whatever_has_changed_since() {
    // The file without its manifest, or with it.
    for whole in [false, true] {
        let installation = told().await;
        let import = MemoryTransport::losing_the_first_answer(true);
        import.prepare().await.unwrap();
        let outcome = pushes(&installation, &import).await;
        assert_eq!(codes(&outcome.unreachable), [Code::WriteUnreachable]);
        assert_eq!(entries(&installation).await, [(PushState::Sending, 1)]);
        let (name, bytes) = import.published().remove(0);
        if whole {
            let drop = OutgoingDrop {
                manifest_name: crate::sheet::manifest_name(&name),
                manifest: manifest_of(&bytes),
                name: name.clone(),
                bytes: bytes.clone(),
            };
            import.publish(drop).await.unwrap();
        }
        installation.renames("p", "Another name");
        let outcome = pushes(&installation, &import).await;
        assert_eq!(codes(&outcome.unreachable), []);
        assert_eq!(names(&import), sorted(FIRST));
        assert!(import.published().contains(&(name, bytes)));
        assert_eq!(entries(&installation).await, [(PushState::Confirmed, 1)]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_not_there_is_laid_down_once_more_only_if_it_is_the_same() {
    for renamed in [false, true] {
        let installation = told().await;
        let import = MemoryTransport::losing_the_first_answer(false);
        import.prepare().await.unwrap();
        pushes(&installation, &import).await;
        assert!(import.published().is_empty());
        if !renamed {
            let outcome = pushes(&installation, &import).await;
            assert_eq!(codes(&outcome.unreachable), []);
            assert_eq!(names(&import), sorted(FIRST));
            assert_eq!(entries(&installation).await, [(PushState::Confirmed, 1)]);
            continue;
        }
        installation.renames("p", "Another name");
        for _ in 0..2 {
            let outcome = pushes(&installation, &import).await;
            assert_eq!(codes(&outcome.unreachable), [Code::ImportStale]);
            assert!(import.published().is_empty());
            assert_eq!(entries(&installation).await, [(PushState::Sending, 1)]);
        }
        let app = opened(&installation, &import).await;
        let actor = Actor::new("A. Person", "the practice does not have it").unwrap();
        let first = void(app.env(), "a:1", &actor).await.unwrap();
        let again = void(app.env(), "a:1", &actor).await.unwrap();
        assert!(!first.before && again.before);
        app.close().await;
        pushes(&installation, &import).await;
        assert_eq!(names(&import), sorted(SECOND));
        assert_eq!(performer(&import), "Another name");
        assert_eq!(entries(&installation).await, [(PushState::Confirmed, 1)]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_nobody_can_have_seen_is_taken_back_where_it_is_another_now() {
    for renamed in [false, true] {
        let installation = told().await;
        let import = MemoryTransport::losing_the_first_answer(true);
        import.prepare().await.unwrap();
        import.is_full(true);
        let outcome = pushes(&installation, &import).await;
        assert_eq!(codes(&outcome.unreachable), [Code::WriteUnreachable]);
        assert!(import.published().is_empty());
        if renamed {
            installation.renames("p", "Another name");
        }
        import.is_full(false);
        // Its answer is lost now: the next run finds it.
        let outcome = pushes(&installation, &import).await;
        let voided = if renamed {
            vec![Code::DropVoided]
        } else {
            vec![]
        };
        assert_eq!(codes(&outcome.diagnostics), voided);
        pushes(&installation, &import).await;
        let (files, name) = if renamed {
            (SECOND, "Another name")
        } else {
            (FIRST, "Made-up partner p")
        };
        assert_eq!(names(&import), sorted(files));
        assert_eq!(performer(&import), name);
        assert_eq!(entries(&installation).await, [(PushState::Confirmed, 1)]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_that_is_gone_is_not_made_anew() {
    let installation = told().await;
    let (folder, away) = (installation.below("import"), installation.below("away"));
    installation.runs(1, &[Stage::Push]).await;
    assert_eq!(entries(&installation).await, [(PushState::Confirmed, 1)]);
    std::fs::rename(&folder, &away).unwrap();
    tells(&installation, "22/11/2026").await;
    for _ in 0..2 {
        let outcome = installation.runs(1, &[Stage::Push]).await;
        assert_eq!(codes(&outcome.unreachable), [Code::WriteUnreachable]);
        assert!(!folder.exists());
        let waiting = [(PushState::Queued, 1), (PushState::Confirmed, 1)];
        assert_eq!(entries(&installation).await, waiting);
    }
    std::fs::rename(&away, &folder).unwrap();
    let outcome = installation.runs(1, &[Stage::Push]).await;
    assert_eq!(codes(&outcome.unreachable), []);
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 4);
    assert_eq!(entries(&installation).await, [(PushState::Confirmed, 2)]);
}
