//! Customers, their profiles and their wallets.

use rusqlite::{OptionalExtension, Row, params};

use crate::domain::customers::country::Phone;
use crate::domain::customers::customer::{Block, Customer, CustomerAccess, CustomerKey, Permissions, Wallet};
use crate::domain::customers::profile::{Email, Profile};
use crate::domain::escrow::deal::DealRef;
use crate::domain::ids::{CustomerId, MerchantId, WalletId};
use crate::domain::ledger::Account;
use crate::domain::page::{Page, PageRequest};
use crate::domain::time::Timestamp;
use crate::store::engine::error::{Error, one_row};
use crate::store::tables::columns::{
    amount_at, customer_id_at, is_of_a_key, offset_of, optional_text_at, optional_timestamp_at, timestamp_at, word_at,
};
use crate::store::tx::{Snapshot, Tx};

/// Columns in the order that [`read_customer`] reads them.
macro_rules! select_customer {
    ($condition:literal) => {
        concat!(
            "SELECT customer.id, wallet_id, wallet_guard, can_withdraw, can_buy, can_sell,
                    blocked_at, blocked_reason, created_at,
                    country, firstname, lastname, email, phone, bvn
             FROM customer LEFT JOIN customer_profile AS profile
                ON profile.merchant_id = customer.merchant_id AND profile.customer_id = customer.id
             WHERE customer.merchant_id = ?1 AND ",
            $condition
        )
    };
}

impl Snapshot<'_> {
    /// How the merchant's customer stands; `None` when it has none of this id.
    pub fn customer_access(
        &self,
        merchant: MerchantId,
        customer: &CustomerId,
    ) -> Result<Option<CustomerAccess>, Error> {
        let access = self
            .connection
            .prepare_cached(
                "SELECT can_withdraw, can_buy, can_sell, blocked_at IS NOT NULL FROM customer
                 WHERE merchant_id = ?1 AND id = ?2",
            )?
            .query_row(params![merchant.0, customer.as_str()], |row| {
                Ok(CustomerAccess {
                    permissions: permissions_at(row, 0)?,
                    is_blocked: row.get(3)?,
                })
            })
            .optional()?;
        Ok(access)
    }

    /// Whether any merchant has a customer of this id. One that started over and left
    /// them behind does not.
    pub fn is_anyones_customer(&self, customer: &CustomerId) -> Result<bool, Error> {
        let exists = self
            .connection
            .prepare_cached(concat!("SELECT 1 FROM customer WHERE id = ?1 AND ", is_of_a_key!()))?
            .exists([customer.as_str()])?;
        Ok(exists)
    }

    /// When a customer last added play money, as far as [`Tx::save_top_up`] noted it.
    pub fn topped_up_at(&self, merchant: MerchantId, customer: &CustomerId) -> Result<Option<Timestamp>, Error> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT topped_up_at FROM customer WHERE merchant_id = ?1 AND id = ?2")?;
        let mut rows = statement.query(params![merchant.0, customer.as_str()])?;
        rows.next()?.map_or(Ok(None), |row| optional_timestamp_at(row, 0))
    }

    /// A merchant's customer, with everything that is known.
    pub fn customer(&self, merchant: MerchantId, customer: &CustomerId) -> Result<Option<Customer>, Error> {
        let sql = select_customer!("customer.id = ?2");
        self.one_customer(sql, params![merchant.0, customer.as_str()])
    }

    /// Returns the payees of these deals, each once.
    pub fn payees<'d>(&self, deals: impl IntoIterator<Item = DealRef<'d>>) -> Result<Vec<Customer>, Error> {
        let mut payees: Vec<Customer> = Vec::new();
        for deal in deals {
            if let Some(id) = deal.payee().filter(|id| payees.iter().all(|known| known.id != **id)) {
                payees.extend(self.customer(deal.merchant(), id)?);
            }
        }
        Ok(payees)
    }

    /// Returns the merchant's customer with this email address, phone, or both.
    pub fn customer_by_key(&self, merchant: MerchantId, key: &CustomerKey) -> Result<Option<Customer>, Error> {
        let with_email = |text: &str| match Email::parse(text) {
            Some(email) => self.customer_by_email(merchant, &email),
            None => Ok(None),
        };
        match key {
            CustomerKey::Email(email) => with_email(email),
            CustomerKey::Phone(phone) => self.customer_by_phone(merchant, phone),
            CustomerKey::EmailAndPhone(email, phone) => {
                let holder = self.customer_by_phone(merchant, phone)?.map(|customer| customer.id);
                let found = with_email(email)?;
                Ok(found.filter(|customer| Some(&customer.id) == holder.as_ref()))
            }
        }
    }

    /// The merchant's customer with this email address.
    pub fn customer_by_email(&self, merchant: MerchantId, email: &Email) -> Result<Option<Customer>, Error> {
        let sql = select_customer!(
            "customer.id = (SELECT customer_id FROM customer_profile WHERE merchant_id = ?1 AND email = ?2)"
        );
        self.one_customer(sql, params![merchant.0, email.as_str()])
    }

    /// The merchant's customer with this phone, in any spelling that its country
    /// has (contract sections 4.3.7 and 4.4.2).
    pub fn customer_by_phone(&self, merchant: MerchantId, spelling: &str) -> Result<Option<Customer>, Error> {
        for (country, phone) in Phone::readings(spelling) {
            let found = self.customer_with_phone(merchant, &phone)?;
            if let Some(customer) = found.filter(|customer| customer.country(country) == country) {
                return Ok(Some(customer));
            }
        }
        Ok(None)
    }

    /// The merchant's customer with this phone, whatever the country.
    pub fn customer_with_phone(&self, merchant: MerchantId, phone: &Phone) -> Result<Option<Customer>, Error> {
        let sql = select_customer!(
            "customer.id = (SELECT customer_id FROM customer_profile WHERE merchant_id = ?1 AND phone = ?2)"
        );
        self.one_customer(sql, params![merchant.0, phone.as_str()])
    }

    /// A page of the merchant's customers, newest first.
    pub fn customers(&self, merchant: MerchantId, request: PageRequest) -> Result<Page<Customer>, Error> {
        let count: i64 = self
            .connection
            .prepare_cached("SELECT count(*) FROM customer WHERE merchant_id = ?1")?
            .query_row([merchant.0], |row| row.get(0))?;
        let mut statement = self
            .connection
            .prepare_cached(select_customer!("true ORDER BY wallet_id DESC LIMIT ?2 OFFSET ?3"))?;
        let offset = offset_of(request);
        let mut rows = statement.query(params![merchant.0, request.limit, offset])?;
        let mut customers = Vec::new();
        while let Some(row) = rows.next()? {
            customers.push(read_customer(row)?);
        }
        Ok(Page {
            rows: customers,
            count: count.unsigned_abs(),
            request,
        })
    }

    /// A customer's money as the customer sees it: the fees that the hold keeps
    /// until an escrow closes are not in it (contract section 9.1, row 15).
    pub fn wallet(&self, merchant: MerchantId, customer: &CustomerId) -> Result<Option<Wallet>, Error> {
        let wallet = self
            .connection
            .prepare_cached(
                "SELECT customer.wallet_id, customer.wallet_guard, customer.created_at, main.balance,
                        hold.balance - (SELECT coalesce(sum(fee + additional_fee), 0) FROM escrow
                                        WHERE merchant_id = ?1 AND buyer_id = ?2 AND state = 'OPENED'),
                        max(main.updated_at, hold.updated_at)
                 FROM customer
                 JOIN account AS main ON main.merchant_id = ?1 AND main.customer_id = ?2 AND main.purpose = 'CUSTOMER_MAIN'
                 JOIN account AS hold ON hold.merchant_id = ?1 AND hold.customer_id = ?2 AND hold.purpose = 'CUSTOMER_ESCROW'
                 WHERE customer.merchant_id = ?1 AND customer.id = ?2",
            )?
            .query_row(params![merchant.0, customer.as_str()], |row| Ok(read_wallet(row)))
            .optional()?;
        wallet.transpose()
    }

    fn one_customer(&self, sql: &str, key: impl rusqlite::Params) -> Result<Option<Customer>, Error> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query(key)?;
        rows.next()?.map(read_customer).transpose()
    }
}

fn read_customer(row: &Row<'_>) -> Result<Customer, Error> {
    let block = match optional_timestamp_at(row, 6)? {
        None => None,
        Some(at) => Some(Block {
            at,
            reason: row.get(7)?,
        }),
    };
    Ok(Customer {
        id: customer_id_at(row, 0)?,
        wallet: WalletId::new(row.get(1)?, row.get(2)?),
        permissions: permissions_at(row, 3)?,
        block,
        profile: match optional_text_at(row, 9)? {
            None => None,
            Some(_) => Some(read_profile(row, 9)?),
        },
        created_at: timestamp_at(row, 8)?,
    })
}

/// The profile whose columns begin here.
fn read_profile(row: &Row<'_>, column: usize) -> Result<Profile, Error> {
    Ok(Profile {
        country: word_at(row, column, "a country")?,
        firstname: row.get(column + 1)?,
        lastname: row.get(column + 2)?,
        email: optional_text_at(row, column + 3)?.map(Email::stored),
        phone: optional_text_at(row, column + 4)?.map(Phone::stored),
        bvn: row.get(column + 5)?,
    })
}

/// To withdraw, to buy and to sell, as they stand in this column and the next two.
fn permissions_at(row: &Row<'_>, column: usize) -> rusqlite::Result<Permissions> {
    Ok(Permissions {
        can_withdraw: row.get(column)?,
        can_buy: row.get(column + 1)?,
        can_sell: row.get(column + 2)?,
    })
}

fn read_wallet(row: &Row<'_>) -> Result<Wallet, Error> {
    Ok(Wallet {
        id: WalletId::new(row.get(0)?, row.get(1)?),
        created_at: timestamp_at(row, 2)?,
        main_balance: amount_at(row, 3)?,
        escrow_balance: amount_at(row, 4)?,
        updated_at: timestamp_at(row, 5)?,
    })
}

impl Tx<'_> {
    /// Notes that a customer adds play money now.
    pub fn save_top_up(&mut self, merchant: MerchantId, customer: &CustomerId) -> Result<(), Error> {
        let changed = self
            .connection
            .prepare_cached("UPDATE customer SET topped_up_at = ?3 WHERE merchant_id = ?1 AND id = ?2")?
            .execute(params![merchant.0, customer.as_str(), self.now().millis()])?;
        one_row(changed, "a customer")
    }

    /// A new customer, active and with every permission, and two empty accounts.
    pub fn insert_customer(&mut self, merchant: MerchantId, customer: &Customer) -> Result<(), Error> {
        self.connection
            .prepare_cached(
                "INSERT INTO customer (merchant_id, id, wallet_id, wallet_guard, created_at) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![
                merchant.0,
                customer.id.as_str(),
                customer.wallet.number(),
                customer.wallet.guard(),
                customer.created_at.millis()
            ])?;
        self.insert_account(merchant, &Account::CustomerMain(customer.id.clone()))?;
        self.insert_account(merchant, &Account::CustomerEscrow(customer.id.clone()))?;
        match &customer.profile {
            None => Ok(()),
            Some(profile) => self.save_profile(merchant, &customer.id, profile),
        }
    }

    /// Writes what a stored customer may do and whether it is blocked.
    pub fn save_access(&mut self, merchant: MerchantId, customer: &Customer) -> Result<(), Error> {
        let Permissions {
            can_withdraw,
            can_buy,
            can_sell,
        } = customer.permissions;
        let changed = self
            .connection
            .prepare_cached(
                "UPDATE customer SET can_withdraw = ?3, can_buy = ?4, can_sell = ?5, blocked_at = ?6, blocked_reason = ?7
                 WHERE merchant_id = ?1 AND id = ?2",
            )?
            .execute(params![
                merchant.0,
                customer.id.as_str(),
                can_withdraw,
                can_buy,
                can_sell,
                customer.block.as_ref().map(|block| block.at.millis()),
                customer.block.as_ref().map(|block| block.reason.as_str()),
            ])?;
        one_row(changed, "a customer")
    }

    /// Writes who a stored customer is, in place of what was known before.
    pub fn save_profile(
        &mut self,
        merchant: MerchantId,
        customer: &CustomerId,
        profile: &Profile,
    ) -> Result<(), Error> {
        self.connection
            .prepare_cached(
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
