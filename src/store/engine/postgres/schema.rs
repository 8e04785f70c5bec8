//! The schema of a PostgreSQL database: the tables of `schema.sql`, translated, and
//! `additions.sql`.

use sha2::{Digest, Sha256};

use crate::store::engine::postgres::{dialect, value_lists};
use crate::store::engine::schema::{SCHEMA, words_of};

/// The tables, columns, functions and triggers that only PostgreSQL has.
const ADDITIONS: &str = include_str!("additions.sql");

/// The statement of `additions.sql` that a copy runs last: rows of a table come before those of
/// a later one.
pub(super) const LATER_REFERENCE: &str =
    "ALTER TABLE escrow ADD FOREIGN KEY (payment_id) REFERENCES payment_transaction (id);";

/// The tables of `additions.sql`.
pub(crate) const ADDED_TABLES: [&str; 4] = ["schema_identity", "process_commit", "shared_secret", "file_content"];

/// The replacements that turn `schema.sql` into PostgreSQL's text, beside what
/// [`dialect::translate`] does: the text in `schema.sql`, and its replacement.
const DIFFERENCES: [(&str, &str); 13] = [
    // PostgreSQL tables are always typed, and have no ROWID.
    (") STRICT, WITHOUT ROWID;", ");"),
    (") STRICT;", ");"),
    // Texts are compared byte by byte, but for the one column without case.
    (" COLLATE NOCASE", ""),
    (" TEXT ", " TEXT COLLATE \"C\" "),
    (" TEXT,", " TEXT COLLATE \"C\","),
    (
        "wallet_address TEXT COLLATE \"C\"",
        "wallet_address TEXT COLLATE without_case",
    ),
    // PostgreSQL does not compare a boolean with an integer.
    ("was_paid = (status = 'paid')", "(was_paid = 1) = (status = 'paid')"),
    // PostgreSQL 15 has no generated columns that are not stored.
    (" VIRTUAL", " STORED"),
    // PostgreSQL has checksums of its pages, so rows have none.
    ("checksum INTEGER NOT NULL", "checksum INTEGER"),
    // `additions.sql` adds the reference to a later table.
    (
        "payment_id INTEGER REFERENCES payment_transaction (id)",
        "payment_id INTEGER",
    ),
    ("GLOB 'pk_test_?*'", "~ '^pk_test_.+$'"),
    ("GLOB 'pk_live_?*'", "~ '^pk_live_.+$'"),
    ("GLOB '[A-Z][A-Z]'", "~ '^[A-Z][A-Z]$'"),
];

/// The patterns of phones.
const PHONES: [(&str, &str); 2] = [
    ("GLOB '0[0-9]*'", "~ '^0[0-9]'"),
    ("GLOB '+[1-9][0-9]*'", "~ '^[+][1-9][0-9]'"),
];

/// Returns the statements that create the schema.
pub(super) fn statements() -> String {
    let mut translated = without_triggers(&lines_of(SCHEMA));
    for (sqlite, postgres) in DIFFERENCES.iter().chain(&PHONES) {
        translated = translated.replace(sqlite, postgres);
    }
    let mut all = String::from(
        "CREATE COLLATION without_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);\n",
    );
    all.push_str(&value_lists::shorten(&dialect::translate(&translated)));
    all.push_str(ADDITIONS);
    all
}

/// Returns the words of the tables' statements, one space apart and one statement a line.
fn lines_of(sql: &str) -> String {
    words_of(sql).replace("; ", ";\n")
}

/// Leaves out the triggers, whose body is a statement of its own.
fn without_triggers(sql: &str) -> String {
    let mut kept = String::new();
    let mut is_trigger = false;
    for line in sql.lines() {
        is_trigger |= line.starts_with("CREATE TRIGGER");
        if !is_trigger {
            kept.push_str(line);
            kept.push('\n');
        }
        is_trigger &= !line.starts_with("END");
    }
    kept
}

/// Returns the hash of the statements of a schema, which is its identity.
pub(super) fn hash_of(statements: &str) -> [u8; 32] {
    Sha256::digest(lines_of(statements)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_later_reference_is_one_of_the_additions() {
        assert!(ADDITIONS.contains(LATER_REFERENCE));
        assert_eq!(ADDITIONS.matches("CREATE TABLE").count(), ADDED_TABLES.len());
        for table in ADDED_TABLES {
            assert!(ADDITIONS.contains(&format!("CREATE TABLE {table} ")), "{table}");
        }
    }

    /// Each difference is one that the tables have: otherwise it would hide that the tables
    /// have changed.
    #[test]
    fn every_difference_is_met() {
        let mut translated = without_triggers(&lines_of(SCHEMA));
        for (sqlite, postgres) in DIFFERENCES.iter().chain(&PHONES) {
            assert!(translated.contains(sqlite), "{sqlite:?} is not in the tables");
            translated = translated.replace(sqlite, postgres);
        }
        for left in ["STRICT", "ROWID", "GLOB", "NOCASE", "VIRTUAL", "TRIGGER", "RAISE"] {
            assert!(!translated.contains(left), "{left} is left");
        }
    }
}
