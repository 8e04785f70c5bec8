//! Removing the sandbox merchants that resets left behind, with all their rows.
//!
//! The steps follow the references between the tables: a row goes before the row that it
//! names. A customer goes together with its accounts and a merchant with its own, so that
//! every row that is still there can be read. `escrowd check` therefore finds no fault between
//! two steps, and compares no sums of a merchant that is left behind.
//!
//! Accounts and merchants take the number after the greatest of their table. No number is
//! used twice: the merchant that took the key has greater numbers than the one that it
//! replaced. A transfer follows the greatest number so far, which the mark keeps. Other
//! numbers follow ledger time.

use std::collections::VecDeque;

use crate::domain::ids::MerchantId;
use crate::domain::time::Timestamp;
use crate::store::engine::error::Error;
use crate::store::engine::sql::{Connection, params};
use crate::store::tables::columns::read_all;
use crate::store::tx::{Snapshot, Tx};

/// The most rows of an indexed table that one step removes, so that other commands do not
/// wait long.
const ROWS_MAX: i64 = 500;
/// The most rows that one step looks at in a table without an index of merchants.
const SEARCHED_MAX: i64 = 1_000;
/// The most escrows and customers that one step removes. They have rows of their own.
const OWNERS_MAX: i64 = 50;
/// The most escrows, customers, receipts or merchants that one step removes on a PostgreSQL server,
/// which looks for references to each removed row in whole tables. One statement must not take as long as the longest wait for its answer, and other
/// commands wait meanwhile.
const OWNERS_ON_SERVER_MAX: i64 = 1;
/// The most rows of a searched table that one step removes on a server, if others may reference
/// them. Each is removed by statements of its own.
const SEARCHED_ON_SERVER_MAX: usize = 10;

/// The condition on a row of `merchant` for being left behind. The trigger of `transfer` in
/// `schema.sql` has the same.
macro_rules! is_left_behind {
    () => {
        "left_at IS NOT NULL AND NOT EXISTS (SELECT 1 FROM merchant_key WHERE merchant_id = merchant.id)
         AND EXISTS (SELECT 1 FROM instance WHERE mode = 'SANDBOX')"
    };
}

/// The rows that one part of a removal finds, and how.
enum Part {
    /// Rows found by their merchant, which is ?1, at most ?2 of them. The last statement
    /// removes as many rows as are left, up to this number.
    OfMerchant(i64, &'static [&'static str]),
    /// Rows of a table without an index of merchants. The query returns at most ?2 rows after
    /// the number ?1, each with its merchant or NULL. The statements remove the number ?1.
    Searched(&'static str, &'static [&'static str]),
}

use Part::{OfMerchant, Searched};

/// The first parts, in their order: rows that no other row references, and events with their
/// attempts. Slow withdrawals are first: settling one, the only command for such a merchant, adds
/// rows.
const UNREFERENCED: &[Part] = &[
    OfMerchant(
        ROWS_MAX,
        &[
            "DELETE FROM slow_withdrawal WHERE merchant_id = ?1 AND transaction_id IN
               (SELECT transaction_id FROM slow_withdrawal WHERE merchant_id = ?1 LIMIT ?2)",
        ],
    ),
    OfMerchant(
        ROWS_MAX,
        &["DELETE FROM test_account WHERE merchant_id = ?1 AND account_number IN
               (SELECT account_number FROM test_account WHERE merchant_id = ?1 LIMIT ?2)"],
    ),
    OfMerchant(
        ROWS_MAX,
        &["DELETE FROM idempotency_record WHERE id IN
               (SELECT id FROM idempotency_record WHERE merchant_id = ?1 LIMIT ?2)"],
    ),
    OfMerchant(
        ROWS_MAX,
        &["DELETE FROM delivery WHERE id IN (SELECT id FROM delivery WHERE merchant_id = ?1 LIMIT ?2)"],
    ),
    OfMerchant(
        ROWS_MAX,
        &[
            // The newest first: an event may share the data of the one before.
            "DELETE FROM delivery_attempt WHERE event_id IN
                 (SELECT id FROM event WHERE merchant_id = ?1 ORDER BY id DESC LIMIT ?2)",
            "DELETE FROM event WHERE id IN (SELECT id FROM event WHERE merchant_id = ?1 ORDER BY id DESC LIMIT ?2)",
        ],
    ),
    OfMerchant(
        ROWS_MAX,
        &["DELETE FROM card WHERE id IN (SELECT id FROM card WHERE merchant_id = ?1 LIMIT ?2)"],
    ),
    OfMerchant(
        ROWS_MAX,
        &["DELETE FROM whitelist_address WHERE id IN
               (SELECT id FROM whitelist_address WHERE merchant_id = ?1 LIMIT ?2)"],
    ),
    OfMerchant(
        ROWS_MAX,
        &["DELETE FROM payout WHERE id IN (SELECT id FROM payout WHERE merchant_id = ?1 LIMIT ?2)"],
    ),
    OfMerchant(
        ROWS_MAX,
        &[
            "DELETE FROM operator_act_head WHERE merchant_id IN (SELECT CAST(?1 AS INTEGER) LIMIT ?2)",
            "DELETE FROM operator_act WHERE id IN (SELECT id FROM operator_act WHERE merchant_id = ?1 LIMIT ?2)",
        ],
    ),
    Searched(
        "SELECT id, merchant_id FROM transfer WHERE id > ?1 ORDER BY id LIMIT ?2",
        &["DELETE FROM transfer WHERE id = ?1"],
    ),
];

const PAYMENT: &[&str] = &[
    "DELETE FROM requested_payment WHERE transaction_id = ?1",
    "DELETE FROM payment_detail WHERE transaction_id = ?1",
    "DELETE FROM payment_transaction WHERE id = ?1",
];

/// The parts after them, in their order: rows that others may reference. A server removes fewer of
/// them in one step.
const REFERENCED: &[Part] = &[
    OfMerchant(
        ROWS_MAX,
        &["DELETE FROM receipt WHERE id IN (SELECT id FROM receipt WHERE merchant_id = ?1 LIMIT ?2)"],
    ),
    // A credit names its escrow, and an escrow the payment that funded it, which names none.
    Searched(
        "SELECT payment_transaction.id, CASE WHEN escrow_id IS NOT NULL THEN merchant_id END
         FROM payment_transaction JOIN account ON account.id = account_id
         WHERE payment_transaction.id > ?1 ORDER BY payment_transaction.id LIMIT ?2",
        PAYMENT,
    ),
    OfMerchant(
        OWNERS_MAX,
        &[
            "DELETE FROM milestone WHERE id IN
                 (SELECT milestone.id FROM (SELECT id FROM escrow WHERE merchant_id = ?1 ORDER BY id LIMIT ?2) AS gone
                  CROSS JOIN milestone ON milestone.id > gone.id AND milestone.id < gone.id + 1024)",
            "DELETE FROM dispute_statement WHERE escrow_id IN
                 (SELECT id FROM escrow WHERE merchant_id = ?1 ORDER BY id LIMIT ?2)",
            "DELETE FROM vault_stake WHERE escrow_id IN
                 (SELECT id FROM escrow WHERE merchant_id = ?1 ORDER BY id LIMIT ?2)",
            "DELETE FROM escrow WHERE id IN (SELECT id FROM escrow WHERE merchant_id = ?1 ORDER BY id LIMIT ?2)",
        ],
    ),
    Searched(
        "SELECT payment_transaction.id, merchant_id FROM payment_transaction JOIN account ON account.id = account_id
         WHERE payment_transaction.id > ?1 ORDER BY payment_transaction.id LIMIT ?2",
        PAYMENT,
    ),
    Searched(
        "SELECT id, merchant_id FROM category WHERE id > ?1 ORDER BY id LIMIT ?2",
        &["DELETE FROM category WHERE id = ?1"],
    ),
    OfMerchant(
        OWNERS_MAX,
        &[
            "DELETE FROM customer_profile WHERE merchant_id = ?1 AND customer_id IN
                 (SELECT id FROM customer WHERE merchant_id = ?1 ORDER BY id LIMIT ?2)",
            "DELETE FROM account WHERE merchant_id = ?1 AND customer_id IN
                 (SELECT id FROM customer WHERE merchant_id = ?1 ORDER BY id LIMIT ?2)",
            "DELETE FROM customer WHERE merchant_id = ?1 AND id IN
                 (SELECT id FROM customer WHERE merchant_id = ?1 ORDER BY id LIMIT ?2)",
        ],
    ),
    OfMerchant(
        ROWS_MAX,
        &[
            "DELETE FROM account WHERE customer_id IS NULL AND merchant_id IN (SELECT CAST(?1 AS INTEGER) LIMIT ?2)",
            "DELETE FROM merchant WHERE id IN (SELECT CAST(?1 AS INTEGER) LIMIT ?2)",
        ],
    ),
];

/// The removal of some merchants, as far as it has come. A removal that was not finished can
/// begin anew.
#[derive(Clone, Debug)]
pub struct Removal {
    merchants: Vec<MerchantId>,
    /// The part under way.
    part: usize,
    /// The number after which that part goes on, if it searches a table.
    after: i64,
    /// The numbers up to that one which the search has found and no step has removed yet.
    found: VecDeque<i64>,
}

/// The state of a part after one step.
enum PartState {
    /// There may be more rows.
    Unfinished,
    Finished,
}

impl Removal {
    /// Returns the number of merchants that it removes.
    pub const fn merchants(&self) -> usize {
        self.merchants.len()
    }
}

/// Returns the merchants that are left behind.
pub(crate) fn left_behind(connection: Connection<'_>) -> Result<Vec<MerchantId>, Error> {
    let mut statement = connection.prepare(concat!("SELECT id FROM merchant WHERE ", is_left_behind!()))?;
    read_all(statement.query(params![])?, |row| row.get(0))
}

impl Snapshot<'_> {
    /// Returns the removal of at most `limit` merchants that were left behind before this
    /// ledger time, those of the oldest resets first, or `None` if there are none.
    pub fn removal(&self, before: Timestamp, limit: u32) -> Result<Option<Removal>, Error> {
        let mut statement = self.connection.prepare(concat!(
            "SELECT id FROM merchant WHERE left_at < ?1 AND ",
            is_left_behind!(),
            " ORDER BY left_at LIMIT ?2"
        ))?;
        let merchants = read_all(statement.query(params![before.millis(), limit])?, |row| row.get(0))?;
        let removal = Removal {
            merchants,
            part: 0,
            after: 0,
            found: VecDeque::new(),
        };
        Ok(Some(removal).filter(|removal| !removal.merchants.is_empty()))
    }

    fn is_left_behind(&self, merchant: MerchantId) -> Result<bool, Error> {
        self.connection
            .prepare(concat!("SELECT 1 FROM merchant WHERE id = ?1 AND ", is_left_behind!()))?
            .exists(params![merchant.0])
    }
}

impl Tx<'_> {
    /// Removes the next rows of merchants that are left behind, few enough that other
    /// commands do not wait long. Returns the rest of the removal, or `None` at its end.
    pub fn remove_some(&mut self, mut removal: Removal) -> Result<Option<Removal>, Error> {
        self.save_merchants()?;
        let mut merchants = Vec::with_capacity(removal.merchants.len());
        for merchant in removal.merchants {
            if self.is_left_behind(merchant)? {
                merchants.push(merchant);
            }
        }
        removal.merchants = merchants;
        let mut parts = UNREFERENCED.iter().chain(REFERENCED);
        let Some(part) = parts.nth(removal.part).filter(|_| !removal.merchants.is_empty()) else {
            return Ok(None);
        };
        let state = if removal.part < UNREFERENCED.len() {
            self.remove_part(&mut removal, part, false)?
        } else {
            // Their slow withdrawals are gone, so no command posts to their accounts any more.
            self.forget_accounts_of(&removal.merchants);
            // Most references have no index, because nothing else is ever removed, and the check
            // of them would read a whole table for each row.
            let reads_tables = self.connection.is_server();
            self.connection
                .without_references(|| self.remove_part(&mut removal, part, reads_tables))?
        };
        if let PartState::Finished = state {
            removal.part += 1;
            removal.after = 0;
        }
        Ok(Some(removal))
    }

    /// Removes the next rows of a part: few, if the database reads whole tables for each.
    fn remove_part(&self, removal: &mut Removal, part: &Part, reads_tables: bool) -> Result<PartState, Error> {
        match part {
            OfMerchant(limit, statements) => {
                let limit = if reads_tables { OWNERS_ON_SERVER_MAX } else { *limit };
                self.remove_of_merchants(&removal.merchants, limit, statements)
            }
            Searched(find, statements) => {
                let limit = if reads_tables {
                    SEARCHED_ON_SERVER_MAX
                } else {
                    usize::MAX
                };
                self.remove_searched(removal, find, limit, statements)
            }
        }
    }

    fn remove_of_merchants(
        &self,
        merchants: &[MerchantId],
        limit: i64,
        statements: &[&str],
    ) -> Result<PartState, Error> {
        let mut left = limit;
        for merchant in merchants {
            let mut removed = 0;
            for sql in statements {
                removed = self.connection.prepare(sql)?.execute(params![merchant.0, left])?;
            }
            left -= i64::try_from(removed).unwrap_or(left);
            if left <= 0 {
                return Ok(PartState::Unfinished);
            }
        }
        Ok(PartState::Finished)
    }

    fn remove_searched(
        &self,
        removal: &mut Removal,
        find: &str,
        limit: usize,
        statements: &[&str],
    ) -> Result<PartState, Error> {
        if removal.found.is_empty() {
            let mut statement = self.connection.prepare(find)?;
            let rows = statement.query(params![removal.after, SEARCHED_MAX])?;
            let found: Vec<(i64, Option<i64>)> = read_all(rows, |row| Ok((row.get(0)?, row.get(1)?)))?;
            let Some(&(last, _)) = found.last() else {
                return Ok(PartState::Finished);
            };
            removal.after = last;
            let is_of_removal = |merchant: i64| removal.merchants.contains(&MerchantId(merchant));
            let of_removal = found.into_iter().filter(|(_, owner)| owner.is_some_and(is_of_removal));
            removal.found = of_removal.map(|(number, _)| number).collect();
        }
        if !removal.found.is_empty() {
            self.keep_newest_transfer()?;
        }
        let removed = limit.min(removal.found.len());
        for number in removal.found.drain(..removed) {
            for sql in statements {
                self.connection.prepare(sql)?.execute(params![number])?;
            }
        }
        Ok(PartState::Unfinished)
    }
}
