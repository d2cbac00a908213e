//! The same people a week later: each change at the practice gives its one effect, and what did not change gives none.
//!
//! `generate.py --wave 2` says in `truth2.json` what it changed; what each change must come to is worked out here from
//! `safety.md` §6 and the resources of both weeks.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::support::expected::{drops, foreseeable, headers, layout, row};
use super::support::fhir_server::FhirServer;
use super::support::home::Home;
use super::support::people::Sandbox;
use super::support::sekmet::Sekmet;
use super::support::shared;
use super::support::table::{self, Table};
use super::support::workload::{Referral, Workload, generated, text};
use super::support::world::World;

const FIRST: &str = "2026-11-23T06:00:00Z";
const SECOND: &str = "2026-11-30T06:00:00Z";
const THIRD: &str = "2026-11-30T18:00:00Z";
const REFERRALS: u32 = 400;
const SEED: u32 = 7;
const DEFECTS: &str = "0.1";
/// Columns of `install.py` that a stop or a pause leaves empty: all but whose row it is, what to do, name and birth date.
const EMPTY_IN_A_STOP: [&str; 18] = [
    "NHS number",
    "Sex",
    "Phone",
    "Postcode",
    "TEL",
    "Phone number",
    "Area",
    "Date of referral",
    "Reason",
    "Referred by",
    "Activity",
    "Notes",
    "WHY",
    "NOTE",
    "Surgery",
    "Referral date",
    "Need",
    "Details",
];

/// Both weeks, and what changed: kind to the ids of the requests.
struct Weeks {
    first: Workload,
    second: Workload,
    changes: BTreeMap<String, Vec<String>>,
}

impl Weeks {
    fn generate(shared: &Path) -> Self {
        let first = Workload::generate(shared, REFERRALS, SEED, DEFECTS);
        let folder = generated(shared, REFERRALS, SEED, DEFECTS, &["--wave", "2"]);
        let truth = fs::read(folder.path().join("truth2.json")).expect("truth2.json");
        let changes: BTreeMap<String, Vec<String>> =
            serde_json::from_slice(&truth).expect("truth2.json names requests by change");
        assert_eq!(
            changes.len(),
            8,
            "every kind of change is there: {changes:?}"
        );
        Self {
            second: first.later(folder),
            first,
            changes,
        }
    }

    /// The resources that are not what they were.
    fn changed(&self, resource_type: &str) -> Vec<Value> {
        let before = self.first.resources(resource_type);
        let after = self.second.resources(resource_type);
        let pairs = before.into_iter().zip(after);
        pairs
            .filter(|(before, after)| before != after)
            .map(|(_, after)| after)
            .collect()
    }
}

/// What a change must come to: the row's action and cells, or the reason why somebody is asked.
#[derive(Debug, PartialEq, Eq)]
enum Effect {
    Row(Vec<String>),
    Asked(&'static str),
    Nothing,
}

/// What `safety.md` §6 makes of a change; `sent` is the row as it was delivered.
fn effect(kind: &str, sent: &[String], before: &Referral, after: &Referral) -> Effect {
    let partner = before
        .partner()
        .expect("a plain referral names its partner");
    let identity = |action: &str| {
        let cells = headers(partner).iter().zip(sent);
        let cells = cells.map(|(header, cell)| match *header {
            "What" | "TYPE" | "Action" => action.to_owned(),
            header if EMPTY_IN_A_STOP.contains(&header) => String::new(),
            _ => cell.clone(),
        });
        Effect::Row(cells.collect())
    };
    match kind {
        "died" | "restricted" | "revoked" => identity("STOP"),
        "on-hold" => identity("PAUSE"),
        "moved" => Effect::Asked("moved-practice"),
        "merged" => Effect::Asked("identity-changed"),
        "phone" | "address" => {
            let (before, now) = (row(partner, before), row(partner, after));
            if before == now {
                return Effect::Nothing;
            }
            let action = now.iter().map(|cell| match cell.as_str() {
                "NEW" => "AMEND".to_owned(),
                cell => cell.to_owned(),
            });
            Effect::Row(action.collect())
        }
        other => panic!("truth2.json names a change that is not known: {other}"),
    }
}

/// The row that was delivered for each request, by the request's id.
fn delivered(home: &Home, workload: &Workload) -> BTreeMap<String, Vec<String>> {
    let mut rows: BTreeMap<(String, Vec<String>), Vec<String>> = BTreeMap::new();
    for (partner, table) in drops(home, workload) {
        for cells in table.rows {
            let key = (partner.clone(), foreseeable(&partner, &cells));
            assert!(
                rows.insert(key, cells).is_none(),
                "two rows alike: take another seed"
            );
        }
    }
    let sent = workload
        .referrals
        .iter()
        .filter(|referral| referral.delivered());
    sent.map(|referral| {
        let partner = referral.partner().expect("a partner");
        let key = (partner.to_owned(), row(partner, referral));
        let cells = rows.remove(&key).expect("every referral has its row");
        (referral.id().to_owned(), cells)
    })
    .collect()
}

/// Open questions as (reference, reason).
fn questions(summary: &Value) -> BTreeSet<(String, String)> {
    let held = summary["held"].as_array().expect("held").iter();
    held.filter_map(|held| {
        let reference = held["reference"].as_str()?;
        Some((reference.to_owned(), text(&held["reason"]).to_owned()))
    })
    .collect()
}

/// Runs both weeks; `change` puts the second one where Kith reads.
fn two_weeks(world: &World, weeks: &Weeks, change: impl FnOnce()) {
    let home = &world.home;
    let first = world.runs_at(FIRST, 1);
    let sent = delivered(home, &weeks.first);
    change();
    let second = world.runs_at(SECOND, 1);
    let (expected, asked) = foretold(weeks, &sent);
    assert_drops(home, &weeks.first, &expected);
    let before = questions(&first);
    let after = questions(&second);
    assert!(before.is_subset(&after), "what was held is still held");
    let new: BTreeSet<_> = after.difference(&before).cloned().collect();
    assert_eq!(new, asked, "who is asked what");
    let legs = |summary: &Value, state: &str| summary["legs"][state].as_u64().unwrap_or_default();
    for state in ["held", "cancelled", "entered-in-error"] {
        assert_eq!(legs(&second, state), legs(&first, state), "legs {state}");
    }
    // Once is enough.
    let third = world.runs_at(THIRD, 1);
    assert_drops(home, &weeks.first, &expected);
    assert_eq!(questions(&third), after, "nobody is asked twice");
    let proof = home.kith(&["prove", "--json"]).expect_code(0).json();
    assert_eq!(
        proof["findings"].as_array().map(Vec::len),
        Some(0),
        "{proof}"
    );
}

type Rows = BTreeMap<String, Vec<Vec<String>>>;

/// Rows by partner, and questions, that the changes must give.
fn foretold(
    weeks: &Weeks,
    sent: &BTreeMap<String, Vec<String>>,
) -> (Rows, BTreeSet<(String, String)>) {
    let by_id = |workload: &'_ Workload, id: &str| {
        let found = workload
            .referrals
            .iter()
            .position(|referral| referral.id() == id);
        found.expect("truth2.json names requests of the workload")
    };
    let (mut rows, mut asked) = (Rows::new(), BTreeSet::new());
    let mut kinds = 0;
    for (kind, ids) in &weeks.changes {
        for id in ids {
            let before = &weeks.first.referrals[by_id(&weeks.first, id)];
            let after = &weeks.second.referrals[by_id(&weeks.second, id)];
            let (partner, was) = (before.partner().expect("a partner"), &sent[id]);
            let reference = was[0].clone();
            match effect(kind, was, before, after) {
                Effect::Row(cells) => {
                    let cells = if cells.len() == was.len() {
                        foreseeable(partner, &cells)
                    } else {
                        cells
                    };
                    if cells.iter().any(|cell| cell == "STOP") {
                        asked.insert((reference.clone(), "stop-open".to_owned()));
                    }
                    let row = [vec![reference], cells].concat();
                    rows.entry(partner.to_owned()).or_default().push(row);
                }
                Effect::Asked(reason) => {
                    asked.insert((reference, reason.to_owned()));
                }
                Effect::Nothing => {}
            }
            kinds += 1;
        }
    }
    assert!(kinds > 20, "enough changes to tell anything: {kinds}");
    for rows in rows.values_mut() {
        rows.sort();
    }
    (rows, asked)
}

/// Every partner has its second drop with these rows and no other; one to whom nothing changed has none.
fn assert_drops(home: &Home, workload: &Workload, expected: &Rows) {
    let partners: BTreeSet<&str> = workload
        .referrals
        .iter()
        .filter_map(Referral::partner)
        .collect();
    for partner in partners {
        let files = home.drops(partner);
        let Some(rows) = expected.get(partner) else {
            assert!(files.len() <= 1, "nothing changed for {partner}: {files:?}");
            continue;
        };
        assert_eq!(files.len(), 2, "{partner} has one drop of changes");
        let drop = table::read(&files[1], layout(partner));
        let Table { rows: found, .. } = drop.delivered(headers(partner));
        let mut found: Vec<Vec<String>> = found
            .iter()
            .map(|row| [vec![row[0].clone()], foreseeable(partner, row)].concat())
            .collect();
        found.sort();
        assert_eq!(&found, rows, "rows of {partner}");
    }
}

fn search(weeks: &Weeks, server: &FhirServer) {
    let world = World::of_workload(&weeks.first, &server.base);
    two_weeks(&world, weeks, || {
        for resource_type in ["Patient", "ServiceRequest"] {
            server.load(&weeks.changed(resource_type));
        }
    });
}

#[test]
fn a_week_later_a_searched_source_gives_exactly_the_rows_of_its_changes() {
    let Some(shared) = shared::folder(
        "wave2::a_week_later_a_searched_source_gives_exactly_the_rows_of_its_changes",
    ) else {
        return;
    };
    let weeks = Weeks::generate(&shared);
    search(&weeks, &Sandbox::of_workload(&weeks.first).fhir);
}

#[test]
fn a_week_later_a_server_that_is_not_ours_gives_exactly_the_rows_of_its_changes() {
    let Some(shared) = shared::folder(
        "wave2::a_week_later_a_server_that_is_not_ours_gives_exactly_the_rows_of_its_changes",
    ) else {
        return;
    };
    let (weeks, server) = (Weeks::generate(&shared), Sekmet::start());
    weeks.first.load(&server.fhir);
    search(&weeks, &server.fhir);
}

#[test]
fn a_week_later_an_extract_gives_exactly_the_rows_of_its_changes() {
    let Some(shared) =
        shared::folder("wave2::a_week_later_an_extract_gives_exactly_the_rows_of_its_changes")
    else {
        return;
    };
    let weeks = Weeks::generate(&shared);
    let world = World::of_extracts(&weeks.first);
    two_weeks(&world, &weeks, || {
        weeks.second.copy(&world.home, "extracts");
    });
}
