//! Fetching an export: ordered or taken up again, asked after, and every file of it brought into the spool.
//!
//! In: what is asked for. Out: a shelf that holds all of it, and what the manifest said. A file that breaks off is begun
//! again, an address that has expired is asked for anew; both a few times only.

use super::export_job::JobFile;
use super::index::Taken;
use super::own;
use super::records::Shelf;
use crate::config::Bulk;
use crate::domain::{Instant, limits};
use crate::fhir::bulk::files::FileLine;
use crate::fhir::bulk::{ExportFile, ExportManifest, Order, Patience, StatusUrl};
use crate::fhir::client::{Client, ClientError};
use crate::fhir::resources::bundle::requested;
use crate::fhir::resources::operation_outcome::{IssueSeverity, gravest, says_incomplete};
use crate::fhir::resources::outline::may_be_needed;
use crate::json::{Arena, Json};
use crate::pipeline::ingest::deleted_requests::DeletedRequest;
use crate::pipeline::pull::certificate::Exported;
use crate::pipeline::pull::referral_source::PullError;

/// Deleted requests noted of one export; more are told as left out.
const DELETED_MAX: usize = 200_000;
/// Types of files that are fetched.
const WANTED: [&str; 9] = [
    "ServiceRequest",
    "Patient",
    "Practitioner",
    "PractitionerRole",
    "Organization",
    "Consent",
    "HealthcareService",
    // They may hold any of these, and are not read: it is said.
    "Bundle",
    "Parameters",
];

/// A server, what is asked of it, and how.
pub(super) struct Server<'a> {
    pub(super) client: &'a Client,
    pub(super) config: &'a Bulk,
    pub(super) since: Option<Instant>,
    /// Codes for the server to filter by; none where it is not asked to.
    pub(super) filter: Vec<(&'a str, &'a str)>,
    pub(super) patience: Patience,
    /// Digest of all that shapes the answer.
    pub(super) asked: [u8; 32],
    pub(super) job: JobFile,
}

impl Server<'_> {
    fn order(&self) -> Order<'_> {
        Order {
            level: &self.config.level,
            since: self.since,
            codes: &self.filter,
            rebase_links: self.config.rebase_links,
        }
    }
}

/// What was counted on the way.
#[derive(Clone, Default)]
pub(super) struct Tally {
    pub(super) export: Exported,
    pub(super) unreadable: u64,
    /// Ids of deleted requests.
    pub(super) deleted: Vec<DeletedRequest>,
}

impl Tally {
    /// A line of a `deleted` file: a Bundle that says what to delete.
    fn note_deleted(&mut self, line: &[u8]) {
        let arena = Arena::default();
        let Ok(tree) = Json::parse(line, &arena) else {
            self.unreadable += 1;
            return;
        };
        for (kind, id) in requested(&tree) {
            match kind {
                Some("ServiceRequest") if self.deleted.len() < DELETED_MAX => {
                    self.export.deleted += 1;
                    self.deleted.push(DeletedRequest::of_server(id));
                }
                Some("ServiceRequest") => self.export.errors += 1,
                _ => self.export.deleted_others += 1,
            }
        }
    }
}

/// The files of a manifest, in the order in which they are read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Output,
    Deleted,
    Outcome,
}

/// Brings an export into the shelf; says where it can be thrown away, and up to when it is true.
///
/// # Errors
/// The server failed for good or is still at work, or our own disk failed.
pub(super) async fn gather(
    server: &Server<'_>,
    shelf: &mut Shelf,
    tally: &mut Tally,
) -> Result<(StatusUrl, Option<Instant>), PullError> {
    let (status, kick_off) = take_up(server, tally).await?;
    let (status, kick_off, manifest) =
        match server.client.await_export(&status, server.patience).await {
            // An export of an earlier run that the server no longer has.
            Err(ClientError::NotFound | ClientError::Gone) if tally.export.resumed => {
                tally.export.resumed = false;
                let (status, kick_off) = order(server).await?;
                let manifest = server.client.await_export(&status, server.patience).await;
                (status, kick_off, manifest)
            }
            manifest => (status, kick_off, manifest),
        };
    let manifest = match manifest {
        Ok(Some(manifest)) => manifest,
        Ok(None) => return Err(PullError::NotReady),
        Err(error) => return Err(given_up(server, error)),
    };
    let manifest = match fetch_all(server, &status, manifest, shelf, tally).await {
        Err(PullError::Client(error)) => return Err(given_up(server, error)),
        fetched => fetched?,
    };
    shelf.index.finish(&mut shelf.spool).map_err(own)?;
    let until = manifest.transaction_time.map(|at| at.min(kick_off));
    Ok((status, until))
}

/// An export that failed for good is not asked after again; one that may still come is.
fn given_up(server: &Server<'_>, error: ClientError) -> PullError {
    let may_come = matches!(
        error,
        ClientError::Transient { .. } | ClientError::Unauthorised { .. }
    );
    let removed = if may_come {
        Ok(())
    } else {
        server.job.remove()
    };
    removed.map_or_else(own, |()| error.into())
}

/// The export of an earlier run if it answers what is asked for now, else a new one.
async fn take_up(
    server: &Server<'_>,
    tally: &mut Tally,
) -> Result<(StatusUrl, Instant), PullError> {
    let rebase = server.config.rebase_links;
    let known = server.job.read().and_then(|job| {
        let status = server.client.kept_status(&job.status, rebase).ok()?;
        let answers = server.job.answers(&job, &server.asked);
        Some((status, job.kick_off(), answers))
    });
    match known {
        Some((status, kick_off, true)) => {
            tally.export.resumed = true;
            return Ok((status, kick_off));
        }
        // A failure here costs the server some room, and us nothing.
        Some((status, _, false)) => server.client.forget_export(&status).await.unwrap_or(()),
        None => {}
    }
    order(server).await
}

async fn order(server: &Server<'_>) -> Result<(StatusUrl, Instant), PullError> {
    let (status, date) = server.client.order_export(server.order()).await?;
    let kept = server.job.keep(status.as_str(), &server.asked, date);
    let job = kept.map_err(PullError::Own)?;
    Ok((status, job.kick_off()))
}

async fn fetch_all(
    server: &Server<'_>,
    status: &StatusUrl,
    mut manifest: ExportManifest,
    shelf: &mut Shelf,
    tally: &mut Tally,
) -> Result<ExportManifest, PullError> {
    let mut repeats = 0;
    let mut place = 0;
    // What is left of the patience with all files.
    let mut left = server.patience.total;
    while let Some((role, item)) = item_at(&manifest, place) {
        let error = match fetch(server, &manifest, role, item, shelf, tally).await {
            Ok(()) => {
                place += 1;
                repeats = 0;
                continue;
            }
            Err(PullError::Client(error)) => error,
            Err(other) => return Err(other),
        };
        repeats += 1;
        if repeats > limits::EXPORT_REPEATS_MAX {
            return Err(error.into());
        }
        match error {
            ClientError::Transient { retry_after, .. } => {
                let own = (server.patience.first * repeats).min(server.patience.longest);
                let wait = retry_after.unwrap_or(own);
                // A server that asks for longer is asked again by the next run, not sooner than it said.
                let kept = left.checked_sub(wait);
                let Some(rest) = kept.filter(|_| server.client.keeps_wait(wait)) else {
                    return Err(error.into());
                };
                left = rest;
                server.client.pause(wait).await;
            }
            // The address has expired: the manifest has new ones. Files that were fetched are not fetched again.
            ClientError::NotFound | ClientError::Gone | ClientError::Unauthorised { .. } => {
                let again = server.client.await_export(status, server.patience).await?;
                match again {
                    Some(again) if alike(&manifest, &again) => manifest = again,
                    _ => return Err(error.into()),
                }
            }
            other => return Err(other.into()),
        }
    }
    Ok(manifest)
}

/// The files one after another: what is there, what was deleted, what could not be given.
fn item_at(manifest: &ExportManifest, place: usize) -> Option<(Role, &ExportFile)> {
    let role = |role: Role| move |item| (role, item);
    // Some servers put what they could not give among what they give.
    let output = manifest.output.iter().map(|item| match &item.kind {
        Some(kind) if kind == "OperationOutcome" => (Role::Outcome, item),
        _ => (Role::Output, item),
    });
    let deleted = manifest.deleted.iter().map(role(Role::Deleted));
    let outcomes = manifest.outcomes.iter().map(role(Role::Outcome));
    output.chain(deleted).chain(outcomes).nth(place)
}

/// Whether two manifests list the same files, their addresses aside.
fn alike(one: &ExportManifest, other: &ExportManifest) -> bool {
    let lists = |manifest: &ExportManifest| -> Vec<Vec<(Option<String>, Option<u64>)>> {
        [&manifest.output, &manifest.deleted, &manifest.outcomes]
            .map(|items| {
                items
                    .iter()
                    .map(|item| (item.kind.clone(), item.count))
                    .collect()
            })
            .to_vec()
    };
    one.transaction_time == other.transaction_time && lists(one) == lists(other)
}

/// Reads one file to its end; one that breaks off leaves nothing.
async fn fetch(
    server: &Server<'_>,
    manifest: &ExportManifest,
    role: Role,
    item: &ExportFile,
    shelf: &mut Shelf,
    tally: &mut Tally,
) -> Result<(), PullError> {
    let kind = item.kind.as_deref();
    if role == Role::Output && kind.is_some_and(|kind| !WANTED.contains(&kind)) {
        tally.export.files_skipped += 1;
        return Ok(());
    }
    let (mark, before) = (shelf.index.mark(), tally.clone());
    let short = ClientError::Transient {
        what: "file shorter than the manifest says",
        status: None,
        retry_after: None,
        sent: true,
    };
    let read = match read(server, manifest, role, item, shelf, tally).await {
        Ok(lines) if item.count.is_some_and(|count| lines < count) => Err(short.into()),
        read => read,
    };
    match read {
        Ok(_) => {
            tally.export.files += 1;
            Ok(())
        }
        Err(error) => {
            shelf.index.back_to(mark);
            *tally = before;
            Err(error)
        }
    }
}

async fn read(
    server: &Server<'_>,
    manifest: &ExportManifest,
    role: Role,
    item: &ExportFile,
    shelf: &mut Shelf,
    tally: &mut Tally,
) -> Result<u64, PullError> {
    let hosts = &server.config.file_hosts;
    let mut file = server.client.open_file(manifest, item, hosts).await?;
    let mut lines = 0;
    while let Some(line) = file.next().await? {
        lines += 1;
        let text = match line {
            FileLine::Text(text) => text,
            FileLine::TooLong(head) => {
                tally.unreadable += u64::from(may_be_needed(head));
                continue;
            }
            FileLine::TooDeep => {
                tally.unreadable += 1;
                continue;
            }
        };
        match role {
            Role::Output => {
                let taken = shelf.index.take(text, &mut shelf.spool).map_err(own)?;
                tally.unreadable += u64::from(taken == Taken::Unreadable);
                tally.export.errors += u64::from(taken == Taken::Outcome { missing: true });
                tally.export.warnings += u64::from(taken == Taken::Outcome { missing: false });
            }
            Role::Deleted => tally.note_deleted(text),
            Role::Outcome if is_warning(text) => tally.export.warnings += 1,
            Role::Outcome => tally.export.errors += 1,
        }
    }
    tally.export.bytes += file.bytes();
    Ok(lines)
}

/// Whether a line about an export says no more than that all is there.
fn is_warning(line: &[u8]) -> bool {
    let arena = Arena::default();
    let mild = matches!(
        gravest(line).map(|issue| issue.severity),
        Some(IssueSeverity::Information | IssueSeverity::Warning)
    );
    mild && Json::parse(line, &arena).is_ok_and(|outcome| !says_incomplete(&outcome))
}
