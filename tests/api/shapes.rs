//! The format of generated values on the wire (contract sections 1.6 and 1.7).

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

/// The id of an object.
pub(crate) const ID: &str = "hhhhhhhhhhhhhhhhhhhhhhhh";
/// A time, as in `createdAt`.
pub(crate) const ISO: &str = "0000-00-00T00:00:00.000Z";
/// A generated reference.
pub(crate) const REFERENCE: &str = "AAAAAAAAAAAAAAAAAAA";

/// Asserts that a value is a text of this shape. `0` stands for any digit, `h` for a
/// lower-case hex digit, `A` for a digit or capital, and every other character for itself.
#[track_caller]
pub(crate) fn assert_shape(value: &Value, shape: &str) {
    let text = value.as_str().unwrap_or_else(|| panic!("{value} is not a text"));
    let fits = |(found, wanted): (u8, u8)| match wanted {
        b'0' => found.is_ascii_digit(),
        b'h' => matches!(found, b'0'..=b'9' | b'a'..=b'f'),
        b'A' => matches!(found, b'0'..=b'9' | b'A'..=b'Z'),
        _ => found == wanted,
    };
    let is_of_shape = text.len() == shape.len() && text.bytes().zip(shape.bytes()).all(fits);
    assert!(is_of_shape, "{text} does not have the shape {shape}");
}

/// Asserts that a value is the current time in unix seconds, as a text.
#[track_caller]
pub(crate) fn assert_unix_now(value: &Value) {
    let text = value.as_str().unwrap_or_else(|| panic!("{value} is not a text"));
    let seconds: u64 = text.parse().unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    assert!(seconds <= now && now - seconds < 60, "{seconds} is not now, {now}");
}
