//! *map* without any state: a folder of FHIR in, a partner's rows out, in the order of the folder.
//!
//! In: a [`Folder`] and how to map. Out: the bytes of the partner's file, piece by piece, and what was left out. Kept: the
//! same bytes whatever the number of workers; a referral is decided on and mapped by the code that a run uses; of a
//! resource only what the columns can read becomes a tree, yet one that a run could not read is not read here either.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::ops::Range;

use crate::domain::{Disposition, Reason};
use crate::json::{Arena, Json, JsonError, Members, ShapeCache};
use crate::partner::fields::UnreadRecord;
use crate::partner::{NeededMembers, Partner};
use crate::pipeline::map::{self, Asked, DryRun, dry_reference, dry_rules, dry_run};
pub(crate) use crate::pipeline::pull::folder::{Folder, Unreadable, list as list_extracts};
use crate::pipeline::pull::folder::{Reader, Requests, Spot};
pub(crate) use crate::pipeline::referral::Setting;
use crate::pipeline::referral::{Bytes, ReferralParts, noted};
use crate::pipeline::select::SourceRules;
use crate::pipeline::workers::in_order;
pub(crate) use crate::pipeline::workers::workers;
use crate::sheet::{RowWriter, WriteError};

/// Referrals that a worker maps at once: a record that several of them name is parsed once.
const BATCH_REFERRALS: usize = 1024;
/// Referrals whose bytes are read at once: what the nearer caches hold of them.
const READ_REFERRALS: usize = 128;

/// How to map.
pub(crate) struct FolderMapping<'a> {
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

impl Missed {
    fn because(index: usize, (disposition, reason, detail): NotMapped) -> Self {
        Self {
            index,
            disposition,
            reason,
            detail,
        }
    }

    /// A referral that the source says it deleted.
    fn gone(index: usize) -> Self {
        Self::because(
            index,
            (Disposition::Held, Reason::SourceGone, String::new()),
        )
    }
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

impl FolderMapping<'_> {
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
            NeededMembers::all()
        } else {
            NeededMembers::of(self.partner, &self.setting.rules.vocabulary.fields)
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
            unreadable: folder.check_late(self.workers)?,
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
        wanted: &'w NeededMembers,
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
            shapes.get_or_insert_with(|| [&wanted.request, &wanted.patient].map(ShapeCache::new));
        let mut mapped = Mapped::default();
        let source = dry_rules(self.setting.rules, self.intents);
        let (mut reader, mut writer) = (Reader::new(folder), self.writer(*room)?);
        let (pages, kept): ([Page; 3], Arena) = Default::default();
        let mut requesters =
            Shared::new(folder, &wanted.requester, &pages[0], &kept, "Practitioner");
        let mut roles = Shared::new(folder, &wanted.role, &pages[1], &kept, "PractitionerRole");
        let mut practices = Shared::new(folder, &wanted.practice, &pages[2], &kept, "Organization");
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
                if folder.is_deleted(index) {
                    mapped.missed.push(Missed::gone(index));
                    continue;
                }
                let places = folder.places(index, &request)?;
                let (consent, in_doubt) = self.consent(folder, index, &request)?;
                let mut unread = None;
                let consent = consent
                    .as_ref()
                    .and_then(|bytes| noted(Json::parse(bytes, arena), "Consent", &mut unread));
                let record = places.patient.map(|spot| reader.record(spot)).transpose()?;
                let patient = record.map(|bytes| of_patient.parse(bytes, arena));
                let patient = patient.and_then(|tree| noted(tree, "Patient", &mut unread));
                if let (Some(_), Some(record)) = (&patient, places.patient_record) {
                    folder.was_read(record);
                }
                let requester = requesters.get(places.requester, &mut unread)?;
                let role = roles.get(places.role, &mut unread)?;
                let practice = practices.get(places.practice, &mut unread)?;
                let referral = ReferralParts {
                    request: &request,
                    patient: patient.as_ref(),
                    requester: requester.as_ref(),
                    role: role.as_ref(),
                    practice: practice.as_ref(),
                    consent: consent.as_ref(),
                    performers: None,
                    doubt: places.doubt || in_doubt,
                    unread,
                };
                match self.one(referral, &source, |cells| writer.write_row(cells)) {
                    Ok(written) => written?,
                    Err(why) => mapped.missed.push(Missed::because(index, why)),
                }
            }
        }
        mapped.bytes = writer.finish()?;
        *room = mapped.bytes.len().max(*room);
        mapped.bytes.drain(..head_bytes);
        Ok(mapped)
    }

    /// Only criteria look at the consent.
    fn consent(
        &self,
        folder: &Folder,
        index: usize,
        request: &Json<'_>,
    ) -> std::io::Result<(Option<Bytes>, bool)> {
        if !self.select {
            return Ok((None, false));
        }
        folder.consents(index, request)
    }

    /// Maps one referral and hands its cells over, or says why not.
    fn one<T>(
        &self,
        referral: ReferralParts<'_>,
        source: &SourceRules<'_>,
        write: impl FnOnce(&map::Cells<'_>) -> T,
    ) -> Result<T, NotMapped> {
        let asked = if self.select {
            Asked::Criteria
        } else {
            Asked::Columns
        };
        let (setting, reference) = (self.setting, dry_reference(referral));
        let partner = self.partner;
        match dry_run(
            referral,
            setting,
            partner,
            &reference,
            (source, asked),
            write,
        ) {
            DryRun::Row(written) => Ok(written),
            DryRun::Held(reason, detail) => Err((Disposition::Held, reason, detail)),
            DryRun::Undecided(reason) => Err((Disposition::Held, reason, String::new())),
            DryRun::Ended(reason) => Err((Disposition::Rejected, reason, String::new())),
            DryRun::Elsewhere => Err((Disposition::Held, Reason::NoDestination, String::new())),
        }
    }
}

/// What a worker uses again from batch to batch.
#[derive(Default)]
struct Own<'w> {
    requests: Requests,
    /// The trees of one referral.
    arena: Arena,
    /// What requests and patients looked like so far.
    shapes: Option<[ShapeCache<'w>; 2]>,
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
    trees: BTreeMap<Spot, Result<Json<'s>, JsonError>>,
    kind: &'static str,
}

impl<'s> Shared<'s> {
    fn new(
        folder: &'s Folder,
        wanted: &'s Members,
        page: &'s Page,
        arena: &'s Arena,
        kind: &'static str,
    ) -> Self {
        Self {
            folder,
            wanted,
            arena,
            page,
            trees: BTreeMap::new(),
            kind,
        }
    }

    /// The tree of a record; one that cannot be read is noted.
    fn get(
        &mut self,
        spot: Option<Spot>,
        unread: &mut Option<UnreadRecord>,
    ) -> std::io::Result<Option<Json<'s>>> {
        let Some(spot) = spot else { return Ok(None) };
        if let Some(known) = self.trees.get(&spot) {
            return Ok(noted(*known, self.kind, unread));
        }
        let read = self.folder.read_shared(spot)?;
        let bytes = self.page.bytes.get_or_init(|| read);
        self.page = self.page.next.get_or_init(Box::default);
        let tree = Json::parse_members(bytes, self.wanted, self.arena);
        self.trees.insert(spot, tree);
        Ok(noted(tree, self.kind, unread))
    }
}
