//! `kith map --view`: FHIR in, the rows of a SQL on FHIR view out.

use std::io::{BufWriter, Read as _, Write};
use std::path::Path;

use anyhow::Context as _;

use super::{DONE, WAITS};
use crate::actions::map_folder::list_extracts;
use crate::tabular::{AtomicFile, Encoding, Format, Newline, QuoteRule, RowWriter};
use crate::view::{Resources, ViewDefinition};

/// Bytes of a view.
const VIEW_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// What tools that read tables expect; a spreadsheet opens it too. Formulas are escaped as everywhere.
const FORMAT: Format = Format {
    delimiter: b',',
    encoding: Encoding::Utf8,
    newline: Newline::Lf,
    quote: QuoteRule::Necessary,
};

pub(super) fn run(view: &Path, input: &Path, output: &str) -> anyhow::Result<u8> {
    let mut bytes = Vec::new();
    std::fs::File::open(view)
        .and_then(|file| file.take(VIEW_BYTES_MAX).read_to_end(&mut bytes))
        .with_context(|| format!("reading {}", view.display()))?;
    let compiled =
        ViewDefinition::read(&bytes).with_context(|| format!("in {}", view.display()))?;
    super::check_input(input)?;
    let mut resources = Resources::of(list_extracts(input)?);
    if output == "-" {
        let out = BufWriter::new(std::io::stdout().lock());
        write(&compiled, &mut resources, out)?.flush()?;
    } else {
        let path = Path::new(output);
        let file = AtomicFile::beside(path)?;
        write(&compiled, &mut resources, file)?.finish_unsynced(path, 0o640)?;
    }
    super::print_diagnostics(resources.problems());
    Ok(if resources.problems().is_empty() {
        DONE
    } else {
        WAITS
    })
}

fn write<W: Write>(view: &ViewDefinition, resources: &mut Resources, out: W) -> anyhow::Result<W> {
    let mut writer = RowWriter::new(out, FORMAT)?;
    writer.write_row(view.columns())?;
    resources.each(|resource, place| -> anyhow::Result<()> {
        if !view.is_of(resource) {
            return Ok(());
        }
        let rows = view.rows(resource).with_context(|| place.text())?;
        for row in rows {
            writer.write_row(&row)?;
        }
        Ok(())
    })?;
    Ok(writer.finish()?)
}
