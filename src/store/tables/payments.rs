//! Transactions of payment histories, what there is to say beside them, and the
//! references they went by.

use rusqlite::{OptionalExtension, Row, params};

use crate::domain::escrow::deal::{Deal, DealRef};
use crate::domain::ids::{EscrowId, MerchantId, Reference, TransactionId};
use crate::domain::ledger::Account;
use crate::domain::payments::history::{HistoryFilter, HistoryShape};
use crate::domain::payments::payment::Payment;
use crate::domain::time::Timestamp;
use crate::domain::transaction::{Detail, Method, Transaction, TransactionType};
use crate::store::engine::error::{Error, one_row};
use crate::store::tables::columns::{
    amount_at, broken, optional_escrow_id_at, optional_timestamp_at, reference_at, text_at, timestamp_at, word_at,
};
use crate::store::tx::{Snapshot, Tx};

/// A reference that was used, by whom, and for what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsedReference {
    /// SHA-256 of what was asked.
    pub request_hash: [u8; 32],
    transaction: i64,
}

/// Columns in the order that [`read_transaction`] and [`read_detail`] read them.
const SELECT_PAYMENT: &str = "
    SELECT payment_transaction.id, payment_transaction.guard, transaction_type, credit_type,
           payment_transaction.amount, reference, escrow_id, escrow.guard, payment_transaction.created_at,
           status, payment_detail.fee, settled_at, details, account_id, previous_id
    FROM payment_transaction
    LEFT JOIN escrow ON escrow.id = escrow_id
    LEFT JOIN payment_detail ON transaction_id = payment_transaction.id
    WHERE payment_transaction.id = ?1";

impl Snapshot<'_> {
    /// What a merchant's reference was used for before.
    pub fn used_reference(&self, merchant: MerchantId, reference: &Reference) -> Result<Option<UsedReference>, Error> {
        let used = self
            .connection
            .prepare_cached(
                "SELECT request_hash, transaction_id FROM payment_reference
                 WHERE merchant_id = ?1 AND reference = ?2",
            )?
            .query_row(params![merchant.0, reference.as_str()], |row| {
                Ok(UsedReference {
                    request_hash: row.get(0)?,
                    transaction: row.get(1)?,
                })
            })
            .optional()?;
        Ok(used)
    }

    /// The payment that a used reference made, if this owner asked for it.
    pub fn payment_of(
        &self,
        merchant: MerchantId,
        used: &UsedReference,
        owner: &Account,
    ) -> Result<Option<Payment>, Error> {
        let owner_number = self.account_number(merchant, owner)?;
        let mut statement = self.connection.prepare_cached(SELECT_PAYMENT)?;
        let mut rows = statement.query([used.transaction])?;
        match rows.next()? {
            Some(row) if row.get::<_, i64>(13)? == owner_number => Ok(Some(self.read_payment(row, owner)?)),
            _ => Ok(None),
        }
    }

    /// The wanted part of an owner's history, newest first, as the shape cuts it,
    /// and how many transactions are wanted in all. Looks at every entry up to the
    /// last one needed; the length of a whole history is known without that.
    pub fn history(
        &self,
        merchant: MerchantId,
        owner: &Account,
        filter: &HistoryFilter,
        shape: HistoryShape,
    ) -> Result<(Vec<Payment>, u64), Error> {
        let head = self.history_head(merchant, owner)?;
        let (offset, limit) = shape.cut();
        let known = filter.is_everything().then_some(head.count);
        let mut statement = self.connection.prepare_cached(SELECT_PAYMENT)?;
        let (mut payments, mut wanted, mut next) = (Vec::new(), 0, head.newest);
        while let Some(id) = next {
            if known.is_some_and(|count| payments.len() == limit || offset >= count) {
                break;
            }
            let mut rows = statement.query([id])?;
            let row = rows
                .next()?
                .ok_or_else(|| broken("a transaction that exists", &id.to_string()))?;
            let (transaction_type, created_at) = (transaction_type_at(row, 2)?, timestamp_at(row, 8)?);
            if filter.ends_before(created_at) {
                break;
            }
            if filter.wants(transaction_type, text_at(row, 5)?, created_at) {
                if wanted >= offset && payments.len() < limit {
                    payments.push(self.read_payment(row, owner)?);
                }
                wanted += 1;
            }
            next = row.get(14)?;
        }
        Ok((payments, known.unwrap_or(wanted)))
    }

    /// The deposit that waits at a merchant's test account, and whose it is.
    pub fn payment_at_test_account(
        &self,
        merchant: MerchantId,
        account_number: &str,
    ) -> Result<Option<Payment>, Error> {
        let found: Option<(i64, i64)> = self
            .connection
            .prepare_cached(
                "SELECT transaction_id, account_id FROM test_account
                 JOIN payment_transaction ON payment_transaction.id = transaction_id
                 WHERE merchant_id = ?1 AND account_number = ?2",
            )?
            .query_row(params![merchant.0, account_number], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .optional()?;
        let Some((transaction, account)) = found else {
            return Ok(None);
        };
        let owner = self.account_of_number(account)?;
        let mut statement = self.connection.prepare_cached(SELECT_PAYMENT)?;
        let mut rows = statement.query([transaction])?;
        rows.next()?.map(|row| self.read_payment(row, &owner)).transpose()
    }

    fn read_payment(&self, row: &Row<'_>, owner: &Account) -> Result<Payment, Error> {
        let transaction = read_transaction(row, owner)?;
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
            detail: read_detail(row)?,
            transaction,
            escrows,
            vault,
        })
    }
}

fn transaction_type_at(row: &Row<'_>, column: usize) -> Result<TransactionType, Error> {
    word_at(row, column, "a transaction type")
}

fn read_transaction(row: &Row<'_>, owner: &Account) -> Result<Transaction, Error> {
    Ok(Transaction {
        id: TransactionId::new(row.get(0)?, row.get(1)?),
        owner: owner.clone(),
        transaction_type: transaction_type_at(row, 2)?,
        credit_type: word_at(row, 3, "a credit type")?,
        amount: amount_at(row, 4)?,
        reference: reference_at(row, 5)?,
        escrow: optional_escrow_id_at(row, 6)?,
        created_at: timestamp_at(row, 8)?,
    })
}

fn read_detail(row: &Row<'_>) -> Result<Option<Detail>, Error> {
    let Some(details) = row.get_ref(12)?.as_str_or_null().map_err(rusqlite::Error::from)? else {
        return Ok(None);
    };
    let method: Method = serde_json::from_str(details).map_err(|_| broken("the details of a payment", details))?;
    Ok(Some(Detail {
        status: word_at(row, 9, "the status of a payment")?,
        fee: amount_at(row, 10)?,
        settled_at: optional_timestamp_at(row, 11)?,
        method,
    }))
}

impl Tx<'_> {
    /// Marks a reference as used by this transaction, which has been recorded.
    pub fn insert_reference(
        &mut self,
        merchant: MerchantId,
        transaction: &Transaction,
        request_hash: &[u8; 32],
    ) -> Result<(), Error> {
        self.connection
            .prepare_cached(
                "INSERT INTO payment_reference (merchant_id, reference, request_hash, transaction_id)
                 VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute(params![
                merchant.0,
                transaction.reference.as_str(),
                request_hash,
                transaction.id.number()
            ])?;
        Ok(())
    }

    /// A test account at which this deposit waits.
    pub fn insert_test_account(
        &mut self,
        merchant: MerchantId,
        account_number: &str,
        deposit: TransactionId,
    ) -> Result<(), Error> {
        self.connection
            .prepare_cached(
                "INSERT INTO test_account (merchant_id, account_number, transaction_id) VALUES (?1, ?2, ?3)",
            )?
            .execute(params![merchant.0, account_number, deposit.number()])?;
        Ok(())
    }

    /// A pending payment was settled.
    pub fn save_settled(&mut self, payment: &Payment) -> Result<(), Error> {
        let settled_at = payment.detail.as_ref().and_then(|detail| detail.settled_at);
        let changed = self
            .connection
            .prepare_cached(
                "UPDATE payment_detail SET status = ?2, settled_at = ?3
                 WHERE transaction_id = ?1 AND status = 'pending'",
            )?
            .execute(params![
                payment.transaction.id.number(),
                payment.status().into_str(),
                settled_at.map(Timestamp::millis),
            ])?;
        one_row(changed, "a pending payment")
    }

    /// Enters a transaction into the history of the account with this number,
    /// after the entry that was its newest.
    pub(crate) fn insert_transaction(
        &mut self,
        account: i64,
        previous: Option<i64>,
        transaction: &Transaction,
    ) -> Result<(), Error> {
        self.connection
            .prepare_cached(
                "INSERT INTO payment_transaction (id, guard, account_id, previous_id, transaction_type, credit_type,
                     amount, reference, escrow_id, created_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            )?
            .execute(params![
                transaction.id.number(),
                transaction.id.guard(),
                account,
                previous,
                transaction.transaction_type.into_str(),
                transaction.credit_type.into_str(),
                transaction.amount.minor(),
                transaction.reference.as_str(),
                transaction.escrow.as_ref().map(EscrowId::number),
                transaction.created_at.millis(),
            ])?;
        Ok(())
    }

    /// Writes down what there is to say of a transaction that has been entered.
    pub(crate) fn insert_detail(&mut self, transaction: TransactionId, detail: &Detail) -> Result<(), Error> {
        let details = serde_json::to_string(&detail.method).expect("a method is made of what JSON can say");
        self.connection
            .prepare_cached(
                "INSERT INTO payment_detail (transaction_id, status, fee, settled_at, method, details)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![
                transaction.number(),
                detail.status.into_str(),
                detail.fee.minor(),
                detail.settled_at.map(Timestamp::millis),
                detail.method.into_str(),
                details,
            ])?;
        Ok(())
    }
}
