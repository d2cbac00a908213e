//! pyrofile-validator with base R4 and UK Core, a validator that is not ours; `tests/run.sh` installs it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use super::installed::component;
use super::process::finish;

/// How long it may take: `loop_fhir` gives it some 2,800 Observations at once, twelve seconds where nothing else is at work.
const VALIDATOR_LIMIT: Duration = Duration::from_mins(5);

/// What the validator says is wrong, in its own codes, by the name that the test gave the resource; nothing for a good one.
pub(crate) type Errors = BTreeMap<String, Vec<String>>;

/// Validates resources against base R4 and the profiles of UK Core that they claim, in one run.
///
/// A name becomes the id of its resource: what Kith writes has no id yet, and two servers may give the same.
pub(crate) fn errors(shared: &Path, resources: &BTreeMap<String, Value>) -> Errors {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let input = folder.path().join("in");
    fs::create_dir(&input).expect("a folder can be made");
    for (name, resource) in resources {
        let mut resource = resource.clone();
        resource["id"] = Value::from(name.as_str());
        fs::write(input.join(format!("{name}.json")), resource.to_string())
            .expect("a file can be written");
    }
    let core = component("fhir-r4/kith-installed-4.5.2").with_file_name("");
    let uk_core = fs::canonicalize(shared.join("conformance/ukcore")).expect("UK Core is there");
    let config = json!({
        "fhirVersion": "4.0.1",
        "localPackagePaths": [core, uk_core],
        "terminology": {"mode": "local"},
    });
    fs::write(folder.path().join("config.json"), config.to_string())
        .expect("a file can be written");
    let mut command = Command::new(component("pyrofile/bin/pyrofile"));
    command.args(["folder", "-c", "config.json"]);
    command.args(["--json-output", "out.json", "in"]);
    let output = finish(command.current_dir(folder.path()), VALIDATOR_LIMIT);
    let told = fs::read(folder.path().join("out.json")).unwrap_or_else(|_| {
        panic!(
            "the validator did not run\n{}",
            String::from_utf8_lossy(&output.stderr)
        )
    });
    let told: Value = serde_json::from_slice(&told).expect("JSON");
    // Those in a Bundle are counted one by one as well.
    let all: usize = resources
        .values()
        .map(|resource| 1 + resource["entry"].as_array().map_or(0, Vec::len))
        .sum();
    assert_eq!(
        told["resourceCount"].as_u64(),
        Some(all as u64),
        "every resource is validated"
    );
    let definitions = &told["definitionSource"]["loadedStructureDefinitions"];
    assert!(
        definitions.as_u64().is_some_and(|count| count > 700),
        "base R4 and UK Core are loaded: {definitions}"
    );
    sorted(&told)
}

/// The validator misses `Task.output.value[x]` where it stands, of whatever type, even in HL7's own examples.
pub(crate) fn is_false_alarm(error: &str, resource: &Value) -> bool {
    let outputs = resource["output"].as_array().into_iter().flatten();
    let alarms = outputs.enumerate().filter(|(_, output)| {
        let members = output.as_object().expect("an output has members");
        members
            .keys()
            .filter(|key| key.starts_with("value"))
            .count()
            == 1
    });
    alarms
        .map(|(place, _)| format!("cardinality.min at Task.output[{place}].value[x]"))
        .any(|alarm| alarm == error)
}

/// Fails on any error in resources that Kith wrote, as a server has them now.
pub(crate) fn assert_no_errors(shared: &Path, written: Vec<Value>) {
    assert!(!written.is_empty(), "there is something to validate");
    let named = (0..).map(|place| format!("written-{place}"));
    let resources: BTreeMap<String, Value> = named.zip(written).collect();
    let mut found = errors(shared, &resources);
    for (name, told) in &mut found {
        told.retain(|error| !is_false_alarm(error, &resources[name]));
    }
    found.retain(|_, told| !told.is_empty());
    assert_eq!(found, BTreeMap::new());
}

fn sorted(told: &Value) -> Errors {
    let mut errors = Errors::new();
    let issues = told["issues"].as_array().expect("issues");
    for issue in issues.iter().filter(|issue| issue["severity"] == "error") {
        let of = |key: &str| issue[key].as_str().unwrap_or("?").to_owned();
        errors.entry(of("resourceId")).or_default().push(format!(
            "{} at {}",
            of("code"),
            of("path")
        ));
    }
    assert_eq!(
        told["counts"]["errors"].as_u64(),
        Some(errors.values().map(|list| list.len() as u64).sum()),
        "every error is told one by one"
    );
    errors
}
