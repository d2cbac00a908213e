//! `kith partner`: a partner's file from first draft to agreement.

use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::{DONE, Global, emit, partner_of};
use crate::config::Config;
use crate::diagnostics::Severity;
use crate::partner::draft::{self, Draft, DraftInput};
use crate::partner::{ID_RULE, lawful_id, pages};
use crate::sheet::write_atomically;

/// A partner's file from first draft to agreement
#[derive(clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    act: Act,
}

#[derive(Subcommand)]
enum Act {
    /// Draft mappings/partners/ID.toml, if possible from a sheet that the partner uses already
    New {
        /// The partner's id: lower-case letters, digits and hyphens; it names the file and the partner's folder
        id: String,
        /// Their own sheet as CSV, any delimiter and encoding; no value of it is copied; - reads its name from standard input
        #[arg(long, value_name = "SHEET")]
        from: Option<PathBuf>,
    },
    /// Write an empty sheet in the partner's layout, its Table Schema, and a page that explains each column
    Template {
        /// The partner's id
        id: String,
        /// The folder to write into
        #[arg(long, value_name = "DIR", default_value = ".")]
        out: PathBuf,
    },
    /// Print whom the partner takes, what they are told and on which ground
    Criteria {
        /// The partner's id
        id: String,
        /// Write a page to print and sign into this folder, instead of text on standard output
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
    /// Let a version that allows more than the one before send; by somebody else than its writer
    Approve(super::approve::Args),
}

pub(super) async fn run(global: &Global, args: &Args) -> anyhow::Result<u8> {
    match &args.act {
        Act::New { id, from } => new(global, id, from.as_deref()),
        Act::Template { id, out } => template(global, id, out),
        Act::Criteria { id, out } => criteria(global, id, out.as_deref()),
        Act::Approve(args) => super::approve::run(global, args).await,
    }
}

fn template(global: &Global, id: &str, out: &Path) -> anyhow::Result<u8> {
    let (_, rules, _) = crate::app::load(&global.config_file())?;
    let partner = partner_of(&rules, id)?;
    let schema = serde_json::to_string_pretty(&pages::table_schema(&rules, partner))? + "\n";
    super::init::folder(out, 0o750)?;
    for (ending, bytes) in [
        ("template.csv", pages::empty_sheet(&rules, partner)?),
        ("schema.json", schema.into_bytes()),
        (
            "dictionary.html",
            pages::dictionary_page(&rules, partner).into_bytes(),
        ),
    ] {
        let file = out.join(format!("{id}-{ending}"));
        write_atomically(&file, &bytes, 0o640)?;
        emit(format_args!("Wrote {}\n", file.display()))?;
    }
    super::say(
        Some(Severity::Warning),
        "the sheet has no column for a worry about somebody's safety; tell the partner whom to phone",
    );
    Ok(DONE)
}

fn criteria(global: &Global, id: &str, out: Option<&Path>) -> anyhow::Result<u8> {
    let (_, rules, _) = crate::app::load(&global.config_file())?;
    let partner = partner_of(&rules, id)?;
    let Some(out) = out else {
        emit(format_args!("{}", pages::criteria_text(&rules, partner)))?;
        return Ok(DONE);
    };
    super::init::folder(out, 0o750)?;
    let file = out.join(format!("{id}-criteria.html"));
    write_atomically(
        &file,
        pages::criteria_page(&rules, partner).as_bytes(),
        0o640,
    )?;
    emit(format_args!("Wrote {}\n", file.display()))?;
    Ok(DONE)
}

fn new(global: &Global, id: &str, sheet: Option<&Path>) -> anyhow::Result<u8> {
    if !lawful_id(id) {
        anyhow::bail!("a partner's id is made of {ID_RULE}");
    }
    // The config alone: a fault in another partner's file is no reason not to draft this one.
    let loaded = Config::load(&global.config_file(), &crate::config::variable)
        .map_err(crate::diagnostics::Refused)?;
    let config = loaded.config;
    let file = config.mappings.join("partners").join(format!("{id}.toml"));
    if file.exists() {
        anyhow::bail!(
            "{} is there already: it is never overwritten",
            file.display()
        );
    }
    let wanted = DraftInput {
        id,
        namespace: &config.namespace,
        transport: config.partner_transport(),
        limits: &config.limits,
    };
    let draft = match sheet {
        None => draft::starter(&wanted),
        // A sheet's name may name a person too.
        Some(sheet) if sheet == Path::new("-") => {
            from_sheet(&wanted, Path::new(super::read_input()?.trim_end()))?
        }
        Some(sheet) => from_sheet(&wanted, sheet)?,
    };
    super::init::folder(&config.mappings.join("partners"), 0o750)?;
    let schema = super::schema::of("partner")?;
    // Where the first line of the draft says that editors find it.
    write_atomically(
        &config.mappings.join("partner.schema.json"),
        schema.as_bytes(),
        0o640,
    )?;
    write_atomically(&file, draft.text.as_bytes(), 0o640)?;
    emit(format_args!(
        "Wrote {}, in shadow: nothing leaves by it yet.\n",
        file.display()
    ))?;
    if draft.columns > 0 {
        emit(format_args!(
            "{} columns read, {} of them without a guess. Every guess is marked on its line: read each.\n",
            draft.columns, draft.unguessed
        ))?;
    }
    emit(format_args!(
        "Next: look for \"# fill in\" and \"# guess\", then run kith check, which names what is left.\n"
    ))?;
    Ok(DONE)
}

fn from_sheet(wanted: &DraftInput<'_>, sheet: &Path) -> anyhow::Result<Draft> {
    use std::io::Read as _;
    let shown = sheet.display();
    let cannot =
        |error: std::io::Error| anyhow::anyhow!("{shown} cannot be read: {}", error.kind());
    let mut bytes = Vec::new();
    std::fs::File::open(sheet)
        .map_err(cannot)?
        .take(wanted.limits.return_bytes_max + 1)
        .read_to_end(&mut bytes)
        .map_err(cannot)?;
    draft::from_sheet(wanted, &bytes)
        .map_err(|error| anyhow::anyhow!("{shown} cannot be drafted from: {error}"))
}
