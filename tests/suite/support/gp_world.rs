//! An installation and a GP system that misbehaves, from the first referral to the last Observation.
//!
//! The server is `kith sandbox --faults`, whose clock stands where the test sets it, so that a seed has the same story each
//! time. Beside the faulty answers the same server tells the truth to whoever asks with a header.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::expected::{Fates, assert_held, foreseeable, headers, layout, rows};
use super::fhir_server::FhirServer;
use super::home::Home;
use super::people::Sandbox;
use super::table::{self, Table};
use super::told::{Added, told};
use super::workload::{Referral, Workload, text};
use super::world::World;

/// How many referrals are there at the start, and how many before the first run; the rest come after it.
const AT_THE_START: usize = 40;
const BEFORE_THE_FIRST_RUN: usize = 50;
/// The first run.
const FIRST: &str = "2026-11-23T06:00:00Z";
/// The codes of the workload that a pull asks for.
const CODES: [&str; 2] = ["871731000000106", "871711000000103"];
/// What the returns say of each person: came, and finished.
const STORY: [Added; 2] = [
    ["22/11/2026", "Y", "", "", "", "", "", "", ""],
    ["23/11/2026", "", "", "", "", "", "", "Finished", ""],
];

/// An installation, its server, and how far they are.
pub(crate) struct Misbehaving<'w> {
    workload: &'w Workload,
    world: World,
    faults: String,
    now: jiff::Timestamp,
    /// How many referrals of the workload the server has by now.
    there: usize,
    returns: u32,
    told: BTreeSet<String>,
    /// Requests of Kith, and how many of them were struck by what.
    requests: u64,
    struck: BTreeMap<String, u64>,
}

impl<'w> Misbehaving<'w> {
    pub(crate) fn start(workload: &'w Workload, seed: u32, faults: &str) -> Self {
        let data = Home::new();
        let later: BTreeSet<&str> = workload.referrals[AT_THE_START..]
            .iter()
            .filter_map(person)
            .collect();
        for resource_type in ["Organization", "Practitioner", "Patient"] {
            let kept = workload.resources(resource_type).into_iter();
            let kept = kept.filter(|resource| !later.contains(text(&resource["id"])));
            write_lines(&data, resource_type, kept);
        }
        let first = workload.referrals[..AT_THE_START].iter();
        write_lines(
            &data,
            "ServiceRequest",
            first.map(|referral| referral.request.clone()),
        );
        let seed = seed.to_string();
        let gp = Sandbox::with(data.path(), &["--faults", faults, "--seed", &seed]);
        let first: jiff::Timestamp = FIRST.parse().expect("an instant");
        let mut story = Self {
            workload,
            world: World::of_workload_at(workload, gp),
            faults: faults.to_owned(),
            now: first,
            there: AT_THE_START,
            returns: 0,
            told: BTreeSet::new(),
            requests: 0,
            struck: BTreeMap::new(),
        };
        story.moves_clock(-30);
        story.refers_until(BEFORE_THE_FIRST_RUN);
        story.moves_clock(30);
        story
    }

    pub(crate) fn moves_clock(&mut self, seconds: i64) {
        self.now += jiff::SignedDuration::from_secs(seconds);
        self.world.gp().fhir.say("$clock", &self.now.to_string());
    }

    /// The referrals that are not there yet.
    pub(crate) fn refers_the_rest(&mut self) {
        self.refers_until(self.workload.referrals.len());
    }

    /// Further referrals reach the server, on a clock that is now and then some minutes behind.
    fn refers_until(&mut self, count: usize) {
        self.misbehaves("clock-behind=50", true);
        let fhir = &self.world.gp().fhir;
        let faulty = FhirServer::at(&fhir.base);
        for referral in &self.workload.referrals[self.there..count] {
            faulty.load(referral.patient.as_slice());
            faulty.load(std::slice::from_ref(&referral.request));
        }
        let faults = self.faults.clone();
        self.misbehaves(&faults, false);
        self.there = count;
    }

    /// Another way to misbehave from here on; what Kith met so far is counted.
    fn misbehaves(&mut self, faults: &str, count: bool) {
        let told = self.world.gp().fhir.say("$faults", faults);
        if count {
            self.requests += told["requests"].as_u64().expect("requests");
            for (fault, times) in told["struck"].as_object().expect("what struck") {
                *self.struck.entry(fault.clone()).or_default() += times.as_u64().unwrap_or(0);
            }
        }
    }

    pub(crate) fn runs(&self) -> Value {
        let at = self.now.to_string();
        self.world.says(&["run", "--once", "--as-of", &at])
    }

    /// A certificate that says complete leaves out nothing that the server had.
    pub(crate) fn certificate_is_true(&self, summary: &Value) {
        let certificate = &summary["certificates"][0];
        // What the server counted and did not give is not promised.
        if !text(&certificate["verdict"]).starts_with("complete")
            || certificate["evidence"]["left_out"].is_u64()
        {
            return;
        }
        let to = certificate["window"]["to"]
            .as_str()
            .expect("a complete pull has an end");
        let to: jiff::Timestamp = to.parse().expect("an instant");
        let before = |request: &&Value| {
            let at: jiff::Timestamp = text(&request["meta"]["lastUpdated"])
                .parse()
                .expect("an instant");
            at < to
        };
        let requests = self.world.gp_has("ServiceRequest");
        let due = requests
            .iter()
            .filter(|request| coded(request))
            .filter(before)
            .count();
        let legs = legs(summary);
        assert!(
            legs >= due as u64,
            "the certificate says {certificate}, and {legs} of {due} referrals are there"
        );
    }

    /// The partners' returns about everybody of whom they have not told yet.
    pub(crate) fn returns(&mut self) {
        self.returns += 1;
        for (partner, drops) in self.delivered() {
            for (place, mut drop) in drops.into_iter().enumerate() {
                drop.rows.retain(|row| self.told.insert(row[0].clone()));
                if !drop.rows.is_empty() {
                    let name = format!("returns {}-{place}.csv", self.returns);
                    let sheet = told(&partner, &drop, |_| &STORY);
                    self.world.home.put_return(&partner, &name, &sheet);
                }
            }
        }
    }

    /// Every drop so far, by partner.
    fn delivered(&self) -> BTreeMap<String, Vec<Table>> {
        let partners = rows(self.workload).into_keys();
        partners
            .map(|partner| {
                let drops = self.world.home.drops(&partner).into_iter();
                let tables = drops
                    .map(|drop| table::read(&drop, layout(&partner)).delivered(headers(&partner)))
                    .collect();
                (partner, tables)
            })
            .collect()
    }

    fn expected(&self) -> usize {
        rows(self.workload).values().map(Vec::len).sum()
    }

    /// Whether everybody was delivered, and everything that came back is on the server.
    pub(crate) fn done(&self) -> bool {
        let observations = self.world.gp_has("Observation").len();
        self.there == self.workload.referrals.len()
            && self.told.len() >= self.expected()
            && observations >= STORY.len() * self.expected()
            && self.status()["held"].as_array().is_some_and(|held| {
                // An entry whose answer was lost may be there and still be waiting to be looked up.
                let fates = Fates::of(self.workload, true);
                held.len() as u64 <= fates.held_by_reason.values().sum()
            })
    }

    fn status(&self) -> Value {
        let at = self.now.to_string();
        self.world.says(&["status", "--as-of", &at])
    }

    /// What is still to be done after the last run.
    pub(crate) fn missing(&self) -> String {
        let status = self.status();
        format!(
            "{} of {} people delivered and told of, {} of {} Observations, legs {}, held {}, certificate {}",
            self.told.len(),
            self.expected(),
            self.world.gp_has("Observation").len(),
            STORY.len() * self.expected(),
            status["legs"],
            status["held"],
            status["certificates"][0],
        )
    }

    pub(crate) fn everything_is_there_once(&mut self) {
        self.referrals_are_there_once();
        self.observations_are_there_once();
        self.misbehaves("", true);
        let sum: u64 = self.struck.values().sum();
        assert!(
            sum * 100 >= self.requests * 15 && self.struck.len() >= 8,
            "too few faults: {sum} of {} requests, {:?}",
            self.requests,
            self.struck
        );
        let at = self.now.to_string();
        let prove = ["prove", "--online", "--json", "--as-of", &at];
        assert_eq!(self.world.kith(&prove, 0).json()["balanced"], true);
    }

    fn referrals_are_there_once(&self) {
        let status = self.status();
        let fates = Fates::of(self.workload, true);
        let requests = self
            .workload
            .referrals
            .iter()
            .map(|referral| &referral.request);
        assert_eq!(
            legs(&status),
            requests.filter(|request| coded(request)).count() as u64,
            "legs: {}",
            status["legs"]
        );
        assert_held(&status, &fates.held_by_reason);
        assert_eq!(
            status["legs"]["completed"],
            self.expected(),
            "legs: {}",
            status["legs"]
        );
        let expected = rows(self.workload);
        for (partner, tables) in self.delivered() {
            let all = tables.iter().flat_map(|table| &table.rows);
            let mut found: Vec<Vec<String>> = all.map(|row| foreseeable(&partner, row)).collect();
            found.sort();
            assert_eq!(
                found, expected[&partner],
                "rows of {partner} in all its drops"
            );
        }
    }

    fn observations_are_there_once(&self) {
        let observations = self.world.gp_has("Observation");
        let mut said: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for observation in &observations {
            let value = &observation["valueCodeableConcept"]["coding"][0]["code"];
            let request = text(&observation["basedOn"][0]["reference"]);
            said.entry(request).or_default().push(text(value));
        }
        let mut wanted = BTreeSet::new();
        for referral in self
            .workload
            .referrals
            .iter()
            .filter(|referral| referral.delivered())
        {
            wanted.insert(format!("ServiceRequest/{}", referral.id()));
        }
        for (request, values) in &mut said {
            values.sort_unstable();
            assert_eq!(
                *values,
                ["attended", "completed"],
                "Observations about {request}"
            );
            assert!(wanted.remove(*request), "nothing was told of {request}");
        }
        assert!(wanted.is_empty(), "no Observations about {wanted:?}");
    }
}

/// The id of the Patient of a referral.
fn person(referral: &Referral) -> Option<&str> {
    referral
        .patient
        .as_ref()
        .map(|patient| text(&patient["id"]))
}

fn write_lines(home: &Home, resource_type: &str, resources: impl Iterator<Item = Value>) {
    let lines: String = resources.map(|resource| format!("{resource}\n")).collect();
    home.write(&format!("{resource_type}.ndjson"), lines);
}

fn coded(request: &Value) -> bool {
    CODES.contains(&text(&request["code"]["coding"][0]["code"]))
}

/// Legs of every state.
fn legs(summary: &Value) -> u64 {
    let legs = summary["legs"].as_object().expect("legs by state");
    legs.values().filter_map(Value::as_u64).sum()
}
