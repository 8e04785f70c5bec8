//! The clocks of sandbox merchants.

use crate::domain::ids::MerchantId;
use crate::domain::sandbox::clock_offset::ClockOffset;
use crate::store::engine::error::Error;
use crate::store::engine::sql::{Row, params};
use crate::store::tables::columns::{FromColumn, broken, no_merchant};
use crate::store::tx::{Snapshot, Tx};

impl FromColumn<'_> for ClockOffset {
    fn from_column(row: Row<'_>, column: usize) -> Result<Self, Error> {
        let millis: i64 = row.get(column)?;
        Self::from_millis(millis).ok_or_else(|| broken("a clock offset in milliseconds", &millis.to_string()))
    }
}

impl Snapshot<'_> {
    /// Returns a merchant's clock offset.
    pub fn clock_of(&self, merchant: MerchantId) -> Result<ClockOffset, Error> {
        let mut statement = self
            .connection
            .prepare("SELECT clock_offset_millis FROM merchant WHERE id = ?1")?;
        let mut rows = statement.query(params![merchant.0])?;
        match rows.next()? {
            Some(row) => ClockOffset::from_column(row, 0),
            None => Err(no_merchant(merchant)),
        }
    }
}

impl Tx<'_> {
    /// Switches the clock of the rest of this command to ledger time.
    pub fn use_ledger_clock(&mut self) {
        self.state.clock = ClockOffset::NONE;
    }

    /// Moves a merchant's clock forward. [`Tx::now`] stays the same until [`Tx::act_for`]
    /// is called again.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] if the merchant's clock offset is not smaller than `clock`.
    pub fn save_clock(&mut self, merchant: MerchantId, clock: ClockOffset) -> Result<(), Error> {
        self.connection
            .prepare(
                "UPDATE merchant SET clock_offset_millis = ?2, clock_moved_at = ?3
                 WHERE id = ?1 AND clock_offset_millis < ?2",
            )?
            .change_row(
                params![merchant.0, clock.millis(), self.ledger_time().millis()],
                "a merchant whose clock was behind",
            )?;
        self.merchant_mut(merchant)?.clock = clock;
        self.state.moved_clocks.push(merchant);
        Ok(())
    }
}
