//! The keys of a made-up client, and npm oidc-provider behind our `token_server.mjs`; `tests/run.sh` installs it.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::fhir_server::FhirServer;
use super::installed::{component, free_port, quiet_command, script};
use super::process::{LIMIT, Process, finish};

/// Id of the made-up client.
pub(crate) const CLIENT: &str = "kith";

/// Makes a private key (PEM) in this file and gives the public one as a JWKS; its kid is `k1`.
pub(crate) fn client_key(file: &Path, algorithm: &str) -> Value {
    let mut command = Command::new("node");
    command.arg(script("client_key.mjs"));
    let output = finish(command.arg(file).arg(algorithm), LIMIT);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| {
        panic!(
            "no key was made\n{}",
            String::from_utf8_lossy(&output.stderr)
        )
    })
}

/// A running token server; ended when dropped.
pub(crate) struct TokenServer {
    /// Who it says it is.
    pub(crate) issuer: String,
    /// Where tokens are given.
    pub(crate) token_url: String,
    /// Where the public keys of its tokens are.
    pub(crate) jwks_url: String,
    _process: Process,
    _folder: TempDir,
}

impl TokenServer {
    /// Starts a server that gives this client tokens for the FHIR server at `resource`, with these scopes at most; the
    /// client `kith-TENANT` gets tokens for that tenant.
    pub(crate) fn start(
        jwks: &Value,
        resource: &str,
        scope: &str,
        lifetime_seconds: u32,
        tenants: &[&str],
    ) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let port = free_port();
        let settings = json!({
            "port": port, "lifetime_seconds": lifetime_seconds, "client_id": CLIENT, "jwks": jwks, "scope": scope,
            "resource": resource, "tenants": tenants,
        });
        fs::write(folder.path().join("settings.json"), settings.to_string())
            .expect("settings can be written");
        let mut command = quiet_command(Path::new("node"), folder.path());
        command.arg(script("token_server.mjs"));
        command.arg(component("oidc-provider/node_modules"));
        command.arg("settings.json");
        let mut process = Process::start(&mut command);
        let issuer = format!("http://127.0.0.1:{port}");
        FhirServer::at(&issuer).wait_until("/jwks", &mut process);
        Self {
            token_url: format!("{issuer}/token"),
            jwks_url: format!("{issuer}/jwks"),
            issuer,
            _process: process,
            _folder: folder,
        }
    }
}
