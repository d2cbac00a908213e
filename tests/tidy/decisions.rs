//! Rules on what a module may know beside our own modules: which foreign library, and for a decision nothing but values.

use crate::report;
use crate::source::Source;
use crate::tokens::starts;
use crate::uses::reaches;

/// Libraries of one format, one protocol or one outside thing, and the rooms that may name them (`house.md` §4).
const LIBRARIES: [(&str, &[&str]); 14] = [
    ("sqlx", &["store"]),
    ("csv", &["sheet"]),
    ("encoding_rs", &["sheet"]),
    ("toml", &["toml_reader", "partner", "domain"]),
    ("reqwest", &["fhir", "sandbox"]),
    ("rustls", &["fhir"]),
    ("jsonwebtoken", &["fhir"]),
    ("axum", &["sandbox"]),
    ("clap", &["cli", "telemetry"]),
    ("tracing_subscriber", &["telemetry"]),
    ("maud", &["report", "partner"]),
    ("bumpalo", &["json"]),
    ("rand_chacha", &["domain"]),
    ("croner", &["partner"]),
];

/// Modules that decide: what they say follows from their arguments alone.
const DECISIONS: [&str; 3] = ["select", "map", "matching"];
/// Rooms and modules of pipeline that reach the outside or hold what reaches it.
const OUTSIDE: [&str; 6] = [
    "store",
    "transport",
    "config",
    "telemetry",
    "sandbox",
    "app",
];
const OUTSIDE_IN_PIPELINE: [&str; 3] = ["run", "gp_client", "workers"];
/// Names of what tells the time or draws by chance.
const CHANCE: [&str; 4] = ["Clock", "SystemClock", "Entropy", "Ids"];

#[test]
fn a_library_is_named_where_its_subject_is_at_home() {
    report(&library_breaches(Source::of_repository()));
}

/// Paths into a library from a room that the table does not give it.
pub(crate) fn library_breaches(source: &Source) -> Vec<String> {
    let mut breaches = Vec::new();
    for module in source.modules.values().filter(|module| !module.in_tests) {
        let room = module.path.first().map_or("lib", String::as_str);
        for written in module.paths.iter().filter(|written| !written.in_tests) {
            let Some((library, rooms)) = written.words.first().and_then(|first| {
                let known = LIBRARIES.iter().find(|(library, _)| library == first);
                known.filter(|_| source.absolute(module, &written.words).is_none())
            }) else {
                continue;
            };
            if !rooms.contains(&room) {
                breaches.push(format!(
                    "{}:{}: {room} names the library {library}, which is at home in {}: ask a function of that module",
                    module.file.display(),
                    written.line,
                    rooms.join(", ")
                ));
            }
        }
    }
    breaches
}

#[test]
fn decisions_take_values_only() {
    let source = Source::of_repository();
    let gone = DECISIONS
        .iter()
        .filter(|name| {
            let path = ["pipeline".to_owned(), (**name).to_owned()];
            !source.modules.contains_key(path.as_slice())
        })
        .map(|name| format!("src/pipeline/{name}: there is no such module any more: correct DECISIONS of tests/tidy/decisions.rs"));
    report(&gone.chain(decision_breaches(source)).collect::<Vec<_>>());
}

/// What the modules that decide name of the outside, of time or of chance, and where they wait.
pub(crate) fn decision_breaches(source: &Source) -> Vec<String> {
    let mut breaches = Vec::new();
    for reach in reaches(source) {
        if !decides(&reach.from.path) || reach.in_tests() {
            continue;
        }
        let path = [reach.found.module.as_slice(), &reach.found.rest].concat();
        let outside = match path
            .iter()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .as_slice()
        {
            ["pipeline", module, ..] => OUTSIDE_IN_PIPELINE.contains(module),
            [room, ..] => OUTSIDE.contains(room),
            [] => false,
        };
        let chance = path.iter().any(|word| CHANCE.contains(&word.as_str()));
        if outside || chance {
            breaches.push(format!(
                "{}: a decision uses {}: give it the value instead",
                reach.place(),
                path.join("::")
            ));
        }
    }
    for file in source.files.iter().filter(|file| decides(&file.module)) {
        for at in file.shipped() {
            let waits =
                starts(&file.tokens, at, &["async"]) || starts(&file.tokens, at, &[".", "await"]);
            if let Some(token) = file.tokens.get(at).filter(|_| waits) {
                breaches.push(format!(
                    "{}:{}: a decision waits: fetch before it, and give it the value",
                    file.file.display(),
                    token.line
                ));
            }
        }
    }
    breaches
}

fn decides(path: &[String]) -> bool {
    matches!(path, [room, module, ..] if room == "pipeline" && DECISIONS.contains(&module.as_str()))
}
