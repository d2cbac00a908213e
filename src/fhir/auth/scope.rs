//! Scopes asked for against scopes granted, as SMART writes them.
//!
//! `system/Observation.rs` is covered by `system/Observation.cruds`, `system/*.rs`, or version 1's `system/Observation.read`;
//! by several granted scopes together; never by one that narrows by a query.

/// The scopes asked for that were not granted, each with the part that lacks; empty if all were.
///
/// # Source
/// SMART App Launch 2.2, scopes for requesting FHIR resources; RFC 6749 §5.1.
pub(super) fn missing(asked: &[String], granted: &str) -> Option<String> {
    let granted: Vec<&str> = granted.split_whitespace().collect();
    let lacking: Vec<String> = asked
        .iter()
        .filter_map(|scope| lacks(scope, &granted))
        .collect();
    (!lacking.is_empty()).then(|| lacking.join(" "))
}

/// What of a scope was not granted.
fn lacks(asked: &str, granted: &[&str]) -> Option<String> {
    if granted.contains(&asked) {
        return None;
    }
    let Some((context, resource, letters)) = parts(asked) else {
        return Some(asked.to_owned());
    };
    let covered = |letter: char| {
        granted.iter().filter_map(|scope| parts(scope)).any(
            |(other_context, other_resource, other_letters)| {
                context == other_context
                    && [resource, "*"].contains(&other_resource)
                    && other_letters.contains(letter)
            },
        )
    };
    let lacking: String = letters.chars().filter(|letter| !covered(*letter)).collect();
    (!lacking.is_empty()).then(|| format!("{context}/{resource}.{lacking}"))
}

/// Context, resource type and letters of a scope; none of one that narrows by a query or is of another kind.
fn parts(scope: &str) -> Option<(&str, &str, &str)> {
    let (context, rest) = scope.split_once('/')?;
    let (resource, letters) = rest.rsplit_once('.')?;
    let letters = match letters {
        "read" => "rs",
        "write" => "cud",
        "*" => "cruds",
        _ => letters,
    };
    let known = !letters.is_empty() && letters.chars().all(|letter| "cruds".contains(letter));
    known.then_some((context, resource, letters))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_covered_or_named_with_what_lacks() {
        for (asked, granted, wanted) in [
            ("system/Patient.rs", "system/Patient.rs", None),
            ("system/Patient.rs", "openid system/Patient.cruds", None),
            ("system/Patient.rs", "system/Patient.read", None),
            ("system/Patient.rs", "system/*.r system/Patient.s", None),
            ("system/Patient.cu", "system/*.*", None),
            (
                "system/Patient.rs",
                "system/Patient.r",
                Some("system/Patient.s"),
            ),
            (
                "system/Patient.rs",
                "user/Patient.rs",
                Some("system/Patient.rs"),
            ),
            ("system/Patient.rs", "", Some("system/Patient.rs")),
            (
                "system/Patient.rs",
                "system/Patient.rs?active=true",
                Some("system/Patient.rs"),
            ),
            ("nhs-login", "nhs-login", None),
            ("nhs-login", "openid", Some("nhs-login")),
        ] {
            let asked = [asked.to_owned()];
            assert_eq!(missing(&asked, granted).as_deref(), wanted, "{granted}");
        }
        let two = ["system/A.r".to_owned(), "system/B.c".to_owned()];
        assert_eq!(
            missing(&two, "system/A.s").as_deref(),
            Some("system/A.r system/B.c")
        );
    }
}
