//! The loop of `loop_fhir.rs` on other servers that are not ours: one that wants short-lived tokens, and a weak one.

use std::time::Duration;

use super::loop_fhir::out_and_back;
use super::support::hfs::Hfs;
use super::support::home::Home;
use super::support::installed::free_port;
use super::support::sekmet::Sekmet;
use super::support::shared;
use super::support::token_server::{CLIENT, TokenServer, client_key};
use super::support::weak::WeakServer;
use super::support::workload::Workload;

/// More than one page of any server, and less than the suite's time.
const REFERRALS: u32 = 250;
/// What the weak server can bear where all of it is written about: it looks through all it has for each write.
const FEW: u32 = 30;
/// How long a run against it may take: some twenty seconds where nothing else is at work.
const WEAK_LIMIT: Duration = Duration::from_mins(3);
const SEED: u32 = 11;
/// Tokens that expire while Kith is at work.
const TOKEN_SECONDS: u32 = 4;
/// Tokens for the weak server, which may come to a request only when it has done with many others.
const LONGER_SECONDS: u32 = 30;
/// Runs that talk to the server in one loop; each gets a token to begin with.
const RUNS: usize = 4;
/// The practices that one server keeps apart.
const TENANTS: [&str; 2] = ["practice-one", "practice-two"];
/// What Kith asks of a server, in the words of SMART 2.
const SCOPES: [&str; 9] = [
    "system/ServiceRequest.rs",
    "system/Patient.rs",
    "system/Practitioner.rs",
    "system/PractitionerRole.rs",
    "system/Organization.rs",
    "system/Consent.rs",
    "system/Observation.cruds",
    "system/Task.cruds",
    "system/*.rs",
];

#[test]
fn the_loop_passes_with_tokens_that_live_for_four_seconds() {
    let Some(shared) =
        shared::folder("gp_servers::the_loop_passes_with_tokens_that_live_for_four_seconds")
    else {
        return;
    };
    let workload = Workload::generate(&shared, REFERRALS, SEED, "0.3");
    let home = Home::new();
    let jwks = client_key(&home.below("key.pem"), "ES384");
    let server = Sekmet::start_smart(&jwks, &SCOPES.join(" "), TOKEN_SECONDS);
    workload.install(&home, "--fhir", &server.fhir.base);
    with_smart(&home, &home, CLIENT, "ES384", None);
    out_and_back(&shared, &server.fhir, &home, &workload);
    assert!(
        server.tokens() > RUNS,
        "{} tokens: none expired while Kith was at work",
        server.tokens()
    );
}

#[test]
fn the_loop_passes_on_a_weak_server() {
    let Some(shared) = shared::folder("gp_servers::the_loop_passes_on_a_weak_server") else {
        return;
    };
    // Requests for more than a page, of which few make the weak server write.
    let workload = Workload::generate(&shared, REFERRALS, SEED, "0.97");
    let server = WeakServer::start();
    let home = Home::with_limit(WEAK_LIMIT);
    workload.install(&home, "--fhir", &server.fhir.base);
    out_and_back(&shared, &server.fhir, &home, &workload);
}

/// Tokens of a server that stands apart and knows nothing of SMART, and another kind of key.
///
/// In the suite the weak server takes them; in the campaign `hfs` it is helios-hfs, with a tenant for each of two practices.
#[test]
fn the_loop_passes_with_the_tokens_of_another_server() {
    let Some(shared) =
        shared::folder("gp_servers::the_loop_passes_with_the_tokens_of_another_server")
    else {
        return;
    };
    let seed = std::env::var("KITH_TEST_SEED").map_or(SEED, |seed| {
        seed.parse().expect("KITH_TEST_SEED is a number")
    });
    let keys = Home::new();
    let jwks = client_key(&keys.below("key.pem"), "RS384");
    let port = free_port();
    if std::env::var("KITH_TEST_SERVER").is_ok_and(|server| server == "hfs") {
        let base = Hfs::base(port);
        let tokens = TokenServer::start(&jwks, &base, &SCOPES.join(" "), TOKEN_SECONDS, &TENANTS);
        let server = Hfs::start(port, &tokens.issuer);
        for (place, tenant) in (0..).zip(TENANTS) {
            let workload = Workload::generate(&shared, REFERRALS, 2 * seed + place, "0.3");
            let home = Home::new();
            workload.install(&home, "--fhir", &base);
            // It takes a tenant's header only beside a token that says the same.
            let client = format!("{CLIENT}-{tenant}");
            with_smart(&home, &keys, &client, "RS384", Some(&tokens.token_url));
            home.edit(
                "config/kith.toml",
                "auth = {",
                &format!("headers = {{ X-Tenant-ID = \"{tenant}\" }}\nauth = {{"),
            );
            // What the other practice has would not be in the counts of this one.
            out_and_back(&shared, &server.tenant(tenant), &home, &workload);
        }
    } else {
        let base = WeakServer::base(port);
        let tokens = TokenServer::start(&jwks, &base, &SCOPES.join(" "), LONGER_SECONDS, &[]);
        let server = WeakServer::start_as(port, Some(&tokens.jwks_url));
        let workload = Workload::generate(&shared, FEW, seed, "0.3");
        let home = Home::with_limit(WEAK_LIMIT);
        workload.install(&home, "--fhir", &base);
        with_smart(&home, &keys, CLIENT, "RS384", Some(&tokens.token_url));
        out_and_back(&shared, &server.fhir, &home, &workload);
    }
}

/// Has the installation sign in with this key, at this address or where the server says.
fn with_smart(home: &Home, keys: &Home, client: &str, algorithm: &str, token_url: Option<&str>) {
    let key = keys.below("key.pem").display().to_string();
    let token_url = token_url
        .map(|url| format!("token_url = \"{url}\", "))
        .unwrap_or_default();
    let auth = format!(
        r#"auth = {{ kind = "smart-backend", client_id = "{client}", key = {{ file = "{key}" }}, kid = "k1", algorithm = "{algorithm}", {token_url}scopes = {SCOPES:?} }}"#
    );
    home.edit("config/kith.toml", "auth = { kind = \"none\" }", &auth);
}
