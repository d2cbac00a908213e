//! `LibreOffice`, as the spreadsheet that a partner opens a drop with; `tests/run.sh` installs it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::process::{LIMIT, finish};
use super::table::{self, Layout, Table};

/// What the spreadsheet makes of a file.
pub(crate) struct Opened {
    /// Its cells as it shows them.
    pub(crate) table: Table,
    /// Its own document, in which a formula would be marked.
    pub(crate) document: String,
}

/// Opens a file with the import options of its layout, types guessed as a double click would, and looks at what came of it.
pub(crate) fn open(path: &Path, layout: Layout) -> Opened {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let input = folder.path().join("in.csv");
    fs::copy(path, &input).expect("the drop can be copied");
    let character_set = if layout.windows_1252 { 1 } else { 76 };
    let import = format!(
        "CSV:{},34,{character_set},1,,2057,false,true",
        layout.delimiter
    );
    let out = folder.path().join("out");
    let inputs = [input];
    convert(folder.path(), &import, "fods", &inputs, &out);
    convert(
        folder.path(),
        &import,
        "csv:Text - txt - csv (StarCalc):44,34,76,1,,2057,false,true,false",
        &inputs,
        &out,
    );
    let bytes = fs::read(out.join("in.csv")).expect("the spreadsheet wrote its CSV");
    Opened {
        table: table::parse(
            &bytes,
            Layout {
                mark: false,
                ..Layout::COMMA
            },
        ),
        document: fs::read_to_string(out.join("in.fods"))
            .expect("the spreadsheet wrote its document"),
    }
}

/// How files are opened: cut at this sign, with the words, numbers and days of this language.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Opening {
    pub(crate) delimiter: u8,
    /// As Windows numbers it.
    pub(crate) language: u32,
}

/// English of the United Kingdom and of the United States.
pub(crate) const ENGLISH_UK: u32 = 2057;
pub(crate) const ENGLISH_US: u32 = 1033;

/// A spreadsheet that opens many files at a time, and one group after the other.
pub(crate) struct Spreadsheet(TempDir);

impl Spreadsheet {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder can be made"))
    }

    /// Its own document of each file, in the order of the files.
    pub(crate) fn open(&self, files: &[PathBuf], opening: Opening) -> Vec<String> {
        let Opening {
            delimiter,
            language,
        } = opening;
        let folder = self.0.path();
        let group = folder.join(format!("{language}-{delimiter}"));
        fs::create_dir_all(&group).expect("a folder can be made");
        let place = |number: usize, ending: &str| group.join(format!("{number}.{ending}"));
        let inputs: Vec<PathBuf> = (0..files.len())
            .map(|number| place(number, "csv"))
            .collect();
        for (file, input) in files.iter().zip(&inputs) {
            fs::copy(file, input).expect("a file can be copied");
        }
        let import = format!("CSV:{delimiter},34,76,1,,{language},false,true");
        convert(folder, &import, "fods", &inputs, &group);
        (0..files.len())
            .map(|number| fs::read_to_string(place(number, "fods")).expect("a document"))
            .collect()
    }
}

fn convert(folder: &Path, import: &str, format: &str, inputs: &[PathBuf], out: &Path) {
    let mut command = Command::new("soffice");
    command
        .arg(format!(
            "-env:UserInstallation=file://{}/profile",
            folder.display()
        ))
        .args(["--headless", "--norestore"])
        .arg(format!("--infilter={import}"))
        .args(["--convert-to", format])
        .arg("--outdir")
        .arg(out)
        .args(inputs);
    let output = finish(&mut command, LIMIT);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
