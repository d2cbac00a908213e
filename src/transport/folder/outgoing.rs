//! What Kith lays into a folder: drops, receipts, reports; and what became of a drop.

use std::io::Read as _;

use rustix::fs::FileType;

use super::incoming::read_to;
use super::opened::{OpenedFolder, Renamed};
use super::{ENTRIES_MAX, FolderLayout, NUMBERS_MAX, OpenFolder, Out};
use crate::transport::file_name::receipt_stem;
use crate::transport::{
    Candidate, DropOutcome, OutgoingDrop, OutgoingFile, PartnerFileName, Published, Receipt,
    TransportError, check_own_name, failed,
};

/// The ending of files being written.
const PART: &str = ".part";
/// The ending of a file of ours that another one takes the place of: it is no unfinished file, and not swept.
const ASIDE: &str = ".before";

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
        if let Some(identity) = self.lay(&out, &out.folder, &drop.name, &drop.bytes)? {
            stands(&out.folder, &drop.name, identity).map_err(TransportError::half_out)?;
        }
        self.write(&out, &out.folder, &drop.manifest_name, &drop.manifest)
            .map_err(TransportError::half_out)?;
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

    /// A drop got its name before its manifest did: whatever changed one of them later was not we. What changed in the same
    /// tick of the clock may have been. A manifest that is gone says nothing.
    pub(super) fn touched(
        &self,
        drops: Vec<(String, String)>,
    ) -> Result<Vec<String>, TransportError> {
        let out = self.out()?.folder;
        let mut touched = Vec::new();
        for (name, manifest) in drops {
            check_own_name(&name, self.capabilities(), out.called)?;
            let Some(found) = out.facts(&name)? else {
                continue;
            };
            let last = out.facts(&manifest)?;
            let last = last.map_or(i128::MIN, |manifest| manifest.changed_nanos);
            if found.kind != FileType::RegularFile
                || found.changed_nanos.max(found.modified_nanos) >= last
            {
                touched.push(name);
            }
        }
        Ok(touched)
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

    /// Whatever has the name is taken aside first, and looked at there: nobody can write into it between the look and the step.
    pub(super) fn renew(
        &self,
        file: &OutgoingFile,
        before: Option<&[u8]>,
    ) -> Result<(), TransportError> {
        let out = self.out()?;
        let (folder, parts) = (&out.folder, out.parts());
        check_own_name(&file.name, self.capabilities(), folder.called)?;
        let aside = format!("{}{ASIDE}", file.name);
        // A run that died between the steps left it there: it has its name again.
        if parts.facts(&aside)?.is_some() {
            parts.rename(&aside, folder, &file.name)?;
        }
        let part = part_name(self.layout, &file.name);
        let identity = parts.write(&part, &file.bytes, self.file_mode)?;
        let named = Self::name_instead(&out, (&part, &aside), &file.name, before);
        if named.is_err() {
            // Nothing can be done about a failure here; the sweep removes what is left.
            std::mem::drop(parts.remove(&part));
        }
        named?;
        stands(folder, &file.name, identity)?;
        parts.remove(&aside)
    }

    fn name_instead(
        out: &Out,
        (part, aside): (&str, &str),
        name: &str,
        before: Option<&[u8]>,
    ) -> Result<(), TransportError> {
        let (folder, parts) = (&out.folder, out.parts());
        let taken = || TransportError::NameTaken {
            folder: folder.called,
        };
        if let Some(before) = before
            && folder.facts(name)?.is_some()
        {
            if folder.rename(name, parts, aside)? == Renamed::Taken {
                return Err(taken());
            }
            if !holds(parts, aside, before)? {
                parts.rename(aside, folder, name)?;
                return Err(taken());
            }
        }
        match parts.rename(part, folder, name)? {
            Renamed::Yes => Ok(()),
            Renamed::Taken => Err(taken()),
        }
    }

    /// Whether all forms of a receipt are newer than the file that they answer, and the last has these texts in it: its last change is the
    /// system's to say, not its sender's.
    pub(super) fn answered(
        &self,
        candidate: &Candidate,
        endings: &[&str],
        texts: &[String],
    ) -> Result<bool, TransportError> {
        let Some(file) = self.lying_in(candidate)?.facts(candidate.name.on_disk())? else {
            return Ok(false);
        };
        let out = self.out()?;
        let folder = Self::open_in(&out.folder, "receipts", "out/receipts")?;
        let stem = receipt_stem(&candidate.name);
        for number in 1..=NUMBERS_MAX {
            let (mut there, mut newer) = (false, true);
            for ending in endings {
                let found = folder.facts(format!("{}.{ending}", numbered(&stem, number)))?;
                there |= found.is_some();
                newer &= found.is_some_and(|found| {
                    found.kind == FileType::RegularFile && found.modified_nanos > file.changed_nanos
                });
            }
            if !there {
                return Ok(false);
            }
            let last = endings.last().filter(|_| newer);
            let name = last.map(|ending| format!("{}.{ending}", numbered(&stem, number)));
            let Some((receipt, found)) = name.map(|name| folder.read(&name)).transpose()?.flatten()
            else {
                continue;
            };
            let bytes = read_to(&receipt, found.bytes, folder.called)?;
            if texts.iter().all(|text| has(&bytes, text.as_bytes())) {
                return Ok(true);
            }
        }
        Ok(false)
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
            let numbered = numbered(&stem, number);
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
        match self.lay(out, folder, name, bytes)? {
            Some(identity) => stands(folder, name, identity),
            None => Ok(()),
        }
    }

    /// Writes a file and names it; gives which file has the name then, or none where the same one had it before.
    fn lay(
        &self,
        out: &Out,
        folder: &OpenedFolder,
        name: &str,
        bytes: &[u8],
    ) -> Result<Option<(u64, u64)>, TransportError> {
        if folder.facts(name)?.is_some() {
            return same_or_taken(folder, name, bytes).map(|()| None);
        }
        let parts = out.parts();
        let part = part_name(self.layout, name);
        let identity = parts.write(&part, bytes, self.file_mode)?;
        match parts.rename(&part, folder, name) {
            Ok(Renamed::Yes) => Ok(Some(identity)),
            Ok(Renamed::Taken) => {
                parts.remove(&part)?;
                same_or_taken(folder, name, bytes).map(|()| None)
            }
            Err(error) => {
                // Nothing can be done about a failure here; the sweep removes what is left.
                std::mem::drop(parts.remove(&part));
                // Over a network the name may have been given, and the answer been lost.
                let certain = refused(&error) && matches!(folder.facts(name), Ok(None));
                Err(if certain { error } else { error.half_out() })
            }
        }
    }
}

/// Whether bytes have these in them.
fn has(bytes: &[u8], part: &[u8]) -> bool {
    bytes
        .windows(part.len().max(1))
        .any(|window| window == part)
}

/// Whether a file system said that it did not do what it was asked.
fn refused(error: &TransportError) -> bool {
    use std::io::ErrorKind::{NotFound, PermissionDenied, ResourceBusy};
    match error {
        TransportError::Full { .. } | TransportError::ReadOnly { .. } => true,
        TransportError::Io { source, .. } => {
            [NotFound, PermissionDenied, ResourceBusy].contains(&source.kind())
        }
        _ => false,
    }
}

/// The file that was named has its name, and keeps it.
fn stands(folder: &OpenedFolder, name: &str, identity: (u64, u64)) -> Result<(), TransportError> {
    // Whoever may write where it was made could have put another file there.
    let found = folder.facts(name)?;
    if found.is_none_or(|found| found.identity != identity) {
        return Err(TransportError::Changed {
            folder: folder.called,
        });
    }
    folder.sync()
}

impl Out {
    /// Where files are written.
    fn parts(&self) -> &OpenedFolder {
        self.parts.as_ref().unwrap_or(&self.folder)
    }
}

/// A receipt's name without its ending, where others have it already.
fn numbered(stem: &str, number: usize) -> String {
    if number < 2 {
        stem.to_owned()
    } else {
        format!("{stem} ({number})")
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
