//! What a request names: its person, its requester, their practice, its consents; and what is checked of it again.

use memchr::memmem;

use super::records::Urls;
use crate::domain::Instant;
use crate::fhir::resources::reference::Reference;
use crate::fhir::resources::{patient, practitioner, resource, service_request};
use crate::json::{Arena, Json, ShapeCache};
use crate::pipeline::referral::Bytes;
use crate::pipeline::select::SNOMED;
use crate::store::rows::RawKind;

/// The system of an organisation's ODS code.
pub(super) const ODS: &str = "https://fhir.nhs.uk/Id/ods-organization-code";

/// Who a request is about.
pub(super) enum Named {
    Id(String),
    NhsNumber(String),
    Nobody,
}

/// What a request names, as owned ids: the tree does not outlive the parse.
pub(super) struct Names {
    /// The request's own id.
    pub(super) id: Option<String>,
    pub(super) patient: Named,
    pub(super) contained_patient: bool,
    pub(super) practitioner: Option<String>,
    pub(super) role: Option<String>,
    pub(super) organizations: Vec<String>,
    /// ODS codes of organisations that are named by identifier alone.
    pub(super) ods_codes: Vec<String>,
    /// Of each consent its id; none of one that is not this server's to give.
    pub(super) consents: Vec<Option<String>>,
    /// What its performers refer to: the reference as written, kind and id.
    pub(super) performers: Vec<PerformingService>,
    /// One of R4's, or `other`; none where the request is no JSON.
    pub(super) status: Option<&'static str>,
}

/// The statuses of R4; any other is counted as such, never by its text.
const STATUSES: [&str; 7] = [
    "draft",
    "active",
    "on-hold",
    "revoked",
    "completed",
    "entered-in-error",
    "unknown",
];

impl Names {
    /// Those of each of these requests; nobody where one is no JSON.
    pub(super) fn of_all(
        requests: &[Bytes],
        base: &str,
        urls: &Urls,
    ) -> Vec<(Self, Option<Checked>)> {
        let (mut shapes, mut arena) = (ShapeCache::whole(), Arena::default());
        let names = requests.iter().map(|request| {
            arena.reset();
            Self::of(shapes.parse(request, &arena).ok(), base, urls)
        });
        names.collect()
    }

    fn of(request: Option<Json<'_>>, base: &str, urls: &Urls) -> (Self, Option<Checked>) {
        let mut names = Self {
            id: None,
            patient: Named::Nobody,
            contained_patient: false,
            practitioner: None,
            role: None,
            organizations: Vec::new(),
            ods_codes: Vec::new(),
            consents: Vec::new(),
            performers: Vec::new(),
            status: None,
        };
        let Some(tree) = request else {
            return (names, None);
        };
        let base = Some(base);
        let status = service_request::status(&tree);
        names.id = resource::id(&tree).map(str::to_owned);
        names.status = STATUSES
            .into_iter()
            .find(|known| status == Some(known))
            .or(Some("other"));
        names.subject(&tree, base, urls);
        names.performers = services(service_request::performers_to_resolve(&tree), base, urls);
        names.requester(service_request::requester(&tree, base), urls);
        for reference in service_request::supporting_info(&tree, base) {
            names
                .organizations
                .extend(urls.id(reference, RawKind::Organization));
        }
        for consent in service_request::consents(&tree, base) {
            if matches!(consent.reference, Reference::Contained(_)) {
                continue;
            }
            let id = urls.id(consent.reference, RawKind::Consent);
            if id.is_some() || consent.certain {
                names.consents.push(id);
            }
        }
        let checked = Checked {
            codes: service_request::codes(&tree)
                .into_iter()
                .filter(|(system, _)| *system == Some(SNOMED))
                .map(|(_, code)| code.to_owned())
                .collect(),
            updated: resource::last_updated(&tree).and_then(Instant::parse),
        };
        (names, Some(checked))
    }

    fn subject(&mut self, tree: &Json<'_>, base: Option<&str>, urls: &Urls) {
        let number = service_request::subject_identifier(tree)
            .filter(|(system, _)| system.is_some_and(patient::is_nhs_number_system));
        let subject = service_request::subject(tree, base);
        self.contained_patient = matches!(subject, Reference::Contained(_));
        self.patient = match (urls.id(subject, RawKind::Patient), number) {
            (Some(id), _) => Named::Id(id),
            (None, Some((_, number))) if !self.contained_patient => {
                Named::NhsNumber(patient::normal_nhs_number(number).into_owned())
            }
            _ => Named::Nobody,
        };
    }

    fn requester(&mut self, requester: Reference<'_>, urls: &Urls) {
        self.practitioner = urls.id(requester, RawKind::Practitioner);
        self.role = urls.id(requester, RawKind::PractitionerRole);
        self.organizations
            .extend(urls.id(requester, RawKind::Organization));
        self.ods_codes.extend(ods_code(requester));
    }

    /// The id of the person, where it has one.
    pub(super) fn person(&self) -> Option<&String> {
        match &self.patient {
            Named::Id(id) => Some(id),
            Named::NhsNumber(_) | Named::Nobody => None,
        }
    }

    /// Adds what the requester's role names; the practice of a role comes before any other.
    pub(super) fn add_role(&mut self, role: &[u8], base: &str, urls: &Urls) {
        let arena = Arena::default();
        let Ok(tree) = Json::parse(role, &arena) else {
            return;
        };
        let practitioner = practitioner::role_practitioner(&tree, Some(base));
        let organization = practitioner::role_organization(&tree, Some(base));
        if self.practitioner.is_none() {
            self.practitioner = urls.id(practitioner, RawKind::Practitioner);
        }
        if let Some(id) = urls.id(organization, RawKind::Organization) {
            self.organizations.insert(0, id);
        }
        self.ods_codes.extend(ods_code(organization));
    }
}

/// An organisation, service or role that somebody refers to: the reference as written, kind and id.
pub(super) type PerformingService = (String, RawKind, String);

fn services(texts: Vec<&str>, base: Option<&str>, urls: &Urls) -> Vec<PerformingService> {
    let service = |text: &str| {
        SERVICE_KINDS.into_iter().find_map(|kind| {
            let id = urls.id(Reference::parse_text(text, base), kind)?;
            Some((text.to_owned(), kind, id))
        })
    };
    texts.into_iter().filter_map(service).collect()
}

/// What may do what a request asks for.
pub(super) const SERVICE_KINDS: [RawKind; 3] = [
    RawKind::Organization,
    RawKind::HealthcareService,
    RawKind::PractitionerRole,
];

/// The organisation and services of a role.
pub(super) fn services_of_role(role: &[u8], base: &str, urls: &Urls) -> Vec<PerformingService> {
    let arena = Arena::default();
    Json::parse(role, &arena).map_or_else(
        |_| Vec::new(),
        |tree| services(practitioner::role_services(&tree), Some(base), urls),
    )
}

/// What is held against the question, on every request that comes.
pub(super) struct Checked {
    pub(super) codes: Vec<String>,
    pub(super) updated: Option<Instant>,
}

/// The ODS code of an organisation that is named by identifier alone.
fn ods_code(reference: Reference<'_>) -> Option<String> {
    match reference {
        Reference::Logical {
            system: Some(ODS),
            value,
        } => Some(value.to_owned()),
        _ => None,
    }
}

/// The id of the Patient that takes the place of this one, if it was merged into another.
pub(super) fn replaced_by(record: &[u8], base: &str, urls: &Urls) -> Option<String> {
    // Few records are merged, and most are not worth a parse.
    memmem::find(record, b"replaced-by")?;
    let arena = Arena::default();
    let tree = Json::parse(record, &arena).ok()?;
    urls.id(patient::replaced_by(&tree, Some(base)), RawKind::Patient)
}
