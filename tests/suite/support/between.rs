//! mitmproxy in front of a server, with our `between.py`: it loses answers, and keeps what was written. `tests/run.sh` installs it.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use tempfile::TempDir;

use super::fhir_server::FhirServer;
use super::installed::{component, quiet_command, script};
use super::process::Process;

/// A running proxy; ended when dropped.
pub(crate) struct Between {
    /// The base URL of the server as Kith is to see it.
    pub(crate) base: String,
    folder: TempDir,
    _process: Process,
}

impl Between {
    /// Starts a proxy on this port for the server with this base URL; of a hundred answers `lose` are lost, drawn by `seed`.
    pub(crate) fn start(port: u16, server: &str, lose: u8, seed: u32) -> Self {
        let path_at = server
            .match_indices('/')
            .nth(2)
            .map_or(server.len(), |(at, _)| at);
        let (origin, path) = server.split_at(path_at);
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        fs::create_dir_all(folder.path().join("keep/writes")).expect("folders can be made");
        let keep = folder.path().join("keep").display().to_string();
        let mut command = quiet_command(&component("mitmproxy/bin/mitmdump"), folder.path());
        // Its own settings and certificates stay out of the tester's home.
        command.args(["--set", &format!("confdir={}", folder.path().display())]);
        command.args(["-q", "--listen-host", "127.0.0.1", "-p", &port.to_string()]);
        command.args(["--mode", &format!("reverse:{origin}")]);
        command.arg("-s").arg(script("between.py"));
        command.args([
            "--set",
            &format!("draw={seed}"),
            "--set",
            &format!("lose={lose}"),
        ]);
        command.args(["--set", &format!("keep={keep}")]);
        let mut process = Process::start(&mut command);
        let base = format!("http://127.0.0.1:{port}{path}");
        FhirServer::at(&base).wait_until_ready(&mut process);
        Self {
            base,
            folder,
            _process: process,
        }
    }

    /// How many requests it has seen.
    pub(crate) fn requests(&self) -> usize {
        self.log().lines().count()
    }

    /// One line a request: method and path.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("keep/log")).unwrap_or_default()
    }

    /// The body of every create, update and transaction, in their order.
    pub(crate) fn writes(&self) -> Vec<Value> {
        let folder = self.folder.path().join("keep/writes");
        let mut files: Vec<PathBuf> = fs::read_dir(folder)
            .expect("the folder of writes")
            .map(|entry| entry.expect("a folder of the test can be listed").path())
            .collect();
        files.sort();
        files
            .iter()
            .map(|file| {
                let bytes = fs::read(file).expect("a write that was kept");
                serde_json::from_slice(&bytes).expect("a write is JSON")
            })
            .collect()
    }
}
