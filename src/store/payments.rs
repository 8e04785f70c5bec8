//! Transactions of payment histories, and the references they went by.

use rusqlite::{OptionalExtension, Row, params};

use super::columns::{amount_at, optional_escrow_id_at, reference_at, timestamp_at, word_at};
use super::error::Error;
use super::snapshot::{Snapshot, Tx};
use crate::domain::ids::{EscrowId, MerchantId, Reference, TransactionId};
use crate::domain::ledger::Account;
use crate::domain::payment::{CreditType, Transaction, TransactionType};

/// A reference that was used, by whom, and for what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsedReference {
    /// SHA-256 of what was asked.
    pub request_hash: [u8; 32],
    transaction: i64,
}

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

    /// The transaction that a used reference made, if this owner asked for it.
    pub fn transaction_of(
        &self,
        merchant: MerchantId,
        used: &UsedReference,
        owner: &Account,
    ) -> Result<Option<Transaction>, Error> {
        let (owner_number, _) = self.account_number(merchant, owner)?;
        let transaction = self
            .connection
            .prepare_cached(
                "SELECT payment_transaction.id, payment_transaction.guard, transaction_type, credit_type,
                        payment_transaction.amount, reference, escrow_id, escrow.guard, payment_transaction.created_at
                 FROM payment_transaction LEFT JOIN escrow ON escrow.id = escrow_id
                 WHERE payment_transaction.id = ?1 AND account_id = ?2",
            )?
            .query_row(params![used.transaction, owner_number], |row| {
                Ok(read_transaction(row, owner))
            })
            .optional()?;
        transaction.transpose()
    }
}

fn read_transaction(row: &Row<'_>, owner: &Account) -> Result<Transaction, Error> {
    Ok(Transaction {
        id: TransactionId::new(row.get(0)?, row.get(1)?),
        owner: owner.clone(),
        transaction_type: word_at(row, 2, "a transaction type", &TransactionType::WORDS)?,
        credit_type: word_at(row, 3, "a credit type", &CreditType::WORDS)?,
        amount: amount_at(row, 4)?,
        reference: reference_at(row, 5)?,
        escrow: optional_escrow_id_at(row, 6)?,
        created_at: timestamp_at(row, 8)?,
    })
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

    /// Enters a transaction into the history of the account with this number,
    /// after the entry that was its newest.
    pub(super) fn insert_transaction(
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
                transaction.transaction_type.as_str(),
                transaction.credit_type.as_str(),
                transaction.amount.minor(),
                transaction.reference.as_str(),
                transaction.escrow.as_ref().map(EscrowId::number),
                transaction.created_at.millis(),
            ])?;
        Ok(())
    }
}
