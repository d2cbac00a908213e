//! An installation of Kith in a temporary folder, and runs of the built binary on it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Mutex;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use tempfile::TempDir;

use super::edit::replace;
use super::process::{LIMIT, finish, finish_reading};

/// How a run of Kith ended.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// The run, if it ended with this exit code; else the test fails and shows what it said.
    pub(crate) fn expect_code(self, code: i32) -> Self {
        assert_eq!(
            self.code, code,
            "exit code\n--- stdout\n{}\n--- stderr\n{}",
            self.stdout, self.stderr
        );
        self
    }

    /// What it printed, as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| {
            panic!(
                "stdout is not JSON: {error}\n{}\n{}",
                self.stdout, self.stderr
            )
        })
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }
}

/// The built binary, with nothing of the tester's environment that changes what it prints.
pub(crate) fn kith_command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kith"));
    command.env_remove("RUST_LOG").env("NO_COLOR", "1");
    command
}

/// The library of faketime, which gives a process another clock.
fn faketime() -> PathBuf {
    let folders = fs::read_dir("/usr/lib").expect("libraries");
    let below = |folder: std::io::Result<fs::DirEntry>| {
        let path = folder.expect("a folder").path();
        path.join("faketime/libfaketime.so.1")
    };
    let mut found = folders.map(below).filter(|path| path.exists());
    found
        .next()
        .expect("faketime: tests/components/faketime.sh")
}

/// Runs Kith with these arguments.
pub(crate) fn kith(arguments: &[&str]) -> Ran {
    finish(kith_command().args(arguments), LIMIT).into()
}

/// A home folder with an installation in it; gone when dropped.
pub(crate) struct Home {
    folder: TempDir,
    /// How long each run of Kith may take.
    limit: Duration,
    /// Where each command's clock begins, if that is not the machine's.
    clock: Mutex<Option<Timestamp>>,
}

impl Home {
    /// An empty folder.
    pub(crate) fn new() -> Self {
        Self::with_limit(LIMIT)
    }

    /// An empty folder of a test whose runs need longer than others.
    pub(crate) fn with_limit(limit: Duration) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        Self {
            folder,
            limit,
            clock: Mutex::default(),
        }
    }

    /// The home folder.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A path below home.
    pub(crate) fn below(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// The path of the config file, as an argument.
    pub(crate) fn config(&self) -> String {
        self.below("config/kith.toml").display().to_string()
    }

    /// Writes a file below home, and the folders above it.
    pub(crate) fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.below(path);
        let folder = path.parent().expect("a file lies in a folder");
        fs::create_dir_all(folder).expect("folders can be made below home");
        fs::write(&path, content).expect("files can be written below home");
    }

    /// Changes a file below home; the test fails if what is to be changed is not in it.
    pub(crate) fn edit(&self, path: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.below(path)).expect("a file to change");
        self.write(path, replace(&text, from, to));
    }

    /// Runs Kith on this installation.
    pub(crate) fn kith(&self, arguments: &[&str]) -> Ran {
        self.kith_with(arguments, &[])
    }

    /// A run that must end with this code.
    pub(crate) fn ran(&self, arguments: &[&str], code: i32) -> Ran {
        self.kith(arguments).expect_code(code)
    }

    /// Runs Kith on this installation with further variables in its environment.
    pub(crate) fn kith_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Ran {
        let mut command = self.command(arguments);
        finish(command.envs(variables.iter().copied()), self.limit).into()
    }

    /// Runs Kith on this installation with something to read on standard input.
    pub(crate) fn kith_reading(&self, arguments: &[&str], read: &[u8]) -> Ran {
        finish_reading(&mut self.command(arguments), read, self.limit).into()
    }

    /// Kith on this installation, not yet started. No test waits for a return to stand still.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.command_as_it_is(arguments);
        if arguments.contains(&"--once") {
            command.arg("--now");
        }
        command
    }

    /// The same with these arguments and no others.
    pub(crate) fn command_as_it_is(&self, arguments: &[&str]) -> Command {
        let mut command = kith_command();
        command.args(arguments).arg("--config").arg(self.config());
        if let Some(at) = *self.clock.lock().expect("a clock") {
            let at = at.strftime("@%Y-%m-%d %H:%M:%S").to_string();
            command.env("LD_PRELOAD", faketime()).env("FAKETIME", at);
            command.envs([("FAKETIME_DONT_FAKE_MONOTONIC", "1"), ("TZ", "UTC")]);
        }
        command
    }

    /// From here on it is this late for each command, where the machine is not that far: what is recorded cannot lie in the
    /// future.
    pub(crate) fn is_at(&self, at: &str) {
        let at: Timestamp = at.parse().expect("an instant");
        if at > Timestamp::now() {
            *self.clock.lock().expect("a clock") = Some(at);
        }
    }

    /// Every drop of a partner, manifests aside, by name.
    pub(crate) fn drops(&self, partner: &str) -> Vec<PathBuf> {
        let folder = self.below(&format!("var/partners/{partner}/out"));
        let mut drops: Vec<PathBuf> = files_in(&folder)
            .into_iter()
            .filter(|file| file.extension().is_some_and(|ending| ending == "csv"))
            .filter(|file| !file.display().to_string().contains("/your people"))
            .collect();
        drops.sort();
        drops
    }

    /// Puts a return into a partner's `in/`.
    pub(crate) fn put_return(&self, partner: &str, name: &str, content: &[u8]) {
        self.write(&format!("var/partners/{partner}/in/{name}"), content);
    }
}

/// Plain files of one folder; none if there is no such folder.
pub(crate) fn files_in(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    entries
        .map(|entry| entry.expect("a folder of the test can be listed").path())
        .filter(|path| path.is_file())
        .collect()
}

/// Every file below a folder with its bytes, by path from there.
pub(crate) fn snapshot(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        let Ok(entries) = fs::read_dir(&next) else {
            continue;
        };
        for entry in entries {
            let path = entry.expect("a folder of the test can be listed").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let bytes = fs::read(&path).expect("a file of the test can be read");
                let name = path
                    .strip_prefix(folder)
                    .expect("what is below a folder begins with it");
                files.insert(name.to_owned(), bytes);
            }
        }
    }
    files
}
