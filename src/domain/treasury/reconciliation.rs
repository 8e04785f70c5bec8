//! The comparison of a bank's statement with the movements that the service knows of, and of
//! the bank's balance with the one that should be there.
//!
//! A line and a movement match if they have the same amount and the same reference, compared
//! without case, spaces and punctuation, and their days are close. A bank may write the
//! reference into a longer text. Every line and every movement is in exactly one list of the
//! result, and the order of the lines changes nothing.
//!
//! Money that a payment provider received is at the provider until it settles, so no line matches it.

use std::collections::BTreeMap;

use thiserror::Error;

use crate::domain::treasury::account_statement::Period;
use crate::domain::treasury::bank_statement::StatementLine;
pub use crate::domain::treasury::matching::DAYS_APART_MAX;
use crate::domain::treasury::matching::{Pairs, day, pairs};
use crate::domain::treasury::movement::{Movement, MovementKind};
use crate::domain::treasury::reference::ReferenceKey;
use crate::domain::treasury::signed_amount::SignedAmount;

/// The balances beside a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Balances {
    /// The bank's balance before the first line, as it was typed in.
    pub opening: Option<SignedAmount>,
    /// The bank's balance after the last line, as it was typed in.
    pub closing: Option<SignedAmount>,
    /// The balance that the bank should have, by the service's own accounts.
    pub booked: SignedAmount,
}

/// A line and a movement that are the same money.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matched {
    pub line: StatementLine,
    pub movement: Movement,
    /// The days from the movement's value date to the line's. Not 0 if the two differ.
    pub days_apart: i64,
}

/// A line and a movement of one direction with the same reference, but another amount, or days
/// too far apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NearMiss {
    pub line: StatementLine,
    pub movement: Movement,
    /// The line's amount less the movement's. Zero if only the days differ.
    pub difference: SignedAmount,
    /// The days from the movement's value date to the line's.
    pub days_apart: i64,
}

/// A line that repeats another: the same day, amount and reference. Either the file has the
/// line twice, or the payer paid twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Duplicate {
    pub line: StatementLine,
    /// The number of the line that it repeats.
    pub repeats: u64,
}

/// The sums of the lists of a [`Reconciliation`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sums {
    /// All lines of the statement.
    pub lines: SignedAmount,
    /// All movements.
    pub movements: SignedAmount,
    pub matched: SignedAmount,
    pub outside_matches: SignedAmount,
    /// The lines of the near misses.
    pub near_miss_lines: SignedAmount,
    /// The movements of the near misses.
    pub near_miss_movements: SignedAmount,
    pub missing_here: SignedAmount,
    pub missing_there: SignedAmount,
    pub at_provider: SignedAmount,
    pub duplicates: SignedAmount,
}

/// The comparison of the bank's balance with the one that should be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BalanceEquation {
    /// The bank's balance before the first line, if it was typed in.
    pub opening: Option<SignedAmount>,
    /// The sum of all lines.
    pub lines: SignedAmount,
    /// The bank's balance after the last line: as it was typed in, or `opening` and `lines`.
    pub closing: Option<SignedAmount>,
    /// The typed closing balance less `opening` and `lines`. Not zero if lines are missing in
    /// the file, stand in it twice, or a balance was mistyped.
    pub statement_gap: Option<SignedAmount>,
    /// The balance that the bank should have.
    pub booked: SignedAmount,
    /// `closing` less `booked`.
    pub difference: Option<SignedAmount>,
    /// The part of the difference that the lists explain: the lines that are missing here and
    /// the duplicates, less the movements that are missing there or at a provider, and the
    /// differences of the near misses.
    pub explained: SignedAmount,
    /// The rest of the difference. Zero if the lists explain it to the kobo.
    pub unexplained: Option<SignedAmount>,
}

/// The result of [`reconcile`]. The lists are in the order of lines, and `missing_there` and
/// `at_provider` in that of value dates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reconciliation {
    pub matched: Vec<Matched>,
    /// Pairs like the matched ones whose movement has a value date outside the days that are
    /// compared. Either the bank has booked it on another day than the recorded one, or an earlier
    /// statement has a line of it too, and this one is a second booking. Only the balance shows which.
    pub outside_matches: Vec<Matched>,
    pub near_misses: Vec<NearMiss>,
    /// Lines of the bank that no movement explains.
    pub missing_here: Vec<StatementLine>,
    /// Movements that the bank's statement does not have.
    pub missing_there: Vec<Movement>,
    /// Movements of [`MovementKind::AtProvider`].
    pub at_provider: Vec<Movement>,
    pub duplicates: Vec<Duplicate>,
    pub sums: Sums,
    pub balance: BalanceEquation,
}

impl Reconciliation {
    /// Returns true if nothing is missing on either side and no difference is left. A line that has a
    /// movement of other days agrees only with a balance: without one, the bank may have booked the
    /// movement twice.
    pub fn agrees(&self) -> bool {
        let is_whole = self.near_misses.is_empty()
            && self.missing_here.is_empty()
            && self.missing_there.is_empty()
            && self.duplicates.is_empty();
        let balance = &self.balance;
        let is_known = self.outside_matches.is_empty() || balance.difference.is_some();
        let mut rests = balance.statement_gap.iter().chain(&balance.difference);
        is_whole && is_known && rests.all(|rest| rest.is_zero())
    }
}

/// The error of sums that are beyond [`SignedAmount::MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the sum of the {of} is beyond {max}, the largest amount of the service", max = SignedAmount::MAX)]
pub struct SumTooLarge {
    /// The amounts that were added.
    pub of: &'static str,
}

/// Compares the lines of a statement of these days with movements.
///
/// Give all movements of these days, and those of other days that the statement has lines of: a
/// movement without a line counts as missing there.
///
/// # Errors
///
/// Returns an error if a sum or a difference is beyond [`SignedAmount::MAX`].
pub fn reconcile(
    mut lines: Vec<StatementLine>,
    mut movements: Vec<Movement>,
    days: Period,
    balances: &Balances,
) -> Result<Reconciliation, SumTooLarge> {
    // One order, so that the result does not depend on that of the caller.
    lines.sort_unstable();
    movements.sort_unstable();
    let sum_of_movements = total("movements", movements.iter().map(|movement| movement.amount))?;
    let (at_provider, movements): (Vec<_>, Vec<_>) = movements
        .into_iter()
        .partition(|movement| movement.kind == MovementKind::AtProvider);
    let keys: Vec<ReferenceKey> = lines.iter().map(|line| ReferenceKey::of(&line.reference)).collect();
    let found = pairs(&lines, &keys, &movements);
    let repeated = repeated_lines(&lines, &keys, &found);
    let sum_of_lines = total("lines", lines.iter().map(|line| line.amount))?;

    let mut lines: Vec<Option<StatementLine>> = lines.into_iter().map(Some).collect();
    let mut movements: Vec<Option<Movement>> = movements.into_iter().map(Some).collect();
    let mut take = |(line, movement): (usize, usize)| lines[line].take().zip(movements[movement].take());
    let (matched, outside_matches): (Vec<_>, Vec<_>) = found
        .matched
        .into_iter()
        .filter_map(&mut take)
        .map(|(line, movement)| Matched {
            days_apart: day(line.value_date) - day(movement.value_date),
            line,
            movement,
        })
        .partition(|pair| days.contains(pair.movement.value_date));
    let near_misses = found.near.into_iter().filter_map(&mut take).map(near_miss);
    let near_misses: Vec<NearMiss> = near_misses.collect::<Result<_, _>>()?;
    let duplicates = repeated.into_iter().filter_map(|(line, repeats)| {
        let line = lines[line].take()?;
        Some(Duplicate { line, repeats })
    });
    let duplicates: Vec<Duplicate> = duplicates.collect();
    let lines_left: Vec<StatementLine> = lines.into_iter().flatten().collect();
    let movements_left: Vec<Movement> = movements.into_iter().flatten().collect();

    let sums = Sums {
        lines: sum_of_lines,
        movements: sum_of_movements,
        matched: total("matched lines", matched.iter().map(|pair| pair.line.amount))?,
        outside_matches: total("matched lines", outside_matches.iter().map(|pair| pair.line.amount))?,
        near_miss_lines: total("near misses", near_misses.iter().map(|pair| pair.line.amount))?,
        near_miss_movements: total("near misses", near_misses.iter().map(|pair| pair.movement.amount))?,
        missing_here: total("lines missing here", lines_left.iter().map(|line| line.amount))?,
        missing_there: total("movements missing there", movements_left.iter().map(|m| m.amount))?,
        at_provider: total("movements at a provider", at_provider.iter().map(|m| m.amount))?,
        duplicates: total("duplicates", duplicates.iter().map(|duplicate| duplicate.line.amount))?,
    };
    Ok(Reconciliation {
        balance: equation(balances, &sums)?,
        matched,
        outside_matches,
        near_misses,
        missing_here: lines_left,
        missing_there: movements_left,
        at_provider,
        duplicates,
        sums,
    })
}

fn total(of: &'static str, amounts: impl Iterator<Item = SignedAmount>) -> Result<SignedAmount, SumTooLarge> {
    SignedAmount::total(amounts).ok_or(SumTooLarge { of })
}

fn near_miss((line, movement): (StatementLine, Movement)) -> Result<NearMiss, SumTooLarge> {
    let difference = line.amount.checked_sub(movement.amount);
    Ok(NearMiss {
        difference: difference.ok_or(SumTooLarge { of: "near misses" })?,
        days_apart: day(line.value_date) - day(movement.value_date),
        line,
        movement,
    })
}

/// Returns the lines without a pair that repeat another line, each with the number of that
/// line. The first of several equal lines repeats none. Lines without a reference are never
/// equal: a bank charges the same fee twice a day.
fn repeated_lines(lines: &[StatementLine], keys: &[ReferenceKey], found: &Pairs) -> Vec<(usize, u64)> {
    let mut is_paired = vec![false; lines.len()];
    for &(line, _) in found.matched.iter().chain(&found.near) {
        is_paired[line] = true;
    }
    let mut equal: BTreeMap<_, Vec<usize>> = BTreeMap::new();
    for (index, line) in lines.iter().enumerate().filter(|(index, _)| !keys[*index].is_empty()) {
        let class = (keys[index].as_str(), line.amount, line.value_date);
        equal.entry(class).or_default().push(index);
    }
    let mut repeated = Vec::new();
    for class in equal.into_values() {
        let original = class.iter().copied().find(|&line| is_paired[line]).unwrap_or(class[0]);
        let others = class
            .iter()
            .copied()
            .filter(|&line| line != original && !is_paired[line]);
        repeated.extend(others.map(|line| (line, lines[original].line)));
    }
    repeated.sort_unstable();
    repeated
}

fn equation(balances: &Balances, sums: &Sums) -> Result<BalanceEquation, SumTooLarge> {
    const BALANCE: SumTooLarge = SumTooLarge { of: "balances" };
    let less = |a: SignedAmount, b: SignedAmount| a.checked_sub(b).ok_or(BALANCE);
    let more = |a: SignedAmount, b: SignedAmount| a.checked_add(b).ok_or(BALANCE);
    let computed = balances.opening.map(|opening| more(opening, sums.lines)).transpose()?;
    let closing = balances.closing.or(computed);
    let typed = balances.closing.zip(computed);
    let statement_gap = typed.map(|(typed, computed)| less(typed, computed)).transpose()?;
    let difference = closing.map(|closing| less(closing, balances.booked)).transpose()?;
    let of_lines = more(more(sums.missing_here, sums.duplicates)?, sums.near_miss_lines)?;
    let of_movements = more(more(sums.missing_there, sums.at_provider)?, sums.near_miss_movements)?;
    let explained = less(of_lines, of_movements)?;
    Ok(BalanceEquation {
        opening: balances.opening,
        lines: sums.lines,
        closing,
        statement_gap,
        booked: balances.booked,
        difference,
        explained,
        unexplained: difference.map(|difference| less(difference, explained)).transpose()?,
    })
}
