//! How long to wait before a call is repeated: what the server asked for, else a random time that grows.

use std::time::Duration;

use jiff::fmt::rfc2822::DateTimeParser;
use reqwest::header::{HeaderMap, RETRY_AFTER};

/// The longest random wait.
const WAIT_MAX: Duration = Duration::from_secs(30);
/// How often a server that takes no connection is asked again: nobody is there to be overloaded, nor to answer soon.
pub(super) const CONNECTS_MAX: u32 = 3;

/// A wait between nothing and `base`·2ⁿ, evenly drawn: clients that failed together do not come back together.
pub(super) fn jittered(base: Duration, attempt: u32, random: u64) -> Duration {
    let most = base
        .saturating_mul(2_u32.saturating_pow(attempt))
        .min(WAIT_MAX);
    let micros = u64::try_from(most.as_micros()).unwrap_or(u64::MAX);
    Duration::from_micros(random % micros.saturating_add(1))
}

/// What an answer asks for: milliseconds as Microsoft writes them, else both forms of `Retry-After`. A date is measured
/// against the server's own clock where it says what time it has.
pub(super) fn asked(headers: &HeaderMap, date: Option<i64>, now: i64) -> Option<Duration> {
    let text = |name: &str| Some(headers.get(name)?.to_str().ok()?.trim().to_owned());
    if let Some(millis) = text("x-ms-retry-after-ms").and_then(|text| text.parse().ok()) {
        return Some(Duration::from_millis(millis));
    }
    let text = text(RETRY_AFTER.as_str())?;
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let micros = http_date(&text)?.saturating_sub(date.unwrap_or(now));
    Some(Duration::from_micros(u64::try_from(micros).unwrap_or(0)))
}

/// An HTTP date as microseconds UTC.
pub(super) fn http_date(text: &str) -> Option<i64> {
    let parsed = DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(parsed.as_microsecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_have_an_end() {
        let base = Duration::from_millis(500);
        for (attempt, most) in [(0, 500), (1, 1_000), (3, 4_000), (20, 30_000), (40, 30_000)] {
            let most = Duration::from_millis(most);
            assert_eq!(jittered(base, attempt, 0), Duration::ZERO);
            let micros = u64::try_from(most.as_micros()).unwrap();
            assert_eq!(jittered(base, attempt, micros), most);
            assert!(jittered(base, attempt, 0x9E37_79B9_7F4A_7C15) <= most);
        }
        assert_eq!(jittered(Duration::ZERO, 5, 17), Duration::ZERO);
    }

    #[test]
    fn every_form_of_retry_after_is_read() {
        let date = http_date("Sun, 22 Nov 2026 12:00:00 GMT");
        let later = "Sun, 22 Nov 2026 12:00:07 GMT";
        let now = date.unwrap() + 5_000_000;
        for (name, value, date, wanted) in [
            ("retry-after", "7", date, Some(7_000)),
            ("retry-after", later, date, Some(7_000)),
            ("retry-after", later, None, Some(2_000)),
            (
                "retry-after",
                "Sun, 22 Nov 2026 11:00:00 GMT",
                date,
                Some(0),
            ),
            ("x-ms-retry-after-ms", "250", date, Some(250)),
            ("retry-after", "soon", date, None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            assert_eq!(
                asked(&headers, date, now),
                wanted.map(Duration::from_millis),
                "{value}"
            );
        }
    }
}
