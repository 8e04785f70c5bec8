//! How far a sandbox merchant's clock is ahead of the file's time.

use rusqlite::Row;

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
        clock_offset_at(row, 0)
    }
}

pub(crate) fn clock_offset_at(row: &Row<'_>, column: usize) -> Result<ClockOffset, Error> {
    let ahead: i64 = row.get(column)?;
    ClockOffset::from_millis(ahead).ok_or_else(|| broken("how far a clock is ahead", &ahead.to_string()))
}

impl Tx<'_> {
    /// Makes the rest of this command happen by ledger time.
    pub fn use_ledger_clock(&mut self) {
        self.clock = ClockOffset::NONE;
    }

    /// Moves a merchant's clock, further ahead only. The rest of this command still
    /// happens at the time it began, until [`Tx::act_for`] is called again.
    pub fn save_clock(&mut self, merchant: MerchantId, clock: ClockOffset) -> Result<(), Error> {
        let changed = self
            .connection
            .prepare_cached(
                "UPDATE merchant SET clock_offset_millis = ?2, clock_moved_at = ?3
                 WHERE id = ?1 AND clock_offset_millis < ?2",
            )?
            .execute([merchant.0, clock.millis(), self.ledger_time().millis()])?;
        one_row(changed, "a merchant whose clock was behind")?;
        self.merchant_mut(merchant)?.clock = clock;
        Ok(())
    }
}
