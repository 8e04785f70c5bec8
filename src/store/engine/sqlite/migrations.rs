//! Migrations: a file of an earlier version becomes one of this version, once, before a
//! service opens it (architecture section 3.8).
//!
//! All of them run in one transaction with the new version number, so that a kill at any
//! instant leaves the old file or the new one. The file as it was is kept beside it, and
//! nothing here ever removes that copy.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Instant;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior};

use crate::domain::ids::Entropy;
use crate::domain::mode::Mode;
use crate::domain::time::Timestamp;
use crate::store::engine::SCHEMA_VERSION;
use crate::store::engine::error::OpenError;
use crate::store::engine::files::{is_there, sibling};
use crate::store::engine::sqlite::backup::{self, Copying, FileCopyError};
use crate::store::engine::sqlite::connection::{self, ConnectionKind};
use crate::store::engine::sqlite::inspection;
use crate::store::engine::sqlite::mark::{self, MARK_PAGE, Mark};
use crate::store::engine::sqlite::schema::{self, Difference, Objects};

/// The migrations in their order: the first leads from version 1 to version 2. Each is plain
/// SQL, with the functions of every connection (`row_checksum`). It leaves the tables
/// `file_mark` (which must stay the first) and `instance` readable for every version.
const MIGRATIONS: &[&str] = &[include_str!("../../../../migrations/2.sql")];

const _: () = assert!(MIGRATIONS.len() + 1 == SCHEMA_VERSION as usize);

/// The last version whose merchants had their settings in the configuration file.
const SETTINGS_IN_CONFIGURATION: u32 = 1;
/// The problems with references that a message shows.
const SHOWN_MAX: u32 = 5;

/// The way from one version to another.
#[derive(Clone, Copy)]
struct Way<'a> {
    path: &'a Path,
    from: u32,
    to: u32,
    steps: &'a [&'a str],
}

/// Migrates a file of an earlier version, whose log and purpose have been checked. The caller
/// holds its locks and has no connection to it.
///
/// # Errors
///
/// Fails if no copy can be kept, or a migration does not lead to this program's schema. The
/// file is then as it was.
pub(crate) fn migrate(path: &Path, from: u32, entropy: &mut dyn Entropy) -> Result<(), OpenError> {
    let way = Way {
        path,
        from,
        to: SCHEMA_VERSION,
        steps: &MIGRATIONS[from as usize - 1..],
    };
    way.go(entropy)
}

impl Way<'_> {
    fn go(&self, entropy: &mut dyn Entropy) -> Result<(), OpenError> {
        let (path, from, to) = (self.path.display(), self.from, self.to);
        log::info!("{path} has schema version {from}; migrating it to version {to}, first keeping a copy of it");
        let kept = self.keep_copy()?;
        let started = Instant::now();
        let mut connection = connection::open(self.path, ConnectionKind::Migration)?;
        // A start that ends before the log is checkpointed leaves the log as it is.
        connection
            .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)
            .map_err(OpenError::sqlite(self.path))?;
        let changed = self.change(&mut connection, entropy);
        changed
            .map_err(|problem| self.unchanged(&problem))?
            .commit()
            .map_err(|error| self.uncommitted(&error))?;
        self.tell_of_settings(&connection)?;
        self.checkpoint_all(&connection)?;
        let millis = started.elapsed().as_millis();
        log::warn!(
            "migrated {path} from schema version {from} to {to} in {millis} ms; the file as it was is kept as {}: \
             remove it when you will not go back to the escrowd of version {from}",
            kept.display()
        );
        Ok(())
    }

    /// Says which settings of merchants a migrated live file lacks.
    fn tell_of_settings(&self, connection: &Connection) -> Result<(), OpenError> {
        if self.from <= SETTINGS_IN_CONFIGURATION && inspection::purpose_of(self.path, connection)?.mode == Mode::Live {
            log::warn!(
                "the settings of merchants are in the database now, and the sections [[merchant]] of the configuration \
                 are gone: set each merchant's commission, allowed addresses, bank account, webhook endpoint and \
                 provider secrets again before clients are let in (docs/operating.md, Upgrade); keys stay valid"
            );
        }
        Ok(())
    }

    fn unchanged(&self, problem: &str) -> OpenError {
        self.refused(&format!("{problem}; nothing was changed"))
    }

    /// Returns the error of a commit that failed. If the disk failed, all of it may be in the log.
    fn uncommitted(&self, error: &rusqlite::Error) -> OpenError {
        if error.sqlite_error_code() != Some(ErrorCode::SystemIoFailure) {
            return self.unchanged(&describe(error));
        }
        self.refused(&format!(
            "the disk failed ({error}), and it is not known if the migration has taken effect; it may be in the \
             write-ahead log, so keep {}-wal with the file and start again",
            self.path.display()
        ))
    }

    fn refused(&self, problem: &str) -> OpenError {
        OpenError::Migration {
            path: self.path.to_owned(),
            found: self.from,
            known: self.to,
            problem: problem.to_owned(),
        }
    }

    /// Returns the path of a whole copy of the file as it is, which is made unless an earlier
    /// start has left it.
    fn keep_copy(&self) -> Result<PathBuf, OpenError> {
        let unkept = |problem: &str| {
            self.refused(&format!(
                "no copy of it as it is could be kept: {problem}; nothing was changed"
            ))
        };
        let source = connection::open_to_copy(self.path)?;
        let read = || backup::pin(&source).and_then(|snapshot| Ok((Mark::of(&snapshot)?, snapshot)));
        let (mark, snapshot) = read().map_err(|error| unkept(&error.to_string()))?;
        let mut free = (1..).map(|number| copy_name(self.path, self.from, number));
        let name = free.find(|name| !is_there(name) || is_of_state(name, mark));
        let kept = name.expect("there are more numbers than files");
        if is_there(&kept) {
            inspection::check_pages(&kept).map_err(|problem| {
                let kept = kept.display();
                unkept(&format!(
                    "the copy {kept} of an earlier start is damaged ({problem}); move it away and start again"
                ))
            })?;
        } else {
            let mut copying = Copying::begin(&kept).map_err(|error| unkept(&remedied(&error, &kept)))?;
            let copied = copying.pages(&snapshot, &mut |_, _| ControlFlow::Continue(()));
            copied.map_err(|error| unkept(&remedied(&error, &kept)))?;
            inspection::check_pages(copying.path()).map_err(|problem| unkept(&damaged(&kept, &problem)))?;
            copying
                .keep_as(&kept)
                .map_err(|error| unkept(&remedied(&error.into(), &kept)))?;
        }
        Ok(kept)
    }

    /// Runs the migrations in one transaction, and returns it. An error says what is wrong, and
    /// nothing was changed.
    fn change<'c>(&self, connection: &'c mut Connection, entropy: &mut dyn Entropy) -> Result<Transaction<'c>, String> {
        let describe = |error: rusqlite::Error| describe(&error);
        let transaction = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(describe)?;
        for step in self.steps {
            transaction.execute_batch(step).map_err(describe)?;
        }
        transaction
            .pragma_update(None, "user_version", self.to)
            .map_err(describe)?;
        Self::check(&transaction).map_err(describe)??;
        let generation = entropy.random_number();
        let cookie = mark::random_cookie(entropy);
        mark::begin_generation(&transaction, generation, cookie).map_err(describe)?;
        // The mark is open until the whole log is in the file. Its page is copied before those
        // of the schema, and a file with some of them is not whole without the log.
        mark::count_at(&transaction, true, Timestamp::EPOCH).map_err(describe)?;
        Ok(transaction)
    }

    /// Checks what the migrations made, before it is committed.
    fn check(transaction: &Transaction<'_>) -> rusqlite::Result<Result<(), String>> {
        if let Some(Difference { found, known }) = schema::difference(transaction, Objects::All)? {
            return Ok(Err(format!(
                "its schema would then be {found} and not {known}: another build of escrowd made the file, or it was \
                 changed; use the escrowd that made it"
            )));
        }
        let sql = "SELECT rootpage FROM sqlite_schema WHERE name = 'file_mark'";
        let mark_page: u32 = transaction.query_row(sql, [], |row| row.get(0))?;
        if mark_page != MARK_PAGE {
            return Ok(Err(format!("its mark would be on page {mark_page}")));
        }
        let broken = inspection::broken_references(transaction, Some(SHOWN_MAX))?;
        if broken.is_empty() {
            return Ok(Ok(()));
        }
        Ok(Err(format!("the file is damaged: {}", broken.join(", "))))
    }

    /// Moves the migration from the log into the file, and closes the mark.
    fn checkpoint_all(&self, connection: &Connection) -> Result<(), OpenError> {
        let checkpoint = |mode: &str| {
            let sql = format!("PRAGMA wal_checkpoint({mode})");
            connection.query_row(&sql, [], |row| {
                let (is_prevented, log, copied): (bool, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
                Ok(!is_prevented && log == copied)
            })
        };
        // A full checkpoint waits for readers as long as the busy timeout.
        let checkpointed = checkpoint("FULL").and_then(|is_whole| {
            // A reader that prevents the checkpoint moves the log into the file if it is the last
            // to close, and the file is then whole.
            mark::count(connection, false)?;
            if is_whole { checkpoint("TRUNCATE") } else { Ok(false) }
        });
        let problem = match checkpointed {
            Ok(true) => return Ok(()),
            Ok(false) => "another program is reading the file; end it".to_owned(),
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DiskFull) => {
                "there is no room to move it from its log into the file; make room".to_owned()
            }
            Err(error) => error.to_string(),
        };
        Err(self.refused(&format!(
            "{problem}; the migration itself is done and is in the write-ahead log, so keep {}-wal with the file and \
             start again",
            self.path.display()
        )))
    }
}

fn describe(error: &rusqlite::Error) -> String {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => "there is no room for it; make room, about as much as the file has, and start \
                                      again"
            .to_owned(),
        _ => error.to_string(),
    }
}

/// Returns a name for a copy of a file of this version.
fn copy_name(path: &Path, version: u32, number: u32) -> PathBuf {
    match number {
        1 => sibling(path, &format!(".version-{version}")),
        _ => sibling(path, &format!(".version-{version}-{number}")),
    }
}

/// Returns true if this file is a copy of a file with this mark. Each commit has a mark of
/// its own.
fn is_of_state(copy: &Path, mark: Mark) -> bool {
    inspection::mark_of(copy).is_ok_and(|found| found == Some(mark))
}

fn damaged(kept: &Path, problem: &str) -> String {
    format!(
        "the copy {} would be damaged, perhaps as the file is ({problem}); check the file with the escrowd that made \
         it",
        kept.display()
    )
}

fn remedied(error: &FileCopyError, kept: &Path) -> String {
    let is_full = match error {
        FileCopyError::Sqlite(error) => error.sqlite_error_code() == Some(ErrorCode::DiskFull),
        FileCopyError::Io(error) => error.kind() == std::io::ErrorKind::StorageFull,
        _ => false,
    };
    let kept = kept.display();
    if is_full {
        return format!(
            "{kept} does not fit on the disk; make room, about twice the size of the file, and start again"
        );
    }
    format!("{kept}: {error}")
}

#[cfg(test)]
mod tests {
    use rusqlite::ffi;

    use super::*;

    /// A failed fsync leaves all pages of the commit in the log, from which the next start may
    /// recover them.
    #[test]
    fn a_commit_on_a_failing_disk_is_not_said_to_have_changed_nothing() {
        let way = Way {
            path: Path::new("/var/lib/escrowd.db"),
            from: 1,
            to: 2,
            steps: &[],
        };
        let told = |code| {
            let error = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
            way.uncommitted(&error).to_string()
        };
        for code in [ffi::SQLITE_IOERR_FSYNC, ffi::SQLITE_IOERR_WRITE] {
            let problem = told(code);
            assert!(!problem.contains("nothing was changed"), "{problem}");
            for words in ["is not known", "keep /var/lib/escrowd.db-wal", "start again"] {
                assert!(problem.contains(words), "{words:?} is not in {problem:?}");
            }
        }
        let full = told(ffi::SQLITE_FULL);
        assert!(
            full.contains("make room") && full.ends_with("nothing was changed"),
            "{full}"
        );
    }
}
