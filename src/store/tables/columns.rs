//! Reading stored values back into the domain's types. A value that the domain
//! cannot read is a broken file, never a business answer. And a page's place, in
//! the numbers that SQL takes.

use std::str::FromStr;

use rusqlite::Row;

use crate::domain::file::FileName;
use crate::domain::ids::{CustomerId, EscrowId, Reference};
use crate::domain::money::Amount;
use crate::domain::page::PageRequest;
use crate::domain::time::{Date, Timestamp};
use crate::store::engine::error::Error;

/// The condition that a row's merchant has a key; one without is out of reach.
macro_rules! is_of_a_key {
    () => {
        "merchant_id IN (SELECT merchant_id FROM merchant_key)"
    };
}
pub(crate) use is_of_a_key;

/// Rows to pass over before a page, as SQL counts them.
pub(crate) fn offset_of(request: PageRequest) -> i64 {
    i64::try_from(request.offset()).unwrap_or(i64::MAX)
}

pub(crate) fn amount_at(row: &Row<'_>, column: usize) -> Result<Amount, Error> {
    let minor: i64 = row.get(column)?;
    Amount::from_minor(minor).ok_or_else(|| broken("an amount", &minor.to_string()))
}

pub(crate) fn timestamp_at(row: &Row<'_>, column: usize) -> Result<Timestamp, Error> {
    let millis: i64 = row.get(column)?;
    Timestamp::from_millis(millis).ok_or_else(|| broken("a point in time", &millis.to_string()))
}

/// Stored text, as it lies there.
pub(crate) fn text_at<'a>(row: &'a Row<'_>, column: usize) -> Result<&'a str, Error> {
    Ok(row.get_ref(column)?.as_str().map_err(rusqlite::Error::from)?)
}

/// Stored text, if any, as it lies there.
pub(crate) fn optional_text_at<'a>(row: &'a Row<'_>, column: usize) -> Result<Option<&'a str>, Error> {
    Ok(row.get_ref(column)?.as_str_or_null().map_err(rusqlite::Error::from)?)
}

/// The escrow whose number and guard stand in this column and the next, if any.
pub(crate) fn optional_escrow_id_at(row: &Row<'_>, column: usize) -> Result<Option<EscrowId>, Error> {
    optional(row, column, |row, column| {
        Ok(EscrowId::new(row.get(column)?, row.get(column + 1)?))
    })
}

/// The file whose name stands in this column, if any.
pub(crate) fn optional_file_name_at(row: &Row<'_>, column: usize) -> Result<Option<FileName>, Error> {
    optional(row, column, |row, column| {
        parsed(row, column, "the name of a file", FileName::parse)
    })
}

pub(crate) fn optional_amount_at(row: &Row<'_>, column: usize) -> Result<Option<Amount>, Error> {
    optional(row, column, amount_at)
}

pub(crate) fn customer_id_at(row: &Row<'_>, column: usize) -> Result<CustomerId, Error> {
    parsed(row, column, "a customer id", CustomerId::parse)
}

pub(crate) fn optional_customer_id_at(row: &Row<'_>, column: usize) -> Result<Option<CustomerId>, Error> {
    optional(row, column, customer_id_at)
}

pub(crate) fn optional_date_at(row: &Row<'_>, column: usize) -> Result<Option<Date>, Error> {
    optional(row, column, |row, column| parsed(row, column, "a date", Date::parse))
}

pub(crate) fn reference_at(row: &Row<'_>, column: usize) -> Result<Reference, Error> {
    let text = text_at(row, column)?;
    Ok(Reference::stored(text))
}

pub(crate) fn optional_timestamp_at(row: &Row<'_>, column: usize) -> Result<Option<Timestamp>, Error> {
    optional(row, column, timestamp_at)
}

/// Reads the value of an enum by its stored word.
pub(crate) fn word_at<T: FromStr>(row: &Row<'_>, column: usize, what: &str) -> Result<T, Error> {
    parsed(row, column, what, |word| word.parse().ok())
}

pub(crate) fn broken(what: &str, found: &str) -> Error {
    Error::Corrupt(format!("{found:?} is not {what}"))
}

fn parsed<T>(row: &Row<'_>, column: usize, what: &str, parse: impl Fn(&str) -> Option<T>) -> Result<T, Error> {
    let text = text_at(row, column)?;
    parse(text).ok_or_else(|| broken(what, text))
}

fn optional<T>(
    row: &Row<'_>,
    column: usize,
    read: impl Fn(&Row<'_>, usize) -> Result<T, Error>,
) -> Result<Option<T>, Error> {
    match row.get_ref(column)? {
        rusqlite::types::ValueRef::Null => Ok(None),
        _ => read(row, column).map(Some),
    }
}
