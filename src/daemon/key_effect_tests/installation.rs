//! Keys of the installation: where things lie, when stages are due, who gets a report.

use super::*;
use crate::domain::RunId;
use crate::store::LeaseStage;

#[tokio::test]
async fn each_key_of_the_schedule_says_when_its_stages_are_due() {
    let usual = Changed::by(&[]).comes_due().await;
    assert_eq!(usual, ["pull", "deliver", "collect"]);
    for (key, expected) in [
        ("pull", vec!["deliver", "collect"]),
        ("deliver", vec!["pull", "collect"]),
        ("collect", vec!["pull", "deliver"]),
    ] {
        let later = format!("[schedule]\n{key} = \"0 7 * * *\"\n[routing]\n");
        let changed = Changed::by(&[("[routing]\n", &later)]);
        assert_eq!(changed.comes_due().await, expected, "{key}");
    }
    let night = "[schedule]\nreconcile = \"0 6 * * *\"\n[routing]\n";
    let changed = Changed::by(&[("[routing]\n", night)]).comes_due().await;
    assert_eq!(changed, ["pull", "deliver", "collect", "reconcile"]);
}

#[tokio::test]
async fn the_mappings_the_store_and_the_key_lie_where_the_config_says() {
    let changed = Changed::by(&[
        (
            "[store]\nurl = \"sqlite://var/kith.db\"",
            "mappings = \"rules\"\n[store]\nurl = \"sqlite://var/other.db\"",
        ),
        ("var/seal.key", "var/other.key"),
    ]);
    let home = changed.home();
    std::fs::rename(home.path().join("mappings"), home.path().join("rules")).unwrap();
    let app = open(&home).await.unwrap();
    assert_eq!(app.env().rules.partners.len(), 1);
    app.close().await;
    for (file, there) in [
        ("other.db", true),
        ("other.key", true),
        ("kith.db", false),
        ("seal.key", false),
    ] {
        assert_eq!(home.path().join("var").join(file).exists(), there, "{file}");
    }
}

#[tokio::test]
async fn files_have_the_mode_of_their_transport() {
    use std::os::unix::fs::PermissionsExt as _;
    let path = "path = \"var/partners/{partner}\"";
    let mode = format!("{path}\nmode = \"0600\"");
    for (change, expected) in [(vec![], 0o640), (vec![(path, mode.as_str())], 0o600)] {
        let home = Changed::by(&change).home();
        let app = open(&home).await.unwrap();
        run(app.env(), &Stage::ALL, &Only::default()).await.unwrap();
        app.close().await;
        let out = std::fs::read_dir(home.path().join("var/partners/p/out")).unwrap();
        let files = out.flatten().filter(|entry| entry.path().is_file());
        let modes: Vec<u32> = files
            .map(|entry| entry.metadata().unwrap().permissions().mode() & 0o777)
            .collect();
        assert_eq!(modes, [expected; 2]);
    }
    for refused in ["640", "0440", "0650", "4640", "rw"] {
        let mode = format!("{path}\nmode = \"{refused}\"");
        let home = Changed::by(&[(path, mode.as_str())]).home();
        assert!(open(&home).await.is_err(), "{refused}");
    }
}

#[tokio::test]
async fn a_report_goes_to_the_commissioner_of_its_practices() {
    let reports = [
        (
            "report = { transport = \"local\" }",
            "report = { transport = \"reports\" }",
        ),
        (
            "[routing]\n",
            "[[transport]]\nid = \"reports\"\nkind = \"folder\"\npath = \"var/reports\"\n[routing]\n",
        ),
        ("id = \"a\"\n", "id = \"a\"\nregistered_patients = 11987\n"),
    ];
    let home = Changed::by(&reports).home();
    let app = open(&home).await.unwrap();
    run(app.env(), &[Stage::Pull], &Only::default())
        .await
        .unwrap();
    app.close().await;
    // A night is reported on once it is over.
    let app = open_at(&home, "2026-11-24T02:00:00Z").await.unwrap();
    run(app.env(), &[Stage::Reconcile], &Only::default())
        .await
        .unwrap();
    app.close().await;
    let mut texts = String::new();
    let mut folders = vec![home.path().join("var/reports")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            if entry.path().is_dir() {
                folders.push(entry.path());
            } else {
                texts.push_str(&std::fs::read_to_string(entry.path()).unwrap_or_default());
            }
        }
    }
    for said in ["Made-up ICB", "Made-up practice", "11987"] {
        assert!(texts.contains(said), "{said}");
    }
}

#[tokio::test]
async fn a_person_waits_for_a_run_as_long_as_the_limit_says() {
    let limits = "[limits]\nlock_wait_seconds = 1\n[routing]\n";
    let home = Changed::by(&[("[routing]\n", limits)]).home();
    let (one, other) = (open(&home).await.unwrap(), open(&home).await.unwrap());
    let strand = one.env().partners[0].strand;
    let stage = LeaseStage::Collect;
    let held = one.env().leases.take(stage, strand, RunId::NONE).await;
    let held = held.unwrap().unwrap();
    let begun = std::time::Instant::now();
    let waited = other
        .env()
        .leases
        .wait_for(stage, strand, RunId::NONE)
        .await;
    assert!(waited.unwrap().is_err());
    let seconds = begun.elapsed().as_secs_f64();
    assert!((0.9..4.0).contains(&seconds), "{seconds}");
    drop(held);
    one.close().await;
    other.close().await;
}
