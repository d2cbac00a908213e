//! Which of several resources under one name stands, and what the source says it deleted.
//!
//! In: what a folder holds. Out: one resource a name, the newest, wherever it stands; or a doubt. Kept: where resources do
//! not say from which server they are, two that are plainly not about the same are a doubt, however new they are; so are
//! two that differ and do not say which is the newer. What is in doubt names nobody.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::index::Deletion;
use super::lookup_table::{Entry, NameScope, Named, Numbered};
use super::resolve::Sought;
use super::{Folder, RequestPlace, SEVERAL};
use crate::fhir::resources::bundle::content;
use crate::fhir::resources::reference::Reference;
use crate::fhir::resources::resource::{
    contained, read_last_updated, resource_type, security_labels,
};
use crate::fhir::resources::service_request;
use crate::fhir::resources::version::{age_order, apart, date_order, plainly_others};
use crate::json::{Arena, Json};
use crate::pipeline::ingest::deleted_requests::DeletedRequest;
use crate::pipeline::referral::Bytes;
use crate::seal::{Digest, sha256};
use crate::store::rows::RawKind;

/// Which of several stands.
struct NewestOfName {
    newest: usize,
    /// Nobody can say which, or whether all are one.
    doubt: bool,
}

/// Records under one name that may be versions of one.
struct AlikeRecords {
    /// The bytes of the first.
    first: Bytes,
    /// The places of all.
    places: Vec<u32>,
    /// Whether some say another thing than the first.
    differ: bool,
    /// Nobody can say whether they are of one.
    doubt: bool,
}

/// Whether two records of one name, from places whose ids are their own, are about the same.
#[derive(Clone, Copy, PartialEq, Eq)]
enum AboutSame {
    Yes,
    No,
    /// What they name is not there.
    Unknown,
}

/// What else bears the name of an entry, by its place in a table.
type SameName = BTreeMap<u32, Vec<Entry>>;

fn by_place(again: &mut Vec<(u32, Entry)>) -> SameName {
    let mut found = SameName::new();
    for (place, entry) in std::mem::take(again) {
        found.entry(place).or_default().push(entry);
    }
    found
}

fn candidates(table: &[Entry], place: u32, others: Vec<Entry>) -> Vec<Entry> {
    let first = table.get(place as usize).copied();
    first.into_iter().chain(others).collect()
}

impl Folder {
    /// Settles what every name stands for, once all pieces are there.
    ///
    /// # Errors
    /// A resource that has to be looked at cannot be read.
    pub(super) fn settle(&mut self) -> std::io::Result<()> {
        let servers = self.found.origins.iter();
        let servers: BTreeSet<(u16, Box<str>)> = servers
            .filter_map(|origin| Some((origin.set, origin.base.clone()?)))
            .collect();
        self.servers = servers.into_iter().collect();
        for (place, others) in by_place(&mut self.found.records_again) {
            let candidates = candidates(self.found.records.values(), place, others);
            let stands =
                self.stands(&candidates, |one, other, _| Ok(plainly_others(one, other)))?;
            self.set_aside(&candidates, stands.newest);
            if let Some(entry) = self.found.records.at_mut(place) {
                *entry = candidates[stands.newest];
                entry.doubt |= stands.doubt;
            }
        }
        self.settle_locals()?;
        let mut further = Vec::new();
        for (place, others) in by_place(&mut self.found.requests_again) {
            let candidates = candidates(self.found.requests.values(), place, others);
            let stands = self.stands(&candidates, |one, other, [a, b]| {
                Ok(plainly_others(one, other) || self.other_people([(one, a), (other, b)])?)
            })?;
            self.set_aside(&candidates, stands.newest);
            let mut kept = vec![self.with_person(&candidates[stands.newest])?];
            for entry in candidates.iter().filter(|_| stands.doubt) {
                let both = self.with_person(entry)?;
                if !kept.contains(&both) {
                    kept.push(both);
                    further.push(*entry);
                }
            }
            self.found.superseded += (candidates.len() - kept.len()) as u64;
            if let Some(entry) = self.found.requests.at_mut(place) {
                *entry = candidates[stands.newest];
                entry.doubt |= stands.doubt;
            }
        }
        self.settle_deletions()?;
        let requests = std::mem::take(&mut self.found.requests).into_values();
        let placed = |entry: &Entry, doubt: bool| RequestPlace {
            spot: entry.spot,
            origin: entry.origin,
            doubt,
            deleted: entry.deleted,
        };
        self.requests = requests
            .iter()
            .map(|entry| placed(entry, entry.doubt))
            .chain(further.iter().map(|entry| placed(entry, true)))
            .collect();
        self.requests.sort_unstable_by_key(|request| request.spot);
        Ok(())
    }

    /// Records of Bundles that do not say from which server they are: those of one name that may be one are versions of it,
    /// wherever they stand; what others of the file set call by that name is one of them, if there is but one.
    fn settle_locals(&mut self) -> std::io::Result<()> {
        let mut locals = std::mem::take(&mut self.found.locals);
        locals.sort_unstable();
        locals.dedup();
        for named in locals.chunk_by(|one, other| one.key == other.key) {
            let key = named[0].key;
            let line = self.found.records.place(key);
            let mut places: Vec<u32> = named.iter().map(|one| one.record).chain(line).collect();
            places.dedup();
            let groups = self.groups(&places, named[0].by_reference)?;
            for group in groups.iter().filter(|group| group.doubt) {
                for place in &group.places {
                    if let Some(entry) = self.found.records.at_mut(*place) {
                        entry.doubt = true;
                    }
                }
            }
            for AlikeRecords { places, .. } in groups.iter().filter(|group| group.differ) {
                let entries = places
                    .iter()
                    .map(|place| self.found.records.values()[*place as usize]);
                let candidates: Vec<Entry> = entries.collect();
                // What leads to the same may name it by another address.
                let by_reference = named[0].by_reference;
                let stands = self.stands(&candidates, |one, other, _| {
                    Ok(!by_reference && plainly_others(one, other))
                })?;
                self.set_aside(&candidates, stands.newest);
                for (place, own) in places.iter().zip(&candidates) {
                    if let Some(entry) = self.found.records.at_mut(*place) {
                        *entry = Entry {
                            key: own.key,
                            doubt: stands.doubt,
                            ..candidates[stands.newest]
                        };
                    }
                }
            }
            let open: HashSet<u32> = named
                .iter()
                .filter_map(|one| one.open.then_some(one.record))
                .collect();
            let open = |group: &&AlikeRecords| group.places.iter().any(|one| open.contains(one));
            let mut meant = groups.iter().filter(open);
            if let Some(first) = meant.next() {
                let record = meant.next().map_or(first.places[0], |_| SEVERAL);
                self.found.aliases.put(Numbered { key, record });
            }
        }
        Ok(())
    }

    /// These records, those together that may be one; and whether all of a group say the same.
    fn groups(&self, places: &[u32], by_reference: bool) -> std::io::Result<Vec<AlikeRecords>> {
        let mut groups: Vec<AlikeRecords> = Vec::new();
        let mut known: HashMap<Digest, usize> = HashMap::new();
        for place in places {
            let bytes = self.read(self.found.records.values()[*place as usize].spot)?;
            let digest = sha256(&[&bytes]);
            // The same references lead elsewhere from another Bundle.
            let same = known.get(&digest).filter(|_| !by_reference);
            if let Some(number) = same {
                groups[*number].places.push(*place);
                continue;
            }
            let (mut alike, mut doubt) = (None, false);
            for (number, group) in groups.iter().enumerate() {
                match self.about_same((group.places[0], &group.first), (*place, &bytes))? {
                    AboutSame::No => continue,
                    AboutSame::Yes => {}
                    AboutSame::Unknown => doubt = true,
                }
                alike = Some(number);
                break;
            }
            known.insert(digest, alike.unwrap_or(groups.len()));
            if let Some(group) = alike.and_then(|number| groups.get_mut(number)) {
                group.places.push(*place);
                group.differ = true;
                group.doubt |= doubt;
            } else {
                groups.push(AlikeRecords {
                    first: bytes,
                    places: vec![*place],
                    differ: false,
                    doubt: false,
                });
            }
        }
        Ok(groups)
    }

    /// Whether two records of one name are about the same. What says that by references alone is so if they lead to the same
    /// from where each stands; a role of which nobody can say it is its own Bundle's, and a consent a doubt.
    fn about_same(
        &self,
        (one_place, one): (u32, &Bytes),
        (other_place, other): (u32, &Bytes),
    ) -> std::io::Result<AboutSame> {
        let equal = one == other;
        let (arena, other_arena) = (Arena::default(), Arena::default());
        let (Ok(one), Ok(other)) = (Json::parse(one, &arena), Json::parse(other, &other_arena))
        else {
            return Ok(AboutSame::No);
        };
        let named: &[(&str, RawKind)] = match resource_type(&one) {
            Some("Consent") => &[("patient", RawKind::Patient)],
            Some("PractitionerRole") => &[
                ("practitioner", RawKind::Practitioner),
                ("organization", RawKind::Organization),
            ],
            _ => &[],
        };
        if named.is_empty() || resource_type(&one) != resource_type(&other) {
            let apart = plainly_others(&one, &other);
            return Ok(if apart { AboutSame::No } else { AboutSame::Yes });
        }
        let consent = named[0].1 == RawKind::Patient;
        let mut about = AboutSame::Unknown;
        for (member, kind) in named {
            let lead = |tree: &Json<'_>, place: u32| {
                let origin = self.found.records.values()[place as usize].origin;
                match self.find(*kind, Reference::of(tree.get(member), None), origin) {
                    Sought::Found(spot, _) => self.read(spot).map(Some),
                    Sought::Doubt | Sought::Absent => Ok(None),
                }
            };
            match (lead(&one, one_place)?, lead(&other, other_place)?) {
                (Some(one), Some(other)) if apart(&one, &other) => return Ok(AboutSame::No),
                (Some(_), Some(_)) => about = AboutSame::Yes,
                _ => {}
            }
        }
        // Two that say the same are left as they are: whichever is meant, it says that.
        let own = about == AboutSame::Unknown && (!consent || equal);
        Ok(if own { AboutSame::No } else { about })
    }

    /// What was looked at first only and will not be asked for is parsed later.
    fn set_aside(&mut self, candidates: &[Entry], newest: usize) {
        if self.checks_late {
            let losers = candidates.iter().enumerate();
            let losers = losers.filter(|(place, _)| *place != newest);
            let spots = losers.map(|(_, entry)| entry.spot);
            self.found.set_aside.extend(spots);
        }
    }

    /// Which of these stands; `apart` says of two whether they are plainly not about the same.
    fn stands(
        &self,
        candidates: &[Entry],
        apart: impl Fn(&Json<'_>, &Json<'_>, [&Entry; 2]) -> std::io::Result<bool>,
    ) -> std::io::Result<NewestOfName> {
        let mut stands = NewestOfName {
            newest: 0,
            doubt: candidates.iter().any(|entry| entry.doubt),
        };
        // Two that are equally new and differ are no longer in doubt once a newer one comes.
        let mut tied = false;
        let Some(first) = candidates.first() else {
            return Ok(stands);
        };
        let mut newest = self.read(first.spot)?;
        for (place, entry) in candidates.iter().enumerate().skip(1) {
            let bytes = self.read(entry.spot)?;
            let (arena, other_arena) = (Arena::default(), Arena::default());
            let order = {
                let known = Json::parse(&newest, &arena);
                let found = Json::parse(&bytes, &other_arena);
                match (known, found) {
                    (_, Err(_)) => Some(Ordering::Greater),
                    (Err(_), Ok(_)) => Some(Ordering::Less),
                    (Ok(known), Ok(found)) => {
                        let stood = &candidates[stands.newest];
                        let says_where = self.origin(entry.origin).base.is_some();
                        stands.doubt |= !says_where && apart(&known, &found, [stood, entry])?;
                        let alike = bytes == newest
                            || security_labels(&known) == security_labels(&found)
                                && content(&newest) == content(&bytes);
                        let order = age_order(&known, &found);
                        tied |= order == Some(Ordering::Equal) && !alike;
                        stands.doubt |= order.is_none() && !alike;
                        order
                    }
                }
            };
            if order == Some(Ordering::Less) {
                (stands.newest, newest, tied) = (place, bytes, false);
            }
        }
        stands.doubt |= tied;
        Ok(stands)
    }

    /// A request and the record of its person, as far as that is found.
    fn with_person(&self, request: &Entry) -> std::io::Result<(Bytes, Option<Bytes>)> {
        let (bytes, arena) = (self.read(request.spot)?, Arena::default());
        let person = match Json::parse(&bytes, &arena) {
            Ok(tree) => self.person(&tree, request.origin)?,
            Err(_) => None,
        };
        Ok((bytes, person))
    }

    /// The record of a request's person, if one is found.
    pub(super) fn person(&self, request: &Json<'_>, origin: u32) -> std::io::Result<Option<Bytes>> {
        let subject = service_request::subject(request, None);
        match self.find(RawKind::Patient, subject, origin) {
            Sought::Found(spot, _) => self.read(spot).map(Some),
            Sought::Doubt | Sought::Absent => Ok(None),
        }
    }

    /// Whether two requests are about two people, or nobody can say that they are about one.
    fn other_people(
        &self,
        [(one, of_one), (other, of_other)]: [(&Json<'_>, &Entry); 2],
    ) -> std::io::Result<bool> {
        let in_doubt = |request: &Json<'_>, entry: &Entry| {
            let subject = service_request::subject(request, None);
            self.find(RawKind::Patient, subject, entry.origin) == Sought::Doubt
        };
        if in_doubt(one, of_one) || in_doubt(other, of_other) {
            return Ok(true);
        }
        let found = [
            self.person(one, of_one.origin)?,
            self.person(other, of_other.origin)?,
        ];
        let arenas = [Arena::default(), Arena::default()];
        let [first, second] = [0, 1].map(|at| {
            let bytes = found[at].as_ref()?;
            Json::parse(bytes, &arenas[at]).ok()
        });
        let within = |request| match service_request::subject(request, None) {
            Reference::Contained(id) => contained(request, id),
            _ => None,
        };
        let people = [
            first.as_ref().or_else(|| within(one)),
            second.as_ref().or_else(|| within(other)),
        ];
        Ok(match people {
            [Some(one), Some(other)] => plainly_others(one, other),
            [None, None] => {
                // The same words about somebody who is not here, where the same is meant by them.
                let origins = [self.origin(of_one.origin), self.origin(of_other.origin)];
                let named = |request| {
                    let number = service_request::subject_identifier(request);
                    (service_request::subject(request, None), number)
                };
                origins[0] != origins[1] || named(one) != named(other)
            }
            _ => true,
        })
    }

    fn settle_deletions(&mut self) -> std::io::Result<()> {
        for deletion in std::mem::take(&mut self.found.deletions) {
            let set = deletion.origin.set;
            let mut scopes = vec![(NameScope::FileSet(set), None)];
            for (_, base) in self.servers.iter().filter(|(of, _)| *of == set) {
                if deletion.origin.base.as_ref().is_none_or(|own| own == base) {
                    scopes.push((NameScope::Server(set, base), Some(&**base)));
                }
            }
            let bundles = deletion.origin.bundles.iter();
            let request = deletion.kind == RawKind::ServiceRequest;
            if !request {
                scopes.extend(bundles.map(|bundle| (NameScope::Bundle(*bundle), None)));
            }
            let named = if request {
                Named::Request
            } else {
                Named::Record(deletion.kind)
            };
            let mut gone = Vec::new();
            for (scope, base) in scopes {
                let key = self.keys.of(named, scope, &deletion.id);
                let (table, further) = if request {
                    (&self.found.requests, None)
                } else {
                    let alias = self.found.aliases.get(key).map(|alias| alias.record);
                    (&self.found.records, alias)
                };
                let place = table.place(key).or(further);
                let entry = place.and_then(|place| table.values().get(place as usize));
                if let Some(entry) = entry
                    && self.came_after(entry, &deletion)?
                {
                    continue;
                }
                gone.push((place, self.place_name(set, base)));
            }
            for (place, name) in gone {
                let table = if request {
                    self.deleted.push(DeletedRequest {
                        place: name,
                        id: deletion.id.to_string(),
                    });
                    &mut self.found.requests
                } else {
                    &mut self.found.records
                };
                if let Some(entry) = place.and_then(|place| table.at_mut(place)) {
                    entry.deleted = true;
                }
            }
        }
        Ok(())
    }

    /// Whether a resource was written after a deletion of its name: then it is there again.
    fn came_after(&self, entry: &Entry, deletion: &Deletion) -> std::io::Result<bool> {
        let bytes = self.read(entry.spot)?;
        let updated = read_last_updated(&bytes).ok().flatten();
        let (Some(updated), Some(when)) = (updated, deletion.when.as_deref()) else {
            return Ok(false);
        };
        Ok(date_order(&updated, when) == Some(Ordering::Greater))
    }

    /// What tells the ids of a file set and a server from those of others; none of the folder's own where nothing says
    /// from which server they are.
    pub(super) fn place_name(&self, set: u16, base: Option<&str>) -> Option<Arc<str>> {
        let name = self.sets.name(set);
        if name.is_empty() && base.is_none() {
            return None;
        }
        Some(format!("{name}\n{}", base.unwrap_or_default()).into())
    }
}
