//! Reading and advancing a sandbox merchant's own clock.

use crate::commands::{Error, Policy, intents};
use crate::domain::ids::MerchantId;
use crate::domain::invalid::{Invalid, Parsed};
use crate::domain::sandbox::clock_offset::ClockOffset;
use crate::domain::sandbox::span::Span;
use crate::domain::time::Timestamp;
use crate::store::Tx;

/// Says why a clock goes no further, and the remedy.
pub(super) const CLOCK_END: &str =
    "a clock is never more than 365000 days ahead, and POST /sandbox/reset begins with a new one";

/// A merchant's clock as it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MerchantClock {
    /// The merchant's time.
    pub now: Timestamp,
    /// The clock's offset from ledger time.
    pub ahead: ClockOffset,
}

/// The result of advancing a clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advanced {
    /// The reading after the advance.
    pub clock: MerchantClock,
    /// The number of deliveries that the advance made due.
    pub deliveries: u64,
}

/// Returns the clock of the merchant that the command acts for.
pub fn read(tx: &Tx<'_>) -> MerchantClock {
    MerchantClock {
        now: tx.now(),
        ahead: tx.clock(),
    }
}

/// Advances the clock of `merchant`, the merchant that the command acts for, and settles the
/// withdrawals that are due then. The rest of the command happens at the new time. Its idempotency
/// record is therefore dated after the advance: with the old time, a long advance would expire it
/// at once.
///
/// # Errors
///
/// Refuses, in this order: an invalid span, a span that would exceed [`ClockOffset::MAX`].
pub fn advance(tx: &mut Tx<'_>, policy: &Policy, merchant: MerchantId, by: Parsed<Span>) -> Result<Advanced, Error> {
    let by = by?;
    let before = read(tx);
    let ahead = before.ahead.checked_add(by).ok_or_else(|| {
        let left = ClockOffset::MAX.seconds() - before.ahead.seconds();
        let expected = format!("at most {left} seconds: {CLOCK_END}");
        Invalid::wrong("by", expected, &by.seconds().to_string())
    })?;
    tx.save_clock(merchant, ahead)?;
    tx.act_for(merchant)?;
    // The caller settles the rest if there are more.
    intents::settle_due(tx, policy, merchant)?;
    let clock = read(tx);
    let deliveries = tx.deliveries_due(merchant, before.now, clock.now)?;
    Ok(Advanced { clock, deliveries })
}

/// Advances the clock of `merchant`, the merchant that the command acts for, to this moment
/// or as near to it as [`ClockOffset::MAX`] allows. A moment in the past changes nothing.
/// The rest of the command happens at the new time.
pub(super) fn advance_to(tx: &mut Tx<'_>, merchant: MerchantId, moment: Timestamp) -> Result<(), Error> {
    let ahead = ClockOffset::from_times(moment, tx.ledger_time());
    if ahead > tx.clock() {
        tx.save_clock(merchant, ahead)?;
        tx.act_for(merchant)?;
    }
    Ok(())
}
