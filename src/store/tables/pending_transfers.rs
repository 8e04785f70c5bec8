//! Bank transfers that customers have announced for a deal.

use crate::domain::escrow::Escrow;
use crate::domain::ids::{CustomerId, MerchantId};
use crate::domain::money::Amount;
use crate::domain::payments::announcement::Announcement;
use crate::domain::payments::payment::Payment;
use crate::domain::transaction::{DepositAccount, Method};
use crate::store::engine::error::Error;
use crate::store::engine::sql::params;
use crate::store::tables::columns::read_all;
use crate::store::tx::Snapshot;

/// Finds the oldest pending deposits of this announcement (?1), whatever else is pending. A merchant
/// changes its account seldom, so few of them name a former one.
const PENDING: &str = "SELECT transaction_id FROM payment_detail WHERE announcement = ?1 AND status = 'pending'
     ORDER BY transaction_id LIMIT 20";

impl Snapshot<'_> {
    /// Returns the oldest pending deposit of a customer by bank transfer to this account that is to pay
    /// this amount for this deal alone, with the terms that it has now.
    pub fn pending_transfer(
        &self,
        merchant: MerchantId,
        customer: &CustomerId,
        deal: &Escrow,
        amount: Amount,
        account: &DepositAccount,
    ) -> Result<Option<Payment>, Error> {
        let announcement = Announcement::new(merchant, customer, deal, amount);
        let mut statement = self.connection.prepare(PENDING)?;
        let numbers: Vec<i64> = read_all(statement.query(params![announcement.as_bytes()])?, |row| row.get(0))?;
        for number in numbers {
            let deposit = self.payment_of_number(number)?;
            if matches!(deposit.method(), Some(Method::BankTransfer { account: Some(to), .. }) if to == account) {
                return Ok(Some(deposit));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::engine::sqlite::plans;

    /// Each view of a checkout page asks this, and the writer when a transfer is announced. A customer
    /// may have any number of pending deposits of any amount.
    #[test]
    fn a_pending_transfer_is_found_by_one_step() {
        let plan = plans::of(PENDING);
        let step = "SEARCH payment_detail USING COVERING INDEX payment_announced (announcement=?)";
        assert_eq!(plan, [step]);
    }
}
