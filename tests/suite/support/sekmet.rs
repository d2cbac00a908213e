//! sekmet-fhir, a FHIR R4 server that is not ours; `tests/run.sh` installs it.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::fhir_server::FhirServer;
use super::process::Process;

/// A running server; ended when dropped.
pub(crate) struct Sekmet {
    pub(crate) fhir: FhirServer,
    _process: Process,
    _folder: TempDir,
}

impl Sekmet {
    /// Starts an empty server that refuses what is not FHIR and does nothing by itself.
    pub(crate) fn start() -> Self {
        let program = cache().join("sekmet/bin/sekmet");
        assert!(
            program.is_file(),
            "sekmet-fhir is not installed: bash tests/run.sh installs it"
        );
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let port = free_port();
        let base = format!("http://127.0.0.1:{port}/fhir");
        let settings = format!(
            "base_url: {base}\nsimulator: {{enabled: false}}\nvalidation: {{inbound: strict}}\ndb_path: data/server.db\n"
        );
        fs::write(folder.path().join("settings.yaml"), settings).expect("settings can be written");
        fs::create_dir(folder.path().join("data")).expect("a folder can be made");
        let log = File::create(folder.path().join("log")).expect("a log can be written");
        let mut command = Command::new(program);
        command
            .args([
                "serve",
                "-c",
                "settings.yaml",
                "--host",
                "127.0.0.1",
                "--port",
                &port.to_string(),
            ])
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log can be written"))
            .stderr(log);
        let mut process = Process::start(&mut command);
        let fhir = FhirServer::at(&base);
        fhir.wait_until_ready(|| process.alive());
        Self {
            fhir,
            _process: process,
            _folder: folder,
        }
    }
}

/// Where `tests/run.sh` keeps what it installs.
fn cache() -> PathBuf {
    let chosen = std::env::var_os("KITH_TEST_CACHE").map(PathBuf::from);
    let usual =
        || PathBuf::from(std::env::var_os("HOME").expect("HOME is set")).join(".cache/kith-test");
    chosen.unwrap_or_else(usual)
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback is there");
    listener
        .local_addr()
        .expect("a bound socket has an address")
        .port()
}
