//! Pay-outs.

use crate::domain::customers::owner_problem::OwnerProblem;
use crate::domain::ids::{MerchantId, OperatorId, PayoutId, ReceiptId, TransactionId};
use crate::domain::ledger::Account;
use crate::domain::money::Amount;
use crate::domain::page::{Page, PageRequest};
use crate::domain::payments::payment::Payment;
use crate::domain::time::{Date, Timestamp};
use crate::domain::transaction::BankAccount;
use crate::domain::treasury::payout::{BankEntry, Payout, PayoutAsked, PayoutStatus, PayoutStep};
use crate::domain::treasury::reference::ReferenceScope;
use crate::store::engine::error::Error;
use crate::store::engine::sql::{Row, params};
use crate::store::tables::checked::{insert_checked, update_checked};
use crate::store::tables::columns::{broken, has_status_of, list_of_words, read_all, row, stored_as_word};
use crate::store::tx::{Snapshot, Tx};

/// A pay-out with its merchant and its withdrawal.
#[derive(Clone, Debug)]
pub struct StoredPayout {
    pub payout: Payout,
    pub merchant: MerchantId,
    /// The withdrawal of a customer or of the merchant.
    pub withdrawal: Option<TransactionId>,
}

/// A pay-out with its withdrawal, as replies show it.
#[derive(Clone, Debug)]
pub struct PayoutWithWithdrawal {
    pub payout: Payout,
    pub withdrawal: Option<Payment>,
    /// What keeps the owner of an open pay-out from withdrawing now.
    pub owner_problem: Option<OwnerProblem>,
}

stored_as_word!(PayoutStatus, "the status of a pay-out");
stored_as_word!(PayoutStep, "what is asked for of a pay-out");

row! {
    struct PayoutRow<'a>, payout_columns! {
        id: i64 = "payout.id",
        guard: u32 = "payout.guard",
        merchant_id: MerchantId = "payout.merchant_id",
        account_id: i64 = "payout.account_id",
        transaction_id: Option<i64> = "payout.transaction_id",
        transaction_guard: Option<u32> = "payment_transaction.guard",
        receipt_id: Option<i64> = "payout.receipt_id",
        receipt_guard: Option<u32> = "receipt.guard",
        amount: Amount = "payout.amount",
        fee: Amount = "payout.fee",
        destination: Option<&'a str>,
        status: PayoutStatus = "payout.status",
        requested_by: Option<i64>,
        requester_guard: Option<u32> = "requester.guard",
        approved_by: Option<i64>,
        approver_guard: Option<u32> = "approver.guard",
        batch: Option<u32>,
        asked_by: Option<i64> = "payout.asked_by",
        asker_guard: Option<u32> = "asker.guard",
        asked_for: Option<PayoutStep>,
        bank_reference: Option<String> = "payout.bank_reference",
        value_date: Option<Date> = "payout.value_date",
        was_paid: bool,
        reason: Option<String>,
        created_at: Timestamp = "payout.created_at",
        updated_at: Timestamp = "payout.updated_at",
    }
}

/// Selects pay-outs, without the request of an operator who was revoked since: it does not count.
macro_rules! select_payout {
    ($condition:expr) => {
        concat!(
            "SELECT ",
            payout_columns!(),
            " FROM payout
              LEFT JOIN payment_transaction ON payment_transaction.id = payout.transaction_id
              LEFT JOIN receipt ON receipt.id = payout.receipt_id
              LEFT JOIN operator AS requester ON requester.id = requested_by
              LEFT JOIN operator AS approver ON approver.id = approved_by
              LEFT JOIN operator AS asker ON asker.id = payout.asked_by AND asker.revoked_at IS NULL
              WHERE ",
            $condition
        )
    };
}

/// Pay-outs that the bank may be asked to pay. Leaves out those of which an operator has asked to
/// record the return: the bank would pay what a second operator gives back to its owner. Leaves out
/// those whose owner has an [`OwnerProblem`] too.
macro_rules! may_go_to_bank {
    () => {
        "payout.status = 'approved' AND asker.id IS NULL AND NOT EXISTS (
           SELECT 1 FROM account JOIN customer
             ON customer.merchant_id = account.merchant_id AND customer.id = account.customer_id
           WHERE account.id = payout.account_id AND (blocked_at IS NOT NULL OR can_withdraw = 0))"
    };
}

/// A page of a merchant's pay-outs. Its numbers are chosen in the index.
const PAGE: &str = select_payout!(concat!(
    "payout.id IN (SELECT id FROM payout WHERE merchant_id = ?1 AND id <= ?5 AND ",
    has_status_of!("?2"),
    " ORDER BY id DESC LIMIT ?3 OFFSET ?4)
      ORDER BY payout.id DESC"
));

/// Counts the rows of the list of which [`PAGE`] is a page.
const COUNT: &str = concat!(
    "SELECT count(*) FROM payout WHERE merchant_id = ?1 AND id <= ?3 AND ",
    has_status_of!("?2")
);

impl Snapshot<'_> {
    /// Returns a merchant's pay-out. Pay-outs of other merchants are not found.
    pub fn payout(&self, merchant: MerchantId, id: PayoutId) -> Result<Option<StoredPayout>, Error> {
        let mut statement = self.connection.prepare(select_payout!(
            "payout.id = ?1 AND payout.guard = ?2 AND payout.merchant_id = ?3"
        ))?;
        statement.first(params![id.number(), id.guard(), merchant.0], |row| {
            self.read_payout(row)
        })
    }

    /// Returns the pay-out with this number, which exists.
    pub(crate) fn payout_of_number(&self, number: i64) -> Result<StoredPayout, Error> {
        let mut statement = self.connection.prepare(select_payout!("payout.id = ?1"))?;
        let payout = statement.first(params![number], |row| self.read_payout(row))?;
        payout.ok_or_else(|| broken("the number of a pay-out", &number.to_string()))
    }

    /// Returns the pay-out of a withdrawal. A withdrawal of a strict sandbox has none.
    pub fn payout_of_withdrawal(&self, withdrawal: TransactionId) -> Result<Option<StoredPayout>, Error> {
        let mut statement = self.connection.prepare(select_payout!("payout.transaction_id = ?1"))?;
        statement.first(params![withdrawal.number()], |row| self.read_payout(row))
    }

    /// Returns a page of a merchant's pay-outs with one of these statuses, or of all, newest first.
    pub fn payouts(
        &self,
        merchant: MerchantId,
        statuses: Option<&[PayoutStatus]>,
        request: PageRequest,
    ) -> Result<Page<StoredPayout>, Error> {
        let mut statement = self.connection.prepare(PAGE)?;
        let (limit, offset) = (request.rows_read(), request.offset());
        let statuses = list_of_words(statuses);
        let rows = statement.query(params![merchant.0, &statuses, limit, offset, request.newest()])?;
        let rows = read_all(rows, |row| self.read_payout(row))?;
        let count = self.count(COUNT, params![merchant.0, &statuses, request.newest_counted()])?;
        let key = |payout: &StoredPayout| payout.payout.id.number();
        Ok(Page::of(rows, count, request, key))
    }

    /// Returns a merchant's pay-out with its withdrawal, or `None` if the merchant has none with
    /// this id.
    pub fn payout_with_withdrawal(
        &self,
        merchant: MerchantId,
        id: PayoutId,
    ) -> Result<Option<PayoutWithWithdrawal>, Error> {
        let stored = self.payout(merchant, id)?;
        stored.map(|stored| self.with_withdrawal(stored)).transpose()
    }

    /// Returns a page of [`Self::payouts`] with their withdrawals.
    pub fn payouts_with_withdrawals(
        &self,
        merchant: MerchantId,
        statuses: Option<&[PayoutStatus]>,
        request: PageRequest,
    ) -> Result<Page<PayoutWithWithdrawal>, Error> {
        let page = self.payouts(merchant, statuses, request)?;
        page.try_map(|stored| self.with_withdrawal(stored))
    }

    /// Returns a pay-out with its withdrawal.
    pub fn with_withdrawal(&self, stored: StoredPayout) -> Result<PayoutWithWithdrawal, Error> {
        Ok(PayoutWithWithdrawal {
            owner_problem: self.payout_owner_problem(stored.merchant, &stored.payout)?,
            withdrawal: match stored.withdrawal {
                Some(id) => self.payment(id)?,
                None => None,
            },
            payout: stored.payout,
        })
    }

    /// Returns what keeps the owner of an open pay-out from withdrawing now.
    pub fn payout_owner_problem(&self, merchant: MerchantId, payout: &Payout) -> Result<Option<OwnerProblem>, Error> {
        if payout.status.is_open() {
            self.owner_problem(merchant, &payout.source)
        } else {
            Ok(None)
        }
    }

    /// Returns what keeps the customer who owns this account from withdrawing now. Accounts of the
    /// merchant have no owner who could be kept from it.
    pub fn owner_problem(&self, merchant: MerchantId, account: &Account) -> Result<Option<OwnerProblem>, Error> {
        let access = match account.customer() {
            Some(owner) => self.customer_access(merchant, owner)?,
            None => None,
        };
        Ok(access.and_then(|access| access.owner_problem()))
    }

    /// Returns the `max` oldest of a merchant's approved pay-outs that are in no batch and may go to
    /// the bank, oldest first.
    pub fn payouts_to_export(&self, merchant: MerchantId, max: usize) -> Result<Vec<StoredPayout>, Error> {
        let mut statement = self.connection.prepare(select_payout!(concat!(
            "payout.merchant_id = ?1 AND batch IS NULL AND ",
            may_go_to_bank!(),
            " ORDER BY payout.id LIMIT ?2"
        )))?;
        read_all(statement.query(params![merchant.0, max])?, |row| self.read_payout(row))
    }

    /// Returns the `max` oldest pay-outs of a merchant's batch that are still approved and may go to
    /// the bank, oldest first.
    pub fn approved_payouts_of_batch(
        &self,
        merchant: MerchantId,
        batch: u32,
        max: usize,
    ) -> Result<Vec<StoredPayout>, Error> {
        let mut statement = self.connection.prepare(select_payout!(concat!(
            "payout.merchant_id = ?1 AND batch = ?2 AND ",
            may_go_to_bank!(),
            " ORDER BY payout.id LIMIT ?3"
        )))?;
        read_all(statement.query(params![merchant.0, batch, max])?, |row| {
            self.read_payout(row)
        })
    }

    /// Returns the number of a merchant's newest batch, or `None` if it has none.
    pub fn newest_payout_batch(&self, merchant: MerchantId) -> Result<Option<u32>, Error> {
        self.connection
            .prepare("SELECT max(batch) FROM payout WHERE merchant_id = ?1 AND batch IS NOT NULL")?
            .one(params![merchant.0], |row| row.get(0))
    }

    /// Returns the paid pay-out with this bank reference, of a merchant within the scope.
    pub fn payout_with_bank_reference(
        &self,
        merchant: MerchantId,
        entry: &BankEntry,
        scope: ReferenceScope,
    ) -> Result<Option<(MerchantId, PayoutId)>, Error> {
        self.connection
            .prepare("SELECT merchant_id, id, guard FROM payout WHERE bank_reference_key = ?1 AND (merchant_id = ?2 OR ?3) LIMIT 1")?
            .first(params![entry.reference_key(), merchant.0, scope == ReferenceScope::AllMerchants], |row| {
                Ok((row.get(0)?, PayoutId::new(row.get(1)?, row.get(2)?)))
            })
    }

    fn read_payout(&self, row: Row<'_>) -> Result<StoredPayout, Error> {
        let row = PayoutRow::read(row)?;
        let destination: Option<BankAccount> = row
            .destination
            .map(|json| serde_json::from_str(json).map_err(|_| broken("the destination of a pay-out", json)))
            .transpose()?;
        let withdrawal = row.transaction_id.zip(row.transaction_guard);
        Ok(StoredPayout {
            merchant: row.merchant_id,
            withdrawal: withdrawal.map(|(number, guard)| TransactionId::new(number, guard)),
            payout: Payout {
                id: PayoutId::new(row.id, row.guard),
                source: self.account_of_number(row.account_id)?,
                amount: row.amount,
                fee: row.fee,
                status: row.status,
                destination,
                receipt: row
                    .receipt_id
                    .zip(row.receipt_guard)
                    .map(|(number, guard)| ReceiptId::new(number, guard)),
                requested_by: operator_id(row.requested_by, row.requester_guard),
                approved_by: operator_id(row.approved_by, row.approver_guard),
                batch: row.batch,
                asked: operator_id(row.asked_by, row.asker_guard)
                    .zip(row.asked_for)
                    .map(|(by, step)| PayoutAsked { by, step }),
                paid: bank_entry(row.bank_reference, row.value_date),
                was_paid: row.was_paid,
                reason: row.reason,
                created_at: row.created_at,
                updated_at: row.updated_at,
            },
        })
    }
}

fn bank_entry(reference: Option<String>, value_date: Option<Date>) -> Option<BankEntry> {
    Some(BankEntry {
        reference: reference?,
        value_date: value_date?,
    })
}

/// Returns the id of an operator that a row may name.
pub(crate) fn operator_id(number: Option<i64>, guard: Option<u32>) -> Option<OperatorId> {
    Some(OperatorId::new(number?, guard?))
}

impl Tx<'_> {
    /// Inserts a pay-out, with its withdrawal if it has one.
    pub fn insert_payout(
        &mut self,
        merchant: MerchantId,
        payout: &Payout,
        withdrawal: Option<TransactionId>,
    ) -> Result<(), Error> {
        let account = self.account(merchant, &payout.source)?.id;
        let destination = payout.destination.as_ref();
        let destination =
            destination.map(|account| serde_json::to_string(account).expect("a bank account can be written as JSON"));
        self.connection
            .prepare(insert_checked!(
                "payout",
                id: "?1",
                guard: "?2",
                merchant_id: "?3",
                account_id: "?4",
                transaction_id: "?5",
                receipt_id: "?6",
                amount: "?7",
                fee: "?8",
                destination: "?9",
                status: "?10",
                requested_by: "?11",
                was_paid: "?12",
                created_at: "?13",
                updated_at: "?13",
            ))?
            .change_row(
                params![
                    payout.id.number(),
                    payout.id.guard(),
                    merchant.0,
                    account,
                    withdrawal.as_ref().map(TransactionId::number),
                    payout.receipt.as_ref().map(ReceiptId::number),
                    payout.amount.minor(),
                    payout.fee.minor(),
                    destination,
                    payout.status.into_str(),
                    payout.requested_by.as_ref().map(OperatorId::number),
                    payout.was_paid,
                    payout.created_at.millis(),
                ],
                "a pay-out",
            )
    }

    /// Saves what changes of a pay-out.
    pub fn save_payout(&mut self, payout: &Payout) -> Result<(), Error> {
        self.connection
            .prepare(concat!(
                update_checked!(
                    "payout",
                    status: "?2",
                    approved_by: "?3",
                    bank_reference: "?4",
                    value_date: "?5",
                    was_paid: "?6",
                    reason: "?7",
                    updated_at: "?8",
                    bank_reference_key: "?9",
                    batch: "?10",
                    asked_by: "?11",
                    asked_for: "?12",
                ),
                " WHERE id = ?1"
            ))?
            .change_row(
                params![
                    payout.id.number(),
                    payout.status.into_str(),
                    payout.approved_by.as_ref().map(OperatorId::number),
                    payout.paid.as_ref().map(|paid| paid.reference.as_str()),
                    payout.paid.as_ref().map(|paid| paid.value_date.to_string()),
                    payout.was_paid,
                    payout.reason,
                    payout.updated_at.millis(),
                    payout.paid.as_ref().map(BankEntry::reference_key),
                    payout.batch,
                    payout.asked.map(|asked| asked.by.number()),
                    payout.asked.map(|asked| asked.step.into_str()),
                ],
                "a pay-out",
            )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::engine::sqlite::plans;

    #[test]
    fn a_page_reads_no_other_rows() {
        let terms = "merchant_id=? AND status=? AND rowid<?";
        plans::assert_reads_its_page(PAGE, "payout", terms);
        plans::assert_stays_in_index(COUNT, "payout", terms);
    }
}
