//! Misbehaviour on demand: what a GP system's server can do wrong, seeded, so that it does the same wrong again.
//!
//! In comes a request, out goes an answer that was perhaps struck, and a log of what struck which kind of request; the log
//! holds no id and no value of a resource. Faults change answers and what a single request sees, never what is stored:
//! the same server without faults tells the truth, which is how a test knows it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

mod apply;
mod bundles;
mod catalogue;
mod pages;
mod rng;
mod spec;
#[cfg(test)]
mod tests;

pub(crate) use spec::{FaultSpec, help};

use super::resources::Failure;
use super::routes::{Call, RestAnswer, SandboxServer, WireReply};
use catalogue::FaultKind;
use rng::Dice;

/// The most lines of the log; later strikes are only counted.
const LOG_MAX: usize = 20_000;
/// Includes that wait on pages of their own; the oldest are forgotten.
const APART_MAX: usize = 256;

/// What misbehaves, and what it did so far.
#[derive(Default)]
pub(super) struct Faults {
    seed: u64,
    spec: FaultSpec,
    requests: u64,
    by_kind: BTreeMap<String, u64>,
    struck: BTreeMap<&'static str, u64>,
    log: Vec<(u64, String, &'static str)>,
    /// Entries on pages of their own with the link that follows, by number.
    apart: BTreeMap<u64, (Vec<Value>, Option<String>)>,
}

impl Faults {
    pub(super) fn new(spec: FaultSpec, seed: u64) -> Self {
        Self {
            seed,
            spec,
            ..Self::default()
        }
    }

    /// Answers a request as a server that misbehaves.
    fn answer(&mut self, server: &mut SandboxServer, mut call: Call) -> WireReply {
        self.requests += 1;
        let kind = kind(server, &call);
        let n = self.by_kind.entry(kind.clone()).or_default();
        *n += 1;
        let mut dice = Dice::of(self.seed, &kind, *n);
        // Whatever form of an ETag was given out, this server takes it back.
        if let Some(given) = &call.if_match {
            let version = given.trim_start_matches("W/").trim_matches('"');
            call.if_match = Some(format!("W/\"{version}\""));
        }
        let drawn = self.spec.draw(&call, &mut dice);
        let (reply, struck) = self.strike(server, call, &drawn, &mut dice);
        for fault in struck {
            *self.struck.entry(fault.name()).or_default() += 1;
            if self.log.len() < LOG_MAX {
                self.log.push((self.requests, kind.clone(), fault.name()));
            }
        }
        reply
    }

    /// Which requests were struck by what.
    fn told(&self) -> Value {
        let log = self.log.iter();
        let log: Vec<Value> = log
            .map(|(request, kind, fault)| json!({"request": request, "kind": kind, "fault": fault}))
            .collect();
        json!({"seed": self.seed, "requests": self.requests, "struck": self.struck, "log": log})
    }

    /// The pages that only a fault has, and else what the server says.
    fn perform(&mut self, server: &mut SandboxServer, call: &Call) -> RestAnswer {
        if call.method == "GET" && call.path.is_empty() {
            let base = server.store.base.clone();
            let now = (server.store.now)();
            if let Some(page) = self.own_page(&base, now, &call.query) {
                return page;
            }
        }
        server.answer(call)
    }
}

/// Answers a request: the three words to the sandbox itself, then what faults make of the rest.
pub(super) fn answer(server: &mut SandboxServer, call: Call, spared: bool) -> WireReply {
    let Some(mut faults) = server.faults.take() else {
        return WireReply::from(server.answer(&call));
    };
    let text = String::from_utf8_lossy(&call.body).trim().to_owned();
    let reply = match (call.method.as_str(), call.path.as_str()) {
        ("GET", "$faults") => WireReply::from(RestAnswer::of(200, faults.told())),
        ("POST", "$faults") => WireReply::from(match FaultSpec::parse(&text) {
            Ok(spec) => {
                let told = faults.told();
                faults.spec = spec;
                faults.requests = 0;
                faults.struck.clear();
                faults.log.clear();
                faults.apart.clear();
                RestAnswer::of(200, told)
            }
            Err(why) => refused(&why),
        }),
        ("POST", "$clock") => WireReply::from(match text.parse::<Timestamp>() {
            Ok(at) => {
                let at = at.as_microsecond();
                server.store.now = std::sync::Arc::new(move || at);
                RestAnswer::of(200, json!({"at": super::dates::instant(at)}))
            }
            Err(_) => refused("the body is not an instant"),
        }),
        _ if spared => WireReply::from(server.answer(&call)),
        _ => faults.answer(server, call),
    };
    server.faults = Some(faults);
    reply
}

fn refused(why: &str) -> RestAnswer {
    Failure::new(400, "value", why).into()
}

/// A request as its kind: method, resource type and interaction, nothing that names a resource.
fn kind(server: &SandboxServer, call: &Call) -> String {
    let segments: Vec<&str> = call.path.split('/').collect();
    let method = &call.method;
    let known = |name: &str| server.store.knows(name).is_ok();
    match segments.as_slice() {
        [""] if method == "GET" => "GET page".to_owned(),
        [""] => format!("{method} Bundle"),
        ["metadata"] => format!("{method} metadata"),
        [resource_type] if known(resource_type) => format!("{method} {resource_type}"),
        [resource_type, "_search"] if known(resource_type) => {
            format!("{method} {resource_type}/_search")
        }
        [resource_type, _] if known(resource_type) => format!("{method} {resource_type}/[id]"),
        _ => format!("{method} other"),
    }
}

/// Notes that a fault had an effect.
fn when(effect: bool, fault: FaultKind, struck: &mut Vec<FaultKind>) {
    if effect {
        struck.push(fault);
    }
}
