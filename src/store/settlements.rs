//! Posting a settlement: the one place where balances move.

use rusqlite::params;

use super::accounts::account_at;
use super::columns::{amount_at, word_at};
use super::error::Error;
use super::snapshot::{Snapshot, Tx};
use crate::domain::ids::{EscrowId, MerchantId};
use crate::domain::ledger::{Account, ChainHash, PostedTransfer, Transfer, TransferKind};
use crate::domain::settlement::{Event, Settlement};

impl Snapshot<'_> {
    /// Every transfer after the one with this number, oldest first, each with its
    /// own number.
    pub fn transfers_after(&self, id: i64) -> Result<Vec<(i64, Transfer)>, Error> {
        let mut statement = self.connection.prepare_cached(
            "SELECT transfer.id, kind, amount, escrow_id, debit.purpose, debit.customer_id, credit.purpose, credit.customer_id
             FROM transfer
             JOIN account AS debit ON debit.id = debit_account_id
             JOIN account AS credit ON credit.id = credit_account_id
             WHERE transfer.id > ?1 ORDER BY transfer.id",
        )?;
        let mut rows = statement.query([id])?;
        let mut transfers = Vec::new();
        while let Some(row) = rows.next()? {
            let transfer = Transfer {
                kind: word_at(row, 1, "a kind of transfer", &TransferKind::WORDS)?,
                amount: amount_at(row, 2)?,
                escrow: row.get::<_, Option<[u8; 12]>>(3)?.map(EscrowId::from_bytes),
                debit: account_at(row, 4)?,
                credit: account_at(row, 6)?,
            };
            transfers.push((row.get(0)?, transfer));
        }
        Ok(transfers)
    }
}

impl Tx<'_> {
    /// Posts a settlement: moves the balances and writes down each transfer,
    /// then the history entries, then the events.
    pub fn post(&mut self, merchant: MerchantId, settlement: &Settlement) -> Result<(), Error> {
        let mut accounts = AccountNumbers::of(merchant);
        self.post_transfers(&mut accounts, &settlement.transfers)?;
        for transaction in &settlement.transactions {
            let owner = accounts.number(self, &transaction.owner)?;
            self.insert_transaction(owner, transaction)?;
        }
        for event in &settlement.events {
            self.insert_event(&mut accounts, event)?;
        }
        Ok(())
    }

    fn post_transfers(&mut self, accounts: &mut AccountNumbers, transfers: &[Transfer]) -> Result<(), Error> {
        if transfers.is_empty() {
            return Ok(());
        }
        let merchant = accounts.merchant;
        let (mut head, newest_id): (ChainHash, i64) = self
            .connection
            .prepare_cached(
                "SELECT chain_head, (SELECT coalesce(max(id), 0) FROM transfer) FROM merchant WHERE id = ?1",
            )?
            .query_row([merchant.0], |row| {
                Ok((ChainHash::from_bytes(row.get(0)?), row.get(1)?))
            })?;
        for (id, transfer) in (newest_id + 1..).zip(transfers) {
            let posted = PostedTransfer {
                id,
                merchant,
                kind: transfer.kind.as_str(),
                debit_account: accounts.number(self, &transfer.debit)?,
                credit_account: accounts.number(self, &transfer.credit)?,
                amount: transfer.amount.minor(),
                escrow: transfer.escrow.as_ref().map(|escrow| escrow.bytes().as_slice()),
                created_at: self.now().millis(),
            };
            head = head.followed_by(&posted);
            self.move_balance(posted.debit_account, -posted.amount)?;
            self.move_balance(posted.credit_account, posted.amount)?;
            self.insert_transfer(&posted, &head)?;
        }
        self.connection
            .prepare_cached("UPDATE merchant SET chain_head = ?2 WHERE id = ?1")?
            .execute(params![merchant.0, head.bytes()])?;
        Ok(())
    }

    /// The file's own CHECK refuses a balance out of bounds; the domain has seen
    /// to it before.
    fn move_balance(&mut self, account: i64, by: i64) -> Result<(), Error> {
        self.connection
            .prepare_cached("UPDATE account SET balance = balance + ?2, updated_at = ?3 WHERE id = ?1")?
            .execute(params![account, by, self.now().millis()])?;
        Ok(())
    }

    fn insert_transfer(&mut self, posted: &PostedTransfer<'_>, hash: &ChainHash) -> Result<(), Error> {
        self.connection
            .prepare_cached(
                "INSERT INTO transfer (id, merchant_id, kind, debit_account_id, credit_account_id, amount, escrow_id,
                     created_at, hash)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            )?
            .execute(params![
                posted.id,
                posted.merchant.0,
                posted.kind,
                posted.debit_account,
                posted.credit_account,
                posted.amount,
                posted.escrow,
                posted.created_at,
                hash.bytes(),
            ])?;
        Ok(())
    }

    fn insert_event(&mut self, accounts: &mut AccountNumbers, event: &Event) -> Result<(), Error> {
        let (escrow, payment) = match event {
            Event::Escrow(_, escrow) => (Some(escrow), None),
            Event::Payment(_, owner, transaction) => (None, Some((accounts.number(self, owner)?, transaction))),
        };
        self.connection
            .prepare_cached(
                "INSERT INTO event (id, merchant_id, name, escrow_id, account_id, transaction_id, created_at)
                 VALUES ((SELECT coalesce(max(id), 0) + 1 FROM event), ?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![
                accounts.merchant.0,
                event.name(),
                escrow.map(EscrowId::bytes),
                payment.map(|(account, _)| account),
                payment.map(|(_, transaction)| transaction.bytes()),
                self.now().millis(),
            ])?;
        Ok(())
    }
}

/// The accounts of one settlement, each looked up once: a payee's stands in the
/// transfer, in the history and in the event.
struct AccountNumbers {
    merchant: MerchantId,
    known: Vec<(Account, i64)>,
}

impl AccountNumbers {
    const fn of(merchant: MerchantId) -> Self {
        Self {
            merchant,
            known: Vec::new(),
        }
    }

    fn number(&mut self, snapshot: &Snapshot<'_>, account: &Account) -> Result<i64, Error> {
        if let Some((_, number)) = self.known.iter().find(|(known, _)| known == account) {
            return Ok(*number);
        }
        let number = snapshot.account_number(self.merchant, account)?;
        self.known.push((account.clone(), number));
        Ok(number)
    }
}
