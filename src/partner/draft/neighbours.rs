//! Weighs what the other columns of a sheet say about one.
//!
//! Columns with their likely meanings come in and are changed in place. Invariant: a number or a name that stands behind somebody else's
//! name goes to nobody's field but theirs.

use super::columns::{OpenColumn, SURE, is_day, is_field};
use super::heading::Subject;
use super::word_lists::heading_words;

/// From here on a meaning is what the column says.
const CLEAR: i32 = 85;
/// Columns at the left of a sheet among which the person's name stands.
const NAMES_WITHIN: usize = 5;

/// Adjusts what is likely before anything is decided.
pub(super) fn adjust(open: &mut [OpenColumn]) {
    without_their_like(open);
    behind_a_name(open);
    nobody_named(open);
}

/// A day or a time of asking needs questions, and a consent to pass on needs somebody to pass on to.
fn without_their_like(open: &mut [OpenColumn]) {
    let has = |open: &[OpenColumn], start: &str, last: &str| {
        let means = |(means, score): &(&'static str, i32)| {
            *score >= SURE && means.starts_with(start) && !means.ends_with(last)
        };
        open.iter().any(|column| column.likely.iter().any(means))
    };
    let asked = [
        "measure.satisfaction",
        "measure.worthwhile",
        "measure.happiness",
        "measure.anxiety",
    ]
    .iter()
    .any(|item| has(open, item, " "));
    let onward = has(open, "onward", ".consent");
    for column in open {
        if !asked {
            if column.guess.shape.day_of_now() && column.score("measure.on") >= SURE {
                column.raise("attendance.on", SURE + 12);
            }
            column.lower("measure.on", 70);
            column.lower("measure.occasion", 70);
        }
        if !onward {
            column.lower("onward.consent", 30);
        }
    }
}

/// A plain `Tel` or `Email` behind somebody else's name is theirs, where the person's own stands elsewhere.
fn behind_a_name(open: &mut [OpenColumn]) {
    for at in 1..open.len() {
        let (before, rest) = open.split_at_mut(at);
        let Some(column) = rest.first_mut() else {
            return;
        };
        let whose = before
            .iter()
            .rev()
            .take(3)
            .find_map(|earlier| match earlier.best() {
                Some(("patient.contact_name", _)) => Some(Subject::Contact),
                Some(("requester.name", _)) => Some(Subject::Requester),
                Some(("practice.name", _)) => Some(Subject::Practice),
                Some((means, _)) if is_field(means) && !is_reach(means) => Some(Subject::Person),
                _ => None,
            });
        let earlier = |means: &str| before.iter().any(|one| one.score(means) >= CLEAR);
        let plain = plain(&column.guess.header);
        let shape = &column.guess.shape;
        let phones =
            plain && (shape.phones || shape.filled == 0 && column.score("patient.phone") > 0);
        let emails =
            plain && (shape.emails || shape.filled == 0 && column.score("patient.email") > 0);
        let theirs = column.guess.header.to_lowercase().starts_with("their ");
        let known = theirs || earlier("patient.phone") || earlier("patient.phone_home");
        let theirs = match whose {
            Some(Subject::Contact) if phones && known => "patient.contact_phone",
            Some(Subject::Requester) if phones && known => "requester.phone",
            Some(Subject::Requester) if emails && earlier("patient.email") => "requester.email",
            Some(Subject::Practice) if phones && known => "practice.phone",
            _ => continue,
        };
        column.lower("patient.phone", 40);
        column.lower("patient.phone_home", 40);
        column.lower("patient.email", 40);
        column.raise(theirs, CLEAR);
    }
}

fn is_reach(means: &str) -> bool {
    means.ends_with("phone") || means.ends_with("email") || means.ends_with("relationship")
}

/// Whether a header says no more than that it is a number or an address to reach somebody by.
fn plain(header: &str) -> bool {
    let list = [
        "phone", "number", "mobile", "their", "contact", "email", "landline", "ring", "to", "on",
        "his", "her",
    ];
    heading_words(header)
        .iter()
        .all(|word| list.contains(&word.as_str()))
}

/// Where nobody is named by a header, those who care for somebody are the people referred (`Carer's full name`), or the first column of
/// whole names is theirs (`Singer`).
fn nobody_named(open: &mut [OpenColumn]) {
    let score = |column: &OpenColumn| {
        ["patient.name", "patient.family", "patient.given"]
            .iter()
            .any(|means| column.score(means) >= SURE)
    };
    if open.iter().any(score) {
        return;
    }
    let others = open
        .iter()
        .any(|column| matches!(column.best(), Some(("patient.contact_phone", _))));
    let carer = |column: &&mut OpenColumn| {
        let names = column.guess.shape.names || column.guess.shape.filled == 0;
        let said = heading_words(&column.guess.header);
        names && !others && said.iter().any(|word| word == "carer")
    };
    if let Some(column) = open.iter_mut().take(NAMES_WITHIN).find(carer) {
        let score = column.score("patient.contact_name").max(SURE);
        column.raise("patient.name", score + 1);
        return;
    }
    let whole = |column: &&mut OpenColumn| {
        let shape = &column.guess.shape;
        let named = shape.names && shape.several_words && !shape.practices && !shape.relations;
        named && column.best().is_none() && column.about_nobody_else
    };
    if let Some(column) = open.iter_mut().take(NAMES_WITHIN).find(whole) {
        column.raise("patient.name", SURE);
        column.guess.why = "by the look of its cells";
    }
}

/// Where no column is the day of the referral, the first day of no known kind before their own columns is.
pub(super) fn day_of_referral(open: &mut [OpenColumn], border: usize) {
    let has = open
        .iter()
        .any(|column| column.guess.means == Some("referral.authored_on"));
    let days = open
        .iter()
        .filter(|column| column.guess.means.is_some_and(is_day))
        .count();
    if has || days < 2 {
        return;
    }
    let vague = |column: &&mut OpenColumn| {
        column.guess.means == Some("attendance.on") && column.score("attendance.on") < CLEAR
    };
    if let Some(column) = open.iter_mut().take(border + 1).find(vague) {
        column.guess.means = Some("referral.authored_on");
        column.guess.others.insert(0, "attendance.on");
    }
}
