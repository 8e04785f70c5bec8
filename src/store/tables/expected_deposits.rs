//! The deposits that are expected: pending ones that wait for money at the bank. An index has the
//! pending payments of all merchants.

use crate::domain::ids::{self, MerchantId, TransactionId};
use crate::domain::page::{Page, PageRequest};
use crate::domain::payments::payment::Payment;
use crate::domain::time::Timestamp;
use crate::store::engine::error::Error;
use crate::store::engine::sql::params;
use crate::store::tables::columns::read_all;
use crate::store::tables::receipts::waits_for_second_operator;
use crate::store::tx::Snapshot;

/// The pending deposits of merchant ?1 that wait for money at the bank. INDEXED BY and CROSS keep
/// SQLite from reading all payments to find them in the order of a page.
macro_rules! expected_deposits {
    () => {
        " FROM payment_detail INDEXED BY payment_pending
          CROSS JOIN payment_transaction ON payment_transaction.id = transaction_id
          JOIN account ON account.id = account_id
          WHERE status = 'pending' AND (method = 'BANK_TRANSFER' OR method = 'TEST_ACCOUNT')
            AND account.merchant_id = ?1"
    };
}

pub(crate) use expected_deposits;

/// A page of the expected deposits of merchant ?1.
const PAGE: &str = concat!(
    "SELECT transaction_id",
    expected_deposits!(),
    " AND transaction_id <= ?4 ORDER BY transaction_id DESC LIMIT ?2 OFFSET ?3"
);

/// Counts the deposits of which [`PAGE`] is a page.
const COUNT: &str = concat!("SELECT count(*)", expected_deposits!(), " AND transaction_id <= ?2");

impl Snapshot<'_> {
    /// Returns a page of a merchant's pending deposits that wait for money at the bank,
    /// newest first.
    pub fn expected_deposits(&self, merchant: MerchantId, request: PageRequest) -> Result<Page<Payment>, Error> {
        let mut statement = self.connection.prepare(PAGE)?;
        let (limit, offset) = (request.rows_read(), request.offset());
        let rows = statement.query(params![merchant.0, limit, offset, request.newest()])?;
        let numbers = read_all(rows, |row| row.get::<i64>(0))?;
        let payments = numbers.into_iter().map(|number| self.payment_of_number(number));
        let payments = payments.collect::<Result<Vec<_>, _>>()?;
        let count = self.count(COUNT, params![merchant.0, request.newest_counted()])?;
        Ok(Page::of(payments, count, request, |payment| {
            payment.transaction.id.number()
        }))
    }

    /// Returns at most `limit` pending deposits of any merchant by bank transfer that were
    /// asked for before this ledger time and have a number above `after`, each with its merchant,
    /// oldest first. Deposits whose money waits for a second operator are left out. For live mode
    /// alone, where the clocks of merchants follow ledger time.
    pub fn deposits_before(
        &self,
        before: Timestamp,
        after: i64,
        limit: u32,
    ) -> Result<Vec<(MerchantId, TransactionId)>, Error> {
        let mut statement = self.connection.prepare(concat!(
            "SELECT account.merchant_id, payment_transaction.id, payment_transaction.guard
             FROM payment_detail
             JOIN payment_transaction ON payment_transaction.id = transaction_id
             JOIN account ON account.id = account_id
             WHERE status = 'pending' AND method = 'BANK_TRANSFER' AND payment_transaction.created_at < ?1
               AND transaction_id < ?3 AND transaction_id > ?4
               AND NOT EXISTS (SELECT 1 FROM receipt WHERE receipt.merchant_id = account.merchant_id
                               AND expected_id = transaction_id AND ",
            waits_for_second_operator!(),
            ") ORDER BY transaction_id LIMIT ?2",
        ))?;
        // The number ends the walk along the pending payments, of which most are younger.
        let rows = statement.query(params![before.millis(), limit, ids::first_number_of(before), after])?;
        read_all(rows, |row| {
            let id = TransactionId::new(row.get(1)?, row.get(2)?);
            Ok((row.get(0)?, id))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::engine::sqlite::plans;

    /// Most payments have come or gone, and only those that wait are few.
    #[test]
    fn only_pending_payments_are_searched_for_expected_deposits() {
        for sql in [PAGE, COUNT] {
            let plan = plans::of(sql);
            assert_eq!(
                plan[0], "SEARCH payment_detail USING INDEX payment_pending (transaction_id<?)",
                "{plan:#?}"
            );
            let by_number = |step: &String| step.ends_with("USING INTEGER PRIMARY KEY (rowid=?)");
            assert!(plan[1..].iter().all(by_number), "{plan:#?}");
        }
    }
}
