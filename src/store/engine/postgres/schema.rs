//! The schema of a PostgreSQL database: the tables of `schema.sql`, translated, and
//! `additions.sql`.

use postgres::{Client, GenericClient};
use sha2::{Digest, Sha256};

use crate::domain::ids::Entropy;
use crate::domain::mode::Mode;
use crate::domain::time::Timestamp;
use crate::store::engine::error::{Error, OpenError};
use crate::store::engine::postgres::address::Address;
use crate::store::engine::postgres::dialect;

/// The tables, as SQLite has them.
const TABLES: &str = include_str!("../../../../schema.sql");
/// What PostgreSQL has beside them.
const ADDITIONS: &str = include_str!("additions.sql");

/// The statement of `additions.sql` that a copy runs last: rows of a table come before those of
/// a later one.
const LATER_REFERENCE: &str = "ALTER TABLE escrow ADD FOREIGN KEY (payment_id) REFERENCES payment_transaction (id);";

/// The tables of `additions.sql`.
pub(crate) const ADDED_TABLES: [&str; 4] = ["schema_identity", "process_commit", "shared_secret", "file_content"];

/// The lock under which one process creates or checks the schema.
pub(crate) const LOCK: i64 = 0x4553_4352_0000_0001;

/// What PostgreSQL reads otherwise in the tables, beside what [`dialect::translate`] knows:
/// what stands in `schema.sql`, and what is read instead.
const DIFFERENCES: [(&str, &str); 13] = [
    // A table has types in any case, and its rows are found by an index.
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
    // A truth is no number.
    ("was_paid = (status = 'paid')", "(was_paid = 1) = (status = 'paid')"),
    // A column that is computed is stored.
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
pub(crate) fn statements() -> String {
    let mut translated = without_triggers(&without_comments(TABLES));
    for (sqlite, postgres) in DIFFERENCES.iter().chain(&PHONES) {
        translated = translated.replace(sqlite, postgres);
    }
    let mut all = String::from(
        "CREATE COLLATION without_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);\n",
    );
    all.push_str(&dialect::translate(&translated));
    all.push_str(ADDITIONS);
    all
}

/// Returns the words of the tables' statements, one space apart and one statement a line.
fn without_comments(sql: &str) -> String {
    let lines = sql.lines().map(|line| line.split("--").next().unwrap_or_default());
    let words: Vec<&str> = lines.flat_map(str::split_whitespace).collect();
    words.join(" ").replace("; ", ";\n")
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

/// The identity of the schema.
pub(crate) fn hash() -> [u8; 32] {
    Sha256::digest(without_comments(&statements())).into()
}

/// Returns a new secret for all processes on a database.
pub(crate) fn random_secret(entropy: &mut dyn Entropy) -> [u8; 32] {
    let mut secret = [0; 32];
    for half in secret.chunks_exact_mut(16) {
        half.copy_from_slice(&entropy.random().to_ne_bytes());
    }
    secret
}

/// What a database is for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Purpose<'a> {
    pub(crate) mode: Mode,
    pub(crate) currency: &'a str,
    pub(crate) version: u32,
}

/// The reason why a database cannot be used.
#[derive(Debug)]
pub(crate) enum Unusable {
    /// The server's answer, or none.
    Server(Error),
    /// The database has another schema, mode or currency.
    Other(String),
}

impl Unusable {
    /// Returns the error of opening the database at this address.
    pub(crate) fn into_error(self, address: &Address) -> OpenError {
        let address = address.to_string();
        match self {
            Self::Server(cause) => OpenError::Postgres { address, cause },
            Self::Other(problem) => OpenError::OtherDatabase { address, problem },
        }
    }
}

impl From<postgres::Error> for Unusable {
    fn from(error: postgres::Error) -> Self {
        Self::Server(error.into())
    }
}

/// The oldest version of the server that is known to work: 15.
const SERVER_VERSION_MIN: i32 = 150_000;

/// Checks that the server keeps what it acknowledges, and is new enough.
///
/// # Errors
///
/// Fails if a setting of the server allows it to lose a commit.
pub(crate) fn check_server(client: &mut Client) -> Result<(), Unusable> {
    let mut setting = |name: &str| -> Result<String, Unusable> {
        Ok(client.query_one("SELECT current_setting($1)", &[&name])?.try_get(0)?)
    };
    let version = setting("server_version_num")?;
    if version.parse::<i32>().is_ok_and(|version| version < SERVER_VERSION_MIN) {
        return Err(Unusable::Other(format!(
            "the server has version {version}, and {SERVER_VERSION_MIN} is the oldest that is known to work"
        )));
    }
    for (name, durable) in [
        ("synchronous_commit", &["on", "remote_apply"][..]),
        ("fsync", &["on"]),
        ("full_page_writes", &["on"]),
    ] {
        let found = setting(name)?;
        if !durable.contains(&found.as_str()) {
            return Err(Unusable::Other(format!(
                "{name} is {found}, so the server may lose what it has acknowledged; set it to {}",
                durable[0]
            )));
        }
    }
    Ok(())
}

/// Creates the schema in an empty database, or checks the one that is there. Returns the
/// secret that all processes share, which is the given one in an empty database.
///
/// # Errors
///
/// Fails if the database has tables of another program or state of this one, or is for another
/// mode or currency. It is left as it was.
pub(crate) fn prepare(
    client: &mut Client,
    of: Purpose<'_>,
    now: Timestamp,
    secret: &[u8; 32],
) -> Result<[u8; 32], Unusable> {
    let mut transaction = client.transaction()?;
    transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK])?;
    if exists(&mut transaction)? {
        check_identity(&mut transaction, of.version)?;
        check_purpose(&mut transaction, of)?;
        let shared: Vec<u8> = transaction
            .query_one("SELECT secret FROM shared_secret", &[])?
            .try_get(0)?;
        return shared
            .try_into()
            .map_err(|_| Unusable::Other("its shared secret has not 32 bytes".to_owned()));
    }
    let tables = count_tables(&mut transaction)?;
    if tables > 0 {
        return Err(Unusable::Other(format!(
            "it has {tables} tables of another program; create an empty database for escrowd"
        )));
    }
    create(&mut transaction, &statements(), of.version, secret)?;
    transaction.execute(
        "INSERT INTO instance (only_row, mode, currency, created_at) VALUES (1, $1, $2, $3)",
        &[&stored_mode(of.mode), &of.currency, &now.millis()],
    )?;
    transaction.execute(
        "INSERT INTO file_mark (only_row, generation, previous_generation, commits, newest_transfer, is_open,
             schema_cookie, ledger_time)
         VALUES (1, 0, 0, 0, 0, 0, 0, 0)",
        &[],
    )?;
    transaction.commit()?;
    Ok(*secret)
}

/// Returns true if a database has the tables of some escrowd.
pub(crate) fn exists(client: &mut impl GenericClient) -> Result<bool, Unusable> {
    let sql = "SELECT to_regclass('schema_identity') IS NOT NULL";
    Ok(client.query_one(sql, &[])?.try_get(0)?)
}

/// Returns the number of tables and views in a database.
pub(crate) fn count_tables(client: &mut impl GenericClient) -> Result<i64, Unusable> {
    let sql = "SELECT count(*) FROM pg_class
               WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p', 'v')";
    Ok(client.query_one(sql, &[])?.try_get(0)?)
}

/// Checks that a database with tables of escrowd has those of this program.
///
/// # Errors
///
/// [`Unusable::Other`] if it has not.
pub(crate) fn check_identity(client: &mut impl GenericClient, known: u32) -> Result<(), Unusable> {
    let row = client.query_one("SELECT version, hash FROM schema_identity", &[])?;
    let (version, found): (i64, Vec<u8>) = (row.try_get(0)?, row.try_get(1)?);
    if version != i64::from(known) || found != hash() {
        return Err(Unusable::Other(format!(
            "it has schema version {version} of another build of escrowd, and this one has version {known}"
        )));
    }
    Ok(())
}

/// Creates the tables in an empty database, for rows that a copy adds. [`complete`] follows
/// when the rows are there.
pub(crate) fn create_for_copy(
    client: &mut impl GenericClient,
    version: u32,
    secret: &[u8; 32],
) -> Result<(), Unusable> {
    create(client, &statements().replace(LATER_REFERENCE, ""), version, secret)
}

/// Completes the schema around the rows of a copy. Rows that SQLite numbers by itself are
/// numbered on from the greatest.
pub(crate) fn complete(client: &mut impl GenericClient) -> Result<(), postgres::Error> {
    client.batch_execute(&format!(
        "{LATER_REFERENCE}
         SELECT setval(pg_get_serial_sequence('idempotency_record', 'id'), max(id)) FROM idempotency_record;
         ANALYZE"
    ))
}

fn create(client: &mut impl GenericClient, statements: &str, version: u32, secret: &[u8; 32]) -> Result<(), Unusable> {
    client.batch_execute(statements)?;
    client.execute(
        "INSERT INTO schema_identity (only_row, version, hash) VALUES (1, $1, $2)",
        &[&i64::from(version), &hash().as_slice()],
    )?;
    let sql = "INSERT INTO shared_secret (only_row, secret) VALUES (1, $1)";
    client.execute(sql, &[&secret.as_slice()])?;
    Ok(())
}

fn check_purpose(transaction: &mut postgres::Transaction<'_>, of: Purpose<'_>) -> Result<(), Unusable> {
    let row = transaction.query_one("SELECT mode, currency FROM instance", &[])?;
    let (mode, currency): (String, String) = (row.try_get(0)?, row.try_get(1)?);
    if mode == stored_mode(of.mode) && currency == of.currency {
        return Ok(());
    }
    Err(Unusable::Other(format!(
        "it was made for {} in {currency} and cannot serve {} in {}",
        mode.to_lowercase(),
        stored_mode(of.mode).to_lowercase(),
        of.currency
    )))
}

const fn stored_mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Sandbox => "SANDBOX",
        Mode::Live => "LIVE",
    }
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
        let mut translated = without_triggers(&without_comments(TABLES));
        for (sqlite, postgres) in DIFFERENCES.iter().chain(&PHONES) {
            assert!(translated.contains(sqlite), "{sqlite:?} is not in the tables");
            translated = translated.replace(sqlite, postgres);
        }
        for left in ["STRICT", "ROWID", "GLOB", "NOCASE", "VIRTUAL", "TRIGGER", "RAISE"] {
            assert!(!translated.contains(left), "{left} is left");
        }
    }
}
