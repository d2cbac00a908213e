//! `kith evaluate`: expressions on resources, for those who write mappings by machine and for the conformance tests.
//!
//! NDJSON in: `{"resource": {…}}` sets what follows is evaluated on, `{"expression": "…"}` asks. NDJSON out, a line an
//! expression: its items with their types, or where and why there is none. Not shown in the help: people use
//! `kith check` and `kith map`.

use std::io::{BufRead as _, Write as _};

use serde_json::{Value, json};

use super::{DONE, Global};
use crate::domain::clock::SystemClock;
use crate::domain::{Clock as _, Limits};
use crate::fhir::resources::resource::resource_type;
use crate::fhirpath::{Context, Environment, Expression, ExpressionLimits, PathItem};
use crate::json::{Arena, Json, nests_within};

/// Evaluate expressions on resources
#[derive(clap::Args)]
pub(super) struct Args {}

pub(super) fn run(global: &Global, _: &Args) -> anyhow::Result<u8> {
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let now = SystemClock.now().utc_text();
    let mut resource = String::from("null");
    let limits = global.limits()?;
    let line_bytes_max = limits.resource_bytes_max;
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        if line.len() > line_bytes_max {
            anyhow::bail!("a line is longer than {line_bytes_max} bytes");
        }
        let mut asked: Value = serde_json::from_str(&line)?;
        if let Some(raw) = asked.get_mut("raw").map(Value::take) {
            // The resource's own text: a number in it stays as it is written.
            raw.as_str().unwrap_or("null").clone_into(&mut resource);
        }
        let Some(expression) = asked.get("expression").and_then(Value::as_str) else {
            continue;
        };
        serde_json::to_writer(&mut out, &answer(expression, &resource, &now, &limits)?)?;
        out.write_all(b"\n")?;
    }
    out.flush()?;
    Ok(DONE)
}

fn answer(expression: &str, resource: &str, now: &str, limits: &Limits) -> anyhow::Result<Value> {
    if !nests_within(resource.as_bytes(), limits.json_depth_max) {
        anyhow::bail!(
            "a resource nests more than {} levels deep",
            limits.json_depth_max
        );
    }
    let arena = Arena::default();
    let tree = Json::parse(resource.as_bytes(), &arena)?;
    let environment = Environment {
        focus: resource_type(&tree),
        clock: true,
        limits: ExpressionLimits::of(limits),
        ..Environment::default()
    };
    let compiled = match Expression::compile_in(expression, &environment) {
        Ok(compiled) => compiled,
        Err(error) => {
            return Ok(json!({
                "refused": error.what, "offset": error.offset, "help": error.help,
            }));
        }
    };
    let resolve = |_: &str| None;
    let context = Context {
        focus: (!tree.is_null()).then_some(&tree),
        resolve: Some(&resolve),
        now: Some(now),
        ..Context::default()
    };
    Ok(match compiled.evaluate(&context) {
        Ok(items) => json!({ "items": items.iter().map(item).collect::<Vec<_>>() }),
        Err(error) => json!({ "failed": error.to_string() }),
    })
}

fn item(item: &PathItem<'_>) -> Value {
    let kind = item
        .type_name()
        .map(|(space, name)| format!("{space}.{name}"));
    match (item.text(), item) {
        (Some(text), _) => json!({ "type": kind, "text": text }),
        (None, PathItem::Node(node)) => json!({ "type": kind, "json": node.json.to_text() }),
        (None, _) => json!({ "type": kind }),
    }
}
