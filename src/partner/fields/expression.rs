//! The `FHIRPath` expressions of fields and columns: compiled from a key, evaluated over a referral.
//!
//! The text of a key comes in, then a referral; values go out. Kept: an expression names only the resources of the view.

use super::{FieldValue, FieldValues, ReferralView, ValueProblem};
use crate::diagnostics::Code;
use crate::domain::{Limits, Reason};
use crate::fhirpath::{Context, Environment, Expression, ExpressionLimits};
use crate::toml_reader::{At, TableReader};

/// Evaluates an expression over the view's resources.
///
/// # Errors
/// If the expression has no result on these resources, or one that is no text.
pub(crate) fn path_values<'v>(
    expression: &Expression,
    view: &ReferralView<'_>,
) -> Result<FieldValues<'v>, ValueProblem> {
    let variables = [
        ("request", Some(view.request)),
        ("patient", view.patient),
        ("requester", view.requester),
        ("role", view.role),
        ("practice", view.practice),
    ];
    let context = Context {
        focus: Some(view.request),
        variables: &variables,
        ..Context::default()
    };
    let failed = |detail: String| ValueProblem {
        reason: Reason::ExpressionFailed,
        detail,
    };
    let items = expression
        .evaluate(&context)
        .map_err(|error| failed(format!("expression: {error}")))?;
    let mut values = Vec::with_capacity(items.len());
    for item in items.iter().filter(|item| !item.without_value()) {
        let text = item.text().ok_or_else(|| {
            failed("expression: it finds an element that has parts; name one of them".to_owned())
        })?;
        // The items borrow from the expression too, so what is handed on is a copy.
        values.push(FieldValue::of(text.into_owned()));
    }
    Ok(FieldValues::from_values(values))
}

/// What expressions may name: the resources of the [`ReferralView`], each of its type.
fn environment(limits: &Limits) -> Environment<'static> {
    Environment {
        focus: Some("ServiceRequest"),
        variables: &[
            ("request", Some("ServiceRequest")),
            ("patient", Some("Patient")),
            ("requester", Some("Practitioner")),
            ("role", Some("PractitionerRole")),
            ("practice", Some("Organization")),
        ],
        limits: ExpressionLimits::of(limits),
        ..Environment::default()
    }
}

/// Compiles the expression of a key; what is wrong is noted with its place inside the text.
pub(crate) fn compile(table: &TableReader<'_>, key: &str, text: &At<&str>) -> Option<Expression> {
    let limits = table.problems().limits();
    match Expression::compile_in(text.value, &environment(&limits)) {
        Ok(expression) => Some(expression),
        Err(error) => {
            let place = table
                .place_in_text(key, error.offset)
                .unwrap_or_else(|| text.place.clone())
                .and(format!("character {} of the expression", error.offset + 1));
            table
                .problems()
                .add_fix(Code::BadExpression, error.what, &place, error.help);
            None
        }
    }
}
