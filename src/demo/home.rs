//! The demo's folder: made new each time, with the config and mapping files that a site would write by hand.
//!
//! A path and the addresses of the two GP systems go in; a home folder that Kith can be opened on comes out. Invariant:
//! a folder that does not bear the demo's mark is never emptied.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use anyhow::{Context, bail};

use super::resources::{NAMESPACE, PRACTICES};
use super::services::To;
use crate::domain::{Entropy, Instant};
use crate::sheet::{Manifest, RowsByAction, write_atomically};

/// The mark: a file of this name.
const MARK: &str = ".kith-demo";
const MARK_TEXT: &[u8] = b"Made by `kith demo`, which empties this folder when it runs again.\n";
const MODE: u32 = 0o640;
const SECRET_MODE: u32 = 0o600;
/// Entries of one folder that are looked at.
const ENTRIES_MAX: usize = 10_000;
/// The stream of the demo's entropy from which its seal key is taken: far from those a run counts up.
const KEY_STREAM: u64 = u64::MAX;

const PARTNERS: [(To, &str); 4] = [
    (To::Riverside, include_str!("partners/riverside.toml")),
    (To::Debt, include_str!("partners/harbour-debt.toml")),
    (To::Gym, include_str!("partners/green-gym.toml")),
    (To::Link, include_str!("partners/hilltop-link.toml")),
];

/// The folder.
pub(super) struct Home(PathBuf);

impl Home {
    /// Makes the folder, or empties it if an earlier demo made it.
    ///
    /// # Errors
    /// The folder holds something else, or cannot be written.
    pub(super) fn prepare(dir: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(dir).context("making the demo's folder")?;
        let mark = dir.join(MARK);
        let entries = fs::read_dir(dir).context("listing the demo's folder")?;
        let paths: Vec<PathBuf> = entries
            .take(ENTRIES_MAX)
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<Result<_, _>>()?;
        if !paths.is_empty() && !mark.is_file() {
            bail!(
                "the folder {} holds files that kith demo did not make, so it is left alone\n  \
                 fix     name another folder: kith demo --dir DIR",
                dir.display()
            );
        }
        for path in paths.into_iter().filter(|path| *path != mark) {
            // A link is removed, never what it leads to.
            let folder = fs::symlink_metadata(&path).is_ok_and(|found| found.is_dir());
            if folder {
                fs::remove_dir_all(&path)
            } else {
                fs::remove_file(&path)
            }
            .context("emptying the demo's folder")?;
        }
        write_atomically(&mark, MARK_TEXT, MODE)?;
        Ok(Self(dir.to_path_buf()))
    }

    /// Writes config, mappings and key.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub(super) fn furnish(&self, base_urls: &[String; 2], entropy: &Entropy) -> anyhow::Result<()> {
        for folder in ["config", "mappings/partners", "var"] {
            fs::create_dir_all(self.0.join(folder)).context("making a folder of the demo")?;
        }
        write_atomically(&self.config(), config(base_urls).as_bytes(), MODE)?;
        for (to, text) in PARTNERS {
            write_atomically(
                &self.0.join(format!("mappings/partners/{}.toml", to.id())),
                text.as_bytes(),
                MODE,
            )?;
        }
        let key: [u8; 32] = entropy.stream(KEY_STREAM).bytes();
        write_atomically(&self.0.join("var/seal.key"), &key, SECRET_MODE)?;
        Ok(())
    }

    /// The config file.
    pub(super) fn config(&self) -> PathBuf {
        self.0.join("config/kith.toml")
    }

    /// A partner's drops.
    pub(super) fn out(&self, to: To) -> PathBuf {
        self.0.join(format!("var/partners/{}/out", to.id()))
    }

    /// Puts a file where a partner puts it; it bears the time at which the script has it written.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub(super) fn send_in(
        &self,
        to: To,
        (name, bytes): (&str, &[u8]),
        written: Instant,
    ) -> anyhow::Result<()> {
        let folder = self.0.join(format!("var/partners/{}/in", to.id()));
        fs::create_dir_all(&folder).context("making a partner's folder")?;
        let path = folder.join(name);
        write_atomically(&path, bytes, MODE)?;
        let micros = u64::try_from(written.0).context("a time before 1970")?;
        let file = fs::OpenOptions::new().write(true).open(&path)?;
        file.set_modified(UNIX_EPOCH + Duration::from_micros(micros))?;
        Ok(())
    }

    /// Rows sent so far to each partner, by what they ask, as the manifests say.
    ///
    /// # Errors
    /// A manifest cannot be read.
    pub(super) fn rows_sent(&self) -> anyhow::Result<BTreeMap<To, RowsByAction>> {
        let mut sent = BTreeMap::new();
        for to in To::ALL {
            let mut sum = RowsByAction::default();
            for name in self.names(&format!("var/partners/{}/out", to.id()), ".manifest.json") {
                let bytes = fs::read(self.0.join(&name)).context("reading a manifest")?;
                let rows = serde_json::from_slice::<Manifest>(&bytes)
                    .context("reading a manifest")?
                    .rows;
                sum.new += rows.new;
                sum.amend += rows.amend;
                sum.stop += rows.stop;
                sum.pause += rows.pause;
            }
            sent.insert(to, sum);
        }
        Ok(sent)
    }

    /// Files of a folder with this ending, relative to home, in order; none if the folder is not there.
    pub(super) fn names(&self, folder: &str, ending: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.0.join(folder)) else {
            return Vec::new();
        };
        let named = entries
            .take(ENTRIES_MAX)
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned());
        let mut names: Vec<String> = named
            .filter(|name| name.ends_with(ending))
            .map(|name| format!("{folder}/{name}"))
            .collect();
        names.sort();
        names
    }

    /// A path as seen from home.
    pub(super) fn relative(&self, path: &Path) -> String {
        let inside = path.strip_prefix(&self.0).map(Path::to_path_buf);
        let resolved = || {
            path.canonicalize()
                .ok()?
                .strip_prefix(self.0.canonicalize().ok()?)
                .ok()
                .map(Path::to_path_buf)
        };
        inside
            .ok()
            .or_else(resolved)
            .unwrap_or_else(|| path.to_path_buf())
            .display()
            .to_string()
    }
}

fn config(base_urls: &[String; 2]) -> String {
    let mut text = format!(
        r#"# The deployment of the demo, written by `kith demo`. What is agreed with each partner is in mappings/partners.
namespace = "{NAMESPACE}"
[store]
url = "sqlite://var/kith.db"
[seal]
key = {{ file = "var/seal.key" }}
[routing]
unnamed = "link-worker"
[retain]
person_years = 8
[[transport]]
id = "local"
kind = "folder"
path = "var/partners/{{partner}}"
[[transport]]
id = "reports"
kind = "folder"
path = "var/reports"
[[commissioner]]
id = "icb"
name = "Example ICB"
report = {{ transport = "reports" }}
"#
    );
    for (practice, base_url) in PRACTICES.iter().zip(base_urls) {
        let (source, name, ods_code) = (practice.source, practice.name, practice.ods_code);
        let section = format!(
            r#"[[source]]
id = "{source}"
name = "{name}"
ods_code = "{ods_code}"
commissioner = "icb"
registered_patients = 9000
pull = {{ kind = "search", base_url = "{base_url}" }}
push = {{ kind = "fhir" }}
auth = {{ kind = "none" }}
safety = [{{ name = "Duty lead", email = "duty@{source}.example" }}]
"#
        );
        text.push_str(&section);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_folder_with_the_mark_is_emptied() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("demo");
        Home::prepare(&dir).unwrap();
        fs::create_dir(dir.join("var")).unwrap();
        write_atomically(&dir.join("var/old"), b"old", MODE).unwrap();
        Home::prepare(&dir).unwrap();
        assert!(!dir.join("var").exists());

        let other = folder.path().join("letters");
        fs::create_dir(&other).unwrap();
        write_atomically(&other.join("letter.txt"), b"dear", MODE).unwrap();
        let refused = Home::prepare(&other)
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default();
        assert!(
            refused.contains("left alone") && refused.contains("--dir"),
            "{refused}"
        );
        assert!(other.join("letter.txt").exists());
    }

    #[test]
    fn a_link_in_the_folder_is_removed_and_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("demo");
        Home::prepare(&dir).unwrap();
        let kept = folder.path().join("kept");
        fs::create_dir(&kept).unwrap();
        write_atomically(&kept.join("letter.txt"), b"dear", MODE).unwrap();
        std::os::unix::fs::symlink(&kept, dir.join("link")).unwrap();
        Home::prepare(&dir).unwrap();
        assert!(kept.join("letter.txt").exists());
    }

    #[test]
    fn the_mapping_files_and_the_config_can_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::prepare(&folder.path().join("demo")).unwrap();
        let urls = ["http://127.0.0.1:1/fhir", "http://127.0.0.1:2/fhir"].map(str::to_owned);
        home.furnish(&urls, &Entropy::from_seed([7; 32])).unwrap();
        let loaded = crate::partner::Rules::load(
            &folder.path().join("demo/mappings"),
            &crate::domain::Limits::default(),
        );
        let (rules, warnings) = loaded.unwrap_or_else(|problems| panic!("{problems:#?}"));
        let ids: Vec<&str> = rules
            .partners
            .iter()
            .map(|partner| partner.id.as_str())
            .collect();
        assert_eq!(
            ids,
            ["green-gym", "harbour-debt", "hilltop-link", "riverside"]
        );
        assert!(warnings.iter().all(|warning| !warning.fatal()));
        for to in To::ALL {
            let partner = rules.partner(to.id()).unwrap();
            assert_eq!(
                (partner.name.as_str(), partner.identifier.value.as_str()),
                (to.name(), to.ods_code())
            );
        }
        let config = crate::config::Config::load(&home.config(), &|_| None);
        let config = config
            .unwrap_or_else(|problems| panic!("{problems:#?}"))
            .config;
        assert!(
            config
                .check_rules(&rules)
                .iter()
                .all(|problem| !problem.fatal())
        );
        assert_eq!(config.sources.len(), 2);
    }
}
