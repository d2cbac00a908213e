//! `kith held list`: what waits, how long, whose it is, and what to do about each reason.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::super::{DONE, emit, emit_json};
use crate::actions::known;
use crate::actions::summary::{self, HeldLine};
use crate::actions::undo::which;
use crate::app::App;
use crate::domain::{Instant, Owner, Reason};

/// Of which holds: all that are given must be so.
#[derive(clap::Args, Default)]
pub(super) struct HoldFilter {
    /// Only those for this reason; kith explain REASON says what it means
    #[arg(long, value_name = "CODE")]
    pub(super) reason: Option<String>,
    /// Only those of this partner
    #[arg(long, value_name = "ID")]
    pub(super) partner: Option<String>,
    /// Only those of this source
    #[arg(long, value_name = "ID")]
    pub(super) source: Option<String>,
    /// Only those about this return: its number, or the name under which it lies in in/done or came
    #[arg(long = "return", value_name = "RETURN")]
    pub(super) of_return: Option<String>,
}

impl HoldFilter {
    /// Fails on a name that is none, naming the nearest.
    pub(super) fn check(&self, app: &App) -> anyhow::Result<()> {
        if let Some(code) = &self.reason {
            known(
                "reason",
                code,
                Reason::ALL.iter().map(|reason| reason.code()),
            )?;
        }
        if let Some(id) = &self.partner {
            super::super::partner_of(&app.env().rules, id)?;
        }
        if let Some(id) = &self.source {
            super::super::source_of(app, id)?;
        }
        Ok(())
    }

    /// The number of the return that is named, if one is.
    pub(super) async fn return_number(&self, app: &App) -> anyhow::Result<Option<i64>> {
        Ok(match &self.of_return {
            Some(said) => Some(which(app.env(), said).await?.number()),
            None => None,
        })
    }

    pub(super) fn takes(&self, hold: &HeldLine, return_number: Option<i64>) -> bool {
        let is = |wanted: &Option<String>, has: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| has == Some(wanted))
        };
        is(&self.reason, Some(&hold.reason))
            && is(&self.partner, hold.partner.as_deref())
            && is(&self.source, hold.source.as_deref())
            && (return_number.is_none() || hold.return_number == return_number)
    }
}

pub(super) async fn list(
    app: &App,
    which: &HoldFilter,
    owner: Option<&str>,
    as_json: bool,
) -> anyhow::Result<u8> {
    which.check(app)?;
    if let Some(owner) = owner {
        known("owner", owner, Owner::ALL.iter().map(|owner| owner.code()))?;
    }
    let mut held = summary::of_status(app.env()).await?.held;
    let return_number = which.return_number(app).await?;
    held.retain(|hold| {
        which.takes(hold, return_number) && owner.is_none_or(|owner| hold.owner == owner)
    });
    if as_json {
        emit_json(&held)?;
    } else {
        emit(format_args!("{}", text(&held, app.env().now())))?;
    }
    Ok(DONE)
}

/// The list for people: a heading, a line each, and below it what to do for each reason.
fn text(held: &[HeldLine], now: Instant) -> String {
    if held.is_empty() {
        return "Nothing waits.\n".to_owned();
    }
    let mut out = format!(
        "{} wait{}. About one of them: kith held show N. What a reason means: kith explain REASON.\n\n",
        counted(held.len()),
        if held.len() == 1 { "s" } else { "" }
    );
    // Writing to a String cannot fail.
    let _ignored = write_lines(&mut out, held, now);
    out
}

fn counted(n: usize) -> String {
    format!("{n} question{}", if n == 1 { "" } else { "s" })
}

fn write_lines(out: &mut String, held: &[HeldLine], now: Instant) -> std::fmt::Result {
    writeln!(
        out,
        "{:>5}  {:<16}  {:>6}  {:<8}  {:<20}  {:<14}  {:<14}  stage",
        "no", "since", "age", "whose", "reason", "reference", "partner"
    )?;
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for hold in held {
        *reasons.entry(&hold.reason).or_default() += 1;
        let since = Instant::parse(&hold.since);
        let age = since.map_or_else(String::new, |since| age(since, now));
        let since = since.map_or_else(|| hold.since.clone(), Instant::london_text);
        writeln!(
            out,
            "{:>5}  {since:<16}  {age:>6}  {:<8}  {:<20}  {:<14}  {:<14}  {}",
            hold.number,
            hold.owner,
            hold.reason,
            hold.reference.as_deref().unwrap_or("-"),
            hold.partner.as_deref().unwrap_or("-"),
            hold.stage
        )?;
    }
    writeln!(out, "\nWhat to do:")?;
    for (code, n) in reasons {
        let Some(reason) = Reason::from_code(code) else {
            continue;
        };
        let guide = reason.guide();
        writeln!(
            out,
            "  {code} ({n}): {}\n    {}\n    {}",
            reason.practice_words(),
            guide.does,
            guide.command()
        )?;
    }
    Ok(())
}

/// `8 d`, `3 h`, `12 min`.
pub(super) fn age(since: Instant, now: Instant) -> String {
    match now.0.saturating_sub(since.0).max(0) / 60_000_000 {
        minutes @ 0..60 => format!("{minutes} min"),
        minutes @ 60..2880 => format!("{} h", minutes / 60),
        minutes => format!("{} d", minutes / 1440),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hold(number: i64, reason: Reason) -> HeldLine {
        HeldLine {
            number,
            reference: None,
            reason: reason.code().to_owned(),
            owner: reason.owner().code().to_owned(),
            stage: "select".to_owned(),
            source: Some("hilltop".to_owned()),
            partner: (number > 1).then(|| "elm".to_owned()),
            return_number: (number > 1).then_some(7),
            since: "2026-11-20T06:00:00Z".to_owned(),
        }
    }

    #[test]
    fn the_list_has_a_heading_ages_and_what_to_do() {
        let now = Instant::parse("2026-12-01T09:00:00Z").unwrap();
        let shown = text(&[hold(1, Reason::Tie), hold(2, Reason::BadDate)], now);
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(
            lines[0],
            "2 questions wait. About one of them: kith held show N. What a reason means: kith explain REASON."
        );
        assert!(
            lines[2].contains("no  since")
                && lines[2].contains("age")
                && lines[2].contains("whose")
        );
        assert!(
            lines[3].contains("2026-11-20 06:00    11 d  practice  tie"),
            "{}",
            lines[3]
        );
        assert_eq!(lines[6], "What to do:");
        assert!(lines[7].starts_with("  bad-date (1): A date that cannot be read"));
        assert!(lines[9].contains("kith held show N"));
        assert_eq!(text(&[], now), "Nothing waits.\n");
    }

    #[test]
    fn every_filter_that_is_given_must_be_met() {
        let some = |text: &str| Some(text.to_owned());
        let which =
            |reason: Option<&str>, partner: Option<&str>, source: Option<&str>| HoldFilter {
                reason: reason.and_then(some),
                partner: partner.and_then(some),
                source: source.and_then(some),
                of_return: None,
            };
        for (wanted, expected) in [
            (which(None, None, None), [true, true]),
            (which(Some("tie"), None, None), [true, false]),
            (which(None, Some("elm"), None), [false, true]),
            (which(Some("tie"), Some("elm"), None), [false, false]),
            (which(Some("tie"), None, Some("hilltop")), [true, false]),
            (which(None, None, Some("other")), [false, false]),
        ] {
            let taken = [hold(1, Reason::Tie), hold(2, Reason::BadDate)]
                .map(|one| wanted.takes(&one, None));
            assert_eq!(taken, expected);
        }
        let all = HoldFilter::default();
        for (number, expected) in [(7, [false, true]), (8, [false, false])] {
            let of_return = |one: HeldLine| all.takes(&one, Some(number));
            let taken = [hold(1, Reason::Tie), hold(2, Reason::BadDate)].map(of_return);
            assert_eq!(taken, expected);
        }
    }
}
