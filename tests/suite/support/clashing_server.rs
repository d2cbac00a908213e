//! A search server that gives more than its own: records of other hosts under the ids that its own people have, records
//! twice, older versions behind newer ones, records that contradict their address, and the record of somebody else by id.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::http::Method;
use serde_json::{Value, json};

use super::answering::{Answer, Answering, asked, not_found};
use super::clashing::{Allowed, PEOPLE, Person, first_of, from, practice as practice_name, team};
use super::expressions::Dice;
use super::people::nhs_number;

const HOSTS: [&str; 3] = [
    "BASE",
    "https://host-1.example/fhir",
    "https://host-2.example:8443/fhir",
];
const ON_A_PAGE: usize = 9;

/// How a person's record comes along with the request.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Included {
    Before,
    After,
    Not,
    /// With an older version behind it.
    Twice,
    /// Under the address of somebody else.
    Contradicting,
    /// Without all its parts.
    Subsetted,
    /// Not at all, and who asks for it by its id is given somebody else's.
    Confused,
}

const INCLUDED: [Included; 7] = [
    Included::Before,
    Included::After,
    Included::Not,
    Included::Twice,
    Included::Contradicting,
    Included::Subsetted,
    Included::Confused,
];

/// Somebody whose referral a server gives, and on which host the records are.
struct Guest {
    person: Person,
    host: usize,
    included: Included,
    subject: Value,
    /// The record stands within the request.
    contained: bool,
    /// On pages the record has this address alone.
    urn: Option<String>,
}

/// A server of one seed.
struct Server {
    guests: Vec<Guest>,
    /// Roles, practitioners and organisations of each host, all with the id `1`.
    teams: Vec<[Value; 3]>,
    tells_self: bool,
    tells_total: bool,
}

/// Servers of several seeds on one port, each below its own path; ended when dropped.
pub(crate) struct ClashingServers {
    server: Answering,
    later: Arc<AtomicBool>,
}

impl ClashingServers {
    /// Starts the servers of these seeds; gives the rows that may leave of each, by seed.
    pub(crate) fn start(seeds: &[u64], source: impl Fn(u64) -> String) -> (Self, Allowed) {
        let mut allowed = Allowed::new();
        let mut servers = BTreeMap::new();
        for seed in seeds {
            let server = Server::of(*seed);
            allowed.extend(server.allowed(&source(*seed)));
            servers.insert(*seed, server);
        }
        let later = Arc::new(AtomicBool::new(false));
        let (servers, is_later) = (Arc::new(servers), Arc::clone(&later));
        let server = Answering::start(move |method, path, parameters| {
            let (seed, rest) = path.split_once("/fhir/").unwrap_or((path, ""));
            let later = is_later.load(Ordering::SeqCst);
            let server = seed.parse().ok().and_then(|seed| servers.get(&seed));
            server.map_or_else(not_found, |server| {
                let (status, answer) = server.answer(method, rest, parameters, later);
                let below = format!("BASE/{seed}/fhir");
                let text = answer.to_string().replace("BASE", &below);
                (status, serde_json::from_str(&text).expect("JSON"))
            })
        });
        (Self { server, later }, allowed)
    }

    /// The base URL of a seed's server.
    pub(crate) fn base(&self, seed: u64) -> String {
        format!("{}/{seed}/fhir", self.server.origin)
    }

    /// From here on every third person has another phone, and the requests are as they were.
    pub(crate) fn people_change(&self) {
        self.later.store(true, Ordering::SeqCst);
    }
}

impl Server {
    fn of(seed: u64) -> Self {
        let mut dice = Dice::new(seed.wrapping_mul(2));
        let mut next = [0; HOSTS.len()];
        let mut guests = Vec::new();
        for n in 0..PEOPLE {
            let host = [0, 0, 0, 0, 0, 0, 1, 1, 2][dice.roll(9)];
            next[host] += 1;
            let (id, n) = (next[host], first_of(seed) + n);
            let person = Person {
                n,
                id: id.to_string(),
                request_id: if dice.roll(4) == 0 {
                    id.to_string()
                } else {
                    format!("r{n}")
                },
                from: from(dice.roll(3) == 0, &practice_name(seed, host), n),
                consent: [None, None, None, Some("permit"), Some("deny")][dice.roll(5)],
            };
            guests.push(Guest::of(person, host, &mut dice));
        }
        let teams = (0..HOSTS.len()).map(|host| {
            let code = seed * 8 + host as u64;
            team(&practice_name(seed, host), code)
        });
        Self {
            guests,
            teams: teams.collect(),
            tells_self: dice.roll(2) == 0,
            tells_total: dice.roll(2) == 0,
        }
    }

    fn allowed(&self, source: &str) -> Allowed {
        let may = self.guests.iter().filter(|guest| guest.may_leave());
        may.map(|guest| {
            let rows = [2, 3].map(|version| guest.person.row(source, version));
            (nhs_number(guest.person.n), rows.to_vec())
        })
        .collect()
    }

    fn answer(&self, method: &Method, path: &str, parameters: &str, later: bool) -> Answer {
        let segments: Vec<&str> = path.trim_end_matches('/').split('/').collect();
        match (method, &segments[..]) {
            (&Method::POST, [kind, "_search"]) => (200, self.search(kind, parameters, later)),
            (&Method::GET, ["pages"]) => (200, self.search("ServiceRequest", parameters, later)),
            (&Method::GET, [kind, id]) => {
                let found = self.by_id(kind, id, later);
                found.map_or_else(not_found, |record| (200, record))
            }
            _ => not_found(),
        }
    }

    fn search(&self, kind: &str, parameters: &str, later: bool) -> Value {
        let ids = asked(parameters, "_id");
        if let Some(ids) = ids.first() {
            let entries = ids.split(',').flat_map(|id| self.listed(kind, id, later));
            return self.bundle(kind, &entries.collect::<Vec<_>>());
        }
        if let Some(identifier) = asked(parameters, "identifier").first() {
            let number = identifier.rsplit('|').next().unwrap_or_default();
            return self.bundle(kind, &self.numbered(number, later));
        }
        if kind == "ServiceRequest" {
            return self.page(parameters, later);
        }
        self.bundle(kind, &[])
    }

    fn bundle(&self, kind: &str, entries: &[Value]) -> Value {
        let mut bundle =
            json!({"resourceType": "Bundle", "type": "searchset", "entry": entries, "link": []});
        if self.tells_self {
            bundle["link"] = json!([{"relation": "self", "url": format!("BASE/{kind}")}]);
        }
        bundle
    }

    /// Requests that were written within the window, and what comes along with them.
    fn page(&self, parameters: &str, later: bool) -> Value {
        let bounds = asked(parameters, "_lastUpdated");
        let within = |guest: &&Guest| {
            let request = guest.request();
            let at = request["meta"]["lastUpdated"].as_str().expect("text");
            bounds.iter().all(|bound| match bound.split_at(2) {
                ("ge", from) => at >= from,
                (_, until) => at < until,
            })
        };
        let found: Vec<&Guest> = self.guests.iter().filter(within).collect();
        let number = asked(parameters, "page");
        let number = number
            .first()
            .map_or(0, |page| page.parse().expect("a number"));
        let start = found.len().min(number * ON_A_PAGE);
        let end = found.len().min(start + ON_A_PAGE);
        let mut entries = Vec::new();
        for guest in &found[start..end] {
            guest.entries(later, &mut entries);
        }
        // One that another page has had already.
        if let Some(guest) = start.checked_sub(1).and_then(|last| found.get(last)) {
            guest.entries(later, &mut entries);
        }
        for host in 1..HOSTS.len() {
            let team = self.teams[host].iter();
            entries.extend(team.map(|record| entry(host, record, "include")));
        }
        let mut bundle = self.bundle("ServiceRequest", &entries);
        if self.tells_total {
            bundle["total"] = json!(found.len());
        }
        if end < found.len() {
            let window: String = bounds
                .iter()
                .map(|bound| format!("&_lastUpdated={bound}"))
                .collect();
            let url = format!("BASE/pages?page={}{window}", number + 1);
            let link = json!({"relation": "next", "url": url});
            bundle["link"].as_array_mut().expect("links").push(link);
        }
        bundle
    }

    /// What an answer to a list of ids has of one: its own record, and those of the other hosts before or behind it.
    fn listed(&self, kind: &str, id: &str, later: bool) -> Vec<Value> {
        let mut entries = Vec::new();
        for (host, order) in [(1, 0), (0, 1), (2, 2)] {
            let found = self.guests.iter().filter(|guest| guest.host == host);
            for guest in found {
                if order == 1 && guest.included == Included::Confused && kind == "Patient" {
                    continue;
                }
                let records = guest.named(kind, id, later);
                entries.extend(records.iter().map(|record| entry(host, record, "match")));
            }
            let team = self.teams[host].iter();
            let team = team.filter(|record| record["resourceType"] == kind && record["id"] == id);
            entries.extend(team.map(|record| entry(host, record, "match")));
        }
        entries
    }

    /// People with a number: the server's own, and another host's record of somebody who has taken the number.
    fn numbered(&self, number: &str, later: bool) -> Vec<Value> {
        let mut entries = Vec::new();
        for guest in self.guests.iter().filter(|guest| guest.host == 0) {
            if nhs_number(guest.person.n) != number {
                continue;
            }
            let own = guest.patient(later);
            let mut other = own.clone();
            other["name"] = json!([{"family": "Wrong", "given": ["Wrong"]}]);
            other["telecom"] = json!([]);
            entries.push(entry(1, &other, "match"));
            entries.push(entry(0, &own, "match"));
        }
        entries
    }

    fn by_id(&self, kind: &str, id: &str, later: bool) -> Option<Value> {
        let own = || self.guests.iter().filter(|guest| guest.host == 0);
        if kind == "Patient" {
            let found = own().find(|guest| guest.person.id == id)?;
            if found.included == Included::Confused {
                let other = own().find(|guest| guest.person.id != id)?;
                return Some(other.patient(later));
            }
        }
        let found = own().find_map(|guest| guest.named(kind, id, later).into_iter().next());
        let team = self.teams[0].iter();
        let mut team = team.filter(|record| record["resourceType"] == kind && record["id"] == id);
        found.or_else(|| team.next().cloned())
    }
}

fn entry(host: usize, record: &Value, mode: &str) -> Value {
    let [kind, id] = ["resourceType", "id"].map(|key| record[key].as_str().expect("text"));
    let url = format!("{}/{kind}/{id}", HOSTS[host]);
    json!({"fullUrl": url, "resource": record, "search": {"mode": mode}})
}

impl Guest {
    fn of(person: Person, host: usize, dice: &mut Dice) -> Self {
        let id = person.id.clone();
        let mut included = INCLUDED[dice.roll(INCLUDED.len())];
        let (mut contained, mut urn) = (false, None);
        let subject = match dice.roll(8) {
            0 => json!({"reference": format!("{}/Patient/{id}", HOSTS[host])}),
            1 => json!({"reference": format!("Patient/{id}/_history/1")}),
            2 => {
                // Its own page has it under this address, and another host's page has another one.
                let own = format!("urn:uuid:{id}");
                included = Included::Before;
                urn = Some(own.clone());
                json!({"reference": own})
            }
            3 => {
                contained = true;
                json!({"reference": format!("#{id}")})
            }
            4 => {
                json!({"identifier": {"system": "https://fhir.nhs.uk/Id/nhs-number", "value": nhs_number(person.n)}})
            }
            5 => json!({"reference": format!("{}/Patient/{id}", HOSTS[1])}),
            _ => json!({"reference": format!("Patient/{id}")}),
        };
        Self {
            person,
            host,
            included,
            subject,
            contained,
            urn,
        }
    }

    /// Whether a row of this person may leave: the server's own, with a record that the server gives.
    fn may_leave(&self) -> bool {
        let elsewhere = self.subject["reference"]
            .as_str()
            .is_some_and(|text| text.starts_with(HOSTS[1]));
        // A search for the number gives the right one.
        let by_number = self.subject.get("identifier").is_some();
        let confused = self.included == Included::Confused && !self.contained && !by_number;
        self.host == 0 && !elsewhere && !confused && self.person.consent != Some("deny")
    }

    fn request(&self) -> Value {
        let mut request = self.person.request(&self.subject);
        if self.contained {
            request["contained"] = json!([self.person.patient(2, false)]);
        }
        request
    }

    fn patient(&self, later: bool) -> Value {
        let changed = later && self.person.n.is_multiple_of(3);
        self.person.patient(if changed { 3 } else { 2 }, true)
    }

    /// What the host has of this person under a name; the newest first, then an older version.
    fn named(&self, kind: &str, id: &str, later: bool) -> Vec<Value> {
        let records = match kind {
            "Patient" => vec![self.patient(later), self.person.patient(1, true)],
            "ServiceRequest" => vec![self.request()],
            "Consent" => self.person.consent().into_iter().collect(),
            _ => Vec::new(),
        };
        records
            .into_iter()
            .filter(|record| record["id"] == id)
            .collect()
    }

    /// What a page has of this person.
    fn entries(&self, later: bool, entries: &mut Vec<Value>) {
        let request = entry(self.host, &self.request(), "match");
        if self.contained {
            return entries.push(request);
        }
        let patient = self.patient(later);
        let mut included = entry(self.host, &patient, "include");
        if let Some(urn) = &self.urn {
            included["fullUrl"] = json!(urn);
        }
        match self.included {
            Included::Before => entries.extend([included, request]),
            Included::After => entries.extend([request, included]),
            Included::Not | Included::Confused => entries.push(request),
            Included::Twice => {
                let older = entry(self.host, &self.person.patient(1, true), "include");
                entries.extend([request, included, older]);
            }
            Included::Contradicting => {
                included["fullUrl"] = json!(format!("{}/Patient/1", HOSTS[self.host]));
                entries.extend([request, included]);
            }
            Included::Subsetted => {
                included["resource"]["meta"]["tag"] = json!([{"code": "SUBSETTED"}]);
                included["resource"]["telecom"] = json!([]);
                entries.extend([included, request]);
            }
        }
    }
}
