//! The comparison of a bank's statement of some days with the movements.
//!
//! A movement near the ends of the period may stand in this statement or in the one before or
//! after it. So those a few days outside count if a line of the statement is theirs, and
//! otherwise not. The balance that the bank should have is the one at the end of the period:
//! the present one without the movements after it.

use crate::domain::money::Amount;
use crate::domain::time::Date;
use crate::domain::treasury::account_statement::Period;
use crate::domain::treasury::bank_statement::StatementLine;
use crate::domain::treasury::movement::Movement;
use crate::domain::treasury::reconciliation::{Balances, DAYS_APART_MAX, Reconciliation, SumTooLarge, reconcile};
use crate::domain::treasury::signed_amount::SignedAmount;

/// Returns the days that are compared: those that were asked for, or else from the first line
/// to the last. Without a first day, only balances are compared.
pub fn compared_days(lines: &[StatementLine], asked: Period) -> Period {
    let days = || lines.iter().map(|line| line.value_date);
    Period {
        from: asked.from.or_else(|| days().min()),
        to: asked.to.or_else(|| days().max()),
    }
}

/// The movements that [`reconcile_period`] needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NeededMovements {
    /// The first and the last day of those that it compares. Without a last day, all later ones. `None` if it
    /// compares none.
    pub near: Option<(Date, Option<Date>)>,
    /// The day after which it needs their sum alone, however many there are since.
    pub sum_after: Option<Date>,
}

impl NeededMovements {
    /// Returns what a comparison of this period needs.
    pub fn of(period: Period) -> Self {
        let last_near = period.to.map(|to| to.days_later(DAYS_APART_MAX));
        let near = period.from.map(|from| (from.days_earlier(DAYS_APART_MAX), last_near));
        Self {
            near,
            sum_after: if near.is_some() { last_near } else { period.to },
        }
    }
}

/// Compares the lines of a statement of these days with the movements `near` them. `later` is the
/// sum of those after ([`NeededMovements`]), and `bank` the balance that the bank should have now.
///
/// # Errors
///
/// Returns an error if a sum or a difference is beyond [`SignedAmount::MAX`].
pub fn reconcile_period(
    lines: Vec<StatementLine>,
    near: Vec<Movement>,
    later: SignedAmount,
    period: Period,
    typed: (Option<SignedAmount>, Option<SignedAmount>),
    bank: Amount,
) -> Result<Reconciliation, SumTooLarge> {
    const BALANCES: SumTooLarge = SumTooLarge { of: "balances" };
    let (opening, closing) = typed;
    let mut balances = Balances {
        opening,
        closing,
        booked: SignedAmount::credit(bank),
    };
    let is_within = |movement: &Movement| period.contains(movement.value_date);
    // The sums of the first comparison do not matter, so none of its errors does.
    let (compared, outside) = match reconcile(
        lines.clone(),
        near.clone(),
        period,
        &Balances {
            opening: None,
            ..balances
        },
    ) {
        Ok(first) => {
            let matched = first.matched.into_iter().chain(first.outside_matches);
            let matched = matched.map(|pair| pair.movement);
            let near_misses = first.near_misses.into_iter().map(|pair| pair.movement);
            let missing = first.missing_there.into_iter().chain(first.at_provider);
            let (missing, outside): (Vec<_>, Vec<_>) = missing.partition(is_within);
            (matched.chain(near_misses).chain(missing).collect(), outside)
        }
        Err(_) => near.into_iter().partition(is_within),
    };
    let after = outside
        .iter()
        .filter(|movement| period.to.is_some_and(|to| movement.value_date > to));
    let after = after.map(|movement| movement.amount).chain([later]);
    let after = SignedAmount::total(after).ok_or(BALANCES)?;
    balances.booked = balances.booked.checked_sub(after).ok_or(BALANCES)?;
    reconcile(lines, compared, period, &balances)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::treasury::movement::MovementKind;

    fn day(text: &str) -> Date {
        Date::parse(text).unwrap()
    }

    fn minor(minor: i64) -> SignedAmount {
        SignedAmount::from_minor(minor).unwrap()
    }

    fn line(number: u64, date: &str, amount: i64, reference: &str) -> StatementLine {
        StatementLine {
            line: number,
            value_date: day(date),
            amount: minor(amount),
            reference: reference.to_owned(),
        }
    }

    fn movement(date: &str, amount: i64, reference: &str) -> Movement {
        Movement {
            value_date: day(date),
            kind: MovementKind::Receipt,
            id: reference.to_owned(),
            amount: minor(amount),
            reference: reference.to_owned(),
        }
    }

    const LINES: [(u64, &str, i64, &str); 2] = [(2, "2026-11-10", 1_000, "FT-1"), (3, "2026-11-12", 500, "FT-3")];

    /// Before the period, in it, after it but in the statement, after it, and far after it.
    const MOVEMENTS: [(&str, i64, &str); 6] = [
        ("2026-11-08", 70, "FT-0"),
        ("2026-11-09", 1_000, "FT-1"),
        ("2026-11-11", 30, "FT-2"),
        ("2026-11-13", 500, "FT-3"),
        ("2026-11-13", 9, "FT-4"),
        ("2026-12-24", 200, "FT-5"),
    ];

    /// Compares with the part of all movements that a comparison needs.
    fn compare(
        lines: Vec<StatementLine>,
        all: Vec<Movement>,
        asked: Period,
        closing: i64,
        bank: i64,
    ) -> Reconciliation {
        let period = compared_days(&lines, asked);
        let needed = NeededMovements::of(period);
        let (mut near, mut later) = (Vec::new(), Vec::new());
        for movement in all {
            let day = movement.value_date;
            if needed
                .near
                .is_some_and(|(first, last)| first <= day && last.is_none_or(|last| day <= last))
            {
                near.push(movement);
            } else if needed.sum_after.is_some_and(|last| day > last) {
                later.push(movement.amount);
            }
        }
        let (later, bank) = (SignedAmount::total(later).unwrap(), Amount::from_minor(bank).unwrap());
        reconcile_period(lines, near, later, period, (None, Some(minor(closing))), bank).unwrap()
    }

    fn compared(bank: i64, asked: Period, closing: i64) -> Reconciliation {
        let lines = LINES.map(|(number, date, amount, text)| line(number, date, amount, text));
        let movements = MOVEMENTS.map(|(date, amount, text)| movement(date, amount, text));
        compare(lines.into(), movements.into(), asked, closing, bank)
    }

    #[test]
    fn movements_outside_count_if_the_statement_has_them() {
        // The bank had 100 before, of which 70 is FT-0.
        let found = compared(100 + 1_739, Period::default(), 1_600);
        let outside = found.outside_matches.iter();
        let outside: Vec<&str> = outside.map(|pair| pair.movement.id.as_str()).collect();
        let missing: Vec<&str> = found
            .missing_there
            .iter()
            .map(|movement| movement.id.as_str())
            .collect();
        assert_eq!((outside, missing), (vec!["FT-1", "FT-3"], vec!["FT-2"]));
        assert_eq!((found.matched, found.missing_here), (Vec::new(), Vec::new()));
        assert_eq!(found.balance.booked, minor(100 + 1_739 - 209));
        assert_eq!(found.balance.difference, Some(minor(-30)));
        assert_eq!(found.balance.unexplained, Some(SignedAmount::ZERO));
    }

    #[test]
    fn the_days_may_be_wider_than_the_statement() {
        let asked = Period {
            from: Some(day("2026-11-01")),
            to: Some(day("2026-11-30")),
        };
        let found = compared(1_839, asked, 1_500);
        let missing: Vec<&str> = found
            .missing_there
            .iter()
            .map(|movement| movement.id.as_str())
            .collect();
        assert_eq!(missing, ["FT-0", "FT-2", "FT-4"]);
        assert_eq!(found.balance.booked, minor(1_639));
    }

    #[test]
    fn without_lines_only_balances_are_compared() {
        let to = Period {
            from: None,
            to: Some(day("2026-11-30")),
        };
        for (asked, booked) in [(Period::default(), 300), (to, 100)] {
            let movements = vec![movement("2026-11-30", 1, "FT-9"), movement("2026-12-24", 200, "FT-5")];
            let found = compare(Vec::new(), movements, asked, 90, 300);
            assert_eq!((found.missing_there, found.balance.booked), (Vec::new(), minor(booked)));
            assert_eq!(found.balance.unexplained, Some(minor(90 - booked)));
        }
    }

    #[test]
    fn the_needed_movements_are_those_around_the_period_and_a_sum() {
        let (from, to) = (Some(day("2026-03-03")), Some(day("2026-03-09")));
        let (first, last) = (day("2026-02-26"), Some(day("2026-03-14")));
        for (from, to, near, sum_after) in [
            (from, to, Some((first, last)), last),
            (from, None, Some((first, None)), None),
            (None, to, None, to),
            (None, None, None, None),
        ] {
            let needed = NeededMovements { near, sum_after };
            assert_eq!(NeededMovements::of(Period { from, to }), needed);
        }
    }
}
