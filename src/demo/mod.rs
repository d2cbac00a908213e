//! The whole loop on made-up people: two GP systems, four partners, three nights, told to a newcomer.
//!
//! A folder goes in; drops, receipts and a report lie in it afterwards, and a page of plain English comes out. Kith is
//! used as everybody uses it: config and mapping files, the rooms of `app`, files in folders. Invariant: clock, entropy
//! and people are fixed, so every run gives the same bytes, and what happened is held against what had to happen.

mod expect;
mod home;
#[cfg(test)]
mod loop_tests;
mod names;
mod narration;
#[cfg(test)]
mod outcome_tests;
mod people;
mod resources;
mod returns;
mod run_summary;
mod services;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, anyhow};

use self::home::Home;
use self::people::{Person, ScriptedOutcome, Trouble, people};
use self::resources::{Change, bundle, changed};
use self::returns::{Client, Returned, clients};
use self::services::To;
use crate::actions::books;
use crate::app::{App, Options};
use crate::daemon::{self, Only};
use crate::domain::clock::FixedClock;
use crate::domain::{Entropy, Instant, Stage};
use crate::sandbox::{self, Sandbox};
use crate::sheet::RowsByAction;
use run_summary::Night;

/// When the demo takes place.
const NOW: &str = "2026-11-23T06:00:00Z";
/// When the partners write what they send back, and what they send after that.
const SENT_FIRST: &str = "2026-11-23T04:00:00Z";
const SENT_LATER: &str = "2026-11-23T05:00:00Z";
/// The night on which the books of November are closed: only complete months are told of people.
const MONTH_END: &str = "2026-12-01T02:00:00Z";
const SEED: [u8; 32] = *b"kith demo: made-up people only  ";
/// Another stream for the second opening: no nonce may come twice.
const SEED_LATER: [u8; 32] = *b"kith demo: the end of the month ";

/// What the demo is asked to do.
pub(crate) struct DemoOptions {
    /// The folder to play in.
    pub(crate) dir: PathBuf,
    /// Tell all of it, not the most useful lines alone.
    pub(crate) whole: bool,
    /// Leave the GP systems up at the end, until interrupted.
    pub(crate) keep_running: bool,
}

/// Everything that the page tells and the script is held against.
struct Played {
    people: Vec<Person>,
    first: Night,
    second: Night,
    third: Night,
    sent_first: BTreeMap<To, RowsByAction>,
    sent_second: BTreeMap<To, RowsByAction>,
    sent_third: BTreeMap<To, RowsByAction>,
    returned: Vec<Returned>,
    entries_second: Entries,
    entries_third: Entries,
    balanced: bool,
    /// What the proof found, a line each.
    findings: Vec<String>,
    checked: BTreeMap<String, u64>,
    reports: Vec<String>,
}

/// Observations on the GP systems: all, and those with identifiers of their own.
#[derive(Clone, Copy)]
struct Entries {
    all: u64,
    different: u64,
}

/// Plays the demo and tells it; says whether it ended as scripted.
///
/// # Errors
/// The folder is somebody else's, or a room could not do its work.
pub(crate) async fn run(options: DemoOptions, out: &mut dyn Write) -> anyhow::Result<bool> {
    let home = Home::prepare(&options.dir)?;
    let systems = Systems::start().await?;
    let entropy = Entropy::from_seed(SEED);
    home.furnish(&systems.base_urls(), &entropy)?;
    let app = open(&home, NOW, entropy).await?;
    let mut played = play(&app, &home, &systems).await?;
    app.close().await;
    let app = open(&home, MONTH_END, Entropy::from_seed(SEED_LATER)).await?;
    close_the_month(&app, &home, &mut played).await?;
    app.close().await;
    let differences = expect::differences(&played);
    let page = if options.whole {
        narration::tell(&played, &home, &differences)
    } else {
        narration::tell_briefly(&played, &differences)
    };
    out.write_all(page.as_bytes())?;
    if options.keep_running {
        let [first, second] = systems.base_urls();
        writeln!(
            out,
            "\nThe two GP systems stay up until Ctrl-C:\n  {first}\n  {second}"
        )?;
        out.flush()?;
        tokio::signal::ctrl_c()
            .await
            .context("waiting for Ctrl-C")?;
    }
    systems.stop().await;
    Ok(differences.is_empty())
}

fn instant(text: &str) -> anyhow::Result<Instant> {
    Instant::parse(text).ok_or_else(|| anyhow!("the demo's time is no instant"))
}

async fn open(home: &Home, at: &str, entropy: Entropy) -> anyhow::Result<App> {
    let clock = Arc::new(FixedClock::new(instant(at)?));
    App::open(Options {
        config: home.config(),
        clock,
        entropy,
        workers: 1,
    })
    .await
}

/// A week on, at two in the morning: every day is sealed, the report of the month's last night is issued, and all is proved.
async fn close_the_month(app: &App, home: &Home, played: &mut Played) -> anyhow::Result<()> {
    daemon::run(app.env(), &[Stage::Reconcile], &Only::default())
        .await
        .context("closing the month")?;
    let reports = books::report(app.env(), None, None, None)
        .await
        .context("writing the report")?;
    played.reports = reports
        .folders
        .iter()
        .map(|report| home.relative(report.folder()))
        .collect();
    let proof = books::proof(app.env(), false)
        .await
        .context("proving the books")?;
    played.balanced = proof.balanced;
    played.findings = proof
        .findings
        .iter()
        .map(|finding| format!("{} {}: {}", finding.code, finding.what, finding.place))
        .collect();
    played.checked = proof.checked;
    Ok(())
}

async fn play(app: &App, home: &Home, systems: &Systems) -> anyhow::Result<Played> {
    let people = people();
    systems.load(&people)?;
    let first = night(app).await.context("the first run")?;
    let sent_first = home.rows_sent()?;

    let stopped = changes(&people, systems)?;
    let riverside = clients(&home.out(To::Riverside))?;
    let returned = returned(home, &riverside, &stopped)?;
    for one in &returned {
        home.send_in(one.to, (one.file, &one.bytes), instant(SENT_FIRST)?)?;
    }
    let second = night(app).await.context("the second run")?;
    let (sent_second, entries_second) = (home.rows_sent()?, systems.entries());

    // As people do: the sheet so far with one row more, and another sheet once more under a new name.
    let week = returns::riverside(&riverside, &stopped, true)?;
    let later = instant(SENT_LATER)?;
    home.send_in(week.to, (week.file, &week.bytes), later)?;
    if let Some(same) = returned.iter().find(|one| one.to == To::Debt) {
        let again = ("returns November again.csv", &*same.bytes);
        home.send_in(same.to, again, later)?;
    }
    let third = night(app).await.context("the third run")?;
    let (sent_third, entries_third) = (home.rows_sent()?, systems.entries());

    Ok(Played {
        people,
        first,
        second,
        third,
        sent_first,
        sent_second,
        sent_third,
        returned,
        entries_second,
        entries_third,
        balanced: false,
        findings: Vec::new(),
        checked: BTreeMap::new(),
        reports: Vec::new(),
    })
}

async fn night(app: &App) -> anyhow::Result<Night> {
    let summary = daemon::run(app.env(), &Stage::ALL, &Only::default())
        .await?
        .summary;
    Night::of(&summary).context("reading the summary of a run")
}

/// What the practices change after the first night; gives the name of the person whose referral they revoke.
fn changes(people: &[Person], systems: &Systems) -> anyhow::Result<String> {
    let sent: Vec<&Person> = people
        .iter()
        .filter(|one| {
            one.outcome() == ScriptedOutcome::Sent(To::Riverside) && one.trouble == Trouble::None
        })
        .collect();
    let held = people
        .iter()
        .find(|one| one.trouble == Trouble::OnHoldAtFirst);
    let (Some(amended), Some(revoked), Some(held)) = (sent.first(), sent.last(), held) else {
        return Err(anyhow!("the people to change are not there"));
    };
    for (person, change) in [
        (*amended, Change::Amended),
        (*revoked, Change::Revoked),
        (held, Change::Active),
    ] {
        systems.at(person).load(&changed(person, change))?;
    }
    Ok(format!(
        "{} {} {}",
        revoked.prefix, revoked.given, revoked.family
    ))
}

fn returned(home: &Home, riverside: &[Client], stopped: &str) -> anyhow::Result<Vec<Returned>> {
    let gym = clients(&home.out(To::Gym))?;
    let other = riverside
        .first()
        .ok_or_else(|| anyhow!("nobody was sent to the first partner"))?;
    Ok(vec![
        returns::riverside(riverside, stopped, false)?,
        returns::debt(&clients(&home.out(To::Debt))?)?,
        returns::gym(&gym, other)?,
        returns::gym_sorted(&gym)?,
        returns::link(&clients(&home.out(To::Link))?)?,
    ])
}

/// The two GP systems.
struct Systems([Sandbox; 2]);

impl Systems {
    async fn start() -> anyhow::Result<Self> {
        let instant = instant(NOW)?.0;
        let options = || sandbox::SandboxOptions {
            now: Arc::new(move || instant),
            data: None,
        };
        let first = Sandbox::start(0, options())
            .await
            .context("starting the first GP system")?;
        let second = Sandbox::start(0, options())
            .await
            .context("starting the second GP system")?;
        Ok(Self([first, second]))
    }

    fn base_urls(&self) -> [String; 2] {
        [self.0[0].base_url(), self.0[1].base_url()]
    }

    fn at(&self, person: &Person) -> &Sandbox {
        &self.0[usize::from(person.second_practice())]
    }

    fn load(&self, people: &[Person]) -> anyhow::Result<()> {
        for (system, second) in self.0.iter().zip([false, true]) {
            system
                .load(&bundle(second, people))
                .context("filling a GP system")?;
        }
        Ok(())
    }

    fn entries(&self) -> Entries {
        let mut identifiers = BTreeSet::new();
        let mut all = 0;
        for observation in self
            .0
            .iter()
            .flat_map(|system| system.resources("Observation"))
        {
            all += 1;
            identifiers.insert(observation["identifier"].to_string());
        }
        Entries {
            all,
            different: identifiers.len().try_into().unwrap_or(u64::MAX),
        }
    }

    async fn stop(self) {
        for system in self.0 {
            system.stop().await;
        }
    }
}
