//! Reads rows by the names of their columns, as values of the domain. A stored value
//! that the domain cannot represent means a damaged file and is never a refusal.

use std::str::FromStr;

use strum::VariantArray;

use crate::domain::file::FileName;
use crate::domain::ids::{CustomerId, EscrowId, MerchantId, PaymentToken};
use crate::domain::money::Amount;
use crate::domain::time::{Date, Timestamp};
use crate::store::engine::error::Error;
use crate::store::engine::packing;
use crate::store::engine::sql::{Row, Rows, Value};

/// Declares the columns that a query selects: a struct with a field for each, its functions
/// `read` and `read_next`, and a macro that expands to the list for `SELECT`. A `part struct` is
/// always read as a part of a longer row, and has `read_next` alone.
///
/// Each field is read from the column of its name. A field of a join or of an expression
/// names it after `=` and is selected under the field's name. The list and the reader both
/// follow from this one declaration, so reading by name costs nothing at run time, and the
/// order of the fields is free.
///
/// ```ignore
/// row! {
///     /// A transfer and the owner of the account that it debits.
///     struct TransferRow<'a>, transfer_columns! {
///         amount: Amount,
///         kind: &'a str,
///         debit_customer: Option<CustomerId> = "debit.customer_id",
///     }
/// }
/// // amount, kind, debit.customer_id AS debit_customer
/// concat!("SELECT ", transfer_columns!(), " FROM transfer JOIN account AS debit ON ...");
/// ```
macro_rules! row {
    (
        $(#[$doc:meta])*
        $vis:vis struct $name:ident $(<$life:lifetime>)?, $columns:ident! { $($fields:tt)* }
    ) => {
        crate::store::tables::columns::row! {
            $(#[$doc])*
            $vis part struct $name $(<$life>)?, $columns! { $($fields)* }
        }

        impl $(<$life>)? $name $(<$life>)? {
            /// Reads a row of a query that selects exactly these columns.
            $vis fn read(row: crate::store::tables::columns::row_of!($($life)?)) -> Result<Self, crate::store::engine::error::Error> {
                Self::read_next(&mut crate::store::tables::columns::Columns::of(row))
            }
        }
    };
    (
        $(#[$doc:meta])*
        $vis:vis part struct $name:ident $(<$life:lifetime>)?, $columns:ident! {
            $first:ident: $first_type:ty $(= $first_source:expr)?
            $(, $field:ident: $type:ty $(= $source:expr)?)* $(,)?
        }
    ) => {
        $(#[$doc])*
        $vis struct $name $(<$life>)? {
            $vis $first: $first_type,
            $($vis $field: $type,)*
        }

        impl $(<$life>)? $name $(<$life>)? {
            /// Reads these columns after those that are read already.
            $vis fn read_next(columns: &mut crate::store::tables::columns::columns_of!($($life)?)) -> Result<Self, crate::store::engine::error::Error> {
                Ok(Self {
                    $first: columns.next()?,
                    $($field: columns.next()?,)*
                })
            }
        }

        macro_rules! $columns {
            () => {
                concat!(
                    $($first_source, " AS ",)? stringify!($first)
                    $(, ", ", $($source, " AS ",)? stringify!($field))*
                )
            };
        }
    };
}
pub(crate) use row;

/// The type of a row whose columns live as long as this. Only [`row!`] uses it.
macro_rules! row_of {
    () => {
        crate::store::engine::sql::Row<'_>
    };
    ($life:lifetime) => {
        crate::store::engine::sql::Row<$life>
    };
}
pub(crate) use row_of;

/// The type of the columns of such a row. Only [`row!`] uses it.
macro_rules! columns_of {
    () => {
        crate::store::tables::columns::Columns<'_>
    };
    ($life:lifetime) => {
        crate::store::tables::columns::Columns<$life>
    };
}
pub(crate) use columns_of;

/// Implements [`FromColumn`] for an enum that is stored as a word.
macro_rules! stored_as_word {
    ($type:ty, $what:literal) => {
        impl crate::store::tables::columns::FromColumn<'_> for $type {
            fn from_column(
                row: crate::store::engine::sql::Row<'_>,
                column: usize,
            ) -> Result<Self, crate::store::engine::error::Error> {
                crate::store::tables::columns::word_at(row, column, $what)
            }
        }
    };
}
pub(crate) use stored_as_word;

/// The condition that a reset has not left a row's merchant behind. Such a merchant cannot be
/// reached.
macro_rules! is_reachable {
    () => {
        "(SELECT left_at FROM merchant WHERE merchant.id = merchant_id) IS NULL"
    };
}
pub(crate) use is_reachable;

/// The condition that a row has one of the statuses in this parameter, which [`list_of_words`]
/// makes. An index by status leads to those rows alone. PostgreSQL computes the list before it plans, so
/// that it knows how many rows to expect; it does not know that of a subquery.
macro_rules! has_status_of {
    ($parameter:literal) => {
        concat!(
            "status /*sqlite*/IN (SELECT value FROM json_each(",
            $parameter,
            "))/*end*/ /*postgres = ANY (string_to_array(translate(",
            $parameter,
            ", '[\"]', ''), ','))*/"
        )
    };
}
pub(crate) use has_status_of;

/// Returns the words of these variants, or of all variants, as a JSON list.
pub(crate) fn list_of_words<T: VariantArray + Copy + Into<&'static str>>(variants: Option<&[T]>) -> String {
    let variants = variants.unwrap_or(T::VARIANTS);
    let words: Vec<&'static str> = variants.iter().map(|&variant| variant.into()).collect();
    serde_json::to_string(&words).expect("words are JSON")
}

/// The columns of a row, in the order in which the query selects them. A query that selects the
/// columns of two [`row!`] structs reads the first and then the second.
pub(crate) struct Columns<'r> {
    row: Row<'r>,
    next: usize,
}

impl<'r> Columns<'r> {
    pub(crate) const fn of(row: Row<'r>) -> Self {
        Self { row, next: 0 }
    }

    pub(crate) fn next<T: FromColumn<'r>>(&mut self) -> Result<T, Error> {
        let column = self.next;
        self.next += 1;
        T::from_column(self.row, column)
    }
}

/// A type that a column can be read as.
pub(crate) trait FromColumn<'r>: Sized {
    /// Reads the value in this column.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] when the column has another SQL type, or the domain cannot represent
    /// the value.
    fn from_column(row: Row<'r>, column: usize) -> Result<Self, Error>;
}

impl<'r> Row<'r> {
    /// Reads the value in this column.
    ///
    /// # Errors
    ///
    /// The errors of [`FromColumn::from_column`].
    pub(crate) fn get<T: FromColumn<'r>>(self, column: usize) -> Result<T, Error> {
        T::from_column(self, column)
    }
}

impl FromColumn<'_> for i64 {
    fn from_column(row: Row<'_>, column: usize) -> Result<Self, Error> {
        match row.value(column)? {
            Value::Integer(number) => Ok(number),
            _ => Err(row.wrong_type(column, "a whole number")),
        }
    }
}

impl FromColumn<'_> for bool {
    fn from_column(row: Row<'_>, column: usize) -> Result<Self, Error> {
        match row.value(column)? {
            Value::Integer(0) => Ok(false),
            Value::Integer(1) => Ok(true),
            _ => Err(row.wrong_type(column, "0 or 1")),
        }
    }
}

impl FromColumn<'_> for u16 {
    fn from_column(row: Row<'_>, column: usize) -> Result<Self, Error> {
        let number = i64::from_column(row, column)?;
        Self::try_from(number).map_err(|_| row.wrong_type(column, "a number from 0 to 65535"))
    }
}

impl FromColumn<'_> for u32 {
    fn from_column(row: Row<'_>, column: usize) -> Result<Self, Error> {
        let number = i64::from_column(row, column)?;
        Self::try_from(number).map_err(|_| row.wrong_type(column, "a number from 0 to 4294967295"))
    }
}

impl<'r> FromColumn<'r> for &'r str {
    fn from_column(row: Row<'r>, column: usize) -> Result<Self, Error> {
        match row.value(column)? {
            Value::Text(text) => Ok(text),
            _ => Err(row.wrong_type(column, "a text")),
        }
    }
}

impl FromColumn<'_> for String {
    fn from_column(row: Row<'_>, column: usize) -> Result<Self, Error> {
        <&str>::from_column(row, column).map(str::to_owned)
    }
}

impl<'r> FromColumn<'r> for &'r [u8] {
    fn from_column(row: Row<'r>, column: usize) -> Result<Self, Error> {
        match row.value(column)? {
            Value::Blob(bytes) => Ok(bytes),
            _ => Err(row.wrong_type(column, "a blob")),
        }
    }
}

impl FromColumn<'_> for [u8; 32] {
    fn from_column(row: Row<'_>, column: usize) -> Result<Self, Error> {
        let bytes = <&[u8]>::from_column(row, column)?;
        bytes.try_into().map_err(|_| row.wrong_type(column, "32 bytes"))
    }
}

impl<'r, T: FromColumn<'r>> FromColumn<'r> for Option<T> {
    fn from_column(row: Row<'r>, column: usize) -> Result<Self, Error> {
        match row.value(column)? {
            Value::Null => Ok(None),
            _ => T::from_column(row, column).map(Some),
        }
    }
}

impl FromColumn<'_> for Amount {
    fn from_column(row: Row<'_>, column: usize) -> Result<Self, Error> {
        let minor: i64 = row.get(column)?;
        Self::from_minor(minor).ok_or_else(|| broken("an amount", &minor.to_string()))
    }
}

impl FromColumn<'_> for Timestamp {
    fn from_column(row: Row<'_>, column: usize) -> Result<Self, Error> {
        let millis: i64 = row.get(column)?;
        Self::from_millis(millis).ok_or_else(|| broken("a point in time", &millis.to_string()))
    }
}

impl FromColumn<'_> for Date {
    fn from_column(row: Row<'_>, column: usize) -> Result<Self, Error> {
        parsed(row, column, "a date", Self::parse)
    }
}

impl FromColumn<'_> for MerchantId {
    fn from_column(row: Row<'_>, column: usize) -> Result<Self, Error> {
        i64::from_column(row, column).map(Self)
    }
}

impl FromColumn<'_> for CustomerId {
    fn from_column(row: Row<'_>, column: usize) -> Result<Self, Error> {
        parsed(row, column, "a customer id", Self::parse)
    }
}

impl FromColumn<'_> for PaymentToken {
    fn from_column(row: Row<'_>, column: usize) -> Result<Self, Error> {
        <&str>::from_column(row, column).map(Self::named)
    }
}

impl FromColumn<'_> for FileName {
    fn from_column(row: Row<'_>, column: usize) -> Result<Self, Error> {
        parsed(row, column, "the name of a file", Self::parse)
    }
}

/// A packed text.
pub(crate) struct Packed<'a>(&'a [u8]);

impl Packed<'_> {
    /// Returns the text, or `None` if the column does not hold one.
    pub(crate) fn unpack(&self) -> Option<String> {
        packing::unpack(self.0)
    }
}

impl<'r> FromColumn<'r> for Packed<'r> {
    fn from_column(row: Row<'r>, column: usize) -> Result<Self, Error> {
        row.get(column).map(Self)
    }
}

/// Reads an enum by its stored word.
pub(crate) fn word_at<T: FromStr>(row: Row<'_>, column: usize, what: &str) -> Result<T, Error> {
    parsed(row, column, what, |word| word.parse().ok())
}

fn parsed<T>(row: Row<'_>, column: usize, what: &str, parse: impl Fn(&str) -> Option<T>) -> Result<T, Error> {
    let text = <&str>::from_column(row, column)?;
    parse(text).ok_or_else(|| broken(what, text))
}

/// Returns the id of an escrow that a row may name. Both columns are NULL if it names none.
pub(crate) fn optional_escrow_id(number: Option<i64>, guard: Option<i64>) -> Option<EscrowId> {
    Some(EscrowId::new(number?, guard?))
}

/// Reads all rows of a result.
pub(crate) fn read_all<T>(
    mut rows: Rows<'_>,
    mut read: impl FnMut(Row<'_>) -> Result<T, Error>,
) -> Result<Vec<T>, Error> {
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        all.push(read(row)?);
    }
    Ok(all)
}

/// Returns the error for a stored value that the domain cannot represent. Its message is
/// `"<found>" is not <what>`, so `what` is a noun phrase with an article.
pub(crate) fn broken(what: &str, found: &str) -> Error {
    Error::Corrupt(format!("{found:?} is not {what}"))
}

/// Returns the error for a merchant that a row or a key names and that is not there.
pub(crate) fn no_merchant(merchant: MerchantId) -> Error {
    broken("the number of a merchant", &merchant.0.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::engine::sql::{Connection, params};

    row! {
        /// A row of a join.
        struct PairRow<'a>, pair_columns! {
            second: Option<i64> = "b.number",
            word: &'a str,
            first: Amount = "a.number",
        }
    }

    fn connection() -> rusqlite::Connection {
        let connection = rusqlite::Connection::open_in_memory().unwrap();
        let sql = "CREATE TABLE a (number, word); CREATE TABLE b (number);
                   INSERT INTO a VALUES (1, 'one'); INSERT INTO b VALUES (NULL), (-2)";
        connection.execute_batch(sql).unwrap();
        connection
    }

    #[test]
    fn a_field_is_read_from_its_column_or_its_expression() {
        assert_eq!(pair_columns!(), "b.number AS second, word, a.number AS first");
        let connection = connection();
        let sql = concat!("SELECT ", pair_columns!(), " FROM a, b ORDER BY b.rowid");
        let mut statement = Connection::of(&connection).prepare(sql).unwrap();
        let read = |row: Row<'_>| PairRow::read(row).map(|row| (row.first.minor(), row.word.to_owned(), row.second));
        let rows = read_all(statement.query(params![]).unwrap(), read).unwrap();
        assert_eq!(rows, [(1, "one".to_owned(), None), (1, "one".to_owned(), Some(-2))]);
    }

    #[test]
    fn a_value_that_the_domain_cannot_represent_is_an_error() {
        row! {
            struct AmountRow, amount_columns! { number: Amount }
        }
        let connection = connection();
        let sql = concat!("SELECT ", amount_columns!(), " FROM b ORDER BY rowid DESC");
        let mut statement = Connection::of(&connection).prepare(sql).unwrap();
        let read = |row: Row<'_>| AmountRow::read(row).map(|row| row.number);
        let negative = statement.first(params![], read);
        assert!(matches!(negative, Err(Error::Corrupt(_))), "{negative:?}");
        let mut statement = Connection::of(&connection).prepare("SELECT number FROM b").unwrap();
        let null = statement.first(params![], read);
        assert!(matches!(null, Err(Error::Corrupt(_))), "{null:?}");
    }
}
