//! Statements that write rows with a checksum (see `src/store/engine/sqlite/checksum.rs`). Each
//! column stands beside its value, as SQL: a parameter, a literal or an expression.
//!
//! PostgreSQL has checksums of its pages, so its rows have none, and count as intact.

/// An `INSERT` of one row with its checksum. Columns with a default must be named, and those
/// that stay NULL need not be.
///
/// ```ignore
/// insert_checked!("card", id: "?1", guard: "?2")
/// ```
macro_rules! insert_checked {
    ($table:literal, $first:ident: $first_value:literal $(, $column:ident: $value:literal)* $(,)?) => {
        concat!(
            "INSERT INTO ", $table, " (", stringify!($first), $(", ", stringify!($column),)*
            "/*sqlite*/, checksum/*end*/) VALUES (", $first_value, $(", ", $value,)*
            "/*sqlite*/, row_checksum('", stringify!($first), "', ", $first_value,
            $(", '", stringify!($column), "', ", $value,)* ")/*end*/)"
        )
    };
}
pub(crate) use insert_checked;

/// An `UPDATE` without its condition that keeps the checksum right.
///
/// ```ignore
/// concat!(update_checked!("escrow", state: "'CLOSED'", updated_at: "?2"), " WHERE id = ?1")
/// ```
macro_rules! update_checked {
    (@set $table:literal, $first:ident: $first_value:literal $(, $column:ident: $value:literal)*) => {
        concat!(
            "UPDATE ", $table, " SET ", stringify!($first), " = ", $first_value,
            $(", ", stringify!($column), " = ", $value,)*
        )
    };
    ($table:literal, $($column:ident: $value:literal),+ $(,)?) => {
        concat!(
            update_checked!(@set $table, $($column: $value),+),
            "/*sqlite*/, checksum = changed_checksum(checksum",
            $(", '", stringify!($column), "', ", stringify!($column), ", ", $value,)+ ")/*end*/"
        )
    };
}
pub(crate) use update_checked;

/// The expression that is true if these are all columns of the row and its checksum is right.
macro_rules! is_intact {
    ($table:ident, $first:ident $(, $column:ident)* $(,)?) => {
        concat!(
            "/*sqlite*/", stringify!($table), ".checksum = row_checksum('", stringify!($first), "', ", stringify!($table), ".", stringify!($first),
            $(", '", stringify!($column), "', ", stringify!($table), ".", stringify!($column),)* ")/*end*//*postgres true*/"
        )
    };
}
pub(crate) use is_intact;
