//! How long an expression may be, and how much it may take: just within each limit, and just beyond.

use super::environment::ExpressionLimits;
use super::*;
use crate::domain::Limits;
use crate::domain::limits::{self, EXPRESSION_CHARACTERS, EXPRESSION_STEPS, PATTERN_BYTES};
use crate::json::Json;

fn compiled(source: &str, limits: Limits) -> Result<Expression, String> {
    let environment = Environment {
        limits: ExpressionLimits::of(&limits),
        ..Environment::default()
    };
    Expression::compile_in(source, &environment).map_err(|error| format!("{error}; {}", error.help))
}

#[test]
fn an_expression_is_no_longer_than_the_limit_says() {
    for characters_max in [9, EXPRESSION_CHARACTERS.usual, EXPRESSION_CHARACTERS.most] {
        let limits = Limits {
            expression_characters_max: usize::try_from(characters_max).unwrap(),
            ..Limits::default()
        };
        limits::holds_at(
            EXPRESSION_CHARACTERS.most.min(characters_max),
            |characters| {
                let source = format!("'{}'", "é".repeat(usize::try_from(characters).unwrap() - 2));
                let error = compiled(&source, limits).err();
                assert!(
                    error
                        .iter()
                        .all(|text| text.contains("[limits] expression_characters_max"))
                );
                error.is_none()
            },
        );
    }
}

#[test]
fn an_expression_looks_at_no_more_items_than_the_limit_says() {
    let list = |items: u32| {
        let names = vec![r#"{"family":"a"}"#; items as usize].join(",");
        Json::of(&format!(r#"{{"resourceType":"Patient","name":[{names}]}}"#))
    };
    let passes = |json: &Json<'_>, steps_max: u32| {
        let limits = Limits {
            expression_steps_max: steps_max,
            ..Limits::default()
        };
        let expression = compiled("name.where(family = 'b')", limits).unwrap();
        let context = Context {
            focus: Some(json),
            ..Context::default()
        };
        let result = expression.evaluate(&context).map(|items| items.len());
        assert!(
            matches!(result, Ok(0) | Err(EvaluateError::TooManySteps)),
            "{result:?}"
        );
        result.is_ok()
    };
    // So many steps does a list of that length need.
    let few = list(10);
    let needed = (1..1_000).find(|steps| passes(&few, *steps)).unwrap();
    assert!(needed > 10 && !passes(&few, needed - 1) && passes(&few, needed));
    let [usual, most] = [EXPRESSION_STEPS.usual, EXPRESSION_STEPS.most];
    let [usual, most] = [usual, most].map(|steps| u32::try_from(steps).unwrap());
    // Each item takes a few steps, and one at least.
    let (many, too_many) = (list(usual / 20), list(usual));
    assert!(passes(&many, usual) && !passes(&too_many, usual) && passes(&too_many, most));
    limits::holds_at(u64::from(needed), |steps| {
        // The same the other way round: one item more needs more steps.
        let items = 10 + u32::try_from(steps).unwrap() - needed;
        passes(&list(items), needed)
    });
    let said = EvaluateError::TooManySteps.to_string();
    assert!(said.contains("[limits] expression_steps_max"), "{said}");
}

#[test]
fn a_pattern_takes_no_more_than_the_limit_says() {
    let compiles = |pattern: &str, bytes_max: u64| {
        let limits = Limits {
            pattern_bytes_max: usize::try_from(bytes_max).unwrap(),
            ..Limits::default()
        };
        let error = compiled(&format!("'a'.matches('{pattern}')"), limits).err();
        assert!(
            error
                .iter()
                .all(|text| text.contains("[limits] pattern_bytes_max")),
            "{error:?}"
        );
        error.is_none()
    };
    let [usual, most] = [PATTERN_BYTES.usual, PATTERN_BYTES.most];
    assert!(compiles("a{50}", usual) && !compiles("a{50}", 400));
    assert!(compiles("a{20000}", usual) && !compiles("a{60000}", usual));
    assert!(compiles("a{60000}", most) && !compiles("a{240000}", most));
}
