//! Sums over all merchants, for the metrics.

use std::collections::{BTreeMap, HashMap};

use crate::domain::ids::{self, MerchantId};
use crate::domain::ledger::Account;
use crate::domain::time::Timestamp;
use crate::store::engine::error::Error;
use crate::store::engine::sql::params;
use crate::store::tables::columns::{FromColumn, broken, read_all};
use crate::store::tx::Snapshot;

/// The condition that a row's merchant was not left behind by a reset. Retention removes the rows
/// of such a merchant step by step, so its sums do not agree meanwhile.
macro_rules! staying {
    () => {
        "merchant_id NOT IN (SELECT id FROM merchant WHERE left_at IS NOT NULL)"
    };
}

/// The money and the pending deliveries of all merchants. Sums are in minor units and may be
/// above [`Amount::MAX`](crate::domain::money::Amount::MAX).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Totals {
    /// The balances by purpose of the account. The balance of the outside world is below zero.
    pub balances: BTreeMap<String, i128>,
    /// The sums that must agree and do not: 0 if each merchant's do. A difference of one
    /// merchant never cancels that of another.
    pub differences: Differences,
    /// Deliveries of events that are pending.
    pub deliveries: u64,
    /// Ledger time at which the oldest of them was added.
    pub oldest_delivery_at: Option<Timestamp>,
}

/// The differences between sums that must agree, each without its sign.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Differences {
    /// Between the accounts and the sum that the bank should hold.
    pub accounts: u128,
    /// Between the money in transit and the open pay-outs.
    pub in_transit: u128,
    /// Between the money in suspense and the receipts in it.
    pub suspense: u128,
}

/// The sums of one merchant that must be 0.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    accounts: i128,
    in_transit: i128,
    suspense: i128,
}

impl Totals {
    /// Adds up the accounts, open pay-outs, receipts and pending deliveries of all merchants.
    /// Reads the whole table of accounts.
    ///
    /// # Errors
    ///
    /// Fails if the rows cannot be read.
    pub fn of(snapshot: &Snapshot<'_>) -> Result<Self, Error> {
        let mut balances = BTreeMap::new();
        let mut merchants: HashMap<MerchantId, Sums> = HashMap::new();
        snapshot.sums(
            concat!(
                "SELECT merchant_id, purpose, sum(balance) FROM account WHERE ",
                staying!(),
                " GROUP BY merchant_id, purpose"
            ),
            |merchant, purpose, sum| {
                let sums = merchants.entry(merchant).or_default();
                sums.accounts += sum;
                if purpose == Account::InTransit.into_str() {
                    sums.in_transit += sum;
                } else if purpose == Account::Suspense.into_str() {
                    sums.suspense += sum;
                }
                *balances.entry(purpose.to_owned()).or_default() += sum;
            },
        )?;
        snapshot.sums(
            concat!(
                "SELECT merchant_id, 'payout', sum(amount + fee) FROM payout
                 WHERE status IN ('requested', 'approved') AND ",
                staying!(),
                " GROUP BY merchant_id"
            ),
            |merchant, _, sum| merchants.entry(merchant).or_default().in_transit -= sum,
        )?;
        snapshot.sums(
            concat!(
                "SELECT merchant_id, 'receipt', sum(amount) FROM receipt WHERE status = 'suspense' AND ",
                staying!(),
                " GROUP BY merchant_id"
            ),
            |merchant, _, sum| merchants.entry(merchant).or_default().suspense -= sum,
        )?;
        let mut differences = Differences::default();
        for sums in merchants.values() {
            differences.accounts += sums.accounts.unsigned_abs();
            differences.in_transit += sums.in_transit.unsigned_abs();
            differences.suspense += sums.suspense.unsigned_abs();
        }
        let (deliveries, oldest) = snapshot.pending_deliveries()?;
        Ok(Self {
            balances,
            differences,
            deliveries,
            oldest_delivery_at: oldest,
        })
    }
}

impl Snapshot<'_> {
    /// Calls `add` with the merchant, the name and the sum in each row of a query.
    fn sums(&self, sql: &str, mut add: impl FnMut(MerchantId, &str, i128)) -> Result<(), Error> {
        let mut statement = self.connection.prepare(sql)?;
        read_all(statement.query(params![])?, |row| {
            let sum: i64 = row.get(2)?;
            add(MerchantId::from_column(row, 0)?, row.get(1)?, i128::from(sum));
            Ok(())
        })?;
        Ok(())
    }

    /// Returns the number of pending deliveries, and the time at which the oldest was added.
    fn pending_deliveries(&self) -> Result<(u64, Option<Timestamp>), Error> {
        let mut statement = self
            .connection
            .prepare("SELECT count(*), (SELECT min(id) FROM delivery) FROM delivery")?;
        let (count, oldest): (i64, Option<i64>) = statement.one(params![], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let added_at = |number: i64| {
            let at = ids::time_of_number(number);
            at.ok_or_else(|| broken("the number of a delivery", &number.to_string()))
        };
        Ok((count.unsigned_abs(), oldest.map(added_at).transpose()?))
    }
}
