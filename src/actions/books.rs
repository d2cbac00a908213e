//! The books: proved on demand, and reported for a day.

use std::sync::Arc;

use jiff::civil::Date;

pub(crate) use crate::pipeline::reconcile::prove::Proof;
pub(crate) use crate::pipeline::reconcile::publish::WrittenReports;
use crate::pipeline::reconcile::{prove, publish};
use crate::pipeline::run::{Env, ReportPlace};

/// Proves the books; `online`: also asks each GP system for the entries that it confirmed.
///
/// # Errors
/// The store cannot be read.
pub(crate) async fn proof(env: &Arc<Env>, online: bool) -> anyhow::Result<Proof> {
    let mut proof = prove::prove(env, online).await?;
    publish::check_published(env, &mut proof).await?;
    Ok(proof)
}

/// Writes the reports of a day (yesterday if none is named), and says where they lie and which could not be written.
///
/// # Errors
/// There is no such commissioner, or the store failed.
pub(crate) async fn report(
    env: &Env,
    date: Option<Date>,
    commissioner: Option<&str>,
    out: Option<&ReportPlace>,
) -> anyhow::Result<WrittenReports> {
    if let Some(id) = commissioner {
        let ids = env.config.commissioners.iter().map(|one| one.id.as_str());
        super::known("commissioner", id, ids)?;
    }
    publish::write_reports(env, date, commissioner, out).await
}
