//! Names that file programs give to copies of a sheet: what they add, and the name below it.

use crate::sheet::fold;

/// A name of a file without its ending and without what file programs add to the name of a copy; and whether they added something.
pub(crate) fn stem(name: &str) -> (String, bool) {
    let name = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let folded = fold(name);
    let mut stem = folded.as_str();
    loop {
        let shorter = without_copy_mark(stem).trim_end();
        if shorter.len() == stem.len() || shorter.is_empty() {
            break;
        }
        stem = shorter;
    }
    (stem.to_owned(), stem.len() != folded.len())
}

fn without_copy_mark(stem: &str) -> &str {
    if let Some(rest) = stem.strip_prefix("copy of ") {
        return rest;
    }
    if let Some(rest) = stem.strip_suffix(" - copy") {
        return rest;
    }
    if let Some((rest, inside)) = stem
        .strip_suffix(')')
        .and_then(|stem| stem.rsplit_once('('))
    {
        let number = !inside.is_empty() && inside.bytes().all(|byte| byte.is_ascii_digit());
        if number || inside.contains("conflict") {
            return rest;
        }
    }
    // OneDrive adds the name of the machine: `-LAPTOP-7QK2`, and some people's machines are called no more than that.
    for machine in ["-laptop", "-desktop", "-pc"] {
        if let Some((rest, of)) = stem.rsplit_once(machine) {
            let number = of.strip_prefix('-').unwrap_or(of);
            let whole = of.is_empty() || (of.starts_with('-') && !number.is_empty());
            if whole && number.chars().all(char::is_alphanumeric) {
                return rest;
            }
        }
    }
    stem
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_copies_lead_to_the_name_of_their_sheet() {
        for (name, expected, marked) in [
            ("returns so far.csv", "returns so far", false),
            ("Returns so far (1).csv", "returns so far", true),
            (
                "returns so far-LAPTOP-7QK2 (conflicted copy).csv",
                "returns so far",
                true,
            ),
            (
                "returns (Ann's conflicted copy 2026-11-02).xlsx",
                "returns",
                true,
            ),
            ("returns week 1-LAPTOP.csv", "returns week 1", true),
            ("returns-desktops.csv", "returns-desktops", false),
            ("returns - Copy.csv", "returns", true),
            ("Copy of returns.csv", "returns", true),
            ("returns (week 3).csv", "returns (week 3)", false),
            ("(1).csv", "(1)", false),
        ] {
            assert_eq!(stem(name), (expected.to_owned(), marked), "{name}");
        }
    }
}
