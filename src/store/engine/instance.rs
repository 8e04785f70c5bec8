//! The file as a whole: how far it has come, and that it can be written.

use crate::domain::time::Timestamp;
use crate::store::engine::error::Error;
use crate::store::tables::columns::optional_timestamp_at;
use crate::store::tx::{Snapshot, Tx};

impl Snapshot<'_> {
    /// When the newest row of the file was written, by the file's time, of those that
    /// are numbered in the order they come: transfers, events, and the accounts of
    /// newcomers.
    ///
    /// A row bears its merchant's time. That clock has only ever moved forward, so the
    /// row's date less what the clock is ahead by now is never later than the file's
    /// time when it was written. It is too early when the clock was moved after that;
    /// but then the move is the later of the two, and its date is the file's own.
    pub(crate) fn newest_row_at(&self) -> Result<Option<Timestamp>, Error> {
        self.connection.query_row(
            "SELECT max(at) FROM (
                 SELECT (SELECT created_at - (SELECT clock_offset_millis FROM merchant WHERE merchant.id = merchant_id)
                         FROM transfer ORDER BY id DESC LIMIT 1) AS at
                 UNION ALL
                 SELECT (SELECT created_at - (SELECT clock_offset_millis FROM merchant WHERE merchant.id = merchant_id)
                         FROM event ORDER BY id DESC LIMIT 1)
                 UNION ALL
                 SELECT (SELECT updated_at - (SELECT clock_offset_millis FROM merchant WHERE merchant.id = merchant_id)
                         FROM account ORDER BY id DESC LIMIT 1)
                 UNION ALL
                 SELECT max(clock_moved_at) FROM merchant)",
            [],
            |row| Ok(optional_timestamp_at(row, 0)),
        )?
    }

    /// The greatest number that a row took from [`IdSource`](crate::domain::ids::IdSource);
    /// what comes next must be numbered after it.
    pub(crate) fn newest_number(&self) -> Result<i64, Error> {
        let newest = self.connection.query_row(
            "SELECT max(coalesce((SELECT max(id) FROM escrow), 0), coalesce((SELECT max(id) FROM payment_transaction), 0),
                        coalesce((SELECT max(id) FROM card), 0), coalesce((SELECT max(id) FROM whitelist_address), 0),
                        coalesce((SELECT max(id) FROM category), 0), coalesce((SELECT max(id) FROM delivery), 0),
                        coalesce((SELECT max(id) FROM event), 0))",
            [],
            |row| row.get(0),
        )?;
        Ok(newest)
    }
}

impl Tx<'_> {
    /// Writes something small, to prove that writing works.
    pub fn write_heartbeat(&mut self) -> Result<(), Error> {
        self.connection
            .prepare_cached("UPDATE instance SET heartbeat_at = ?1")?
            .execute([self.ledger_time().millis()])?;
        Ok(())
    }
}
