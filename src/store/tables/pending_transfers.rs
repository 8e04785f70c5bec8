//! Bank transfers that customers have announced for a deal.

use std::slice;

use crate::domain::escrow::{self, Escrow};
use crate::domain::ids::{CustomerId, MerchantId};
use crate::domain::money::Amount;
use crate::domain::payments::payment::Payment;
use crate::domain::transaction::Method;
use crate::store::engine::error::Error;
use crate::store::engine::sql::params;
use crate::store::tables::columns::read_all;
use crate::store::tx::Snapshot;

/// Finds the pending deposits of a customer (?2) by bank transfer of one amount, oldest first. CROSS
/// JOIN keeps SQLite from walking along the pending payments of all merchants.
const PENDING: &str = "SELECT transaction_id FROM account
     CROSS JOIN payment_transaction ON account_id = account.id
     CROSS JOIN payment_detail ON transaction_id = payment_transaction.id
     WHERE merchant_id = ?1 AND customer_id = ?2 AND purpose = 'CUSTOMER_MAIN'
       AND transaction_type = 'deposit' AND payment_transaction.amount = ?3
       AND status = 'pending' AND method = 'BANK_TRANSFER'
     ORDER BY transaction_id";

impl Snapshot<'_> {
    /// Returns the oldest pending deposit of a customer by bank transfer that is to pay this amount
    /// for this deal alone, with the terms that it has now.
    pub fn pending_transfer(
        &self,
        merchant: MerchantId,
        customer: &CustomerId,
        deal: &Escrow,
        amount: Amount,
    ) -> Result<Option<Payment>, Error> {
        let mut statement = self.connection.prepare(PENDING)?;
        let rows = statement.query(params![merchant.0, customer.as_str(), amount.minor()])?;
        let id = deal.id.to_string();
        for number in read_all(rows, |row| row.get::<i64>(0))? {
            let payment = self.payment_of_number(number)?;
            let pays_for = |method: &Method| {
                *method.escrow_ids() == [id.as_str()]
                    && escrow::check_terms_agreed(slice::from_ref(deal), method.terms_hash()).is_ok()
            };
            if payment.method().is_some_and(pays_for) {
                return Ok(Some(payment));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::engine::sqlite::plans;

    /// Each view of a checkout page asks this, and the writer when a transfer is announced.
    #[test]
    fn only_deposits_of_the_customer_are_looked_at() {
        let plan = plans::of(PENDING);
        let steps = [
            "SEARCH account USING COVERING INDEX account_of_customer (merchant_id=? AND customer_id=? AND purpose=?)",
            "SEARCH payment_transaction USING COVERING INDEX deposit_of_account (account_id=? AND amount=?)",
            "SEARCH payment_detail USING INTEGER PRIMARY KEY (rowid=?)",
        ];
        assert!(plan.len() >= steps.len() && plan[..steps.len()] == steps, "{plan:#?}");
    }
}
