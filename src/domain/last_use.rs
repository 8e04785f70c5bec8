//! The time at which a key was last used, which is saved with a precision so that reads seldom write.

use std::time::Duration;

use crate::domain::time::Timestamp;

/// The precision for a key without an end.
pub const PRECISION: Duration = Duration::from_hours(1);
/// The precision for a key that ends, such as one that was rotated. By it an operator decides if a
/// client still uses the key.
const PRECISION_OF_ENDING_KEY: Duration = Duration::from_mins(1);

/// Returns the precision for a key that ends at this time.
pub const fn precision_of_key(ends_at: Option<Timestamp>) -> Duration {
    match ends_at {
        Some(_) => PRECISION_OF_ENDING_KEY,
        None => PRECISION,
    }
}

/// Returns true if the stored time is at least as old as `precision`, so that a use now is saved.
pub fn is_outdated(last_used_at: Option<Timestamp>, precision: Duration, now: Timestamp) -> bool {
    let precision = i64::try_from(precision.as_millis()).expect("an hour is short");
    last_used_at.is_none_or(|last| last.millis_later(precision) <= now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_use_is_saved_once_the_stored_one_is_as_old_as_the_precision() {
        let at = |seconds: i64| Timestamp::EPOCH.seconds_later(seconds);
        let (endless, ending) = (precision_of_key(None), precision_of_key(Some(at(90_000))));
        for (last, precision, now, is_saved) in [
            (None, endless, 0, true),
            (Some(at(0)), endless, 3_599, false),
            (Some(at(0)), endless, 3_600, true),
            (Some(at(0)), ending, 59, false),
            (Some(at(0)), ending, 60, true),
            // A clock that was set back.
            (Some(at(7_200)), endless, 0, false),
        ] {
            let outdated = is_outdated(last, precision, at(now));
            assert_eq!(outdated, is_saved, "{last:?} {precision:?} {now}");
        }
    }
}
