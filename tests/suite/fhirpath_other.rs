//! Made-up expressions against fhirpath.js: what differs is in the table below, construct by construct.

use std::fs;
use std::io::Write as _;
use std::process::Command;

use serde_json::{Value, json};

use super::fhirpath::{Answer, ask};
use super::support::expressions::{Dice, expression, resource};
use super::support::process::{LIMIT, finish_reading};

/// A construct in which the two differ, and how to tell it. `docs/FHIRPATH.md` says why.
struct Difference {
    name: &'static str,
    explains: fn(&Question, &Outcome, &Outcome) -> bool,
}

struct Question {
    resource: String,
    expression: String,
}

/// Texts of the items, or an error.
type Outcome = Result<Vec<String>, String>;

const DIFFERENCES: &[Difference] = &[
    Difference {
        name: "elements that a type has not",
        explains: |_, ours, theirs| refused(ours, "has no element") && theirs.is_ok(),
    },
    Difference {
        name: "the offset of a moved moment",
        explains: |_, ours, theirs| {
            match (ours, theirs) {
            (Ok(ours), Ok(theirs)) => {
                ours.len() == theirs.len()
                    && ours.iter().zip(theirs).all(|(own, other)| {
                        own == other
                            || matches!((instant(own), instant(other)), (Some(own), Some(other)) if own == other)
                    })
            }
            _ => false,
        }
        },
    },
    Difference {
        name: "`ofType` of a specialised primitive",
        explains: |question, ours, theirs| {
            let asked = |name: &str| question.expression.contains(name);
            ours.is_ok() && theirs.is_ok() && (asked(".ofType(string)") || asked(".ofType(uri)"))
        },
    },
    Difference {
        name: "the type of `id`",
        explains: |question, _, _| question.expression.contains("id.first() is string"),
    },
    Difference {
        name: "`round` of a negative half",
        explains: |question, ours, theirs| {
            question.expression.contains(".round(") && ours.is_ok() && theirs.is_ok()
        },
    },
    Difference {
        name: "quantities without a known unit",
        explains: |_, ours, theirs| refused(ours, "no unit that is known") && theirs.is_ok(),
    },
];

fn refused(outcome: &Outcome, why: &str) -> bool {
    matches!(outcome, Err(error) if error.contains(why))
}

fn instant(text: &str) -> Option<jiff::Timestamp> {
    text.replace("-00:00", "Z").parse().ok()
}

#[test]
fn made_up_expressions_agree_with_another_engine() {
    let number = |name: &str, or: u64| {
        let given = std::env::var(name).ok();
        given.map_or(or, |text| text.parse().expect("a number"))
    };
    let (seed, count) = (number("KITH_TEST_SEED", 1), number("KITH_TEST_COUNT", 500));
    let questions = questions(seed, count);
    let ours = ask(questions
        .iter()
        .map(|question| (question.resource.as_str(), question.expression.as_str())));
    let theirs = ask_other(&questions);
    let mut told = vec![0; DIFFERENCES.len()];
    let (mut agreed, mut errors, mut faults) = (0, 0, Vec::new());
    for ((question, ours), theirs) in questions.iter().zip(ours).zip(&theirs) {
        let ours = match ours {
            Answer::Items(items) => Ok(items.into_iter().map(|(_, text)| text).collect()),
            Answer::Error(error) => Err(error),
        };
        if same(&ours, theirs) {
            agreed += 1;
            errors += u32::from(ours.is_err());
            continue;
        }
        let explained = DIFFERENCES
            .iter()
            .position(|difference| (difference.explains)(question, &ours, theirs));
        match explained {
            Some(at) => told[at] += 1,
            None => faults.push(format!(
                "{}\n  on     {}\n  ours   {ours:?}\n  theirs {theirs:?}",
                question.expression, question.resource
            )),
        }
    }
    let mut line = format!(
        "made-up FHIRPath, seed {seed}: {agreed} of {count} agree ({errors} of them errors on both sides), {} not explained;",
        faults.len()
    );
    for (difference, told) in DIFFERENCES.iter().zip(&told) {
        line.extend([" ", difference.name, " ", &told.to_string(), ","]);
    }
    line.push('\n');
    std::io::stderr()
        .write_all(line.as_bytes())
        .expect("stderr is open");
    let shown = faults.iter().take(30).cloned().collect::<Vec<_>>();
    assert!(faults.is_empty(), "{}", shown.join("\n"));
}

fn questions(seed: u64, count: u64) -> Vec<Question> {
    let mut dice = Dice::new(seed);
    let mut questions = Vec::new();
    let mut current = resource(&mut dice);
    for at in 0..count {
        if at % 10 == 0 {
            current = resource(&mut dice);
        }
        questions.push(Question {
            resource: current.1.to_string(),
            expression: expression(&mut dice, current.0),
        });
    }
    questions
}

fn ask_other(questions: &[Question]) -> Vec<Outcome> {
    let cache = std::env::var("KITH_TEST_CACHE").unwrap_or_else(|_| {
        let home = std::env::var("HOME").expect("a home folder");
        format!("{home}/.cache/kith-test")
    });
    let modules = format!("{cache}/fhirpath/node_modules");
    let mut lines = Vec::new();
    for question in questions {
        let line = json!({ "raw": question.resource, "expression": question.expression });
        lines.extend_from_slice(line.to_string().as_bytes());
        lines.push(b'\n');
    }
    let mut command = Command::new("node");
    command
        .arg(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/suite/support/fhirpath_other.cjs"
        ))
        .env("NODE_PATH", modules);
    let output = finish_reading(&mut command, &lines, LIMIT);
    assert!(
        output.status.success(),
        "the other engine failed; is it installed?"
    );
    let answers = String::from_utf8(output.stdout).expect("answers are UTF-8");
    let outcomes: Vec<Outcome> = answers
        .lines()
        .map(|line| {
            let value: Value = serde_json::from_str(line).expect("an answer is JSON");
            match value["items"].as_array() {
                Some(items) => Ok(items
                    .iter()
                    .map(|item| item.as_str().unwrap_or_default().to_owned())
                    .collect()),
                None => Err(value["error"].to_string()),
            }
        })
        .collect();
    assert_eq!(outcomes.len(), questions.len());
    outcomes
}

fn same(ours: &Outcome, theirs: &Outcome) -> bool {
    match (ours, theirs) {
        (Err(_), Err(_)) => true,
        (Ok(ours), Ok(theirs)) => {
            ours.len() == theirs.len()
                && ours
                    .iter()
                    .zip(theirs)
                    .all(|(own, other)| alike(own, other))
        }
        _ => false,
    }
}

/// Numbers by value, to what a float holds; parts of resources as JSON.
fn alike(own: &str, other: &str) -> bool {
    if own == other {
        return true;
    }
    if let (Ok(own), Ok(other)) = (own.parse::<f64>(), other.parse::<f64>()) {
        return (own - other).abs() <= 1e-9 * own.abs().max(other.abs()).max(1.0);
    }
    let json = |text: &str| {
        serde_json::from_str::<Value>(text)
            .ok()
            .filter(Value::is_object)
    };
    matches!((json(own), json(other)), (Some(own), Some(other)) if own == other)
}

#[test]
fn every_difference_is_in_the_manual() {
    let manual = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/FHIRPATH.md"))
        .expect("the manual");
    assert!(DIFFERENCES.len() <= 15);
    for difference in DIFFERENCES {
        assert!(manual.contains(difference.name), "{}", difference.name);
    }
}
