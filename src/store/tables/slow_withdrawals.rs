//! Withdrawals that the sandbox settles later, by the merchant's clock.

use crate::domain::ids::{MerchantId, TransactionId};
use crate::domain::time::Timestamp;
use crate::store::engine::error::Error;
use crate::store::engine::sql::params;
use crate::store::tables::columns::{read_all, row};
use crate::store::tx::{Snapshot, Tx};

row! {
    struct DueRow, due_columns! {
        id: i64 = "transaction_id",
        guard: u32 = "payment_transaction.guard",
    }
}

impl Snapshot<'_> {
    /// Returns the time at which a withdrawal is settled, if it is one that takes its time.
    pub fn slow_withdrawal_due(
        &self,
        merchant: MerchantId,
        withdrawal: TransactionId,
    ) -> Result<Option<Timestamp>, Error> {
        self.connection
            .prepare("SELECT due_at FROM slow_withdrawal WHERE merchant_id = ?1 AND transaction_id = ?2")?
            .first(params![merchant.0, withdrawal.number()], |row| row.get(0))
    }

    /// Returns at most `limit` of a merchant's withdrawals that are due at this time on its
    /// clock, the oldest first.
    pub fn due_withdrawals(
        &self,
        merchant: MerchantId,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<TransactionId>, Error> {
        let mut statement = self.connection.prepare(concat!(
            "SELECT ",
            due_columns!(),
            " FROM slow_withdrawal JOIN payment_transaction ON payment_transaction.id = transaction_id
             WHERE merchant_id = ?1 AND due_at <= ?2 ORDER BY transaction_id LIMIT ?3"
        ))?;
        read_all(statement.query(params![merchant.0, now.millis(), limit])?, |row| {
            let row = DueRow::read(row)?;
            Ok(TransactionId::new(row.id, row.guard))
        })
    }

    /// Returns the first merchant behind `after`, in the order of their numbers, with a withdrawal that
    /// is due at this ledger time.
    pub fn merchant_with_due_withdrawals(
        &self,
        ledger_time: Timestamp,
        after: Option<MerchantId>,
    ) -> Result<Option<MerchantId>, Error> {
        let after = after.map_or(0, |merchant| merchant.0);
        self.connection
            .prepare(
                "SELECT merchant_id FROM slow_withdrawal JOIN merchant ON merchant.id = merchant_id
                 WHERE due_at <= ?1 + clock_offset_millis AND merchant_id > ?2 ORDER BY merchant_id LIMIT 1",
            )?
            .first(params![ledger_time.millis(), after], |row| row.get(0))
    }
}

impl Tx<'_> {
    /// Sets the time at which a withdrawal is settled.
    pub fn save_slow_withdrawal(
        &mut self,
        merchant: MerchantId,
        withdrawal: TransactionId,
        due_at: Timestamp,
    ) -> Result<(), Error> {
        self.connection
            .prepare(
                "INSERT INTO slow_withdrawal (merchant_id, transaction_id, due_at) VALUES (?1, ?2, ?3)
                 ON CONFLICT (merchant_id, transaction_id) DO UPDATE SET due_at = excluded.due_at",
            )?
            .execute(params![merchant.0, withdrawal.number(), due_at.millis()])?;
        Ok(())
    }

    /// Removes a withdrawal that is settled.
    pub fn delete_slow_withdrawal(&mut self, merchant: MerchantId, withdrawal: TransactionId) -> Result<(), Error> {
        self.connection
            .prepare("DELETE FROM slow_withdrawal WHERE merchant_id = ?1 AND transaction_id = ?2")?
            .execute(params![merchant.0, withdrawal.number()])?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::engine::sql::Connection;

    #[test]
    fn a_due_time_that_is_no_point_in_time_is_damage() {
        let connection = rusqlite::Connection::open_in_memory().unwrap();
        let sql = "CREATE TABLE slow_withdrawal (merchant_id, transaction_id, due_at);
                   INSERT INTO slow_withdrawal VALUES (1, 2, 9223372036854775807)";
        connection.execute_batch(sql).unwrap();
        let snapshot = Snapshot::of(Connection::of(&connection));
        let due = snapshot.slow_withdrawal_due(MerchantId(1), TransactionId::new(2, 0_u32));
        assert!(matches!(due, Err(Error::Corrupt(_))), "{due:?}");
    }
}
