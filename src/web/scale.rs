//! The scale of pictures: money and time as units of a drawing.

/// Returns a part of a whole in units, of which the whole has `units`.
pub(super) fn scaled(part: i64, whole: i64, units: i64) -> i64 {
    let scaled = i128::from(part) * i128::from(units) / i128::from(whole.max(1));
    i64::try_from(scaled).unwrap_or(units)
}
