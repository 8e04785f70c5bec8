//! Payment histories, the details of payments, and the references that were used.

use crate::domain::escrow::deal::{Deal, DealRef};
use crate::domain::ids::{EscrowId, MerchantId, Reference, TransactionId};
use crate::domain::ledger::Account;
use crate::domain::money::Amount;
use crate::domain::page::{Page, PageRequest};
use crate::domain::payments::announcement::Announcement;
use crate::domain::payments::history::HistoryFilter;
use crate::domain::payments::payment::Payment;
use crate::domain::time::Timestamp;
use crate::domain::transaction::{CreditType, Detail, Method, PaymentStatus, Transaction, TransactionType};
use crate::store::engine::error::Error;
use crate::store::engine::sql::{Row, params};
use crate::store::tables::checked::{insert_checked, update_checked};
use crate::store::tables::columns::{broken, optional_escrow_id, row, stored_as_word};
use crate::store::tx::{Snapshot, Tx};

/// A reference that a payment has used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsedReference {
    /// SHA-256 of the request.
    pub request_hash: [u8; 32],
    transaction: i64,
}

stored_as_word!(TransactionType, "a transaction type");
stored_as_word!(CreditType, "a credit type");
stored_as_word!(PaymentStatus, "the status of a payment");

row! {
    struct RequestRow, request_columns! {
        request_hash: [u8; 32],
        transaction_id: i64,
    }
}

row! {
    struct TestAccountRow, test_account_columns! {
        transaction_id: i64,
        account_id: i64,
    }
}

row! {
    /// The columns of an entry that lead through a history and that its filter compares.
    struct EntryRow<'a>, entry_columns! {
        previous_id: Option<i64>,
        transaction_type: TransactionType,
        id: i64,
        guard: u32,
        reference: Option<&'a str>,
        created_at: Timestamp,
    }
}

row! {
    /// An entry of a payment history with its detail, whose columns are NULL if there is
    /// none.
    struct PaymentRow<'a>, payment_columns! {
        id: i64 = "payment_transaction.id",
        guard: u32 = "payment_transaction.guard",
        account_id: i64,
        transaction_type: TransactionType,
        credit_type: CreditType,
        amount: Amount = "payment_transaction.amount",
        reference: Option<&'a str>,
        escrow_id: Option<i64>,
        escrow_guard: Option<i64> = "escrow.guard",
        created_at: Timestamp = "payment_transaction.created_at",
        status: Option<PaymentStatus>,
        fee: Option<Amount> = "payment_detail.fee",
        settled_at: Option<Timestamp>,
        details: Option<&'a str>,
    }
}

const SELECT_PAYMENT: &str = concat!(
    "SELECT ",
    payment_columns!(),
    " FROM payment_transaction
      LEFT JOIN escrow ON escrow.id = escrow_id
      LEFT JOIN payment_detail ON transaction_id = payment_transaction.id
      WHERE payment_transaction.id = ?1"
);

impl Snapshot<'_> {
    /// Returns the use of a merchant's reference, if a payment has used it.
    pub fn used_reference(&self, merchant: MerchantId, reference: &Reference) -> Result<Option<UsedReference>, Error> {
        let mut statement = self.connection.prepare(concat!(
            "SELECT ",
            request_columns!(),
            " FROM requested_payment WHERE merchant_id = ?1 AND reference = ?2"
        ))?;
        let read = |row: Row<'_>| {
            let row = RequestRow::read(row)?;
            Ok(UsedReference {
                request_hash: row.request_hash,
                transaction: row.transaction_id,
            })
        };
        let used = statement.first(params![merchant.0, reference.as_str()], read)?;
        let (None, Some(id)) = (&used, reference.maker()) else {
            return Ok(used);
        };
        let mut statement = self.connection.prepare(concat!(
            "SELECT ",
            request_columns!(),
            " FROM requested_payment JOIN payment_transaction ON payment_transaction.id = transaction_id
             WHERE transaction_id = ?1 AND guard = ?2 AND merchant_id = ?3 AND requested_payment.reference IS NULL"
        ))?;
        statement.first(params![id.number(), id.guard(), merchant.0], read)
    }

    /// Returns the payment that used a reference, if it belongs to this owner.
    pub fn payment_of(
        &self,
        merchant: MerchantId,
        used: &UsedReference,
        owner: &Account,
    ) -> Result<Option<Payment>, Error> {
        let owner_number = self.account(merchant, owner)?.id;
        let mut statement = self.connection.prepare(SELECT_PAYMENT)?;
        let payment = statement.first(params![used.transaction], |row| {
            let row = PaymentRow::read(row)?;
            let is_owners = row.account_id == owner_number;
            is_owners.then(|| self.payment_of_row(&row, owner)).transpose()
        })?;
        Ok(payment.flatten())
    }

    /// Returns the payment with this id.
    pub fn payment(&self, id: TransactionId) -> Result<Option<Payment>, Error> {
        let mut statement = self.connection.prepare(SELECT_PAYMENT)?;
        statement.first(params![id.number()], |row| {
            let row = PaymentRow::read(row)?;
            let owner = self.account_of_number(row.account_id)?;
            self.payment_of_row(&row, &owner)
        })
    }

    /// Returns the payment that a receipt or a pay-out settles.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] if the payment or its detail is missing.
    pub fn payment_to_settle(&self, id: TransactionId) -> Result<Payment, Error> {
        let payment = self.payment(id)?.filter(|payment| payment.detail.is_some());
        payment.ok_or_else(|| broken("a payment with details", &id.to_string()))
    }

    /// Returns a page of the payments of an owner's history that the filter selects, newest first.
    /// To count them it reads every entry back to the filter's first day. The length of an
    /// unfiltered history is stored.
    pub fn history(
        &self,
        merchant: MerchantId,
        owner: &Account,
        filter: &HistoryFilter,
        request: PageRequest,
    ) -> Result<Page<Payment>, Error> {
        let account = self.account(merchant, owner)?;
        let (offset, limit) = (request.offset(), request.rows_read());
        let (newest_counted, newest) = (request.newest_counted(), request.newest());
        let known = filter
            .is_everything()
            .then_some(account.transaction_count.unsigned_abs());
        let mut statement = self.connection.prepare(concat!(
            "SELECT ",
            entry_columns!(),
            " FROM payment_transaction WHERE id = ?1"
        ))?;
        let (mut on_page, mut counted, mut skipped, mut newer) = (Vec::new(), 0, 0, 0);
        let mut next = account.newest_transaction_id;
        while let Some(id) = next {
            if known.is_some_and(|count| on_page.len() == limit || offset >= count) {
                break;
            }
            let mut rows = statement.query(params![id])?;
            let Some(row) = rows.next()? else {
                return Err(broken("a transaction that exists", &id.to_string()));
            };
            let row = EntryRow::read(row)?;
            if filter.ends_before(row.created_at) {
                break;
            }
            next = row.previous_id;
            let reference = Reference::from_stored(row.reference, TransactionId::new(row.id, row.guard));
            if filter.wants(row.transaction_type, reference.as_str(), row.created_at) {
                if id <= newest && skipped < offset {
                    skipped += 1;
                } else if id <= newest && on_page.len() < limit {
                    on_page.push(id);
                }
                if id > newest_counted {
                    newer += 1;
                } else {
                    counted += 1;
                }
            }
        }
        let mut statement = self.connection.prepare(SELECT_PAYMENT)?;
        let mut payments = Vec::with_capacity(on_page.len());
        for id in on_page {
            payments.extend(statement.first(params![id], |row| self.payment_of_row(&PaymentRow::read(row)?, owner))?);
        }
        let count = known.map_or(counted, |count| count - newer);
        Ok(Page::of(payments, count, request, |payment| {
            payment.transaction.id.number()
        }))
    }

    /// Returns the deposit that a merchant's test account waits for.
    pub fn payment_at_test_account(
        &self,
        merchant: MerchantId,
        account_number: &str,
    ) -> Result<Option<Payment>, Error> {
        let mut statement = self.connection.prepare(concat!(
            "SELECT ",
            test_account_columns!(),
            " FROM test_account JOIN payment_transaction ON payment_transaction.id = transaction_id
             WHERE merchant_id = ?1 AND account_number = ?2"
        ))?;
        let Some(waiting) = statement.first(params![merchant.0, account_number], TestAccountRow::read)? else {
            return Ok(None);
        };
        let owner = self.account_of_number(waiting.account_id)?;
        let mut statement = self.connection.prepare(SELECT_PAYMENT)?;
        statement.first(params![waiting.transaction_id], |row| {
            self.payment_of_row(&PaymentRow::read(row)?, &owner)
        })
    }

    /// Returns a customer's deposit that used one of the merchant's references.
    pub fn deposit_with_reference(
        &self,
        merchant: MerchantId,
        reference: &Reference,
    ) -> Result<Option<Payment>, Error> {
        let Some(used) = self.used_reference(merchant, reference)? else {
            return Ok(None);
        };
        let payment = self.payment_of_number(used.transaction)?;
        Ok(Some(payment).filter(waits_at_bank))
    }

    /// Returns a customer's deposit of the merchant that is quoted at the bank by this reference, however
    /// it is written ([`Transaction::quoted_reference`] of live mode).
    pub fn deposit_quoted(&self, merchant: MerchantId, reference: &Reference) -> Result<Option<Payment>, Error> {
        let Some(id) = reference.maker_of_quoted() else {
            return Ok(None);
        };
        let mut statement = self.connection.prepare(
            "SELECT 1 FROM requested_payment JOIN payment_transaction ON payment_transaction.id = transaction_id
             WHERE transaction_id = ?1 AND guard = ?2 AND merchant_id = ?3",
        )?;
        if !statement.exists(params![id.number(), id.guard(), merchant.0])? {
            return Ok(None);
        }
        Ok(self.payment(id)?.filter(waits_at_bank))
    }

    /// Returns the payment with this number, which exists.
    pub(crate) fn payment_of_number(&self, number: i64) -> Result<Payment, Error> {
        let mut statement = self.connection.prepare(SELECT_PAYMENT)?;
        let payment = statement.first(params![number], |row| {
            let row = PaymentRow::read(row)?;
            self.payment_of_row(&row, &self.account_of_number(row.account_id)?)
        })?;
        payment.ok_or_else(|| broken("the number of a transaction", &number.to_string()))
    }

    fn payment_of_row(&self, row: &PaymentRow<'_>, owner: &Account) -> Result<Payment, Error> {
        let detail = detail_of(row)?;
        let id = TransactionId::new(row.id, row.guard);
        let transaction = Transaction {
            id,
            owner: owner.clone(),
            transaction_type: row.transaction_type,
            credit_type: row.credit_type,
            amount: row.amount,
            reference: Reference::from_stored(row.reference, id),
            escrow: optional_escrow_id(row.escrow_id, row.escrow_guard),
            created_at: row.created_at,
        };
        let (escrows, vault) = match (&transaction.escrow, transaction.transaction_type) {
            (Some(deal), _) => match self.deal_by_id(*deal)? {
                Some(Deal::Escrow(escrow)) => (vec![escrow], None),
                Some(Deal::Vault(vault)) => (Vec::new(), Some(vault)),
                None => (Vec::new(), None),
            },
            (None, TransactionType::Escrow) => (self.escrows_of_payment(transaction.id)?, None),
            (None, _) => (Vec::new(), None),
        };
        Ok(Payment {
            payees: self.payees(
                escrows
                    .iter()
                    .map(DealRef::from)
                    .chain(vault.as_ref().map(DealRef::from)),
            )?,
            detail,
            transaction,
            escrows,
            vault,
        })
    }
}

/// Returns true for a deposit whose money comes to the bank.
fn waits_at_bank(payment: &Payment) -> bool {
    let method = payment.method();
    matches!(method, Some(Method::BankTransfer { .. } | Method::TestAccount { .. }))
}

fn detail_of(row: &PaymentRow<'_>) -> Result<Option<Detail>, Error> {
    let (Some(status), Some(fee), Some(details)) = (row.status, row.fee, row.details) else {
        return Ok(None);
    };
    let method: Method = serde_json::from_str(details).map_err(|_| broken("the details of a payment", details))?;
    Ok(Some(Detail {
        status,
        fee,
        settled_at: row.settled_at,
        method,
    }))
}

impl Tx<'_> {
    /// Keeps the request for an inserted transaction, whose reference is used from now on.
    pub fn insert_request(
        &mut self,
        merchant: MerchantId,
        transaction: &Transaction,
        request_hash: &[u8; 32],
    ) -> Result<(), Error> {
        self.connection
            .prepare(insert_checked!(
                "requested_payment",
                transaction_id: "?1",
                merchant_id: "?2",
                reference: "?3",
                request_hash: "?4",
            ))?
            .change_row(
                params![
                    transaction.id.number(),
                    merchant.0,
                    transaction.reference.to_stored(transaction.id),
                    request_hash
                ],
                "a requested payment",
            )
    }

    /// Inserts a test account that waits for this deposit.
    pub fn insert_test_account(
        &mut self,
        merchant: MerchantId,
        account_number: &str,
        deposit: TransactionId,
    ) -> Result<(), Error> {
        self.connection
            .prepare("INSERT INTO test_account (merchant_id, account_number, transaction_id) VALUES (?1, ?2, ?3)")?
            .change_row(params![merchant.0, account_number, deposit.number()], "a test account")
    }

    /// Saves the outcome of a pending payment, or that a successful one was reversed or is pending
    /// again.
    pub fn save_settled(&mut self, payment: &Payment) -> Result<(), Error> {
        let settled_at = payment.detail.as_ref().and_then(|detail| detail.settled_at);
        self.connection
            .prepare(concat!(
                update_checked!("payment_detail", status: "?2", settled_at: "?3"),
                " WHERE transaction_id = ?1 AND (status = 'pending' OR (status = 'success' AND ?2 IN ('reversed', 'pending')))"
            ))?
            .change_row(
                params![
                    payment.transaction.id.number(),
                    payment.status().into_str(),
                    settled_at.map(Timestamp::millis),
                ],
                "a payment that can be settled",
            )
    }

    /// Inserts a transaction into the history of the account with this number. `previous` is
    /// the newest entry so far.
    pub(crate) fn insert_transaction(
        &mut self,
        account: i64,
        previous: Option<i64>,
        transaction: &Transaction,
    ) -> Result<(), Error> {
        self.connection
            .prepare(insert_checked!(
                "payment_transaction",
                id: "?1",
                guard: "?2",
                account_id: "?3",
                previous_id: "?4",
                transaction_type: "?5",
                credit_type: "?6",
                amount: "?7",
                reference: "?8",
                escrow_id: "?9",
                created_at: "?10",
            ))?
            .change_row(
                params![
                    transaction.id.number(),
                    transaction.id.guard(),
                    account,
                    previous,
                    transaction.transaction_type.into_str(),
                    transaction.credit_type.into_str(),
                    transaction.amount.minor(),
                    transaction.reference.to_stored(transaction.id),
                    transaction.escrow.as_ref().map(EscrowId::number),
                    transaction.created_at.millis(),
                ],
                "a transaction",
            )
    }

    /// Inserts the detail of a merchant's inserted transaction.
    pub(crate) fn insert_detail(
        &mut self,
        merchant: MerchantId,
        transaction: &Transaction,
        detail: &Detail,
    ) -> Result<(), Error> {
        let announcement = Announcement::of(merchant, transaction, &detail.method);
        let details = serde_json::to_string(&detail.method).expect("every method can be written as JSON");
        self.connection
            .prepare(insert_checked!(
                "payment_detail",
                transaction_id: "?1",
                status: "?2",
                fee: "?3",
                settled_at: "?4",
                method: "?5",
                details: "?6",
                announcement: "?7",
            ))?
            .change_row(
                params![
                    transaction.id.number(),
                    detail.status.into_str(),
                    detail.fee.minor(),
                    detail.settled_at.map(Timestamp::millis),
                    detail.method.into_str(),
                    details,
                    announcement.as_ref().map(Announcement::as_bytes),
                ],
                "the detail of a transaction",
            )
    }
}
