//! A small FHIR R4 GP system on loopback, for the demo, for trying a mapping, and for tests.
//!
//! In come HTTP requests and files of resources; out go FHIR answers. It keeps what it is given in memory only and never
//! listens anywhere but on 127.0.0.1. Its clock is injected and its ids come from content, so that the same requests give
//! the same bytes. On demand it misbehaves, as a server can (`faults`).

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::extract::DefaultBodyLimit;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

mod bundle;
mod capability;
mod dates;
mod export;
mod faults;
mod line;
mod load;
mod matches;
mod pages;
mod parameters;
mod resources;
mod routes;
mod search;
#[cfg(test)]
mod tests;
mod validate;

pub(crate) use faults::{FaultSpec, help as faults_help};
pub(crate) use load::LoadedResources;

use faults::Faults;
use line::{BreakableListener, WireControl};
use resources::ResourceStore;
use routes::SandboxServer;

/// The time in microseconds UTC.
pub(crate) type SandboxClock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// The longest request that is read.
const REQUEST_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Files of a data folder, and the bytes of all of them.
const FILES_MAX: usize = 10_000;
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024 * 1024;

/// What a sandbox is started with.
pub(crate) struct SandboxOptions {
    /// The clock behind `Date`, `meta.lastUpdated` and `Last-Modified`.
    pub(crate) now: SandboxClock,
    /// A folder whose `*.json` and `*.ndjson` files are loaded at the start.
    pub(crate) data: Option<PathBuf>,
}

/// Why the sandbox could not do its work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SandboxError {
    /// The port is taken, or loopback is not there.
    #[error("sandbox could not listen on port {port}")]
    Listen {
        /// The port asked for.
        port: u16,
        #[source]
        source: std::io::Error,
    },
    /// A file of the data folder could not be read.
    #[error("sandbox could not read its data, file {file}")]
    Read {
        /// The file's name, without its folder.
        file: String,
        #[source]
        source: std::io::Error,
    },
    /// The data folder is larger than a sandbox is for.
    #[error("sandbox data has more than {max} {what}")]
    TooMuch {
        /// Files or bytes.
        what: &'static str,
        /// The limit.
        max: u64,
    },
    /// A file is not FHIR JSON.
    #[error("{what} is not a FHIR resource, line {line}, resource {entry}")]
    NotFhir {
        /// What was loaded: a file's name, or "input".
        what: String,
        /// The line, from 1.
        line: usize,
        /// The resource's position on that line, from 1.
        entry: usize,
    },
}

/// A running sandbox; it stops when dropped.
pub(crate) struct Sandbox {
    address: SocketAddr,
    server: Arc<Mutex<SandboxServer>>,
    stop: Option<oneshot::Sender<()>>,
    task: Option<JoinHandle<()>>,
    skipped: Vec<String>,
}

impl Sandbox {
    /// Starts a sandbox on 127.0.0.1; port 0 takes a free one.
    ///
    /// # Errors
    /// When the port is taken or the data folder cannot be loaded.
    pub(crate) async fn start(port: u16, options: SandboxOptions) -> Result<Self, SandboxError> {
        let listen = |source| SandboxError::Listen { port, source };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
            .await
            .map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let base = format!("http://{address}/fhir");
        let mut store = ResourceStore::new(base, options.now);
        let skipped = match &options.data {
            Some(folder) => load_folder(&mut store, folder)?,
            None => Vec::new(),
        };
        let server = Arc::new(Mutex::new(SandboxServer::new(store)));
        let (stop, stopped) = oneshot::channel::<()>();
        let router = Router::new()
            .fallback(routes::handle)
            .layer(DefaultBodyLimit::max(REQUEST_BYTES_MAX))
            .with_state(Arc::clone(&server));
        let service = router.into_make_service_with_connect_info::<WireControl>();
        let serving =
            axum::serve(BreakableListener(listener), service).with_graceful_shutdown(async move {
                // A dropped sender means the same as a sent word: stop.
                stopped.await.unwrap_or(());
            });
        #[expect(
            clippy::disallowed_methods,
            reason = "the sandbox's one task: it ends with the sandbox that holds its handle"
        )]
        let task = tokio::spawn(async move {
            // Accept errors are retried by axum itself: there is nothing left to report here.
            serving.await.unwrap_or(());
        });
        Ok(Self {
            address,
            server,
            stop: Some(stop),
            task: Some(task),
            skipped,
        })
    }

    /// The FHIR base URL, without a slash at the end.
    pub(crate) fn base_url(&self) -> String {
        format!("http://{}/fhir", self.address)
    }

    /// The files of the data folder that are no FHIR from their first line on, by name: they were left alone.
    pub(crate) fn skipped(&self) -> &[String] {
        &self.skipped
    }

    /// Stores a resource, the resources of a Bundle, or NDJSON lines as they are, with their own ids, versions and times.
    ///
    /// # Errors
    /// When the input is not FHIR JSON; what stood before the fault is loaded.
    pub(crate) fn load(&self, input: &[u8]) -> Result<LoadedResources, SandboxError> {
        load::load(&mut self.lock().store, "input", input)
    }

    /// The current resources of a type, in the order of their ids.
    pub(crate) fn resources(&self, resource_type: &str) -> Vec<Value> {
        self.lock()
            .store
            .live(resource_type)
            .filter_map(|(_, version)| version.body.clone())
            .collect()
    }

    /// From here on strikes a share of the requests, by chance of this seed.
    pub(crate) fn misbehave(&self, spec: FaultSpec, seed: u64) {
        self.lock().faults = Some(Faults::new(spec, seed));
    }

    /// Stops listening and waits until the requests in hand are answered.
    pub(crate) async fn stop(mut self) {
        if let Some(stop) = self.stop.take() {
            drop(stop);
        }
        if let Some(task) = self.task.take() {
            // A panic in the server would have been a test failure already.
            task.await.unwrap_or(());
        }
    }

    fn lock(&self) -> MutexGuard<'_, SandboxServer> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
        }
    }
}

/// Loads a folder's files in the order of their names; gives the names of those that are not FHIR at all.
fn load_folder(store: &mut ResourceStore, folder: &Path) -> Result<Vec<String>, SandboxError> {
    let named = |path: &Path| {
        let name = path.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    };
    let read = |path: &Path, source| SandboxError::Read {
        file: named(path),
        source,
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|source| read(folder, source))? {
        let path = entry.map_err(|source| read(folder, source))?.path();
        let extension = path.extension().unwrap_or_default();
        if extension == "json" || extension == "ndjson" {
            files.push(path);
        }
        if files.len() > FILES_MAX {
            let max = FILES_MAX as u64;
            return Err(SandboxError::TooMuch { what: "files", max });
        }
    }
    files.sort();
    let mut skipped = Vec::new();
    let mut left = FILE_BYTES_MAX;
    for path in files {
        let size = std::fs::metadata(&path)
            .map_err(|source| read(&path, source))?
            .len();
        left = left.checked_sub(size).ok_or(SandboxError::TooMuch {
            what: "bytes",
            max: FILE_BYTES_MAX,
        })?;
        let input = std::fs::read(&path).map_err(|source| read(&path, source))?;
        match load::load(store, &named(&path), &input) {
            Ok(_) => {}
            Err(SandboxError::NotFhir { what, line: 1, .. }) => skipped.push(what),
            Err(error) => return Err(error),
        }
    }
    Ok(skipped)
}
