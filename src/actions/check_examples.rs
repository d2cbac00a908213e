//! `kith check --fixtures`: each partner's own example rows, kept beside its file.
//!
//! In: `mappings/partners/ID.examples/NAME.ndjson` (FHIR, made-up people) and `NAME.csv`, the rows that the partner should
//! get of it in its own layout. Out: a diagnostic for each cell, row or header that comes out otherwise, with line and
//! column of the CSV. A NAME that begins with a day, `2026-11-23`, is decided as of that day. Values are not told, only
//! their shape: an example might be somebody after all.

use std::path::{Path, PathBuf};

use jiff::civil::Date;

use super::compare_partner_files::{DryRun, FileMapper, Folder, shape};
use crate::config::Config;
use crate::diagnostics::{Code, Diagnostic, Place, more_diagnostics};
use crate::domain::limits::{EXAMPLE_BYTES_MAX, EXAMPLES_MAX};
use crate::partner::{Partner, Rules};
use crate::sheet::{ReadLimits, Sheet, read, unescape};
use crate::toml_reader::bytes_within;

/// What was looked at.
#[derive(Debug, Default)]
pub(crate) struct Examples {
    pub(crate) files: usize,
    pub(crate) rows: usize,
    pub(crate) problems: Vec<Diagnostic>,
}

/// Checks the examples of every partner.
pub(crate) fn check(config: &Config, rules: &Rules) -> Examples {
    let mut examples = Examples::default();
    for partner in &rules.partners {
        let folder = config
            .mappings
            .join(format!("partners/{}.examples", partner.id));
        for input in inputs(&folder) {
            examples.files += 1;
            let shown = |file: &Path| {
                let name = file.file_name().unwrap_or_default().to_string_lossy();
                format!("mappings/partners/{}.examples/{name}", partner.id)
            };
            let csv = input.with_extension("csv");
            let mut one = Example {
                partner,
                input: shown(&input),
                csv: shown(&csv),
                examples: &mut examples,
            };
            one.check(config, rules, &input, &csv);
        }
    }
    let diagnostics_max = config.limits.diagnostics_max;
    let more = examples.problems.len().saturating_sub(diagnostics_max);
    examples.problems.truncate(diagnostics_max);
    let more = u64::try_from(more).unwrap_or(u64::MAX);
    examples.problems.extend(more_diagnostics(more));
    examples
}

/// FHIR files of a folder, sorted; a folder that is not there has none.
fn inputs(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut files: Vec<PathBuf> = entries
        .take(EXAMPLES_MAX)
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| {
            path.extension()
                .is_some_and(|end| end == "ndjson" || end == "json")
        })
        .collect();
    files.sort();
    files
}

/// The rows expected of an example.
fn expected_rows(csv: &Path) -> Result<Sheet, String> {
    let bytes = bytes_within(csv, EXAMPLE_BYTES_MAX).map_err(|error| error.to_string())?;
    read(&bytes, &ReadLimits::default()).map_err(|error| error.to_string())
}

/// One example: FHIR and the rows expected of it.
struct Example<'a> {
    partner: &'a Partner,
    input: String,
    csv: String,
    examples: &'a mut Examples,
}

/// A row that came out, and where its referral lies.
struct Came {
    cells: Vec<String>,
    place: String,
}

impl Example<'_> {
    fn check(&mut self, config: &Config, rules: &Rules, input: &Path, csv: &Path) {
        let (came, left) = match self.rows(config, rules, input) {
            Ok(rows) => rows,
            Err(what) => return self.differs(what, Place::file(self.input.as_str())),
        };
        match expected_rows(csv) {
            Ok(expected) => self.compare(&expected, &came, &left),
            Err(what) => self.differs(
                format!("the expected rows cannot be read: {what}"),
                Place::file(self.csv.as_str()),
            ),
        }
    }

    fn differs(&mut self, what: impl Into<String>, place: Place) {
        let diagnostic = Diagnostic::new(Code::ExampleDiffers, what, place);
        self.examples.problems.push(diagnostic);
    }

    /// The rows of an input, in its order, and why there is none of the others.
    fn rows(
        &mut self,
        config: &Config,
        rules: &Rules,
        input: &Path,
    ) -> Result<(Vec<Came>, Vec<String>), String> {
        let temporary = config.home.join("var/tmp");
        let folder =
            Folder::open(input, &temporary, &config.limits).map_err(|error| error.to_string())?;
        let problems = folder.diagnostics().into_iter();
        self.examples.problems.extend(problems);
        let mapper = FileMapper::new(config, day_of(input));
        let (mut came, mut left) = (Vec::new(), Vec::new());
        for index in 0..folder.len() {
            let made = mapper
                .made(&folder, index, &[(rules, self.partner)])
                .map_err(|error| error.kind().to_string())?;
            let Some(made) = made.and_then(|mut made| made.pop()) else {
                continue;
            };
            let place = folder.location(index).text();
            match made {
                DryRun::Row(cells) => came.push(Came { cells, place }),
                DryRun::Held(reason, detail) => {
                    left.push(format!("{place}: held {} {detail}", reason.code()));
                }
                DryRun::Undecided(reason) | DryRun::Ended(reason) => {
                    left.push(format!("{place}: not sent {}", reason.code()));
                }
                DryRun::Elsewhere => left.push(format!("{place}: not sent ")),
            }
        }
        self.examples.rows += came.len();
        Ok((came, left))
    }

    fn compare(&mut self, expected: &Sheet, came: &[Came], left: &[String]) {
        let headers: Vec<&str> = self
            .partner
            .deliver
            .columns
            .iter()
            .map(|column| column.header.as_str())
            .collect();
        let at = |line: u64, column: usize, file: &str| {
            let column = u64::try_from(column).unwrap_or(u64::MAX).saturating_add(1);
            Place::file(file).line(line).column(column)
        };
        let file = self.csv.clone();
        let width = headers.len().max(expected.header.len());
        let mut same = true;
        for column in 0..width {
            let (ours, theirs) = (headers.get(column), expected.header.get(column));
            if ours.copied() != theirs.map(String::as_str) {
                same = false;
                let none = "no column";
                let what = format!(
                    "the partner file has {} here, the example {}",
                    ours.unwrap_or(&none),
                    theirs.map_or(none, String::as_str)
                );
                self.differs(what, at(expected.header_line, column, &file));
            }
        }
        // Under another header every cell would differ: one fault, said once.
        if !same {
            return;
        }
        for (row, came) in expected.rows().zip(came) {
            for (column, (header, cell)) in headers.iter().zip(&came.cells).enumerate() {
                let wanted = row.cell(column);
                if wanted != cell && unescape(wanted) != cell.as_str() {
                    let what = format!(
                        "\"{header}\" comes out as {} where the example has {}",
                        shape(cell),
                        shape(wanted)
                    );
                    let place = at(row.line(), column, &file).and(came.place.clone());
                    self.differs(what, place);
                }
            }
        }
        let why = left
            .first()
            .map_or_else(String::new, |left| format!("; {left}"));
        for row in expected.rows().skip(came.len()) {
            let what = format!("the example has a row that does not come out{why}");
            self.differs(what, at(row.line(), 0, &file));
        }
        for came in came.iter().skip(expected.row_count()) {
            let what = "a row comes out that the example does not have";
            self.differs(what, Place::file(file.as_str()).and(came.place.clone()));
        }
    }
}

/// The day that an example's name begins with, else today.
fn day_of(input: &Path) -> Date {
    let name = input.file_stem().unwrap_or_default().to_string_lossy();
    let named = name.get(..10).and_then(|day| day.parse().ok());
    named.unwrap_or_else(|| {
        crate::domain::Clock::now(&crate::domain::clock::SystemClock).london_day()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::limits;

    #[test]
    fn a_partner_has_no_more_examples_than_are_read() {
        limits::holds_at(EXAMPLES_MAX, |files| {
            let home = tempfile::tempdir().unwrap();
            for number in 0..files {
                std::fs::File::create(home.path().join(format!("{number}.json"))).unwrap();
            }
            inputs(home.path()).len() == files
        });
    }

    #[test]
    fn expected_rows_have_no_more_bytes_than_are_read() {
        let home = tempfile::tempdir().unwrap();
        let csv = home.path().join("a.csv");
        let line = format!("{}\n", "x".repeat(16_383));
        limits::holds_at(EXAMPLE_BYTES_MAX, |bytes| {
            let bytes = usize::try_from(bytes).unwrap();
            let mut text = "Name\n".to_owned();
            text.push_str(&line.repeat(bytes / line.len() + 1));
            text.truncate(bytes);
            std::fs::write(&csv, text).unwrap();
            expected_rows(&csv).is_ok()
        });
    }
}
