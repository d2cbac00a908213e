//! `[limits]`: how much is taken from outside, within ceilings that no setting passes.
//!
//! The table comes in; the limits in force go out. Kept: a limit is a number from 1 to its ceiling, and a key that is not
//! one of the table is named with the nearest.

use crate::domain::Limits;
use crate::toml_reader::TableReader;

/// Reads the section; what it does not say is usual.
pub(super) fn read_limits(root: &TableReader<'_>) -> Limits {
    let Some(table) = root.opt_table("limits") else {
        return Limits::default();
    };
    table.read_with(|table| {
        Limits::of(|limit| {
            let most = i64::try_from(limit.bound.most).unwrap_or(i64::MAX);
            let said = table.whole(limit.key, 1..=most);
            said.unwrap_or(limit.bound.usual)
        })
    })
}
