//! When something is due: crontab's five fields, in Europe/London time.
//!
//! Invariant: due times that exist come due at least once; a schedule that never does is refused when it is read.

use croner::parser::{CronParser, Seconds, Year};
use jiff::Zoned;
use jiff::civil::{Date, DateTime, time};

use crate::diagnostics::Code;
use crate::toml_reader::TableReader;

/// The days after which a schedule that has not come due is taken never to: leap days repeat within eight years.
const SEARCH_YEARS: i16 = 9;

/// A checked crontab line.
#[derive(Clone, Debug)]
pub(crate) struct DueTimes {
    text: String,
    cron: croner::Cron,
}

/// Why a crontab line cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DueError {
    /// Not crontab's five fields.
    #[error("a schedule has crontab's five fields, for example 0 6 * * MON-FRI")]
    Unreadable,
    /// Such a day does not exist.
    #[error("this schedule never comes due")]
    Never,
}

impl DueTimes {
    /// Reads crontab's five fields.
    ///
    /// # Errors
    /// [`DueError`], for CFG-011.
    pub(crate) fn parse(text: &str) -> Result<Self, DueError> {
        // Nicknames (@daily) are no crontab fields, and the sixth field of croner would mean seconds.
        if text.split_ascii_whitespace().count() != 5 {
            return Err(DueError::Unreadable);
        }
        let parser = CronParser::builder()
            .seconds(Seconds::Disallowed)
            .year(Year::Disallowed)
            .build();
        let cron = parser.parse(text).map_err(|_| DueError::Unreadable)?;
        let due = Self {
            text: text.to_owned(),
            cron,
        };
        let start = DateTime::from_parts(Date::constant(2024, 1, 1), time(0, 0, 0, 0));
        match due.cron.find_next_occurrence(&start, true) {
            Ok(next) if next.year() - start.year() < SEARCH_YEARS => Ok(due),
            _ => Err(DueError::Never),
        }
    }

    /// The fields as written.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The first due time after an instant, in the instant's own time zone.
    pub(crate) fn next_after(&self, instant: &Zoned) -> Option<Zoned> {
        self.cron.find_next_occurrence(instant, false).ok()
    }
}

/// Reads crontab's five fields of a key, or notes CFG-011.
pub(crate) fn read_schedule(table: &TableReader<'_>, key: &'static str) -> Option<DueTimes> {
    let text = table.opt_text(key)?;
    let refuse = |error: DueError| {
        let what = format!("{key}: {error}");
        table.problems().add(Code::ScheduleNever, what, &text.place);
    };
    DueTimes::parse(text.value).map_err(refuse).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_fields_that_come_due() {
        for text in [
            "0 6 * * MON-FRI",
            "*/15 * * * *",
            "0 2 * * *",
            "0 0 29 2 *",
            "30 4 1,15 * 5",
        ] {
            assert_eq!(
                DueTimes::parse(text).map(|due| due.text().to_owned()),
                Ok(text.to_owned())
            );
        }
        for text in [
            "",
            "0 6 * *",
            "0 0 6 * * MON",
            "@daily",
            "61 * * * *",
            "a b c d e",
        ] {
            assert_eq!(
                DueTimes::parse(text).map(|_| ()),
                Err(DueError::Unreadable),
                "{text}"
            );
        }
        assert_eq!(
            DueTimes::parse("0 0 30 2 *").map(|_| ()),
            Err(DueError::Never)
        );
    }

    #[test]
    fn london_time_is_kept_over_a_clock_change() {
        let due = DueTimes::parse("0 6 * * *").unwrap();
        let before: Zoned = "2026-10-24T12:00:00+01:00[Europe/London]".parse().unwrap();
        let next = due.next_after(&before).unwrap();
        assert_eq!(next.to_string(), "2026-10-25T06:00:00+00:00[Europe/London]");
    }
}
