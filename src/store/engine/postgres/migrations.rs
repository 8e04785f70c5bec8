//! Migrations: a database of an earlier version becomes one of this version, once, before a
//! service uses it (architecture section 3.10).
//!
//! All is one transaction, so that a lost connection or server at any instant leaves the old
//! database or the new one. Processes of the older build may run meanwhile. Their groups of
//! commands begin with the mark and their snapshots with the identity of the schema, and both
//! read the version there. So neither spans the commit of a migration.

use crate::store::engine::error::Error;
use crate::store::engine::postgres::build::Build;
use crate::store::engine::postgres::catalog;
use crate::store::engine::postgres::client::Client;
use crate::store::engine::postgres::peers;
use crate::store::engine::postgres::unusable::Unusable;

/// The differences that a message shows.
const SHOWN_MAX: usize = 5;

/// The locks of a migration, in the order in which a group of commands takes them: no group is
/// under way, and then no snapshot. Readers hold the second lock before any other, so the steps
/// wait for none of them.
const LOCKS: &str = "LOCK TABLE file_mark IN EXCLUSIVE MODE;
    LOCK TABLE schema_identity IN ACCESS EXCLUSIVE MODE";

/// Migrates a database of an earlier version in the transaction under way, whose commit is left to
/// the caller. The statements wait for locks as long as the transaction says.
///
/// # Errors
///
/// [`Unusable::Other`] if a step fails or the steps do not lead to the schema of this build.
pub(super) fn migrate(client: &Client, build: &Build<'_>, from: u32) -> Result<(), Unusable> {
    let refused = |problem: &str| {
        let to = build.version;
        Unusable::Other(format!(
            "it has schema version {from} and cannot be migrated to version {to}: {problem}"
        ))
    };
    let failed = |error: tokio_postgres::Error| match Error::from(error) {
        lost @ Error::Unreachable(_) => Unusable::Server(lost),
        Error::FileBusy => refused(
            "another session keeps a table locked, such as pg_dump, `escrowd check` or a transaction of an operator; \
             end it and start again",
        ),
        Error::StorageFull => {
            refused("the server has no room for it; make room, about as much as the database has, and start again")
        }
        other => refused(&other.to_string()),
    };
    client.batch_execute(LOCKS).map_err(failed)?;
    build.run_steps(client, from).map_err(failed)?;
    let differences = catalog::differences(client, &build.statements).map_err(failed)?;
    if !differences.is_empty() {
        let shown = &differences[..differences.len().min(SHOWN_MAX)];
        let others = match differences.len() - shown.len() {
            0 => String::new(),
            others => format!(", and {others} other differences"),
        };
        return Err(refused(&format!(
            "its schema would not be that of this build: {}{others}: another build of escrowd made it, or it was \
             changed; use the escrowd that made it",
            shown.join(", ")
        )));
    }
    set_identity(client, build).map_err(failed)
}

/// Sets the version, and notifies the other processes of it at the commit.
fn set_identity(client: &Client, build: &Build<'_>) -> Result<(), tokio_postgres::Error> {
    client.execute(
        "UPDATE schema_identity SET version = $1, hash = $2",
        &[&i64::from(build.version), &build.hash().as_slice()],
    )?;
    client.batch_execute(&peers::notice_of_migration())
}
