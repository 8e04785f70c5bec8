//! pgledger, a ledger in PostgreSQL, loaded from the caller's copy of its SQL. A transaction
//! is one transfer between two of its accounts.

use std::path::{Path, PathBuf};

use anyhow::Context;

use super::{Cluster, Pgbench};

/// The number of accounts.
const ACCOUNTS: u32 = 20_000;

const DATABASE: &str = "pgledger";

/// Loads pgledger into its own database.
pub(crate) fn prepare(cluster: &Cluster, folder: &Path, files: &[PathBuf]) -> anyhow::Result<Pgbench> {
    cluster.create(DATABASE, "template1")?;
    let database = cluster.database(DATABASE)?;
    for file in files {
        let sql = std::fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
        database
            .run(&sql)
            .with_context(|| format!("PostgreSQL refuses {}", file.display()))?;
    }
    database.run(&format!(
        "CREATE TABLE numbered_account (number int PRIMARY KEY, id text NOT NULL);
         INSERT INTO numbered_account
         SELECT number, (pgledger_create_account('account ' || number, 'NGN')).id
         FROM generate_series(1, {ACCOUNTS}) AS number"
    ))?;
    database.run("VACUUM ANALYZE")?;
    let script = format!(
        "\\set debit random(1, {ACCOUNTS})\n\
         \\set credit (:debit + random(0, {ACCOUNTS} - 2)) % {ACCOUNTS} + 1\n\
         SELECT pgledger_create_transfer(debit.id, credit.id, '10') FROM numbered_account debit, numbered_account credit \
         WHERE debit.number = :debit AND credit.number = :credit;\n"
    );
    Pgbench::new(cluster, folder, DATABASE, &script)
}
