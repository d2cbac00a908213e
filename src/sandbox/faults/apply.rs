//! What each fault does to one request: before it is handled, to what is asked, and to what is answered.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::super::dates;
use super::super::pages::{encode, pairs};
use super::super::resources::Failure;
use super::super::routes::{BodyShape, Call, Quirks, RestAnswer, SandboxServer, WireReply};
use super::catalogue::FaultKind;
use super::rng::Dice;
use super::{Faults, bundles, when};

const SECOND: i64 = 1_000_000;
/// How far behind the index is for a search that is struck.
const LAG: i64 = 90 * SECOND;
/// How far behind the clock is, at least and at most, in seconds.
const BEHIND_SECONDS: (i64, i64) = (180, 420);

const HTML: &str = "<!DOCTYPE html><html><head><title>Error</title></head><body><h1>Something went wrong</h1></body></html>";

impl Faults {
    /// Answers a request that these faults were drawn for; with the answer go those that had an effect.
    pub(super) fn strike(
        &mut self,
        server: &mut SandboxServer,
        mut call: Call,
        drawn: &[FaultKind],
        dice: &mut Dice,
    ) -> (WireReply, Vec<FaultKind>) {
        let now = (server.store.now)();
        for fault in drawn {
            if let Some(reply) = instead(*fault, now, dice) {
                return (reply, vec![*fault]);
            }
        }
        let mut struck = Vec::new();
        let mut behind = 0;
        for fault in drawn {
            match fault {
                FaultKind::ClockBehind => {
                    let (least, most) = BEHIND_SECONDS;
                    let seconds = usize::try_from(most - least).unwrap_or(0);
                    behind = (least + i64::try_from(dice.below(seconds)).unwrap_or(0)) * SECOND;
                    struck.push(*fault);
                }
                FaultKind::Late => {
                    let plain = total(&server.answer(&call));
                    call.quirks.lag = LAG;
                    when(total(&server.answer(&call)) != plain, *fault, &mut struck);
                }
                _ => when(ask(*fault, server, &mut call, dice), *fault, &mut struck),
            }
        }
        let clock = Arc::clone(&server.store.now);
        if behind != 0 {
            let clock = Arc::clone(&clock);
            server.store.now = Arc::new(move || clock() - behind);
        }
        let limited = drawn.contains(&FaultKind::BatchLimited);
        let untried = if limited {
            bundles::cut(&mut call, dice)
        } else {
            0
        };
        let mut reply = WireReply::from(self.perform(server, &call));
        server.store.now = clock;
        reply.behind = behind;
        if untried > 0 {
            bundles::refuse_rest(&mut reply.answer, untried);
            struck.push(FaultKind::BatchLimited);
        }
        for fault in drawn {
            let effect = self.on_page(*fault, server, &call, &mut reply.answer, dice)
                || on_answer(*fault, &call, &mut reply, dice);
            when(effect, *fault, &mut struck);
        }
        if call.path == "metadata" && self.spec.share(FaultKind::NoTransaction) == Some(100) {
            bundles::deny_transactions(&mut reply.answer);
        }
        (reply, struck)
    }
}

/// What is answered instead of handling the request at all.
fn instead(fault: FaultKind, now: i64, dice: &mut Dice) -> Option<WireReply> {
    let refused = |status: u16, code: &'static str, text: &str| {
        WireReply::from(RestAnswer::from(Failure::new(status, code, text)))
    };
    let unavailable = || {
        let text = "the server is not available at the moment";
        refused(503, "transient", text)
    };
    let reply = match fault {
        FaultKind::TooManyRequests => {
            let mut reply = refused(429, "throttled", "too many requests");
            reply.headers.extend(retry_after(now, dice));
            reply
        }
        FaultKind::Unavailable => {
            let mut reply = unavailable();
            if dice.percent(50) {
                reply.headers.extend(retry_after(now, dice));
            }
            reply
        }
        FaultKind::BareOutcome => {
            let mut reply = unavailable();
            if let Some(outcome) = reply.answer.body.as_mut().and_then(Value::as_object_mut) {
                outcome.remove("resourceType");
            }
            reply
        }
        FaultKind::ServerErrorHtml => {
            let mut reply = refused(500, "exception", "");
            reply.html = Some(HTML);
            reply
        }
        FaultKind::DropBefore => {
            let mut reply = refused(500, "exception", "");
            reply.shape = BodyShape::Dropped;
            reply
        }
        FaultKind::ExpiredPage => WireReply::from(RestAnswer::from(Failure::expired())),
        FaultKind::NoPostSearch => {
            let status = [400, 405, 415][dice.below(3)];
            refused(status, "not-supported", "searches are made by GET")
        }
        FaultKind::NoTransaction => refused(400, "not-supported", "transactions are not supported"),
        _ => return None,
    };
    Some(reply)
}

/// A wait in one of its forms, or none; never longer than a second.
fn retry_after(now: i64, dice: &mut Dice) -> Option<(&'static str, String)> {
    let seconds = i64::from(dice.percent(25));
    match dice.below(4) {
        0 => Some(("retry-after", seconds.to_string())),
        1 => Some(("retry-after", dates::http(now + seconds * SECOND))),
        2 => Some(("x-ms-retry-after-ms", (20 + dice.below(400)).to_string())),
        _ => None,
    }
}

/// Changes what is asked; says whether that has an effect.
fn ask(fault: FaultKind, server: &SandboxServer, call: &mut Call, dice: &mut Dice) -> bool {
    match fault {
        FaultKind::ShortPages => {
            call.quirks.short = true;
            true
        }
        FaultKind::Shuffled => {
            call.quirks.order = Some(dice.below(usize::MAX));
            true
        }
        FaultKind::ParameterIgnored => {
            let form = call.path.ends_with("/_search");
            let mut asked = if form {
                pairs(&String::from_utf8_lossy(&call.body))
            } else {
                pairs(&call.query)
            };
            if asked.is_empty() {
                return false;
            }
            asked.remove(dice.below(asked.len()));
            if form {
                call.body = encode(&asked).into_bytes();
            } else {
                call.query = encode(&asked);
            }
            true
        }
        FaultKind::ExistsIgnored => {
            if call.path.is_empty() {
                return bundles::forget_conditions(call);
            }
            // Without a match there is nothing to ignore.
            let matched = matches!(server.existing(call), Ok(Some(_)));
            call.if_none_exist = None;
            matched
        }
        FaultKind::MatchIgnored => {
            call.if_match = None;
            true
        }
        _ => false,
    }
}

/// Changes what is answered; says whether that has an effect.
fn on_answer(fault: FaultKind, call: &Call, reply: &mut WireReply, dice: &mut Dice) -> bool {
    let answer = &mut reply.answer;
    match fault {
        FaultKind::DropAfter => reply.shape = BodyShape::Dropped,
        FaultKind::Truncated => reply.shape = BodyShape::Truncated(dice.below(100)),
        FaultKind::TornJson if answer.body.is_some() => {
            reply.shape = BodyShape::Torn(dice.below(98));
        }
        FaultKind::ByteOrderMark if answer.body.is_some() => reply.shape = BodyShape::ByteOrderMark,
        FaultKind::GatewayAfter => {
            *answer = RestAnswer::of(504, Value::Null);
            reply.html = Some(HTML);
        }
        FaultKind::Slow => {
            reply.shape = BodyShape::Trickle(Duration::from_millis(5));
        }
        FaultKind::NoVersion => return forget_version(answer),
        FaultKind::EtagForm => {
            let Some(etag) = &mut answer.etag else {
                return false;
            };
            let strong = etag.trim_start_matches("W/");
            let bare = strong.trim_matches('"');
            *etag = if dice.percent(50) { strong } else { bare }.to_owned();
        }
        FaultKind::ExistsRefused if call.if_none_exist.is_some() && answer.status == 200 => {
            let text = "a resource matches the condition";
            *answer = Failure::new(412, "duplicate", text).into();
        }
        FaultKind::MatchConflict if answer.status == 412 => answer.status = 409,
        _ => return false,
    }
    true
}

fn forget_version(answer: &mut RestAnswer) -> bool {
    let mut forgot = answer.etag.take().is_some();
    answer.last_modified = None;
    let mut bare = |resource: &mut Value| {
        if let Some(meta) = resource.get_mut("meta").and_then(Value::as_object_mut) {
            forgot |= meta.remove("versionId").is_some();
            meta.remove("lastUpdated");
        }
    };
    let Some(body) = &mut answer.body else {
        return forgot;
    };
    if body["resourceType"] != "Bundle" {
        bare(body);
    } else if let Some(entries) = bundles::entries(body) {
        for resource in entries
            .iter_mut()
            .filter_map(|entry| entry.get_mut("resource"))
        {
            bare(resource);
        }
    }
    forgot
}

fn total(answer: &RestAnswer) -> Value {
    let total = answer.body.as_ref().map(|body| body["total"].clone());
    total.unwrap_or_else(|| json!(answer.status))
}

impl Quirks {
    /// What tells the pages of a search that was struck from those of one that was not.
    pub(in super::super) fn mark(&self) -> String {
        format!("{} {:?}", self.lag, self.order)
    }

    /// Puts what was found into the order that was drawn.
    pub(in super::super) fn reorder<T>(&self, found: &mut [T]) {
        if let Some(order) = self.order {
            let seed = u64::try_from(order).unwrap_or(0);
            Dice::of(seed, "order", 0).shuffle(found);
        }
    }
}
