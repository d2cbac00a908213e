//! Who somebody is, is shown one record at a time, to a name, for a why; and who looked is listed (`security.md` §7).

use serde_json::{Value, json};

use super::support::home::{Home, snapshot};
use super::support::partner_file::partners;
use super::support::people::referral;
use super::support::world::World;

const BECAUSE: &str = "she telephoned about her appointment";

#[test]
fn who_somebody_is_is_shown_once_it_is_recorded_who_looks() {
    let mut world = World::of_folder(&partners());
    let mut records = referral(1, "Wilhelmina", "Looked", "elm").to_vec();
    // Held, for such a referral always is.
    let [patient, mut request] = referral(2, "Ottoline", "Waiting", "elm");
    request["priority"] = json!("stat");
    records.extend([patient, request]);
    world.gp_refers(&records);
    let home = &world.home;
    let run = home.kith(&["run", "--once", "--json"]);
    let hold = &run.expect_code(1).json()["held"][0];
    let (number, waiting) = (
        hold["number"].to_string(),
        hold["reference"].as_str().unwrap(),
    );
    let looks: [&[&str]; 4] = [
        &["trace", waiting],
        &["trace", waiting, "--json"],
        &["why", waiting, "--json"],
        &["held", "show", &number],
    ];
    nothing_is_shown_without_a_name_and_a_why(home, &looks);
    let who = ["--identify", "--by", "C. Looker", "--because", BECAUSE];
    for look in looks {
        let shown = home.kith(&[look, &who].concat()).expect_code(0).stdout;
        for part in ["Ottoline Waiting", "07700 900102", "1951-04-12"] {
            assert!(shown.contains(part), "{look:?} lacks {part}: {shown}");
        }
        assert!(!shown.contains("Wilhelmina"), "one at a time: {shown}");
    }
    let all = ["why", "--all", "--json"];
    home.kith(&[&all[..], &who].concat()).expect_code(2);
    let held_show = format!("held show {number}");
    each_look_is_listed(home, waiting, &["trace", "trace", "why", &held_show]);
    the_why_is_sealed(home);
    world.proves();
}

fn views(home: &Home) -> Value {
    let listed = home.kith(&["audit", "views", "--json"]);
    listed.expect_code(0).json()
}

fn nothing_is_shown_without_a_name_and_a_why(home: &Home, looks: &[&[&str]]) {
    let named = |text: &str| text.contains("Ottoline") || text.contains("07700");
    for look in looks {
        let said = home.kith(look).expect_code(0);
        assert!(!named(&said.stdout), "{look:?} says {}", said.stdout);
        for half in [&["--identify"][..], &["--identify", "--by", "C. Looker"]] {
            let said = home.kith(&[look, half].concat()).expect_code(2);
            assert!(!named(&said.stdout), "{look:?} says {}", said.stdout);
        }
    }
    assert_eq!(views(home), json!([]), "nothing shown, nothing recorded");
}

fn each_look_is_listed(home: &Home, reference: &str, expected: &[&str]) {
    let listed = views(home);
    let listed = listed.as_array().unwrap();
    let whats: Vec<&Value> = listed.iter().map(|view| &view["what"]).collect();
    assert_eq!(whats, expected);
    for view in listed {
        let of = (&view["by"], &view["reference"]);
        assert_eq!(of, (&json!("C. Looker"), &json!(reference)));
    }
    let later = ["audit", "views", "--since", "2999-01-01"];
    let none = home.kith(&later).expect_code(0);
    assert_eq!(none.stdout, "Nobody has looked.\n");
    let when = ["audit", "views", "--since", "yesterday"];
    home.kith(&when).expect_code(2);
}

/// The why, and who it is about.
fn the_why_is_sealed(home: &Home) {
    for (path, bytes) in snapshot(&home.below("var")) {
        let store = path.to_string_lossy().starts_with("kith.db");
        for secret in [BECAUSE, "Ottoline"] {
            let found = bytes
                .windows(secret.len())
                .any(|window| window == secret.as_bytes());
            assert!(!(store && found), "{} holds \"{secret}\"", path.display());
        }
    }
}
