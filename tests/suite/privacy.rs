//! Nothing of a person stands anywhere but where it must: a token in every text of a record, and a search for each.
//!
//! The loop runs at log level trace with failures provoked: a source that cannot be reached, one that goes away, records
//! of the wrong shape, a truncated extract, a broken return, a folder that cannot be written to.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::support::home::{Home, Ran, snapshot};
use super::support::partner_file::{PARTNERS, PartnerFile};
use super::support::people::{day, nhs_number, referral, written};
use super::support::planted::{Planted, Tokens, broken_records, plant};
use super::support::source::Source;
use super::support::table::{self, Layout, Table};
use super::support::world::{Row, World, came};

/// Values that must have their form, so that a token could not stand in their place: how each may be written.
const PHONE: &[&str] = &["7700900417", "7700 900417"];
const FORMED: &[&[&str]] = &[
    PHONE,
    &["1931-07-19", "19/07/1931", "19310719"],
    &["1987-03-02", "02/03/1987"],
    &["zq7 9xq", "zq79xq"],
];

/// What was printed in the whole story, and by which command.
#[derive(Default)]
struct Said(Vec<(String, String)>);

impl Said {
    fn runs(&mut self, home: &Home, arguments: &[&str]) -> Ran {
        let ran = home.kith_with(arguments, &[("RUST_LOG", "trace")]);
        assert!(
            !ran.stderr.contains("panicked"),
            "{arguments:?}: {}",
            ran.stderr
        );
        self.0.push((
            format!("stdout of {}", arguments.join(" ")),
            ran.stdout.clone(),
        ));
        self.0.push((
            format!("stderr of {}", arguments.join(" ")),
            ran.stderr.clone(),
        ));
        ran
    }
}

#[test]
fn no_text_of_a_record_is_found_where_it_must_not_be() {
    let mut planted = plant();
    let mut resources = planted.resources.clone();
    resources.extend(referral(1, "Cara", "Maple", "oak"));
    resources.extend(broken_records(&mut planted.tokens));
    let partners = PARTNERS.map(|id| {
        PartnerFile::of(id)
            .shares(&["patient.name", "patient.phone", "referral.activity"])
            .column("Phone", "patient.phone")
    });
    let mut world = World::of_gp(&partners, &resources);
    set_up(&mut world, &mut planted.tokens);

    let mut said = Said::default();
    said.runs(&world.home, &["check"]);
    said.runs(&world.home, &["run", "--once", "-vvv"]);
    let mut rows = world.rows();
    rows.retain(|row| row["partner"] == "elm");
    let row = rows.pop().expect("the planted referral was delivered");
    let drop = world.home.drops("elm").pop().expect("in a drop");
    put_returns(&world.home, &row, &mut planted.tokens);
    let logged = ["run", "--once", "-vvv", "--log-format", "json"];
    said.runs(&world.home, &logged);
    let written_back = world.gp_has("Observation");
    // The GP system goes away with a write still to come.
    world.gp_goes();
    world.partner_returns("elm", "returns later.csv", &[(row.clone(), came(2, "N"))]);
    said.runs(&world.home, &["run", "--once", "-vvv"]);
    everything_is_asked(&world.home, &row["Our ref"], &mut said);

    assert_eq!(
        written_back.len(),
        1,
        "the loop came round: one attendance is on the server"
    );
    assert_provoked(&said);
    let finds = search(&world.home, &planted, &said, &written_back);
    assert!(
        finds.is_empty(),
        "{} finds:\n{}",
        finds.len(),
        finds.join("\n")
    );
    let drop = fs::read_to_string(&drop).expect("the drop").to_lowercase();
    assert!(
        planted.shared.iter().all(|token| drop.contains(token)),
        "what is shared did go out, so the search can find"
    );
    let input = fs::read_to_string(world.home.below("data/world.ndjson"))
        .expect("the input")
        .to_lowercase();
    assert!(
        planted
            .tokens
            .0
            .iter()
            .filter(|token| input.contains(*token))
            .count()
            > 100,
        "the tokens are in the records"
    );
}

/// The failures did happen: a search of what was never said finds nothing.
fn assert_provoked(said: &Said) {
    let all: String = said.0.iter().map(|(_, text)| text.as_str()).collect();
    for code in [
        "PULL-001",
        "PULL-002",
        "PULL-004",
        "DELIVER-001",
        "COLLECT-002",
        "COLLECT-005",
        "WATCH-001",
    ] {
        assert!(all.contains(code), "{code} was not provoked:\n{all}");
    }
}

/// Every command that prints anything about a referral or a run.
fn everything_is_asked(home: &Home, reference: &str, said: &mut Said) {
    for arguments in [
        &["status"][..],
        &["status", "--json"],
        &["held", "list"],
        &["held"],
        &["trace", reference],
        &["trace", reference, "--json"],
        &["why", reference],
        &["why", "--all", "--json"],
        &[
            "why",
            "--source",
            "hilltop",
            "--input",
            &home.below("data").display().to_string(),
        ],
        &["prove", "--json"],
        &["report"],
        &["report", "--date", &day(0).to_string()],
        &[
            "map",
            "--partner",
            "elm",
            "--input",
            &home.below("data").display().to_string(),
            "--output",
            &home.below("mapped.csv").display().to_string(),
            "--diagnostics",
            &home.below("diagnostics.ndjson").display().to_string(),
            "-vvv",
        ],
    ] {
        said.runs(home, arguments);
    }
}

/// Three sources, of which one works, and a partner whose folder cannot be written to.
fn set_up(world: &mut World, tokens: &mut Tokens) {
    // Port 1 is never open to us: connection refused.
    let harbour = Source::searched("harbour", "http://127.0.0.1:1/fhir");
    let extracts = Source::folder("extracts", "extracts")
        .ods_code("ZZ003")
        .push("{ kind = \"folder\", path = \"var/gp-import\" }");
    world.sources_are(|hilltop| vec![hilltop, harbour, extracts]);
    let home = &world.home;
    let [patient, _] = referral(60, &tokens.next(), &tokens.next(), "elm");
    let truncated = patient.to_string();
    let cut = truncated.split("birthDate").next().expect("the first part");
    home.write(
        "extracts/people.ndjson",
        format!(
            "{cut}\n{{\"resourceType\":\"{}\"}}\n[\"{}\"]\n",
            tokens.next(),
            tokens.next()
        ),
    );
    home.write("var/partners/oak/out", "a file where a folder should be");
}

/// A good row, and every kind of bad one, with tokens in the cells and in the file's name.
fn put_returns(home: &Home, row: &Row, tokens: &mut Tokens) {
    let header = [
        "Our ref",
        "Check",
        "Name",
        "Phone",
        "Date seen",
        "Attended?",
        "Outcome",
    ]
    .map(str::to_owned)
    .to_vec();
    let yesterday = written(day(-1));
    let line = |seen: &str, attended: &str, outcome: &str| {
        let sent = ["Our ref", "Check", "Name", "Phone"].map(|header| row[header].as_str());
        let cells = [&sent[..], &[seen, attended, outcome]].concat();
        cells.into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let (date, code, outcome, who) = (tokens.next(), tokens.next(), tokens.next(), tokens.next());
    let mut stranger = line(&yesterday, "Y", "");
    stranger[0].clone_from(&who);
    stranger[2] = who;
    let rows = vec![
        line(&yesterday, "Y", ""),
        line(&date, "Y", ""),
        line(&yesterday, &code, ""),
        line(&yesterday, "", &outcome),
        stranger,
    ];
    home.put_return(
        "elm",
        &format!("returns {}.csv", tokens.next()),
        &table::write(&Table { header, rows }, Layout::COMMA),
    );
    let binary = format!("{}\u{0}{}", tokens.next(), tokens.next());
    let unclosed = format!("{},,,\n\"{}", tokens.next(), tokens.next());
    for broken in [binary, unclosed] {
        let name = format!("returns {}.csv", tokens.next());
        home.put_return("elm", &name, broken.as_bytes());
    }
    home.put_return(
        "elm",
        &format!("{}.docx", tokens.next()),
        b"not a return at all",
    );
}

/// Every place where a token was found that must not be there.
fn search(home: &Home, planted: &Planted, said: &Said, written_back: &[Value]) -> Vec<String> {
    let number = nhs_number(77);
    let mut finds = Vec::new();
    let mut look = |place: &str, haystack: &str, allowed: &dyn Fn(&str) -> bool| {
        let haystack = haystack.to_lowercase();
        let formed = FORMED
            .iter()
            .flat_map(|forms| forms.iter().copied())
            .chain([number.as_str()]);
        for token in planted.tokens.0.iter().map(String::as_str).chain(formed) {
            if haystack.contains(token) && !allowed(token) {
                finds.push(format!("{token} in {place}"));
            }
        }
    };
    let none = |_: &str| false;
    let shared = |token: &str| planted.shared.contains(token) || PHONE.contains(&token);
    for (place, text) in &said.0 {
        look(place, text, &none);
    }
    for observation in written_back {
        look("an Observation", &observation.to_string(), &|token| {
            planted.ids.contains(token)
        });
    }
    for (path, bytes) in snapshot(home.path()) {
        // What is put in: the GP system's own records, and the partner's own words, which its receipts give back.
        let given = [
            "data",
            "extracts",
            "var/partners/elm/in",
            "var/partners/elm/out/receipts",
        ]
        .iter()
        .any(|folder| path.starts_with(folder));
        let place = path.display().to_string();
        if given {
            continue;
        }
        look(&format!("the name {place}"), &place, &none);
        let own_drop = path.starts_with("var/partners/elm/out") || path == Path::new("mapped.csv");
        look(
            &place,
            &String::from_utf8_lossy(&bytes),
            if own_drop { &shared } else { &none },
        );
    }
    finds
}
