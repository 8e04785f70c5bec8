//! Connections for reading.
//!
//! A read runs in a transaction, so that it sees one snapshot of the file. Beginning and
//! ending a transaction takes locks on the file, which costs as much as a short read
//! itself. Some connections are therefore not in the pool. They keep their snapshot open
//! between two reads, until the next commit. This saves a third of the time to read
//! an escrow.
//!
//! A read must not use a kept snapshot once it is stale, and the snapshot must not delay a
//! checkpoint.
//! So every commit closes the kept snapshots first, and so does the end of a checkpoint. A
//! connection in use closes its snapshot when its read ends. As long as there is no commit,
//! a connection keeps its snapshot, and does not see what other programs write.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread;
use std::time::Duration;

use r2d2::{Pool, PooledConnection};
use r2d2_sqlite::SqliteConnectionManager;
use rusqlite::Connection;

use crate::store::engine::error::{Error, OpenError};
use crate::store::engine::reader::{Query, Reader, answer};
use crate::store::engine::sql;
use crate::store::engine::sqlite::connection::{self, ConnectionKind};
use crate::store::engine::sqlite::deadline;
use crate::store::tx::Snapshot;

/// The longest time that a read waits for a connection.
const READER_TIMEOUT: Duration = Duration::from_secs(2);

/// Every connection for reading.
pub(crate) struct Readers {
    /// The connections that a read tries first, beginning with that of its worker. There is one
    /// for each core, because no more reads run at once unless one of them is slow.
    keeping: Vec<Mutex<KeepingReader>>,
    /// The connections for reads that find all of `keeping` in use.
    pool: Pool<SqliteConnectionManager>,
    /// Counts the beginnings and the ends of commits, so it is odd during a commit.
    commits: AtomicU64,
    /// The most time that a query may take.
    time_max: Duration,
}

/// A connection that may keep its read transaction open between two reads.
struct KeepingReader {
    connection: PooledConnection<SqliteConnectionManager>,
    /// The value of [`Readers::commits`] when the open transaction began. `None` if no
    /// transaction is open.
    kept_since: Option<u64>,
}

impl Readers {
    /// Opens this many connections. At least one stays in the pool.
    pub(crate) fn open(path: &Path, connections: u32, time_max: Duration) -> Result<Self, OpenError> {
        let pool = pool(path, connections)?;
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let spare = usize::try_from(connections).unwrap_or(usize::MAX).saturating_sub(1);
        let keeping = (0..cores.min(spare))
            .map(|_| KeepingReader::take_from(&pool).map(Mutex::new))
            .collect::<Result<_, _>>()
            .map_err(|error| unfit(path, &error))?;
        Ok(Self {
            keeping,
            pool,
            commits: AtomicU64::new(0),
            time_max,
        })
    }

    /// Runs a query on one snapshot, which includes every commit acknowledged before the
    /// call. Each worker of the server has its own number, so that the memory of a connection
    /// stays in the caches of one core.
    ///
    /// # Errors
    ///
    /// [`Error::NoReader`] when no connection becomes free in time, [`Error::ReadTooLong`]
    /// when the query takes too long, or the error of the query.
    pub(crate) fn read<T>(
        &self,
        worker: usize,
        query: impl FnOnce(&Snapshot<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        answer(query, |query| self.run(worker, query))
    }

    fn run(&self, worker: usize, query: &mut Query<'_>) -> Result<(), Error> {
        let (before, own) = self.keeping.split_at(worker % self.keeping.len().max(1));
        if let Some(mut reader) = own.iter().chain(before).find_map(if_free) {
            return reader.read(&self.commits, self.time_max, query);
        }
        let connection = self.pool.get().map_err(|error| Error::NoReader(error.to_string()))?;
        read_on(&connection, self.time_max, query)
    }

    /// Runs a commit, or another step that makes snapshots stale. Closes all kept
    /// snapshots before it, and keeps none that began before its end. Does not wait for
    /// connections in use: each closes its snapshot when its read ends or, if that read
    /// ends at this very instant, when its next read begins.
    pub(crate) fn commit_with<T>(&self, commit: impl FnOnce() -> T) -> T {
        self.commits.fetch_add(1, Ordering::SeqCst);
        for mut reader in self.keeping.iter().filter_map(if_free) {
            reader.close_snapshot();
        }
        let outcome = commit();
        self.commits.fetch_add(1, Ordering::SeqCst);
        outcome
    }

    /// Closes all kept snapshots and keeps none from now on. Waits for running reads.
    pub(crate) fn keep_nothing(&self) {
        // An odd count means a commit under way, during which no snapshot is kept.
        self.commits.fetch_or(1, Ordering::SeqCst);
        for reader in &self.keeping {
            reader.lock().unwrap_or_else(PoisonError::into_inner).close_snapshot();
        }
    }
}

impl Reader for Connection {
    fn read(&mut self, time_max: Duration, query: &mut Query<'_>) -> Result<(), Error> {
        read_on(self, time_max, query)
    }
}

/// Runs a query on a snapshot of its own, and stops it when `time_max` is over.
fn read_on(connection: &Connection, time_max: Duration, query: &mut Query<'_>) -> Result<(), Error> {
    let transaction = ReadTransaction::begin(connection)?;
    deadline::within(time_max, || {
        query(&Snapshot::of(sql::Connection::of(transaction.connection)))
    })
}

/// Locks the connection, unless it is in use.
fn if_free(reader: &Mutex<KeepingReader>) -> Option<MutexGuard<'_, KeepingReader>> {
    match reader.try_lock() {
        Ok(reader) => Some(reader),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

impl KeepingReader {
    fn take_from(pool: &Pool<SqliteConnectionManager>) -> Result<Self, r2d2::Error> {
        Ok(Self {
            connection: pool.get()?,
            kept_since: None,
        })
    }

    /// Runs a query on the kept snapshot if nothing was committed since it began, and
    /// otherwise on a new one. Keeps the snapshot if it is still current afterwards.
    fn read(&mut self, commits: &AtomicU64, time_max: Duration, query: &mut Query<'_>) -> Result<(), Error> {
        let before = commits.load(Ordering::SeqCst);
        let mut transaction = if self.kept_since == Some(before) {
            ReadTransaction::resume(&self.connection)
        } else {
            self.close_snapshot();
            ReadTransaction::begin(&self.connection)?
        };
        // After a failure or a panic nothing is kept.
        self.kept_since = None;
        let outcome = deadline::within(time_max, || {
            query(&Snapshot::of(sql::Connection::of(transaction.connection)))
        });
        let is_current = before.is_multiple_of(2) && before == commits.load(Ordering::SeqCst);
        if is_current && outcome.is_ok() {
            transaction.is_kept = true;
            self.kept_since = Some(before);
        }
        outcome
    }

    /// Ends the kept transaction, if there is one.
    fn close_snapshot(&mut self) {
        if self.kept_since.take().is_some() {
            drop(ReadTransaction::resume(&self.connection));
        }
    }
}

/// A read transaction. Dropping it ends the transaction, unless it is kept. Uses cached
/// statements, which `rusqlite::Transaction` does not.
struct ReadTransaction<'a> {
    connection: &'a Connection,
    is_kept: bool,
}

impl<'a> ReadTransaction<'a> {
    fn begin(connection: &'a Connection) -> Result<Self, Error> {
        if !connection.is_autocommit() {
            connection.execute_batch("ROLLBACK")?;
        }
        connection.prepare_cached("BEGIN")?.execute([])?;
        Ok(Self::resume(connection))
    }

    /// Takes over the transaction that the connection is in.
    const fn resume(connection: &'a Connection) -> Self {
        Self {
            connection,
            is_kept: false,
        }
    }
}

impl Drop for ReadTransaction<'_> {
    /// A transaction that cannot be ended now is rolled back before the next one begins.
    /// After some errors SQLite has ended it already.
    fn drop(&mut self) {
        if self.is_kept || self.connection.is_autocommit() {
            return;
        }
        let ended = self
            .connection
            .prepare_cached("COMMIT")
            .and_then(|mut commit| commit.execute([]));
        if let Err(error) = ended {
            log::error!("a read transaction could not be ended: {error}");
        }
    }
}

fn pool(path: &Path, connections: u32) -> Result<Pool<SqliteConnectionManager>, OpenError> {
    // The pool only reports that it timed out. Opening one connection first gives the
    // error's cause.
    connection::open(path, ConnectionKind::Reader)?;
    let manager = SqliteConnectionManager::file(path).with_init(|connection| {
        connection::set_up(connection, ConnectionKind::Reader)?.map_err(rusqlite::Error::InvalidParameterName)
    });
    Pool::builder()
        .max_size(connections)
        .connection_timeout(READER_TIMEOUT)
        .test_on_check_out(false)
        .build(manager)
        .map_err(|error| unfit(path, &error))
}

fn unfit(path: &Path, error: &r2d2::Error) -> OpenError {
    OpenError::unfit(path, format!("connections for reading cannot be opened: {error}"))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread::{Scope, ScopedJoinHandle};

    use tempfile::TempDir;

    use super::*;
    use crate::store::engine::sql::params;

    /// The number of connections: those that keep snapshots, at most one for each core, and
    /// those of the pool.
    const CONNECTIONS: u32 = 3;
    const OLD: i64 = 1;
    const NEW: i64 = 2;

    /// The steps of a commit at which a read can begin or end.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
    enum At {
        Before,
        /// The commit is under way and not visible yet.
        Begun,
        /// The commit is still under way, and visible.
        Visible,
        After,
    }

    const STEPS: [At; 4] = [At::Before, At::Begun, At::Visible, At::After];

    /// A database that holds one number.
    struct Numbered {
        writer: Connection,
        readers: Readers,
        _folder: TempDir,
    }

    impl Numbered {
        /// A database after its first commit.
        fn new() -> Self {
            Self::with_time_max(Duration::from_hours(1))
        }

        fn with_time_max(time_max: Duration) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("test.db");
            let writer = Connection::open(&path).unwrap();
            let sql = "PRAGMA journal_mode = WAL; CREATE TABLE t (number); INSERT INTO t VALUES (0)";
            writer.execute_batch(sql).unwrap();
            let file = Self {
                writer,
                readers: Readers::open(&path, CONNECTIONS, time_max).unwrap(),
                _folder: folder,
            };
            file.commit(OLD, |_| ());
            file
        }

        /// Commits this number, and calls `step` at every step of the commit.
        fn commit(&self, number: i64, mut step: impl FnMut(At)) {
            step(At::Before);
            self.readers.commit_with(|| {
                step(At::Begun);
                self.writer.execute("UPDATE t SET number = ?1", [number]).unwrap();
                step(At::Visible);
            });
            step(At::After);
        }

        fn read(&self) -> i64 {
            self.readers.read(0, number).unwrap()
        }

        /// Returns the number that each connection sees. The reads are nested, so that each
        /// takes a connection of its own.
        fn read_on_every_connection(&self) -> Vec<i64> {
            fn nested(readers: &Readers, connections: u32) -> Vec<i64> {
                let Some(others) = connections.checked_sub(1) else {
                    return Vec::new();
                };
                let inside = |snapshot: &Snapshot<'_>| Ok([vec![number(snapshot)?], nested(readers, others)].concat());
                readers.read(0, inside).unwrap()
            }
            nested(&self.readers, CONNECTIONS)
        }

        /// Returns true if a connection that is not in use is inside a transaction.
        fn keeps_a_snapshot(&self) -> bool {
            let mut free = self.readers.keeping.iter().filter_map(if_free);
            free.any(|reader| !reader.connection.is_autocommit())
        }
    }

    fn number(snapshot: &Snapshot<'_>) -> Result<i64, Error> {
        snapshot
            .connection
            .prepare("SELECT number FROM t")?
            .one(params![], |row| row.get(0))
    }

    /// A running read on its own thread, which has already seen the number.
    struct Reading<'scope> {
        seen: i64,
        end: mpsc::Sender<()>,
        thread: ScopedJoinHandle<'scope, ()>,
    }

    impl<'scope> Reading<'scope> {
        fn begin<'env>(scope: &'scope Scope<'scope, 'env>, readers: &'env Readers) -> Self {
            let (saw, seen) = mpsc::channel();
            let (end, ended) = mpsc::channel();
            let thread = scope.spawn(move || {
                let query = |snapshot: &Snapshot<'_>| {
                    saw.send(number(snapshot)?).unwrap();
                    ended.recv().unwrap();
                    Ok(())
                };
                readers.read(0, query).unwrap();
            });
            Self {
                seen: seen.recv().unwrap(),
                end,
                thread,
            }
        }

        fn end(self) {
            self.end.send(()).unwrap();
            self.thread.join().unwrap();
        }
    }

    /// Guards the counter of commits. A kept snapshot is closed before the commit becomes
    /// visible. A snapshot that a read began before or during a commit is not kept. So no
    /// later read is stale, and no snapshot holds up a checkpoint.
    #[test]
    fn no_read_keeps_a_snapshot_from_before_the_end_of_a_commit() {
        for (begins, ends) in STEPS.iter().flat_map(|&begins| STEPS.map(|ends| (begins, ends))) {
            if begins > ends {
                continue;
            }
            let case = format!("a read from {begins:?} to {ends:?}");
            let file = Numbered::new();
            assert_eq!(file.read(), OLD);
            assert!(
                file.keeps_a_snapshot(),
                "{case}: the test needs a snapshot that is kept before the commit"
            );
            thread::scope(|scope| {
                let mut reading = None;
                file.commit(NEW, |at| {
                    if at == begins {
                        let seen = reading.insert(Reading::begin(scope, &file.readers)).seen;
                        let is_committed = at >= At::Visible;
                        assert_eq!(seen, if is_committed { NEW } else { OLD }, "{case}");
                    }
                    if at == ends {
                        reading.take().expect("the read has begun").end();
                    }
                    if at == At::Visible {
                        assert!(
                            !file.keeps_a_snapshot(),
                            "{case}: a snapshot was kept during the commit"
                        );
                    }
                });
            });
            assert_eq!(file.read_on_every_connection(), [NEW; CONNECTIONS as usize], "{case}");
        }
    }

    /// After a commit all connections see it, even those that kept a snapshot until then.
    /// Every reply to a write relies on this.
    #[test]
    fn every_connection_sees_a_commit_that_has_ended() {
        let file = Numbered::new();
        assert_eq!(file.read_on_every_connection(), [OLD; CONNECTIONS as usize]);
        file.commit(NEW, |_| ());
        assert_eq!(file.read_on_every_connection(), [NEW; CONNECTIONS as usize]);
        assert_eq!(file.read_on_every_connection(), [NEW; CONNECTIONS as usize]);
    }

    /// A read decides to keep its snapshot, and before its connection is free a commit
    /// begins and ends. The commit cannot close the snapshot, so the next read must.
    #[test]
    fn a_snapshot_that_a_commit_could_not_close_is_not_read_again() {
        let file = Numbered::new();
        assert_eq!(file.read(), OLD);
        assert!(
            file.keeps_a_snapshot(),
            "the test needs a snapshot that is kept before the commit"
        );
        let in_use = file.readers.keeping[0].lock().unwrap();
        file.commit(NEW, |_| ());
        drop(in_use);
        assert_eq!(file.read(), NEW);
    }

    /// Counts up for ever, in one statement.
    fn endless_statement(snapshot: &Snapshot<'_>) -> Result<(), Error> {
        let sql = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
        snapshot.connection.prepare(sql)?.one(params![], |_| Ok(()))
    }

    /// Repeats a short statement for ever.
    fn endless_loop(snapshot: &Snapshot<'_>) -> Result<(), Error> {
        let mut short = snapshot.connection.prepare("SELECT number FROM t")?;
        loop {
            short.one(params![], |_| Ok(()))?;
        }
    }

    /// On each connection in turn, those that keep snapshots and the pool's.
    #[test]
    fn a_read_past_its_deadline_is_stopped_and_the_next_one_succeeds() {
        let file = Numbered::with_time_max(Duration::from_millis(20));
        for endless in [endless_statement, endless_loop] {
            for in_use in 0..=file.readers.keeping.len() {
                let used: Vec<_> = file.readers.keeping.iter().take(in_use).map(Mutex::lock).collect();
                let stopped = file.readers.read(0, endless);
                assert!(matches!(stopped, Err(Error::ReadTooLong)), "{stopped:?}");
                assert_eq!(file.read(), OLD, "the connection that was stopped cannot read");
                drop(used);
            }
        }
        file.commit(NEW, |_| ());
        assert_eq!(file.read_on_every_connection(), [NEW; CONNECTIONS as usize]);
    }

    /// The last checkpoint relies on [`Readers::keep_nothing`].
    #[test]
    fn no_snapshot_is_kept_after_keep_nothing() {
        let file = Numbered::new();
        assert_eq!(file.read(), OLD);
        file.readers.keep_nothing();
        assert!(!file.keeps_a_snapshot());
        assert_eq!(file.read(), OLD);
        assert!(!file.keeps_a_snapshot(), "the snapshot of a later read was kept");
    }
}
