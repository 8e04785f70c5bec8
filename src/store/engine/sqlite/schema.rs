//! The schema and its identity: the hash of its statements, without their comments and
//! spaces. The version number alone does not tell two states of a program apart.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;

use rusqlite::Connection;
use sha2::{Digest, Sha256};

use crate::store::engine::error::OpenError;
use crate::store::engine::schema::{HASH_BYTES_SHOWN, SCHEMA, words_of};

/// The statement that made each object, by the object's name.
type Statements = BTreeMap<String, String>;

/// The objects that must be equal.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Objects {
    /// Everything, for a service.
    All,
    /// The tables, for reading them.
    Tables,
}

/// The beginnings of two hashes that differ.
pub(crate) struct Difference {
    pub(crate) found: String,
    pub(crate) known: String,
}

/// Checks that a file has the schema of this program.
///
/// # Errors
///
/// [`OpenError::OtherSchema`] with both hashes.
pub(crate) fn check(path: &Path, connection: &Connection, objects: Objects) -> Result<(), OpenError> {
    match difference(connection, objects) {
        Ok(None) => Ok(()),
        Ok(Some(Difference { found, known })) => Err(OpenError::OtherSchema {
            path: path.to_owned(),
            found,
            known,
        }),
        Err(cause) => Err(OpenError::sqlite(path)(cause)),
    }
}

/// Compares the objects of a file with those of this program's schema.
pub(crate) fn difference(connection: &Connection, objects: Objects) -> rusqlite::Result<Option<Difference>> {
    let ours = known_statements(objects);
    let mut in_file = statements_of(connection, objects)?;
    // An operator may add an index or a view.
    in_file.retain(|name, _| ours.contains_key(name));
    let (found, known) = (hash_of(&in_file), hash_of(ours));
    Ok((found != known).then(|| Difference {
        found: hex::encode(&found[..HASH_BYTES_SHOWN]),
        known: hex::encode(&known[..HASH_BYTES_SHOWN]),
    }))
}

/// Returns the statements of this program's schema as SQLite keeps them. They are read once in a
/// process.
fn known_statements(objects: Objects) -> &'static Statements {
    static ALL: LazyLock<Statements> = LazyLock::new(|| read_known(Objects::All));
    static TABLES: LazyLock<Statements> = LazyLock::new(|| read_known(Objects::Tables));
    match objects {
        Objects::All => &ALL,
        Objects::Tables => &TABLES,
    }
}

fn read_known(objects: Objects) -> Statements {
    let read = || {
        let made = Connection::open_in_memory()?;
        made.execute_batch(SCHEMA)?;
        statements_of(&made, objects)
    };
    read().expect("SQLite reads the program's schema")
}

fn statements_of(connection: &Connection, objects: Objects) -> rusqlite::Result<Statements> {
    let sql = "SELECT name, type, sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite%'";
    let mut statements = connection.prepare(sql)?;
    let mut rows = statements.query([])?;
    let mut found = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let (name, kind, sql): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        if objects == Objects::All || kind == "table" {
            found.insert(name, words_of_statement(&sql));
        }
    }
    Ok(found)
}

fn hash_of(statements: &Statements) -> [u8; 32] {
    let mut hash = Sha256::new();
    for statement in statements.values() {
        hash.update(statement);
        hash.update(b";");
    }
    hash.finalize().into()
}

/// Returns the words of a statement, one space apart. SQLite quotes a name when it renames
/// a table, also back to its first name. The schema has no name that needs quotes.
fn words_of_statement(sql: &str) -> String {
    words_of(sql).replace('"', "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(sql: &str) -> [u8; 32] {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(sql).unwrap();
        hash_of(&statements_of(&connection, Objects::All).unwrap())
    }

    #[test]
    fn only_what_sqlite_reads_counts() {
        let plain = hash("CREATE TABLE a (b INTEGER, c TEXT)");
        assert_eq!(hash("CREATE TABLE a (b INTEGER, -- a number\n   c TEXT)"), plain);
        let renamed = "CREATE TABLE c (b INTEGER, c TEXT); ALTER TABLE c RENAME TO a";
        assert_eq!(hash(renamed), plain);
        assert_ne!(hash("CREATE TABLE a (b INTEGER, d TEXT)"), plain);
        assert_ne!(
            hash("CREATE TABLE a (b INTEGER, c TEXT); CREATE INDEX i ON a (b)"),
            plain
        );
        assert!(!SCHEMA.contains("'--"));
    }
}
