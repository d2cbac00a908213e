//! Faults of batches and transactions.

use serde_json::{Value, json};

use super::super::resources::Failure;
use super::super::routes::{Call, RestAnswer};
use super::rng::Dice;

/// The entries of a Bundle. Never by indexing: that would put a member into what is no object, or stop the server.
pub(super) fn entries(bundle: &mut Value) -> Option<&mut Vec<Value>> {
    bundle.get_mut("entry").and_then(Value::as_array_mut)
}

/// Leaves only the first entries of a batch to be handled; gives how many were cut off.
pub(super) fn cut(call: &mut Call, dice: &mut Dice) -> usize {
    let Ok(mut bundle) = serde_json::from_slice::<Value>(&call.body) else {
        return 0;
    };
    let Some(entries) = entries(&mut bundle) else {
        return 0;
    };
    let all = entries.len();
    let kept = dice.below(all);
    entries.truncate(kept);
    call.body = bundle.to_string().into_bytes();
    all - kept
}

/// Answers the entries that were cut off: too many requests, untried.
pub(super) fn refuse_rest(answer: &mut RestAnswer, untried: usize) {
    let Some(entries) = answer.body.as_mut().and_then(entries) else {
        return;
    };
    let outcome = Failure::new(429, "throttled", "too many requests").outcome();
    let refused = json!({"response": {"status": "429 Too Many Requests", "outcome": outcome}});
    entries.extend(std::iter::repeat_n(refused, untried));
}

/// Takes the conditions off the creates of a transaction; says whether there were any.
pub(super) fn forget_conditions(call: &mut Call) -> bool {
    let Ok(mut bundle) = serde_json::from_slice::<Value>(&call.body) else {
        return false;
    };
    let mut forgot = false;
    for entry in entries(&mut bundle).into_iter().flatten() {
        let request = entry.get_mut("request").and_then(Value::as_object_mut);
        forgot |= request.is_some_and(|request| request.remove("ifNoneExist").is_some());
    }
    call.body = bundle.to_string().into_bytes();
    forgot
}

/// Takes transactions off what a server says of itself, where it says anything.
pub(super) fn deny_transactions(answer: &mut RestAnswer) {
    let body = answer.body.as_mut();
    let interactions = body.and_then(|body| body.pointer_mut("/rest/0/interaction"));
    if let Some(interactions) = interactions.and_then(Value::as_array_mut) {
        interactions.retain(|interaction| interaction["code"] != "transaction");
    }
}
