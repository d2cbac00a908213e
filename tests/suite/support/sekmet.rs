//! sekmet-fhir, a FHIR R4 server that is not ours; `tests/run.sh` installs it.

use std::fs;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::fhir_server::FhirServer;
use super::installed::{component, free_port, quiet_command};
use super::process::Process;
use super::token_server::CLIENT;

/// The token by which a test comes into a server that asks Kith for another.
const TOKEN: &str = "of-the-tests";

/// A running server; ended when dropped.
pub(crate) struct Sekmet {
    pub(crate) fhir: FhirServer,
    _process: Process,
    folder: TempDir,
}

impl Sekmet {
    /// Starts an empty server that refuses what is not FHIR and does nothing by itself.
    pub(crate) fn start() -> Self {
        let port = free_port();
        Self::start_as(port, &format!("http://127.0.0.1:{port}/fhir"), "")
    }

    /// Starts an empty server that wants tokens (SMART Backend Services), which it gives to the client with these keys.
    pub(crate) fn start_smart(jwks: &Value, scope: &str, lifetime_seconds: u32) -> Self {
        let port = free_port();
        // JSON is YAML too.
        let auth = json!({
            "types": ["smart", "bearer"], "tokens": [TOKEN], "token_lifetime": lifetime_seconds,
            "smart_clients": [{"client_id": CLIENT, "jwks": jwks, "scopes": scope}],
        });
        let settings = format!("server_auth: {auth}\n");
        Self::start_as(port, &format!("http://127.0.0.1:{port}/fhir"), &settings)
    }

    /// Starts it on a port, under the base URL that its answers are to name, with further settings.
    pub(crate) fn start_as(port: u16, base: &str, settings: &str) -> Self {
        let program = component("sekmet/bin/sekmet");
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let settings = format!(
            "base_url: {base}\nsimulator: {{enabled: false}}\nvalidation: {{inbound: strict}}\ndb_path: data/server.db\n{settings}"
        );
        fs::write(folder.path().join("settings.yaml"), settings).expect("settings can be written");
        fs::create_dir(folder.path().join("data")).expect("a folder can be made");
        let mut command = quiet_command(&program, folder.path());
        command.args(["serve", "-c", "settings.yaml", "--host", "127.0.0.1"]);
        command.args(["--port", &port.to_string()]);
        let mut process = Process::start(&mut command);
        // The tests ask the server itself, whoever stands in front of it.
        let fhir = FhirServer::with_token(&format!("http://127.0.0.1:{port}/fhir"), TOKEN);
        fhir.wait_until_ready(&mut process);
        Self {
            fhir,
            _process: process,
            folder,
        }
    }

    /// How many tokens it has given.
    pub(crate) fn tokens(&self) -> usize {
        let log = fs::read_to_string(self.folder.path().join("log")).expect("a log");
        let given = |line: &&str| line.contains("\"POST /auth/token ") && line.contains(" 200 ");
        log.lines().filter(given).count()
    }
}
