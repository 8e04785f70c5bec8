//! Checksums of rows, by which a check of the file sees a value that was damaged on the disk
//! or changed by another program.
//!
//! The checksum of a row is a sum with a term for each column. An `UPDATE` replaces the terms
//! of the columns that it sets and reads no others, so damage in the others stays visible.
//! NULL has no term, so a statement leaves out columns that it does not set.
//!
//! Two functions of SQL compute it; `src/store/tables/checked.rs` writes the statements:
//!
//! - `row_checksum(name, value, ...)` of a new row;
//! - `changed_checksum(checksum, name, old, new, ...)` after a change.

use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Error};

/// Takes any number of arguments.
const VARIADIC: i32 = -1;

/// Adds the functions to a connection.
pub(crate) fn register(connection: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_DIRECTONLY;
    connection.create_scalar_function("row_checksum", VARIADIC, flags, row_checksum)?;
    connection.create_scalar_function("changed_checksum", VARIADIC, flags, changed_checksum)
}

fn row_checksum(of: &Context<'_>) -> rusqlite::Result<i32> {
    let mut sum = 0_i32;
    for name in (0..of.len()).step_by(2) {
        sum = sum.wrapping_add(term(of, name, name + 1)?);
    }
    Ok(sum)
}

fn changed_checksum(of: &Context<'_>) -> rusqlite::Result<i32> {
    let mut sum: i32 = of.get(0)?;
    for name in (1..of.len()).step_by(3) {
        let (old, new) = (term(of, name, name + 1)?, term(of, name, name + 2)?);
        sum = sum.wrapping_sub(old).wrapping_add(new);
    }
    Ok(sum)
}

/// Returns the term of the column whose name and value these arguments are. The file keeps
/// sums of these terms, so their computation never changes.
fn term(of: &Context<'_>, name: usize, value: usize) -> rusqlite::Result<i32> {
    if name.max(value) >= of.len() {
        return Err(Error::InvalidParameterCount(of.len(), value + 1));
    }
    let name = of.get_raw(name).as_bytes().map_err(|_| Error::InvalidQuery)?;
    let hash = match of.get_raw(value) {
        ValueRef::Null => return Ok(0),
        ValueRef::Integer(number) => fnv(fnv(fnv(BASIS, name), b"i"), &number.to_le_bytes()),
        ValueRef::Text(bytes) => fnv(fnv(fnv(BASIS, name), b"t"), bytes),
        ValueRef::Blob(bytes) => fnv(fnv(fnv(BASIS, name), b"b"), bytes),
        ValueRef::Real(_) => return Err(Error::InvalidQuery),
    };
    Ok(folded(hash))
}

/// The start of an FNV-1a hash of 64 bits.
const BASIS: u64 = 0xcbf2_9ce4_8422_2325;

/// Continues an FNV-1a hash. Each step is a bijection, so two texts that differ in one byte
/// have different hashes.
fn fnv(hash: u64, bytes: &[u8]) -> u64 {
    const PRIME: u64 = 0x0100_0000_01b3;
    bytes
        .iter()
        .fold(hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(PRIME))
}

/// Mixes all bits of a hash into 32, which SQLite stores in four bytes.
fn folded(hash: u64) -> i32 {
    let mixed = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let [.., a, b, c, d] = mixed.to_le_bytes();
    i32::from_le_bytes([a, b, c, d])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(sql: &str) -> rusqlite::Result<i32> {
        let connection = Connection::open_in_memory().unwrap();
        register(&connection).unwrap();
        connection.query_row(sql, [], |row| row.get(0))
    }

    /// Files hold these sums.
    #[test]
    fn the_terms_never_change() {
        assert_eq!(of("SELECT row_checksum('amount', 1)").unwrap(), -636_301_235);
        assert_eq!(of("SELECT row_checksum('title', 'Frame')").unwrap(), -1_921_143_150);
        assert_eq!(of("SELECT row_checksum('hash', x'00ff')").unwrap(), -254_671_376);
    }

    #[test]
    fn a_change_leads_to_the_checksum_of_the_new_row() {
        let changed =
            of("SELECT changed_checksum(row_checksum('a', 1, 'b', NULL, 'c', 'x'), 'b', NULL, 7, 'c', 'x', NULL)");
        assert_eq!(changed.unwrap(), of("SELECT row_checksum('a', 1, 'b', 7)").unwrap());
    }

    #[test]
    fn other_columns_and_types_have_other_terms() {
        let rows = ["'a', 1", "'b', 1", "'a', '1'", "'a', x'31'", "'a', 2", "'a', ''"];
        let sums: std::collections::HashSet<_> = rows
            .iter()
            .map(|row| of(&format!("SELECT row_checksum({row})")).unwrap())
            .collect();
        assert_eq!(sums.len(), rows.len());
    }

    #[test]
    fn an_argument_without_its_value_is_an_error() {
        assert!(of("SELECT row_checksum('a', 1, 'b')").is_err());
        assert!(of("SELECT changed_checksum(0, 'a', 1)").is_err());
        assert!(of("SELECT row_checksum('a', 1.5)").is_err());
    }
}
