//! File name patterns of partner files: `returns*.{csv,xlsx}`.
//!
//! A pattern and names go in, yes or no comes out. `*` stands for any characters, `?` for one, `{a,b}` for either; letters match in either case. Invariant:
//! a match takes at most pattern times name steps, whatever both hold.

/// Characters of a pattern.
const PATTERN_CHARACTERS_MAX: usize = 500;
/// Patterns that alternatives may expand to.
const EXPANSIONS_MAX: usize = 64;

/// A pattern, its alternatives written out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern {
    alternatives: Vec<Vec<char>>,
}

/// Why a pattern cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PatternError {
    #[error("the pattern is empty or longer than {PATTERN_CHARACTERS_MAX} characters")]
    Length,
    #[error("the pattern names a folder; it may name files only")]
    Folder,
    #[error("the pattern's braces do not pair, or stand within each other")]
    Braces,
    #[error("the pattern's alternatives multiply to more than {EXPANSIONS_MAX}")]
    TooMany,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// [`PatternError`].
    pub(crate) fn parse(text: &str) -> Result<Self, PatternError> {
        if text.is_empty() || text.chars().count() > PATTERN_CHARACTERS_MAX {
            return Err(PatternError::Length);
        }
        if text.contains(['/', '\\']) {
            return Err(PatternError::Folder);
        }
        let mut expanded = vec![String::new()];
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (inside, behind) = after.split_once('}').ok_or(PatternError::Braces)?;
            if before.contains('}') || inside.contains('{') {
                return Err(PatternError::Braces);
            }
            let choices: Vec<&str> = inside.split(',').collect();
            if expanded.len() * choices.len() > EXPANSIONS_MAX {
                return Err(PatternError::TooMany);
            }
            expanded = expanded
                .iter()
                .flat_map(|start| {
                    choices
                        .iter()
                        .map(move |choice| format!("{start}{before}{choice}"))
                })
                .collect();
            rest = behind;
        }
        if rest.contains('}') {
            return Err(PatternError::Braces);
        }
        Ok(Self {
            alternatives: expanded
                .iter()
                .map(|start| folded(&format!("{start}{rest}")))
                .collect(),
        })
    }

    /// Whether a file name fits. As in a shell, a name that begins with a dot fits only a pattern that begins with one.
    pub(crate) fn matches(&self, name: &str) -> bool {
        let name = folded(name);
        self.alternatives.iter().any(|pattern| {
            let hidden = name.first() == Some(&'.') && pattern.first() != Some(&'.');
            !hidden && matches_one(pattern, &name)
        })
    }
}

fn folded(text: &str) -> Vec<char> {
    text.chars().flat_map(char::to_lowercase).collect()
}

/// Walks pattern and name side by side; a mismatch goes back to the last star only, which then takes one character more.
fn matches_one(pattern: &[char], name: &[char]) -> bool {
    let (mut at, mut read) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while read < name.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, read));
                at += 1;
            }
            Some(&character) if character == '?' || character == name[read] => {
                at += 1;
                read += 1;
            }
            _ => {
                let Some((star_at, taken)) = star else {
                    return false;
                };
                star = Some((star_at, taken + 1));
                at = star_at + 1;
                read = taken + 1;
            }
        }
    }
    pattern.iter().skip(at).all(|&character| character == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_as_in_a_shell_but_in_either_case() {
        let cases = [
            ("returns*.{csv,xlsx}", "returns week 47.xlsx", true),
            ("returns*.{csv,xlsx}", "RETURNS.CSV", true),
            ("returns*.{csv,xlsx}", "returns.xls", false),
            ("returns*.{csv,xlsx}", "my returns.csv", false),
            ("returns*.{csv,xlsx}", "returns.csv.part", false),
            ("*", "anything", true),
            ("*", ".DS_Store", false),
            (".*", ".DS_Store", true),
            ("?.csv", "ä.csv", true),
            ("?.csv", "ab.csv", false),
            ("*a*b*c", "xxaxxbxxbxc", true),
            ("*a*b*c", "xxaxxcxxb", false),
            ("{a,b}{1,}.csv", "B.csv", true),
            ("{a,b}{1,}.csv", "b1.csv", true),
            ("{a,b}{1,}.csv", "ab.csv", false),
            ("[a].csv", "[a].csv", true),
            ("ÉTÉ*.csv", "été 1.csv", true),
        ];
        for (pattern, name, expected) in cases {
            assert_eq!(
                Pattern::parse(pattern).unwrap().matches(name),
                expected,
                "{pattern} {name}"
            );
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for (text, error) in [
            ("", PatternError::Length),
            ("../x.csv", PatternError::Folder),
            ("a{b", PatternError::Braces),
            ("a}b", PatternError::Braces),
            ("a{b{c}}", PatternError::Braces),
            ("a{b}}", PatternError::Braces),
        ] {
            assert_eq!(Pattern::parse(text), Err(error), "{text}");
        }
        assert!(Pattern::parse(&"{a,b}".repeat(6)).is_ok());
        assert_eq!(
            Pattern::parse(&"{a,b}".repeat(7)),
            Err(PatternError::TooMany)
        );
        assert_eq!(Pattern::parse(&"a".repeat(501)), Err(PatternError::Length));
    }

    #[test]
    fn a_hostile_pattern_and_name_end_soon() {
        let pattern = Pattern::parse(&"*a".repeat(250)).unwrap();
        assert!(!pattern.matches(&format!("{}b", "a".repeat(254))));
    }
}
