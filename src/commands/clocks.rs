//! A sandbox merchant's own clock.

use crate::commands::Error;
use crate::domain::ids::MerchantId;
use crate::domain::refusal::{Invalid, Parsed};
use crate::domain::sandbox::clock_offset::ClockOffset;
use crate::domain::sandbox::span::Span;
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

/// A clock that was moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advanced {
    /// What it shows now.
    pub clock: ClockReading,
    /// How many events it was time to deliver by then, and not before.
    pub deliveries: u64,
}

/// The clock of the merchant who is attended.
pub fn read(tx: &Tx<'_>) -> ClockReading {
    ClockReading {
        now: tx.now(),
        ahead: tx.clock(),
    }
}

/// Moves the clock of the merchant who is attended. What is kept of this command is
/// dated after the move, or a long one would make it too old at once.
///
/// Refuses, in this order: what is no span, a span that leads too far.
pub fn advance(tx: &mut Tx<'_>, merchant: MerchantId, by: Parsed<Span>) -> Result<Advanced, Error> {
    let by = by?;
    let before = read(tx);
    let ahead = before.ahead.checked_add(by).ok_or_else(|| {
        let left = ClockOffset::MAX.seconds() - before.ahead.seconds();
        let expected = format!("at most {left} seconds: a clock is never more than 365000 days ahead");
        Invalid::wrong("by", expected, &by.seconds().to_string())
    })?;
    tx.save_clock(merchant, ahead)?;
    tx.act_for(merchant)?;
    let clock = read(tx);
    let deliveries = tx.deliveries_due(merchant, before.now, clock.now)?;
    Ok(Advanced { clock, deliveries })
}

/// Moves the clock of the merchant who is attended to this moment, or as near to it as
/// a clock goes, unless it is past; the rest of the command happens then.
pub(super) fn wait_until(tx: &mut Tx<'_>, merchant: MerchantId, moment: Timestamp) -> Result<(), Error> {
    let ahead = ClockOffset::from_times(moment, tx.ledger_time());
    if ahead > tx.clock() {
        tx.save_clock(merchant, ahead)?;
        tx.act_for(merchant)?;
    }
    Ok(())
}
