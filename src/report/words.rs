//! The words of the report: states, owners, rooms and reasons as a commissioner reads them, and numbers and days as people write them.
//!
//! Codes go in, text comes out. A code that this version does not know gets words that say so; it is never printed as it came.

use jiff::civil::Date;

use super::suppress::{Cell, Mean};
use crate::domain::{LegState, Owner, Reason, Stage};

/// What stands for a code that this version does not know.
pub(crate) const UNKNOWN: &str = "Not known to this version";

/// Where a leg stands.
pub(crate) fn state(state: LegState) -> &'static str {
    match state {
        LegState::Received => "Received, not yet decided",
        LegState::Held => "Waiting for somebody to decide",
        LegState::Routed => "Matched to a partner, not yet sent",
        LegState::Sent => "Sent to the partner",
        LegState::Delivered => "Picked up by the partner",
        LegState::Accepted => "Partner took the person on",
        LegState::Rejected => "Partner could not take them",
        LegState::InProgress => "Support under way",
        LegState::OnHold => "Paused, or on the partner's waiting list",
        LegState::Completed => "Completed",
        LegState::ClosedUnsuccessful => "Ended early",
        LegState::Cancelled => "Cancelled",
        LegState::Failed => "Could not be delivered",
        LegState::EnteredInError => "Entered in error by the practice",
    }
}

/// Who must act.
pub(crate) fn owner(owner: Owner) -> &'static str {
    match owner {
        Owner::It => "IT team that runs Kith",
        Owner::Practice => "Practice",
        Owner::Ig => "Information governance",
        Owner::Partner => "Partner",
    }
}

/// What a room does.
pub(crate) fn room(code: &str) -> &'static str {
    let Some(stage) = Stage::from_code(code) else {
        return UNKNOWN;
    };
    match stage {
        Stage::Pull => "Pull: read from the practices",
        Stage::Select => "Select: check and choose a partner",
        Stage::Map => "Map: put into the partner's columns",
        Stage::Deliver => "Deliver: write the partner's file",
        Stage::Collect => "Collect: take in the partner's returns",
        Stage::Match => "Match: find the referral of each row",
        Stage::Push => "Push: write back to the practice",
        Stage::Reconcile => "Reconcile: check the books",
    }
}

/// Why a row did not simply go on.
pub(crate) fn reason(code: &str) -> &'static str {
    Reason::from_code(code).map_or(UNKNOWN, Reason::practice_words)
}

/// How far a write to a practice's record has come.
pub(crate) fn push_state(code: &str) -> &'static str {
    let named = PUSH_STATES.iter().find(|(state, _)| *state == code);
    named.map_or(UNKNOWN, |(_, words)| words)
}

/// State of a write that lies in a file for a practice's import: whether it is in the record, nobody here knows.
pub(crate) const IN_FILE: &str = "in-file";

/// How far a write has come, in the order in which it moves.
pub(super) const PUSH_STATES: [(&str, &str); 8] = [
    ("queued", "Waiting to be written"),
    ("sending", "Being written"),
    ("answer-lost", "Answer lost, being looked up"),
    ("held", "Held: somebody must decide"),
    ("confirmed", "In the record"),
    (IN_FILE, "In a file for the practice to import"),
    ("refused", "Refused by the practice's system"),
    ("off", "Not asked for"),
];

/// Said of a practice from which no new referral came for unusually long.
pub(crate) const QUIET: &str = ". No new referral came for unusually long";

/// What a pull promises; `None` where nothing was pulled.
pub(crate) fn certificate(verdict: Option<&str>) -> String {
    match verdict {
        Some("complete") => "Complete: nothing was missed".to_owned(),
        Some(verdict) if verdict.starts_with("complete except") => {
            verdict.replacen("complete", "Complete,", 1)
        }
        Some(_) => "We cannot promise that nothing was missed at this practice tonight".to_owned(),
        None => "Nothing was read from this practice on the day".to_owned(),
    }
}

/// Whether something balances.
pub(crate) fn verdict(balances: bool) -> &'static str {
    if balances {
        "balances"
    } else {
        "DOES NOT BALANCE"
    }
}

/// Numbers with a mark between them.
pub(crate) fn joined(numbers: &[i64], between: &str) -> String {
    let texts: Vec<String> = numbers.iter().map(i64::to_string).collect();
    texts.join(between)
}

/// `2026-11-22` as `22 November 2026`; text that is no day stays as it is.
pub(crate) fn day(text: &str) -> String {
    text.parse::<Date>().map_or_else(
        |_| text.to_owned(),
        |day| day.strftime("%-d %B %Y").to_string(),
    )
}

/// `2026-11` as `November 2026`.
pub(crate) fn month(text: &str) -> String {
    format!("{text}-01")
        .parse::<Date>()
        .map_or_else(|_| text.to_owned(), |day| day.strftime("%B %Y").to_string())
}

/// Days from one day to another; `None` if either is no day.
pub(crate) fn days_between(from: &str, to: &str) -> Option<i64> {
    let (from, to) = (from.parse::<Date>().ok()?, to.parse::<Date>().ok()?);
    from.until(to).ok().map(|span| i64::from(span.get_days()))
}

/// A count with a comma between thousands, or `*`.
pub(crate) fn count(cell: Cell) -> String {
    let Some(number) = cell.number() else {
        return "*".to_owned();
    };
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A mean to one decimal.
pub(crate) fn mean(mean: Mean) -> String {
    match mean {
        Mean::Hidden(_) => "*".to_owned(),
        Mean::Value(value) => format!("{value:.1}"),
    }
}

/// A change with its sign, a true minus before a fall.
pub(crate) fn change(change: Mean) -> String {
    match change {
        Mean::Value(value) if value > 0.0 => format!("+{value:.1}"),
        Mean::Value(value) if value < 0.0 => format!("−{:.1}", -value),
        other => mean(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_days_read_as_people_write_them() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(count(Cell::Number(number)), text);
        }
        assert_eq!(day("2026-03-03"), "3 March 2026");
        assert_eq!(day("soon"), "soon");
        assert_eq!(month("2026-11"), "November 2026");
        assert_eq!(days_between("2026-10-31", "2026-11-22"), Some(22));
        assert_eq!(change(Mean::Value(-1.5)), "−1.5");
        assert_eq!(change(Mean::Value(0.0)), "0.0");
    }

    #[test]
    fn a_code_of_another_version_is_not_printed() {
        assert_eq!(reason("=cmd"), UNKNOWN);
        assert_eq!(push_state("<b>"), UNKNOWN);
        assert!(!push_state(IN_FILE).contains("record"));
        assert_eq!(
            state(LegState::EnteredInError),
            "Entered in error by the practice"
        );
        assert!(certificate(Some("unknown")).starts_with("We cannot promise"));
        assert_eq!(
            certificate(Some("complete except 3 unread")),
            "Complete, except 3 unread"
        );
    }
}
