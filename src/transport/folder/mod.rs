//! A folder shared with a partner: `out/` with its receipts, `in/` with what has been dealt with; or one in which files are only laid down.
//!
//! Layout below `<path with {partner}>`: `out/` (drops and manifests), `out/receipts/`, `out/.kith/` (files being written), `in/`, `in/done/`,
//! `in/refused/`. The partner may write into `in/`, so nothing there is trusted: see `security.md` §4. A folder for an import or for reports has
//! its files in itself. Duties are those of the trait; every folder is opened once a call, and what is done in it is done by its descriptor.

mod disk;
mod incoming;
mod opened;
mod outgoing;

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use disk::Disk;
use opened::OpenedFolder;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::{
    Acknowledgement, Candidate, Capabilities, DropOutcome, Exchanged, Listing, ListingTerms,
    OutgoingDrop, OutgoingFile, PartnerFileName, Published, Receipt, Transport, TransportError,
};

/// Entries of a folder looked at in one listing: room for a year of files that nobody fetched, and a bound on a folder filled by mistake.
const ENTRIES_MAX: usize = 20_000;
/// Numbers tried for a taken name: ` (2)` and on.
const NUMBERS_MAX: usize = 1_000;
/// Mode of a partner's folders; what the umask takes away stays away.
const PARTNER_FOLDER_MODE: u32 = 0o770;
/// Mode of files where nobody says another: a group may read.
pub(crate) const FILE_MODE: u32 = 0o640;
/// Bytes of a name of ours: file systems stop at 255, and a temporary name is longer by five.
const NAME_BYTES_MAX: usize = 250;

/// Seconds for which a call is waited for: what is asked of a disk that does not answer for so long is given up for this time.
const SECONDS_MAX: u64 = 300;
/// Calls at once, of which each has a thread: those that were given up and never ended are among them.
const CALLS_MAX: usize = 16;

/// A folder. Files are read and written on threads of their own.
#[derive(Clone, Debug)]
pub(crate) struct FolderTransport(Arc<OpenFolder>);

/// What is known of a folder before it is opened.
#[derive(Debug)]
struct OpenFolder {
    /// Of its links those are followed that are IT's.
    path: PathBuf,
    /// Components below `path` that a partner could replace: no link is followed there.
    rest: Vec<String>,
    layout: FolderLayout,
    file_mode: u32,
    disk: Disk,
    /// Threads that work in it.
    calls: AtomicUsize,
}

/// Where files lie in a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FolderLayout {
    /// `out/` and `in/` and what is in them.
    Partner,
    /// Files lie in the folder itself, and none come back.
    LaidDown,
}

/// Where files go out, opened.
struct Out {
    /// Where they get their names.
    folder: OpenedFolder,
    /// Where they are written; `None`: beside their names, hidden.
    parts: Option<OpenedFolder>,
}

impl FolderTransport {
    /// The folder of a partner, whose id says which components of the path the partner could replace: those behind the one that holds the id.
    pub(crate) fn of_partner(path: &Path, partner: &str, file_mode: u32) -> Self {
        Self::new(path, partner, FolderLayout::Partner, file_mode)
    }

    /// A folder in which files for an import are laid down.
    pub(crate) fn for_import(path: &Path) -> Self {
        Self::new(path, "", FolderLayout::LaidDown, FILE_MODE)
    }

    /// A folder in which reports are laid down.
    pub(crate) fn for_reports(path: &Path, file_mode: u32) -> Self {
        Self::new(path, "", FolderLayout::LaidDown, file_mode)
    }

    fn new(path: &Path, partner: &str, layout: FolderLayout, file_mode: u32) -> Self {
        let (path, rest) = divided(path, partner);
        Self(Arc::new(OpenFolder {
            path,
            rest,
            layout,
            file_mode,
            disk: Disk::default(),
            calls: AtomicUsize::new(0),
        }))
    }

    /// Lets the disk below it refuse.
    #[cfg(test)]
    pub(crate) fn refuses(&self, change: impl FnOnce(&mut disk::Trouble)) {
        change(&mut self.0.disk.trouble.lock().unwrap());
    }

    fn on_its_thread<T: Send + 'static>(
        &self,
        work: impl FnOnce(&OpenFolder) -> Result<T, TransportError> + Send + 'static,
    ) -> Exchanged<'static, T> {
        let (folder, span) = (Arc::clone(&self.0), tracing::Span::current());
        Box::pin(async move {
            let Some(call) = FolderCall::begin(folder) else {
                return Err(TransportError::Late {
                    seconds: SECONDS_MAX,
                });
            };
            let on_thread = move || span.in_scope(|| work(&call.0));
            in_time(tokio::task::spawn_blocking(on_thread), SECONDS_MAX).await
        })
    }
}

/// A call of a folder, as long as its thread works.
struct FolderCall(Arc<OpenFolder>);

impl FolderCall {
    /// None where so many calls wait for its disk that a further one would only take one more thread.
    fn begin(folder: Arc<OpenFolder>) -> Option<Self> {
        let before = folder.calls.fetch_add(1, Ordering::Relaxed);
        let call = Self(folder);
        (before < CALLS_MAX).then_some(call)
    }
}

impl Drop for FolderCall {
    fn drop(&mut self) {
        self.0.calls.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What a thread comes to, if it does so in time. What it does it may do yet.
async fn in_time<T>(
    mut work: JoinHandle<Result<T, TransportError>>,
    seconds: u64,
) -> Result<T, TransportError> {
    let mut waited = 0;
    while may_wait(waited, seconds) {
        if let Ok(done) = timeout(Duration::from_secs(1), &mut work).await {
            return done.unwrap_or(Err(TransportError::Cut));
        }
        waited += 1;
    }
    Err(TransportError::Late { seconds })
}

/// Whether one waits on for a disk after so many whole seconds.
fn may_wait(waited: u64, seconds: u64) -> bool {
    waited < seconds
}

/// The path up to the component that holds a partner's id, and the components behind it.
fn divided(path: &Path, partner: &str) -> (PathBuf, Vec<String>) {
    let of_partner = |component: &Component<'_>| {
        let name = component.as_os_str().to_str();
        !partner.is_empty() && name.is_some_and(|name| name.contains(partner))
    };
    let components: Vec<Component<'_>> = path.components().collect();
    let Some(last) = components.iter().rposition(of_partner) else {
        return (path.to_owned(), Vec::new());
    };
    let behind = components.iter().skip(last + 1);
    let rest: Option<Vec<String>> = behind
        .map(|component| match component {
            Component::Normal(name) => name.to_str().map(str::to_owned),
            _ => None,
        })
        .collect();
    match rest {
        Some(rest) => (components.iter().take(last + 1).collect(), rest),
        None => (path.to_owned(), Vec::new()),
    }
}

impl OpenFolder {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            returns: self.layout == FolderLayout::Partner,
            sees_fetched: true,
            hears_acknowledged: false,
            name_bytes_max: NAME_BYTES_MAX,
            file_size_bytes_max: None,
        }
    }

    fn folder_mode(&self) -> u32 {
        match self.layout {
            FolderLayout::Partner => PARTNER_FOLDER_MODE,
            // Whoever may read a file may enter its folder.
            FolderLayout::LaidDown => {
                0o700 | self.file_mode & 0o044 | (self.file_mode & 0o044) >> 2
            }
        }
    }

    /// Makes the folders that are missing, and refuses those that are links: a partner who may write beside them could point them anywhere.
    fn prepare(&self) -> Result<(), TransportError> {
        let mode = self.folder_mode();
        let mut root = OpenedFolder::make_path(&self.path, mode, "the folder", self.disk.clone())?;
        for name in &self.rest {
            root = root.make_below(name, mode, "the folder")?;
        }
        if self.layout == FolderLayout::Partner {
            let out = root.make_below("out", mode, "out")?;
            out.make_below("receipts", mode, "out/receipts")?;
            out.make_below(".kith", mode, "out/.kith")?;
            let incoming = root.make_below("in", mode, "in")?;
            incoming.make_below("done", mode, "in/done")?;
            incoming.make_below("refused", mode, "in/refused")?;
        }
        Ok(())
    }

    /// The same, but for the folder itself and its `out/`, which must be there.
    fn prepare_again(&self) -> Result<(), TransportError> {
        let gone = |folder| TransportError::Gone { folder };
        let root = self.root()?.ok_or_else(|| gone("the folder"))?;
        if self.layout == FolderLayout::Partner {
            root.below("out", "out")?.ok_or_else(|| gone("out"))?;
        }
        self.prepare()
    }

    /// The folder itself; `None` if it is not there.
    fn root(&self) -> Result<Option<OpenedFolder>, TransportError> {
        let mut opened = OpenedFolder::at_path(&self.path, "the folder", self.disk.clone())?;
        for name in &self.rest {
            let Some(root) = opened else { return Ok(None) };
            opened = root.below(name, "the folder")?;
        }
        Ok(opened)
    }

    /// A folder below the root, which must be there.
    fn open(&self, names: &[&str], called: &'static str) -> Result<OpenedFolder, TransportError> {
        let gone = || TransportError::Gone { folder: called };
        let mut opened = self.root()?.ok_or_else(gone)?;
        for name in names {
            opened = opened.below(name, called)?.ok_or_else(gone)?;
        }
        Ok(opened)
    }

    /// A folder in another one, which must be there.
    fn open_in(
        within: &OpenedFolder,
        name: &str,
        called: &'static str,
    ) -> Result<OpenedFolder, TransportError> {
        within
            .below(name, called)?
            .ok_or(TransportError::Gone { folder: called })
    }

    fn out(&self) -> Result<Out, TransportError> {
        match self.layout {
            FolderLayout::Partner => {
                let folder = self.open(&["out"], "out")?;
                let parts = Self::open_in(&folder, ".kith", "out/.kith")?;
                Ok(Out {
                    folder,
                    parts: Some(parts),
                })
            }
            FolderLayout::LaidDown => Ok(Out {
                folder: self.open(&[], "the folder")?,
                parts: None,
            }),
        }
    }
}

impl Transport for FolderTransport {
    fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }

    fn prepare(&self) -> Exchanged<'_, ()> {
        self.on_its_thread(OpenFolder::prepare)
    }

    fn prepare_again(&self) -> Exchanged<'_, ()> {
        self.on_its_thread(OpenFolder::prepare_again)
    }

    fn sweep(&self) -> Exchanged<'_, ()> {
        self.on_its_thread(OpenFolder::sweep)
    }

    fn publish(&self, drop: OutgoingDrop) -> Exchanged<'_, Published> {
        self.on_its_thread(move |folder| folder.publish(&drop))
    }

    fn fate<'a>(&'a self, name: &'a str) -> Exchanged<'a, DropOutcome> {
        let name = name.to_owned();
        self.on_its_thread(move |folder| folder.fate(&name))
    }

    fn reread<'a>(
        &'a self,
        name: &'a str,
        file_size_bytes_max: u64,
    ) -> Exchanged<'a, Option<Vec<u8>>> {
        let name = name.to_owned();
        self.on_its_thread(move |folder| folder.reread(&name, file_size_bytes_max))
    }

    fn touched(&self, drops: Vec<(String, String)>) -> Exchanged<'_, Vec<String>> {
        self.on_its_thread(move |folder| folder.touched(drops))
    }

    fn kept<'a>(
        &'a self,
        name: &'a str,
        file_size_bytes_max: u64,
    ) -> Exchanged<'a, Option<Vec<u8>>> {
        let name = name.to_owned();
        self.on_its_thread(move |folder| folder.kept(&name, file_size_bytes_max))
    }

    fn replace(&self, files: Vec<OutgoingFile>) -> Exchanged<'_, ()> {
        self.on_its_thread(move |folder| folder.replace(&files))
    }

    fn renew(&self, file: OutgoingFile, before: Option<Vec<u8>>) -> Exchanged<'_, ()> {
        self.on_its_thread(move |folder| folder.renew(&file, before.as_deref()))
    }

    fn list(&self, terms: ListingTerms) -> Exchanged<'_, Listing> {
        self.on_its_thread(move |folder| folder.list(terms))
    }

    fn changed_since(&self, terms: ListingTerms) -> Exchanged<'_, Vec<Candidate>> {
        self.on_its_thread(move |folder| folder.changed_since(terms))
    }

    fn take<'a>(
        &'a self,
        candidate: &'a Candidate,
        file_size_bytes_max: u64,
    ) -> Exchanged<'a, Vec<u8>> {
        let candidate = candidate.clone();
        self.on_its_thread(move |folder| folder.take(&candidate, file_size_bytes_max))
    }

    fn acknowledge<'a>(
        &'a self,
        candidate: &'a Candidate,
        how: Acknowledgement,
    ) -> Exchanged<'a, PartnerFileName> {
        let candidate = candidate.clone();
        self.on_its_thread(move |folder| folder.acknowledge(&candidate, how))
    }

    fn answered<'a>(
        &'a self,
        candidate: &'a Candidate,
        endings: &'static [&'static str],
        texts: Vec<String>,
    ) -> Exchanged<'a, bool> {
        let candidate = candidate.clone();
        self.on_its_thread(move |folder| folder.answered(&candidate, endings, &texts))
    }

    fn write_receipts<'a>(
        &'a self,
        of: &'a PartnerFileName,
        receipts: Vec<Receipt>,
    ) -> Exchanged<'a, Vec<String>> {
        let of = of.clone();
        self.on_its_thread(move |folder| folder.write_receipts(&of, &receipts))
    }
}

#[cfg(test)]
mod late_tests;
#[cfg(test)]
mod tests;
