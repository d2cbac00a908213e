//! `kith partner approve`: somebody else than its writer lets a wider version of a partner file send.
//!
//! In: a partner, a name and a why. Out: what the version allows beyond the one approved before, recorded with the name;
//! the why is sealed. Keeps: nobody approves their own change, and nothing is approved that does not wait.

use serde_json::json;

use super::{DONE, Global, emit, known, signature};
use crate::app::{ApprovalLine, Refused, approvals};
use crate::diagnostics::{Code, Diagnostic, Place};
use crate::domain::Reason;
use crate::pipeline::approval::approve;
use crate::pipeline::env::Env;
use crate::store::HeldQuery;
use crate::store::chain::hex;

/// What is approved, by whom, and why.
#[derive(clap::Args)]
pub(super) struct Args {
    /// The partner's id
    id: String,
    /// Your name, kept in the ledger; not that of whoever changed the file
    #[arg(long, value_name = "NAME")]
    by: String,
    /// Why, kept sealed
    #[arg(long, value_name = "TEXT")]
    because: String,
    /// Act as of this instant: for an installation that was run as of a later day
    #[arg(long, value_name = "INSTANT")]
    as_of: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(global: &Global, args: &Args) -> anyhow::Result<u8> {
    let (by, because) = signature(&args.by, &args.because)?;
    let app = global.open(args.as_of.as_deref()).await?;
    let ended = settle(app.env(), args, by, because).await;
    app.close().await;
    ended.map(|()| DONE)
}

async fn settle(env: &Env, args: &Args, by: &str, because: &str) -> anyhow::Result<()> {
    let partners = &env.rules.partners;
    let ids = partners.iter().map(|partner| partner.id.as_str());
    known("partner", &args.id, ids)?;
    let line = approvals::of(env)
        .into_iter()
        .find(|line| line.partner == args.id);
    let place = partners.iter().position(|partner| partner.id == args.id);
    let (Some(line), Some(place)) = (line, place) else {
        let what = "this version allows nothing beyond what was approved";
        return Err(refused(Code::NothingToApprove, what, &args.id));
    };
    match &line.changed_by {
        None => {
            let what = "the file does not say who changed it, so nobody else can be told apart";
            return Err(refused(Code::ApprovedByWriter, what, &args.id));
        }
        Some(writer) if same_name(writer, by) => {
            let what = "whoever changed a partner file cannot approve it";
            return Err(refused(Code::ApprovedByWriter, what, &args.id));
        }
        Some(_) => {}
    }
    approve(env, place, by, because).await?;
    let strand = env.partners[place].strand;
    let held = env.store.held(HeldQuery::default()).await?;
    let waiting = held
        .iter()
        .filter(|hold| hold.reason == Reason::NotApproved && hold.partner == strand)
        .count();
    tell(args.json, &line, &hex(&partners[place].hash), by, waiting)
}

fn tell(
    as_json: bool,
    line: &ApprovalLine,
    version: &str,
    by: &str,
    waiting: usize,
) -> anyhow::Result<()> {
    let id = &line.partner;
    if as_json {
        let said = json!({"partner": id, "version": version, "approved_by": by,
            "changed_by": line.changed_by, "wider": line.wider, "waiting": waiting});
        return emit(format_args!("{}\n", serde_json::to_string_pretty(&said)?));
    }
    emit(format_args!(
        "Approved by {by}: {id} is allowed what the version before was not:\n"
    ))?;
    for wider in &line.wider {
        emit(format_args!("    {}\n", wider.text))?;
    }
    emit(format_args!(
        "Waiting for it: {waiting}; the next run decides them again.\n"
    ))
}

fn refused(code: Code, what: &str, id: &str) -> anyhow::Error {
    let place = Place::detail(format!("partner {id}"));
    Refused(vec![Diagnostic::new(code, what, place)]).into()
}

/// Whether two names are one, however they are spaced and capitalised.
fn same_name(one: &str, other: &str) -> bool {
    let plain = |name: &str| -> Vec<String> {
        let words = name.split_whitespace();
        words.map(str::to_lowercase).collect()
    };
    plain(one) == plain(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_the_same_however_it_is_spaced_and_capitalised() {
        assert!(same_name(" A.  Writer", "a. writer "));
        assert!(!same_name("A. Writer", "B. Writer"));
    }
}
