//! Where the records lie that a request names.
//!
//! In: a reference, and the origin of the resource that it stands in. Out: a place, or that there is none, or a doubt. Kept,
//! by the rules of FHIR R4 on references in Bundles: a name is looked for where it holds and nowhere else. A reference
//! without a server's address is completed by that of its own entry; an entry without one knows its Bundle, then its file
//! set; a resource by itself knows its file set. A record of that name that lies elsewhere may be another's: that is a doubt, and said.

use std::collections::HashMap;
use std::sync::PoisonError;

use super::index::RecordOrigin;
use super::lookup_table::{Entry, Key, NameScope, Named, Spot};
use super::{Folder, SEVERAL, SHARED_MAX};
use crate::fhir::resources::bundle::collected;
use crate::fhir::resources::reference::{Address, Reference, normal_base};
use crate::fhir::resources::{patient, practitioner, service_request};
use crate::json::{Arena, Json};
use crate::pipeline::referral::{Bytes, consents_together};
use crate::store::rows::RawKind;

/// Organisations that the performers of one request lead to.
const PERFORMERS_MAX: usize = 20;

/// What a reference leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sought {
    /// A record: where it lies, and its number for [`Folder::was_read`].
    Found(Spot, u32),
    /// Nobody can say whose record it is.
    Doubt,
    Absent,
}

/// Where a request and what it names lie, as far as the folder holds it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Places {
    pub(crate) patient: Option<Spot>,
    /// The patient's number for [`Folder::was_read`].
    pub(crate) patient_record: Option<u32>,
    pub(crate) requester: Option<Spot>,
    pub(crate) role: Option<Spot>,
    pub(crate) practice: Option<Spot>,
    /// One of them may be another's: the request goes nowhere.
    pub(crate) doubt: bool,
}

/// What a role names.
#[derive(Clone, Copy)]
pub(super) struct NamedByRole {
    practitioner: Option<Spot>,
    practice: Option<Spot>,
    doubt: bool,
}

impl Places {
    /// The place of what was sought; a doubt is noted.
    fn note(&mut self, sought: Sought) -> Option<(Spot, u32)> {
        match sought {
            Sought::Found(spot, record) => Some((spot, record)),
            Sought::Doubt => {
                self.doubt = true;
                None
            }
            Sought::Absent => None,
        }
    }
}

impl Folder {
    /// Where the records lie that a request names.
    ///
    /// # Errors
    /// A record that had to be looked at cannot be read.
    pub(crate) fn places(&self, index: usize, request: &Json<'_>) -> std::io::Result<Places> {
        let Some(place) = self.requests.get(index) else {
            return Ok(Places::default());
        };
        let mut places = Places {
            doubt: place.doubt,
            ..Places::default()
        };
        if let Some((spot, record)) = self.subject(request, place.origin, &mut places) {
            (places.patient, places.patient_record) = (Some(spot), Some(record));
        }
        self.referrer(request, place.origin, &mut places)?;
        Ok(places)
    }

    /// The consents that a request rests on, as one record, and whether one of them is in doubt.
    ///
    /// # Errors
    /// A record cannot be read.
    pub(crate) fn consents(
        &self,
        index: usize,
        request: &Json<'_>,
    ) -> std::io::Result<(Option<Bytes>, bool)> {
        let origin = self.requests.get(index).map_or(0, |place| place.origin);
        let mut found = Vec::new();
        for consent in service_request::consents(request, None) {
            if matches!(consent.reference, Reference::Contained(_)) {
                continue;
            }
            match self.find(RawKind::Consent, consent.reference, origin) {
                Sought::Found(spot, _) => found.push(Some(self.read(spot)?)),
                Sought::Doubt => return Ok((None, true)),
                Sought::Absent if consent.certain => found.push(None),
                Sought::Absent => {}
            }
        }
        Ok((consents_together(&found), false))
    }

    fn subject(&self, request: &Json<'_>, origin: u32, places: &mut Places) -> Option<(Spot, u32)> {
        let subject = service_request::subject(request, None);
        let found = self.find(RawKind::Patient, subject, origin);
        if found != Sought::Absent || matches!(subject, Reference::Contained(_)) {
            return places.note(found);
        }
        let (system, value) = service_request::subject_identifier(request)?;
        let named = Reference::Logical { system, value };
        places.note(self.find(RawKind::Patient, named, origin))
    }

    fn referrer(
        &self,
        request: &Json<'_>,
        origin: u32,
        places: &mut Places,
    ) -> std::io::Result<()> {
        let requester = service_request::requester(request, None);
        let of_kind = |kind| self.find(kind, requester, origin);
        let spot = |found: Option<(Spot, u32)>| found.map(|(spot, _)| spot);
        places.requester = spot(places.note(of_kind(RawKind::Practitioner)));
        if let Some((role, record)) = places.note(of_kind(RawKind::PractitionerRole)) {
            places.role = Some(role);
            let named = self.named_by_role(role, record)?;
            (places.requester, places.practice) = (named.practitioner, named.practice);
            places.doubt |= named.doubt;
        }
        if places.practice.is_none() {
            places.practice = spot(places.note(of_kind(RawKind::Organization)));
        }
        for reference in service_request::supporting_info(request, None) {
            if places.practice.is_some() {
                break;
            }
            let found = self.find(RawKind::Organization, reference, origin);
            if let Some((spot, record)) = places.note(found) {
                let coded = self.record(record).is_some_and(|entry| entry.coded);
                places.practice = coded.then_some(spot);
            }
        }
        Ok(())
    }

    /// The practitioner and the practice that a role names: many referrals name the same few roles.
    fn named_by_role(&self, spot: Spot, record: u32) -> std::io::Result<NamedByRole> {
        let known = |named: &HashMap<_, _>| named.get(&spot).copied();
        let roles = || self.roles.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(named) = known(&roles()) {
            return Ok(named);
        }
        let (bytes, arena) = (self.read(spot)?, Arena::default());
        let mut places = Places::default();
        let mut found = [None, None];
        if let Ok(role) = Json::parse(&bytes, &arena) {
            let origin = self.record(record).map_or(0, |entry| entry.origin);
            let practitioner = practitioner::role_practitioner(&role, None);
            let practice = practitioner::role_organization(&role, None);
            found = [
                places.note(self.find(RawKind::Practitioner, practitioner, origin)),
                places.note(self.find(RawKind::Organization, practice, origin)),
            ];
        }
        let [practitioner, practice] = found.map(|found| found.map(|(spot, _)| spot));
        let named = NamedByRole {
            practitioner,
            practice,
            doubt: places.doubt,
        };
        let mut roles = roles();
        if roles.len() < SHARED_MAX {
            roles.insert(spot, named);
        }
        Ok(named)
    }

    /// What a request's performers refer to, where they have no identifier of their own, and whether that is in doubt.
    ///
    /// # Errors
    /// A record cannot be read.
    pub(super) fn performers(
        &self,
        origin: u32,
        request: &Json<'_>,
    ) -> std::io::Result<(Option<Bytes>, bool)> {
        let mut found = Vec::new();
        let mut doubt = false;
        for text in service_request::performers_to_resolve(request) {
            doubt |= self.performer(text, origin, &mut found)?;
        }
        Ok((collected(&found).map(Bytes::from), doubt))
    }

    /// Adds what a performer refers to, and of a role its organisation and services; whether that is in doubt.
    fn performer(
        &self,
        text: &str,
        origin: u32,
        found: &mut Vec<(String, Bytes)>,
    ) -> std::io::Result<bool> {
        let kinds = [
            RawKind::Organization,
            RawKind::HealthcareService,
            RawKind::PractitionerRole,
        ];
        for kind in kinds {
            let reference = Reference::parse_text(text, None);
            let (spot, record) = match self.find(kind, reference, origin) {
                Sought::Found(spot, record) => (spot, record),
                Sought::Doubt => return Ok(true),
                Sought::Absent => continue,
            };
            let bytes = self.read_shared(spot)?;
            let mut doubt = false;
            if kind == RawKind::PractitionerRole && found.len() < PERFORMERS_MAX {
                let arena = Arena::default();
                if let Ok(role) = Json::parse(&bytes, &arena) {
                    let origin = self.record(record).map_or(0, |entry| entry.origin);
                    for named in practitioner::role_services(&role) {
                        doubt |= self.performer(named, origin, found)?;
                    }
                }
            }
            let other = |(known, of): &(String, Bytes)| known == text && *of != bytes;
            doubt |= found.iter().any(other);
            found.push((text.to_owned(), bytes));
            return Ok(doubt);
        }
        Ok(false)
    }

    fn record(&self, place: u32) -> Option<&Entry> {
        self.found.records.values().get(place as usize)
    }

    pub(super) fn origin(&self, origin: u32) -> &RecordOrigin {
        &self.found.origins[origin as usize]
    }

    /// What a reference of a resource of this origin leads to, if it is a record of this kind.
    pub(super) fn find(&self, kind: RawKind, reference: Reference<'_>, origin: u32) -> Sought {
        let from = self.origin(origin);
        match reference {
            Reference::Relative { kind: named, id } if named == kind.resource_type() => {
                self.by_name(kind, id, from, from.base.as_deref())
            }
            Reference::Logical { system, value }
                if kind == RawKind::Patient
                    && system.is_some_and(patient::is_nhs_number_system) =>
            {
                self.by_number(&patient::normal_nhs_number(value), from)
            }
            Reference::Urn(url) | Reference::Foreign(url) => {
                let bundles = from.bundles.iter();
                let mut keys = bundles.map(|bundle| {
                    let scope = NameScope::Bundle(*bundle);
                    self.keys.of(Named::FullUrl(kind), scope, url)
                });
                let found = keys.find_map(|key| self.named(key));
                match (found, Address::parse(url)) {
                    (Some(record), _) => self.sought(record),
                    (None, Some(address)) if address.kind == kind.resource_type() => {
                        let base = address.base.map(normal_base);
                        self.by_name(kind, address.id, from, base.as_deref())
                    }
                    (None, _) => Sought::Absent,
                }
            }
            _ => Sought::Absent,
        }
    }

    fn by_name(&self, kind: RawKind, id: &str, from: &RecordOrigin, base: Option<&str>) -> Sought {
        let at = |scope: NameScope<'_>| self.named(self.keys.of(Named::Record(kind), scope, id));
        let found = if let Some(base) = base {
            at(NameScope::Server(from.set, base))
        } else {
            let bundles = from.bundles.iter().copied().map(NameScope::Bundle);
            let set = (!from.closed).then_some(NameScope::FileSet(from.set));
            bundles.chain(set).find_map(at)
        };
        if let Some(record) = found {
            return self.sought(record);
        }
        // Not where it must be: of anything else by that name nobody knows whether it is meant.
        let elsewhere = self
            .sets
            .all()
            .any(|set| at(NameScope::FileSet(set)).is_some())
            || self
                .servers
                .iter()
                .any(|(set, base)| at(NameScope::Server(*set, base)).is_some())
            || from
                .bundles
                .iter()
                .any(|bundle| at(NameScope::Bundle(*bundle)).is_some());
        if elsewhere {
            Sought::Doubt
        } else {
            Sought::Absent
        }
    }

    fn by_number(&self, number: &str, from: &RecordOrigin) -> Sought {
        let bundles = from.bundles.iter().copied().map(NameScope::Bundle);
        let mut scopes = bundles.chain([NameScope::FileSet(from.set)]);
        let found = scopes.find_map(|scope| {
            let key = self.keys.of(Named::NhsNumber, scope, number);
            self.found.numbers.get(key)
        });
        match found {
            // Two people with one number: it names neither.
            Some(known) if known.record == SEVERAL => Sought::Absent,
            Some(known) => self.sought(known.record),
            None => Sought::Absent,
        }
    }

    /// The place of the record with this key.
    fn named(&self, key: Key) -> Option<u32> {
        let alias = || self.found.aliases.get(key).map(|alias| alias.record);
        self.found.records.place(key).or_else(alias)
    }

    fn sought(&self, record: u32) -> Sought {
        match self.record(record) {
            None => Sought::Doubt,
            Some(entry) if entry.doubt => Sought::Doubt,
            Some(entry) if entry.deleted => Sought::Absent,
            Some(entry) => Sought::Found(entry.spot, record),
        }
    }
}
