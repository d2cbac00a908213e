//! Where files are exchanged: `[[transport]]`, and the commissioners who get reports: `[[commissioner]]`.

use std::path::{Component, Path, PathBuf};

use super::{Surroundings, read_id};
use crate::diagnostics::Code;
use crate::toml_reader::{At, Problems, TableReader};

/// A folder in which files are exchanged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Transport {
    pub(crate) id: String,
    /// May hold `{partner}`.
    path: PathBuf,
    /// Mode of the files that are put there.
    pub(crate) mode: u32,
}

/// Mode of drops, receipts and reports where `mode` says nothing: a group may read.
const MODE: u32 = 0o640;

impl Transport {
    /// The folder of a partner: `out/` and `in/` lie below it.
    pub(crate) fn folder(&self, partner: &str) -> PathBuf {
        PathBuf::from(self.path.to_string_lossy().replace("{partner}", partner))
    }

    /// The folder of a transport that belongs to nobody in particular, as a report's.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether each partner has a folder of its own.
    pub(crate) fn per_partner(&self) -> bool {
        self.path.to_string_lossy().contains("{partner}")
    }
}

/// Who pays and gets the report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Commissioner {
    pub(crate) id: String,
    pub(crate) name: String,
    /// Id of the transport in whose folder reports lie.
    pub(crate) report_transport: Option<String>,
}

pub(super) fn read_transports(root: &TableReader<'_>, around: &Surroundings<'_>) -> Vec<Transport> {
    let mut transports: Vec<Transport> = Vec::new();
    for table in root.tables("transport") {
        let id = read_id(
            &table,
            "transport",
            transports.iter().map(|known| known.id.as_str()),
        );
        table.needs("kind");
        let kinds = ["folder", "sftp", "s3", "mesh", "email"].map(|kind| (kind, kind));
        if let Some(kind) = table.word("kind", &kinds)
            && kind.value != "folder"
        {
            table.not_yet_at(&format!("kind = \"{}\"", kind.value), &kind.place);
            table.forgive();
            table.finish();
            continue;
        }
        let path = table.text("path");
        let climbs = Path::new(path.value)
            .components()
            .any(|part| part == Component::ParentDir);
        let left = path.value.replace("{partner}", "");
        if climbs || left.contains(['{', '}']) {
            table.bad_value(
                "path",
                "a folder without .., and with no placeholder but {partner}",
                &path.place,
            );
        }
        transports.push(Transport {
            id,
            path: around.resolve(path.value),
            mode: read_mode(&table),
        });
        table.finish();
    }
    transports
}

/// `mode = "0640"`: the owner may read and write, and nobody may do what the owner may not.
fn read_mode(table: &TableReader<'_>) -> u32 {
    let Some(said) = table.opt_text("mode") else {
        return MODE;
    };
    let digits = said.value.len() == 4 && said.value.bytes().all(|digit| digit.is_ascii_digit());
    let mode = u32::from_str_radix(said.value, 8).ok();
    let lawful = |mode: &u32| digits && mode & 0o600 == 0o600 && mode & !0o666 == 0;
    mode.filter(lawful).unwrap_or_else(|| {
        let rule = "four octal digits such as \"0640\": 06 for the owner, then what group and others may read and write";
        table.bad_value("mode", rule, &said.place);
        MODE
    })
}

pub(super) fn read_commissioners(
    root: &TableReader<'_>,
    transports: &[Transport],
) -> Vec<Commissioner> {
    let mut commissioners: Vec<Commissioner> = Vec::new();
    for table in root.tables("commissioner") {
        let id = read_id(
            &table,
            "commissioner",
            commissioners.iter().map(|known| known.id.as_str()),
        );
        let report_transport = table.opt_table("report").map(|report| {
            let transport = report.text("transport");
            if !transport.value.is_empty()
                && !transports.iter().any(|known| known.id == transport.value)
            {
                unknown_transport(&transport, transports, report.problems());
            }
            report.finish();
            transport.value.to_owned()
        });
        if let Some(said) = table.word("operations", &[("exact", true), ("rounded", false)])
            && !said.value
        {
            table.not_yet_at("operations = \"rounded\"", &said.place);
        }
        table.not_yet("safety");
        commissioners.push(Commissioner {
            id,
            name: table.string("name"),
            report_transport,
        });
        table.finish();
    }
    commissioners
}

/// Notes CFG-008 with the nearest transport.
pub(super) fn unknown_transport(id: &At<&str>, transports: &[Transport], problems: &Problems) {
    let what = format!("transport \"{}\" is not configured", id.value);
    let known = transports.iter().map(|known| known.id.as_str());
    problems.add_unknown(Code::UnknownId, what, id, known);
}
