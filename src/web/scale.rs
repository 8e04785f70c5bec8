//! The scale of pictures: money and time as units of a drawing.

/// Returns a part of a whole in units, of which the whole has `units`.
pub(super) fn scaled(part: impl Into<i128>, whole: impl Into<i128>, units: i64) -> i64 {
    let scaled = part.into() * i128::from(units) / whole.into().max(1);
    i64::try_from(scaled).unwrap_or(units)
}
