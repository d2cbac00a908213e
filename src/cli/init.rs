//! `kith init`: a new installation with safe defaults.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::{DONE, emit};
use crate::app::App;
use crate::config::{HOME_MODE, VAR_MODE};
use crate::sheet::write_atomically;

/// Make a new installation with safe defaults; refuses to overwrite
#[derive(clap::Args)]
pub(super) struct Args {
    /// The folder to make it in
    dir: PathBuf,
}

pub(super) async fn run(args: &Args) -> anyhow::Result<u8> {
    let config = args.dir.join("config/kith.toml");
    let key = args.dir.join("var/seal.key");
    for taken in [&config, &key] {
        if taken.exists() {
            anyhow::bail!(
                "{} is there already: init never overwrites; name a new folder",
                taken.display()
            );
        }
    }
    folder(&args.dir, HOME_MODE)?;
    for (below, mode) in [
        ("config", HOME_MODE),
        ("mappings/partners", HOME_MODE),
        ("var", VAR_MODE),
    ] {
        folder(&args.dir.join(below), mode)?;
    }
    write_atomically(&config, include_bytes!("../../config/init.toml"), 0o640)?;
    let schema = super::schema::of("partner")?;
    write_atomically(
        &args.dir.join("mappings/partner.schema.json"),
        schema.as_bytes(),
        0o640,
    )?;
    write_atomically(&key, &super::random_bytes()?, 0o600)?;
    App::found(&config, super::system_entropy()?).await?;
    emit(format_args!("Made {}.\n", args.dir.display()))?;
    emit(format_args!(
        "Keep a copy of {} in a safe place, apart from any backup: without it everything sealed is gone.\n",
        key.display()
    ))?;
    emit(format_args!(
        "Next: fill in {}, add a file a partner in {} (kith partner new), then run\n",
        config.display(),
        args.dir.join("mappings/partners").display()
    ))?;
    emit(format_args!("  kith check --config {}\n", config.display()))?;
    emit(format_args!(
        "Sources and partners start in shadow: everything is decided and recorded, and nothing is sent.\n"
    ))?;
    Ok(DONE)
}

/// Makes a folder and those above it.
pub(super) fn folder(path: &Path, mode: u32) -> std::io::Result<()> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(path)
}
