//! Customers, their profiles and their wallets.

use std::array;

use crate::domain::customers::country::Country;
use crate::domain::customers::customer::{Block, Customer, CustomerAccess, CustomerKey, Permissions, Wallet};
use crate::domain::customers::phone::Phone;
use crate::domain::customers::profile::{Email, Profile};
use crate::domain::escrow::deal::DealRef;
use crate::domain::ids::{CustomerId, MerchantId, WalletId};
use crate::domain::ledger::Account;
use crate::domain::money::Amount;
use crate::domain::page::{Page, PageRequest};
use crate::domain::time::Timestamp;
use crate::store::engine::error::Error;
use crate::store::engine::sql::{Row, Value, params};
use crate::store::tables::columns::{FromColumn, read_all, row, stored_as_word};
use crate::store::tx::{Snapshot, Tx};

stored_as_word!(Country, "a country");

impl FromColumn<'_> for Email {
    fn from_column(row: Row<'_>, column: usize) -> Result<Self, Error> {
        <&str>::from_column(row, column).map(Self::stored)
    }
}

impl FromColumn<'_> for Phone {
    fn from_column(row: Row<'_>, column: usize) -> Result<Self, Error> {
        <&str>::from_column(row, column).map(Self::stored)
    }
}

row! {
    struct AccessRow, access_columns! {
        can_withdraw: bool,
        can_buy: bool,
        can_sell: bool,
        is_blocked: bool = "blocked_at IS NOT NULL",
    }
}

row! {
    /// A customer with the profile, whose columns are NULL if there is none.
    struct CustomerRow, customer_columns! {
        id: CustomerId = "customer.id",
        wallet_id: i64,
        wallet_guard: u32,
        can_withdraw: bool,
        can_buy: bool,
        can_sell: bool,
        blocked_at: Option<Timestamp>,
        blocked_reason: Option<String>,
        created_at: Timestamp,
        country: Option<Country>,
        firstname: Option<String>,
        lastname: Option<String>,
        email: Option<Email>,
        phone: Option<Phone>,
        bvn: Option<String>,
    }
}

row! {
    struct WalletRow, wallet_columns! {
        wallet_id: i64 = "customer.wallet_id",
        wallet_guard: u32 = "customer.wallet_guard",
        created_at: Timestamp = "customer.created_at",
        main_balance: Amount = "main.balance",
        escrow_balance: Amount =
            "hold.balance - (SELECT coalesce(sum(fee + additional_fee), 0) FROM escrow
                             WHERE merchant_id = ?1 AND buyer_id = ?2 AND state = 'OPENED')",
        updated_at: Timestamp = "max(main.updated_at, hold.updated_at)",
    }
}

macro_rules! select_customer {
    ($($condition:expr),+) => {
        concat!(
            "SELECT ",
            customer_columns!(),
            " FROM customer LEFT JOIN customer_profile AS profile
                ON profile.merchant_id = customer.merchant_id AND profile.customer_id = customer.id
             WHERE customer.merchant_id = ?1 AND ",
            $($condition),+
        )
    };
}

/// Everything by which people name a customer, in lower case.
macro_rules! words_of_customer {
    () => {
        "lower(coalesce(profile.firstname, '') || ' ' || coalesce(profile.lastname, '') || ' '
               || coalesce(profile.email, '') || ' ' || coalesce(profile.phone, '') || ' ' || customer.id)"
    };
}

/// The most words of a search for customers that count.
pub const SEARCH_WORDS_MAX: usize = 4;

/// Returns the pattern of texts that have this word somewhere, for `LIKE` with `!` as its escape.
fn like(word: &str) -> String {
    let mut pattern = String::from("%");
    for letter in word.chars() {
        if matches!(letter, '!' | '%' | '_') {
            pattern.push('!');
        }
        pattern.push(letter.to_ascii_lowercase());
    }
    pattern.push('%');
    pattern
}

const SELECT_BY_ID: &str = select_customer!("customer.id = ?2");

/// The seller of the deal with this number.
pub(crate) const SELECT_SELLER: &str = select_customer!("customer.id = (SELECT seller_id FROM escrow WHERE id = ?2)");

pub(crate) const SELECT_ACCESS: &str = concat!(
    "SELECT ",
    access_columns!(),
    " FROM customer WHERE merchant_id = ?1 AND id = ?2"
);

fn read_customer(row: Row<'_>) -> Result<Customer, Error> {
    let row = CustomerRow::read(row)?;
    let (email, phone) = (row.email, row.phone);
    Ok(Customer {
        id: row.id,
        wallet: WalletId::new(row.wallet_id, row.wallet_guard),
        permissions: Permissions {
            can_withdraw: row.can_withdraw,
            can_buy: row.can_buy,
            can_sell: row.can_sell,
        },
        block: row
            .blocked_at
            .zip(row.blocked_reason)
            .map(|(at, reason)| Block { at, reason }),
        profile: row.country.map(|country| Profile {
            country,
            firstname: row.firstname,
            lastname: row.lastname,
            email,
            phone,
            bvn: row.bvn,
        }),
        created_at: row.created_at,
    })
}

impl Snapshot<'_> {
    /// Returns the permissions and the block of the merchant's customer, or `None` if the
    /// merchant has no such customer.
    pub fn customer_access(
        &self,
        merchant: MerchantId,
        customer: &CustomerId,
    ) -> Result<Option<CustomerAccess>, Error> {
        let mut statement = self.connection.prepare(SELECT_ACCESS)?;
        statement.first(params![merchant.0, customer.as_str()], |row| {
            let row = AccessRow::read(row)?;
            Ok(CustomerAccess {
                permissions: Permissions {
                    can_withdraw: row.can_withdraw,
                    can_buy: row.can_buy,
                    can_sell: row.can_sell,
                },
                is_blocked: row.is_blocked,
            })
        })
    }

    /// Returns true if any merchant has a customer with this id.
    pub fn any_merchant_has_customer(&self, customer: &CustomerId) -> Result<bool, Error> {
        self.connection
            .prepare("SELECT 1 FROM customer WHERE id = ?1")?
            .exists(params![customer.as_str()])
    }

    /// Returns the time of a customer's last top-up, if [`Tx::save_top_up`] has stored one.
    pub fn topped_up_at(&self, merchant: MerchantId, customer: &CustomerId) -> Result<Option<Timestamp>, Error> {
        let mut statement = self
            .connection
            .prepare("SELECT topped_up_at FROM customer WHERE merchant_id = ?1 AND id = ?2")?;
        Ok(statement
            .first(params![merchant.0, customer.as_str()], |row| {
                Option::from_column(row, 0)
            })?
            .flatten())
    }

    /// Returns a merchant's customer.
    pub fn customer(&self, merchant: MerchantId, customer: &CustomerId) -> Result<Option<Customer>, Error> {
        self.one_customer(SELECT_BY_ID, params![merchant.0, customer.as_str()])
    }

    /// Returns the payees of these deals, each once.
    pub fn payees<'d>(&self, deals: impl IntoIterator<Item = DealRef<'d>>) -> Result<Vec<Customer>, Error> {
        let mut asked: Vec<(&CustomerId, DealRef<'_>)> = Vec::new();
        for deal in deals {
            if let Some(id) = deal.payee().filter(|id| asked.iter().all(|(known, _)| known != id)) {
                self.with_query_of_payee(deal, id, |sql, values| self.connection.ask_ahead(sql, values))?;
                asked.push((id, deal));
            }
        }
        let mut payees = Vec::with_capacity(asked.len());
        for (id, deal) in asked {
            payees.extend(self.with_query_of_payee(deal, id, |sql, values| self.one_customer(sql, values))?);
        }
        Ok(payees)
    }

    /// Runs work with the query of a deal's payee, and its values.
    fn with_query_of_payee<T>(
        &self,
        deal: DealRef<'_>,
        payee: &CustomerId,
        work: impl FnOnce(&str, &[Value<'_>]) -> T,
    ) -> T {
        match deal {
            // The deal was read for the whole group, and its seller with it.
            DealRef::Escrow(escrow) if self.connection.is_server() => {
                work(SELECT_SELLER, params![escrow.merchant.0, escrow.id.number()])
            }
            _ => work(SELECT_BY_ID, params![deal.merchant().0, payee.as_str()]),
        }
    }

    /// Returns the merchant's customer with this email address, phone, or both.
    pub fn customer_by_key(
        &self,
        merchant: MerchantId,
        key: &CustomerKey,
        of_merchant: Country,
    ) -> Result<Option<Customer>, Error> {
        let with_email = |text: &str| match Email::parse(text) {
            Some(email) => self.customer_by_email(merchant, &email),
            None => Ok(None),
        };
        match key {
            CustomerKey::Email(email) => with_email(email),
            CustomerKey::Phone(phone) => self.customer_by_phone(merchant, phone, of_merchant),
            CustomerKey::EmailAndPhone(email, phone) => {
                let holder = self.customer_by_phone(merchant, phone, of_merchant)?;
                let holder = holder.map(|customer| customer.id);
                let found = with_email(email)?;
                Ok(found.filter(|customer| Some(&customer.id) == holder.as_ref()))
            }
        }
    }

    /// Returns the merchant's customer with this email address.
    pub fn customer_by_email(&self, merchant: MerchantId, email: &Email) -> Result<Option<Customer>, Error> {
        let sql = select_customer!(
            "customer.id = (SELECT customer_id FROM customer_profile WHERE merchant_id = ?1 AND email = ?2)"
        );
        self.one_customer(sql, params![merchant.0, email.as_str()])
    }

    /// Returns the merchant's customer with this phone number, in any spelling that is usual
    /// in its country (contract sections 4.3.7 and 4.4.2). `of_merchant` is the country of a
    /// spelling that names none.
    pub fn customer_by_phone(
        &self,
        merchant: MerchantId,
        spelling: &str,
        of_merchant: Country,
    ) -> Result<Option<Customer>, Error> {
        for (country, phone) in Phone::readings(spelling, of_merchant) {
            let found = self.customer_with_phone(merchant, &phone)?;
            let is_of = |customer: &Customer| country.is_none_or(|country| customer.country(country) == country);
            if let Some(customer) = found.filter(is_of) {
                return Ok(Some(customer));
            }
        }
        Ok(None)
    }

    /// Returns the merchant's customer with this phone number, in any country.
    pub fn customer_with_phone(&self, merchant: MerchantId, phone: &Phone) -> Result<Option<Customer>, Error> {
        let sql = select_customer!(
            "customer.id = (SELECT customer_id FROM customer_profile WHERE merchant_id = ?1 AND phone = ?2)"
        );
        self.one_customer(sql, params![merchant.0, phone.as_str()])
    }

    /// Returns a page of the merchant's customers, newest first.
    pub fn customers(&self, merchant: MerchantId, request: PageRequest) -> Result<Page<Customer>, Error> {
        let count = self.count(
            "SELECT count(*) FROM customer WHERE merchant_id = ?1 AND wallet_id <= ?2",
            params![merchant.0, request.newest_counted()],
        )?;
        let mut statement = self.connection.prepare(select_customer!(
            "customer.id IN (SELECT id FROM customer INDEXED BY customer_by_age
                                 WHERE merchant_id = ?1 AND wallet_id <= ?4 ORDER BY wallet_id DESC LIMIT ?2 OFFSET ?3)
                 ORDER BY wallet_id DESC"
        ))?;
        let (limit, offset) = (request.rows_read(), request.offset());
        let rows = statement.query(params![merchant.0, limit, offset, request.newest()])?;
        let rows = read_all(rows, read_customer)?;
        Ok(Page::of(rows, count, request, |customer| customer.wallet.number()))
    }

    /// Returns the newest of the merchant's customers whose id, name, email address and phone have
    /// each of these words among them, in any letter case. Words after the first
    /// [`SEARCH_WORDS_MAX`] do not count. It reads every customer of the merchant.
    pub fn customers_with_words(
        &self,
        merchant: MerchantId,
        words: &[&str],
        limit: u32,
    ) -> Result<Vec<Customer>, Error> {
        let patterns: [String; SEARCH_WORDS_MAX] =
            array::from_fn(|index| like(words.get(index).copied().unwrap_or_default()));
        let mut statement = self.connection.prepare(select_customer!(
            words_of_customer!(),
            " LIKE ?2 ESCAPE '!' AND ",
            words_of_customer!(),
            " LIKE ?3 ESCAPE '!' AND ",
            words_of_customer!(),
            " LIKE ?4 ESCAPE '!' AND ",
            words_of_customer!(),
            " LIKE ?5 ESCAPE '!' ORDER BY customer.wallet_id DESC LIMIT ?6"
        ))?;
        let [first, second, third, fourth] = &patterns;
        let rows = statement.query(params![
            merchant.0,
            first.as_str(),
            second.as_str(),
            third.as_str(),
            fourth.as_str(),
            i64::from(limit)
        ])?;
        read_all(rows, read_customer)
    }

    /// Returns a customer's wallet as the customer sees it: the escrow balance leaves out the
    /// fees of open escrows, which the hold keeps until they close (contract section 9.1,
    /// row 15).
    pub fn wallet(&self, merchant: MerchantId, customer: &CustomerId) -> Result<Option<Wallet>, Error> {
        let mut statement = self.connection.prepare(concat!(
            "SELECT ",
            wallet_columns!(),
            " FROM customer
             JOIN account AS main ON main.merchant_id = ?1 AND main.customer_id = ?2 AND main.purpose = 'CUSTOMER_MAIN'
             JOIN account AS hold ON hold.merchant_id = ?1 AND hold.customer_id = ?2 AND hold.purpose = 'CUSTOMER_ESCROW'
             WHERE customer.merchant_id = ?1 AND customer.id = ?2"
        ))?;
        statement.first(params![merchant.0, customer.as_str()], |row| {
            let row = WalletRow::read(row)?;
            Ok(Wallet {
                id: WalletId::new(row.wallet_id, row.wallet_guard),
                created_at: row.created_at,
                main_balance: row.main_balance,
                escrow_balance: row.escrow_balance,
                updated_at: row.updated_at,
            })
        })
    }

    fn one_customer(&self, sql: &str, key: &[Value<'_>]) -> Result<Option<Customer>, Error> {
        let mut statement = self.connection.prepare(sql)?;
        statement.first(key, read_customer)
    }
}

impl Tx<'_> {
    /// Stores the current time as that of a customer's last top-up.
    pub fn save_top_up(&mut self, merchant: MerchantId, customer: &CustomerId) -> Result<(), Error> {
        self.connection
            .prepare("UPDATE customer SET topped_up_at = ?3 WHERE merchant_id = ?1 AND id = ?2")?
            .change_row(
                params![merchant.0, customer.as_str(), self.now().millis()],
                "a customer",
            )
    }

    /// Inserts a customer with its profile and two empty accounts. The customer must be
    /// active and have every permission.
    pub fn insert_customer(&mut self, merchant: MerchantId, customer: &Customer) -> Result<(), Error> {
        self.connection
            .prepare(
                "INSERT INTO customer (merchant_id, id, wallet_id, wallet_guard, created_at) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .change_row(params![
                merchant.0,
                customer.id.as_str(),
                customer.wallet.number(),
                customer.wallet.guard(),
                customer.created_at.millis()
            ], "a customer")?;
        self.insert_account(merchant, &Account::CustomerMain(customer.id.clone()))?;
        self.insert_account(merchant, &Account::CustomerEscrow(customer.id.clone()))?;
        match &customer.profile {
            None => Ok(()),
            Some(profile) => self.save_profile(merchant, &customer.id, profile),
        }
    }

    /// Saves the permissions and the block of a customer that exists.
    pub fn save_access(&mut self, merchant: MerchantId, customer: &Customer) -> Result<(), Error> {
        let Permissions {
            can_withdraw,
            can_buy,
            can_sell,
        } = customer.permissions;
        self
            .connection
            .prepare(
                "UPDATE customer SET can_withdraw = ?3, can_buy = ?4, can_sell = ?5, blocked_at = ?6, blocked_reason = ?7
                 WHERE merchant_id = ?1 AND id = ?2",
            )?.change_row(params![
                merchant.0,
                customer.id.as_str(),
                can_withdraw,
                can_buy,
                can_sell,
                customer.block.as_ref().map(|block| block.at.millis()),
                customer.block.as_ref().map(|block| block.reason.as_str()),
            ], "a customer")
    }

    /// Saves the profile of a customer that exists, in place of any earlier one.
    pub fn save_profile(
        &mut self,
        merchant: MerchantId,
        customer: &CustomerId,
        profile: &Profile,
    ) -> Result<(), Error> {
        self.connection
            .prepare(
                "INSERT INTO customer_profile
                     (merchant_id, customer_id, firstname, lastname, email, phone, bvn, country)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
                 ON CONFLICT (merchant_id, customer_id) DO UPDATE SET
                     firstname = excluded.firstname, lastname = excluded.lastname, email = excluded.email,
                     phone = excluded.phone, bvn = excluded.bvn, country = excluded.country",
            )?
            .execute(params![
                merchant.0,
                customer.as_str(),
                profile.firstname,
                profile.lastname,
                profile.email.as_ref().map(Email::as_str),
                profile.phone.as_ref().map(Phone::as_str),
                profile.bvn,
                profile.country.code(),
            ])?;
        Ok(())
    }
}
