//! `kith map diff`: referrals through two versions of a partner file, and every cell that comes out otherwise.
//!
//! In: two partner files and referrals, from files of FHIR or from those kept. Out: a line for each changed cell, for each
//! row that begins or ends, and for each column that came or went. Values are people's: only their shape is shown, unless
//! the referrals are the caller's own files and `--values` is given. What is kept never shows a value here.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{DONE, Global, emit};
use crate::actions::compare_partner_files::{
    DryRun, FileMapper, FileVersion, Folder, MadeRow, each_kept, is_check, shape,
};
use crate::config::Config;
use crate::domain::Clock as _;
use crate::domain::clock::SystemClock;

/// Days that may be replayed.
const DAYS_MAX: i64 = 3_660;

/// FHIR in, a partner's file out; or what two versions of a partner file make of the same referrals
#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(super) struct Entry {
    #[command(flatten)]
    map: Option<super::map::Args>,
    #[command(subcommand)]
    act: Option<Act>,
}

#[derive(clap::Subcommand)]
enum Act {
    /// Every cell that two versions of a partner file fill otherwise, and the rows that begin or end
    Diff(Args),
}

#[derive(clap::Args)]
#[command(group(clap::ArgGroup::new("referrals").required(true).args(["input", "since"])))]
struct Args {
    /// The partner file as it was
    old: PathBuf,
    /// The partner file as it is to be
    new: PathBuf,
    /// A file or folder of FHIR R4: .json, .ndjson, and .gz of both
    #[arg(long, value_name = "FILE|DIR")]
    input: Option<PathBuf>,
    /// Referrals that were received in these last days, and are kept: 30d
    #[arg(long, value_name = "DAYS")]
    since: Option<String>,
    /// Show the values, not only their shape; with --input only
    #[arg(long, conflicts_with = "since")]
    values: bool,
    /// Print JSON, one object a line
    #[arg(long)]
    json: bool,
}

/// Maps, or compares.
pub(super) async fn run(global: &Global, entry: Entry) -> anyhow::Result<u8> {
    match (entry.act, entry.map) {
        (Some(Act::Diff(args)), _) => diff(global, &args).await,
        (None, Some(args)) => super::map::run(global, &args),
        (None, None) => anyhow::bail!("say --partner ID or --view VIEW.json, and --input"),
    }
}

/// What was found, and how it is shown.
struct Found<'a> {
    old: &'a FileVersion,
    new: &'a FileVersion,
    /// Places of the columns that both have, old and new, with their header.
    columns: Vec<(usize, usize, &'a str)>,
    json: bool,
    values: bool,
    referrals: u64,
    cells: u64,
    rows: u64,
}

async fn diff(global: &Global, args: &Args) -> anyhow::Result<u8> {
    let (config, _, _) = crate::app::load(&global.config_file())?;
    let old = version(&config, &args.old)?;
    let new = version(&config, &args.new)?;
    if old.partner().id != new.partner().id {
        anyhow::bail!(
            "these are two partners, {} and {}, not two versions of one",
            old.partner().id,
            new.partner().id
        );
    }
    let mut found = Found::new(&old, &new, args);
    found.columns_moved()?;
    if let Some(input) = &args.input {
        from_files(&config, input, &mut found)?;
    } else {
        let days = days(args.since.as_deref().unwrap_or_default())?;
        let app = global.open_for_reading(None).await?;
        let both = (found.old, found.new);
        each_kept(app.env(), days, both, |reference, before, after| {
            found.compare(reference, before, after)
        })
        .await?;
        app.close().await;
    }
    found.sum()?;
    Ok(DONE)
}

/// The days of `30d`.
fn days(said: &str) -> anyhow::Result<i64> {
    let days = said.strip_suffix('d').and_then(|days| days.parse().ok());
    days.filter(|days| (1..=DAYS_MAX).contains(days))
        .ok_or_else(|| anyhow::anyhow!("\"{said}\" is no number of days: write 30d"))
}

/// Referrals of files.
fn from_files(config: &Config, input: &Path, found: &mut Found<'_>) -> anyhow::Result<()> {
    super::check_input(input)?;
    let folder = Folder::open(input, &config.home.join("var/tmp"), &config.limits)?;
    super::print_diagnostics(&folder.diagnostics());
    let mapper = FileMapper::new(config, SystemClock.now().london_day());
    let by = [found.old, found.new].map(|version| (&version.rules, version.partner()));
    for index in 0..folder.len() {
        if let Some([before, after]) = mapper.made(&folder, index, &by)?.as_deref() {
            found.compare(&folder.location(index).text(), before, after)?;
        }
    }
    Ok(())
}

/// A version that can be used.
fn version(config: &Config, file: &Path) -> anyhow::Result<FileVersion> {
    FileVersion::read(&config.mappings, file, &config.limits)?.or_else(|problems| {
        super::print_diagnostics(&problems);
        anyhow::bail!("{} cannot be used", file.display())
    })
}

impl<'a> Found<'a> {
    fn new(old: &'a FileVersion, new: &'a FileVersion, args: &Args) -> Self {
        let theirs = &new.partner().deliver.columns;
        let columns = old.partner().deliver.columns.iter().enumerate();
        // The check only follows the identity cells, whose changes are told; its true value needs the installation's key.
        let columns = columns
            .filter(|(_, column)| !is_check(column, &old.rules.vocabulary))
            .filter_map(|(place, column)| {
                let other = theirs
                    .iter()
                    .position(|other| other.header == column.header)?;
                Some((place, other, column.header.as_str()))
            })
            .collect();
        Self {
            old,
            new,
            columns,
            json: args.json,
            values: args.values,
            referrals: 0,
            cells: 0,
            rows: 0,
        }
    }

    /// Columns of one version that the other does not have, and an order that is another.
    fn columns_moved(&self) -> anyhow::Result<()> {
        let headers = |version: &'a FileVersion| -> Vec<&'a str> {
            let columns = version.partner().deliver.columns.iter();
            columns.map(|column| column.header.as_str()).collect()
        };
        let (old, new) = (headers(self.old), headers(self.new));
        for header in new.iter().filter(|header| !old.contains(header)) {
            self.say("", header, "column added", &json!({"column_added": header}))?;
        }
        for header in old.iter().filter(|header| !new.contains(header)) {
            self.say(
                "",
                header,
                "column removed",
                &json!({"column_removed": header}),
            )?;
        }
        let places: Vec<usize> = self.columns.iter().map(|(_, other, _)| *other).collect();
        if !places.is_sorted() {
            let said = json!({"columns_in_order": new});
            self.say("", &new.join(", "), "columns in another order", &said)?;
        }
        Ok(())
    }

    /// One referral: its changed cells, or that its row begins, ends or waits otherwise.
    fn compare(&mut self, place: &str, before: &MadeRow, after: &MadeRow) -> anyhow::Result<()> {
        self.referrals += 1;
        let (DryRun::Row(old), DryRun::Row(new)) = (before, after) else {
            if before != after {
                self.rows += 1;
                let (before, after) = (fate(before), fate(after));
                let said = json!({"where": place, "row_before": before, "row_after": after});
                self.say(place, "row", &format!("{before} -> {after}"), &said)?;
            }
            return Ok(());
        };
        for (at, other, header) in self.columns.clone() {
            let (Some(old), Some(new)) = (old.get(at), new.get(other)) else {
                continue;
            };
            if old != new {
                self.cells += 1;
                let (before, after) = (self.shown(old), self.shown(new));
                let said =
                    json!({"where": place, "column": header, "before": before, "after": after});
                let words = format!("{} -> {}", words(&before), words(&after));
                self.say(place, header, &words, &said)?;
            }
        }
        Ok(())
    }

    fn shown(&self, cell: &str) -> Value {
        if self.values {
            return json!(cell);
        }
        json!({"shape": shape(cell), "length": cell.chars().count()})
    }

    fn say(&self, place: &str, column: &str, words: &str, said: &Value) -> anyhow::Result<()> {
        if self.json {
            emit(format_args!("{said}\n"))
        } else {
            emit(format_args!("{place:<15} {column:<20} {words}\n"))
        }
    }

    fn sum(&self) -> anyhow::Result<()> {
        let (referrals, cells, rows) = (self.referrals, self.cells, self.rows);
        let said = json!({"referrals": referrals, "cells": cells, "rows": rows});
        if self.json {
            return emit(format_args!("{said}\n"));
        }
        let said = format!("{referrals} referrals: {cells} cells and {rows} rows differ");
        super::say(None, &said);
        Ok(())
    }
}

/// What becomes of a referral in a few words; no value.
fn fate(made: &MadeRow) -> String {
    match made {
        DryRun::Row(_) => "sent".to_owned(),
        DryRun::Held(reason, detail) if detail.is_empty() => format!("held {}", reason.code()),
        DryRun::Held(reason, detail) => format!("held {} ({detail})", reason.code()),
        DryRun::Undecided(reason) | DryRun::Ended(reason) => format!("not sent {}", reason.code()),
        DryRun::Elsewhere => "another partner's".to_owned(),
    }
}

fn words(shown: &Value) -> String {
    match (shown["shape"].as_str(), shown["length"].as_u64()) {
        (Some(shape), Some(length)) => format!("{shape} ({length})"),
        _ => format!("\"{}\"", shown.as_str().unwrap_or_default()),
    }
}
