//! The schema of this build of escrowd, and how that of a database compares with it.

use crate::store::engine::SCHEMA_VERSION;
use crate::store::engine::postgres::client::Client;
use crate::store::engine::postgres::schema;
use crate::store::engine::postgres::unusable::Unusable;
use crate::store::engine::schema::HASH_BYTES_SHOWN;

/// The first version of which there are PostgreSQL databases.
const FIRST_VERSION: u32 = 2;

/// The steps in their order, `migrations/<version>.postgres.sql`: the first leads from
/// [`FIRST_VERSION`] to the next one. Each is plain SQL of PostgreSQL, so that it can alter a
/// table that SQLite has to make anew. It leaves what processes of any version read and write
/// beside the version: `schema_identity`, `process_commit`, and in `file_mark` the columns
/// `commits`, `ledger_time`, `newest_number` and `key_changes`.
const STEPS: &[&str] = &[];

const _: () = assert!(FIRST_VERSION as usize + STEPS.len() == SCHEMA_VERSION as usize);

/// The lock under which one process creates, checks, migrates or copies a database.
pub(super) const LOCK: i64 = 0x4553_4352_0000_0001;
/// The lock that each session of a service or of a command that writes holds, with others, until it
/// ends. A copy holds it alone.
pub(super) const USE_LOCK: i64 = 0x4553_4352_0000_0003;

/// The schema of a build of escrowd, and the steps that lead to it.
#[derive(Clone, Debug)]
pub struct Build<'a> {
    /// The version of the schema.
    pub version: u32,
    /// The statements that create the schema.
    pub statements: String,
    /// The steps from earlier versions, of which the last leads to `version`.
    pub steps: &'a [&'a str],
}

/// A database of this build, or of one whose schema this build migrates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Schema {
    Current,
    Earlier(u32),
}

impl Build<'static> {
    /// Returns what this build has.
    pub fn current() -> Self {
        Self {
            version: SCHEMA_VERSION,
            statements: schema::statements(),
            steps: STEPS,
        }
    }
}

impl Build<'_> {
    pub(super) fn hash(&self) -> [u8; 32] {
        schema::hash_of(&self.statements)
    }

    /// Returns the steps that follow a version, or `None` if it is too early for this build.
    fn steps_after(&self, version: u32) -> Option<&[&str]> {
        let count = usize::try_from(self.version.checked_sub(version)?).ok()?;
        let first = self.steps.len().checked_sub(count)?;
        Some(&self.steps[first..])
    }

    /// Compares the schema of a database that has tables of escrowd with this one.
    ///
    /// # Errors
    ///
    /// [`Unusable::Other`] if this build can neither use nor migrate it.
    pub(super) fn compare(&self, client: &Client) -> Result<Schema, Unusable> {
        let row = client.query_one("SELECT version, hash FROM schema_identity", &[])?;
        let (version, hash): (i64, Vec<u8>) = (row.try_get(0)?, row.try_get(1)?);
        self.compare_identity(version, &hash).map_err(Unusable::Other)
    }

    fn compare_identity(&self, found: i64, hash: &[u8]) -> Result<Schema, String> {
        let known = self.version;
        match u32::try_from(found) {
            Ok(version) if version == known && hash == self.hash() => Ok(Schema::Current),
            Ok(version) if version == known => {
                let shown = |hash: &[u8]| hex::encode(&hash[..HASH_BYTES_SHOWN.min(hash.len())]);
                Err(format!(
                    "it has schema version {known}, as this build of escrowd, but another schema ({} and not {}): another \
                     build made it; use the build that made it",
                    shown(hash),
                    shown(&self.hash())
                ))
            }
            Ok(version) if version < known => match self.steps_after(version) {
                Some(_) => Ok(Schema::Earlier(version)),
                None => Err(format!(
                    "it has schema version {version}, and this build of escrowd migrates databases from version {} on; \
                     use the build that made it",
                    known - u32::try_from(self.steps.len()).unwrap_or(known)
                )),
            },
            _ => Err(format!(
                "it has schema version {found}, and this build of escrowd knows version {known}: a newer build has made \
                 or migrated it; use that build, or restore the backup from before the migration"
            )),
        }
    }

    /// Checks that a database has this schema, for reading it.
    ///
    /// # Errors
    ///
    /// [`Unusable::Other`] if it has not.
    pub(crate) fn check(&self, client: &Client) -> Result<(), Unusable> {
        if !exists(client)? {
            return Err(Unusable::Other("it has no tables of escrowd".to_owned()));
        }
        match self.compare(client)? {
            Schema::Current => Ok(()),
            Schema::Earlier(version) => Err(Unusable::Other(self.not_migrated(version))),
        }
    }

    fn not_migrated(&self, version: u32) -> String {
        let known = self.version;
        format!(
            "it has schema version {version} and this escrowd reads version {known}: a start of the service (`escrowd \
             serve`) migrates it once; take a backup before"
        )
    }

    /// Runs the steps that follow a version.
    pub(super) fn run_steps(&self, client: &Client, after: u32) -> Result<(), tokio_postgres::Error> {
        let steps = self.steps_after(after).unwrap_or_default();
        steps.iter().try_for_each(|step| client.batch_execute(step))
    }

    /// Creates the tables in an empty database.
    pub(super) fn create(&self, client: &Client, secret: &[u8; 32]) -> Result<(), Unusable> {
        self.create_by(client, &self.statements, secret)
    }

    /// Creates the tables in an empty database, for rows that a copy adds. A copy runs
    /// [`schema::LATER_REFERENCE`] when the rows are there.
    pub(super) fn create_for_copy(&self, client: &Client, secret: &[u8; 32]) -> Result<(), Unusable> {
        let statements = self.statements.replace(schema::LATER_REFERENCE, "");
        self.create_by(client, &statements, secret)
    }

    fn create_by(&self, client: &Client, statements: &str, secret: &[u8; 32]) -> Result<(), Unusable> {
        client.batch_execute(statements)?;
        client.execute(
            "INSERT INTO schema_identity (only_row, version, hash) VALUES (1, $1, $2)",
            &[&i64::from(self.version), &self.hash().as_slice()],
        )?;
        let sql = "INSERT INTO shared_secret (only_row, secret) VALUES (1, $1)";
        client.execute(sql, &[&secret.as_slice()])?;
        Ok(())
    }
}

/// Returns true if a database has the tables of some escrowd.
pub(super) fn exists(client: &Client) -> Result<bool, Unusable> {
    let sql = "SELECT to_regclass('schema_identity') IS NOT NULL";
    Ok(client.query_one(sql, &[])?.try_get(0)?)
}

/// Returns the number of tables and views in a database.
pub(super) fn count_tables(client: &Client) -> Result<i64, Unusable> {
    let sql = "SELECT count(*) FROM pg_class
               WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p', 'v')";
    Ok(client.query_one(sql, &[])?.try_get(0)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The hash of each version from [`FIRST_VERSION`] on.
    const HASHES: [&str; 1] = ["41dcde60a879e3db55d4bb803d07a62bf995dfac60ebb6fb75786b0811ca6315"];

    #[test]
    fn a_changed_schema_is_a_new_version() {
        let newest = HASHES[(SCHEMA_VERSION - FIRST_VERSION) as usize];
        assert_eq!(
            hex::encode(Build::current().hash()),
            newest,
            "the schema of a released version never changes; see \"A field\" in CONTRIBUTING.md"
        );
    }

    #[test]
    fn a_database_of_another_version_or_build_is_told() {
        let build = Build {
            version: 5,
            statements: "CREATE TABLE a (b BIGINT)".to_owned(),
            steps: &["to 4", "to 5"],
        };
        let compare = |version| build.compare_identity(version, &build.hash());
        assert_eq!(compare(5), Ok(Schema::Current));
        assert_eq!(compare(4), Ok(Schema::Earlier(4)));
        assert_eq!(compare(3), Ok(Schema::Earlier(3)));
        assert_eq!(build.steps_after(4), Some(&["to 5"][..]));
        assert_eq!(build.steps_after(3), Some(&["to 4", "to 5"][..]));
        for (found, said) in [
            (compare(2), "migrates databases from version 3 on"),
            (compare(-1), "schema version -1"),
            (compare(6), "a newer build has made or migrated it"),
            (build.compare_identity(5, &[7]), "another build made it"),
        ] {
            let problem = found.unwrap_err();
            assert!(problem.contains(said), "{problem}");
        }
        assert!(build.not_migrated(4).contains("`escrowd serve`) migrates it once"));
    }
}
