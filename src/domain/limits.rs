//! Every bound of Kith, named once, each with its reason (`security.md` §8).

/// Referrals that one worker takes at a time: large enough to fill a statement, small enough to stay in the cache.
pub(crate) const CHUNK_REFERRALS: usize = 500;
/// Chunks of one transaction: a commit costs a disk flush and rewrites the pages of every random index, so 3,000 referrals share it.
pub(crate) const GROUP_CHUNKS: usize = 6;
/// Sources pulled at once: each waits for its own server most of the time.
pub(crate) const SOURCES_AT_ONCE: usize = 4;
/// Bytes of one resource or NDJSON line.
pub(crate) const RESOURCE_BYTES_MAX: usize = 1024 * 1024;
/// Bytes of one extract file, streamed.
pub(crate) const EXTRACT_BYTES_MAX: u64 = 4 * 1024 * 1024 * 1024;
/// Files below one extract folder.
pub(crate) const EXTRACT_FILES_MAX: usize = 10_000;
/// Folders below one another in an extract folder.
pub(crate) const EXTRACT_DEPTH_MAX: usize = 8;
/// Bytes of a config file.
pub(crate) const CONFIG_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Bytes of a mapping or code file.
pub(crate) const MAPPING_BYTES_MAX: u64 = 1024 * 1024;
/// Rows of one drop; what is over waits for the next one.
pub(crate) const DROP_ROWS_MAX: usize = 50_000;
/// Columns of a drop.
pub(crate) const DROP_COLUMNS_MAX: usize = 100;
/// Files taken from one `in/` a run.
pub(crate) const RETURN_FILES_MAX: usize = 200;
/// Diagnostics kept of one file.
pub(crate) const DIAGNOSTICS_MAX: usize = 1_000;
/// Writes under way to one source at once.
pub(crate) const WRITES_AT_ONCE: usize = 4;
/// Events whose `pushing` row is committed together, before any of them is sent.
pub(crate) const PUSH_BATCH: usize = 100;
/// Rows a statement inserts.
pub(crate) const STATEMENT_ROWS: usize = 500;
/// Days for which a delivered row is compared with a return.
pub(crate) const DELIVERED_DAYS: i64 = 400;
