//! The numbers of objects, and ids in hexadecimal.
//!
//! Every object has a number, which is also the key of its row. Numbers follow time, so
//! that a new row lands at the right edge of its table.

use crate::domain::time::Timestamp;

/// The step between two objects' numbers. The numbers between belong to the first of
/// the two: an escrow's milestones take them.
pub const NUMBERS_APART: i64 = 1 << 10;
/// The most milestones of one escrow. Each takes a number after the escrow's.
pub const MILESTONES_MAX: i64 = 1_000;
/// Numbers of one millisecond: enough for 32 objects. Further objects take numbers of
/// the next millisecond.
const NUMBERS_PER_MILLISECOND: i64 = 1 << 15;
/// The smallest number of an object, even of one created in 1970. Seeded ids show smaller
/// numbers (see `seeded.rs`).
pub(super) const FIRST_NUMBER: i64 = 1 << 26;

/// Returns the number of an object created at `now`. It is greater than `previous`, the last
/// number given out, even if the clock has stepped back.
pub fn number_after(previous: i64, now: Timestamp) -> i64 {
    first_number_of(now)
        .max(previous.saturating_add(NUMBERS_APART))
        .max(FIRST_NUMBER)
}

/// Returns the smallest number of an object created in this millisecond. Objects created
/// before have smaller numbers, unless the numbers of their millisecond ran out.
pub fn first_number_of(now: Timestamp) -> i64 {
    now.millis().saturating_mul(NUMBERS_PER_MILLISECOND)
}

/// Returns the last number that [`number_after`] gives out in this millisecond before it
/// takes those of the next.
pub fn last_number_of(now: Timestamp) -> i64 {
    let first_of_next = now.millis().saturating_add(1).saturating_mul(NUMBERS_PER_MILLISECOND);
    first_of_next.saturating_sub(NUMBERS_APART)
}

/// Returns the time of an object by its number, or `None` if no time has such numbers. It may
/// be later than the creation by the milliseconds whose numbers earlier objects took.
pub fn time_of_number(number: i64) -> Option<Timestamp> {
    Timestamp::from_millis(number.div_euclid(NUMBERS_PER_MILLISECOND))
}

/// Writes an id as 24 lower-case hex characters: 16 of its number, 8 of its guard
/// (contract section 1.6).
pub(super) fn encode_hex(number: i64, guard: u32, text: &mut [u8; 24]) -> &str {
    let mut bytes = [0; 12];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    bytes[8..].copy_from_slice(&guard.to_be_bytes());
    hex::encode_to_slice(bytes, text).expect("two characters for each byte");
    str::from_utf8(text).expect("hex is ASCII")
}

/// Returns number and guard of an id, or `None` if the text is not 24 lower-case hex
/// characters.
pub(super) fn decode_hex(text: &str) -> Option<(i64, u32)> {
    let is_lower_case = !text.bytes().any(|byte| byte.is_ascii_uppercase());
    let mut bytes = [0; 12];
    let decoded = hex::decode_to_slice(text, &mut bytes);
    let (number, guard) = bytes.split_at(8);
    let number = i64::from_be_bytes(number.try_into().ok()?);
    let guard = u32::from_be_bytes(guard.try_into().ok()?);
    (is_lower_case && decoded.is_ok()).then_some((number, guard))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_follow_time_and_never_repeat() {
        let at = |millis| Timestamp::from_millis(millis).unwrap();
        let first = number_after(0, at(1_782_123_300_007));
        assert_eq!(first >> 15, 1_782_123_300_007);
        assert_eq!(time_of_number(first + 1_000), Some(at(1_782_123_300_007)));
        let many = std::iter::successors(Some(first), |&previous| {
            Some(number_after(previous, at(1_782_123_300_007)))
        });
        let many: Vec<i64> = many.take(100).collect();
        assert!(
            many.is_sorted_by(|a, b| a + 1024 == *b),
            "objects after the 32nd take numbers of the next millisecond"
        );
        assert!(number_after(many[99], at(1_782_123_300_011)) > many[99]);
        assert!(
            number_after(many[99], at(0)) > many[99],
            "a number is greater than the last one even if the clock steps back"
        );
        let now = at(1_782_123_300_007);
        assert_eq!(
            last_number_of(now),
            many[31],
            "a millisecond has numbers for 32 objects"
        );
        assert!(number_after(last_number_of(now), now) > many[31]);
        let last_of_all = at(253_402_207_199_999);
        assert!(
            number_after(0, last_of_all) < i64::MAX - 1024,
            "numbers last until the year 9999"
        );
    }
}
