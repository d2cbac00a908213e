//! `pull = { kind = "bulk", … }`: whose records a server exports for us, and how long we wait for them.

use super::server_address::read_base_url;
use crate::fhir::bulk::Level;
use crate::toml_reader::TableReader;

/// A pull by Bulk Data export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bulk {
    pub(crate) base_url: String,
    pub(crate) level: Level,
    /// How long before the end of the last export the next one begins; 10.
    pub(crate) overlap_minutes: i64,
    /// How long a run waits for an export to be made before it leaves it to the next run; 60.
    pub(crate) wait_minutes: u64,
    /// Addresses that name another host are taken on the server's own; off.
    pub(crate) rebase_links: bool,
    /// Further hosts, beside the server's own, on which files of an export may lie; in small letters.
    pub(crate) file_hosts: Vec<String>,
    /// Whether the server is asked to leave out requests with other codes.
    pub(crate) type_filter: bool,
}

pub(super) fn read_bulk(table: &TableReader<'_>) -> Bulk {
    Bulk {
        base_url: read_base_url(table, &table.text("base_url")),
        level: read_level(table),
        overlap_minutes: table.whole("overlap_minutes", 0..=1_440).unwrap_or(10),
        wait_minutes: table.whole("wait_minutes", 1..=1_440).unwrap_or(60),
        rebase_links: table.flag("rebase_links", false),
        file_hosts: read_file_hosts(table),
        type_filter: table.flag("type_filter", true),
    }
}

/// Names of hosts, without scheme, port or path.
fn read_file_hosts(table: &TableReader<'_>) -> Vec<String> {
    let mut hosts = Vec::new();
    for host in table.texts("file_hosts") {
        let lawful = !host.value.is_empty()
            && host.value.len() <= 253
            && host
                .value
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte));
        if lawful {
            hosts.push(host.value.to_ascii_lowercase());
        } else {
            let rule = "names of hosts, such as \"files.gp.example\", without scheme, port or path";
            table.bad_value("file_hosts", rule, &host.place);
        }
    }
    hosts
}

/// The level as written; a group alone says enough.
fn read_level(table: &TableReader<'_>) -> Level {
    let level = table.word(
        "level",
        &["system", "patient", "group"].map(|word| (word, word)),
    );
    let group = table.opt_text("group");
    if let Some(id) = &group {
        let lawful = (1..=64).contains(&id.value.len())
            && id
                .value
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte));
        if !lawful {
            table.bad_value(
                "group",
                "the id of a Group: 1 to 64 letters, digits, - and .",
                &id.place,
            );
        }
    }
    match (level.map(|at| at.value), group) {
        (None | Some("group"), Some(id)) => Level::Group(id.value.to_owned()),
        (Some(_), Some(id)) => {
            table.bad_value("group", "left out unless level = \"group\"", &id.place);
            Level::System
        }
        (Some("group"), None) => {
            table.missing("group");
            Level::System
        }
        (Some("patient"), None) => Level::Patient,
        (_, None) => Level::System,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Pull};

    const REST: &str = r#"
[store]
url = "sqlite://var/kith.db"
[seal]
key = { file = "var/seal.key" }
[[commissioner]]
id = "icb"
name = "Example ICB"
report = { transport = "local" }
[[transport]]
id = "local"
kind = "folder"
path = "var/partners/{partner}"
[retain]
person_years = 8
[[source]]
id = "hilltop"
name = "Hilltop Surgery"
ods_code = "ZZ001"
commissioner = "icb"
push = { kind = "off" }
safety = [{ name = "Duty lead", email = "duty@example.org" }]
"#;

    /// The pull of these keys, or the codes of what is wrong with them.
    fn read(keys: &str) -> Result<Bulk, Vec<&'static str>> {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("config");
        std::fs::create_dir(&folder).unwrap();
        let file = folder.join("kith.toml");
        let text = format!(
            "namespace = \"https://kith.example\"{REST}pull = {{ kind = \"bulk\", {keys} }}\n"
        );
        crate::sheet::write_atomically(&file, text.as_bytes(), 0o600).unwrap();
        let loaded = Config::load(&file, &|_| None).map_err(|found| {
            found
                .iter()
                .map(|one| one.code().text())
                .collect::<Vec<_>>()
        })?;
        match &loaded.config.sources[0].pull {
            Pull::Bulk(bulk) => Ok(bulk.clone()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_group_alone_says_the_level_and_every_key_has_its_bounds() {
        let url = r#"base_url = "https://gp.example/fhir/""#;
        let usual = read(url).unwrap();
        assert_eq!(usual.base_url, "https://gp.example/fhir");
        assert_eq!(usual.level, Level::System);
        assert_eq!((usual.overlap_minutes, usual.wait_minutes), (10, 60));
        assert!(usual.type_filter && !usual.rebase_links && usual.file_hosts.is_empty());
        let elsewhere = read(&format!(
            r#"{url}, file_hosts = ["Files.gp.example", "s3"]"#
        ));
        assert_eq!(elsewhere.unwrap().file_hosts, ["files.gp.example", "s3"]);
        let level = |keys: &str| read(&format!("{url}, {keys}")).map(|bulk| bulk.level);
        assert_eq!(
            level(r#"group = "p-1""#),
            Ok(Level::Group("p-1".to_owned()))
        );
        let both = level(r#"level = "group", group = "p.1""#);
        assert_eq!(both, Ok(Level::Group("p.1".to_owned())));
        assert_eq!(level(r#"level = "patient""#), Ok(Level::Patient));
        for wrong in [
            r#"level = "group""#,
            r#"level = "patient", group = "p""#,
            r#"group = "a/b""#,
            r#"level = "practice""#,
            "wait_minutes = 0",
            "overlap_minutes = 2000",
            "every_minutes = 5",
            r#"file_hosts = ["https://files.gp.example"]"#,
            r#"file_hosts = ["*"]"#,
            r#"file_hosts = "files.gp.example""#,
        ] {
            assert!(level(wrong).is_err(), "{wrong}");
        }
    }
}
