//! Checks the patterns of a partner file: names of drops, names of returns, dates.

use crate::diagnostics::Code;
use crate::toml_reader::{At, Problems};

/// What a drop's name may hold: it is seen by everyone on the way.
const PLACEHOLDERS: [&str; 3] = ["date", "sequence", "partner"];
/// Characters of a file name; what file systems allow, less room for a suffix.
const NAME_LENGTH_MAX: usize = 120;
/// Day, month and year as strftime writes them.
const DAY: &[char] = &['d', 'e'];
const MONTH: &[char] = &['m', 'b', 'B', 'h'];
const YEAR: &[char] = &['y', 'Y'];
/// A whole date, and names of days that say nothing by themselves.
const OTHER: &[char] = &['F', 'D', 'a', 'A', 'j'];

/// Checks the name of a drop.
pub(super) fn check_drop_name(name: &At<&str>, problems: &Problems) {
    plain_name(name, problems);
    let mut rest = name.value;
    while let Some((_, behind)) = rest.split_once('{') {
        let (placeholder, after) = behind.split_once('}').unwrap_or((behind, ""));
        if !PLACEHOLDERS.contains(&placeholder) {
            let what = format!("the file name has the placeholder {{{placeholder}}}");
            problems.add(Code::FileNameField, what, &name.place);
        }
        rest = after;
    }
    if !name.value.contains("{sequence}") {
        let what = "the file name has no {sequence}";
        problems.add(Code::FileNameSequence, what, &name.place);
    }
    if !name.value.to_ascii_lowercase().ends_with(".csv") {
        let what = "the file name must end in .csv";
        problems.add(Code::BadPattern, what, &name.place);
    }
}

/// What a placeholder or a path could begin with.
const ROOTS: [&str; 11] = [
    "patient",
    "referral",
    "request",
    "requester",
    "role",
    "practice",
    "leg",
    "source",
    "resource",
    "rootresource",
    "context",
];

/// Checks a text that is written as it stands: it has no placeholder, for none would be filled.
pub(super) fn check_constant(text: &At<&str>, problems: &Problems) {
    if let Some(root) = placeholder(text.value) {
        let what = format!("a text has a placeholder for {root}, and is written as it stands");
        problems.add(Code::TextPlaceholder, what, &text.place);
    }
}

/// The root that `{root…}`, `%root` or `$this` in a text names.
fn placeholder(text: &str) -> Option<&'static str> {
    let lower = text.to_lowercase();
    let begins = |behind: &str| {
        let word = behind.trim_start_matches(['{', '%', '$', '`', ' ']);
        ROOTS.into_iter().find(|root| {
            word.strip_prefix(root)
                .is_some_and(|rest| !rest.starts_with(|next: char| next.is_alphanumeric()))
        })
    };
    lower
        .match_indices(['{', '%'])
        .find_map(|(at, _)| begins(lower.get(at + 1..).unwrap_or_default()))
}

/// Checks the pattern for names of returns: `*`, `?`, `{a,b}`.
pub(super) fn check_return_name(pattern: &At<&str>, problems: &Problems) {
    plain_name(pattern, problems);
    let refuse = |what: &str| problems.add(Code::BadPattern, what, &pattern.place);
    let mut open = false;
    let closes = pattern.value.chars().all(|character| match character {
        '{' => !std::mem::replace(&mut open, true),
        '}' => std::mem::replace(&mut open, false),
        _ => true,
    });
    if !closes || open {
        refuse("the braces of the file pattern do not match");
    } else if pattern.value.chars().all(|character| character == '*') {
        refuse("the file pattern matches every file");
    }
}

fn plain_name(name: &At<&str>, problems: &Problems) {
    let path = |character: char| matches!(character, '/' | '\\') || character.is_control();
    if name.value.chars().any(path)
        || name.value.starts_with('.')
        || name.value.chars().count() > NAME_LENGTH_MAX
    {
        let what =
            format!("a file pattern is one plain name of at most {NAME_LENGTH_MAX} characters");
        problems.add(Code::BadPattern, what, &name.place);
    }
}

/// Checks a strftime pattern of days; `whole` asks for day, month and year.
pub(super) fn check_date_pattern(pattern: &At<&str>, whole: bool, problems: &Problems) {
    let mut said = Vec::new();
    let mut characters = pattern.value.chars().peekable();
    while let Some(character) = characters.next() {
        if character != '%' {
            continue;
        }
        while characters
            .next_if(|next| matches!(next, '-' | '_' | '0' | '^'))
            .is_some()
        {}
        let conversion = characters.next();
        let known = |list: &[char]| conversion.is_some_and(|conversion| list.contains(&conversion));
        if !(known(DAY) || known(MONTH) || known(YEAR) || known(OTHER) || conversion == Some('%')) {
            let what = "the date pattern has a conversion that is no part of a day";
            let fix = "write day, month and year, for example %d/%m/%Y";
            problems.add_fix(
                Code::BadPattern,
                what.to_owned(),
                &pattern.place,
                fix.to_owned(),
            );
            return;
        }
        said.extend(conversion);
    }
    let has = |list: &[char]| said.iter().any(|conversion| list.contains(conversion));
    let full = has(&['F', 'D']) || has(DAY) && has(MONTH) && has(YEAR);
    if said.is_empty() || whole && !full {
        let what = "the date pattern lacks day, month or year";
        problems.add(Code::BadPattern, what, &pattern.place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostics::Place;

    fn codes(check: impl Fn(&At<&str>, &Problems), value: &str) -> Vec<&'static str> {
        let problems = Problems::default();
        check(
            &At {
                value,
                place: Place::file("x.toml"),
            },
            &problems,
        );
        problems
            .into_sorted()
            .iter()
            .map(|one| one.code().text())
            .collect()
    }

    #[test]
    fn drop_names_hold_dates_and_numbers_only() {
        let table: [(&str, &[&str]); 7] = [
            ("referrals_{date}_{sequence}.csv", &[]),
            ("{partner}-{sequence}.CSV", &[]),
            ("referrals_{date}.csv", &["PTR-011"]),
            ("{patient.family}_{sequence}.csv", &["PTR-012"]),
            ("../{sequence}.csv", &["PTR-017"]),
            ("{sequence}.txt", &["PTR-017"]),
            ("{sequence", &["PTR-011", "PTR-017"]),
        ];
        for (name, expected) in table {
            assert_eq!(codes(check_drop_name, name), expected, "{name}");
        }
    }

    #[test]
    fn return_patterns_are_plain_names() {
        for name in ["returns*.{csv,xlsx}", "*.csv", "week ??.csv"] {
            assert_eq!(codes(check_return_name, name), [""; 0], "{name}");
        }
        for name in ["*", "**", "in/*.csv", "x.{csv", "x.csv}", "{a,{b}}.csv"] {
            assert_eq!(codes(check_return_name, name), ["PTR-017"], "{name}");
        }
    }

    #[test]
    fn date_patterns_are_of_days() {
        let full =
            |pattern: &At<&str>, problems: &Problems| check_date_pattern(pattern, true, problems);
        for pattern in ["%d/%m/%Y", "%Y-%m-%d", "%-d %b %y", "%F", "%A %d %B %Y"] {
            assert_eq!(codes(full, pattern), [""; 0], "{pattern}");
        }
        for pattern in ["%d/%m", "today", "%H:%M", "%d/%m/%", "%Q"] {
            assert_eq!(codes(full, pattern), ["PTR-017"], "{pattern}");
        }
    }
}
