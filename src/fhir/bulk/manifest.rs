//! The manifest of an export: which files there are, and up to when they are true.
//!
//! In comes its JSON, of any version; out come files with resolved addresses. Version 4 calls `error` `outcome` and makes
//! `extension` a list: whatever is not named here is passed over, so neither matters.

use std::borrow::Cow;

use reqwest::Url;
use serde::Deserialize;

use crate::domain::Instant;
use crate::fhir::client::ClientError;

/// What an export consists of.
#[derive(Default)]
pub(crate) struct ExportManifest {
    /// The server's time up to which the files are true: where the next export begins.
    pub(crate) transaction_time: Option<Instant>,
    /// Whether files are fetched with credentials; if not, they must be fetched without.
    pub(crate) requires_token: bool,
    pub(crate) output: Vec<ExportFile>,
    /// Bundles of what was deleted.
    pub(crate) deleted: Vec<ExportFile>,
    /// `OperationOutcome`s about what is not there.
    pub(crate) outcomes: Vec<ExportFile>,
}

/// One file. Its address may let in whoever knows it: it is never shown.
#[derive(Clone)]
pub(crate) struct ExportFile {
    /// The type of every resource in it, where the server says so.
    pub(crate) kind: Option<String>,
    pub(crate) count: Option<u64>,
    pub(super) url: Url,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawManifest<'a> {
    #[serde(borrow, default)]
    transaction_time: Option<Cow<'a, str>>,
    #[serde(default)]
    requires_access_token: bool,
    #[serde(borrow)]
    output: Vec<RawFile<'a>>,
    #[serde(borrow, default)]
    deleted: Vec<RawFile<'a>>,
    #[serde(borrow, default)]
    error: Vec<RawFile<'a>>,
    #[serde(borrow, default)]
    outcome: Vec<RawFile<'a>>,
    #[serde(borrow, default)]
    link: Vec<RawLink<'a>>,
}

#[derive(Deserialize)]
struct RawFile<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Option<Cow<'a, str>>,
    #[serde(default)]
    count: Option<u64>,
    #[serde(borrow)]
    url: Cow<'a, str>,
}

#[derive(Deserialize)]
struct RawLink<'a> {
    #[serde(borrow, default)]
    relation: Cow<'a, str>,
    #[serde(borrow, default)]
    url: Cow<'a, str>,
}

impl ExportManifest {
    /// Reads a manifest that was had from `from`, and the link to a further one.
    ///
    /// # Errors
    /// It is no manifest, or the address of a file is none.
    pub(super) fn parse(body: &[u8], from: &Url) -> Result<(Self, Option<String>), ClientError> {
        let strange = || ClientError::NotFhir { status: 200 };
        let raw: RawManifest<'_> = serde_json::from_slice(body).map_err(|_| strange())?;
        let items = |raw: Vec<RawFile<'_>>| {
            raw.into_iter()
                .map(|item| {
                    Ok(ExportFile {
                        kind: item.kind.map(Cow::into_owned),
                        count: item.count,
                        url: from.join(&item.url).map_err(|_| strange())?,
                    })
                })
                .collect::<Result<Vec<_>, ClientError>>()
        };
        let mut outcomes = items(raw.error)?;
        outcomes.extend(items(raw.outcome)?);
        let manifest = Self {
            transaction_time: raw.transaction_time.as_deref().and_then(Instant::parse),
            requires_token: raw.requires_access_token,
            output: items(raw.output)?,
            deleted: items(raw.deleted)?,
            outcomes,
        };
        let next = raw.link.into_iter().find(|link| link.relation == "next");
        Ok((manifest, next.map(|link| link.url.into_owned())))
    }

    /// Adds a further page; the earliest time stands for all.
    pub(super) fn add(&mut self, page: Self) {
        self.transaction_time = match (self.transaction_time, page.transaction_time) {
            (Some(ours), Some(theirs)) => Some(ours.min(theirs)),
            _ => None,
        };
        self.requires_token |= page.requires_token;
        self.output.extend(page.output);
        self.deleted.extend(page.deleted);
        self.outcomes.extend(page.outcomes);
    }

    pub(super) fn items_mut(&mut self) -> impl Iterator<Item = &mut ExportFile> {
        let others = self.deleted.iter_mut().chain(&mut self.outcomes);
        self.output.iter_mut().chain(others)
    }

    pub(super) fn files(&self) -> usize {
        self.output.len() + self.deleted.len() + self.outcomes.len()
    }
}
