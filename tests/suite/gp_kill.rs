//! `kill -9` at random moments, while answers of the server are lost on their way: nothing lost, nothing twice.
//!
//! One installation lives through all rounds, with sekmet-fhir behind mitmproxy. A round refers a few people; Kith is killed
//! while it pulls and delivers, and again while it takes their returns in and pushes. Then it runs to its end, and each
//! referral must be one row of one drop, each event one Observation. A moment is so many requests and milliseconds after
//! the start, so that a slow machine meets the same ones.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;

use super::support::between::Between;
use super::support::installed::free_port;
use super::support::partner_file::{PARTNERS, PartnerFile};
use super::support::people::referral;
use super::support::process::{LIMIT, Process};
use super::support::sekmet::Sekmet;
use super::support::source::Source;
use super::support::workload::text;
use super::support::world::{World, came, ended};

/// Kills of one seed that met a run at work: before the drop, and after the return. The campaign asks for more seeds.
const KILLS: [usize; 2] = [5, 5];
/// Rounds in which that must be reached: each tries both.
const ROUNDS_MAX: usize = 20;
/// The halves of a round.
const BEFORE_DROP: usize = 0;
const AFTER_RETURN: usize = 1;
/// Referrals of a round.
const REFERRED: usize = 6;
/// Answers lost, of a hundred.
const LOST: u8 = 12;
/// Runs to the end after a kill: an answer that is lost again leaves something for the next run.
const RUNS_MAX: usize = 10;
/// A kill comes at most so long after the request that it waits for.
const AFTER_MS: u64 = 40;
/// Moments are drawn from no fewer requests than these.
const FEW_REQUESTS: u64 = 4;
/// Events in the return about one person: two attendances and an outcome.
const EVENTS: usize = 3;
const SHARE: [&str; 4] = [
    "patient.name",
    "patient.phone",
    "referral.reason",
    "referral.activity",
];

#[test]
fn killed_at_random_moments_nothing_is_lost_and_nothing_comes_twice() {
    let seed: u32 = std::env::var("KITH_TEST_SEED")
        .map_or(1, |seed| seed.parse().expect("KITH_TEST_SEED is a number"));
    let mut killed = Killed::new(seed);
    let mut rounds = 0;
    while killed
        .kills
        .iter()
        .zip(KILLS)
        .any(|(&met, least)| met < least)
    {
        assert!(
            rounds < ROUNDS_MAX,
            "seed {seed}: only {:?} kills met a run at work",
            killed.kills
        );
        killed.refer();
        killed.kill(BEFORE_DROP);
        killed.run_until(BEFORE_DROP, |killed| {
            killed.world.rows().len() == killed.people
        });
        killed.assert_delivered();
        killed.put_returns(rounds);
        killed.kill(AFTER_RETURN);
        killed.run_until(AFTER_RETURN, |killed| {
            killed.events() >= killed.people * EVENTS
        });
        killed.assert_observed();
        rounds += 1;
    }
    println!(
        "seed {seed}: {rounds} rounds, {:?} kills of runs at work",
        killed.kills
    );
    // Whoever runs again adds nothing, and the books say the same as the server.
    killed.world.home.kith(&["run", "--once"]);
    killed.assert_delivered();
    killed.assert_observed();
    killed.world.proves();
}

/// A world behind a proxy, and how far it is.
struct Killed {
    world: World,
    between: Between,
    server: Sekmet,
    seed: u32,
    draws: u64,
    /// How many people were referred until now.
    people: usize,
    /// References that a return has told of.
    returned: BTreeSet<String>,
    /// Requests of the last run of each half that came to its end.
    requests: [u64; 2],
    /// Kills of each half that met a run at work.
    kills: [usize; 2],
}

impl Killed {
    fn new(seed: u32) -> Self {
        let (outer, inner) = (free_port(), free_port());
        // The server says that it is where the proxy is: its links lead through it.
        let base = format!("http://127.0.0.1:{outer}/fhir");
        let server = Sekmet::start_as(inner, &base, "");
        let between = Between::start(outer, &server.fhir.base, LOST, seed);
        let source = Source::searched("hilltop", &between.base);
        let partners = PARTNERS.map(|id| PartnerFile::of(id).shares(&SHARE));
        Self {
            world: World::of(&[source], &partners),
            between,
            server,
            seed,
            draws: 0,
            people: 0,
            returned: BTreeSet::new(),
            requests: [FEW_REQUESTS, 4 * REFERRED as u64],
            kills: [0; 2],
        }
    }

    /// Refers some more people.
    fn refer(&mut self) {
        let mut resources = [Vec::new(), Vec::new()];
        for _ in 0..REFERRED {
            self.people += 1;
            let n = u32::try_from(self.people).expect("few people");
            let partner = PARTNERS[self.people % PARTNERS.len()];
            let [patient, request] = referral(n, "Anna", &format!("Example{n:03}"), partner);
            resources[0].push(patient);
            resources[1].push(request);
        }
        for of_type in resources {
            self.server.fhir.load(&of_type);
        }
    }

    /// Starts a run and kills it at a random moment, once its first request was seen.
    fn kill(&mut self, half: usize) {
        let wanted = self.between.requests() as u64 + 1 + self.draw(self.requests[half]);
        let after = Duration::from_millis(self.draw(AFTER_MS));
        let mut run = Process::start_silent(&mut self.world.home.command(&["run", "--once"]));
        run.wait_until(LIMIT, || self.between.requests() as u64 >= wanted);
        run.wait_until(after, || false);
        let at_work = run.alive();
        self.kills[half] += usize::from(at_work);
        if !at_work {
            // A longer run than most had set the moments: the next ones come earlier.
            self.requests[half] = (self.requests[half] / 2).max(FEW_REQUESTS);
        }
        drop(run);
    }

    /// The exit status of a run; `None` of one that waits for something and is killed as well.
    fn run_for_a_minute(&self) -> Option<i32> {
        let mut run = Process::start_silent(&mut self.world.home.command(&["run", "--once"]));
        run.wait_until(LIMIT, || false)?.code()
    }

    /// Runs to the end, again until it is done.
    fn run_until(&mut self, half: usize, done: impl Fn(&Self) -> bool) {
        for _ in 0..RUNS_MAX {
            let before = self.between.requests();
            let Some(code) = self.run_for_a_minute() else {
                // Killed like any other: what it left is the next run's.
                continue;
            };
            assert!(matches!(code, 0 | 1), "seed {}: exit {code}", self.seed);
            let requests = (self.between.requests() - before) as u64;
            // A run that found little left says nothing of a whole one.
            self.requests[half] = self.requests[half].max(requests);
            if done(self) {
                return;
            }
        }
    }

    fn assert_delivered(&self) {
        let mut found: Vec<String> = self
            .world
            .rows()
            .into_iter()
            .map(|row| format!("{} {} {}", row["What"], row["Name"], row["partner"]))
            .collect();
        found.sort();
        let mut expected: Vec<String> = (1..=self.people)
            .map(|n| format!("NEW Anna Example{n:03} {}", PARTNERS[n % PARTNERS.len()]))
            .collect();
        expected.sort();
        assert_eq!(found, expected, "seed {}: rows of all drops", self.seed);
    }

    /// A return about everybody of whom none has told.
    fn put_returns(&mut self, round: usize) {
        let mut rows = self.world.rows();
        rows.retain(|row| self.returned.insert(row["Our ref"].clone()));
        let told = rows.iter().flat_map(|row| {
            let told = [came(2, "Y"), came(1, "N"), ended(1, "Finished")];
            told.map(|answers| (row.clone(), answers))
        });
        for partner in PARTNERS {
            let mut told: Vec<_> = told.clone().collect();
            told.retain(|(row, _)| row["partner"] == partner);
            let file = format!("returns {round}.csv");
            if !told.is_empty() {
                self.world.partner_returns(partner, &file, &told);
            }
        }
    }

    /// Observations on the server.
    fn events(&self) -> usize {
        self.server.fhir.all("Observation").len()
    }

    fn assert_observed(&self) {
        let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut identifiers = BTreeSet::new();
        for observation in self.server.fhir.all("Observation") {
            let identifier = text(&observation["identifier"][0]["value"]).to_owned();
            assert!(
                identifiers.insert(identifier),
                "seed {}: an Observation is there twice",
                self.seed
            );
            found
                .entry(text(&observation["basedOn"][0]["reference"]).to_owned())
                .or_default()
                .push(said(&observation));
        }
        assert_eq!(
            found.len(),
            self.people,
            "seed {}: people with Observations",
            self.seed
        );
        for (request, mut events) in found {
            events.sort();
            assert_eq!(
                events,
                ["attended", "completed", "did-not-attend"],
                "seed {}: events of {request}",
                self.seed
            );
        }
    }

    /// A number below this one, the next of the seed.
    fn draw(&mut self, below: u64) -> u64 {
        self.draws += 1;
        let mut bits =
            (u64::from(self.seed) << 32 | self.draws).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (bits ^ (bits >> 31)) % below
    }
}

fn said(observation: &Value) -> String {
    let coding = observation.pointer("/valueCodeableConcept/coding/0/code");
    text(coding.expect("a coded value")).to_owned()
}
