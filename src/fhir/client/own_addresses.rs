//! Which addresses are a server's own.
//!
//! In: the base URL at which a server is asked, and what it calls itself on its pages. Out: whose an entry of an answer is.
//! Kept: equal ids of two servers are two records, and an entry whose address says one thing and whose content says another
//! is nobody's until the server was asked for it by its id.

use crate::fhir::resources::reference::{Address, normal_base};

/// The types that are searched: the last part of a page's own address is one of them, or the address is of something else.
const SEARCHED: [&str; 9] = [
    "Consent",
    "HealthcareService",
    "Observation",
    "Organization",
    "Patient",
    "Practitioner",
    "PractitionerRole",
    "ServiceRequest",
    "Task",
];

/// The base URLs of one server.
#[derive(Default)]
pub(crate) struct OwnAddresses {
    /// As they are compared: the one that it is asked at, and the one that it calls itself.
    bases: Vec<String>,
    /// Path of the server's base URL, if an absolute address on another host may be its own.
    rebased: Option<String>,
}

impl OwnAddresses {
    /// Those of the server that is asked at this base URL; `rebase`: any host will do, if the path is the same.
    pub(crate) fn of(base: &str, rebase: bool) -> Self {
        let base = normal_base(base);
        let path = path_of(&base).to_owned();
        Self {
            bases: vec![base],
            rebased: rebase.then_some(path),
        }
    }

    /// Hears what the server calls itself: behind a proxy that is another name than the one that we know. It has one such
    /// name: what pages call by a second is another server's.
    pub(crate) fn hear(&mut self, self_link: Option<&str>) {
        let link = self_link.and_then(|link| link.split('?').next());
        let link = link.map(|link| link.trim_end_matches('/'));
        let link = link.map(|link| link.strip_suffix("/_search").unwrap_or(link));
        let searched = |kind: &str| SEARCHED.contains(&kind);
        let base = link.and_then(|link| link.rsplit_once('/'));
        let base = base.filter(|(base, kind)| base.contains("://") && searched(kind));
        if let Some(base) = base.map(|(base, _)| normal_base(base))
            && self.bases.len() == 1
            && !self.bases.contains(&base)
        {
            self.bases.push(base);
        }
    }

    /// Whether an address without a base, or below this one, is the server's.
    pub(crate) fn has(&self, base: Option<&str>) -> bool {
        let Some(base) = base.map(normal_base) else {
            return true;
        };
        self.bases.contains(&base) || self.rebased.as_deref() == Some(path_of(&base))
    }

    /// The base URL of an entry that is another server's, as it is compared.
    pub(crate) fn foreign(&self, full_url: Option<&str>) -> Option<String> {
        let base = Address::parse(full_url?)?.base;
        (!self.has(base)).then(|| base.map(normal_base)).flatten()
    }

    /// Whether an entry is the server's own record of this type and id: its address, where it has one, says nothing else.
    pub(crate) fn names(&self, full_url: Option<&str>, kind: &str, id: &str) -> bool {
        let Some(url) = full_url else { return true };
        Address::parse(url).is_some_and(|address| {
            self.has(address.base) && address.kind == kind && address.id == id
        })
    }
}

/// The path of a base URL as it is compared.
fn path_of(base: &str) -> &str {
    base.split_once('/').map_or("", |(_, path)| path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_the_servers_own_by_its_address_alone() {
        let mut own = OwnAddresses::of("https://gp.example:443/fhir/", false);
        for (url, is_own) in [
            (None, true),
            (Some("Patient/1"), true),
            (Some("HTTP://GP.example:80/fhir/Patient/1/_history/2"), true),
            (Some("https://gp.example/fhir/Patient/2"), false),
            (Some("https://gp.example/fhir/Practitioner/1"), false),
            (Some("https://gp.example/other/Patient/1"), false),
            (Some("https://inner.example/fhir/Patient/1"), false),
            (Some("urn:uuid:1"), false),
            (Some(""), false),
        ] {
            assert_eq!(own.names(url, "Patient", "1"), is_own, "{url:?}");
        }
        let foreign = |own: &OwnAddresses, url: &str| own.foreign(Some(url)).is_some();
        assert!(!foreign(&own, "https://gp.example/fhir/Patient/2"));
        assert!(!foreign(&own, "urn:uuid:1") && own.foreign(None).is_none());
        let rebased = OwnAddresses::of("https://gp.example/fhir", true);
        assert!(rebased.names(Some("http://inner.example/fhir/Patient/1"), "Patient", "1"));
        assert!(foreign(&rebased, "http://inner.example/r4/Patient/1"));
        // What it calls itself, and no second name.
        own.hear(Some("Patient?_id=1"));
        own.hear(Some("https://gp.example/fhir/Patient?_id=1"));
        own.hear(Some("https://pages.example/fhir?page=2"));
        own.hear(Some("https://gp/FHIR?_getpages=2"));
        own.hear(Some("https://gp.example/fhir/NORTH?page=2"));
        own.hear(Some(
            "https://inner.example/r4/ServiceRequest/_search?code=a/b",
        ));
        own.hear(Some("https://second.example/r4/Patient?_id=1"));
        assert!(own.names(Some("http://inner.example/r4/Patient/1"), "Patient", "1"));
        assert!(foreign(&own, "https://second.example/r4/Patient/1"));
    }
}
