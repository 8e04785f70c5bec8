//! The file as a whole: how far it has come, and that it can be written.

use super::columns::optional_timestamp_at;
use super::error::Error;
use super::snapshot::{Snapshot, Tx};
use crate::domain::time::Timestamp;

impl Snapshot<'_> {
    /// When the newest row of the file was written, of those that are numbered
    /// in the order they come: transfers, events, and the accounts of newcomers.
    pub(super) fn newest_row_at(&self) -> Result<Option<Timestamp>, Error> {
        self.connection.query_row(
            "SELECT max(at) FROM (
                 SELECT (SELECT created_at FROM transfer ORDER BY id DESC LIMIT 1) AS at
                 UNION ALL SELECT (SELECT created_at FROM event ORDER BY id DESC LIMIT 1)
                 UNION ALL SELECT (SELECT updated_at FROM account ORDER BY id DESC LIMIT 1))",
            [],
            |row| Ok(optional_timestamp_at(row, 0)),
        )?
    }

    /// The greatest number that a row took from [`IdSource`](crate::domain::ids::IdSource);
    /// what comes next must be numbered after it.
    pub(super) fn newest_number(&self) -> Result<i64, Error> {
        let newest = self.connection.query_row(
            "SELECT max(coalesce((SELECT max(id) FROM escrow), 0), coalesce((SELECT max(id) FROM payment_transaction), 0),
                        coalesce((SELECT max(id) FROM card), 0), coalesce((SELECT max(id) FROM whitelist_address), 0),
                        coalesce((SELECT max(id) FROM category), 0), coalesce((SELECT max(id) FROM delivery), 0))",
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
            .execute([self.now().millis()])?;
        Ok(())
    }
}
