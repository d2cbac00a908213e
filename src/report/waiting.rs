//! Exceptions: the entries that wait, by who must act, why, and for how long.

use std::collections::BTreeMap;

use super::input::{Held, Input};
use super::tables::{Ages, ExceptionRow, OwnerRow, Shown};
use super::words;
use crate::domain::Owner;

/// The last day of each band of age; what is older is in the fourth.
const BANDS: [i64; 3] = [1, 7, 28];

#[derive(Clone, Copy, Default)]
struct Sum([u64; 4]);

impl Sum {
    fn add(&mut self, held: &Held) {
        let band = BANDS
            .iter()
            .position(|last| held.age_days <= *last)
            .unwrap_or(BANDS.len());
        self.0[band] = self.0[band].saturating_add(held.count);
    }

    fn total(self) -> u64 {
        self.0.into_iter().fold(0, u64::saturating_add)
    }

    fn shown(self, shown: Shown) -> Ages {
        let [days_0_1, days_2_7, days_8_28, days_over_28] = self.0.map(|count| shown.cell(count));
        Ages {
            days_0_1,
            days_2_7,
            days_8_28,
            days_over_28,
            entries: shown.cell(self.total()),
        }
    }
}

/// An owner's word and name. An unknown one is the operator's to settle, so that nothing waits for nobody.
fn owner(code: &str) -> Owner {
    Owner::from_code(code).unwrap_or(Owner::It)
}

/// One row for each owner, also for those for whom nothing waits, and the total.
pub(super) fn by_owner(input: &Input, shown: Shown) -> Vec<OwnerRow> {
    let mut total = Sum::default();
    let mut sums: BTreeMap<Owner, Sum> = Owner::ALL
        .into_iter()
        .map(|owner| (owner, Sum::default()))
        .collect();
    for held in &input.held {
        sums.entry(owner(&held.owner)).or_default().add(held);
        total.add(held);
    }
    let mut rows: Vec<OwnerRow> = sums
        .into_iter()
        .map(|(owner, sum)| OwnerRow {
            owner: owner.code().to_owned(),
            words: words::owner(owner).to_owned(),
            ages: sum.shown(shown),
        })
        .collect();
    rows.push(OwnerRow {
        owner: "total".to_owned(),
        words: "All".to_owned(),
        ages: total.shown(shown),
    });
    rows
}

/// One row for each owner and reason, the commonest first.
pub(super) fn by_reason(input: &Input, shown: Shown) -> Vec<ExceptionRow> {
    let mut sums: BTreeMap<(Owner, &str), Sum> = BTreeMap::new();
    for held in input.held.iter().filter(|held| held.count > 0) {
        sums.entry((owner(&held.owner), &held.reason))
            .or_default()
            .add(held);
    }
    let mut sorted: Vec<((Owner, &str), Sum)> = sums.into_iter().collect();
    sorted.sort_by(
        |((owner, reason), sum), ((other_owner, other_reason), other)| {
            owner
                .cmp(other_owner)
                .then(other.total().cmp(&sum.total()))
                .then(reason.cmp(other_reason))
        },
    );
    sorted
        .into_iter()
        .map(|((owner, reason), sum)| ExceptionRow {
            owner: owner.code().to_owned(),
            owner_words: words::owner(owner).to_owned(),
            reason: reason.to_owned(),
            words: words::reason(reason).to_owned(),
            ages: sum.shown(shown),
        })
        .collect()
}
