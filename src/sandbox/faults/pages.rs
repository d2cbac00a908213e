//! Faults of a page of a search: its entries, its total, its links.

use serde_json::{Value, json};

use super::super::dates;
use super::super::resources::Failure;
use super::super::routes::{Call, RestAnswer, SandboxServer};
use super::catalogue::FaultKind;
use super::rng::Dice;
use super::{APART_MAX, Faults, bundles};

impl Faults {
    /// Changes a page; says whether that has an effect.
    pub(super) fn on_page(
        &mut self,
        fault: FaultKind,
        server: &mut SandboxServer,
        call: &Call,
        answer: &mut RestAnswer,
        dice: &mut Dice,
    ) -> bool {
        let base = server.store.base.clone();
        let Some(page) = answer
            .body
            .as_mut()
            .filter(|body| body["type"] == "searchset")
        else {
            return false;
        };
        match fault {
            FaultKind::RepeatedEntries => {
                let first = first_page(call).and_then(|first| server.answer(&first).body);
                let Some(mut first) = first else { return false };
                let mut entries = taken(&mut first);
                entries.append(&mut taken(page));
                put(page, entries);
            }
            FaultKind::RepeatedPage => link(page, Some(format!("{base}?{}", call.query))),
            FaultKind::Shuffled => {
                let mut entries = taken(page);
                dice.shuffle(&mut entries);
                put(page, entries);
            }
            FaultKind::EmptyLastPage | FaultKind::EndlessLastPage => {
                if next(page).is_some() {
                    return false;
                }
                let kind = if fault == FaultKind::EmptyLastPage {
                    "empty"
                } else {
                    "endless"
                };
                link(page, Some(format!("{base}?_own={kind}.1")));
            }
            FaultKind::RelativeNext | FaultKind::ForeignNext => {
                let Some(url) = next(page) else { return false };
                let path = url.splitn(4, '/').nth(3).unwrap_or_default();
                let host = if fault == FaultKind::ForeignNext {
                    "http://internal.invalid"
                } else {
                    ""
                };
                link(page, Some(format!("{host}/{path}")));
            }
            FaultKind::WarningEntry => warn(page, dice),
            FaultKind::TotalAbsent => {
                if let Some(page) = page.as_object_mut() {
                    page.remove("total");
                }
            }
            FaultKind::TotalWrong => page["total"] = json!(dice.below(1_000)),
            FaultKind::IncludesMissing => return !includes(page).is_empty(),
            FaultKind::IncludesApart => {
                let includes = includes(page);
                if includes.is_empty() {
                    return false;
                }
                let number = self.requests;
                self.apart.insert(number, (includes, next(page)));
                if self.apart.len() > APART_MAX {
                    self.apart.pop_first();
                }
                link(page, Some(format!("{base}?_own=apart.{number}")));
            }
            _ => return false,
        }
        true
    }

    /// A page that only a fault has: an empty one, one of an endless row, one of includes that were put apart.
    pub(super) fn own_page(&self, base: &str, now: i64, query: &str) -> Option<RestAnswer> {
        let (kind, number) = query.strip_prefix("_own=")?.split_once('.')?;
        let number = number.parse::<u64>().ok()?;
        let mut page = json!({"resourceType": "Bundle", "type": "searchset",
            "meta": {"lastUpdated": dates::instant(now)},
            "link": [{"relation": "self", "url": format!("{base}?{query}")}]});
        match kind {
            "empty" => {}
            "endless" => {
                let next = number.saturating_add(1);
                link(&mut page, Some(format!("{base}?_own=endless.{next}")));
            }
            _ => {
                let Some((entries, next)) = self.apart.get(&number) else {
                    return Some(Failure::expired().into());
                };
                put(&mut page, entries.clone());
                link(&mut page, next.clone());
            }
        }
        Some(RestAnswer::of(200, page))
    }
}

/// Adds a warning among the entries.
fn warn(page: &mut Value, dice: &mut Dice) {
    let outcome = json!({"resourceType": "OperationOutcome",
        "issue": [{"severity": "warning", "code": "informational", "diagnostics": "a warning"}]});
    let mut entries = taken(page);
    let place = dice.below(entries.len() + 1);
    entries.insert(
        place,
        json!({"resource": outcome, "search": {"mode": "outcome"}}),
    );
    put(page, entries);
}

/// The request for the first page of the search that a further page belongs to.
fn first_page(call: &Call) -> Option<Call> {
    let (token, _) = call.query.strip_prefix("_page=")?.split_once('.')?;
    Some(Call {
        method: "GET".to_owned(),
        query: format!("_page={token}.0"),
        ..Call::default()
    })
}

fn taken(page: &mut Value) -> Vec<Value> {
    bundles::entries(page)
        .map(std::mem::take)
        .unwrap_or_default()
}

/// Sets the entries; a Bundle without any has no such member.
fn put(page: &mut Value, entries: Vec<Value>) {
    let Some(page) = page.as_object_mut() else {
        return;
    };
    if entries.is_empty() {
        page.remove("entry");
    } else {
        page.insert("entry".to_owned(), Value::Array(entries));
    }
}

/// Takes the includes off a page.
fn includes(page: &mut Value) -> Vec<Value> {
    let included = |entry: &Value| entry["search"]["mode"] == "include";
    let (includes, matches) = taken(page).into_iter().partition(included);
    put(page, matches);
    includes
}

fn next(page: &Value) -> Option<String> {
    let links = page["link"].as_array()?;
    let next = links.iter().find(|link| link["relation"] == "next")?;
    next["url"].as_str().map(str::to_owned)
}

/// Sets the link to the next page, or takes it away.
fn link(page: &mut Value, url: Option<String>) {
    if let Some(links) = page.get_mut("link").and_then(Value::as_array_mut) {
        links.retain(|link| link["relation"] != "next");
        links.extend(url.map(|url| json!({"relation": "next", "url": url})));
    }
}
