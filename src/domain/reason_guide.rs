//! What `kith explain REASON` and `kith held` say of a reason beside its words: data, in the binary.

use std::sync::OnceLock;

use super::{HoldNumber, LegReference, Reason};

/// A reason's line of `mappings/reasons-explained.toml`.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReasonGuide {
    /// What it means.
    pub(crate) means: String,
    /// One case, made up.
    pub(crate) example: String,
    /// Who does what, so that it ends.
    pub(crate) does: String,
    /// What to run; `N` stands for the number of a hold.
    command: String,
}

impl ReasonGuide {
    /// What to run for any hold; `N` and `REF` stand in it.
    pub(crate) fn command(&self) -> &str {
        &self.command
    }

    /// What to run for one hold, about this leg.
    pub(crate) fn command_for(&self, number: HoldNumber, leg: Option<LegReference>) -> String {
        let words = self.command.split(' ');
        let words: Vec<String> = words
            .map(|word| match word {
                "N" => number.to_string(),
                "REF" => leg.map_or_else(|| word.to_owned(), |leg| leg.to_string()),
                word => word.to_owned(),
            })
            .collect();
        words.join(" ")
    }
}

impl Reason {
    /// What a person is told of it.
    pub(crate) fn guide(self) -> &'static ReasonGuide {
        static GUIDES: OnceLock<Vec<(Reason, ReasonGuide)>> = OnceLock::new();
        static NONE: OnceLock<ReasonGuide> = OnceLock::new();
        let guides = GUIDES.get_or_init(read);
        let found = guides.iter().find(|(reason, _)| *reason == self);
        found.map_or_else(
            || NONE.get_or_init(ReasonGuide::default),
            |(_, guide)| guide,
        )
    }
}

fn read() -> Vec<(Reason, ReasonGuide)> {
    let text = include_str!("../../mappings/reasons-explained.toml");
    let table: toml::Table = text.parse().unwrap_or_default();
    let guide = |line: &toml::Value| {
        let text = |key: &str| {
            let said = line.get(key).and_then(toml::Value::as_str);
            said.unwrap_or_default().to_owned()
        };
        ReasonGuide {
            means: text("means"),
            example: text("example"),
            does: text("does"),
            command: text("command"),
        }
    };
    let lines = table.iter();
    lines
        .filter_map(|(code, line)| Some((Reason::from_code(code)?, guide(line))))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_explained_and_nothing_else_is() {
        let mut unexplained = Vec::new();
        for reason in Reason::ALL {
            let ReasonGuide {
                means,
                example,
                does,
                command,
            } = reason.guide();
            let sentences = [means, example, does];
            let whole = sentences
                .iter()
                .all(|text| text.len() > 10 && text.ends_with('.'));
            if !whole || !command.starts_with("kith ") {
                unexplained.push(reason.code());
            }
        }
        assert!(
            unexplained.is_empty(),
            "{unexplained:?}: give each means, example, does and command in mappings/reasons-explained.toml"
        );
        let text = include_str!("../../mappings/reasons-explained.toml");
        let table: toml::Table = text.parse().unwrap();
        let unknown: Vec<&String> = table
            .keys()
            .filter(|code| Reason::from_code(code).is_none())
            .collect();
        assert_eq!(unknown, Vec::<&String>::new());
    }

    #[test]
    fn a_command_that_settles_a_hold_is_its_owners() {
        for reason in Reason::ALL {
            let command = reason.guide().command();
            let acts = ["release", "assign", "join", "reject"];
            let settles = acts
                .iter()
                .any(|act| command.starts_with(&format!("kith held {act}")));
            let acting = command
                .rsplit_once("--as ")
                .map_or("it", |(_, owner)| owner);
            assert!(
                !settles || acting == reason.owner().code(),
                "{}: {command}",
                reason.code()
            );
        }
        let shown = Reason::Tie.guide().command_for(HoldNumber::new(12), None);
        assert_eq!(
            shown,
            "kith held assign 12 PARTNER --by NAME --because \"…\" --as practice"
        );
    }
}
