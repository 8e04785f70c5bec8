//! Reads the payment histories.

use rusqlite::Connection;
use rustc_hash::FxHashMap;

use crate::store::engine::error::Error;
use crate::store::tables::columns::row;

/// The sums of one account's payment history.
#[derive(Clone, Copy, Default)]
pub(super) struct History {
    pub(super) newest: Option<i64>,
    pub(super) count: i64,
    pub(super) sum: i128,
}

/// The payment histories of all accounts.
#[derive(Default)]
pub(super) struct Histories {
    /// By the number of the account.
    pub(super) of_account: FxHashMap<i64, History>,
    /// Entries that do not follow the one before, each with its account.
    pub(super) broken_at: Vec<(i64, i64)>,
}

row! {
    struct EntryRow, entry_columns! {
        id: i64,
        account_id: i64,
        previous_id: Option<i64>,
        is_debit: bool = "credit_type = 'debit'",
        amount: i64,
    }
}

impl Histories {
    /// Reads the histories up to the entry with this number.
    pub(super) fn up_to(newest: Option<i64>, connection: &Connection) -> Result<Self, Error> {
        let mut statement = connection.prepare(concat!(
            "SELECT ",
            entry_columns!(),
            " FROM payment_transaction WHERE id <= ?1 ORDER BY id"
        ))?;
        let mut rows = statement.query([newest])?;
        let mut histories = Self::default();
        while let Some(row) = rows.next()? {
            let row = EntryRow::read(row)?;
            let amount = i128::from(row.amount);
            let history = histories.of_account.entry(row.account_id).or_default();
            if history.newest != row.previous_id {
                histories.broken_at.push((row.id, row.account_id));
            }
            history.newest = Some(row.id);
            history.count += 1;
            history.sum += if row.is_debit { -amount } else { amount };
        }
        Ok(histories)
    }
}
