//! What `tests/run.sh` installed, and how a server among it is started.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A file of an installed component; the test fails where it is not there.
pub(crate) fn component(path: &str) -> PathBuf {
    let found = cache().join(path);
    assert!(
        found.exists(),
        "{path} is not installed: bash tests/run.sh installs it"
    );
    found
}

/// A script of ours beside the installers.
pub(crate) fn script(name: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/components")).join(name)
}

/// A port of loopback that nobody listens on.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback is there");
    listener
        .local_addr()
        .expect("a bound socket has an address")
        .port()
}

/// A command that runs in this folder and says what it says into a file there.
pub(crate) fn quiet_command(program: &Path, folder: &Path) -> Command {
    let log = File::create(folder.join("log")).expect("a log can be written");
    let mut command = Command::new(program);
    command
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a log can be written"))
        .stderr(log);
    command
}

/// Where `tests/run.sh` keeps what it installs.
fn cache() -> PathBuf {
    let chosen = std::env::var_os("KITH_TEST_CACHE").map(PathBuf::from);
    let usual =
        || PathBuf::from(std::env::var_os("HOME").expect("HOME is set")).join(".cache/kith-test");
    chosen.unwrap_or_else(usual)
}
