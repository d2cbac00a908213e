//! A weak FHIR server: Medplum's router behind our `weak_server.cjs`; `tests/run.sh` installs it.

use std::path::Path;

use tempfile::TempDir;

use super::fhir_server::FhirServer;
use super::installed::{component, free_port, quiet_command, script};
use super::process::Process;

/// The token by which a test comes into a server that asks Kith for another.
const TOKEN: &str = "of-the-tests";

/// A running server; ended when dropped.
pub(crate) struct WeakServer {
    pub(crate) fhir: FhirServer,
    _process: Process,
    _folder: TempDir,
}

impl WeakServer {
    /// Starts an empty server that lets everybody in.
    pub(crate) fn start() -> Self {
        Self::start_as(free_port(), None)
    }

    /// Starts an empty server on this port; with the address of a token server's keys it wants that server's tokens.
    pub(crate) fn start_as(port: u16, jwks_url: Option<&str>) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let mut command = quiet_command(Path::new("node"), folder.path());
        command.arg(script("weak_server.cjs"));
        command.arg(component("fhir-router/node_modules"));
        command.arg(port.to_string()).args(jwks_url);
        let mut process = Process::start(&mut command);
        let fhir = FhirServer::with_token(&Self::base(port), TOKEN);
        fhir.wait_until_ready(&mut process);
        Self {
            fhir,
            _process: process,
            _folder: folder,
        }
    }

    /// The base URL of a server on this port.
    pub(crate) fn base(port: u16) -> String {
        format!("http://127.0.0.1:{port}/fhir")
    }
}
