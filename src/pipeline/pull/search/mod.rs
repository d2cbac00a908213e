//! Referrals from a GP system by FHIR search: pages with includes, what is missing fetched by id or identifier.
//!
//! In: a client and the window's start. Out: a page of dossiers at a time, and at the end what the search can promise.
//! The window is half-open at its start less an overlap; its end is the server's own time at the first page.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::domain::Instant;
use crate::fhir::bundle::{Head, Mode};
use crate::fhir::client::Client;
use crate::fhir::client_error::ClientError;
use crate::fhir::reference::Reference;
use crate::fhir::search::{Ending, Page, Parameters, Search};
use crate::fhir::{patient, people, service_request};
use crate::path::Json;
use crate::pipeline::dossier::{Bytes, Dossier};
use crate::pipeline::select::SNOMED;

/// A window begins this long before the last one ended: server clocks and late commits are not exact.
const OVERLAP_SECONDS: i64 = 600;
/// Referrals asked for on a page; a server may give fewer.
const PAGE: &str = "200";
/// Ids asked for in one search.
const IDS_A_SEARCH: usize = 50;

/// A search under way.
pub(crate) struct SearchPull<'c> {
    client: &'c Client,
    base: String,
    search: Search<'c>,
    from: Option<Instant>,
    records: HashMap<(String, String), Option<Bytes>>,
    seen: HashSet<String>,
    pages: u64,
    repeated: u64,
    unresolved: u64,
}

impl<'c> SearchPull<'c> {
    /// A search for every coded referral changed since `high`, less the overlap.
    pub(crate) fn new(
        client: &'c Client,
        base: &str,
        codes: &[&str],
        high: Option<Instant>,
    ) -> Self {
        let from = high.map(|high| high.plus_seconds(-OVERLAP_SECONDS));
        let mut parameters =
            Parameters::default().tokens("code", codes.iter().map(|code| (SNOMED, *code)));
        if let Some(from) = from {
            parameters = parameters.with("_lastUpdated", format!("ge{}", from.utc_text()));
        }
        let parameters = parameters
            .with("_sort", "_lastUpdated")
            .with("_count", PAGE)
            .with("_include", "ServiceRequest:subject")
            .with("_include", "ServiceRequest:requester");
        let search = client.search("ServiceRequest", parameters);
        Self {
            client,
            base: base.to_owned(),
            search,
            from,
            records: HashMap::new(),
            seen: HashSet::new(),
            pages: 0,
            repeated: 0,
            unresolved: 0,
        }
    }

    /// The next page's referrals; `None` after the last.
    ///
    /// # Errors
    /// The server could not be reached, refused, or gave what is no answer.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<Dossier>>, ClientError> {
        let Some(page) = self.search.next_page().await? else {
            return Ok(None);
        };
        self.pages += 1;
        let requests = self.take_page(&page)?;
        self.fetch_missing(&requests).await?;
        let mut dossiers = Vec::with_capacity(requests.len());
        for request in requests {
            dossiers.push(self.assemble(request).await?);
        }
        Ok(Some(dossiers))
    }

    /// The server's time at the first page: where the next window begins.
    pub(crate) fn high(&self) -> Option<Instant> {
        self.search.server_date().map(Instant)
    }

    /// Records that referrals name and the server does not give.
    pub(crate) fn unresolved(&self) -> u64 {
        self.unresolved
    }

    /// What the search can promise, and why not more.
    pub(crate) fn verdict(&self) -> (String, serde_json::Value) {
        let verdict = match self.search.ending() {
            Some(Ending::NoNext) if self.unresolved == 0 => "complete".to_owned(),
            Some(Ending::NoNext) => {
                format!("complete except {} unresolved references", self.unresolved)
            }
            _ => "unknown".to_owned(),
        };
        let evidence = serde_json::json!({
            "from": self.from.map(Instant::utc_text), "to": self.high().map(Instant::utc_text), "pages": self.pages,
            "requests": self.seen.len(), "repeated_on_pages": self.repeated, "unresolved": self.unresolved,
        });
        (verdict, evidence)
    }

    fn take_page(&mut self, page: &Page) -> Result<Vec<Bytes>, ClientError> {
        let bundle = page.bundle().map_err(ClientError::from)?;
        let mut requests = Vec::new();
        for entry in bundle.entries() {
            if entry.mode == Mode::Outcome {
                continue;
            }
            let head = Head::of(entry.resource);
            let (Some(kind), Some(id)) = (head.resource_type.as_deref(), head.id.as_deref()) else {
                continue;
            };
            let bytes: Bytes = Arc::from(entry.resource);
            if kind == "ServiceRequest" {
                if self.seen.insert(id.to_owned()) {
                    requests.push(bytes);
                } else {
                    self.repeated += 1;
                }
            } else {
                self.records
                    .insert((kind.to_owned(), id.to_owned()), Some(bytes));
            }
        }
        Ok(requests)
    }

    /// Fetches the patients that the server did not include, many ids a search.
    async fn fetch_missing(&mut self, requests: &[Bytes]) -> Result<(), ClientError> {
        let mut missing = Vec::new();
        for request in requests {
            let Ok(tree) = Json::parse(request) else {
                continue;
            };
            if let Reference::Relative {
                kind: "Patient",
                id,
            } = service_request::subject(&tree, Some(&self.base))
                && !self
                    .records
                    .contains_key(&("Patient".to_owned(), id.to_owned()))
            {
                missing.push(id.to_owned());
            }
        }
        missing.sort();
        missing.dedup();
        for ids in missing.chunks(IDS_A_SEARCH) {
            let mut search = self
                .client
                .search("Patient", Parameters::default().with("_id", ids.join(",")));
            while let Some(page) = search.next_page().await? {
                self.take_page(&page)?;
            }
            for id in ids {
                // Known to be absent: not asked for again in this run.
                self.records
                    .entry(("Patient".to_owned(), id.clone()))
                    .or_insert(None);
            }
        }
        Ok(())
    }

    async fn assemble(&mut self, request: Bytes) -> Result<Dossier, ClientError> {
        let mut dossier = Dossier::of_request(request.clone());
        let names = names(&request, &self.base);
        dossier.patient = match names.patient {
            Named::Id(id) => self.record("Patient", &id).await?,
            Named::NhsNumber(number) => self.patient_by_number(&number).await?,
            Named::Nobody => None,
        };
        if dossier.patient.is_none() && !names.contained_patient {
            self.unresolved += 1;
        }
        if let Some(id) = &names.role {
            dossier.role = self.record("PractitionerRole", id).await?;
        }
        let of_role = dossier
            .role
            .as_deref()
            .map(|role| role_names(role, &self.base))
            .unwrap_or_default();
        if let Some(id) = names.practitioner.or(of_role.0) {
            dossier.requester = self.record("Practitioner", &id).await?;
        }
        for id in of_role.1.into_iter().chain(names.organizations) {
            if dossier.practice.is_none()
                && let Some(bytes) = self.record("Organization", &id).await?
                && Json::parse(&bytes)
                    .is_ok_and(|organization| people::ods_code(&organization).is_some())
            {
                dossier.practice = Some(bytes);
            }
        }
        for id in names.consents {
            if dossier.consent.is_none() {
                dossier.consent = self.record("Consent", &id).await?;
            }
        }
        Ok(dossier)
    }

    async fn record(&mut self, kind: &str, id: &str) -> Result<Option<Bytes>, ClientError> {
        let key = (kind.to_owned(), id.to_owned());
        if let Some(known) = self.records.get(&key) {
            return Ok(known.clone());
        }
        let read = match self.client.read(kind, id).await {
            Ok(read) => read.map(Arc::from),
            // One record that the server will not give holds one referral, not all.
            Err(ClientError::Refused { .. } | ClientError::NotFound | ClientError::Gone) => None,
            Err(error) => return Err(error),
        };
        self.records.insert(key, read.clone());
        Ok(read)
    }

    async fn patient_by_number(&mut self, number: &str) -> Result<Option<Bytes>, ClientError> {
        let key = ("NHS number".to_owned(), number.to_owned());
        if let Some(known) = self.records.get(&key) {
            return Ok(known.clone());
        }
        let mut found = self
            .client
            .find_by_identifier("Patient", patient::NHS_NUMBER_SYSTEM, number)
            .await?;
        // Two people with one number: neither is taken.
        let one = if found.len() == 1 {
            found.pop().map(Arc::from)
        } else {
            None
        };
        self.records.insert(key, one.clone());
        Ok(one)
    }
}

enum Named {
    Id(String),
    NhsNumber(String),
    Nobody,
}

/// What a request names, as owned ids: the tree does not outlive the parse.
struct Names {
    patient: Named,
    contained_patient: bool,
    practitioner: Option<String>,
    role: Option<String>,
    organizations: Vec<String>,
    consents: Vec<String>,
}

fn names(request: &[u8], base: &str) -> Names {
    let mut names = Names {
        patient: Named::Nobody,
        contained_patient: false,
        practitioner: None,
        role: None,
        organizations: Vec::new(),
        consents: Vec::new(),
    };
    let Ok(tree) = Json::parse(request) else {
        return names;
    };
    let base = Some(base);
    let number = service_request::subject_identifier(&tree)
        .filter(|(system, _)| *system == Some(patient::NHS_NUMBER_SYSTEM));
    names.patient = match (service_request::subject(&tree, base), number) {
        (
            Reference::Relative {
                kind: "Patient",
                id,
            },
            _,
        ) => Named::Id(id.to_owned()),
        (Reference::Contained(_), _) => {
            names.contained_patient = true;
            Named::Nobody
        }
        (_, Some((_, number))) => Named::NhsNumber(number.to_owned()),
        _ => Named::Nobody,
    };
    match service_request::requester(&tree, base) {
        Reference::Relative {
            kind: "Practitioner",
            id,
        } => names.practitioner = Some(id.to_owned()),
        Reference::Relative {
            kind: "PractitionerRole",
            id,
        } => names.role = Some(id.to_owned()),
        Reference::Relative {
            kind: "Organization",
            id,
        } => names.organizations.push(id.to_owned()),
        _ => {}
    }
    for reference in service_request::supporting_info(&tree, base) {
        match reference {
            Reference::Relative {
                kind: "Organization",
                id,
            } => names.organizations.push(id.to_owned()),
            Reference::Relative {
                kind: "Consent",
                id,
            } => names.consents.push(id.to_owned()),
            _ => {}
        }
    }
    names
}

/// Practitioner and organisation of a role.
fn role_names(role: &[u8], base: &str) -> (Option<String>, Option<String>) {
    let Ok(tree) = Json::parse(role) else {
        return (None, None);
    };
    let id = |reference: Reference<'_>| match reference {
        Reference::Relative { id, .. } => Some(id.to_owned()),
        _ => None,
    };
    (
        id(people::role_practitioner(&tree, Some(base))),
        id(people::role_organization(&tree, Some(base))),
    )
}
