//! A sandbox merchant's own clock.

use super::Error;
use crate::domain::ids::MerchantId;
use crate::domain::merchant_clock::ClockOffset;
use crate::domain::refusal::{Invalid, Sent};
use crate::domain::span::Span;
use crate::domain::time::Timestamp;
use crate::store::Tx;

/// What a merchant's clock shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockReading {
    /// The merchant's time.
    pub now: Timestamp,
    /// How far that is ahead of the time of a merchant who never moved it.
    pub ahead: ClockOffset,
}

impl ClockReading {
    fn of(tx: &Tx<'_>, ahead: ClockOffset) -> Self {
        Self {
            now: ahead.shown_at(tx.file_time()),
            ahead,
        }
    }
}

/// The clock of the merchant who is attended.
pub fn read(tx: &Tx<'_>) -> ClockReading {
    ClockReading::of(tx, tx.attended().clock)
}

/// Moves the clock of the merchant who is attended.
///
/// Refuses, in this order: what is no span, a span that leads too far.
pub fn advance(tx: &mut Tx<'_>, merchant: MerchantId, by: Sent<Span>) -> Result<ClockReading, Error> {
    let by = by?;
    let ahead = tx.attended().clock.moved_by(by).ok_or_else(|| {
        let left = ClockOffset::MAX.seconds() - tx.attended().clock.seconds();
        let expected = format!("at most {left} seconds: a clock is never more than 365000 days ahead");
        Invalid::wrong("by", expected, &by.seconds().to_string())
    })?;
    tx.save_clock(merchant, ahead)?;
    Ok(ClockReading::of(tx, ahead))
}
