//! Bounds of what comes from outside, and sizes of what is done at once, each with its reason (`security.md` §8).
//!
//! A size that only one module can know stands with that module.

/// Referrals that one worker takes at a time: large enough to fill a statement, small enough to stay in the cache.
pub(crate) const CHUNK_REFERRALS: usize = 250;
/// Chunks of one transaction: a commit costs a disk flush and rewrites the pages of every random index, so 4,000 referrals share it.
pub(crate) const GROUP_CHUNKS: usize = 16;
/// Chunks prepared ahead of the writer: what workers do while a group is flushed to the disk.
pub(crate) const CHUNKS_AHEAD: usize = 6;
/// Sources pulled at once: each waits for its own server most of the time.
pub(crate) const SOURCES_AT_ONCE: usize = 4;
/// Files below one extract folder.
pub(crate) const EXTRACT_FILES_MAX: usize = 10_000;
/// Folders below one another in an extract folder.
pub(crate) const EXTRACT_DEPTH_MAX: usize = 8;
/// Bundles within one another in an extract: an answer to a batch has two.
pub(crate) const BUNDLE_DEPTH_MAX: usize = 8;
/// Times an export is asked after in one run, however short the waits.
pub(crate) const EXPORT_POLLS_MAX: usize = 10_000;
/// Manifests of one export, each with a link to the next.
pub(crate) const EXPORT_MANIFESTS_MAX: usize = 1_000;
/// Seconds for one file of an export: 4 GiB in this time is a slow line.
pub(crate) const EXPORT_FILE_SECONDS: u64 = 7_200;
/// How many times an export's file, or its list of files, is fetched again within a run.
pub(crate) const EXPORT_REPEATS_MAX: u32 = 3;
/// Bytes of a drop that are read again to prove it: 50,000 rows of 5 kB each, and no end of a device put in its place.
pub(crate) const DROP_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Drops whose leaving is recorded in one transaction.
pub(crate) const DROPS_TOGETHER: usize = 16;
/// Diagnostics kept of one file: nobody reads more, and the first ones name the cause.
pub(crate) const DIAGNOSTICS: Bound = Bound {
    usual: 1_000,
    most: 10_000,
};
/// Bytes of one line of the log: what reads logs cuts longer lines in two.
pub(crate) const LOG_LINE_BYTES: Bound = Bound {
    usual: 8 << 10,
    most: 64 << 10,
};
/// Referrals whose writes are under way to one source at once.
pub(crate) const WRITES_AT_ONCE: usize = 12;
/// Referrals in a row whose writes fail before a source is left for the next run.
pub(crate) const WRITE_FAILURES_MAX: usize = 24;
/// Tries of a write that never left, within a run.
pub(crate) const UNSENT_TRIES: u32 = 3;
/// Answers in a row that say that the server waited in vain (408), after which it is taken to refuse.
pub(crate) const TIMED_OUT_ATTEMPTS_MAX: i64 = 5;
/// Answers lost in a row, those with 408 among them, after which that is a refusal: somebody must look.
pub(crate) const LOST_ATTEMPTS_MAX: i64 = 40;
/// Seconds after a lost answer within which a look-up that finds nothing proves nothing: a server's index may be that far behind.
pub(crate) const LOST_UNPROVEN_SECONDS: i64 = 120;
/// Events whose `pushing` row is committed together, before any of them is sent.
pub(crate) const PUSH_BATCH: i64 = 500;
/// Bytes of rows kept from their decision to their delivery in the same run.
pub(crate) const READY_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Seconds for which a person's act waits for somebody else's, and a statement for the engine's lock.
pub(crate) const LOCK_WAIT_SECONDS: Bound = Bound { usual: 5, most: 60 };
/// Seconds of one statement of the store: one that runs longer reads what no stage needs, or its disk fails.
pub(crate) const STATEMENT_SECONDS: Bound = Bound {
    usual: 60,
    most: 600,
};
/// Bytes of the write-ahead log: folding it in costs a flush of the store, so it is done after some dozens of large transactions.
pub(crate) const WRITE_AHEAD_BYTES: Bound = Bound {
    usual: 256 << 20,
    most: 4 << 30,
};
/// Rows a statement inserts.
pub(crate) const STATEMENT_ROWS: usize = 500;
/// Units of UTF-16 that a cell of a spreadsheet holds: what is longer is cut when the file is opened and saved.
pub(crate) const CELL_UNITS_MAX: usize = 32_767;
/// Events of one kind that a person has on one day: more were perhaps filled down.
pub(crate) const EVENTS_A_DAY_MAX: usize = 3;
/// Days after an ending was told within which a later sheet may still say otherwise.
pub(crate) const ENDING_DAYS: i64 = 28;
/// New events of a person in one sheet: a year of weekly visits told at once, and a few questionnaires.
pub(crate) const LEG_EVENTS_MAX: usize = 60;
/// Days for which a delivered row is compared with a return.
pub(crate) const DELIVERED_DAYS: i64 = 400;

/// A limit that the config may set: what it is without a setting, and the most that a setting may make of it. Those of
/// `[limits]` are the keys of `limit_table.rs`; those of `[[source]] limits` are read by `config`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bound {
    pub(crate) usual: u64,
    pub(crate) most: u64,
}

/// Seconds for a connection to be made: a server that is up answers at once.
pub(crate) const CONNECT_SECONDS: Bound = Bound {
    usual: 10,
    most: 60,
};
/// Seconds between two pieces of an answer: slow searches are real, endless ones too.
pub(crate) const READ_SECONDS: Bound = Bound {
    usual: 30,
    most: 300,
};
/// Seconds for a whole call, and for its repeats to begin.
pub(crate) const CALL_SECONDS: Bound = Bound {
    usual: 120,
    most: 900,
};
/// Bytes of an answer, unpacked: a page is held in memory.
pub(crate) const ANSWER_BYTES: Bound = Bound {
    usual: 16 << 20,
    most: 64 << 20,
};
/// Repeats of a read that failed for the moment.
pub(crate) const RETRIES: Bound = Bound { usual: 6, most: 12 };
/// Pages of a search.
pub(crate) const PAGES: Bound = Bound {
    usual: 1_000,
    most: 10_000,
};
/// Resources of a page.
pub(crate) const PAGE_ENTRIES: Bound = Bound {
    usual: 2_000,
    most: 10_000,
};
/// Bytes of a config file: one section for each practice of a region.
pub(crate) const CONFIG_BYTES: Bound = Bound {
    usual: 1 << 20,
    most: 4 << 20,
};
/// Bytes of a mapping or code file: people write and read it.
pub(crate) const MAPPING_BYTES: Bound = Bound {
    usual: 1 << 20,
    most: 4 << 20,
};
/// Rows of one drop; what is over waits for the next one.
pub(crate) const DROP_ROWS: Bound = Bound {
    usual: 50_000,
    most: 500_000,
};
/// Columns of a drop: nobody reads a sheet that is wider.
pub(crate) const DROP_COLUMNS: Bound = Bound {
    usual: 100,
    most: 500,
};
/// Bytes of a return: it is held in memory while it is read.
pub(crate) const RETURN_BYTES: Bound = Bound {
    usual: 20 << 20,
    most: 200 << 20,
};
/// Files taken from one `in/` a run; the next run takes more.
pub(crate) const RETURN_FILES: Bound = Bound {
    usual: 200,
    most: 5_000,
};
/// Rows of a partner's own sheet in which its header is looked for, below a title and a date.
pub(crate) const HEADER_SEARCH_ROWS: Bound = Bound {
    usual: 20,
    most: 50,
};
/// Rows of a return: as many as a drop may have.
pub(crate) const RETURN_ROWS: Bound = Bound {
    usual: 50_000,
    most: 500_000,
};
/// New events of a return: as many rows as one may usually have, with five each. More is a column that was filled down over everybody.
pub(crate) const RETURN_EVENTS: Bound = Bound {
    usual: 250_000,
    most: 2_500_000,
};
/// Columns of a return: those of a drop, and as many again for the answers.
pub(crate) const RETURN_COLUMNS: Bound = Bound {
    usual: 256,
    most: 1_024,
};
/// Characters of a cell: as much as Excel holds in one.
pub(crate) const CELL_CHARACTERS: Bound = Bound {
    usual: 32_767,
    most: 32_767,
};
/// Characters of a header: it may be a whole question of a form.
pub(crate) const HEADER_CHARACTERS: Bound = Bound {
    usual: 200,
    most: 500,
};
/// Bytes of one resource or NDJSON line: it is held in memory whole.
pub(crate) const RESOURCE_BYTES: Bound = Bound {
    usual: 1 << 20,
    most: 8 << 20,
};
/// Arrays and objects within one another in an answer or a resource: FHIR itself stays below 20, and readers recurse.
pub(crate) const JSON_DEPTH: Bound = Bound {
    usual: 64,
    most: 128,
};
/// Characters of a `FHIRPath` expression, its patterns included: people write and read it.
pub(crate) const EXPRESSION_CHARACTERS: Bound = Bound {
    usual: 2_000,
    most: 10_000,
};
/// Items that one expression looks at for one row.
pub(crate) const EXPRESSION_STEPS: Bound = Bound {
    usual: 100_000,
    most: 1_000_000,
};
/// Bytes of a compiled regular expression: a short one can repeat a large class many times.
pub(crate) const PATTERN_BYTES: Bound = Bound {
    usual: 1 << 20,
    most: 4 << 20,
};
/// Seconds of a server's `Retry-After` that are waited; a longer one leaves the work to the next run.
pub(crate) const RETRY_AFTER_SECONDS: Bound = Bound {
    usual: 3_600,
    most: 86_400,
};
/// Calls to one source under way at once: a practice's system has people of its own to answer.
pub(crate) const CALLS_AT_ONCE: Bound = Bound { usual: 4, most: 16 };
/// Calls to all sources under way at once.
pub(crate) const ALL_CALLS_AT_ONCE: Bound = Bound {
    usual: 32,
    most: 256,
};
/// Bytes of a token answer, or of a server's sign-in metadata: both are a handful of fields.
pub(crate) const SIGN_IN_BYTES: Bound = Bound {
    usual: 64 << 10,
    most: 1 << 20,
};
/// Seconds for a token or sign-in metadata, with its answer.
pub(crate) const SIGN_IN_SECONDS: Bound = Bound {
    usual: 10,
    most: 60,
};
/// Bytes of one extract file, or of one file of an export: it is streamed, and what bounds it is the disk.
pub(crate) const BULK_FILE_BYTES: Bound = Bound {
    usual: 4 << 30,
    most: 64 << 30,
};
/// Unpacked bytes for each packed one: more is a file made to fill a disk.
pub(crate) const UNPACKED_RATIO: Bound = Bound {
    usual: 100,
    most: 200,
};
/// Requests a second that a source may be set to: beyond it a limit means nothing.
pub(crate) const REQUESTS_PER_SECOND_MAX: u32 = 1_000;
/// Bytes of a secret, a key or a certificate file.
pub(crate) const SECRET_BYTES_MAX: u64 = 1024 * 1024;
/// Turns of one leg: a leg that moves every hour for a year has fewer.
pub(crate) const LEG_ENTRIES_MAX: usize = 10_000;
/// Legs of a partner whose lives are walked to say how many were open at an instant.
pub(crate) const CAPACITY_LEGS_MAX: usize = 20_000;
/// Example files of one partner.
pub(crate) const EXAMPLES_MAX: usize = 500;
/// Bytes of one example's expected rows.
pub(crate) const EXAMPLE_BYTES_MAX: u64 = 16 << 20;
/// Characters of the name of somebody who acts: it stands in the ledger.
pub(crate) const ACTOR_NAME_MAX: usize = 100;

/// Tries a bound: what is as large as it passes, and what is larger by one does not.
#[cfg(test)]
pub(crate) fn holds_at<N>(bound: N, mut passes: impl FnMut(N) -> bool)
where
    N: Copy + From<u8> + std::ops::Add<Output = N> + std::fmt::Display,
{
    assert!(passes(bound), "{bound} is within the bound");
    let above = bound + N::from(1);
    assert!(!passes(above), "{above} is beyond the bound");
}
