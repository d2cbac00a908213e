//! `LibreOffice`, as the spreadsheet that a partner opens a drop with; `tests/run.sh` installs it.

use std::fs;
use std::path::Path;
use std::process::Command;

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
    convert(folder.path(), &import, "fods", &input, &out);
    convert(
        folder.path(),
        &import,
        "csv:Text - txt - csv (StarCalc):44,34,76,1,,2057,false,true,false",
        &input,
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

fn convert(folder: &Path, import: &str, format: &str, input: &Path, out: &Path) {
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
        .args([out, input]);
    let output = finish(&mut command, LIMIT);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
