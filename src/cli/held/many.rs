//! `kith held release --reason CODE`: many at once, after it was said how many.

use std::io::{IsTerminal as _, Write as _};

use super::super::emit;
use super::list::{HoldFilter, age};
use crate::actions::hold::{self, Settled, Verdict};
use crate::actions::{Actor, summary};
use crate::app::App;
use crate::domain::{HoldNumber, Instant, Reason};

/// What became of holds that were released together.
#[derive(Default)]
struct Released {
    on: usize,
    waiting: usize,
    ended: usize,
    settled: usize,
    taken_in: usize,
    /// Why each could not be released.
    refused: Vec<String>,
}

/// Releases every hold of a reason, one after another.
pub(super) async fn release(
    app: &App,
    which: &HoldFilter,
    actor: &Actor,
    send: bool,
    yes: bool,
) -> anyhow::Result<()> {
    which.check(app)?;
    let code = which.reason.as_deref().unwrap_or_default();
    let owner = Reason::from_code(code).map_or(actor.owner, Reason::owner);
    if owner != actor.owner {
        let owner = owner.code();
        anyhow::bail!("{code} is for {owner} to settle: use --as {owner} if you act for them");
    }
    let mut held = summary::of_status(app.env()).await?.held;
    let return_number = which.return_number(app).await?;
    held.retain(|hold| which.takes(hold, return_number));
    let Some(oldest) = held
        .iter()
        .filter_map(|hold| Instant::parse(&hold.since))
        .min()
    else {
        return emit(format_args!("Nothing waits for {code} there.\n"));
    };
    let n = held.len();
    let (since, age) = (oldest.london_words(), age(oldest, app.env().now()));
    emit(format_args!(
        "{n} wait for {code}, the oldest since {since} ({age}).\n"
    ))?;
    if !yes && !agreed(n)? {
        return emit(format_args!("Nothing was changed.\n"));
    }
    let mut released = Released::default();
    for hold in held {
        let number = HoldNumber::new(hold.number);
        match hold::release(app.env(), number, actor, send).await {
            Ok(Settled::Decided(_, Verdict::Routed)) => released.on += 1,
            Ok(Settled::Decided(_, Verdict::Held(_)) | Settled::StillWaits(_)) => {
                released.waiting += 1;
            }
            Ok(Settled::Decided(..)) => released.ended += 1,
            Ok(Settled::TakenIn) => released.taken_in += 1,
            Ok(_) => released.settled += 1,
            Err(error) => released.refused.push(error.to_string()),
        }
    }
    released.tell()
}

/// Whether a person at the terminal says yes; elsewhere `--yes` must say it.
fn agreed(n: usize) -> anyhow::Result<bool> {
    if !std::io::stdin().is_terminal() {
        anyhow::bail!("nobody can be asked here: add --yes to release all {n}");
    }
    emit(format_args!("Release all {n}? yes or no: "))?;
    std::io::stdout().flush()?;
    let mut said = String::new();
    std::io::stdin().read_line(&mut said)?;
    Ok(matches!(said.trim(), "y" | "yes"))
}

impl Released {
    fn tell(&self) -> anyhow::Result<()> {
        let counts = [
            (self.on, "with the next drop"),
            (self.waiting, "still waiting, see kith held list"),
            (self.ended, "ended"),
            (self.settled, "settled"),
            (self.taken_in, "taken in"),
            (self.refused.len(), "not released"),
        ];
        let counts = counts.iter().filter(|(n, _)| *n > 0);
        let counts: Vec<String> = counts.map(|(n, what)| format!("{n} {what}")).collect();
        emit(format_args!("{}.\n", counts.join(", ")))?;
        if let Some(first) = self.refused.first() {
            emit(format_args!("The first that was not: {first}.\n"))?;
        }
        Ok(())
    }
}
