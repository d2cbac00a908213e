//! A thousand made-up referrals from a folder: every row where it belongs, every book true, and nothing twice.

use std::fs;

use serde_json::Value;

use super::support::expected::{assert_outward, rows, stage};
use super::support::home::{Home, snapshot};
use super::support::shared;
use super::support::workload::Workload;
use super::support::world::World;

const FIRST: &str = "2026-11-23T06:00:00Z";
const SECOND: &str = "2026-11-23T06:30:00Z";

#[test]
fn the_books_of_a_thousand_referrals_are_true_to_the_last_one() {
    let Some(shared) = shared::folder(
        "workload_folder::the_books_of_a_thousand_referrals_are_true_to_the_last_one",
    ) else {
        return;
    };
    let workload = Workload::generate(&shared, 1_000, 5, "0.3");
    let world = World::of_extracts(&workload);
    let home = &world.home;
    let extracts = snapshot(&home.below("extracts"));

    let first = world.runs_at(FIRST, 1);
    assert_outward(home, &workload, &first, false);
    assert_manifests(home, &workload);
    assert_eq!(
        first["certificates"].as_array().map(Vec::len),
        Some(1),
        "one source, one certificate"
    );

    let exchanged = snapshot(&home.below("var/partners"));
    let second = world.runs_at(SECOND, 1);
    assert_eq!(
        snapshot(&home.below("var/partners")),
        exchanged,
        "a second run writes no file to a partner"
    );
    assert_eq!(second["legs"], first["legs"], "a second run moves no leg");
    assert_eq!(
        sequences(&second),
        sequences(&first),
        "a second run takes no sequence number"
    );
    assert_eq!(
        stage(&second, "pull").accepted,
        0,
        "a second run takes nothing in again"
    );

    let proof = home.kith(&["prove", "--json"]).expect_code(0).json();
    assert_eq!(proof["balanced"], true, "{proof}");
    assert_eq!(
        proof["findings"].as_array().map(Vec::len),
        Some(0),
        "{proof}"
    );
    assert_eq!(
        snapshot(&home.below("extracts")),
        extracts,
        "a pull folder is read-only"
    );
}

/// Each drop has its manifest: first of its sequence, with its rows and its digest.
fn assert_manifests(home: &Home, workload: &Workload) {
    for (partner, rows) in rows(workload) {
        let drop = home.drops(&partner).remove(0);
        assert!(
            drop.ends_with("referrals_20261123_000001.csv"),
            "name of the drop of {partner}"
        );
        let manifest: Value = serde_json::from_slice(
            &fs::read(drop.with_extension("manifest.json")).expect("a manifest"),
        )
        .expect("JSON");
        assert_eq!(manifest["sequence"], 1, "{partner}");
        assert_eq!(manifest["previous_sequence"], Value::Null, "{partner}");
        assert_eq!(manifest["rows"]["NEW"], rows.len(), "{partner}");
        let digest = aws_lc_rs::digest::digest(
            &aws_lc_rs::digest::SHA256,
            &fs::read(&drop).expect("a drop"),
        );
        let hex: String = digest
            .as_ref()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(manifest["sha256"], hex, "{partner}");
    }
}

fn sequences(summary: &Value) -> Vec<(&Value, &Value, &Value)> {
    let partners = summary["partners"].as_array().expect("partners");
    partners
        .iter()
        .map(|partner| (&partner["id"], &partner["last_file"], &partner["sequence"]))
        .collect()
}
