//! *map* without any state: a folder of FHIR in, a partner's rows out, in the order of the folder.
//!
//! In: a [`Folder`] and how to map. Out: the bytes of the partner's file, piece by piece, and what was left out. Kept: the
//! same bytes whatever the number of workers; a referral is decided on and mapped by the code that a run uses; of a
//! resource only what the columns can read becomes a tree, yet one that a run could not read is not read here either.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::ops::Range;

use super::dossier::{Bytes, Named, Setting};
use super::map;
use super::pull::folder::{Folder, Reader, Requests, Spot};
pub(crate) use super::pull::folder::{SHOWN_MAX, Unreadable};
use super::select::{Decision, Holds, SourceRules, Unnamed, criteria, preview};
use super::workers::in_order;
pub(crate) use super::workers::workers;
use crate::domain::{Action, Disposition, LegReference, LegState, Reason};
use crate::fhir::service_request;
use crate::json::{Arena, Json, Members, Shapes};
use crate::partner::{Partner, Rules, Wanted};
use crate::seal::{Digest, sha256};
use crate::tabular::{RowWriter, WriteError};

/// Referrals that a worker maps at once: a record that several of them name is parsed once.
const BATCH_REFERRALS: usize = 1024;
/// Referrals whose bytes are read at once: what the nearer caches hold of them.
const READ_REFERRALS: usize = 128;

/// How to map.
pub(crate) struct Preview<'a> {
    pub(crate) partner: &'a Partner,
    pub(crate) setting: Setting<'a>,
    /// Also apply the partner's criteria.
    pub(crate) select: bool,
    /// The values of `intent` that make a request an order.
    pub(crate) intents: &'a [String],
    pub(crate) workers: usize,
}

/// A referral that was not mapped.
pub(crate) struct Missed {
    /// Its place in the folder.
    pub(crate) index: usize,
    pub(crate) disposition: Disposition,
    pub(crate) reason: Reason,
    pub(crate) detail: String,
}

/// Some of the file, and what was left out of it.
#[derive(Default)]
pub(crate) struct Mapped {
    pub(crate) bytes: Vec<u8>,
    pub(crate) missed: Vec<Missed>,
    /// Resources that turned out not to be JSON.
    pub(crate) unreadable: Vec<Unreadable>,
}

type NotMapped = (Disposition, Reason, String);

impl Preview<'_> {
    /// Maps a folder; hands over the parts of the file in order, the first with its header.
    ///
    /// # Errors
    /// The folder cannot be read, or `take` fails.
    pub(crate) fn map(
        &self,
        folder: &Folder,
        mut take: impl FnMut(Mapped) -> anyhow::Result<()> + Send,
    ) -> anyhow::Result<()> {
        let wanted = if self.select {
            Wanted::all()
        } else {
            Wanted::of(self.partner, &self.setting.rules.fields)
        };
        let head = self.writer(0)?.finish()?;
        let head_bytes = head.len();
        take(Mapped {
            bytes: head,
            ..Mapped::default()
        })?;
        let batches = folder.len().div_ceil(BATCH_REFERRALS);
        in_order::<Own<'_>, _>(
            batches,
            self.workers,
            |own, place| {
                let start = place * BATCH_REFERRALS;
                let range = start..folder.len().min(start + BATCH_REFERRALS);
                self.batch(folder, &wanted, own, range, head_bytes)
            },
            &mut take,
        )?;
        take(Mapped {
            unreadable: folder.unread(self.workers)?,
            ..Mapped::default()
        })
    }

    /// A writer that has written the header: rows behind it are written as they stand in one file.
    fn writer(&self, room: usize) -> Result<RowWriter<Vec<u8>>, WriteError> {
        let deliver = &self.partner.deliver;
        let headers: Vec<&str> = deliver
            .columns
            .iter()
            .map(|column| column.header.as_str())
            .collect();
        let mut writer = RowWriter::new(Vec::with_capacity(room), deliver.format)?;
        writer.write_row(&headers)?;
        Ok(writer)
    }

    fn batch<'w>(
        &self,
        folder: &Folder,
        wanted: &'w Wanted,
        own: &mut Own<'w>,
        range: Range<usize>,
        head_bytes: usize,
    ) -> anyhow::Result<Mapped> {
        let Own {
            requests,
            arena,
            shapes,
            room,
        } = own;
        let [of_request, of_patient] =
            shapes.get_or_insert_with(|| [&wanted.request, &wanted.patient].map(Shapes::new));
        let mut mapped = Mapped::default();
        let (mut reader, mut writer) = (Reader::new(folder), self.writer(*room)?);
        let (pages, kept): ([Page; 3], Arena) = Default::default();
        let mut requesters = Shared::new(folder, &wanted.requester, &pages[0], &kept);
        let mut roles = Shared::new(folder, &wanted.role, &pages[1], &kept);
        let mut practices = Shared::new(folder, &wanted.practice, &pages[2], &kept);
        for start in range.clone().step_by(READ_REFERRALS) {
            let part = start..range.end.min(start + READ_REFERRALS);
            requests.read(folder, part.clone())?;
            for (index, bytes) in part.zip(requests.each()) {
                arena.reset();
                let arena = &*arena;
                let request = match of_request.parse(bytes, arena) {
                    Ok(request) => request,
                    Err(error) => {
                        mapped.unreadable.extend(folder.unreadable(index, error));
                        continue;
                    }
                };
                let places = folder.places(&request)?;
                let consent = self.consent(folder, &request)?;
                let consent = consent
                    .as_ref()
                    .and_then(|bytes| Json::parse(bytes, arena).ok());
                let patient = match places.patient {
                    Some(spot) => of_patient.parse(reader.record(spot)?, arena).ok(),
                    None => None,
                };
                if let (Some(_), Some(record)) = (&patient, places.patient_record) {
                    folder.was_read(record);
                }
                let requester = requesters.get(places.requester)?;
                let role = roles.get(places.role)?;
                let practice = practices.get(places.practice)?;
                let named = Named {
                    request: &request,
                    patient: patient.as_ref(),
                    requester: requester.as_ref(),
                    role: role.as_ref(),
                    practice: practice.as_ref(),
                    consent: consent.as_ref(),
                };
                match self.one(named, |cells| writer.write_row(cells)) {
                    Ok(written) => written?,
                    Err((disposition, reason, detail)) => mapped.missed.push(Missed {
                        index,
                        disposition,
                        reason,
                        detail,
                    }),
                }
            }
        }
        mapped.bytes = writer.finish()?;
        *room = mapped.bytes.len().max(*room);
        mapped.bytes.drain(..head_bytes);
        Ok(mapped)
    }

    /// Only criteria look at the consent.
    fn consent(&self, folder: &Folder, request: &Json<'_>) -> std::io::Result<Option<Bytes>> {
        if !self.select {
            return Ok(None);
        }
        let spot = folder.consent(request)?;
        spot.map(|spot| folder.read(spot)).transpose()
    }

    /// Maps one referral and hands its cells over, or says why not.
    fn one<T>(
        &self,
        named: Named<'_>,
        write: impl FnOnce(&map::Cells<'_>) -> T,
    ) -> Result<T, NotMapped> {
        let plain = |disposition, reason| (disposition, reason, String::new());
        let reference = preview_reference(service_request::id(named.request).unwrap_or_default());
        let view = named.view(self.setting, map::facts(&reference, Action::New, "", 0));
        let source = preview_rules(self.setting.rules, self.intents);
        match preview(&view, &source) {
            Some(Decision::NotOurs) => return Err(plain(Disposition::Rejected, Reason::NotOurs)),
            Some(Decision::Closed(LegState::Cancelled | LegState::EnteredInError, reason)) => {
                return Err(plain(Disposition::Rejected, reason));
            }
            Some(Decision::Held(reason, _)) => return Err(plain(Disposition::Held, reason)),
            _ => {}
        }
        if self.select
            && let Some(failed) = criteria(&view, named.consent(), self.partner, true)
                .into_iter()
                .find(|criterion| criterion.holds != Holds::Yes)
        {
            let detail = format!("criterion {}", failed.name);
            return Err((Disposition::Held, failed.reason, detail));
        }
        let tokens = |fields: &[&[u8]]| -> Digest { sha256(fields) };
        match map::row(self.partner, &view, &tokens) {
            Ok(cells) => Ok(write(&cells)),
            Err(problem) => Err((
                Disposition::Held,
                problem.reason,
                format!("column \"{}\": {}", problem.header, problem.detail),
            )),
        }
    }
}

/// What `kith map` asks of a source: nothing.
pub(crate) fn preview_rules<'a>(rules: &'a Rules, orders: &'a [String]) -> SourceRules<'a> {
    SourceRules {
        triggers: &rules.social_prescribing,
        own_codes: None,
        intents: orders,
        restricted_labels: &[],
        unnamed: Unnamed::Hold,
        by_need: false,
        hold_test_people: false,
        shadow: false,
        partner_system: "",
    }
}

/// A reference derived from the referral's id: the same every time, and good for a preview only.
pub(crate) fn preview_reference(id: &str) -> String {
    let digest = sha256(&[b"preview", id.as_bytes()]);
    let mut bits = [0; 8];
    bits.copy_from_slice(&digest[..8]);
    LegReference::from_random(u64::from_be_bytes(bits)).to_string()
}

/// What a worker uses again from batch to batch.
#[derive(Default)]
struct Own<'w> {
    requests: Requests,
    /// The trees of one referral.
    arena: Arena,
    /// What requests and patients looked like so far.
    shapes: Option<[Shapes<'w>; 2]>,
    /// Bytes of the largest part of the file so far.
    room: usize,
}

/// The bytes of records, each put behind the last while trees over the earlier ones stand.
#[derive(Default)]
struct Page {
    bytes: OnceCell<Bytes>,
    next: OnceCell<Box<Page>>,
}

/// Records that several requests of a batch name: each is read and parsed once.
struct Shared<'s> {
    folder: &'s Folder,
    wanted: &'s Members,
    arena: &'s Arena,
    /// The last page, which is free.
    page: &'s Page,
    trees: BTreeMap<Spot, Option<Json<'s>>>,
}

impl<'s> Shared<'s> {
    fn new(folder: &'s Folder, wanted: &'s Members, page: &'s Page, arena: &'s Arena) -> Self {
        Self {
            folder,
            wanted,
            arena,
            page,
            trees: BTreeMap::new(),
        }
    }

    /// The tree of a record, if it can be read.
    fn get(&mut self, spot: Option<Spot>) -> std::io::Result<Option<Json<'s>>> {
        let Some(spot) = spot else { return Ok(None) };
        if let Some(known) = self.trees.get(&spot) {
            return Ok(*known);
        }
        let read = self.folder.read_shared(spot)?;
        let bytes = self.page.bytes.get_or_init(|| read);
        self.page = self.page.next.get_or_init(Box::default);
        let tree = Json::parse_members(bytes, self.wanted, self.arena).ok();
        self.trees.insert(spot, tree);
        Ok(tree)
    }
}
