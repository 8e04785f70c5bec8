//! Transactions of payment histories, and the references they went by.

use rusqlite::{OptionalExtension, Row, params};

use super::columns::{amount_at, reference_at, timestamp_at, word_at};
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
    /// The transaction it made.
    pub transaction: TransactionId,
    account: i64,
}

impl Snapshot<'_> {
    /// What a merchant's reference was used for before.
    pub fn used_reference(&self, merchant: MerchantId, reference: &Reference) -> Result<Option<UsedReference>, Error> {
        let used = self
            .connection
            .prepare_cached(
                "SELECT account_id, request_hash, transaction_id FROM payment_reference
                 WHERE merchant_id = ?1 AND reference = ?2",
            )?
            .query_row(params![merchant.0, reference.as_str()], |row| {
                Ok(UsedReference {
                    account: row.get(0)?,
                    request_hash: row.get(1)?,
                    transaction: TransactionId::from_bytes(row.get(2)?),
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
        if self.account_number(merchant, owner)? != used.account {
            return Ok(None);
        }
        let transaction = self
            .connection
            .prepare_cached(
                "SELECT id, transaction_type, credit_type, amount, reference, escrow_id, created_at
                 FROM payment_transaction WHERE account_id = ?1 AND id = ?2",
            )?
            .query_row(params![used.account, used.transaction.bytes()], |row| {
                Ok(read_transaction(row, owner))
            })?;
        transaction.map(Some)
    }
}

fn read_transaction(row: &Row<'_>, owner: &Account) -> Result<Transaction, Error> {
    Ok(Transaction {
        id: TransactionId::from_bytes(row.get(0)?),
        owner: owner.clone(),
        transaction_type: word_at(row, 1, "a transaction type", &TransactionType::WORDS)?,
        credit_type: word_at(row, 2, "a credit type", &CreditType::WORDS)?,
        amount: amount_at(row, 3)?,
        reference: reference_at(row, 4)?,
        escrow: row.get::<_, Option<[u8; 12]>>(5)?.map(EscrowId::from_bytes),
        created_at: timestamp_at(row, 6)?,
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
        let account = self.account_number(merchant, &transaction.owner)?;
        self.connection
            .prepare_cached(
                "INSERT INTO payment_reference (merchant_id, reference, account_id, request_hash, transaction_id)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![
                merchant.0,
                transaction.reference.as_str(),
                account,
                request_hash,
                transaction.id.bytes()
            ])?;
        Ok(())
    }

    /// Enters a transaction into the history of the account with this number.
    pub(super) fn insert_transaction(&mut self, account: i64, transaction: &Transaction) -> Result<(), Error> {
        self.connection
            .prepare_cached(
                "INSERT INTO payment_transaction (account_id, id, transaction_type, credit_type, amount, reference,
                     escrow_id, created_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?
            .execute(params![
                account,
                transaction.id.bytes(),
                transaction.transaction_type.as_str(),
                transaction.credit_type.as_str(),
                transaction.amount.minor(),
                transaction.reference.as_str(),
                transaction.escrow.as_ref().map(EscrowId::bytes),
                transaction.created_at.millis(),
            ])?;
        Ok(())
    }
}
