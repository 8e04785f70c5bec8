//! How far a sandbox merchant's clock is ahead of the file's time.

use crate::domain::ids::MerchantId;
use crate::domain::sandbox::clock_offset::ClockOffset;
use crate::store::engine::error::{Error, one_row};
use crate::store::tables::columns::broken;
use crate::store::tx::{Snapshot, Tx};

impl Snapshot<'_> {
    /// How far a merchant's clock is ahead of the file's time.
    pub fn clock_of(&self, merchant: MerchantId) -> Result<ClockOffset, Error> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT clock_offset_millis FROM merchant WHERE id = ?1")?;
        let mut rows = statement.query([merchant.0])?;
        let Some(row) = rows.next()? else {
            return Err(broken("the number of a merchant", &merchant.0.to_string()));
        };
        let ahead: i64 = row.get(0)?;
        ClockOffset::from_millis(ahead).ok_or_else(|| broken("how far a clock is ahead", &ahead.to_string()))
    }
}

impl Tx<'_> {
    /// Acts for this sandbox merchant from now on, and by its clock.
    pub fn use_clock_of(&mut self, merchant: MerchantId) -> Result<(), Error> {
        self.clock = self.clock_of(merchant)?;
        Ok(())
    }

    /// Acts for nobody from now on, or for a merchant whose clock was never moved.
    pub fn use_ledger_clock(&mut self) {
        self.clock = ClockOffset::NONE;
    }

    /// Moves a merchant's clock, further ahead only. The rest of this command still
    /// happens at the time it began, unless the merchant is attended anew.
    pub fn save_clock(&mut self, merchant: MerchantId, clock: ClockOffset) -> Result<(), Error> {
        let changed = self
            .connection
            .prepare_cached(
                "UPDATE merchant SET clock_offset_millis = ?2, clock_moved_at = ?3
                 WHERE id = ?1 AND clock_offset_millis < ?2",
            )?
            .execute([merchant.0, clock.millis(), self.ledger_time().millis()])?;
        one_row(changed, "a merchant whose clock was behind")
    }
}
