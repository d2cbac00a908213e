//! A weak FHIR server: Medplum's router behind our `weak_server.cjs`; `tests/run.sh` installs it.

use std::path::Path;

use tempfile::TempDir;

use super::fhir_server::FhirServer;
use super::installed::{component, free_port, quiet_command, script};
use super::process::Process;

/// A running server; ended when dropped.
pub(crate) struct WeakServer {
    pub(crate) fhir: FhirServer,
    _process: Process,
    _folder: TempDir,
}

impl WeakServer {
    /// Starts an empty server.
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let port = free_port();
        let mut command = quiet_command(Path::new("node"), folder.path());
        command.arg(script("weak_server.cjs"));
        command.arg(component("fhir-router/node_modules"));
        command.arg(port.to_string());
        let mut process = Process::start(&mut command);
        let fhir = FhirServer::at(&format!("http://127.0.0.1:{port}/fhir"));
        fhir.wait_until_ready(|| process.alive());
        Self {
            fhir,
            _process: process,
            _folder: folder,
        }
    }
}
