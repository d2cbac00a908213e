//! Ages.
//!
//! A birth date as recorded and a day come in; one age, two, or none go out. Kept: what is recorded as a month or a year is
//! never taken for a day.

use jiff::civil::Date;

use crate::domain::recorded_days;

/// A person's age on a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Age {
    Years(u32),
    /// A partial birth date leaves two answers.
    Between(u32, u32),
    Unknown,
}

/// The age on a day; of a partial birth date both ends are tried.
pub(crate) fn age_on(birth_date: Option<&str>, day: Date) -> Age {
    let Some((earliest, latest)) = birth_date.and_then(recorded_days) else {
        return Age::Unknown;
    };
    let (Some(oldest), Some(youngest)) = (
        years_between(earliest, day),
        years_between(latest.min(day), day),
    ) else {
        return Age::Unknown;
    };
    if oldest == youngest {
        Age::Years(oldest)
    } else {
        Age::Between(youngest, oldest)
    }
}

/// Whole years; somebody born on 29 February has their birthday on 1 March of other years.
fn years_between(born: Date, day: Date) -> Option<u32> {
    let before = (day.month(), day.day()) < (born.month(), born.day());
    u32::try_from(i32::from(day.year()) - i32::from(born.year()) - i32::from(before)).ok()
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn an_age_is_one_answer_or_none() {
        let day = date(2026, 11, 23);
        let table = [
            ("2008-11-23", Age::Years(18)),
            ("2008-11-24", Age::Years(17)),
            ("2008-11", Age::Between(17, 18)),
            ("2008-12", Age::Years(17)),
            ("2008", Age::Between(17, 18)),
            ("2027-01-01", Age::Unknown),
            ("08", Age::Unknown),
            ("2008-13-01", Age::Unknown),
        ];
        for (born, age) in table {
            assert_eq!(age_on(Some(born), day), age, "{born}");
        }
        assert_eq!(age_on(None, day), Age::Unknown);
        assert_eq!(
            age_on(Some("2008-02-29"), date(2026, 2, 28)),
            Age::Years(17)
        );
        assert_eq!(age_on(Some("2008-02-29"), date(2026, 3, 1)), Age::Years(18));
    }
}
