//! Bank transfers that customers have announced for a deal.

use crate::domain::ids::{CustomerId, EscrowId, MerchantId};
use crate::domain::money::Amount;
use crate::domain::payments::payment::Payment;
use crate::domain::transaction::Method;
use crate::store::engine::error::Error;
use crate::store::engine::sql::params;
use crate::store::tables::columns::read_all;
use crate::store::tx::Snapshot;

/// Finds the pending deposits of a customer (?2) by bank transfer of one amount, oldest first.
const PENDING: &str = "SELECT transaction_id FROM payment_detail
     JOIN payment_transaction ON payment_transaction.id = transaction_id
     JOIN account ON account.id = account_id
     WHERE status = 'pending' AND method = 'BANK_TRANSFER' AND account.merchant_id = ?1
       AND account.customer_id = ?2 AND payment_transaction.amount = ?3
     ORDER BY transaction_id";

impl Snapshot<'_> {
    /// Returns the oldest pending deposit of a customer by bank transfer that is to pay this amount
    /// for this deal alone.
    pub fn pending_transfer(
        &self,
        merchant: MerchantId,
        customer: &CustomerId,
        deal: EscrowId,
        amount: Amount,
    ) -> Result<Option<Payment>, Error> {
        let mut statement = self.connection.prepare(PENDING)?;
        let rows = statement.query(params![merchant.0, customer.as_str(), amount.minor()])?;
        let deal = deal.to_string();
        for number in read_all(rows, |row| row.get::<i64>(0))? {
            let payment = self.payment_of_number(number)?;
            let pays_for = payment.method().map_or(&[][..], Method::escrow_ids);
            if *pays_for == [deal.as_str()] {
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

    /// Each view of a checkout page asks this.
    #[test]
    fn only_pending_payments_are_looked_at() {
        let [first, rest @ ..] = &plans::of(PENDING)[..] else {
            panic!("a plan has steps");
        };
        assert_eq!(first, "SCAN payment_detail USING INDEX payment_pending");
        assert!(rest.iter().all(|step| step.starts_with("SEARCH ")), "{rest:?}");
    }
}
