//! Statements: the transfers of an account, of a deal or of a merchant, with balances.
//!
//! No index leads from an account to its transfers, since every transfer would have to write
//! it. A statement reads the transfers from the beginning of its period on. In live
//! mode times follow the numbers of transfers, so a binary search finds the first one. So they do
//! in a sandbox while no merchant's clock is ahead.

use crate::domain::chain_hash::ChainHash;
use crate::domain::ids::{EscrowId, MerchantId};
use crate::domain::ledger::{Account, Transfer};
use crate::domain::time::Timestamp;
use crate::domain::treasury::account_statement::{AccountStatement, Period, PostedLine, StatementBuilder, TooManyRows};
use crate::store::engine::error::Error;
use crate::store::engine::sql::{Rows, Value, params};
use crate::store::tables::columns::{Columns, row};
use crate::store::tables::transfers::{read_transfer, transfer_columns};
use crate::store::tx::Snapshot;

row! {
    /// The columns of a line that are not those of its transfer.
    part struct LineRow, line_columns! {
        at: Timestamp = "transfer.created_at",
        hash: [u8; 32] = "transfer.hash",
    }
}

/// The number of transfers that one query of a statement reads. PostgreSQL sends all rows of a query
/// at once, and a statement can cover all transfers.
macro_rules! lines_at_once {
    () => {
        1_000
    };
}
const LINES_AT_ONCE: usize = lines_at_once!();

/// The next transfers from a number on that meet a condition, oldest first, as many as
/// [`LINES_AT_ONCE`]. CROSS JOIN keeps SQLite from reading accounts first.
macro_rules! select_lines {
    ($condition:literal) => {
        concat!(
            "SELECT ",
            transfer_columns!(),
            ", ",
            line_columns!(),
            " FROM transfer
              CROSS JOIN account AS debit ON debit.id = debit_account_id
              CROSS JOIN account AS credit ON credit.id = credit_account_id
              LEFT JOIN escrow ON escrow.id = escrow_id
              WHERE transfer.id >= ?1 AND transfer.merchant_id = ?2 AND ",
            $condition,
            " ORDER BY transfer.id LIMIT ",
            lines_at_once!()
        )
    };
}

/// The outcome of a statement, whose rows may be too many.
pub type MadeStatement = Result<AccountStatement, TooManyRows>;

impl Snapshot<'_> {
    /// Returns the statement of accounts of a merchant that exist, one or two, with a balance
    /// for each.
    pub fn statement_of_accounts(
        &self,
        merchant: MerchantId,
        accounts: &[Account],
        period: Period,
        rows_max: usize,
    ) -> Result<MadeStatement, Error> {
        let rows = accounts.iter().map(|account| self.account(merchant, account));
        let rows = rows.collect::<Result<Vec<_>, _>>()?;
        let first = rows
            .first()
            .ok_or_else(|| Error::Corrupt("a statement needs an account".to_owned()))?
            .id;
        let last = rows.last().map_or(first, |row| row.id);
        let mut builder = StatementBuilder::new(period, accounts.len(), rows_max);
        let is_whole = self.collect_lines(
            select_lines!("(debit_account_id IN (?3, ?4) OR credit_account_id IN (?3, ?4))"),
            [
                self.first_transfer_at(period.start_millis())?.into(),
                merchant.0.into(),
                first.into(),
                last.into(),
            ],
            &mut builder,
            |transfer| accounts.iter().map(|account| change_of(transfer, account)).collect(),
        )?;
        let current: Vec<i64> = rows.iter().map(|row| row.balance).collect();
        self.finish(merchant, is_whole, builder, |builder, head| {
            builder.finish(&current, head)
        })
    }

    /// Returns the journal of a merchant: all its transfers, with the balance that the bank
    /// should have had.
    pub fn journal(&self, merchant: MerchantId, period: Period, rows_max: usize) -> Result<MadeStatement, Error> {
        let bank = -self.account(merchant, &Account::OutsideWorld)?.balance;
        let mut builder = StatementBuilder::new(period, 1, rows_max);
        let is_whole = self.collect_lines(
            // Transfers after the period count only if they moved the balance.
            select_lines!(
                "(transfer.created_at < ?3 OR debit.purpose = 'OUTSIDE_WORLD' OR credit.purpose = 'OUTSIDE_WORLD')"
            ),
            [
                self.first_transfer_at(period.start_millis())?.into(),
                merchant.0.into(),
                period.end_millis().into(),
            ],
            &mut builder,
            |transfer| vec![-change_of(transfer, &Account::OutsideWorld)],
        )?;
        self.finish(merchant, is_whole, builder, |builder, head| {
            builder.finish(&[bank], head)
        })
    }

    /// Returns the statement of a deal's hold, or `None` if the merchant has no such deal.
    pub fn statement_of_deal(
        &self,
        merchant: MerchantId,
        deal: EscrowId,
        period: Period,
        rows_max: usize,
    ) -> Result<Option<MadeStatement>, Error> {
        let Some(number) = self.number_of_deal(merchant, deal)? else {
            return Ok(None);
        };
        let offered_at: i64 = self
            .connection
            .prepare("SELECT created_at FROM escrow WHERE id = ?1")?
            .one(params![number], |row| row.get(0))?;
        let mut builder = StatementBuilder::new(period, 1, rows_max);
        let is_whole = self.collect_lines(
            select_lines!("escrow_id = ?3"),
            [
                self.first_transfer_at(offered_at)?.into(),
                merchant.0.into(),
                number.into(),
            ],
            &mut builder,
            |transfer| vec![change_of_hold(transfer)],
        )?;
        self.finish(merchant, is_whole, builder, StatementBuilder::finish_from_zero)
            .map(Some)
    }

    fn finish(
        &self,
        merchant: MerchantId,
        is_whole: Result<(), TooManyRows>,
        builder: StatementBuilder,
        finish: impl FnOnce(StatementBuilder, ChainHash) -> Option<AccountStatement>,
    ) -> Result<MadeStatement, Error> {
        if let Err(error) = is_whole {
            return Ok(Err(error));
        }
        let head = self.chain_head(merchant)?;
        let statement = finish(builder, head);
        let statement = statement
            .ok_or_else(|| Error::Corrupt("a balance of a statement exceeds the largest amount".to_owned()))?;
        Ok(Ok(statement))
    }

    /// Adds the transfers of a query of [`select_lines`], whose first value is the number of the first.
    fn collect_lines<const COUNT: usize>(
        &self,
        sql: &str,
        mut values: [Value<'_>; COUNT],
        builder: &mut StatementBuilder,
        changes: impl Fn(&Transfer) -> Vec<i64>,
    ) -> Result<Result<(), TooManyRows>, Error> {
        let mut statement = self.connection.prepare(sql)?;
        loop {
            let (read, last) = match Self::add_lines(statement.query(&values)?, builder, &changes)? {
                Ok(added) => added,
                Err(error) => return Ok(Err(error)),
            };
            if read < LINES_AT_ONCE {
                return Ok(Ok(()));
            }
            values[0] = (last + 1).into();
        }
    }

    /// Adds the transfers in these rows. Returns their count and the number of the last one.
    fn add_lines(
        mut rows: Rows<'_>,
        builder: &mut StatementBuilder,
        changes: impl Fn(&Transfer) -> Vec<i64>,
    ) -> Result<Result<(usize, i64), TooManyRows>, Error> {
        let (mut read, mut last) = (0, 0);
        while let Some(row) = rows.next()? {
            let mut columns = Columns::of(row);
            let (number, transfer) = read_transfer(&mut columns)?;
            (read, last) = (read + 1, number);
            let LineRow { at, hash } = LineRow::read_next(&mut columns)?;
            let changes = changes(&transfer);
            let line = PostedLine {
                number,
                at,
                transfer,
                hash: ChainHash::from_bytes(hash),
            };
            if let Err(error) = builder.add(line, changes) {
                return Ok(Err(error));
            }
        }
        Ok(Ok((read, last)))
    }

    /// Returns a number from which all transfers of this time or later follow: the first of
    /// them, where times follow the numbers.
    fn first_transfer_at(&self, millis: i64) -> Result<i64, Error> {
        let is_any_ahead = self
            .connection
            .prepare("SELECT 1 FROM merchant WHERE clock_offset_millis > 0 LIMIT 1")?
            .exists(params![])?;
        if is_any_ahead || millis <= 0 {
            return Ok(1);
        }
        let mut time_from = self
            .connection
            .prepare("SELECT created_at FROM transfer WHERE id >= ?1 ORDER BY id LIMIT 1")?;
        let (mut low, mut high) = (1, self.newest_transfer()? + 1);
        while low < high {
            let middle = low + (high - low) / 2;
            let at: Option<i64> = time_from.first(params![middle], |row| row.get(0))?;
            if at.is_some_and(|at| at < millis) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }
}

/// Returns the change of an account's balance by a transfer, in minor units.
fn change_of(transfer: &Transfer, account: &Account) -> i64 {
    let minor = transfer.amount.minor();
    if transfer.credit == *account {
        minor
    } else if transfer.debit == *account {
        -minor
    } else {
        0
    }
}

/// Returns the change of the hold of a transfer's deal. A vault is funded and refunded for
/// each participant.
fn change_of_hold(transfer: &Transfer) -> i64 {
    let is_hold = |account: &Account| matches!(account, Account::CustomerEscrow(_));
    let minor = transfer.amount.minor();
    match (is_hold(&transfer.debit), is_hold(&transfer.credit)) {
        (false, true) => minor,
        (true, false) => -minor,
        _ => 0,
    }
}
