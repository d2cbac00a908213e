//! `kith map diff`: referrals through two versions of a partner file, and every cell that comes out otherwise.
//!
//! In: two partner files and referrals, from files of FHIR or from those kept. Out: a line for each changed cell, for each
//! row that begins or ends, and for each column that came or went. Values are people's: only their shape is shown, unless
//! the referrals are the caller's own files and `--values` is given. What is kept never shows a value here.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::{Value, json};

use super::map::source_facts;
use super::{DONE, Global, emit};
use crate::config::ORDERS;
use crate::diagnostics::Diagnostic;
use crate::domain::Instant;
use crate::domain::limits::MAPPING_BYTES_MAX;
use crate::fhir::service_request;
use crate::json::Arena;
use crate::partner::{Partner, Rules, partner_named_in};
use crate::pipeline::dossier::Setting;
use crate::pipeline::preview::{preview_reference, preview_rules};
use crate::pipeline::replay::{Asked, Replayed, replay};
use crate::pipeline::{Folder, kept};

/// Legs read at a time.
const PAGE: i64 = 500;
/// Days that may be replayed.
const DAYS_MAX: i64 = 3_660;
/// Characters of a shape.
const SHAPE_MAX: usize = 24;

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

/// A version of the partner file, in the mappings as they are now.
struct Version {
    rules: Rules,
    place: usize,
}

impl Version {
    fn partner(&self) -> &Partner {
        &self.rules.partners[self.place]
    }

    /// Reads one.
    fn read(mappings: &Path, file: &Path) -> anyhow::Result<Self> {
        let mut text = String::new();
        std::fs::File::open(file)
            .and_then(|opened| opened.take(MAPPING_BYTES_MAX).read_to_string(&mut text))
            .with_context(|| format!("reading {}", file.display()))?;
        let Some(id) = partner_named_in(&text) else {
            anyhow::bail!("{} has no [partner] id", file.display())
        };
        let rules = match Rules::load_with(mappings, &id, &text) {
            Ok((rules, _)) => rules,
            Err(problems) => {
                let grave: Vec<Diagnostic> =
                    problems.into_iter().filter(Diagnostic::fatal).collect();
                super::print_diagnostics(&grave);
                anyhow::bail!("{} cannot be used", file.display())
            }
        };
        let place = rules.partners.iter().position(|partner| partner.id == id);
        let place = place.ok_or_else(|| anyhow::anyhow!("there is no partner \"{id}\""))?;
        Ok(Self { rules, place })
    }
}

/// What was found, and how it is shown.
struct Found<'a> {
    old: &'a Version,
    new: &'a Version,
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
    let old = Version::read(&config.mappings, &args.old)?;
    let new = Version::read(&config.mappings, &args.new)?;
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
        from_store(global, days, &mut found).await?;
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

/// Referrals of files: the partner's criteria are asked, not the routing, as `kith map --select` does.
fn from_files(
    config: &crate::config::Config,
    input: &Path,
    found: &mut Found<'_>,
) -> anyhow::Result<()> {
    if !input.exists() {
        anyhow::bail!("{} does not exist", input.display());
    }
    let folder = Folder::open(input, &config.home.join("var/tmp"))?;
    super::print_diagnostics(folder.diagnostics());
    let today = crate::domain::Clock::now(&crate::domain::clock::SystemClock).london_day();
    let facts = source_facts(config);
    let activity_system = config.activity_system();
    let orders = ORDERS.map(str::to_owned);
    for index in 0..folder.len() {
        let dossier = folder.dossier(index)?;
        let arena = Arena::default();
        let Ok(trees) = dossier.trees(&arena) else {
            continue;
        };
        let reference = preview_reference(service_request::id(&trees.request).unwrap_or_default());
        let made = |version: &Version| {
            let setting = Setting {
                source: facts,
                today,
                activity_system: &activity_system,
                rules: &version.rules,
            };
            let source = preview_rules(&version.rules, &orders);
            let partner = version.partner();
            replay(
                &trees,
                setting,
                partner,
                &reference,
                &source,
                Asked::Criteria,
            )
        };
        let (before, after) = (made(found.old), made(found.new));
        found.compare(&folder.place(index).text(), &before, &after)?;
    }
    Ok(())
}

/// Referrals received since: each on the day on which it was received, with its newest records, through routing too.
async fn from_store(global: &Global, days: i64, found: &mut Found<'_>) -> anyhow::Result<()> {
    let app = global.open_for_reading(None).await?;
    let env = app.env();
    let since = env.now().plus_seconds(-days * 86_400);
    let mut after = 0;
    loop {
        let mut legs = env.store.legs_after(after, PAGE).await?;
        let Some(last) = legs.last() else { break };
        after = last.id;
        // An onward leg has the referral of another one; what it is sent by is the link worker's word.
        legs.retain(|leg| leg.look.is_some() && leg.born >= since.0);
        let raws: Vec<_> = legs.iter().map(|leg| leg.now.raws).collect();
        let dossiers = kept::dossiers(env, &raws).await?;
        for (leg, dossier) in legs.iter().zip(dossiers) {
            let (Some(dossier), Some(place)) = (dossier, env.source_at(leg.source)) else {
                continue;
            };
            let arena = Arena::default();
            let Ok(trees) = dossier.trees(&arena) else {
                continue;
            };
            let source = &env.sources[place].config;
            let reference = leg.reference.to_string();
            let day = Instant(leg.born).london_day();
            let made = |version: &Version| {
                let setting = env.setting(source, &version.rules, day);
                let asked = env.source_rules(source);
                let partner = version.partner();
                replay(&trees, setting, partner, &reference, &asked, Asked::Routing)
            };
            let (before, was) = (made(found.old), made(found.new));
            found.compare(&reference, &before, &was)?;
        }
    }
    app.close().await;
    Ok(())
}

impl<'a> Found<'a> {
    fn new(old: &'a Version, new: &'a Version, args: &Args) -> Self {
        let theirs = &new.partner().deliver.columns;
        let columns = old.partner().deliver.columns.iter().enumerate();
        // The check only follows the identity cells, whose changes are told; its true value needs the installation's key.
        let columns = columns
            .filter(|(_, column)| !crate::pipeline::map::is_check(column, &old.rules))
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
        let headers = |version: &'a Version| -> Vec<&'a str> {
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
    fn compare(&mut self, place: &str, before: &Replayed, after: &Replayed) -> anyhow::Result<()> {
        self.referrals += 1;
        let (Replayed::Row(old), Replayed::Row(new)) = (before, after) else {
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
        eprintln!("{referrals} referrals: {cells} cells and {rows} rows differ");
        Ok(())
    }
}

/// A fate in a few words; no value.
fn fate(replayed: &Replayed) -> String {
    match replayed {
        Replayed::Row(_) => "sent".to_owned(),
        Replayed::Held(reason, detail) if detail.is_empty() => format!("held {}", reason.code()),
        Replayed::Held(reason, detail) => format!("held {} ({detail})", reason.code()),
        Replayed::Out(Some(reason)) => format!("not sent {}", reason.code()),
        Replayed::Out(None) => "another partner's".to_owned(),
    }
}

fn words(shown: &Value) -> String {
    match (shown["shape"].as_str(), shown["length"].as_u64()) {
        (Some(shape), Some(length)) => format!("{shape} ({length})"),
        _ => format!("\"{}\"", shown.as_str().unwrap_or_default()),
    }
}

/// The form of a value: 9 for each digit, one a for a run of letters, everything else as it is.
pub(super) fn shape(cell: &str) -> String {
    let mut shape = String::new();
    for character in cell.chars() {
        let next = match character {
            _ if character.is_numeric() => '9',
            _ if character.is_alphabetic() => 'a',
            _ if character.is_control() => ' ',
            _ => character,
        };
        if next != 'a' || !shape.ends_with('a') {
            shape.push(next);
        }
        if shape.chars().count() >= SHAPE_MAX {
            shape.push('…');
            break;
        }
    }
    if shape.is_empty() {
        "empty".to_owned()
    } else {
        shape
    }
}
