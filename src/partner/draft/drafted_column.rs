//! Writes a column of the sheet as one of the draft: a column of ours, a remark, or a placeholder.
//!
//! A guess comes in; lines go out. Kept: no cell of the sheet but the words of our own list.

use super::columns::{Guess, ours};
use super::text::{DraftText, pair, quoted};
use super::words::usual_word;
use crate::partner::agreement::PLACEHOLDER;

/// Words for what a row asks of the partner, where their sheet has none.
pub(super) const ACTIONS: [(&str, &str); 4] = [
    ("NEW", "New"),
    ("AMEND", "Changed"),
    ("STOP", "Please stop"),
    ("PAUSE", "Please wait"),
];

/// Fields of the closed list that this version cannot fill: a draft names them and leaves the cell to a person.
pub(super) const UNREAD: [&str; 5] = [
    "patient.communication_need",
    "patient.needs_bringing",
    "patient.reasonable_adjustment",
    "referral.consent",
    "referral.risk",
];

/// One column of the sheet: a column of ours, a remark, or a placeholder.
pub(super) fn one_column(page: &mut DraftText, guess: &Guess, read: bool) {
    let header = quoted(&guess.header);
    let Some(means) = guess.means else {
        page.line(&format!("# guess: none for column {header}; say what it holds, or take it out if it is their own"));
        page.column(&guess.header);
        let what = "from = \"…\" with a field of `kith explain fields`, in [share] too";
        page.fill_in(&pair("text", PLACEHOLDER), what);
        return;
    };
    let Some(field) = guess.field() else {
        let what = match means {
            "own" => "is theirs alone: neither written nor read",
            "session" => "is of a further session, and their sheet has no day for it",
            "concern" => "tells of a worry about safety, which this version does not read",
            "onward" | "onward.consent" => {
                "refers on: kind = \"onward\" needs the ids of those partners, and [onward] to"
            }
            "acknowledged" => "says that a stop was seen: acknowledged in [collect]",
            _ if read => return,
            _ => "reads like an answer, and no event below needs it",
        };
        page.line(&format!("# guess: column {header} {what}"));
        return;
    };
    page.column(&guess.header);
    if UNREAD.contains(&field) {
        let reads = format!(
            "{field} {}; this version cannot fill it: take the column out, or agree a text",
            why(guess)
        );
        page.guess(&pair("text", PLACEHOLDER), &reads);
        return;
    }
    if guess.is_asked() {
        let asks = format!(
            "{field} {}; but none of the words in the sheet is known: what do they stand for? Then from = {} with codes",
            why(guess),
            quoted(field)
        );
        page.guess(&pair("text", PLACEHOLDER), &asks);
        return;
    }
    page.guess(&pair("from", field), &why(guess));
    if let Some(pattern) = guess.shape.date().filter(|_| dated(field)) {
        let other = guess.shape.dates.get(1);
        let other = other.map_or_else(String::new, |other| format!(", or {other}"));
        let reads = format!("by the look of its cells{other}");
        page.guess(&pair("date", pattern), &reads);
    } else if dated(field) {
        page.guess(
            "date = \"%d/%m/%Y\"",
            "no cells to tell it by; as most here write days",
        );
    }
    codes(page, field, guess);
}

pub(super) fn dated(field: &str) -> bool {
    field.ends_with("_on") || field.ends_with("_date")
}

pub(super) fn why(guess: &Guess) -> String {
    if guess.others.is_empty() {
        guess.why.to_owned()
    } else {
        format!("{}; or {}", guess.why, guess.others.join(", "))
    }
}

/// The words of a field with a closed list: theirs where the sheet shows them, else usual ones.
fn codes(page: &mut DraftText, field: &str, guess: &Guess) {
    let ours = ours(field);
    if ours.is_empty() {
        return;
    }
    let said: Vec<String> = ours
        .iter()
        .map(|word| {
            let theirs = guess.codes.iter().find(|(_, known)| known == word);
            let usual = ACTIONS.iter().find(|(action, _)| action == word);
            let text = match (theirs, usual) {
                (Some((theirs, _)), _) => theirs.clone(),
                (None, Some((_, usual))) => (*usual).to_owned(),
                (None, None) => usual_word(word),
            };
            format!("{word} = {}", quoted(&text))
        })
        .collect();
    page.guess(
        &format!("codes = {{ {} }}", said.join(", ")),
        &strangers(guess),
    );
}

pub(super) fn strangers(guess: &Guess) -> String {
    match guess.strange {
        0 if guess.codes.is_empty() => {
            "their words are not in the sheet: these are usual ones".to_owned()
        }
        0 => "by the words in the sheet".to_owned(),
        _ if guess.codes.is_empty() => {
            "none of the words in the sheet is known: which of them stands for what?".to_owned()
        }
        more => format!("{more} other words of the sheet are not known and not copied here"),
    }
}

#[cfg(test)]
mod tests {
    use super::UNREAD;

    #[test]
    fn what_cannot_be_filled_is_as_the_list_of_fields_has_it() {
        let list: toml::Table = include_str!("../../../mappings/fields.toml")
            .parse()
            .expect("the list of fields is TOML");
        let mut unread: Vec<&str> = list["field"]
            .as_array()
            .expect("fields")
            .iter()
            .filter(|field| field.get("derivation").and_then(|rule| rule.as_str()) == Some("none"))
            .filter_map(|field| field["name"].as_str())
            .collect();
        unread.sort_unstable();
        assert_eq!(unread, UNREAD);
    }
}
