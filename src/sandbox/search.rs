//! Search: what a query asks for, and which resources answer it.
//!
//! Parameters are read once into tests on a resource; an unknown one is refused or ignored as the client prefers, and is
//! then absent from the `self` link, which is how an honest server says that it ignored something.

use std::collections::BTreeSet;

use serde_json::Value;

use super::matches::{Test, alternatives, date_tests, local, references, token_tests};
use super::parameters::{ParameterKind, parameter};
use super::resources::{Failure, ResourceStore, ResourceVersion};

/// Resources on a page where the client does not say, and at most.
const COUNT_DEFAULT: usize = 100;
const COUNT_MAX: usize = 1_000;

/// A query, read and ready to run.
#[derive(Debug, Default)]
pub(super) struct Query {
    pub(super) count: usize,
    pub(super) count_only: bool,
    /// The parameters that were understood, for the `self` link.
    pub(super) understood: Vec<(String, String)>,
    includes: Vec<Include>,
    tests: Vec<Test>,
    newest_first: bool,
    by_id: bool,
}

#[derive(Debug)]
struct Include {
    reverse: bool,
    resource_type: String,
    elements: &'static [&'static str],
}

/// Reads the parameters of a search; with `strict` an unknown one is refused.
pub(super) fn parse(
    store: &ResourceStore,
    resource_type: &str,
    pairs: &[(String, String)],
    strict: bool,
) -> Result<Query, Failure> {
    let mut query = Query {
        count: COUNT_DEFAULT,
        by_id: true,
        ..Query::default()
    };
    for (name, value) in pairs {
        let understood = match name.as_str() {
            "_count" => {
                let count = value.parse::<usize>().map_err(|_| {
                    Failure::new(400, "value", "_count is not a number of resources")
                })?;
                query.count_only |= count == 0;
                query.count = count.clamp(1, COUNT_MAX);
                true
            }
            "_summary" => {
                query.count_only |= value == "count";
                matches!(value.as_str(), "count" | "false")
            }
            "_sort" => {
                query.by_id = value == "_id";
                query.newest_first = value == "-_lastUpdated";
                matches!(value.as_str(), "_lastUpdated" | "-_lastUpdated" | "_id")
            }
            "_format" => value.contains("json"),
            "_total" => true,
            "_include" | "_revinclude" => {
                let before = query.includes.len();
                query.includes.extend(include(value, name == "_revinclude"));
                query.includes.len() > before
            }
            _ => {
                let before = query.tests.len();
                query.tests.extend(test(store, resource_type, name, value)?);
                query.tests.len() > before
            }
        };
        if understood {
            query.understood.push((name.clone(), value.clone()));
        } else if strict {
            return Failure::refuse(
                400,
                "not-supported",
                format!("the search parameter {name} is not supported as it was used"),
            );
        }
    }
    Ok(query)
}

fn include(value: &str, reverse: bool) -> Option<Include> {
    let mut parts = value.split(':');
    let (resource_type, name) = (parts.next()?, parts.next()?);
    let (_, elements) = parameter(resource_type, name)?;
    Some(Include {
        reverse,
        resource_type: resource_type.to_owned(),
        elements,
    })
}

/// One parameter as a test; none if the server does not know it.
fn test(
    store: &ResourceStore,
    resource_type: &str,
    name: &str,
    value: &str,
) -> Result<Option<Test>, Failure> {
    match name {
        "_id" => {
            return Ok(Some(Test::Id(alternatives(value).into_iter().collect())));
        }
        "_lastUpdated" => return Ok(Some(Test::LastUpdated(date_tests(value)?))),
        _ => {}
    }
    let (path, chained) = name
        .split_once('.')
        .map_or((name, None), |(path, rest)| (path, Some(rest)));
    let (bare, modifier) = path
        .split_once(':')
        .map_or((path, None), |(bare, modifier)| (bare, Some(modifier)));
    let Some((kind, elements)) = parameter(resource_type, bare) else {
        return Ok(None);
    };
    let unsupported = || {
        Failure::new(
            400,
            "not-supported",
            format!("the modifier or chain of {bare} is not supported"),
        )
    };
    if let Some(rest) = chained {
        let target = modifier.unwrap_or(if bare == "patient" || bare == "subject" {
            "Patient"
        } else {
            "ServiceRequest"
        });
        let inner = vec![(rest.to_owned(), value.to_owned())];
        // A chained parameter may not be chained again: the inner query has no dot.
        if kind != ParameterKind::Reference || rest.contains('.') {
            return Err(unsupported());
        }
        let found = parse(store, target, &inner, true)?.run(store, target);
        let references = found.iter().map(|id| format!("{target}/{id}")).collect();
        return Ok(Some(Test::Reference(elements, references)));
    }
    match (kind, modifier) {
        (ParameterKind::Token, None) => Ok(Some(Test::Token(elements, token_tests(value)))),
        (ParameterKind::Date, None) => Ok(Some(Test::Date(elements, date_tests(value)?))),
        (ParameterKind::Reference, Some("identifier")) => Ok(Some(Test::ReferenceIdentifier(
            elements,
            token_tests(value),
        ))),
        (ParameterKind::Reference, target) => {
            let target = target.or((bare == "patient").then_some("Patient"));
            let wanted = alternatives(value)
                .iter()
                .map(|reference| match target {
                    Some(target) if !reference.contains('/') => format!("{target}/{reference}"),
                    _ => local(&store.base, reference).to_owned(),
                })
                .collect();
            Ok(Some(Test::Reference(elements, wanted)))
        }
        _ => Err(unsupported()),
    }
}

impl Query {
    /// The ids of the matching resources, in the order asked for; ties in the order of ids.
    pub(super) fn run(&self, store: &ResourceStore, resource_type: &str) -> Vec<String> {
        let mut found: Vec<(i64, String)> = Vec::new();
        let mut consider = |id: &String, version: &ResourceVersion| {
            let Some(body) = &version.body else { return };
            if self
                .tests
                .iter()
                .all(|test| test.matches(&store.base, id, version.at, body))
            {
                found.push((version.at, id.clone()));
            }
        };
        if let Some(ids) = self.candidates(store, resource_type) {
            for id in &ids {
                if let Ok(version) = store.current(resource_type, id) {
                    consider(id, version);
                }
            }
        } else {
            for (id, version) in store.live(resource_type) {
                consider(id, version);
            }
        }
        if !self.by_id {
            found.sort();
            if self.newest_first {
                found.reverse();
            }
        }
        found.into_iter().map(|(_, id)| id).collect()
    }

    /// The few ids that can match at all, where the query names an id or a whole identifier.
    fn candidates(&self, store: &ResourceStore, resource_type: &str) -> Option<BTreeSet<String>> {
        for test in &self.tests {
            if let Test::Id(ids) = test {
                return Some(ids.clone());
            }
            let Test::Token(elements, wanted) = test else {
                continue;
            };
            let whole = wanted
                .iter()
                .all(|token| token.system.is_some() && token.code.is_some());
            if *elements != ["identifier"] || !whole {
                continue;
            }
            let mut ids = BTreeSet::new();
            for token in wanted {
                let system = token.system.as_deref().unwrap_or_default();
                let value = token.code.as_deref().unwrap_or_default();
                ids.extend(
                    store
                        .with_identifier(resource_type, system, value)
                        .into_iter()
                        .flatten()
                        .cloned(),
                );
            }
            return Some(ids);
        }
        None
    }

    /// The (type, id) of the resources that come along with a page of matches.
    pub(super) fn included(
        &self,
        store: &ResourceStore,
        resource_type: &str,
        page: &[String],
    ) -> BTreeSet<(String, String)> {
        let mut along = BTreeSet::new();
        for include in &self.includes {
            if include.reverse {
                let wanted: BTreeSet<String> = page
                    .iter()
                    .map(|id| format!("{resource_type}/{id}"))
                    .collect();
                for (id, version) in store.live(&include.resource_type) {
                    let body = version.body.as_ref().unwrap_or(&Value::Null);
                    if references(&store.base, body, include.elements)
                        .any(|reference| wanted.contains(reference))
                    {
                        along.insert((include.resource_type.clone(), id.clone()));
                    }
                }
                continue;
            }
            for id in page {
                let Ok(version) = store.current(resource_type, id) else {
                    continue;
                };
                let body = version.body.as_ref().unwrap_or(&Value::Null);
                for reference in references(&store.base, body, include.elements) {
                    if let Some((target, id)) = reference.split_once('/')
                        && store.current(target, id).is_ok()
                    {
                        along.insert((target.to_owned(), id.to_owned()));
                    }
                }
            }
        }
        for id in page {
            along.remove(&(resource_type.to_owned(), id.clone()));
        }
        along
    }
}
