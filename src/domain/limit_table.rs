//! The limits that a deployment may set: `[limits]` of the config, one key each.
//!
//! The bounds of `limits.rs` come in, and what the config says; one value of all goes out, which is handed down to where
//! each limit is used. Kept: no limit is nothing, and none is beyond its ceiling.

use super::limits::{self, Bound};

/// One limit that `[limits]` may set.
#[derive(Clone, Copy)]
pub(crate) struct LimitKey {
    pub(crate) key: &'static str,
    pub(crate) bound: Bound,
    /// What is bounded, for people.
    pub(crate) says: &'static str,
}

macro_rules! limit_table {
    ($($(#[doc = $says:literal])+ $key:ident: $kind:ty = $bound:ident,)+) => {
        /// The limits in force: what `[limits]` says, else what is usual.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) struct Limits {
            $($(#[doc = $says])+ pub(crate) $key: $kind,)+
        }

        /// Every key of `[limits]`.
        pub(crate) const LIMIT_KEYS: &[LimitKey] = &[
            $(LimitKey { key: stringify!($key), bound: limits::$bound, says: concat!($($says),+) },)+
        ];

        impl Limits {
            /// The limits as `said` gives them, key by key.
            pub(crate) fn of(mut said: impl FnMut(LimitKey) -> u64) -> Self {
                let mut keys = LIMIT_KEYS.iter();
                let mut next = || keys.next().map_or(0, |key| said(*key));
                // Fields are evaluated in the order in which they are written, which is the table's.
                Self {
                    $($key: <$kind>::try_from(next()).unwrap_or(<$kind>::MAX),)+
                }
            }

            /// The limits in force, in the order of the table.
            pub(crate) fn values(&self) -> Vec<(LimitKey, u64)> {
                let values = [$(u64::try_from(self.$key).unwrap_or(u64::MAX)),+];
                LIMIT_KEYS.iter().copied().zip(values).collect()
            }
        }
    };
}

limit_table! {
    /// bytes of one resource, or of one line of a file
    resource_bytes_max: usize = RESOURCE_BYTES,
    /// arrays and objects within one another, in an answer of a GP system or a resource of a file
    json_depth_max: usize = JSON_DEPTH,
    /// bytes of one extract file, or of one file of an export, unpacked
    bulk_file_bytes_max: u64 = BULK_FILE_BYTES,
    /// unpacked bytes for each packed one, of a file of an export after its first MiB
    unpacked_ratio_max: u64 = UNPACKED_RATIO,
    /// bytes of a return file
    return_bytes_max: u64 = RETURN_BYTES,
    /// rows of a return
    return_rows_max: usize = RETURN_ROWS,
    /// new events that one return tells; one that tells more is held whole
    return_events_max: usize = RETURN_EVENTS,
    /// columns of a return
    return_columns_max: usize = RETURN_COLUMNS,
    /// characters of a cell of a return
    cell_characters_max: usize = CELL_CHARACTERS,
    /// characters of a header of a return
    header_characters_max: usize = HEADER_CHARACTERS,
    /// files taken from one in folder a run; the rest waits for the next
    return_files_max: usize = RETURN_FILES,
    /// rows of a partner's own sheet in which its header is looked for
    header_search_rows_max: usize = HEADER_SEARCH_ROWS,
    /// columns of a drop
    drop_columns_max: usize = DROP_COLUMNS,
    /// rows of a drop; the rest waits for the next
    drop_rows_max: usize = DROP_ROWS,
    /// bytes of a mapping or code file
    mapping_bytes_max: u64 = MAPPING_BYTES,
    /// calls to all GP systems under way at once
    calls_at_once_max: usize = ALL_CALLS_AT_ONCE,
    /// characters of an expression
    expression_characters_max: usize = EXPRESSION_CHARACTERS,
    /// items that an expression looks at for one row; a row that needs more is held
    expression_steps_max: u32 = EXPRESSION_STEPS,
    /// bytes of a compiled regular expression
    pattern_bytes_max: usize = PATTERN_BYTES,
    /// bytes of the config file
    config_bytes_max: u64 = CONFIG_BYTES,
    /// diagnostics kept of one file; the others are counted
    diagnostics_max: usize = DIAGNOSTICS,
    /// bytes of one line of the log; a field that is too long is left out, and the line says so
    log_line_bytes_max: usize = LOG_LINE_BYTES,
    /// seconds for which a person's act waits for a run, and a statement for the store's lock
    lock_wait_seconds: u64 = LOCK_WAIT_SECONDS,
    /// seconds of one statement of the store; one that takes longer is stopped, and nothing of its transaction is written
    statement_seconds_max: u64 = STATEMENT_SECONDS,
    /// bytes of the store's write-ahead log from which it is folded in; a longer one, which somebody's reader keeps, is said
    write_ahead_bytes_max: u64 = WRITE_AHEAD_BYTES,
}

impl Default for Limits {
    fn default() -> Self {
        Self::of(|key| key.bound.usual)
    }
}

impl Limits {
    /// The ceilings: for what was lawful when it was made, whatever the limits are now.
    pub(crate) fn ceilings() -> Self {
        Self::of(|key| key.bound.most)
    }
}

/// What to do about what is over a limit: the key that raises it, and how far.
pub(crate) fn how_to_raise(key: &str) -> String {
    let mut keys = LIMIT_KEYS.iter();
    let Some(limit) = keys.find(|known| known.key == key) else {
        return "make it smaller".to_owned();
    };
    let (says, most) = (limit.says.trim(), limit.bound.most);
    format!("make it smaller, or raise [limits] {key} ({says}) in the config, to {most} at most")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_has_its_own_field_and_what_is_usual_is_lawful() {
        let mut number = 0;
        let counted = Limits::of(|_| {
            number += 1;
            number
        });
        let values: Vec<u64> = counted
            .values()
            .into_iter()
            .map(|(_, value)| value)
            .collect();
        assert_eq!(values, (1..=number).collect::<Vec<_>>());
        for LimitKey { key, bound, .. } in LIMIT_KEYS {
            assert!((1..=bound.most).contains(&bound.usual), "{key}");
        }
        assert!(Limits::default().return_rows_max < Limits::ceilings().return_rows_max);
    }
}
