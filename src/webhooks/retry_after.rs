//! The response header `Retry-After`, by which an endpoint asks for a longer pause than
//! that of the retry schedule.

use std::time::UNIX_EPOCH;

use crate::domain::time::Timestamp;

/// Returns the pause that a header asks for, in seconds. The header is a number of seconds or
/// an HTTP date (`Retry-After` in RFC 9110). Any other text asks for nothing, and neither
/// does a date in the past. A date is compared with `sent_at`, the response's `Date`, so that
/// it means the same if the clock of one machine is wrong, or with `now` if there is none.
pub(super) fn pause_of(header: &str, sent_at: Option<&str>, now: Timestamp) -> Option<u32> {
    let text = header.trim_ascii();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // A number that is too large asks for a long pause all the same.
        return Some(text.parse().unwrap_or(u32::MAX));
    }
    let sent_at = sent_at.and_then(date_of).unwrap_or(now);
    let millis = date_of(text)?.millis() - sent_at.millis();
    let seconds = u64::try_from(millis).ok()?.div_ceil(1000);
    (seconds > 0).then(|| u32::try_from(seconds).unwrap_or(u32::MAX))
}

/// Returns the time of an HTTP date since 1970, or `None` for any other text.
fn date_of(text: &str) -> Option<Timestamp> {
    let date = httpdate::parse_http_date(text).ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(Timestamp::EPOCH.millis_later(i64::try_from(date.as_millis()).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_a_number_of_seconds_or_an_http_date() {
        let now = Timestamp::parse("1994-11-06T08:49:30.250Z").unwrap();
        for (header, pause) in [
            ("0", Some(0)),
            ("120", Some(120)),
            (" 120 ", Some(120)),
            ("007", Some(7)),
            ("4294967296", Some(u32::MAX)),
            ("99999999999999999999999", Some(u32::MAX)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(7)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", Some(7)),
            ("Sun Nov  6 08:49:37 1994", Some(7)),
            ("Sun, 06 Nov 1994 08:49:30 GMT", None),
            ("Fri, 04 Nov 1994 08:49:37 GMT", None),
            ("Fri, 31 Dec 9999 23:59:59 GMT", Some(u32::MAX)),
            ("", None),
            ("-5", None),
            ("+5", None),
            ("1.5", None),
            ("1e3", None),
            ("soon", None),
            ("1994-11-06T08:49:37Z", None),
            ("\u{661}\u{662}", None),
        ] {
            assert_eq!(pause_of(header, None, now), pause, "{header:?}");
        }
    }

    #[test]
    fn a_date_is_compared_with_the_clock_that_wrote_it() {
        let header = "Sun, 06 Nov 1994 08:49:37 GMT";
        let sent_at = Some("Sun, 06 Nov 1994 08:48:37 GMT");
        for now in ["1994-11-06T08:48:37Z", "1993-01-01T00:00:00Z", "2026-01-01T00:00:00Z"] {
            let now = Timestamp::parse(now).unwrap();
            assert_eq!(pause_of(header, sent_at, now), Some(60), "{now}");
            assert_eq!(pause_of("120", sent_at, now), Some(120));
        }
        let now = Timestamp::parse("1994-11-06T08:49:07Z").unwrap();
        assert_eq!(pause_of(header, Some("yesterday"), now), Some(30));
    }
}
