//! Reads a header: what it may mean, and whom it is about.
//!
//! The text of a header comes in; meanings with a score from 0 to 100 and a [`Subject`] come out. Invariant: a header that is about
//! somebody else than the person referred never means a name, a number or an address of that person.

use super::columns::{is_field, ours};
use super::word_lists::{heading_words, hints, listed, subject};
use super::words::{Likely, add, code_of, meanings_of, rank};

/// From here on a phrase of the list is the header's own words.
const EXACT: u32 = 97;
/// A header that is built as `WHO` and `WHAT`: the practice's phone.
const BUILT: u32 = 91;
/// A word of the header that stands for one meaning wherever it stands.
const HINT: u32 = 70;
/// The day on which a referral came in.
const LATER: u32 = 90;
/// Fields with a closed list, whose words may make up a header: `New / update / stop`.
const CLOSED: [&str; 3] = ["leg.action", "patient.gender", "referral.priority"];

/// Whom a header is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    /// The person referred, or nobody named.
    Person,
    /// A relative or somebody else who is rung.
    Contact,
    Requester,
    Practice,
    /// The partner's own people and doings.
    Own,
}

/// A header as read.
pub(super) struct Heading {
    pub(super) likely: Vec<Likely>,
    pub(super) subject: Subject,
}

/// Reads a header.
pub(super) fn heading(text: &str) -> Heading {
    let mut likely: Vec<Likely> = Vec::new();
    let whole = one_part(text);
    let about = whole.1;
    merge(&mut likely, whole.0, 0);
    // What stands in brackets explains: `Attended? (Y/N)`, `Postcode (area only needed)`.
    let (before, within) = match text.split_once('(') {
        Some((before, within)) if !before.trim().is_empty() => (before, Some(within)),
        _ => (text, None),
    };
    let mut subject = about;
    if let Some(within) = within {
        let (found, who) = one_part(before);
        let explains = one_part(within.trim_end_matches([')', ' ', '?']));
        if who != Subject::Person || explains.1 == Subject::Person {
            subject = who;
        }
        // `Tel (home)` is said whole; else the words before the bracket are what counts.
        let whole = likely.iter().any(|one| one.score >= EXACT - 5);
        merge(&mut likely, found, if whole { 8 } else { 2 });
        let mut explained = exact(explains.0);
        explained.retain(|one| one.means != "own");
        merge(&mut likely, explained, 14);
    }
    by_alternatives(before, &mut likely);
    by_head(before, &mut likely);
    likely.retain(|one| one.score >= EXACT - 4 || allowed(subject, one.means));
    rank(&mut likely);
    Heading { likely, subject }
}

fn merge(likely: &mut Vec<Likely>, found: Vec<Likely>, less: u32) {
    for one in found {
        add(likely, one.means, one.score.saturating_sub(less));
    }
}

fn exact(found: Vec<Likely>) -> Vec<Likely> {
    found.into_iter().filter(|one| one.score >= EXACT).collect()
}

/// Some words by the list, and by whom and what they name.
fn one_part(text: &str) -> (Vec<Likely>, Subject) {
    let words = heading_words(text);
    let (who, rest) = subject(&words);
    let who = match who {
        Some("contact") => Subject::Contact,
        Some("requester") => Subject::Requester,
        Some("practice") => Subject::Practice,
        // `Risks for a volunteer`: the partner's own people are meant only where the header begins with them.
        Some(_) if words.len() > 3 && subject(words.get(..2).unwrap_or_default()).0.is_none() => {
            Subject::Person
        }
        Some(_) => Subject::Own,
        None => Subject::Person,
    };
    let mut found = meanings_of(&words);
    if let Some(means) = built(who, &rest) {
        add(&mut found, means, BUILT);
    }
    if words
        .first()
        .is_some_and(|word| word == "why" || word == "reason")
    {
        add(&mut found, "referral.reason", 75);
    }
    let has = |list: &[&str]| words.iter().any(|word| list.contains(&word.as_str()));
    if has(&["received", "recd", "got", "logged", "arrived"]) {
        // When it came is not when it was made; where a sheet has both, the day it was made goes out.
        for one in &mut found {
            if one.means == "referral.authored_on" {
                one.score = one.score.min(LATER);
            }
        }
    }
    let asks = "who call ring contact name phone should can do";
    if who == Subject::Contact && rest.iter().all(|word| listed(asks, word)) {
        add(&mut found, "patient.contact_name", 75);
    }
    if let Some(means) = told_to(who, &words) {
        found.retain(|one| one.means != "note" && one.means != "referral.note");
        add(&mut found, means, 93);
    }
    for means in hints(&words) {
        add(&mut found, means, HINT);
    }
    (found, who)
}

/// Words to the practice are a note of the partner's, words from it are the practice's.
fn told_to(who: Subject, words: &[String]) -> Option<&'static str> {
    let list = "comment feedback note message update news report summary information";
    if !matches!(who, Subject::Requester | Subject::Practice) {
        return None;
    }
    let (head, next) = words.split_first()?;
    if !listed(list, head) {
        return None;
    }
    let mut way = next.iter().filter_map(|word| match word.as_str() {
        "for" | "to" | "back" => Some("note"),
        "from" | "by" => Some("referral.note"),
        _ => None,
    });
    way.next()
}

/// `WHO` and `WHAT` together, where a field is that.
fn built(who: Subject, rest: &[String]) -> Option<&'static str> {
    let has = |list: &[&str]| rest.iter().any(|word| list.contains(&word.as_str()));
    let few = rest.len() <= 2;
    let phone = few && has(&["phone", "mobile", "number", "landline", "call", "ring"]);
    let elsewhere = has(&[
        "email", "address", "postcode", "dob", "date", "reason", "consent",
    ]);
    let named = rest.is_empty() || rest.len() == 1 && has(&["name", "who", "which"]);
    match who {
        Subject::Contact if few && has(&["relationship"]) => Some("patient.contact_relationship"),
        Subject::Contact if phone && !elsewhere => Some("patient.contact_phone"),
        Subject::Contact if named => Some("patient.contact_name"),
        Subject::Requester if few && has(&["email"]) => Some("requester.email"),
        Subject::Requester if phone && !elsewhere => Some("requester.phone"),
        Subject::Requester if few && has(&["role", "job", "position", "profession"]) => {
            Some("requester.role")
        }
        Subject::Requester if named => Some("requester.name"),
        Subject::Practice if has(&["safeguarding", "worried", "concern"]) && rest.len() <= 4 => {
            (phone || has(&["phone", "number", "ring", "call"]))
                .then_some("practice.safeguarding_phone")
        }
        Subject::Practice if few && has(&["code", "ods"]) => Some("practice.ods_code"),
        Subject::Practice if phone && !elsewhere => Some("practice.phone"),
        Subject::Practice if named => Some("practice.name"),
        _ => None,
    }
}

/// Whether a header about somebody may have a meaning that is not its very words.
fn allowed(subject: Subject, means: &str) -> bool {
    let contact = means.starts_with("patient.contact_") && means != "patient.contact_instructions";
    match subject {
        Subject::Person => true,
        Subject::Own => !is_field(means),
        Subject::Contact => contact || !is_field(means) || means.starts_with("referral.con"),
        Subject::Requester | Subject::Practice => !means.starts_with("patient."),
    }
}

/// `Cyfenw / Surname`, `Parent / carer`: each part by itself; `New / update / stop`: the words of a closed list.
fn by_alternatives(text: &str, likely: &mut Vec<Likely>) {
    let parts: Vec<&str> = text
        .split(['/', '|', ',', '+', '&'])
        .flat_map(|part| part.split(" or "))
        .flat_map(|part| part.split(" - "))
        .flat_map(|part| part.split(": "))
        .map(|part| part.trim_matches(['?', ' ', '.', '*']))
        .filter(|part| !part.is_empty())
        .collect();
    if parts.len() < 2 {
        return;
    }
    for means in CLOSED {
        let words = ours(means);
        if parts.iter().all(|part| code_of(part, &words).is_some()) {
            add(likely, means, 94);
        }
    }
    let read: Vec<Vec<Likely>> = parts
        .iter()
        .map(|part| {
            let (found, who) = one_part(part);
            let kept = found
                .into_iter()
                .filter(|one| one.score >= EXACT || allowed(who, one.means));
            kept.filter(|one| one.score >= 85).collect()
        })
        .collect();
    let all = read.iter().all(|found| !found.is_empty());
    for found in read {
        // A part beside one that says nothing known is a weaker hint.
        merge(likely, found, if all { 4 } else { 10 });
    }
}

/// `Consent from parent seen by GP`: what stands before the first such word is what the header is of.
fn by_head(text: &str, likely: &mut Vec<Likely>) {
    if likely.iter().any(|one| one.score >= 85) {
        return;
    }
    let lower = text.to_lowercase();
    let cut = [
        " from ", " to ", " of ", " by ", " for ", " seen ", " at ", " we ", " - ", ": ",
    ]
    .iter()
    .filter_map(|word| lower.find(word))
    .min();
    let Some(head) = cut.and_then(|at| lower.get(..at)) else {
        return;
    };
    let general = "date name number address phone email type detail time reference code";
    let words = heading_words(head);
    if words.iter().all(|word| listed(general, word)) {
        return;
    }
    merge(likely, exact(meanings_of(&words)), 8);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn best(header: &str) -> Option<&'static str> {
        heading(header).likely.first().map(|likely| likely.means)
    }

    #[test]
    fn headers_are_read_as_people_write_them() {
        let table = [
            ("Client's Date of Birth", "patient.birth_date"),
            ("DOB", "patient.birth_date"),
            ("tel_no", "patient.phone"),
            ("AddressLine1", "patient.address_line_1"),
            ("E-mail", "patient.email"),
            ("Attended? (Y/N)", "attendance"),
            ("NHS No.", "patient.nhs_number"),
            ("Reason for leaving", "status.reason"),
            ("Tel (H)", "patient.phone_home"),
            ("Pt mob no", "patient.phone"),
            ("PT_SNAME", "patient.family"),
            ("Ref'd by", "requester.name"),
            ("Date ref'd", "referral.authored_on"),
            ("NOK tel", "patient.contact_phone"),
            ("Dad's mobile", "patient.contact_phone"),
            ("Next of kin (name)", "patient.contact_name"),
            ("Link worker's phone number", "requester.phone"),
            ("GP surgery tel", "practice.phone"),
            ("Consent from parent seen by GP", "referral.consent"),
            ("M / F", "patient.gender"),
            ("Enw / Name", "patient.name"),
            ("Tel. no. (home)", "patient.phone_home"),
            ("NOK's name", "patient.contact_name"),
            ("Comments for the link worker", "note"),
            ("Comments from the surgery", "referral.note"),
            ("Any risks for a volunteer visiting alone?", "referral.risk"),
        ];
        for (header, means) in table {
            assert_eq!(best(header), Some(means), "{header}");
        }
        assert_eq!(best("Qwertz"), None);
        assert_eq!(best("Assessment attended"), Some("attendance"));
    }

    #[test]
    fn what_is_somebody_elses_is_never_the_persons() {
        for header in [
            "Carer's email",
            "Parent's postcode",
            "Volunteer phone",
            "Surgery email",
            "Link worker's address",
            "Tutor's surname",
            "Emergency contact address",
        ] {
            for one in heading(header).likely {
                let persons =
                    one.means.starts_with("patient.") && !one.means.starts_with("patient.contact_");
                assert!(!persons, "{header}: {one:?}");
            }
        }
    }
}
