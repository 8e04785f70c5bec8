//! What the payment histories say.

use rusqlite::Connection;
use rustc_hash::FxHashMap;

use crate::store::engine::error::Error;
use crate::store::tables::columns::text_at;

/// An account's payment history, as far as it was read.
#[derive(Clone, Copy, Default)]
pub(super) struct History {
    pub(super) newest: Option<i64>,
    pub(super) count: i64,
    pub(super) sum: i128,
}

/// Every account's payment history.
#[derive(Default)]
pub(super) struct Histories {
    pub(super) of_account: FxHashMap<i64, History>,
    /// Entries that do not follow the one before, and whose they are.
    pub(super) broken_at: Vec<(i64, i64)>,
}

impl Histories {
    pub(super) fn up_to(newest: Option<i64>, connection: &Connection) -> Result<Self, Error> {
        let mut statement = connection.prepare(
            "SELECT id, account_id, previous_id, credit_type, amount FROM payment_transaction
             WHERE id <= ?1 ORDER BY id",
        )?;
        let mut rows = statement.query([newest])?;
        let mut histories = Self::default();
        while let Some(row) = rows.next()? {
            let (entry, account): (i64, i64) = (row.get(0)?, row.get(1)?);
            let amount = i128::from(row.get::<_, i64>(4)?);
            let is_debit = text_at(row, 3)? == "debit";
            let history = histories.of_account.entry(account).or_default();
            if history.newest != row.get(2)? {
                histories.broken_at.push((entry, account));
            }
            history.newest = Some(entry);
            history.count += 1;
            history.sum += if is_debit { -amount } else { amount };
        }
        Ok(histories)
    }
}
