//! The resources of files and folders, one at a time: `.json`, `.ndjson` and their `.gz`, and the entries of Bundles.
//!
//! A file named `.ndjson` holds a resource a line, any other one JSON document. What cannot be read is noted with its
//! place and passed over.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::diagnostics::{Code, Diagnostic, KeptDiagnostics, Place};
use crate::domain::{Limits, how_to_raise};
use crate::json::{Arena, Json, items, nests_within};

/// Bytes of one JSON document: a Bundle is read whole.
const DOCUMENT_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Files of resources.
pub(crate) struct Resources {
    /// Name, for messages, and path.
    files: Vec<(String, PathBuf)>,
    problems: KeptDiagnostics,
    limits: Limits,
}

impl Resources {
    /// Those of these files, each with its name for messages, read within these limits.
    pub(crate) fn of(files: Vec<(String, PathBuf)>, limits: &Limits) -> Self {
        Self {
            files,
            problems: KeptDiagnostics::at_most(limits.diagnostics_max),
            limits: *limits,
        }
    }

    /// What was passed over.
    pub(crate) fn problems(&self) -> Vec<Diagnostic> {
        self.problems.all()
    }

    /// Shows every resource, in the order of the files, with its place.
    ///
    /// # Errors
    /// What the visitor says.
    pub(crate) fn each<E>(
        &mut self,
        mut visit: impl FnMut(&Json<'_>, &Place) -> Result<(), E>,
    ) -> Result<(), E> {
        for (name, file) in std::mem::take(&mut self.files) {
            let place = Place::file(name.clone());
            let mut reader = match open(&file, self.limits.bulk_file_bytes_max) {
                Ok(reader) => reader,
                Err(error) => {
                    self.note(format!("a file cannot be read: {}", error.kind()), place);
                    continue;
                }
            };
            if name.to_lowercase().contains(".ndjson") {
                self.lines(&mut reader, &name, &mut visit)?;
            } else {
                self.document(&mut reader, place, &mut visit)?;
            }
        }
        Ok(())
    }

    fn lines<E>(
        &mut self,
        reader: &mut ResourceReader,
        name: &str,
        visit: &mut impl FnMut(&Json<'_>, &Place) -> Result<(), E>,
    ) -> Result<(), E> {
        let line_bytes_max = self.limits.resource_bytes_max;
        let limit = u64::try_from(line_bytes_max).unwrap_or(u64::MAX) + 2;
        let mut line = Vec::new();
        let mut number = 0;
        loop {
            line.clear();
            number += 1;
            let place = Place::file(name).line(number);
            match reader.by_ref().take(limit).read_until(b'\n', &mut line) {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                Err(error) => {
                    self.note(format!("a file cannot be read: {}", error.kind()), place);
                    return Ok(());
                }
            }
            if line.trim_ascii().len() > line_bytes_max {
                let what = format!("a line is longer than {line_bytes_max} bytes");
                self.note(what, place);
                // What follows would be read as lines of its own.
                return Ok(());
            }
            if !line.trim_ascii().is_empty() {
                self.show(&line, place, visit)?;
            }
        }
    }

    fn document<E>(
        &mut self,
        reader: &mut ResourceReader,
        place: Place,
        visit: &mut impl FnMut(&Json<'_>, &Place) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut bytes = Vec::new();
        let read = reader.take(DOCUMENT_BYTES_MAX + 1).read_to_end(&mut bytes);
        if let Err(error) = read {
            self.note(format!("a file cannot be read: {}", error.kind()), place);
            return Ok(());
        }
        if u64::try_from(bytes.len()).is_ok_and(|length| length > DOCUMENT_BYTES_MAX) {
            let what = format!("a document is longer than {DOCUMENT_BYTES_MAX} bytes");
            self.note(what, place);
            return Ok(());
        }
        self.show(&bytes, place, visit)
    }

    /// Shows a resource, or those of a Bundle.
    fn show<E>(
        &mut self,
        bytes: &[u8],
        place: Place,
        visit: &mut impl FnMut(&Json<'_>, &Place) -> Result<(), E>,
    ) -> Result<(), E> {
        let depth_max = self.limits.json_depth_max;
        if !nests_within(bytes, depth_max) {
            let what = format!("a resource nests more than {depth_max} levels deep");
            let deep = Diagnostic::new(Code::Unreadable, what, place);
            self.add(deep.fix(how_to_raise("json_depth_max")));
            return Ok(());
        }
        let arena = Arena::default();
        let tree = match Json::parse(bytes, &arena) {
            Ok(tree) => tree,
            Err(error) => {
                let place = place.and(format!(
                    "line {}, column {} of the text",
                    error.line, error.column
                ));
                self.note(error.what, place);
                return Ok(());
            }
        };
        match tree.get("resourceType").and_then(Json::as_str) {
            None => {
                let what = "a document has no resourceType";
                self.add(Diagnostic::new(Code::NotAResource, what, place));
                Ok(())
            }
            Some("Bundle") => {
                visit(&tree, &place)?;
                for (index, entry) in items(tree.get("entry")).iter().enumerate() {
                    if let Some(resource) = entry.get("resource") {
                        visit(resource, &place.clone().and(format!("entry {}", index + 1)))?;
                    }
                }
                Ok(())
            }
            Some(_) => visit(&tree, &place),
        }
    }

    fn note(&mut self, what: impl Into<String>, place: Place) {
        self.add(Diagnostic::new(Code::Unreadable, what, place));
    }

    fn add(&mut self, problem: Diagnostic) {
        self.problems.add(problem);
    }
}

type ResourceReader = BufReader<Box<dyn Read>>;

fn open(path: &Path, bytes_max: u64) -> std::io::Result<ResourceReader> {
    let file = std::fs::OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.len() > bytes_max {
        return Err(std::io::ErrorKind::InvalidInput.into());
    }
    let packed = path
        .extension()
        .is_some_and(|ending| ending.eq_ignore_ascii_case("gz"));
    Ok(BufReader::with_capacity(
        1 << 20,
        unpacked(file, packed, bytes_max),
    ))
}

/// Fails once more has come out of a packed file than an extract may hold.
struct Limited<R> {
    reader: R,
    left: u64,
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.reader.read(buffer)?;
        match u64::try_from(read)
            .ok()
            .and_then(|read| self.left.checked_sub(read))
        {
            Some(left) => self.left = left,
            None => return Err(std::io::ErrorKind::FileTooLarge.into()),
        }
        Ok(read)
    }
}

fn unpacked(file: File, packed: bool, bytes_max: u64) -> Box<dyn Read> {
    if packed {
        Box::new(Limited {
            reader: flate2::read::MultiGzDecoder::new(file),
            left: bytes_max,
        })
    } else {
        Box::new(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::limits;

    #[test]
    fn a_line_is_no_longer_than_a_resource_may_be() {
        limits::holds_at(Limits::default().resource_bytes_max, |bytes| {
            let home = tempfile::tempdir().unwrap();
            let file = home.path().join("a.ndjson");
            let (start, end) = (r#"{"resourceType":"Basic","id":""#, "\"}");
            let filled = "x".repeat(bytes - start.len() - end.len());
            std::fs::write(&file, format!("{start}{filled}{end}\n")).unwrap();
            let mut shown = 0;
            let mut resources =
                Resources::of(vec![("a.ndjson".to_owned(), file)], &Limits::default());
            let visited = resources.each(|_, _| {
                shown += 1;
                Ok::<_, ()>(())
            });
            visited.is_ok() && shown == 1
        });
    }

    #[test]
    fn a_file_is_no_longer_than_an_extract_may_be() {
        limits::holds_at(Limits::default().bulk_file_bytes_max, |bytes| {
            let home = tempfile::tempdir().unwrap();
            let file = home.path().join("a.ndjson");
            // A file of holes: nothing of it takes a place on the disk.
            File::create(&file).unwrap().set_len(bytes).unwrap();
            open(&file, Limits::default().bulk_file_bytes_max).is_ok()
        });
    }
}
