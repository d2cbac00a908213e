//! A referral as pulled: the request and the records it names, as their own bytes.
//!
//! The bytes are what is sealed and kept; trees over them are made where they are read and dropped at once.

use std::sync::Arc;

use jiff::civil::Date;

use crate::fhir::resources::reference::Reference;
use crate::fhir::resources::resource::contained;
use crate::fhir::resources::{practitioner, service_request};
use crate::json::{Arena, Json, JsonError, Members, ShapeCache, items};
use crate::partner::fields::UnreadRecord;
use crate::partner::{LegFacts, NeededMembers, ReferralView, Rules, SourceFacts};
use crate::seal::LookupKey;

/// A resource's bytes; practitioners and practices are shared by many referrals.
pub(crate) type Bytes = Arc<[u8]>;

/// A referral with what it refers to; what is contained in the request is not held twice.
#[derive(Clone)]
pub(crate) struct Referral {
    pub(crate) request: Bytes,
    pub(crate) patient: Option<Bytes>,
    pub(crate) requester: Option<Bytes>,
    pub(crate) role: Option<Bytes>,
    pub(crate) practice: Option<Bytes>,
    /// The consent that the request names, or a JSON list of them.
    pub(crate) consent: Option<Bytes>,
    /// A Bundle of the organisations and services that its performers refer to, each by the reference as written.
    pub(crate) performers: Option<Bytes>,
    pub(crate) ids: IdScope,
}

/// Where the ids of a referral's resources hold, and whether they name anybody.
#[derive(Clone, Default)]
pub(crate) struct IdScope {
    /// What tells them from the same ids of others; none of a server's own, and of a folder that says nothing.
    pub(crate) place: Option<Arc<str>>,
    /// The person's id holds in one Bundle alone.
    pub(crate) one_bundle: bool,
    pub(crate) doubt: Doubt,
    /// The look-up of the leg, of a referral as we have it.
    pub(crate) kept_as: Option<LookupKey>,
}

/// Whether several resources bear a name that a referral uses, and nobody can say which is meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Doubt {
    #[default]
    None,
    /// A record that the request names.
    Record,
    /// The request itself.
    Request,
}

impl std::fmt::Debug for Referral {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Referral({} bytes)", self.request.len())
    }
}

/// The trees over a referral's bytes.
pub(crate) struct ReferralTrees<'a> {
    pub(crate) request: Json<'a>,
    patient: Option<Json<'a>>,
    requester: Option<Json<'a>>,
    role: Option<Json<'a>>,
    practice: Option<Json<'a>>,
    consent: Option<Json<'a>>,
    performers: Option<Json<'a>>,
    pub(crate) doubt: bool,
    unread: Option<UnreadRecord>,
}

/// The consents of a request as one record: the only one as it is, several as a JSON list, in which `null` stands for one that was not to
/// be had. Where none was, there is no record.
pub(crate) fn consents_together(consents: &[Option<Bytes>]) -> Option<Bytes> {
    match consents {
        [Some(only)] => Some(Arc::clone(only)),
        all if all.iter().all(Option::is_none) => None,
        several => {
            let texts = several.iter().map(|one| one.as_deref().unwrap_or(b"null"));
            let list = texts.collect::<Vec<_>>().join(&b","[..]);
            Some(Arc::from([b"[", list.as_slice(), b"]"].concat()))
        }
    }
}

/// What a view needs besides the resources.
#[derive(Clone, Copy)]
pub(crate) struct Setting<'a> {
    pub(crate) source: SourceFacts<'a>,
    pub(crate) today: Date,
    pub(crate) activity_system: &'a str,
    pub(crate) rules: &'a Rules,
}

impl Referral {
    /// A request alone.
    pub(crate) fn of_request(request: Bytes) -> Self {
        Self {
            request,
            patient: None,
            requester: None,
            role: None,
            practice: None,
            consent: None,
            performers: None,
            ids: IdScope::default(),
        }
    }

    /// Parses every resource once.
    ///
    /// # Errors
    /// The request is not JSON. A record it names that is not JSON is noted as unread.
    pub(crate) fn trees<'a>(&'a self, arena: &'a Arena) -> Result<ReferralTrees<'a>, JsonError> {
        let request = Json::parse(&self.request, arena)?;
        Ok(self.trees_with(request, &mut ShapeCache::whole(), arena))
    }

    /// The same of these members of each resource; whatever else it holds is checked, but does not become a tree.
    ///
    /// # Errors
    /// As [`Referral::trees`].
    pub(crate) fn trees_of<'a>(
        &'a self,
        wanted: &NeededMembers,
        arena: &'a Arena,
    ) -> Result<ReferralTrees<'a>, JsonError> {
        let mut unread = None;
        let mut parse = |kind: &'static str, bytes: &'a Option<Bytes>, wanted: &Members| {
            let parsed = Json::parse_members(bytes.as_ref()?, wanted, arena);
            noted(parsed, kind, &mut unread)
        };
        Ok(ReferralTrees {
            request: Json::parse_members(&self.request, &wanted.request, arena)?,
            patient: parse("Patient", &self.patient, &wanted.patient),
            requester: parse("Practitioner", &self.requester, &wanted.requester),
            role: parse("PractitionerRole", &self.role, &wanted.role),
            practice: parse("Organization", &self.practice, &wanted.practice),
            consent: None,
            performers: None,
            doubt: self.in_doubt(),
            unread,
        })
    }

    fn in_doubt(&self) -> bool {
        self.ids.doubt != Doubt::None
    }

    /// The same with a request that has been parsed already, and a person who is likely to look like earlier ones.
    pub(crate) fn trees_with<'a>(
        &'a self,
        request: Json<'a>,
        people: &mut ShapeCache<'_>,
        arena: &'a Arena,
    ) -> ReferralTrees<'a> {
        let mut unread = None;
        let patient = self.patient.as_ref().and_then(|bytes| {
            let parsed = people.parse(bytes, arena);
            noted(parsed, "Patient", &mut unread)
        });
        let mut parse = |kind: &'static str, bytes: &'a Option<Bytes>| {
            noted(Json::parse(bytes.as_ref()?, arena), kind, &mut unread)
        };
        ReferralTrees {
            request,
            patient,
            requester: parse("Practitioner", &self.requester),
            role: parse("PractitionerRole", &self.role),
            practice: parse("Organization", &self.practice),
            consent: parse("Consent", &self.consent),
            performers: parse("performer", &self.performers),
            unread,
            doubt: self.in_doubt(),
        }
    }
}

/// The tree, or that there is a record of this kind without one.
pub(crate) fn noted<'a>(
    parsed: Result<Json<'a>, JsonError>,
    kind: &'static str,
    unread: &mut Option<UnreadRecord>,
) -> Option<Json<'a>> {
    parsed
        .map_err(|error| unread.get_or_insert(UnreadRecord { kind, error }))
        .ok()
}

impl<'a> ReferralTrees<'a> {
    /// The same by reference.
    pub(crate) fn parts(&'a self) -> ReferralParts<'a> {
        ReferralParts {
            request: &self.request,
            patient: self.patient.as_ref(),
            requester: self.requester.as_ref(),
            role: self.role.as_ref(),
            practice: self.practice.as_ref(),
            consent: self.consent.as_ref(),
            performers: self.performers.as_ref(),
            doubt: self.doubt,
            unread: self.unread,
        }
    }

    /// The person: the record pulled, else one contained in the request.
    pub(crate) fn patient(&'a self) -> Option<&'a Json<'a>> {
        self.parts().patient()
    }

    /// A Bundle of what the performers refer to.
    pub(crate) fn performers(&self) -> Option<&Json<'a>> {
        self.performers.as_ref()
    }

    /// The consents that the request rests on.
    pub(crate) fn consents(&'a self) -> Vec<&'a Json<'a>> {
        self.parts().consents()
    }

    /// The record that was kept of them beside the request.
    pub(crate) fn consent_record(&'a self) -> Option<&'a Json<'a>> {
        self.consent.as_ref()
    }

    /// The referral as a partner file sees it.
    pub(crate) fn view(&'a self, setting: Setting<'a>, leg: LegFacts<'a>) -> ReferralView<'a> {
        self.parts().view(setting, leg)
    }
}

/// A request and the records it names, wherever their trees are kept.
#[derive(Clone, Copy)]
pub(crate) struct ReferralParts<'a> {
    pub(crate) request: &'a Json<'a>,
    pub(crate) patient: Option<&'a Json<'a>>,
    pub(crate) requester: Option<&'a Json<'a>>,
    pub(crate) role: Option<&'a Json<'a>>,
    pub(crate) practice: Option<&'a Json<'a>>,
    pub(crate) consent: Option<&'a Json<'a>>,
    pub(crate) performers: Option<&'a Json<'a>>,
    /// Nobody can say which records are meant.
    pub(crate) doubt: bool,
    /// One of them that is there and cannot be read.
    pub(crate) unread: Option<UnreadRecord>,
}

impl<'a> ReferralParts<'a> {
    fn patient(self) -> Option<&'a Json<'a>> {
        self.patient
            .or_else(|| self.contained(service_request::subject(self.request, None)))
    }

    /// The consents that the request rests on: records of their own, and those within the request.
    pub(crate) fn consents(self) -> Vec<&'a Json<'a>> {
        let named = service_request::consents(self.request, None).into_iter();
        let within = named.filter_map(|consent| self.contained(consent.reference));
        items(self.consent).iter().chain(within).collect()
    }

    /// The referral as a partner file sees it.
    pub(crate) fn view(self, setting: Setting<'a>, leg: LegFacts<'a>) -> ReferralView<'a> {
        let requester = || {
            let named = self.role.map_or(Reference::None, |role| {
                practitioner::role_practitioner(role, None)
            });
            self.contained(service_request::requester(self.request, None))
                .or_else(|| self.contained(named))
        };
        ReferralView {
            request: self.request,
            patient: self.patient(),
            requester: self.requester.or_else(requester),
            role: self.role,
            practice: self.practice,
            performers: self.performers,
            doubt: self.doubt,
            unread: self.unread,
            source: setting.source,
            leg,
            today: setting.today,
            activity_system: setting.activity_system,
            vocabulary: &setting.rules.vocabulary,
        }
    }

    fn contained(self, reference: Reference<'_>) -> Option<&'a Json<'a>> {
        let Reference::Contained(id) = reference else {
            return None;
        };
        contained(self.request, id)
    }
}
