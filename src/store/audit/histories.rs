//! Reads the payment histories.

use rustc_hash::FxHashMap;

use crate::store::engine::error::Error;
use crate::store::engine::sql::{Connection, params};
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
    /// Reads the histories up to the entry with this number. The query has no values, so that
    /// PostgreSQL's rows are read in parts.
    pub(super) fn up_to(newest: Option<i64>, connection: Connection<'_>) -> Result<Self, Error> {
        let mut statement = connection.prepare(concat!(
            "SELECT ",
            entry_columns!(),
            " FROM payment_transaction ORDER BY id"
        ))?;
        let mut rows = statement.query(params![])?;
        let mut histories = Self::default();
        while let Some(row) = rows.next()? {
            let row = EntryRow::read(row)?;
            if newest.is_none_or(|newest| row.id > newest) {
                break;
            }
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

row! {
    /// A payment's detail; the account is NULL if the payment does not exist.
    struct DetailRow, detail_columns! {
        transaction_id: i64,
        account_id: Option<i64>,
        is_debit: Option<bool> = "credit_type = 'debit'",
        amount: Option<i64>,
        fee: i64,
        // A withdrawal has moved its money from the request on if it has a pay-out.
        has_moved: Option<bool> = "(payment_detail.status = 'success' AND NOT (method = 'CARD' AND transaction_type = 'escrow'))
            OR (payment_detail.status = 'pending' AND EXISTS
                (SELECT 1 FROM payout WHERE payout.transaction_id = payment_detail.transaction_id))",
        // A withdrawal that came back after the bank had paid it has cost its fee.
        has_cost_fee: bool = "payment_detail.status = 'reversed' AND EXISTS
            (SELECT 1 FROM payout WHERE payout.transaction_id = payment_detail.transaction_id AND was_paid = 1)",
    }
}

/// The corrections of the sums of histories by the details of payments:
///
/// - A pending, failed or reversed payment has moved nothing.
/// - A debit has cost its fee on top.
/// - A withdrawal that was paid and came back has cost its fee alone.
/// - A card that paid for an escrow has not touched the wallet.
#[derive(Default)]
pub(super) struct Corrections {
    /// By the number of the account.
    pub(super) of_account: FxHashMap<i64, i128>,
    /// The payments that details name and that do not exist.
    pub(super) without_payment: Vec<i64>,
}

impl Corrections {
    /// Reads the details of all payments.
    pub(super) fn read(connection: Connection<'_>) -> Result<Self, Error> {
        let mut statement = connection.prepare(concat!(
            "SELECT ",
            detail_columns!(),
            " FROM payment_detail LEFT JOIN payment_transaction ON payment_transaction.id = transaction_id"
        ))?;
        let mut rows = statement.query(params![])?;
        let mut corrections = Self::default();
        while let Some(row) = rows.next()? {
            let row = DetailRow::read(row)?;
            let (Some(account), Some(is_debit), Some(amount), Some(has_moved)) =
                (row.account_id, row.is_debit, row.amount, row.has_moved)
            else {
                corrections.without_payment.push(row.transaction_id);
                continue;
            };
            let (amount, fee) = (i128::from(amount), i128::from(row.fee));
            let entered = if is_debit { -amount } else { amount };
            let moved = match (has_moved, row.has_cost_fee) {
                (true, _) => entered - fee,
                (false, true) => -fee,
                (false, false) => 0,
            };
            *corrections.of_account.entry(account).or_default() += moved - entered;
        }
        Ok(corrections)
    }
}
