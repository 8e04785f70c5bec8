//! Statements of accounts: the transfers of a period with the balances before and after
//! them, computed back from the present balances.

use crate::domain::chain_hash::ChainHash;
use crate::domain::ledger::Transfer;
use crate::domain::time::{Date, Timestamp};
use crate::domain::treasury::signed_amount::SignedAmount;

/// The days of a statement, in UTC. `None` leaves a side open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Period {
    /// The first day.
    pub from: Option<Date>,
    /// The last day.
    pub to: Option<Date>,
}

impl Period {
    /// Returns the period of these days.
    ///
    /// # Errors
    ///
    /// Returns the first day if the last day is before it.
    pub fn between(from: Option<Date>, to: Option<Date>) -> Result<Self, Date> {
        match (from, to) {
            (Some(first), Some(last)) if last < first => Err(first),
            _ => Ok(Self { from, to }),
        }
    }
}

/// The place of a time relative to a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlaceInPeriod {
    Before,
    Within,
    After,
}

/// A transfer as a statement shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostedLine {
    /// Its number in the file.
    pub number: i64,
    pub at: Timestamp,
    pub transfer: Transfer,
    /// The hash of it and of all the merchant's transfers before it.
    pub hash: ChainHash,
}

/// A row of a statement. The lists have a place for each balance of the statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatementRow {
    pub line: PostedLine,
    pub changes: Vec<SignedAmount>,
    /// The balances after it.
    pub balances: Vec<SignedAmount>,
}

/// A statement of one balance or several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountStatement {
    pub period: Period,
    pub opening: Vec<SignedAmount>,
    pub rows: Vec<StatementRow>,
    pub closing: Vec<SignedAmount>,
    /// The hash of the merchant's newest transfer when the statement was made.
    pub chain_head: ChainHash,
}

/// Collects the transfers of a statement, in the order of their numbers.
#[derive(Debug)]
pub struct StatementBuilder {
    period: Period,
    rows_max: usize,
    rows: Vec<(PostedLine, Vec<i64>)>,
    /// The changes since the period.
    after: Vec<i128>,
    /// All changes.
    total: Vec<i128>,
}

/// The error of a statement with more rows than fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyRows;

impl Period {
    /// Returns true if this is one of the days.
    pub fn contains(self, day: Date) -> bool {
        self.from.is_none_or(|from| from <= day) && self.to.is_none_or(|to| day <= to)
    }

    pub fn place_of(self, at: Timestamp) -> PlaceInPeriod {
        if at.millis() < self.start_millis() {
            PlaceInPeriod::Before
        } else if at.millis() < self.end_millis() {
            PlaceInPeriod::Within
        } else {
            PlaceInPeriod::After
        }
    }

    /// Returns the first millisecond.
    pub fn start_millis(self) -> i64 {
        self.from.map_or(i64::MIN, |day| day.span_millis().0)
    }

    /// Returns the first millisecond after the last day.
    pub fn end_millis(self) -> i64 {
        self.to.map_or(i64::MAX, |day| day.span_millis().1)
    }
}

impl StatementBuilder {
    /// Begins a statement of this many balances and of at most `rows_max` rows.
    pub fn new(period: Period, balances: usize, rows_max: usize) -> Self {
        Self {
            period,
            rows_max,
            rows: Vec::new(),
            after: vec![0; balances],
            total: vec![0; balances],
        }
    }

    /// Adds a transfer and its changes of the balances, in minor units. Those before the
    /// period count for [`StatementBuilder::finish_from_zero`] alone.
    ///
    /// # Errors
    ///
    /// Returns an error for a row too many.
    pub fn add(&mut self, line: PostedLine, changes: Vec<i64>) -> Result<(), TooManyRows> {
        add(&mut self.total, &changes);
        match self.period.place_of(line.at) {
            PlaceInPeriod::Before => {}
            PlaceInPeriod::Within if self.rows.len() == self.rows_max => return Err(TooManyRows),
            PlaceInPeriod::Within => self.rows.push((line, changes)),
            PlaceInPeriod::After => add(&mut self.after, &changes),
        }
        Ok(())
    }

    /// Returns the statement of balances that are now `current`. All transfers since the
    /// period began were added. `None` means that a balance is beyond
    /// [`SignedAmount::MAX`], which no sound file has.
    pub fn finish(self, current: &[i64], chain_head: ChainHash) -> Option<AccountStatement> {
        let current: Vec<i128> = current.iter().copied().map(i128::from).collect();
        self.finish_at(&current, chain_head)
    }

    fn finish_at(self, current: &[i128], chain_head: ChainHash) -> Option<AccountStatement> {
        let closing: Vec<i128> = current
            .iter()
            .zip(&self.after)
            .map(|(now, after)| now - after)
            .collect();
        let mut balances = closing.clone();
        for (_, changes) in &self.rows {
            for (balance, change) in balances.iter_mut().zip(changes) {
                *balance -= i128::from(*change);
            }
        }
        let opening = signed(&balances)?;
        let rows = self.rows.into_iter().map(|(line, changes)| {
            add(&mut balances, &changes);
            Some(StatementRow {
                line,
                changes: changes
                    .into_iter()
                    .map(SignedAmount::from_minor)
                    .collect::<Option<_>>()?,
                balances: signed(&balances)?,
            })
        });
        Some(AccountStatement {
            period: self.period,
            opening,
            rows: rows.collect::<Option<_>>()?,
            closing: signed(&closing)?,
            chain_head,
        })
    }

    /// Returns the statement of balances that were zero before the first transfer that was
    /// added.
    pub fn finish_from_zero(self, chain_head: ChainHash) -> Option<AccountStatement> {
        let current = self.total.clone();
        self.finish_at(&current, chain_head)
    }
}

/// No number of changes of 64 bits makes a sum of 128 overflow.
fn add(sums: &mut [i128], changes: &[i64]) {
    for (sum, change) in sums.iter_mut().zip(changes) {
        *sum += i128::from(*change);
    }
}

fn signed(minor: &[i128]) -> Option<Vec<SignedAmount>> {
    let signed = |minor: &i128| i64::try_from(*minor).ok().and_then(SignedAmount::from_minor);
    minor.iter().map(signed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ledger::{Account, TransferKind};
    use crate::domain::money::Amount;

    fn day(text: &str) -> Date {
        Date::parse(text).unwrap()
    }

    fn line(number: i64, at: &str) -> PostedLine {
        PostedLine {
            number,
            at: Timestamp::parse(at).unwrap(),
            transfer: Transfer {
                kind: TransferKind::Deposit,
                debit: Account::OutsideWorld,
                credit: Account::MerchantMain,
                amount: Amount::from_minor(1).unwrap(),
                escrow: None,
            },
            hash: ChainHash::START,
        }
    }

    fn minor(amounts: &[SignedAmount]) -> Vec<i64> {
        amounts.iter().map(|amount| amount.minor()).collect()
    }

    const TIMES: [(&str, [i64; 2]); 5] = [
        ("2026-10-31T23:59:59.999Z", [100, 0]),
        ("2026-11-01T00:00:00.000Z", [-30, 30]),
        ("2026-11-15T12:00:00.000Z", [5, 0]),
        ("2026-11-30T23:59:59.999Z", [0, -10]),
        ("2026-12-01T00:00:00.000Z", [-40, 0]),
    ];

    fn built(period: Period, rows_max: usize) -> Result<StatementBuilder, TooManyRows> {
        let mut builder = StatementBuilder::new(period, 2, rows_max);
        for (number, (at, changes)) in (1..).zip(TIMES) {
            builder.add(line(number, at), changes.to_vec())?;
        }
        Ok(builder)
    }

    #[test]
    fn balances_are_those_of_the_period() {
        let november = Period {
            from: Some(day("2026-11-01")),
            to: Some(day("2026-11-30")),
        };
        // Before the first transfer there was something already.
        let statement = built(november, 3)
            .unwrap()
            .finish(&[1_035, 20], ChainHash::START)
            .unwrap();
        assert_eq!(minor(&statement.opening), [1_100, 0]);
        assert_eq!(minor(&statement.closing), [1_075, 20]);
        let rows: Vec<_> = statement
            .rows
            .iter()
            .map(|row| (row.line.number, minor(&row.balances)))
            .collect();
        assert_eq!(rows, [(2, vec![1_070, 30]), (3, vec![1_075, 30]), (4, vec![1_075, 20])]);
        assert_eq!(minor(&statement.rows[0].changes), [-30, 30]);
        assert!(built(november, 2).is_err());
    }

    #[test]
    fn open_sides_take_everything() {
        let statement = built(Period::default(), 5)
            .unwrap()
            .finish_from_zero(ChainHash::START)
            .unwrap();
        assert_eq!(
            (minor(&statement.opening), minor(&statement.closing)),
            (vec![0, 0], vec![35, 20])
        );
        assert_eq!(statement.rows.len(), 5);
        let later = Period {
            from: Some(day("2027-01-01")),
            to: None,
        };
        let statement = built(later, 0).unwrap().finish_from_zero(ChainHash::START).unwrap();
        assert_eq!(
            (minor(&statement.opening), minor(&statement.closing)),
            (vec![35, 20], vec![35, 20])
        );
    }

    #[test]
    fn a_balance_beyond_the_bound_is_none() {
        let statement = built(Period::default(), 5).unwrap();
        assert_eq!(statement.finish(&[i64::MAX / 2, 0], ChainHash::START), None);
    }

    /// The closing balance is small again, but the sums on the way are not.
    #[test]
    fn changes_beyond_64_bits_are_none_and_do_not_cancel_wrongly() {
        let mut builder = StatementBuilder::new(Period::default(), 1, 3);
        for (number, change) in (1..).zip([i64::MAX, i64::MAX, 5]) {
            builder.add(line(number, TIMES[0].0), vec![change]).unwrap();
        }
        assert_eq!(builder.total, [2 * i128::from(i64::MAX) + 5]);
        assert_eq!(builder.finish_from_zero(ChainHash::START), None);
    }
}
