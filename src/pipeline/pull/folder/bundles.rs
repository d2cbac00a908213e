//! What a Bundle of an extract holds, and under which names its entries are found.
//!
//! In: the text of a Bundle. Out: its entries in the [`Part`](super::index::Part) of its file, and what it says was deleted.
//! Kept: an entry that says by its `fullUrl` which server it is from has its name there; one that does not has its name in
//! its Bundle first, and in its file set unless the Bundle is one that holds all it refers to; one whose `fullUrl` and id contradict one another has two names, and both are in doubt.

use super::gaps::SavedPage;
use super::index::{Deletion, Indexer, LocalName, RecordOrigin, is_coded, record_kind, within};
use super::lookup_table::{BundleId, Entry, NameScope, Named, Numbered, Spot};
use crate::diagnostics::Code;
use crate::domain::limits;
use crate::fhir::resources::bundle::{BundleText, EntryText};
use crate::fhir::resources::bundle_claims::BundleClaims;
use crate::fhir::resources::reference::{Address, normal_base};
use crate::fhir::resources::{patient, resource};
use crate::json::{Arena, Json};
use crate::store::rows::RawKind;

/// A Bundle that is being read.
struct Around<'b> {
    /// The Bundle, and those around it whose ids are the same server's.
    bundles: &'b [BundleId],
    /// When it was made, as written.
    updated: Option<&'b str>,
    /// It holds all that its entries refer to.
    closed: bool,
}

/// What an entry calls itself.
struct EntryNames<'e> {
    /// The id within the resource, else that of its address.
    id: Option<&'e str>,
    /// The id of its address where that is another.
    other_id: Option<&'e str>,
    /// The base of its address, as it is compared.
    base: Option<String>,
    /// A `fullUrl` that is no `type/id`.
    url: Option<&'e str>,
    /// Address and resource contradict one another.
    doubt: bool,
}

impl<'e> EntryNames<'e> {
    fn of(full_url: Option<&'e str>, kind: &str, id: Option<&'e str>) -> Self {
        let full_url = full_url.map(str::trim).filter(|url| !url.is_empty());
        let address = full_url.and_then(Address::parse);
        let other_id = address
            .map(|address| address.id)
            .filter(|at| Some(*at) != id);
        let other_kind = address.is_some_and(|address| address.kind != kind);
        Self {
            id: id.or(other_id),
            other_id: other_id.filter(|_| id.is_some()),
            base: address.and_then(|address| address.base).map(normal_base),
            url: full_url.filter(|_| address.is_none()),
            doubt: other_kind || (id.is_some() && other_id.is_some()),
        }
    }
}

impl Indexer<'_> {
    /// Reads a Bundle at this depth, from 1; `outer` are Bundles around it that are answers of the same server.
    pub(super) fn bundle(&mut self, bytes: &[u8], spot: Spot, outer: &[BundleId], depth: usize) {
        if depth > limits::BUNDLE_DEPTH_MAX {
            let what = "a Bundle in too many Bundles";
            return self.note(Code::BadResource, what, None);
        }
        let Some(bundle) = BundleText::of(bytes) else {
            let what = "a Bundle whose entry is no list of objects";
            return self.note(Code::BadResource, what, None);
        };
        let own = BundleId {
            file: spot.file,
            offset: spot.offset,
        };
        let bundles: Vec<BundleId> = [own].into_iter().chain(outer.iter().copied()).collect();
        // The answers of one batch are one server's; Bundles that were only put together are not.
        let answers = matches!(
            bundle.kind.as_deref(),
            Some("batch-response" | "transaction-response")
        );
        let around = Around {
            bundles: &bundles,
            updated: bundle.updated(),
            closed: matches!(
                bundle.kind.as_deref(),
                Some("message" | "document" | "transaction" | "batch")
            ),
        };
        self.claims(bytes);
        for (number, entry) in bundle.entry.iter().enumerate() {
            let place = format!("entry {number}");
            if let Some(address) = entry.deletes() {
                self.deletion(address, entry, &around, place);
                continue;
            }
            let Some(text) = entry.resource else { continue };
            let (text, inner) = (text.get(), within(spot, bytes, text.get()));
            let arena = Arena::default();
            let Ok(tree) = Json::parse(text.as_bytes(), &arena) else {
                let what = "an entry of a Bundle cannot be read";
                self.note(Code::Unreadable, what, Some(place));
                continue;
            };
            let kind = resource::resource_type(&tree).unwrap_or_default();
            if kind == "Bundle" {
                let outer = if answers { &*bundles } else { &[] };
                self.bundle(text.as_bytes(), inner, outer, depth + 1);
                continue;
            }
            let names = EntryNames::of(entry.full_url.as_deref(), kind, resource::id(&tree));
            let origin = self.origin(&around, names.base.as_deref());
            if kind == "ServiceRequest" {
                self.request(&tree, inner, &names, origin, place);
            } else if let Some(record) = record_kind(kind) {
                self.record(record, &tree, inner, &names, origin);
            } else {
                self.other(kind, &tree, Some(place));
            }
        }
    }

    /// What a Bundle says of itself: that something of it is missing, and which page it is.
    fn claims(&mut self, bytes: &[u8]) {
        let Some(claims) = BundleClaims::of(bytes) else {
            let what = "a Bundle whose links, answers or count have another form";
            return self.note(Code::BadResource, what, None);
        };
        for number in claims.failed {
            let what = "an entry of a Bundle says that it could not be given";
            self.note(
                Code::ExtractIncomplete,
                what,
                Some(format!("entry {number}")),
            );
        }
        for number in claims.empty {
            let what = "an entry of a Bundle without a resource";
            self.note(Code::BadResource, what, Some(format!("entry {number}")));
        }
        let scope = NameScope::FileSet(self.set());
        let key = |url: Option<&str>| {
            url.map(|url| self.keys.of(Named::FullUrl(RawKind::Patient), scope, url))
        };
        let page = SavedPage {
            own: key(claims.self_link.as_deref()),
            next: key(claims.next.as_deref()),
            matches: claims.matches,
            total: claims.total,
            line: self.line,
        };
        if page.next.is_some() || page.total.is_some() {
            self.part.pages.push(page);
        }
    }

    /// The number of an origin in the part, from 1.
    fn origin(&mut self, around: &Around<'_>, base: Option<&str>) -> u32 {
        let origin = self.origin_of(around, base);
        // Entries of one Bundle have few origins, and they are the last.
        let known = self.part.origins.iter().rev();
        let known = known
            .take_while(|known| known.bundles == origin.bundles)
            .position(|known| *known == origin);
        let place = if let Some(behind) = known {
            self.part.origins.len() - behind
        } else {
            self.part.origins.push(origin);
            self.part.origins.len()
        };
        u32::try_from(place).unwrap_or(u32::MAX)
    }

    fn origin_of(&self, around: &Around<'_>, base: Option<&str>) -> RecordOrigin {
        RecordOrigin {
            set: self.set(),
            bundles: around.bundles.into(),
            base: base.map(Box::from),
            closed: around.closed,
        }
    }

    fn request(
        &mut self,
        tree: &Json<'_>,
        spot: Spot,
        names: &EntryNames<'_>,
        origin: u32,
        place: String,
    ) {
        let Some(id) = names.id.filter(|_| resource::id(tree).is_some()) else {
            return self.without_id(Some(place));
        };
        self.date(resource::last_updated(tree));
        let scope = match &names.base {
            Some(base) => NameScope::Server(self.set(), base),
            None => NameScope::FileSet(self.set()),
        };
        let entry = Entry {
            origin,
            doubt: names.doubt,
            ..Entry::new(self.keys.of(Named::Request, scope, id), spot)
        };
        self.part.requests.push(entry);
    }

    fn record(
        &mut self,
        kind: RawKind,
        tree: &Json<'_>,
        spot: Spot,
        names: &EntryNames<'_>,
        origin: u32,
    ) {
        self.date(resource::last_updated(tree));
        let at = self.part.origins[origin as usize - 1].clone();
        let scopes = at.scopes();
        let mut keys = Vec::new();
        for id in [names.id, names.other_id].into_iter().flatten() {
            let named = Named::Record(kind);
            keys.extend(scopes.iter().map(|scope| self.keys.of(named, *scope, id)));
        }
        if let Some(url) = names.url {
            let named = Named::FullUrl(kind);
            let bundles = at.bundles.iter().map(|bundle| NameScope::Bundle(*bundle));
            keys.extend(bundles.map(|scope| self.keys.of(named, scope, url)));
        }
        let Some((first, further)) = keys.split_first() else {
            return;
        };
        let record = self.push_record(Entry {
            origin,
            coded: is_coded(kind, tree),
            doubt: names.doubt,
            ..Entry::new(*first, spot)
        });
        let aliases = further.iter().map(|key| Numbered { key: *key, record });
        self.part.aliases.extend(aliases);
        if let Some(id) = names.id.filter(|_| at.local()) {
            self.part.locals.push(LocalName {
                by_reference: matches!(kind, RawKind::Consent | RawKind::PractitionerRole),
                key: self
                    .keys
                    .of(Named::Record(kind), NameScope::FileSet(at.set), id),
                record,
                open: !at.closed,
            });
        }
        if kind == RawKind::Patient {
            for number in patient::every_nhs_number(tree) {
                for bundle in at.bundles.iter().filter(|_| at.local()) {
                    self.add_number_in(NameScope::Bundle(*bundle), &number, record);
                }
                self.add_number_in(NameScope::FileSet(at.set), &number, record);
            }
        }
    }

    fn deletion(
        &mut self,
        address: &str,
        entry: &EntryText<'_>,
        around: &Around<'_>,
        place: String,
    ) {
        let full_url = entry.full_url.as_deref().and_then(Address::parse);
        let Some(named) = Address::parse(address.trim()).or(full_url) else {
            let what = "a deletion that names no single resource";
            return self.note(Code::BadResource, what, Some(place));
        };
        let kind = RawKind::ALL
            .into_iter()
            .find(|kind| kind.resource_type() == named.kind);
        let Some(kind) = kind else {
            self.part.others += 1;
            return;
        };
        let base = named.base.or(full_url.and_then(|address| address.base));
        let base = base.map(normal_base);
        let when = entry.done_at().or(around.updated);
        self.date(when);
        let deletion = Deletion {
            kind,
            id: named.id.into(),
            origin: self.origin_of(around, base.as_deref()),
            when: when.map(Box::from),
        };
        self.part.deletions.push(deletion);
    }
}
