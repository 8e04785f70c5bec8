//! Posts effects. Balances move only in this file.

use std::ops::RangeInclusive;

use crate::domain::chain_hash::ChainHash;
use crate::domain::effects::Effects;
use crate::domain::ids::{CustomerId, EscrowId, MerchantId};
use crate::domain::ledger::{Account, PostedTransfer, Transfer, TransferKind};
use crate::domain::money::Amount;
use crate::domain::transaction::Entry;
use crate::store::account_row::AccountRow;
use crate::store::engine::error::Error;
use crate::store::engine::sql::{Value, params};
use crate::store::tables::accounts::account_of;
use crate::store::tables::checked::update_checked;
use crate::store::tables::columns::{Columns, broken, optional_escrow_id, read_all, row, stored_as_word};
use crate::store::tx::{Snapshot, Tx};

stored_as_word!(TransferKind, "a kind of transfer");

row! {
    part struct TransferRow<'a>, transfer_columns! {
        id: i64 = "transfer.id",
        kind: TransferKind,
        amount: Amount = "transfer.amount",
        escrow_id: Option<i64>,
        escrow_guard: Option<i64> = "escrow.guard",
        debit_purpose: &'a str = "debit.purpose",
        debit_customer: Option<CustomerId> = "debit.customer_id",
        credit_purpose: &'a str = "credit.purpose",
        credit_customer: Option<CustomerId> = "credit.customer_id",
    }
}

pub(super) use transfer_columns;

/// Reads a transfer with its number.
pub(super) fn read_transfer(columns: &mut Columns<'_>) -> Result<(i64, Transfer), Error> {
    let row = TransferRow::read_next(columns)?;
    let transfer = Transfer {
        kind: row.kind,
        amount: row.amount,
        escrow: optional_escrow_id(row.escrow_id, row.escrow_guard),
        debit: account_of(row.debit_purpose, row.debit_customer)?,
        credit: account_of(row.credit_purpose, row.credit_customer)?,
    };
    Ok((row.id, transfer))
}

/// Moves a balance. On PostgreSQL it waits for the end of the group (`waiting_tests.rs`).
pub(super) const MOVE_BALANCE: &str = concat!(
    update_checked!(
        "account",
        balance: "balance + ?2",
        newest_transaction_id: "?3",
        transaction_count: "transaction_count + ?4",
        updated_at: "?5",
    ),
    " WHERE id = ?1"
);

impl Snapshot<'_> {
    /// Returns the transfers with these numbers, oldest first, each with its number. Leaves
    /// out those that retention has removed with a merchant.
    pub(crate) fn transfers_in(&self, numbers: &RangeInclusive<i64>) -> Result<Vec<(i64, Transfer)>, Error> {
        let mut statement = self.connection.prepare(concat!(
            "SELECT ",
            transfer_columns!(),
            " FROM transfer
             LEFT JOIN escrow ON escrow.id = escrow_id
             JOIN account AS debit ON debit.id = debit_account_id
             JOIN account AS credit ON credit.id = credit_account_id
             WHERE transfer.id BETWEEN ?1 AND ?2 ORDER BY transfer.id"
        ))?;
        read_all(statement.query(params![numbers.start(), numbers.end()])?, |row| {
            read_transfer(&mut Columns::of(row))
        })
    }
}

impl Tx<'_> {
    /// Begins to read the accounts that [`Tx::post`] will need for these effects.
    pub fn ask_for_accounts_of(&mut self, merchant: MerchantId, effects: &Effects) -> Result<(), Error> {
        self.ask_for_accounts(merchant, &accounts_of(effects))
    }

    /// Posts the effects of a command: inserts the transfers, continues the merchant's chain
    /// of hashes, inserts the entries of payment histories, and moves the balances by the
    /// sums of the transfers. The events among the effects are recorded separately.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] if a balance would be outside its bounds. The domain rules already
    /// prevent such a balance.
    pub fn post(&mut self, merchant: MerchantId, effects: &Effects) -> Result<(), Error> {
        let mut accounts = TouchedAccounts::load(self, merchant, effects)?;
        self.post_transfers(&mut accounts, &effects.transfers)?;
        for Entry { transaction, detail } in &effects.entries {
            let owner = accounts.touch(&transaction.owner);
            self.insert_transaction(owner.row.id, owner.row.newest_transaction_id, transaction)?;
            owner.row.newest_transaction_id = Some(transaction.id.number());
            owner.row.transaction_count += 1;
            owner.new_transactions += 1;
            if let Some(detail) = detail {
                self.insert_detail(merchant, transaction, detail)?;
            }
        }
        self.save_accounts(&accounts.touched)?;
        let remembered = self.state.memory.accounts.entry(merchant).or_default();
        remembered.extend(
            accounts
                .touched
                .into_iter()
                .map(|touched| (touched.account, touched.row)),
        );
        Ok(())
    }

    fn post_transfers(&mut self, accounts: &mut TouchedAccounts, transfers: &[Transfer]) -> Result<(), Error> {
        if transfers.is_empty() {
            return Ok(());
        }
        let merchant = accounts.merchant;
        let mut head = self.merchant(merchant)?.chain_head;
        let mut newest_id = self.newest_transfer_id()?;
        for transfer in transfers {
            let next = newest_id.checked_add(1);
            let id = next.ok_or_else(|| broken("a transfer that another can follow", &newest_id.to_string()))?;
            newest_id = id;
            let amount = transfer.amount.minor();
            let posted = PostedTransfer {
                id,
                merchant,
                kind: transfer.kind.into_str(),
                debit_account: accounts.touch(&transfer.debit).moved_by(-amount)?,
                credit_account: accounts.touch(&transfer.credit).moved_by(amount)?,
                amount,
                escrow: transfer.escrow.as_ref().map(EscrowId::number),
                created_at: self.now().millis(),
            };
            head = head.followed_by(&posted);
            self.insert_transfer(&posted, &head)?;
            self.state.write_summary.add_transfer(id);
        }
        self.state.memory.newest_transfer = Some(newest_id);
        let row = self.merchant_mut(merchant)?;
        row.chain_head = head;
        row.unsaved.has_new_head = true;
        Ok(())
    }

    /// Returns the number of the newest transfer of all merchants, also if it was removed. The
    /// commands of a group read it once.
    fn newest_transfer_id(&self) -> Result<i64, Error> {
        if let Some(known) = self.state.memory.newest_transfer.or(self.group.newest_transfer) {
            return Ok(known);
        }
        self.connection
            .prepare(
                "SELECT max(coalesce((SELECT max(id) FROM transfer), 0),
                            coalesce((SELECT newest_transfer FROM file_mark), 0))",
            )?
            .one(params![], |row| row.get(0))
    }

    /// Saves the changes of accounts. PostgreSQL may add up those of a group, so each balance is
    /// compared with its bounds here, before it is one of many.
    fn save_accounts(&mut self, touched: &[TouchedAccount]) -> Result<(), Error> {
        let now = self.now().millis();
        let mut values: Vec<[Value<'_>; 5]> = Vec::with_capacity(touched.len());
        for TouchedAccount {
            account,
            row,
            change,
            new_transactions,
        } in touched
        {
            row.amount(account)?;
            values.push([
                row.id.into(),
                (*change).into(),
                row.newest_transaction_id.into(),
                (*new_transactions).into(),
                now.into(),
            ]);
        }
        self.connection.change_rows(MOVE_BALANCE, &values, "an account")
    }

    fn insert_transfer(&mut self, posted: &PostedTransfer<'_>, hash: &ChainHash) -> Result<(), Error> {
        self.connection
            .prepare(
                "INSERT INTO transfer (id, merchant_id, kind, debit_account_id, credit_account_id, amount, escrow_id,
                     created_at, hash)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            )?
            .change_row(
                params![
                    posted.id,
                    posted.merchant.0,
                    posted.kind,
                    posted.debit_account,
                    posted.credit_account,
                    posted.amount,
                    posted.escrow,
                    posted.created_at,
                    hash.bytes(),
                ],
                "a transfer",
            )
    }
}

/// The accounts that a command's effects touch. Each is looked up once and written once.
struct TouchedAccounts {
    merchant: MerchantId,
    touched: Vec<TouchedAccount>,
}

struct TouchedAccount {
    account: Account,
    /// The row as the command leaves it.
    row: AccountRow,
    /// The change of the balance, in minor units.
    change: i64,
    new_transactions: i64,
}

impl TouchedAccounts {
    /// Looks up all accounts of a command's effects.
    fn load(tx: &Tx<'_>, merchant: MerchantId, effects: &Effects) -> Result<Self, Error> {
        let load = |account: &Account| {
            Ok(TouchedAccount {
                account: account.clone(),
                row: tx.account(merchant, account)?,
                change: 0,
                new_transactions: 0,
            })
        };
        let touched = accounts_of(effects).into_iter().map(load);
        let touched = touched.collect::<Result<_, Error>>()?;
        Ok(Self { merchant, touched })
    }

    fn touch(&mut self, account: &Account) -> &mut TouchedAccount {
        let touched = self.touched.iter_mut().find(|touched| touched.account == *account);
        touched.expect("all accounts of the effects were looked up")
    }
}

/// Returns the accounts that effects name, each once.
fn accounts_of(effects: &Effects) -> Vec<&Account> {
    let moved = effects
        .transfers
        .iter()
        .flat_map(|transfer| [&transfer.debit, &transfer.credit]);
    let owners = effects.entries.iter().map(|entry| &entry.transaction.owner);
    let mut accounts = Vec::new();
    for account in moved.chain(owners) {
        if !accounts.contains(&account) {
            accounts.push(account);
        }
    }
    accounts
}

impl TouchedAccount {
    /// Adds an amount, in minor units, to the balance, and returns the account's number.
    fn moved_by(&mut self, amount: i64) -> Result<i64, Error> {
        let sum = |sum: i64| {
            let sum = sum.checked_add(amount);
            sum.ok_or_else(|| broken("an amount whose sum with the others fits 64 bits", &amount.to_string()))
        };
        (self.change, self.row.balance) = (sum(self.change)?, sum(self.row.balance)?);
        Ok(self.row.id)
    }
}
