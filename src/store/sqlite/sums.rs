//! Counting: what a report and a summary need of many rows, summed where the rows lie.

use super::super::StoreError;
use super::super::rows::{BookSum, DropRowCount, FactCount, HoldCount};
use super::SqliteStore;
use super::columns::{book_sum, drop_row_count, fact_count, hold_count};
use super::query::Rows;
use crate::domain::{DropId, Stage};

impl SqliteStore {
    pub(super) async fn rows_sent_of(&self, ids: Vec<DropId>) -> Rows<DropRowCount> {
        let mut sums: Vec<DropRowCount> = Vec::new();
        for id in ids {
            let sql = "SELECT f.partner, r.action, count(*) FROM drop_file f JOIN drop_row r ON r.drop_id = f.id WHERE f.id = ? AND f.state < 4 \
                       GROUP BY f.partner, r.action ORDER BY r.action";
            for row in self.many(sql, &[id.number()], drop_row_count).await? {
                match sums
                    .iter_mut()
                    .find(|sum| (sum.partner, sum.action) == (row.partner, row.action))
                {
                    Some(sum) => sum.count += row.count,
                    None => sums.push(row),
                }
            }
        }
        sums.sort_unstable_by_key(|sum| (sum.partner, sum.action));
        Ok(sums)
    }

    pub(super) async fn open_hold_counts(&self, before: i64) -> Rows<HoldCount> {
        let sql = "SELECT reason, stage, source, partner, (?1 - since) / 86400000000 AS age, count(*) FROM held WHERE open AND since < ?1 \
                   GROUP BY reason, stage, source, partner, age ORDER BY reason, stage, source, partner, age";
        self.many(sql, &[before], hold_count).await
    }

    pub(super) async fn sums_of_books(&self, stage: Stage) -> Result<Vec<BookSum>, StoreError> {
        let sql = "SELECT source, partner, sum(accepted), sum(repeated), sum(rejected), sum(held) FROM book WHERE stage = ? \
                   GROUP BY source, partner ORDER BY source, partner";
        self.many(sql, &[stage.number()], book_sum).await
    }

    pub(super) async fn counts_of_facts(&self, month: i64) -> Rows<FactCount> {
        let sql = "SELECT month, issue, source, partner, instrument, item, before, after, count(*) FROM fact WHERE month <= ? \
                   GROUP BY month, issue, source, partner, instrument, item, before, after \
                   ORDER BY month, issue, source, partner, instrument, item, before, after";
        self.many(sql, &[month], fact_count).await
    }
}
