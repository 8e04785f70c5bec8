//! Reading of a bank's statement.

use crate::csv::amount::{self, Direction, WrittenAmount};
use crate::csv::date;
use crate::csv::errors::{FileErrors, quoted};
use crate::csv::report::unprefixed;
use crate::csv::table::{Column, Row, Table};
pub use crate::csv::table::{FIELD_CHARS_MAX, ROWS_MAX};
use crate::domain::money::Amount;
use crate::domain::time::Date;
use crate::domain::treasury::bank_statement::StatementLine;
use crate::domain::treasury::signed_amount::SignedAmount;

/// The names of a statement's columns, compared without regard to case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatementColumns {
    pub date: String,
    pub amount: AmountColumns,
    pub reference: String,
}

/// The columns in which a bank writes its amounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AmountColumns {
    /// One column, whose sign tells the direction.
    One(String),
    /// A column for money that came in and one for money that went out.
    CreditAndDebit { credit: String, debit: String },
}

/// Reads a statement. An amount may have a currency's code before it, which must be this one.
///
/// The file has a header row, and fields between commas, semicolons or tabs. In a date with
/// the year last, the day comes before the month. Lines of 0.00 move no money and are left out:
/// banks write their opening balance so.
///
/// # Errors
///
/// Returns the errors of all lines.
pub fn read_statement(
    bytes: &[u8],
    columns: &StatementColumns,
    currency: &str,
) -> Result<Vec<StatementLine>, FileErrors> {
    let mut wanted = vec![columns.date.as_str(), columns.reference.as_str()];
    match &columns.amount {
        AmountColumns::One(name) => wanted.push(name),
        AmountColumns::CreditAndDebit { credit, debit } => wanted.extend([credit.as_str(), debit.as_str()]),
    }
    let mut table = Table::read(bytes, &wanted);
    let date = table.column(&columns.date);
    let amounts = match &columns.amount {
        AmountColumns::One(name) => table.column(name).map(Amounts::One),
        AmountColumns::CreditAndDebit { credit, debit } => {
            let (credit, debit) = (table.column(credit), table.column(debit));
            credit.zip(debit).map(|(credit, debit)| Amounts::Two { credit, debit })
        }
    };
    let reference = table.column(&columns.reference);
    let Table { rows, mut errors, .. } = table;
    let (Some(date), Some(amounts), Some(reference)) = (date, amounts, reference) else {
        return Err(errors);
    };
    let mut lines = Vec::with_capacity(rows.len());
    for row in &rows {
        let value_date = read_date(row, &date, &mut errors);
        if let (Some(amount), Some(value_date)) = (amounts.read(row, currency, &mut errors), value_date)
            && !amount.is_zero()
        {
            lines.push(StatementLine {
                line: row.line,
                value_date,
                amount,
                reference: one_line(row.text(&reference)),
            });
        }
    }
    errors.or(lines)
}

/// Reads a day, or adds an error.
pub(super) fn read_date(row: &Row, column: &Column, errors: &mut FileErrors) -> Option<Date> {
    let text = row.text(column);
    let date = date::parse(text);
    if date.is_none() {
        errors.add(row.line, Some(&column.name), date::EXPECTED, quoted(text));
    }
    date
}

/// Returns a text in one line, with single spaces, and without the apostrophes that a report
/// puts into it.
pub(super) fn one_line(text: &str) -> String {
    let text = unprefixed(text);
    let words = text.split(|c: char| c.is_whitespace() || c.is_control());
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// The columns of [`AmountColumns`] in a file.
enum Amounts {
    One(Column),
    Two { credit: Column, debit: Column },
}

impl Amounts {
    fn read(&self, row: &Row, currency: &str, errors: &mut FileErrors) -> Option<SignedAmount> {
        match self {
            Self::One(column) => {
                let read = amount::parse_signed(row.text(column), currency);
                read.map_err(|(expected, got)| errors.add(row.line, Some(&column.name), expected, got))
                    .ok()
            }
            Self::Two { credit, debit } => {
                let came_in = read_side(row, credit, Direction::Credit, currency, errors);
                let went_out = read_side(row, debit, Direction::Debit, currency, errors);
                let (Ok(came_in), Ok(went_out)) = (came_in, went_out) else {
                    return None;
                };
                let is_money = |amount: Option<Amount>| amount.is_some_and(|amount| !amount.is_zero());
                match (came_in, went_out) {
                    (Some(amount), other) if !is_money(other) => Some(SignedAmount::credit(amount)),
                    (other, Some(amount)) if !is_money(other) => Some(SignedAmount::debit(amount)),
                    (None, None) => {
                        let expected = format!("an amount, here or in column {}", quoted(&debit.name));
                        errors.add(row.line, Some(&credit.name), expected, "no amount in both");
                        None
                    }
                    _ => {
                        let expected = format!("empty or 0.00, since column {} has an amount", quoted(&debit.name));
                        errors.add(row.line, Some(&credit.name), expected, quoted(row.text(credit)));
                        None
                    }
                }
            }
        }
    }
}

/// Marks an error that was added to those of the file.
struct AlreadyReported;

/// Reads one of two columns of amounts. The field may be empty. A mark of the direction must
/// be the column's: a negative amount in a column of credits could mean both.
fn read_side(
    row: &Row,
    column: &Column,
    side: Direction,
    currency: &str,
    errors: &mut FileErrors,
) -> Result<Option<Amount>, AlreadyReported> {
    let text = row.text(column);
    if text.is_empty() {
        return Ok(None);
    }
    let expected = match amount::parse(text, currency) {
        Ok(WrittenAmount { amount, direction }) if direction.is_none_or(|direction| direction == side) => {
            return Ok(Some(amount));
        }
        Ok(_) if side == Direction::Credit => "an amount that came in, without a minus, parentheses or DR".to_owned(),
        Ok(_) => "an amount that went out, without a plus or CR".to_owned(),
        Err(expected) => expected,
    };
    errors.add(row.line, Some(&column.name), expected, quoted(text));
    Err(AlreadyReported)
}

#[cfg(test)]
mod tests;
