//! A real folder, from both sides.

use std::fs;
use std::fs::OpenOptions;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use super::{Bench, Died, MODIFIED_SECONDS, Trouble};
use crate::transport::folder::FolderTransport;
use crate::transport::{FILE_MODE, OutgoingDrop, Transport};

pub(super) struct FolderBench {
    home: tempfile::TempDir,
    transport: FolderTransport,
    reports: FolderTransport,
}

impl FolderBench {
    pub(super) fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let transport = FolderTransport::of_partner(&home.path().join("elm"), "elm", FILE_MODE);
        let reports = FolderTransport::for_reports(&home.path().join("reports"), FILE_MODE);
        Self {
            home,
            transport,
            reports,
        }
    }

    fn below(&self, path: &str) -> PathBuf {
        self.home.path().join("elm").join(path)
    }
}

/// The plain files below a folder by name, hidden ones aside.
fn files(folder: &Path, deep: bool) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).into_iter().flatten() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(folder).unwrap().to_str().unwrap();
            if path.is_dir() && deep {
                folders.push(path);
            } else if path.is_file() && !name.starts_with('.') {
                found.push((name.to_owned(), fs::read(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

impl Bench for FolderBench {
    fn transport(&self) -> Arc<dyn Transport> {
        Arc::new(self.transport.clone())
    }

    fn one_way(&self) -> Arc<dyn Transport> {
        Arc::new(self.reports.clone())
    }

    fn one_way_sees(&self) -> Vec<(String, Vec<u8>)> {
        files(&self.home.path().join("reports"), true)
    }

    fn sees(&self) -> Vec<(String, Vec<u8>)> {
        files(&self.below("out"), false)
    }

    fn half_written(&self) -> usize {
        let parts = fs::read_dir(self.below("out/.kith"));
        parts.map_or(0, Iterator::count)
    }

    fn receipts(&self) -> Vec<(String, Vec<u8>)> {
        files(&self.below("out/receipts"), false)
    }

    fn returns(&self) -> Vec<String> {
        let files = files(&self.below("in"), false);
        files.into_iter().map(|(name, _)| name).collect()
    }

    fn done(&self) -> Vec<(String, Vec<u8>)> {
        files(&self.below("in/done"), false)
    }

    fn refused(&self) -> Vec<(String, Vec<u8>)> {
        files(&self.below("in/refused"), false)
    }

    fn fetches(&self, name: &str) {
        fs::remove_file(self.below("out").join(name)).unwrap();
    }

    fn lays(&self, name: &str, content: &[u8]) {
        fs::write(self.below("out").join(name), content).unwrap();
    }

    fn puts_after(&self, name: &str, content: &[u8], seconds: u32) {
        // As a copy does it: written beside, then moved over what was there.
        let beside = self.home.path().join("being-copied");
        fs::write(&beside, content).unwrap();
        let modified = UNIX_EPOCH + Duration::from_secs(MODIFIED_SECONDS + u64::from(seconds));
        let opened = OpenOptions::new().write(true).open(&beside).unwrap();
        opened.set_modified(modified).unwrap();
        fs::rename(&beside, self.below("in").join(name)).unwrap();
    }

    fn links(&self, name: &str) {
        let elsewhere = self.home.path().join("elsewhere");
        fs::write(&elsewhere, b"what lies elsewhere").unwrap();
        let link = self.below("in").join(name);
        drop(fs::remove_file(&link));
        symlink(elsewhere, link).unwrap();
    }

    fn puts_a_folder(&self, name: &str) {
        fs::create_dir(self.below("in").join(name)).unwrap();
    }

    fn stands_since(&self, name: &str) -> i64 {
        let found = fs::symlink_metadata(self.below("in").join(name)).unwrap();
        found.ctime() * 1_000_000 + found.ctime_nsec() / 1_000
    }

    fn grows(&self, name: &str, content: &[u8]) {
        fs::write(self.below("in/done").join(name), content).unwrap();
    }

    fn acknowledges(&self, _name: &str) -> bool {
        false
    }

    fn fails(&self, name: &str) {
        self.fetches(name);
        fs::create_dir(self.below("out").join(name)).unwrap();
    }

    fn died(&self, drop: &OutgoingDrop, at: Died) {
        if at == Died::BeforeTheName {
            let part = self.below("out/.kith").join(format!("{}.part", drop.name));
            let half = drop.bytes.get(..drop.bytes.len() / 2).unwrap();
            return fs::write(part, half).unwrap();
        }
        self.lays(&drop.name, &drop.bytes);
        if at == Died::AfterTheManifest {
            self.lays(&drop.manifest_name, &drop.manifest);
        }
    }

    fn loses_an_answer(&self, _arrives: bool) -> bool {
        false
    }

    fn in_trouble(&self, trouble: Option<Trouble>) {
        let away = self.home.path().join("unmounted");
        if trouble == Some(Trouble::Gone) {
            fs::rename(self.below(""), &away).unwrap();
        } else if away.exists() {
            fs::rename(&away, self.below("")).unwrap();
        }
        for transport in [&self.transport, &self.reports] {
            transport.refuses(|refused| {
                refused.read_only = trouble == Some(Trouble::ReadOnly);
                refused.room = match trouble {
                    Some(Trouble::Full { after }) => Some(after),
                    _ => None,
                };
            });
        }
    }

    fn paths(&self) -> Vec<String> {
        vec![self.home.path().to_str().unwrap().to_owned()]
    }
}
