//! What a receipt says of a row: its result, what is wrong with it, and what is to be done, in the partner's own headings.

use std::borrow::Cow;

use crate::domain::{Disposition, Owner, Reason};
use crate::partner::{Collect, EventRule};
use crate::pipeline::event::{RowFinding, What, said_row};

/// How the sentences of `reasons.toml` call the column with our reference.
const OUR_REFERENCE: &str = "\"Our ref\"";

/// What a partner reads as the result of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ResultWord {
    PleaseCorrect,
    WithUs,
    TakenIn,
    TakenInBefore,
    NothingNew,
}

impl ResultWord {
    pub(super) const ALL: [Self; 5] = [
        Self::TakenIn,
        Self::PleaseCorrect,
        Self::WithUs,
        Self::TakenInBefore,
        Self::NothingNew,
    ];

    pub(super) fn words(self) -> &'static str {
        match self {
            Self::PleaseCorrect => "Please correct",
            Self::WithUs => "With us: nothing for you to do",
            Self::TakenIn => "Taken in",
            Self::TakenInBefore => "Taken in before",
            Self::NothingNew => "Nothing new",
        }
    }

    /// The result of a row; `again`: all of its file was taken in before.
    pub(super) fn of(finding: &RowFinding, again: bool) -> Self {
        match (shown(finding, again), finding.reason) {
            (Disposition::Accepted, _) if finding.events.is_empty() => Self::NothingNew,
            (Disposition::Accepted, _) => Self::TakenIn,
            (Disposition::Repeated, Some(Reason::NotARow)) if !again => Self::NothingNew,
            (Disposition::Repeated, _) => Self::TakenInBefore,
            (Disposition::Held | Disposition::Rejected, Some(reason)) if !is_theirs(reason) => {
                Self::WithUs
            }
            (Disposition::Held | Disposition::Rejected, _) => Self::PleaseCorrect,
        }
    }
}

/// Whether a reason is the partner's to mend: a reference of another partner reads like nobody's, and only who asked the person knows what was agreed.
fn is_theirs(reason: Reason) -> bool {
    reason.owner() == Owner::Partner
        || matches!(reason, Reason::NotYourReference | Reason::OnwardConsent)
}

/// Whether a row bears a reference that was not sent to this partner.
pub(super) fn is_stranger(finding: &RowFinding) -> bool {
    matches!(
        finding.reason,
        Some(Reason::NotOurPerson | Reason::NotYourReference)
    )
}

/// How a row ended, as its sender may know it.
pub(super) fn shown(finding: &RowFinding, again: bool) -> Disposition {
    match finding.reason {
        _ if again && taken_in(finding) => Disposition::Repeated,
        // Another partner's reference must read like nobody's: the receipt tells nothing of who else was referred.
        Some(Reason::NotYourReference) => Disposition::Rejected,
        _ => finding.disposition,
    }
}

/// Whether a row asks nothing of its sender any more.
fn taken_in(finding: &RowFinding) -> bool {
    matches!(
        finding.disposition,
        Disposition::Accepted | Disposition::Repeated
    )
}

/// The reason of a row that is told.
pub(super) fn told_reason(finding: &RowFinding, again: bool) -> Option<Reason> {
    match finding.reason.filter(|_| !(again && taken_in(finding)))? {
        Reason::NotYourReference => Some(Reason::NotOurPerson),
        reason => Some(reason),
    }
}

/// What is said of a row.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RowWords<'r> {
    pub(super) result: ResultWord,
    pub(super) wrong: Cow<'r, str>,
    pub(super) to_do: Cow<'r, str>,
}

/// What is wrong with a row without its number, where that stands beside it.
pub(super) fn without_row(wrong: Cow<'_, str>, line: u64) -> Cow<'_, str> {
    match wrong.strip_prefix(&said_row(line)) {
        Some(rest) => rest
            .trim_start_matches([':', ','])
            .trim_start()
            .to_owned()
            .into(),
        None => wrong,
    }
}

/// One thing that is wrong with a row.
struct ToldCell<'r> {
    column: Option<&'r str>,
    wrong: &'r str,
    to_do: String,
}

/// Says of a row what became of it; `again`: all of its file was taken in before.
pub(super) fn words<'r>(
    finding: &'r RowFinding,
    again: bool,
    collect: Option<&'r Collect>,
) -> RowWords<'r> {
    let result = ResultWord::of(finding, again);
    let reason = told_reason(finding, again).filter(|reason| *reason != Reason::AlreadyKnown);
    let said = |wrong: Cow<'r, str>, to_do: Cow<'r, str>| RowWords {
        result,
        wrong,
        to_do,
    };
    let Some(reason) = reason else {
        let repairs = finding.repairs.iter().map(|repair| repair.words.as_str());
        let repairs: Vec<&str> = repairs.filter(|_| !again).collect();
        return said(repairs.join(" ").into(), "".into());
    };
    let row = said_row(finding.line);
    let sentence = first_sentence(reason.partner_words());
    match result {
        ResultWord::PleaseCorrect if finding.is_heading => said(
            format!("{row}: This row is another heading").into(),
            "Put the rows below it under the heading here".into(),
        ),
        ResultWord::PleaseCorrect => {
            let told = told(finding, reason, collect);
            let named = |told: &ToldCell<'_>, words: &str| match told.column {
                Some(column) => format!("\"{column}\": {words}"),
                None => words.to_owned(),
            };
            let wrong: Vec<String> = told.iter().map(|told| named(told, told.wrong)).collect();
            let to_do: Vec<String> = match told.as_slice() {
                [one] => vec![one.to_do.clone()],
                several => several
                    .iter()
                    .map(|told| named(told, &told.to_do))
                    .collect(),
            };
            let colon = if told.first().is_some_and(|told| told.column.is_some()) {
                ','
            } else {
                ':'
            };
            said(
                format!("{row}{colon} {}", wrong.join(". ")).into(),
                to_do.join(" ").into(),
            )
        }
        ResultWord::WithUs => said(format!("{row}: {sentence}").into(), who_acts(reason).into()),
        ResultWord::TakenIn | ResultWord::TakenInBefore | ResultWord::NothingNew => {
            let words = finding.hint.as_deref().unwrap_or(sentence);
            said(format!("{row}: {words}").into(), "".into())
        }
    }
}

/// All that is wrong with a row, the first thing first.
fn told<'r>(
    finding: &'r RowFinding,
    reason: Reason,
    collect: Option<&'r Collect>,
) -> Vec<ToldCell<'r>> {
    let reference = collect.map_or("", |collect| collect.reference.as_str());
    let one = |reason: Reason, column: Option<&'r str>, hint: Option<&str>| {
        let said = reason.partner_words();
        let wrong = first_sentence(said);
        let to_do = said.get(wrong.len()..).unwrap_or_default();
        // Their own heading is named.
        let to_do = to_do.trim_start_matches(['.', ' ']);
        let to_do = to_do.replace(OUR_REFERENCE, &format!("\"{reference}\""));
        ToldCell {
            column,
            wrong,
            to_do: [Some(ended(to_do)), hint.map(str::to_owned)]
                .into_iter()
                .flatten()
                .filter(|words| !words.is_empty())
                .collect::<Vec<String>>()
                .join(" "),
        }
    };
    let (column, hint) = match (finding.column.as_deref(), reason) {
        (None, Reason::OnwardConsent | Reason::OnwardNotAllowed) => {
            onward_cell(finding, reason, collect)
        }
        (None, Reason::NoReference | Reason::BadReference) => (Some(reference), None),
        (column, _) => (column, None),
    };
    let hint = hint.as_deref().or(finding.hint.as_deref());
    let mut told = vec![one(reason, column, hint)];
    told.extend(finding.further.iter().map(|cell| {
        let column = cell.column.as_deref();
        one(cell.reason, column, cell.hint.as_deref())
    }));
    told
}

/// The cell by which somebody is not passed on as a row asks, and what to write there.
fn onward_cell<'r>(
    finding: &RowFinding,
    reason: Reason,
    collect: Option<&'r Collect>,
) -> (Option<&'r str>, Option<String>) {
    let asked: Vec<&str> = finding
        .events
        .iter()
        .filter_map(|event| match &event.what {
            What::Onward { partner, .. } => Some(partner.as_str()),
            _ => None,
        })
        .collect();
    let events = collect.into_iter().flat_map(|collect| &collect.events);
    let mut cells = events.filter_map(|event| match &event.told {
        EventRule::Onward {
            column,
            codes,
            consent_column,
            consent_yes,
            ..
        } if codes.entries().any(|(_, partner)| asked.contains(&partner)) => {
            Some((column, consent_column, consent_yes))
        }
        _ => None,
    });
    match cells.next() {
        Some((_, consent, yes)) if reason == Reason::OnwardConsent => (
            Some(consent),
            Some(format!("If they agree, write \"{yes}\" here.")),
        ),
        Some((column, ..)) => (Some(column), None),
        None => (None, None),
    }
}

/// A sentence up to its stop: what comes behind says what is to be done.
fn first_sentence(said: &str) -> &str {
    said.split_once(". ").map_or(said, |(first, _)| first)
}

/// The same with a stop at its end.
fn ended(mut sentence: String) -> String {
    if !sentence.is_empty() && !sentence.ends_with(['.', '?', '!']) {
        sentence.push('.');
    }
    sentence
}

/// Who settles what is not the partner's to settle.
fn who_acts(reason: Reason) -> &'static str {
    match reason.owner() {
        Owner::Practice => "Nothing. The practice looks into it.",
        _ => "Nothing. The team that runs Kith looks into it.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::event::WrongCell;

    fn finding(disposition: Disposition, reason: Reason) -> RowFinding {
        RowFinding::ending(2, disposition, Some(reason))
    }

    #[test]
    fn another_partners_reference_reads_like_nobodys() {
        let theirs = finding(Disposition::Held, Reason::NotYourReference);
        let nobodys = finding(Disposition::Rejected, Reason::NotOurPerson);
        assert_eq!(words(&theirs, false, None), words(&nobodys, false, None));
        assert_eq!(shown(&theirs, false), shown(&nobodys, false));
        let said = words(&theirs, false, None);
        assert_eq!(said.wrong, "Row 2: We did not send you this person");
        assert_eq!(said.to_do, "Check \"\" against your first sheet.");
        assert_eq!(told_reason(&theirs, false), told_reason(&nobodys, false));
    }

    #[test]
    fn a_file_taken_before_says_so_of_each_row_that_asks_nothing_any_more() {
        let known = RowWords {
            result: ResultWord::TakenInBefore,
            wrong: "".into(),
            to_do: "".into(),
        };
        for taken in [Disposition::Accepted, Disposition::Repeated] {
            assert_eq!(words(&finding(taken, Reason::SameFile), true, None), known);
        }
        // What is still to be mended is told again: nobody may have read it the first time.
        for (asks, reason) in [
            (Disposition::Held, Reason::BadDate),
            (Disposition::Rejected, Reason::NotOurPerson),
        ] {
            let finding = finding(asks, reason);
            assert_eq!(words(&finding, true, None), words(&finding, false, None));
            assert_eq!(shown(&finding, true), asks);
        }
    }

    #[test]
    fn what_is_not_theirs_says_whose_it_is() {
        let held = finding(Disposition::Held, Reason::AfterClose);
        let said = words(&held, false, None);
        assert_eq!(said.result, ResultWord::WithUs);
        assert_eq!(said.to_do, "Nothing. The practice looks into it.");
    }

    #[test]
    fn each_cell_that_is_wrong_is_named() {
        let mut held = finding(Disposition::Held, Reason::UnknownCode);
        held.column = Some("Came?".to_owned());
        held.hint = Some("We agreed on: Y, N.".to_owned());
        let one = words(&held, false, None);
        assert_eq!(one.wrong, "Row 2, \"Came?\": We do not know this answer");
        assert_eq!(
            one.to_do,
            "Use one of the agreed words. We agreed on: Y, N."
        );
        held.further.push(WrongCell::at(Reason::NoDate, "Seen on"));
        let two = words(&held, false, None);
        assert_eq!(
            two.wrong,
            "Row 2, \"Came?\": We do not know this answer. \"Seen on\": There is an answer but no date"
        );
        assert_eq!(
            two.to_do,
            "\"Came?\": Use one of the agreed words. We agreed on: Y, N. \"Seen on\": Fill in the date."
        );
    }
}
