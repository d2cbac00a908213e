//! Seeded servers: honest ones, whose certificate is `complete`, and ones that leave something out, whose never is.

use serde_json::{Value, json};

use super::test_server::{Odd, Pulled, none, page, patient, plain};
use super::*;
use crate::pipeline::pull::seeded::{Draw, seeds};

/// Requests, an hour apart, from before a window that does not begin with everything.
const BEFORE_THE_WINDOW: usize = 36;

/// What a server does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrong {
    Nothing,
    /// From this page on no link leads further.
    NextLost(usize),
    /// A page is all that it gives.
    OnePage,
    /// It does not look at the window.
    DateIgnored,
    /// One page of the answer is passed over.
    PageDropped(usize),
}

/// A server by its seed.
#[derive(Clone, Copy, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a habit that a server has or has not"
)]
struct Seeded {
    requests: usize,
    on_a_page: usize,
    wrong: Wrong,
    newest_first: bool,
    /// The count it tells, of so many matches.
    total: fn(usize) -> Value,
    estimates: bool,
    tells_query: bool,
    asked_before: bool,
    bulk_loaded: bool,
}

fn seeded(seed: u64, honest: bool) -> Seeded {
    let mut draw = Draw::of(seed, u64::from(honest));
    let on_a_page = draw.from(3, 25);
    let kind = draw.below(4);
    let wrong = match kind {
        _ if honest => Wrong::Nothing,
        0 => Wrong::NextLost(draw.from(1, 3)),
        1 => Wrong::OnePage,
        2 => Wrong::DateIgnored,
        _ => Wrong::PageDropped(draw.from(1, 2)),
    };
    let asked_before = wrong == Wrong::DateIgnored || draw.below(3) == 0;
    let before = if asked_before { BEFORE_THE_WINDOW } else { 0 };
    let requests = match wrong {
        Wrong::Nothing => draw.below(300),
        // So many in the window that halves are short as well.
        Wrong::NextLost(pages) => before + on_a_page * (4 * pages + draw.from(1, 5)),
        Wrong::OnePage => before + on_a_page * draw.from(4, 9),
        Wrong::DateIgnored => draw.from(20, 200),
        Wrong::PageDropped(_) => before + on_a_page * draw.from(9, 14),
    };
    let estimates = honest && draw.below(5) == 0;
    let totals: [fn(usize) -> Value; 3] = [|all| json!(all), |_| Value::Null, |all| json!(all / 2)];
    Seeded {
        requests,
        on_a_page,
        wrong,
        newest_first: draw.below(3) == 0,
        total: if estimates {
            |all| json!(all * 3 + 7)
        } else {
            totals[draw.below(3)]
        },
        estimates,
        tells_query: estimates || draw.below(2) == 0,
        asked_before,
        bulk_loaded: honest && draw.below(6) == 0,
    }
}

impl Seeded {
    /// When each request was written, an hour or nothing apart.
    fn written(&self) -> Vec<String> {
        let begun = Instant::parse("2026-11-01T00:30:00Z").unwrap();
        let step = if self.bulk_loaded { 0 } else { 3_600 };
        let hours = 0..i64::try_from(self.requests).unwrap();
        hours
            .map(|hour| begun.plus_seconds(step * hour).utc_text())
            .collect()
    }

    async fn start(self) -> Odd {
        let written = self.written();
        let requests: Vec<Value> = written
            .iter()
            .enumerate()
            .map(|(number, at)| {
                let mut request = plain(&format!("r{number}"));
                request["meta"]["lastUpdated"] = json!(at);
                request
            })
            .collect();
        Odd::new(move |line| {
            if line.contains("metadata") {
                return none();
            }
            if line.contains("Patient") {
                return (200, patient("p"));
            }
            let bound = |prefix: &str| {
                let (_, rest) = line.split_once(&format!("_lastUpdated={prefix}"))?;
                Some(rest.chars().take(20).collect::<String>())
            };
            let (from, until) = (bound("ge"), bound("lt"));
            let within = |request: &&Value| {
                let at = request["meta"]["lastUpdated"].as_str().unwrap();
                self.wrong == Wrong::DateIgnored
                    || from.as_deref().is_none_or(|from| at >= from)
                        && until.as_deref().is_none_or(|until| at < until)
            };
            let mut found: Vec<Value> = requests.iter().filter(within).cloned().collect();
            if self.newest_first {
                found.reverse();
            }
            let number = line.split_once("page=").map_or(0, |(_, rest)| {
                rest.split('&').next().unwrap().trim().parse().unwrap()
            });
            (
                200,
                self.page(&found, number, from.as_deref(), until.as_deref()),
            )
        })
        .await
    }

    fn page(
        &self,
        found: &[Value],
        number: usize,
        from: Option<&str>,
        until: Option<&str>,
    ) -> Value {
        let start = found.len().min(number * self.on_a_page);
        let end = found.len().min(start + self.on_a_page);
        let (_, mut bundle) = page(&found[start..end], None);
        bundle["total"] = (self.total)(found.len());
        let mut window = String::new();
        for (prefix, bound) in [("ge", from), ("lt", until)] {
            if let Some(bound) = bound {
                window += &["&_lastUpdated=", prefix, bound].concat();
            }
        }
        let mut links = Vec::new();
        if self.tells_query && self.wrong != Wrong::DateIgnored {
            let estimate = if self.estimates {
                "&_total=estimate"
            } else {
                ""
            };
            let url = format!("BASE/ServiceRequest?code=s|871731000000106{window}{estimate}");
            links.push(json!({"relation": "self", "url": url}));
        }
        let next = match self.wrong {
            Wrong::NextLost(pages) if number + 1 >= pages => None,
            Wrong::OnePage => None,
            Wrong::PageDropped(after) if number + 1 == after => Some(number + 2),
            _ => Some(number + 1),
        };
        let next = next.filter(|next| next * self.on_a_page < found.len());
        if let Some(next) = next {
            let url = format!("/fhir?page={next}{window}");
            links.push(json!({"relation": "next", "url": url}));
        }
        bundle["link"] = json!(links);
        bundle
    }

    async fn pulled(self) -> Pulled {
        let server = self.start().await;
        server
            .pull(|asked| {
                if self.asked_before {
                    asked.high = Instant::parse("2026-11-02T12:00:00Z");
                    // No sweep is due.
                    asked.sweep = Some(Sweep {
                        at: "2026-11-22T00:00:00Z".to_owned(),
                        ..Sweep::default()
                    });
                }
            })
            .await
    }

    /// How many requests lie in the window asked for.
    fn due(&self) -> usize {
        let from = if self.asked_before {
            "2026-11-02T11:50:00Z"
        } else {
            ""
        };
        self.written()
            .iter()
            .filter(|at| at.as_str() >= from)
            .count()
    }
}

#[tokio::test]
async fn certificates_of_honest_servers_are_complete() {
    for seed in seeds(20) {
        let server = seeded(seed, true);
        let pulled = server.pulled().await;
        assert!(pulled.error.is_none(), "seed {seed}: {server:?}");
        assert_eq!(
            pulled.evidence.verdict(),
            "complete",
            "seed {seed}: {server:?}"
        );
        assert_eq!(
            pulled.referrals.len(),
            server.due(),
            "seed {seed}: {server:?}"
        );
    }
}

#[tokio::test]
async fn certificates_of_servers_that_leave_something_out_are_not_complete() {
    for seed in seeds(20) {
        let server = seeded(seed, false);
        let pulled = server.pulled().await;
        let verdict = pulled.evidence.verdict();
        let whole = verdict == "complete" && pulled.error.is_none();
        assert!(
            !whole,
            "seed {seed}: {server:?}: {} of {}",
            pulled.referrals.len(),
            server.due()
        );
    }
}
