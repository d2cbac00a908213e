//! `kith held show N`: what one hold is about, and what its owner can do.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::super::identify::{self, Identify};
use super::super::{DONE, emit, emit_json};
use super::list::age;
use crate::actions::hold::{self, Hold};
use crate::app::App;
use crate::domain::{HoldNumber, Instant, LegReference};

pub(super) async fn show(
    app: &App,
    number: i64,
    identify: &Identify,
    as_json: bool,
) -> anyhow::Result<u8> {
    let shown = hold::show(app.env(), HoldNumber::new(number)).await?;
    let person = match &shown.leg {
        Some(leg) => {
            let at = format!("held show {number}");
            identify.person(app, leg.reference, &at).await?
        }
        None if identify.asked() => anyhow::bail!("hold {number} is about nobody in particular"),
        None => Value::Null,
    };
    if as_json {
        let mut said = of(&shown);
        if identify.asked() {
            said["person"] = person;
        }
        emit_json(&said)?;
        return Ok(DONE);
    }
    emit(format_args!("{}", in_words(&shown, app.env().now())))?;
    identify::print(&person)?;
    Ok(DONE)
}

fn of(shown: &Hold) -> Value {
    let row = &shown.row;
    let beside = shown.open_beside.iter().map(ToString::to_string);
    let guide = row.reason.guide();
    json!({
        "open_beside": beside.collect::<Vec<String>>(),
        "number": row.number.number(), "open": row.open, "reason": row.reason.code(), "what": row.reason.practice_words(), "owner": row.reason.owner_at(row.stage).code(),
        "stage": row.stage.code(), "reference": shown.leg.as_ref().map(|leg| leg.reference.to_string()), "partner": shown.partner,
        "return": row.return_id.is_some().then(|| row.return_id.number()), "row": if row.row == 0 { None } else { Some(row.row) },
        "since": Instant(row.since).utc_text(), "detail": shown.detail,
        "means": guide.means, "does": guide.does, "command": guide.command_for(row.number, reference(shown)),
    })
}

/// The reference of what it is about.
fn reference(shown: &Hold) -> Option<LegReference> {
    shown.leg.as_ref().map(|leg| leg.reference)
}

/// The same for people.
fn in_words(shown: &Hold, now: Instant) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ignored = write_words(&mut out, shown, now);
    out
}

fn write_words(out: &mut String, shown: &Hold, now: Instant) -> std::fmt::Result {
    let row = &shown.row;
    let (reason, guide) = (row.reason, row.reason.guide());
    let since = Instant(row.since);
    writeln!(
        out,
        "Hold {}: {} ({})",
        row.number,
        reason.practice_words(),
        reason.code()
    )?;
    let state = if row.open {
        "waits"
    } else {
        "is settled; it waited"
    };
    writeln!(
        out,
        "It {state} for {}, since {} ({}), from the stage {}.",
        reason.owner_at(row.stage).words(),
        since.london_words(),
        age(since, now),
        row.stage.code()
    )?;
    let mut about = Vec::new();
    if let Some(leg) = &shown.leg {
        about.push(format!(
            "referral {} (kith trace {0}, kith why {0})",
            leg.reference
        ));
    }
    if let Some(partner) = &shown.partner {
        about.push(format!("partner {partner}"));
    }
    if row.return_id.is_some() {
        let of = format!("return {}", row.return_id);
        about.push(if row.row == 0 {
            of
        } else {
            format!("row {} of {of}", row.row)
        });
    }
    if !about.is_empty() {
        writeln!(out, "About: {}.", about.join(", "))?;
    }
    for beside in &shown.open_beside {
        writeln!(out, "Open beside it: {beside}.")?;
    }
    if let Some(detail) = &shown.detail {
        writeln!(out, "What was seen: {detail}.")?;
    }
    writeln!(out, "\nWhat it means: {}", guide.means)?;
    if row.open {
        writeln!(out, "What to do: {}", guide.does)?;
        writeln!(
            out,
            "Command: {}",
            guide.command_for(row.number, reference(shown))
        )?;
    }
    Ok(())
}
