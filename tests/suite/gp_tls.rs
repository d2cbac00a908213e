//! GP systems that cannot be trusted, signed in to or read: each failure is named by its cause, and nobody else's run is
//! disturbed.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::Value;

use super::support::bad_servers::BadServers;
use super::support::partner_file::partners;
use super::support::people::referral;
use super::support::source::Source;
use super::support::world::World;

/// What must never be said: our secret, and what the servers say.
const UNSAID: [&str; 3] = ["swordfish", "Lovelace", "client_assertion"];
/// Source, code of its diagnostic, words of the cause.
const CAUSES: [(&str, &str, &str); 15] = [
    ("expired", "GP-001", "has expired"),
    ("name", "GP-001", "another host name"),
    ("stranger", "GP-001", "not trusted"),
    ("mutual", "GP-002", "client certificate"),
    ("plain", "GP-002", "does not speak TLS"),
    ("refuse", "GP-003", "invalid_client"),
    ("narrow", "GP-004", "system/ServiceRequest.s"),
    ("password", "GP-005", "status 401"),
    ("html", "GP-006", "HTML page"),
    ("huge", "GP-007", "longer than 16777216 bytes"),
    ("deep", "GP-007", "64 levels"),
    ("endless", "GP-007", "more than 5 pages"),
    ("nobody", "PULL-004", "connection refused"),
    ("silent", "PULL-004", "time-out"),
    ("unset", "CFG-017", "neither a PEM private key nor a JWK"),
];

/// Source, the line of `check --online` that is a fault, and its code.
const FAULTS: [(&str, &str, &str); 12] = [
    ("expired", "tls", "GP-001"),
    ("name", "tls", "GP-001"),
    ("stranger", "tls", "GP-001"),
    ("mutual", "tls", "GP-002"),
    ("plain", "tls", "GP-002"),
    ("refuse", "token", "GP-003"),
    ("narrow", "token", "GP-004"),
    ("password", "search", "GP-005"),
    ("html", "metadata", "GP-006"),
    ("deep", "search", "GP-007"),
    ("nobody", "reach", "PULL-004"),
    ("silent", "reach", "PULL-004"),
];

/// Everybody who is wrong, around one who is well.
fn world() -> (World, BadServers) {
    let mut world = World::of_gp(&partners(), &referral(1, "Anna", "Beech", "elm"));
    let home = &world.home;
    let servers = BadServers::start(home);
    let key = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/fhir/auth/testdata/rsa.jwk.json");
    home.write("var/gp.jwk", std::fs::read(key).unwrap());
    home.write("var/no.key", "swordfish");
    home.write("var/gp.password", "swordfish\n");
    for secret in [
        "var/gp.jwk",
        "var/no.key",
        "var/gp.password",
        "certificates/client.key",
    ] {
        let closed = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(home.below(secret), closed).unwrap();
    }
    let sources = sources(&world.gp().fhir.base, &servers);
    world.sources_are(|_| sources);
    (world, servers)
}

/// A source for each failure, and two that are well, one at each end.
fn sources(base: &str, servers: &BadServers) -> Vec<Source> {
    let plain = |name: &str| format!("http://127.0.0.1:{}/fhir", servers.port(name));
    let tls = |name: &str| format!("https://127.0.0.1:{}/fhir", servers.port(name));
    let authority = format!("ca = {{ file = \"{}\" }}", BadServers::file("ca.pem"));
    let trusted = format!("{{ kind = \"none\", mtls = {{ {authority} }} }}");
    let mutual = format!(
        "{{ kind = \"none\", mtls = {{ cert = {{ file = \"{}\" }}, key = {{ file = \"{}\" }}, {authority} }} }}",
        BadServers::file("client.pem"),
        BadServers::file("client.key")
    );
    let none = "{ kind = \"none\" }";
    let smart = |name: &str, key: &str| {
        format!(
            "{{ kind = \"smart-backend\", client_id = \"kith\", key = {{ file = \"{key}\" }}, scopes = [\"system/ServiceRequest.rs\"], token_url = \"http://127.0.0.1:{}/token\" }}",
            servers.port(name)
        )
    };
    let basic = "{ kind = \"basic\", user = \"kith\", password = { file = \"var/gp.password\" } }";
    let brief = format!("{none}\nlimits = {{ read_timeout_seconds = 1, retries_max = 0 }}");
    let sources = [
        ("well", base.to_owned(), none.to_owned()),
        ("expired", tls("expired"), trusted.clone()),
        ("name", tls("name"), trusted.clone()),
        ("stranger", tls("tls"), none.to_owned()),
        ("mutual", tls("mutual"), trusted.clone()),
        ("plain", tls("html"), none.to_owned()),
        ("refuse", plain("refuse"), smart("refuse", "var/gp.jwk")),
        ("narrow", plain("narrow"), smart("narrow", "var/gp.jwk")),
        ("unset", plain("narrow"), smart("narrow", "var/no.key")),
        ("password", plain("password"), basic.to_owned()),
        ("html", plain("html"), none.to_owned()),
        ("huge", plain("huge"), none.to_owned()),
        ("deep", plain("deep"), none.to_owned()),
        (
            "endless",
            plain("endless"),
            format!("{none}\nlimits = {{ pages_max = 5 }}"),
        ),
        (
            "nobody",
            "http://127.0.0.1:1/fhir".to_owned(),
            brief.clone(),
        ),
        ("silent", plain("silent"), brief),
        ("trusted", tls("tls"), trusted),
        ("known", tls("mutual"), mutual),
    ];
    let of = |(id, base, auth): (&str, String, String)| {
        let source = Source::searched(id, &base).push("{ kind = \"off\" }");
        source.auth(&auth)
    };
    sources.map(of).to_vec()
}

/// The diagnostics on stderr by source, each with code and what is wrong.
fn told(stderr: &str) -> BTreeMap<String, String> {
    let blocks = stderr
        .split("\n\n")
        .flat_map(|part| part.split("error["))
        .skip(1);
    blocks
        .filter_map(|block| {
            let (_, place) = block.split_once("where   source ")?;
            let id = place.split([',', '\n']).next()?;
            Some((id.to_owned(), block.lines().next()?.to_owned()))
        })
        .collect()
}

#[test]
fn every_failure_is_named_and_the_others_are_undisturbed() {
    let (world, _servers) = world();
    let ran = world.home.kith(&["run", "--once"]).expect_code(1);
    let told = told(&ran.stderr);
    for (source, code, cause) in CAUSES {
        let said = told.get(source).map_or("", String::as_str);
        assert!(
            said.starts_with(code) && said.contains(cause),
            "{source}: {said:?}\n{}",
            ran.stderr
        );
    }
    for well in ["well", "trusted", "known"] {
        assert_eq!(told.get(well), None, "{well}: {}", ran.stderr);
    }
    assert_eq!(world.home.drops("elm").len(), 1, "{}", ran.stderr);
    for word in UNSAID {
        assert!(
            !format!("{}{}", ran.stdout, ran.stderr).contains(word),
            "{word}: {}",
            ran.stderr
        );
    }
}

#[test]
fn check_online_says_of_each_source_what_is_well_and_what_is_not() {
    let (world, _servers) = world();
    // A key that is no key is an error of the config, and told before anything is asked.
    let offline = world.home.ran(&["check", "--online", "--json"], 2).json();
    let problems = offline["problems"].as_array().unwrap();
    assert!(
        problems.iter().any(|problem| problem["code"] == "CFG-017"),
        "{offline}"
    );
    assert_eq!(offline["online"].as_array().map(Vec::len), Some(0));
    let key = std::fs::read(world.home.below("var/gp.jwk")).unwrap();
    world.home.write("var/no.key", key);
    let before = world.gp_has("Observation").len();
    let ran = world.home.ran(&["check", "--online", "--json"], 1);
    let online = ran.json()["online"].as_array().unwrap().clone();
    let lines = |source: &str, check: &str| -> Vec<Value> {
        let of = |line: &&Value| line["source"] == source && line["check"] == check;
        online.iter().filter(of).cloned().collect()
    };
    for check in [
        "reach", "tls", "token", "metadata", "clock", "search", "patient",
    ] {
        let lines = lines("well", check);
        assert!(
            !lines.is_empty() && lines.iter().all(|line| line["state"] == "ok"),
            "{check}: {lines:?}"
        );
    }
    for (source, check, code) in FAULTS {
        let found = lines(source, check);
        let line = found
            .first()
            .unwrap_or_else(|| panic!("{source}: {online:?}"));
        assert_eq!(
            (line["state"].as_str(), line["code"].as_str()),
            (Some("fault"), Some(code)),
            "{line}"
        );
        assert!(
            line["fix"].as_str().is_some_and(|fix| !fix.is_empty()),
            "{line}"
        );
    }
    assert_eq!(lines("known", "tls")[0]["state"], "ok");
    assert_eq!(
        world.gp_has("Observation").len(),
        before,
        "nothing is written"
    );
    for word in UNSAID {
        assert!(
            !format!("{}{}", ran.stdout, ran.stderr).contains(word),
            "{word}"
        );
    }
}
