//! What Kith lays into a folder: drops, receipts, reports; and what became of a drop.

use std::io::Read as _;

use rustix::fs::FileType;

use super::incoming::read_to;
use super::opened::{OpenedFolder, Renamed};
use super::{ENTRIES_MAX, FolderLayout, NUMBERS_MAX, OpenFolder, Out};
use crate::transport::file_name::receipt_stem;
use crate::transport::{
    DropOutcome, OutgoingDrop, OutgoingFile, PartnerFileName, Published, Receipt, TransportError,
    check_own_name, failed,
};

/// The ending of files being written.
const PART: &str = ".part";

impl OpenFolder {
    pub(super) fn sweep(&self) -> Result<(), TransportError> {
        let out = self.out()?;
        let parts = out.parts();
        for name in parts.names()?.take(ENTRIES_MAX) {
            let name = name?;
            let hidden = self.layout == FolderLayout::Partner || name.to_bytes().starts_with(b".");
            if let Ok(name) = name.to_str()
                && hidden
                && name.ends_with(PART)
            {
                parts.remove(name)?;
            }
        }
        Ok(())
    }

    pub(super) fn publish(&self, drop: &OutgoingDrop) -> Result<Published, TransportError> {
        let out = self.out()?;
        for name in [&drop.name, &drop.manifest_name] {
            check_own_name(name, self.capabilities(), out.folder.called)?;
        }
        // The manifest comes last, so its presence says that the file once was there: writing that again would send it a second time.
        if out.folder.facts(&drop.manifest_name)?.is_some() {
            self.write(&out, &out.folder, &drop.manifest_name, &drop.manifest)?;
            return Ok(Published::Before);
        }
        self.write(&out, &out.folder, &drop.name, &drop.bytes)?;
        self.write(&out, &out.folder, &drop.manifest_name, &drop.manifest)?;
        Ok(Published::Now)
    }

    pub(super) fn fate(&self, name: &str) -> Result<DropOutcome, TransportError> {
        let out = match self.out() {
            Ok(out) => out.folder,
            // A folder that is not there has not been emptied by a partner.
            Err(TransportError::Gone { .. }) => return Ok(DropOutcome::CannotSay),
            Err(error) => return Err(error),
        };
        check_own_name(name, self.capabilities(), out.called)?;
        Ok(match out.facts(name)? {
            Some(found) if found.kind == FileType::RegularFile => DropOutcome::Waits,
            Some(_) => DropOutcome::Failed {
                why: "a link, folder or device has the name of a drop",
            },
            None => DropOutcome::Gone,
        })
    }

    pub(super) fn reread(
        &self,
        name: &str,
        file_size_bytes_max: u64,
    ) -> Result<Option<Vec<u8>>, TransportError> {
        let out = self.out()?.folder;
        check_own_name(name, self.capabilities(), out.called)?;
        let Some((file, found)) = out.read(name)? else {
            return Ok(None);
        };
        let too_large = TransportError::TooLarge {
            folder: out.called,
            file_size_bytes_max,
        };
        if found.bytes > file_size_bytes_max {
            return Err(too_large);
        }
        let bytes = read_to(&file, found.bytes, out.called)?;
        if bytes.len() as u64 > file_size_bytes_max {
            return Err(too_large);
        }
        Ok(Some(bytes))
    }

    pub(super) fn replace(&self, files: &[OutgoingFile]) -> Result<(), TransportError> {
        let out = self.out()?;
        for file in files {
            for part in file.name.split('/') {
                check_own_name(part, self.capabilities(), out.folder.called)?;
            }
        }
        for file in files {
            let (folders, name) = file.name.rsplit_once('/').unwrap_or(("", &file.name));
            let mut within = self.out()?.folder;
            for folder in folders.split('/').filter(|folder| !folder.is_empty()) {
                within = within.make_below(folder, self.folder_mode(), "the folder")?;
            }
            let part = part_name(FolderLayout::LaidDown, name);
            within.write(&part, &file.bytes, self.file_mode)?;
            within.rename_over(&part, &within, name)?;
            within.sync()?;
        }
        Ok(())
    }

    pub(super) fn write_receipts(
        &self,
        of: &PartnerFileName,
        receipts: &[Receipt],
    ) -> Result<Vec<String>, TransportError> {
        if self.layout != FolderLayout::Partner {
            return Err(TransportError::NotOffered);
        }
        let out = self.out()?;
        let folder = Self::open_in(&out.folder, "receipts", "out/receipts")?;
        let stem = receipt_stem(of);
        // All forms of one receipt share a number, also when a run died between two of them.
        'numbers: for number in 1..=NUMBERS_MAX {
            let numbered = if number < 2 {
                stem.clone()
            } else {
                format!("{stem} ({number})")
            };
            let names: Vec<String> = receipts
                .iter()
                .map(|receipt| format!("{numbered}.{}", receipt.ending))
                .collect();
            for (name, receipt) in names.iter().zip(receipts) {
                check_own_name(name, self.capabilities(), folder.called)?;
                if folder.facts(name)?.is_some() && !holds(&folder, name, &receipt.bytes)? {
                    continue 'numbers;
                }
            }
            for (name, receipt) in names.iter().zip(receipts) {
                self.write(&out, &folder, name, &receipt.bytes)?;
            }
            return Ok(names);
        }
        Err(TransportError::NameTaken {
            folder: folder.called,
        })
    }

    /// Writes a file and gives it its name in a folder. The same file under that name is no error and is left as it is.
    fn write(
        &self,
        out: &Out,
        folder: &OpenedFolder,
        name: &str,
        bytes: &[u8],
    ) -> Result<(), TransportError> {
        if folder.facts(name)?.is_some() {
            return same_or_taken(folder, name, bytes);
        }
        let parts = out.parts();
        let part = part_name(self.layout, name);
        let identity = parts.write(&part, bytes, self.file_mode)?;
        match parts.rename(&part, folder, name) {
            Ok(Renamed::Yes) => {}
            Ok(Renamed::Taken) => {
                parts.remove(&part)?;
                return same_or_taken(folder, name, bytes);
            }
            Err(error) => {
                // Nothing can be done about a failure here; the sweep removes what is left.
                std::mem::drop(parts.remove(&part));
                return Err(error);
            }
        }
        // Whoever may write where it was made could have put another file there.
        let found = folder.facts(name)?;
        if found.is_none_or(|found| found.identity != identity) {
            return Err(TransportError::Changed {
                folder: folder.called,
            });
        }
        folder.sync()
    }
}

impl Out {
    /// Where files are written.
    fn parts(&self) -> &OpenedFolder {
        self.parts.as_ref().unwrap_or(&self.folder)
    }
}

fn part_name(layout: FolderLayout, name: &str) -> String {
    match layout {
        FolderLayout::Partner => format!("{name}{PART}"),
        FolderLayout::LaidDown => format!(".{name}{PART}"),
    }
}

fn same_or_taken(folder: &OpenedFolder, name: &str, bytes: &[u8]) -> Result<(), TransportError> {
    if holds(folder, name, bytes)? {
        Ok(())
    } else {
        Err(TransportError::NameTaken {
            folder: folder.called,
        })
    }
}

/// Whether a plain file holds these bytes; a link or anything else never does.
fn holds(folder: &OpenedFolder, name: &str, bytes: &[u8]) -> Result<bool, TransportError> {
    let (file, found) = match folder.read(name) {
        Ok(Some(read)) => read,
        Ok(None) | Err(TransportError::NotRegular { .. }) => return Ok(false),
        Err(error) => return Err(error),
    };
    if found.bytes != bytes.len() as u64 {
        return Ok(false);
    }
    let mut content = Vec::with_capacity(bytes.len());
    file.take(found.bytes + 1)
        .read_to_end(&mut content)
        .map_err(failed("reading a file", folder.called))?;
    Ok(content == bytes)
}
