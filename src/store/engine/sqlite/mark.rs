//! The mark in the database file, by which a start sees that the write-ahead log is
//! missing or belongs to another file. The table `file_mark` in `schema.sql` explains
//! its columns.
//!
//! The mark in the file itself is open while there may be commits in the log alone. It
//! reaches the file before the first of them is acknowledged, and is closed when the whole
//! log is in the file. In the log the mark is closed, so that another program which moves
//! the whole log into the file, as SQLite does after a crash, closes it too.

use rusqlite::{Connection, params};

use crate::domain::ids::Entropy;
use crate::domain::time::Timestamp;

/// The page of the mark, which is the root page of the schema's first table.
pub(crate) const MARK_PAGE: u32 = 2;

/// One state of the mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) generation: i64,
    pub(crate) previous_generation: i64,
    pub(crate) commits: i64,
    pub(crate) newest_transfer: i64,
    pub(crate) is_open: bool,
    pub(crate) schema_cookie: i64,
}

impl Mark {
    /// Reads the mark of the newest commit, in the file or in its log.
    pub(crate) fn of(connection: &Connection) -> rusqlite::Result<Self> {
        let sql =
            "SELECT generation, previous_generation, commits, newest_transfer, is_open, schema_cookie FROM file_mark";
        connection.query_row(sql, [], |row| {
            Ok(Self {
                generation: row.get(0)?,
                previous_generation: row.get(1)?,
                commits: row.get(2)?,
                newest_transfer: row.get(3)?,
                is_open: row.get(4)?,
                schema_cookie: row.get(5)?,
            })
        })
    }

    /// Decodes the mark from the bytes of its page. Returns `None` if the page holds
    /// something else.
    pub(crate) fn in_page(page: &[u8]) -> Option<Self> {
        const LEAF_OF_A_TABLE: u8 = 0x0d;
        const ONE_ROW: [u8; 2] = [0, 1];
        const NULL: i64 = 0;
        if *page.first()? != LEAF_OF_A_TABLE || page.get(3..5)? != ONE_ROW {
            return None;
        }
        let cell = usize::from(u16::from_be_bytes(*page.get(8..)?.first_chunk()?));
        let mut rest = page.get(cell..)?;
        // The length of the record and the number of the row.
        take_varint(&mut rest)?;
        take_varint(&mut rest)?;
        // The record: the length of its head, the type of each column, the values.
        let mut record = rest;
        let head_bytes = usize::try_from(take_varint(&mut record)?).ok()?;
        let (mut types, mut values) = rest.split_at_checked(head_bytes)?;
        take_varint(&mut types)?;
        // The column `only_row` is the number of the row and has no value of its own.
        if take_varint(&mut types)? != NULL {
            return None;
        }
        let mut next = || take_integer(&mut types, &mut values);
        let mark = Self {
            generation: next()?,
            previous_generation: next()?,
            commits: next()?,
            newest_transfer: next()?,
            is_open: next()? == 1,
            schema_cookie: next()?,
        };
        // The ledger time.
        next()?;
        types.is_empty().then_some(mark)
    }

    /// Returns true if a log whose first commit left the mark `first` continues a file
    /// with this mark.
    pub(crate) const fn is_before(&self, first: &Self) -> bool {
        first.commits == self.commits + 1
            && (first.generation == self.generation || first.previous_generation == self.generation)
    }
}

/// Takes a varint of SQLite's file format.
fn take_varint(bytes: &mut &[u8]) -> Option<i64> {
    const BYTES_MAX: usize = 9;
    let mut value: u64 = 0;
    for position in 1..=BYTES_MAX {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        if position == BYTES_MAX {
            return Some((value << 8 | u64::from(*byte)).cast_signed());
        }
        value = value << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some(value.cast_signed());
        }
    }
    None
}

/// Takes the type and the value of a column, which must be a whole number.
fn take_integer(types: &mut &[u8], values: &mut &[u8]) -> Option<i64> {
    let bytes = match take_varint(types)? {
        8 => return Some(0),
        9 => return Some(1),
        length @ 1..=4 => usize::try_from(length).ok()?,
        5 => 6,
        6 => 8,
        _ => return None,
    };
    let (value, rest) = values.split_at_checked(bytes)?;
    *values = rest;
    let (first, others) = value.split_first()?;
    let sign_extended = i64::from(first.cast_signed());
    Some(
        others
            .iter()
            .fold(sign_extended, |value, byte| (value << 8) | i64::from(*byte)),
    )
}

/// Returns a random schema cookie, far above those that SQLite counts to.
pub(crate) fn random_cookie(entropy: &mut dyn Entropy) -> u32 {
    const LOWEST: u32 = 1 << 30;
    let [a, b, c, d, ..] = entropy.random().to_ne_bytes();
    LOWEST | (u32::from_ne_bytes([a, b, c, d]) >> 2)
}

/// Writes the first mark of a fresh file, which is closed.
pub(crate) fn insert(connection: &Connection, schema_cookie: u32) -> rusqlite::Result<()> {
    connection.pragma_update(None, "schema_version", schema_cookie)?;
    let sql = "INSERT INTO file_mark (only_row, generation, previous_generation, commits, newest_transfer, is_open, schema_cookie,
                                      ledger_time)
               VALUES (1, 0, 0, 0, 0, 0, ?1, 0)";
    connection.execute(sql, [schema_cookie]).map(drop)
}

/// Lets the first mark of a file go on from the commits and the time of another database.
pub(crate) fn go_on(
    connection: &Connection,
    commits: i64,
    newest_transfer: i64,
    ledger_time: i64,
) -> rusqlite::Result<()> {
    let sql = "UPDATE file_mark SET commits = ?1, newest_transfer = ?2, ledger_time = ?3";
    connection
        .execute(sql, params![commits, newest_transfer, ledger_time])
        .map(drop)
}

/// Begins a new generation, in the transaction under way. A copy that SQLite made, and a file
/// whose schema a migration has changed, get this schema cookie, since SQLite counts from the
/// old one for the next copy.
pub(crate) fn begin_generation(connection: &Connection, generation: i64, schema_cookie: u32) -> rusqlite::Result<()> {
    let found: i64 = connection.pragma_query_value(None, "schema_version", |row| row.get(0))?;
    let marked: i64 = connection.query_row("SELECT schema_cookie FROM file_mark", [], |row| row.get(0))?;
    let mut cookie = found;
    if found != marked {
        connection.pragma_update(None, "schema_version", schema_cookie)?;
        cookie = i64::from(schema_cookie);
    }
    let sql = "UPDATE file_mark SET previous_generation = generation, generation = ?1, schema_cookie = ?2";
    connection.execute(sql, params![generation, cookie]).map(drop)
}

/// Increments the commit count of the mark and stores the schema cookie that SQLite has set, in a
/// commit of its own.
pub(crate) fn follow_schema_cookie(connection: &Connection) -> rusqlite::Result<()> {
    let cookie: i64 = connection.pragma_query_value(None, "schema_version", |row| row.get(0))?;
    let sql = "UPDATE file_mark SET commits = commits + 1, schema_cookie = ?1";
    connection.execute(sql, [cookie]).map(drop)
}

/// Returns true if the mark of the newest commit is open.
pub(crate) fn is_open(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("SELECT is_open FROM file_mark", [], |row| row.get(0))
}

/// Increments the commit count of the mark and marks the file open or closed, in the transaction
/// under way or in a commit of its own.
pub(crate) fn count(connection: &Connection, is_open: bool) -> rusqlite::Result<()> {
    count_at(connection, is_open, Timestamp::EPOCH)
}

/// Does what [`count`] does, in a commit at this ledger time.
pub(crate) fn count_at(connection: &Connection, is_open: bool, ledger_time: Timestamp) -> rusqlite::Result<()> {
    let sql = "UPDATE file_mark
               SET commits = commits + 1,
                   newest_transfer = max(newest_transfer, coalesce((SELECT max(id) FROM transfer), 0)), is_open = ?1,
                   ledger_time = max(ledger_time, ?2)";
    let values = params![is_open, ledger_time.millis()];
    connection.prepare_cached(sql)?.execute(values).map(drop)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::store::engine::schema::SCHEMA;

    const PAGE_BYTES: u32 = 2_048;

    /// Numbers of every length in SQLite's file format, and both signs.
    #[test]
    fn the_page_holds_the_row() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("test.db");
        let connection = Connection::open(&path).unwrap();
        connection.pragma_update(None, "page_size", PAGE_BYTES).unwrap();
        connection.execute_batch(SCHEMA).unwrap();
        insert(&connection, 1 << 30).unwrap();
        for bits in 0..63 {
            let number = (1_i64 << bits) + 1;
            let sql = "UPDATE file_mark SET generation = ?1, previous_generation = -?1, commits = ?1 - 1, newest_transfer = ?1, is_open = ?2, ledger_time = ?1";
            connection.execute(sql, params![number, bits % 2]).unwrap();
            let bytes = fs::read(&path).unwrap();
            let page = &bytes[PAGE_BYTES as usize..2 * PAGE_BYTES as usize];
            assert_eq!(Mark::in_page(page), Some(Mark::of(&connection).unwrap()), "{number}");
        }
    }

    #[test]
    fn other_pages_hold_no_mark() {
        let mut page = vec![0; PAGE_BYTES as usize];
        assert_eq!(Mark::in_page(&page), None);
        assert_eq!(Mark::in_page(&[]), None);
        page[..5].copy_from_slice(&[0x0d, 0, 0, 0, 1]);
        for cell in [0_u8, 8, 0xff] {
            page[8..10].fill(cell);
            assert_eq!(Mark::in_page(&page), None);
        }
    }
}
