//! Accounts and their balances. Balances move only in `transfers.rs`.

use crate::domain::ids::{CustomerId, EscrowId, MerchantId};
use crate::domain::ledger::Account;
use crate::domain::money::Amount;
use crate::store::account_row::{AccountRow, AccountRows, account_columns};
use crate::store::engine::error::Error;
use crate::store::engine::sql::{Value, params};
use crate::store::tables::checked::insert_checked;
use crate::store::tables::columns::{Columns, broken, read_all, row};
use crate::store::tx::{Snapshot, Tx};

row! {
    struct OwnerRow<'a>, owner_columns! {
        purpose: &'a str,
        customer_id: Option<CustomerId>,
    }
}

const OF_CUSTOMER: &str = concat!(
    "SELECT ",
    account_columns!(),
    " FROM account WHERE merchant_id = ?1 AND customer_id = ?2 AND purpose = ?3"
);

const OF_MERCHANT: &str = concat!(
    "SELECT ",
    account_columns!(),
    " FROM account WHERE merchant_id = ?1 AND customer_id IS NULL AND purpose = ?2"
);

/// The accounts of a deal's seller and buyer.
pub(crate) const SELECT_ACCOUNTS_OF_DEAL: &str = concat!(
    "SELECT ",
    owner_columns!(),
    ", ",
    account_columns!(),
    " FROM account WHERE merchant_id = (SELECT merchant_id FROM escrow WHERE id = ?1)
          AND customer_id IN ((SELECT seller_id FROM escrow WHERE id = ?1),
                              (SELECT buyer_id FROM escrow WHERE id = ?1))"
);

/// Runs work with the query that finds an account, and its values.
fn with_lookup<T>(merchant: MerchantId, account: &Account, work: impl FnOnce(&str, &[Value<'_>]) -> T) -> T {
    let purpose = account.into_str();
    match account.customer() {
        Some(customer) => work(OF_CUSTOMER, params![merchant.0, customer.as_str(), purpose]),
        None => work(OF_MERCHANT, params![merchant.0, purpose]),
    }
}

/// Returns the account with this stored purpose and owner.
pub(crate) fn account_of(purpose: &str, customer: Option<CustomerId>) -> Result<Account, Error> {
    match (purpose, customer) {
        ("CUSTOMER_MAIN", Some(customer)) => Ok(Account::CustomerMain(customer)),
        ("CUSTOMER_ESCROW", Some(customer)) => Ok(Account::CustomerEscrow(customer)),
        ("MERCHANT_MAIN", None) => Ok(Account::MerchantMain),
        ("PLATFORM_FEES", None) => Ok(Account::PlatformFees),
        ("IN_TRANSIT", None) => Ok(Account::InTransit),
        ("SUSPENSE", None) => Ok(Account::Suspense),
        ("OUTSIDE_WORLD", None) => Ok(Account::OutsideWorld),
        (other, _) => Err(broken("the purpose of an account", other)),
    }
}

/// The expression that is true if the row of an account is as it was written.
macro_rules! is_intact_account {
    () => {
        is_intact!(
            account,
            id,
            merchant_id,
            customer_id,
            purpose,
            balance,
            updated_at,
            newest_transaction_id,
            transaction_count
        )
    };
}
pub(crate) use is_intact_account;

impl Snapshot<'_> {
    /// Returns the balance of an account that exists. The balance of the outside world is
    /// zero or below. It is returned without its sign, which is the sum of all other accounts
    /// of the merchant.
    pub fn balance(&self, merchant: MerchantId, account: &Account) -> Result<Amount, Error> {
        self.account(merchant, account)?.amount(account)
    }

    /// Returns the row of an account that exists.
    pub(crate) fn account(&self, merchant: MerchantId, account: &Account) -> Result<AccountRow, Error> {
        with_lookup(merchant, account, |sql, values| {
            self.connection.prepare(sql)?.one(values, AccountRow::read)
        })
    }

    /// Returns the account with this number, which must exist.
    pub(crate) fn account_of_number(&self, number: i64) -> Result<Account, Error> {
        let mut statement =
            self.connection
                .prepare(concat!("SELECT ", owner_columns!(), " FROM account WHERE id = ?1"))?;
        let mut rows = statement.query(params![number])?;
        let Some(row) = rows.next()? else {
            return Err(broken("the number of an account", &number.to_string()));
        };
        let owner = OwnerRow::read(row)?;
        account_of(owner.purpose, owner.customer_id)
    }
}

impl Tx<'_> {
    /// Returns the balance of an account, as [`Snapshot::balance`] does, from the memory of the group
    /// if that has it. It has the same name so that no command reads past that memory.
    pub fn balance(&self, merchant: MerchantId, account: &Account) -> Result<Amount, Error> {
        self.account(merchant, account)?.amount(account)
    }

    /// Returns the row of an account that exists, as [`Snapshot::account`] does, from the memory of
    /// the group if that has it.
    pub(crate) fn account(&self, merchant: MerchantId, account: &Account) -> Result<AccountRow, Error> {
        if let Some(row) = self.remembered_account(merchant, account) {
            return Ok(*row);
        }
        if self.has_forgotten_accounts(merchant) {
            return Snapshot::account(self, merchant, account);
        }
        with_lookup(merchant, account, |sql, values| {
            self.connection
                .prepare_for_unchanged(sql)?
                .one(values, AccountRow::read)
        })
    }

    /// Begins to read the accounts of a deal's customers for [`Tx::ask_for_accounts`].
    pub(crate) fn ask_for_accounts_of_deal(&mut self, id: EscrowId) -> Result<(), Error> {
        if self.connection.is_server() {
            self.state.memory.asked_deal = Some(id.number());
            self.connection
                .ask_ahead_for_unchanged(SELECT_ACCOUNTS_OF_DEAL, params![id.number()])?;
        }
        Ok(())
    }

    /// Begins to read the accounts of which [`Tx::account`] will return the rows.
    pub(crate) fn ask_for_accounts(&mut self, merchant: MerchantId, accounts: &[&Account]) -> Result<(), Error> {
        if self.has_forgotten_accounts(merchant) {
            return Ok(());
        }
        if let Some(deal) = self.state.memory.asked_deal.take() {
            self.remember_accounts_of_deal(merchant, deal)?;
        }
        let mut unknown = accounts
            .iter()
            .filter(|account| self.remembered_account(merchant, account).is_none());
        unknown.try_for_each(|account| {
            with_lookup(merchant, account, |sql, values| {
                self.connection.ask_ahead_for_unchanged(sql, values)
            })
        })
    }

    /// Remembers the accounts of the customers of a merchant's deal as the database has them, if no
    /// command of the group has posted to them.
    fn remember_accounts_of_deal(&mut self, merchant: MerchantId, deal: i64) -> Result<(), Error> {
        let found = read_all(
            self.connection
                .prepare_for_unchanged(SELECT_ACCOUNTS_OF_DEAL)?
                .query(params![deal])?,
            |row| {
                let mut columns = Columns::of(row);
                let owner = OwnerRow::read_next(&mut columns)?;
                let account = account_of(owner.purpose, owner.customer_id)?;
                Ok((account, AccountRow::read_next(&mut columns)?))
            },
        )?;
        for (account, row) in found {
            if self.remembered_account(merchant, &account).is_none() {
                self.state
                    .memory
                    .accounts
                    .entry(merchant)
                    .or_default()
                    .insert(account, row);
            }
        }
        Ok(())
    }

    /// Returns the row of an account that this command or one before it in the group has posted to.
    fn remembered_account<'s>(&'s self, merchant: MerchantId, account: &Account) -> Option<&'s AccountRow> {
        let in_rows = |rows: &'s AccountRows| rows.get(&merchant)?.get(account);
        let of_group = Some(&self.group.accounts).filter(|_| !self.has_forgotten_accounts(merchant));
        in_rows(&self.state.memory.accounts).or_else(|| of_group.and_then(in_rows))
    }

    /// Makes the rest of this command, and the next ones of the group, forget the accounts of these
    /// merchants, to which no command posts any more. The accounts of other merchants stay
    /// remembered: changes of their balances may be waiting, which the database does not have yet.
    pub(crate) fn forget_accounts_of(&mut self, merchants: &[MerchantId]) {
        let memory = &mut self.state.memory;
        for merchant in merchants {
            memory.accounts.remove(merchant);
            memory.without_accounts.push(*merchant);
        }
    }

    /// Returns true if this command has forgotten the accounts of a merchant.
    fn has_forgotten_accounts(&self, merchant: MerchantId) -> bool {
        self.state.memory.without_accounts.contains(&merchant)
    }

    /// Inserts an empty account.
    pub(crate) fn insert_account(&mut self, merchant: MerchantId, account: &Account) -> Result<(), Error> {
        let customer = account.customer().map(CustomerId::as_str);
        self.connection
            .prepare(insert_checked!(
                "account",
                id: "(SELECT coalesce(max(id), 0) + 1 FROM account)",
                merchant_id: "?1",
                customer_id: "?2",
                purpose: "?3",
                balance: "0",
                updated_at: "?4",
                transaction_count: "0",
            ))?
            .change_row(
                params![merchant.0, customer, account.into_str(), self.now().millis()],
                "an account",
            )
    }
}
