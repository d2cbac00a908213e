//! In which order the days of a file stand: decided column by column, with the evidence of the whole file.
//!
//! The days that we delivered are witnesses. If all of them came back in the other order and none as it was, the file was saved in the other order, and
//! a column of answers is read so if it has days over 12 that agree and none that does not. A column that contradicts itself or the witnesses is in
//! doubt: its days with two readings are held. Nothing else is undone.

use std::collections::HashMap;

use jiff::civil::Date;

use super::cell_text::typed;
use super::days::{DayForm, DayOrder, WrittenDay, of_number, written_day};
use crate::pipeline::delivered_rows::ComparedColumn;
use crate::sheet::SheetRow;

/// In which order an agreement has its days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AgreedOrder {
    Numbers(DayOrder),
    /// The year first, or the month as a word: numbers in another order have no agreed reading.
    Other,
}

impl AgreedOrder {
    /// The order of a strftime pattern.
    pub(super) fn of(pattern: &str) -> Self {
        let place = |signs: [&str; 3]| signs.iter().filter_map(|sign| pattern.find(sign)).min();
        let (day, month) = (place(["%d", "%-d", "%e"]), place(["%m", "%-m", "%_m"]));
        let year = place(["%Y", "%y", "%-y"]);
        match (day, month, year) {
            (Some(day), Some(month), Some(year)) if year > day && year > month => {
                Self::Numbers(if day < month {
                    DayOrder::DayFirst
                } else {
                    DayOrder::MonthFirst
                })
            }
            _ => Self::Other,
        }
    }
}

/// What the delivered days say of how the file was saved.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Witnesses {
    day_first: usize,
    month_first: usize,
    /// Days that came back in a form that has one reading.
    certain: usize,
    from_1900: usize,
    from_1904: usize,
}

/// In which order the numbers of a column stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ColumnOrder {
    Known(DayOrder),
    /// Days with two readings are held.
    Doubt,
}

/// How the days of a file are read.
pub(super) struct Calendar {
    agreed: AgreedOrder,
    columns: HashMap<usize, ColumnOrder>,
    /// Numbers of days count from 1904.
    from_1904: bool,
    /// The order that all delivered days have, if it is not the agreed one.
    exchanged: Option<DayOrder>,
}

/// A day that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ReadDay {
    pub(super) day: Date,
    pub(super) written: WrittenDay,
}

/// Why a cell gives no day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoDay {
    None,
    /// It has two readings, and nothing in the file settles which is meant.
    TwoReadings,
}

impl Witnesses {
    /// What a row says: columns, what was delivered in them, and what came back.
    pub(super) fn hear<'c>(
        &mut self,
        row: impl Iterator<Item = (&'c ComparedColumn, &'c str, &'c str)>,
    ) {
        for (column, delivered, written) in row {
            let Some(pattern) = column.days.as_deref() else {
                continue;
            };
            if written.is_empty() {
                continue;
            }
            // As it was: it says something only if the pattern has numbers in an order.
            let Ok(day) = Date::strptime(pattern, delivered) else {
                continue;
            };
            self.hear_day(&typed(written), day);
        }
    }

    fn hear_day(&mut self, typed: &str, day: Date) {
        let form = written_day(typed).form;
        match form {
            DayForm::Ordered { .. } => {
                let is = |order: DayOrder| form.in_order(order) == Some(day);
                let (day_first, month_first) = (is(DayOrder::DayFirst), is(DayOrder::MonthFirst));
                // A day like 5 May says nothing.
                self.day_first += usize::from(day_first && !month_first);
                self.month_first += usize::from(month_first && !day_first);
            }
            DayForm::Certain(written) => self.certain += usize::from(written == day),
            DayForm::Number(number) => {
                self.from_1900 += usize::from(of_number(number, false) == Some(day));
                self.from_1904 += usize::from(of_number(number, true) == Some(day));
            }
            DayForm::None => {}
        }
    }

    /// The one order that all of them have.
    fn order(&self) -> Option<DayOrder> {
        match (self.day_first, self.month_first) {
            (1.., 0) => Some(DayOrder::DayFirst),
            (0, 1..) if self.certain == 0 => Some(DayOrder::MonthFirst),
            _ => None,
        }
    }

    /// Whether some stand in the one order and some in the other.
    fn disagree(&self) -> bool {
        self.month_first > 0 && (self.day_first > 0 || self.certain > 0)
    }
}

impl Calendar {
    /// Reads the columns of days of a file: their places, and the cells of each.
    pub(super) fn of(
        pattern: &str,
        witnesses: Witnesses,
        columns: impl Iterator<Item = usize>,
        rows: &[SheetRow<'_>],
    ) -> Self {
        let agreed = AgreedOrder::of(pattern);
        let order = witnesses.order();
        let mut calendar = Self {
            agreed,
            columns: HashMap::new(),
            from_1904: witnesses.from_1904 > 0 && witnesses.from_1900 == 0,
            exchanged: order.filter(|order| agreed != AgreedOrder::Numbers(*order)),
        };
        for place in columns {
            let mut seen = OrdersSeen::default();
            for row in rows {
                seen.add(row.cell(place));
            }
            if let Some(order) = calendar.order_of(seen, order, witnesses.disagree()) {
                calendar.columns.insert(place, order);
            }
        }
        calendar
    }

    fn order_of(
        &self,
        seen: OrdersSeen,
        witness: Option<DayOrder>,
        witnesses_disagree: bool,
    ) -> Option<ColumnOrder> {
        let agreed = match self.agreed {
            AgreedOrder::Numbers(order) => Some(order),
            AgreedOrder::Other => None,
        };
        if witnesses_disagree {
            return Some(ColumnOrder::Doubt);
        }
        let doubted = |known: DayOrder, others: usize| {
            if others == 0 {
                ColumnOrder::Known(known)
            } else {
                ColumnOrder::Doubt
            }
        };
        match (witness, agreed) {
            // The file was saved in the other order: the column must show that it was, too.
            (Some(order), agreed) if agreed != Some(order) => {
                let (so, otherwise) = seen.only_in(order);
                Some(if so == 0 {
                    ColumnOrder::Doubt
                } else {
                    doubted(order, otherwise)
                })
            }
            (_, Some(order)) => Some(doubted(order, seen.only_in(order).1)),
            (_, None) => None,
        }
    }

    /// The day that a typed cell of a column says.
    pub(super) fn read(&self, place: Option<usize>, typed: &str) -> Result<ReadDay, NoDay> {
        let written = written_day(typed);
        let read = |day: Option<Date>| {
            let day = day.ok_or(NoDay::None)?;
            Ok(ReadDay { day, written })
        };
        match written.form {
            DayForm::None => Err(NoDay::None),
            DayForm::Certain(day) => read(Some(day)),
            DayForm::Number(number) => read(of_number(number, self.from_1904)),
            form @ DayForm::Ordered { .. } => {
                let orders = [DayOrder::DayFirst, DayOrder::MonthFirst];
                let [day_first, month_first] = orders.map(|order| form.in_order(order));
                let known = place.and_then(|place| self.columns.get(&place));
                let year_first = written.short_year && form.with_year_first().is_some();
                match (known, day_first, month_first) {
                    // Of two digits each: the year may stand first, as was agreed.
                    (None, ..) if self.is_year_first() && year_first => Err(NoDay::TwoReadings),
                    // The same day in both orders, or one that has a reading in one of them alone.
                    (_, Some(one), Some(other)) if one == other => read(Some(one)),
                    (Some(ColumnOrder::Known(order)), ..) => form
                        .in_order(*order)
                        .map_or(Err(NoDay::TwoReadings), |day| read(Some(day))),
                    (Some(ColumnOrder::Doubt), ..) => match self.agreed {
                        AgreedOrder::Numbers(order) if form.in_order(order).is_some() => {
                            let other = orders.into_iter().find(|other| *other != order);
                            let two = other.is_some_and(|other| form.in_order(other).is_some());
                            if two {
                                Err(NoDay::TwoReadings)
                            } else {
                                read(form.in_order(order))
                            }
                        }
                        _ => Err(NoDay::TwoReadings),
                    },
                    (None, Some(one), None) | (None, None, Some(one)) => read(Some(one)),
                    (None, ..) => Err(NoDay::TwoReadings),
                }
            }
        }
    }

    /// Whether the agreement has numbers in an order, which the file keeps.
    pub(super) fn is_agreed_order(&self) -> bool {
        self.agreed != AgreedOrder::Other && self.exchanged.is_none()
    }

    /// Whether the agreement has neither day nor month first.
    pub(super) fn is_year_first(&self) -> bool {
        self.agreed == AgreedOrder::Other
    }

    /// Whether the days of the file count from 1904.
    pub(super) fn counts_from_1904(&self) -> bool {
        self.from_1904
    }

    /// The order in which the whole file was saved, if it is not the agreed one and some column was read so.
    pub(super) fn exchanged(&self) -> Option<DayOrder> {
        let order = self.exchanged?;
        let mut known = self.columns.values();
        known
            .any(|column| *column == ColumnOrder::Known(order))
            .then_some(order)
    }
}

/// What the numbers of a column say of their order.
#[derive(Clone, Copy, Debug, Default)]
struct OrdersSeen {
    only_day_first: usize,
    only_month_first: usize,
}

impl OrdersSeen {
    fn add(&mut self, cell: &str) {
        if cell.is_empty() {
            return;
        }
        let form = written_day(&typed(cell)).form;
        if !matches!(form, DayForm::Ordered { .. }) {
            return;
        }
        let day_first = form.in_order(DayOrder::DayFirst).is_some();
        let month_first = form.in_order(DayOrder::MonthFirst).is_some();
        self.only_day_first += usize::from(day_first && !month_first);
        self.only_month_first += usize::from(month_first && !day_first);
    }

    /// How many have a reading in this order alone, and how many in the other alone.
    fn only_in(self, order: DayOrder) -> (usize, usize) {
        match order {
            DayOrder::DayFirst => (self.only_day_first, self.only_month_first),
            DayOrder::MonthFirst => (self.only_month_first, self.only_day_first),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_have_an_order() {
        let numbers = AgreedOrder::Numbers;
        for (pattern, order) in [
            ("%d/%m/%Y", numbers(DayOrder::DayFirst)),
            ("%m/%d/%Y", numbers(DayOrder::MonthFirst)),
            ("%-d.%-m.%y", numbers(DayOrder::DayFirst)),
            ("%Y-%m-%d", AgreedOrder::Other),
            ("%d %b %Y", AgreedOrder::Other),
        ] {
            assert_eq!(AgreedOrder::of(pattern), order, "{pattern}");
        }
    }

    #[test]
    fn two_digits_of_a_year_may_stand_first_where_that_was_agreed() {
        let read = |pattern: &str, typed: &str| {
            let calendar = Calendar::of(pattern, Witnesses::default(), std::iter::empty(), &[]);
            calendar.read(None, typed).map(|read| read.day.to_string())
        };
        let cases = [
            ("%Y-%m-%d", "25-05-26", Err(NoDay::TwoReadings)),
            ("%Y-%m-%d", "26-05-25", Err(NoDay::TwoReadings)),
            ("%Y-%m-%d", "05-25-26", Ok("2026-05-25")),
            ("%Y-%m-%d", "25-05-2026", Ok("2026-05-25")),
            ("%Y-%m-%d", "2026-05-25", Ok("2026-05-25")),
        ];
        for (pattern, typed, day) in cases {
            assert_eq!(read(pattern, typed), day.map(str::to_owned), "{typed}");
        }
    }
}
