//! The position of merchants, and the movements of money at the bank.

use crate::domain::chain_hash::ChainHash;
use crate::domain::ids::{MerchantId, PayoutId, ReceiptId};
use crate::domain::ledger::Account;
use crate::domain::money::Amount;
use crate::domain::time::{Date, Timestamp};
use crate::domain::treasury::movement::{Movement, MovementKind};
use crate::domain::treasury::position::{Figures, MerchantPosition, Tally};
use crate::domain::treasury::signed_amount::SignedAmount;
use crate::store::engine::error::Error;
use crate::store::engine::sql::{Row, params};
use crate::store::tables::columns::{FromColumn, broken, read_all, row};
use crate::store::tables::expected_deposits::expected_deposits;
use crate::store::tx::Snapshot;

/// The columns of a [`Tally`]. Two sums instead of one, so that no number of rows makes SQLite
/// overflow.
macro_rules! tally_of {
    ($amount:literal) => {
        concat!(
            "SELECT count(*) AS count, coalesce(sum((",
            $amount,
            ") / 1000000), 0) AS millions, coalesce(sum((",
            $amount,
            ") % 1000000), 0) AS rest"
        )
    };
}

/// The condition that a receipt is a movement at the bank: its money is inside or was sent back.
macro_rules! receipt_moved {
    () => {
        "status IN ('credited', 'suspense', 'sent_back')"
    };
}

/// The condition that a pay-out is a movement at the bank: the payment, and its return if there was one.
macro_rules! payout_moved {
    () => {
        "status IN ('paid', 'returned') AND bank_reference IS NOT NULL"
    };
}

row! {
    struct SumRow<'a>, sum_columns! {
        purpose: &'a str,
        sum: i64 = "sum(balance)",
    }
}

row! {
    struct ReceiptRow, receipt_columns! {
        id: i64,
        guard: u32,
        amount: Amount,
        bank_reference: String,
        value_date: Date,
        is_at_provider: bool = "source = 'provider'",
    }
}

row! {
    struct PayoutRow, payout_columns! {
        id: i64,
        guard: u32,
        amount: Amount,
        bank_reference: String,
        value_date: Date,
        is_returned: bool = "status = 'returned'",
        updated_at: Timestamp,
    }
}

/// The movements of some merchants on some days, or more of them than were asked for.
#[derive(Clone, Debug)]
pub enum FoundMovements {
    All(Vec<Movement>),
    TooMany,
}

impl Snapshot<'_> {
    /// Returns all merchants, oldest first, also those without a key.
    pub fn every_merchant(&self) -> Result<Vec<MerchantId>, Error> {
        let mut statement = self.connection.prepare("SELECT id FROM merchant ORDER BY id")?;
        read_all(statement.query(params![])?, |row| MerchantId::from_column(row, 0))
    }

    /// Returns the number of the newest transfer in the file, 0 if there is none.
    pub fn newest_transfer(&self) -> Result<i64, Error> {
        let mut statement = self.connection.prepare("SELECT coalesce(max(id), 0) FROM transfer")?;
        statement.one(params![], |row| row.get(0))
    }

    /// Returns the hash of a merchant's newest transfer.
    pub fn chain_head(&self, merchant: MerchantId) -> Result<ChainHash, Error> {
        let mut statement = self
            .connection
            .prepare("SELECT chain_head FROM merchant WHERE id = ?1")?;
        Ok(ChainHash::from_bytes(
            statement.one(params![merchant.0], |row| row.get(0))?,
        ))
    }

    /// Returns the position of a merchant.
    pub fn position_of(&self, merchant: MerchantId) -> Result<MerchantPosition, Error> {
        Ok(MerchantPosition {
            merchant,
            name: self.merchant_name(merchant)?,
            figures: self.figures_of(merchant)?,
            chain_head: self.chain_head(merchant)?,
        })
    }

    fn figures_of(&self, merchant: MerchantId) -> Result<Figures, Error> {
        // Two indexes have the accounts of customers and the merchant's own. INDEXED BY keeps
        // SQLite from reading those of all merchants.
        let mut statement = self.connection.prepare(concat!(
            "SELECT ",
            sum_columns!(),
            " FROM account INDEXED BY account_of_customer
              WHERE merchant_id = ?1 AND customer_id IS NOT NULL GROUP BY purpose
              UNION ALL
              SELECT ",
            sum_columns!(),
            " FROM account INDEXED BY account_of_merchant
              WHERE merchant_id = ?1 AND customer_id IS NULL GROUP BY purpose"
        ))?;
        let sums = read_all(statement.query(params![merchant.0])?, |row| {
            let row = SumRow::read(row)?;
            Ok((row.purpose.to_owned(), row.sum))
        })?;
        let sum_of = |purpose: &str, sign: i64| {
            let found = sums.iter().find(|(found, _)| found == purpose);
            let minor = found.map_or(0, |(_, sum)| sign * sum);
            Amount::from_minor(minor).ok_or_else(|| broken("a sum of balances", &minor.to_string()))
        };
        Ok(Figures {
            wallets: sum_of("CUSTOMER_MAIN", 1)?,
            holds: sum_of("CUSTOMER_ESCROW", 1)?,
            merchants: sum_of(Account::MerchantMain.into_str(), 1)?,
            platform_fees: sum_of(Account::PlatformFees.into_str(), 1)?,
            in_transit: sum_of(Account::InTransit.into_str(), 1)?,
            suspense: sum_of(Account::Suspense.into_str(), 1)?,
            bank_should_hold: sum_of(Account::OutsideWorld.into_str(), -1)?,
            open_payouts: self.tally(
                concat!(
                    tally_of!("amount + fee"),
                    " FROM payout WHERE merchant_id = ?1 AND status IN ('requested', 'approved')"
                ),
                merchant,
            )?,
            receipts_in_suspense: self.tally(
                concat!(
                    tally_of!("amount"),
                    " FROM receipt WHERE merchant_id = ?1 AND status = 'suspense'"
                ),
                merchant,
            )?,
            receipts_to_approve: self.tally(
                concat!(
                    tally_of!("amount"),
                    " FROM receipt WHERE merchant_id = ?1 AND status = 'recorded'"
                ),
                merchant,
            )?,
            expected_deposits: self.tally(concat!(tally_of!("amount"), expected_deposits!()), merchant)?,
        })
    }

    fn tally(&self, sql: &str, merchant: MerchantId) -> Result<Tally, Error> {
        let (count, millions, rest): (i64, i64, i64) = self
            .connection
            .prepare(sql)?
            .one(params![merchant.0], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        let minor = millions
            .checked_mul(1_000_000)
            .and_then(|minor| minor.checked_add(rest));
        Ok(Tally {
            count: count.unsigned_abs(),
            amount: minor.and_then(Amount::from_minor),
        })
    }

    /// Returns the movements of money at the bank with a value date from the first to the last of
    /// these days, of these merchants, or that there are more than `max`. Without a last day, all
    /// later ones belong to them.
    ///
    /// A receipt counts while its money is inside or has been sent back, so not before its
    /// approval and not after its reversal. A pay-out counts once it is paid. One that the bank
    /// sent back after that counts twice: the payment, and the return on the day on which it
    /// was recorded.
    pub fn movements_of_days(
        &self,
        merchants: &[MerchantId],
        (first, last): (Date, Option<Date>),
        max: usize,
    ) -> Result<FoundMovements, Error> {
        let mut receipts = self.connection.prepare(concat!(
            "SELECT ",
            receipt_columns!(),
            " FROM receipt WHERE merchant_id = ?1 AND ",
            receipt_moved!(),
            " AND value_date BETWEEN ?2 AND ?4 LIMIT ?3"
        ))?;
        let mut payouts = self.connection.prepare(concat!(
            "SELECT ",
            payout_columns!(),
            " FROM payout WHERE merchant_id = ?1 AND ",
            payout_moved!(),
            " AND (value_date BETWEEN ?2 AND ?4 OR (status = 'returned' AND updated_at >= ?5 AND updated_at < ?6)) LIMIT ?3"
        ))?;
        let limit = max.saturating_add(1);
        let last = last.unwrap_or(Date::MAX);
        let (day, last_day) = (first.to_string(), last.to_string());
        let (start, end) = (first.span_millis().0, last.span_millis().1);
        let mut found = Vec::new();
        for merchant in merchants {
            found.extend(read_all(
                receipts.query(params![merchant.0, day, limit, last_day])?,
                receipt_movement,
            )?);
            let rows = payouts.query(params![merchant.0, day, limit, last_day, start, end])?;
            found.extend(read_all(rows, payout_movements)?.into_iter().flatten());
            found.retain(|movement| (first..=last).contains(&movement.value_date));
            if found.len() > max {
                return Ok(FoundMovements::TooMany);
            }
        }
        Ok(FoundMovements::All(found))
    }

    /// Returns the sum of the movements of these merchants after a day, with money out below zero, or
    /// `None` if it is beyond [`SignedAmount::MAX`].
    pub fn sum_of_movements_after(&self, merchants: &[MerchantId], day: Date) -> Result<Option<SignedAmount>, Error> {
        let mut receipts = self.connection.prepare(concat!(
            tally_of!("amount"),
            " FROM receipt WHERE merchant_id = ?1 AND ",
            receipt_moved!(),
            " AND value_date > ?2"
        ))?;
        let mut payments = self.connection.prepare(concat!(
            tally_of!("amount"),
            " FROM payout WHERE merchant_id = ?1 AND ",
            payout_moved!(),
            " AND value_date > ?2"
        ))?;
        let mut returns = self.connection.prepare(concat!(
            tally_of!("amount"),
            " FROM payout WHERE merchant_id = ?1 AND ",
            payout_moved!(),
            " AND status = 'returned' AND updated_at >= ?2"
        ))?;
        let (after, end) = (day.to_string(), day.span_millis().1);
        let mut sum = 0;
        for merchant in merchants {
            sum += receipts.one(params![merchant.0, after], sum_of_tally)?;
            sum -= payments.one(params![merchant.0, after], sum_of_tally)?;
            sum += returns.one(params![merchant.0, end], sum_of_tally)?;
        }
        Ok(i64::try_from(sum).ok().and_then(SignedAmount::from_minor))
    }
}

/// Returns the sum of a [`tally_of`], which no number of rows makes overflow.
fn sum_of_tally(row: Row<'_>) -> Result<i128, Error> {
    let (millions, rest): (i64, i64) = (row.get(1)?, row.get(2)?);
    Ok(i128::from(millions) * 1_000_000 + i128::from(rest))
}

fn receipt_movement(row: Row<'_>) -> Result<Movement, Error> {
    let row = ReceiptRow::read(row)?;
    Ok(Movement {
        value_date: row.value_date,
        kind: if row.is_at_provider {
            MovementKind::AtProvider
        } else {
            MovementKind::Receipt
        },
        id: ReceiptId::new(row.id, row.guard).to_string(),
        amount: SignedAmount::credit(row.amount),
        reference: row.bank_reference,
    })
}

/// Returns the payment, and the return if the bank sent it back.
fn payout_movements(row: Row<'_>) -> Result<Vec<Movement>, Error> {
    let row = PayoutRow::read(row)?;
    let movement = |value_date, amount| Movement {
        value_date,
        kind: MovementKind::Payout,
        id: PayoutId::new(row.id, row.guard).to_string(),
        amount,
        reference: row.bank_reference.clone(),
    };
    let paid = movement(row.value_date, SignedAmount::debit(row.amount));
    let returned = row
        .is_returned
        .then(|| movement(row.updated_at.date(), SignedAmount::credit(row.amount)));
    Ok([Some(paid), returned].into_iter().flatten().collect())
}
