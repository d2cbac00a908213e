//! `kith map --view`: FHIR in, the rows of a SQL on FHIR view out.

use std::io::{BufWriter, Read as _, Write};
use std::path::Path;

use anyhow::Context as _;

use super::{DONE, WAITS};
use crate::actions::map_folder::list_extracts;
use crate::domain::Limits;
use crate::sheet::{AtomicFile, Encoding, Format, Newline, QuoteRule, RowWriter};
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

pub(super) fn run(limits: &Limits, view: &Path, input: &Path, output: &str) -> anyhow::Result<u8> {
    let bytes =
        view_of(view, VIEW_BYTES_MAX).with_context(|| format!("reading {}", view.display()))?;
    let compiled =
        ViewDefinition::read(&bytes, limits).with_context(|| format!("in {}", view.display()))?;
    super::check_input(input)?;
    let mut resources = Resources::of(list_extracts(input)?, limits);
    if output == "-" {
        let out = BufWriter::new(std::io::stdout().lock());
        write(&compiled, &mut resources, out)?.flush()?;
    } else {
        let path = Path::new(output);
        let file = AtomicFile::beside(path)?;
        write(&compiled, &mut resources, file)?.finish_unsynced(path, 0o640)?;
    }
    let problems = resources.problems();
    super::print_diagnostics(&problems);
    Ok(if problems.is_empty() { DONE } else { WAITS })
}

/// The bytes of a view; one that is longer than it may be is refused, for the half of a view is another view.
fn view_of(view: &Path, bytes_max: u64) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut file = std::fs::File::open(view)?.take(bytes_max + 1);
    if u64::try_from(file.read_to_end(&mut bytes)?)? > bytes_max {
        anyhow::bail!("the view has more than {bytes_max} bytes: split it into several views");
    }
    Ok(bytes)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::limits;

    #[test]
    fn a_view_that_is_too_long_is_refused_not_cut() {
        let folder = tempfile::tempdir().unwrap();
        let view = folder.path().join("view.json");
        limits::holds_at(VIEW_BYTES_MAX, |bytes| {
            std::fs::write(&view, vec![b' '; usize::try_from(bytes).unwrap()]).unwrap();
            match view_of(&view, VIEW_BYTES_MAX) {
                Ok(read) => read.len() as u64 == bytes,
                Err(error) => {
                    assert!(error.to_string().contains("more than 4194304 bytes"));
                    false
                }
            }
        });
    }
}
