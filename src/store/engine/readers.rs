//! Connections for reading.
//!
//! A read begins a transaction, so that it sees one moment, and ends it. Both take
//! locks on the file, which cost as much as a short read itself. Some connections
//! therefore stand ready outside the pool and keep what they see between two reads,
//! until something is committed: a third of what reading an escrow costs.
//!
//! A moment that is kept must neither be read from once it is old nor hold up the
//! moving of the log into the file. So every commit lets go of it first, and so does
//! the end of a copy of the log; a connection in use then lets go when its read ends.
//! While nothing is committed, a moment may be kept for as long: what another
//! program writes is not seen until then.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread;
use std::time::Duration;

use r2d2::{Pool, PooledConnection};
use r2d2_sqlite::SqliteConnectionManager;
use rusqlite::Connection;

use crate::store::engine::connection::{self, Role};
use crate::store::engine::error::{Error, OpenError};
use crate::store::tx::Snapshot;

/// How long a read waits for a connection.
const READER_TIMEOUT: Duration = Duration::from_secs(2);

/// Every connection for reading.
pub(crate) struct Readers {
    /// Tried first, in this order. One for each core: no more reads run at once,
    /// unless a slow one is among them.
    standing: Vec<Mutex<ReaderState>>,
    /// For reads that find none of those free.
    pool: Pool<SqliteConnectionManager>,
    /// Counts the beginnings and the ends of commits: odd while one is under way.
    commits: AtomicU64,
}

/// A connection that may be inside a transaction while nobody uses it.
struct ReaderState {
    connection: PooledConnection<SqliteConnectionManager>,
    /// The count of commits at which the transaction it is in began.
    kept_since: Option<u64>,
}

impl Readers {
    /// Opens this many connections. The last one is always left in the pool.
    pub(crate) fn open(path: &Path, connections: u32) -> Result<Self, OpenError> {
        let pool = pool(path, connections)?;
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let spare = usize::try_from(connections).unwrap_or(usize::MAX).saturating_sub(1);
        let standing = (0..cores.min(spare))
            .map(|_| ReaderState::take_from(&pool).map(Mutex::new))
            .collect::<Result<_, _>>()
            .map_err(|error| unfit(path, &error))?;
        Ok(Self {
            standing,
            pool,
            commits: AtomicU64::new(0),
        })
    }

    /// Reads from one moment that is no older than the last commit that was
    /// answered before.
    pub(crate) fn read<T>(&self, query: impl FnOnce(&Snapshot<'_>) -> Result<T, Error>) -> Result<T, Error> {
        if let Some(mut standing) = self.standing.iter().find_map(if_free) {
            return standing.read(&self.commits, query);
        }
        let connection = self.pool.get().map_err(|error| Error::NoReader(error.to_string()))?;
        let moment = Moment::begin(&connection)?;
        query(&Snapshot::of(moment.connection))
    }

    /// Commits, or whatever makes moments old, with no moment kept before and none
    /// from before kept after. A connection in use is not waited for: it lets go
    /// itself when its read ends, or, if that is at this very instant, the next time.
    pub(crate) fn renewed_by<T>(&self, commit: impl FnOnce() -> T) -> T {
        self.commits.fetch_add(1, Ordering::SeqCst);
        for mut standing in self.standing.iter().filter_map(if_free) {
            standing.let_go();
        }
        let outcome = commit();
        self.commits.fetch_add(1, Ordering::SeqCst);
        outcome
    }

    /// Lets every moment go, and keeps none from now on. Waits for reads under way.
    pub(crate) fn keep_nothing(&self) {
        self.commits.fetch_or(1, Ordering::SeqCst);
        for standing in &self.standing {
            standing.lock().unwrap_or_else(PoisonError::into_inner).let_go();
        }
    }
}

/// The connection, unless it is in use.
fn if_free(standing: &Mutex<ReaderState>) -> Option<MutexGuard<'_, ReaderState>> {
    match standing.try_lock() {
        Ok(standing) => Some(standing),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

impl ReaderState {
    fn take_from(pool: &Pool<SqliteConnectionManager>) -> Result<Self, r2d2::Error> {
        Ok(Self {
            connection: pool.get()?,
            kept_since: None,
        })
    }

    /// Reads from the moment that was kept, if nothing was committed since.
    fn read<T>(
        &mut self,
        commits: &AtomicU64,
        query: impl FnOnce(&Snapshot<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let before = commits.load(Ordering::SeqCst);
        let mut moment = if self.kept_since == Some(before) {
            Moment::resume(&self.connection)
        } else {
            self.let_go();
            Moment::begin(&self.connection)?
        };
        // A read that fails or panics leaves nothing behind.
        self.kept_since = None;
        let outcome = query(&Snapshot::of(moment.connection));
        let is_current = before.is_multiple_of(2) && before == commits.load(Ordering::SeqCst);
        if is_current && outcome.is_ok() {
            moment.is_kept = true;
            self.kept_since = Some(before);
        }
        outcome
    }

    /// Ends the transaction that was kept, if there is one.
    fn let_go(&mut self) {
        if self.kept_since.take().is_some() {
            drop(Moment::resume(&self.connection));
        }
    }
}

/// A read transaction, from statements that are prepared once.
struct Moment<'a> {
    connection: &'a Connection,
    is_kept: bool,
}

impl<'a> Moment<'a> {
    fn begin(connection: &'a Connection) -> Result<Self, Error> {
        if !connection.is_autocommit() {
            connection.execute_batch("ROLLBACK")?;
        }
        connection.prepare_cached("BEGIN")?.execute([])?;
        Ok(Self::resume(connection))
    }

    /// The transaction that the connection is in.
    const fn resume(connection: &'a Connection) -> Self {
        Self {
            connection,
            is_kept: false,
        }
    }
}

impl Drop for Moment<'_> {
    /// There is nothing to keep or to lose in a read. One that cannot be ended now
    /// is ended before the next begins; after some errors SQLite has done it already.
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
    // One connection is opened by hand first, for an error that says what is wrong.
    connection::open(path, Role::Reader)?;
    let manager = SqliteConnectionManager::file(path).with_init(|connection| {
        connection::set_up(connection, Role::Reader)?.map_err(rusqlite::Error::InvalidParameterName)
    });
    Pool::builder()
        .max_size(connections)
        .connection_timeout(READER_TIMEOUT)
        .test_on_check_out(false)
        .build(manager)
        .map_err(|error| unfit(path, &error))
}

fn unfit(path: &Path, error: &r2d2::Error) -> OpenError {
    OpenError::Unfit {
        path: path.to_owned(),
        problem: format!("connections for reading cannot be opened: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread::{Scope, ScopedJoinHandle};

    use tempfile::TempDir;

    use super::*;

    /// ReaderState ones, as many as there are cores for, and the pool's.
    const CONNECTIONS: u32 = 3;
    const OLD: i64 = 1;
    const NEW: i64 = 2;

    /// The moments of a commit at which a read can begin or end.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
    enum At {
        Before,
        /// It is under way, and nothing can be seen of it.
        Begun,
        /// It is still under way, and can be seen.
        Visible,
        After,
    }

    const MOMENTS: [At; 4] = [At::Before, At::Begun, At::Visible, At::After];

    /// A file that holds one number.
    struct Numbered {
        writer: Connection,
        readers: Readers,
        _folder: TempDir,
    }

    impl Numbered {
        /// The file after a first commit.
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("test.db");
            let writer = Connection::open(&path).unwrap();
            let sql = "PRAGMA journal_mode = WAL; CREATE TABLE t (number); INSERT INTO t VALUES (0)";
            writer.execute_batch(sql).unwrap();
            let file = Self {
                writer,
                readers: Readers::open(&path, CONNECTIONS).unwrap(),
                _folder: folder,
            };
            file.commit(OLD, |_| ());
            file
        }

        /// Commits this number, and takes a step at every moment of it.
        fn commit(&self, number: i64, mut step: impl FnMut(At)) {
            step(At::Before);
            self.readers.renewed_by(|| {
                step(At::Begun);
                self.writer.execute("UPDATE t SET number = ?1", [number]).unwrap();
                step(At::Visible);
            });
            step(At::After);
        }

        fn read(&self) -> i64 {
            self.readers.read(number).unwrap()
        }

        /// What each connection sees: every one reads inside the one before.
        fn read_on_every_connection(&self) -> Vec<i64> {
            fn nested(readers: &Readers, connections: u32) -> Vec<i64> {
                let Some(others) = connections.checked_sub(1) else {
                    return Vec::new();
                };
                let inside = |snapshot: &Snapshot<'_>| Ok([vec![number(snapshot)?], nested(readers, others)].concat());
                readers.read(inside).unwrap()
            }
            nested(&self.readers, CONNECTIONS)
        }

        /// Whether a connection that nobody uses is inside a transaction.
        fn keeps_a_moment(&self) -> bool {
            let mut free = self.readers.standing.iter().filter_map(if_free);
            free.any(|standing| !standing.connection.is_autocommit())
        }
    }

    fn number(snapshot: &Snapshot<'_>) -> Result<i64, Error> {
        Ok(snapshot
            .connection
            .query_row("SELECT number FROM t", [], |row| row.get(0))?)
    }

    /// A read on a thread of its own that has seen something and goes on.
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
                readers.read(query).unwrap();
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

    /// Guards the counter of commits. A moment that was kept is let go before the
    /// commit can be seen; one that a read has begun before or during a commit is
    /// not kept, so that nothing old is read later and nothing holds up the log.
    #[test]
    fn wherever_a_read_begins_and_ends_no_moment_outlives_a_commit() {
        for (begins, ends) in MOMENTS.iter().flat_map(|&begins| MOMENTS.map(|ends| (begins, ends))) {
            if begins > ends {
                continue;
            }
            let case = format!("a read from {begins:?} to {ends:?}");
            let file = Numbered::new();
            assert_eq!(file.read(), OLD);
            assert!(file.keeps_a_moment(), "{case}: nothing is under test");
            thread::scope(|scope| {
                let mut reading = None;
                file.commit(NEW, |at| {
                    if at == begins {
                        let seen = reading.insert(Reading::begin(scope, &file.readers)).seen;
                        let is_committed = at >= At::Visible;
                        assert_eq!(seen, if is_committed { NEW } else { OLD }, "{case}");
                    }
                    if at == ends {
                        reading.take().expect("it has begun by now").end();
                    }
                    if at == At::Visible {
                        assert!(!file.keeps_a_moment(), "{case}: a moment was kept during the commit");
                    }
                });
            });
            assert_eq!(file.read_on_every_connection(), [NEW; CONNECTIONS as usize], "{case}");
        }
    }

    /// What a reply promises: whichever connection reads after the commit sees it,
    /// also those that kept a moment until then.
    #[test]
    fn every_connection_sees_a_commit_that_has_ended() {
        let file = Numbered::new();
        assert_eq!(file.read_on_every_connection(), [OLD; CONNECTIONS as usize]);
        file.commit(NEW, |_| ());
        assert_eq!(file.read_on_every_connection(), [NEW; CONNECTIONS as usize]);
        assert_eq!(file.read_on_every_connection(), [NEW; CONNECTIONS as usize]);
    }

    /// A read decides to keep its moment, and before its connection is free a commit
    /// begins and ends, which cannot let go of it: the next read must.
    #[test]
    fn a_moment_that_a_commit_could_not_let_go_of_is_not_read_from_again() {
        let file = Numbered::new();
        assert_eq!(file.read(), OLD);
        assert!(file.keeps_a_moment(), "nothing is under test");
        let in_use = file.readers.standing[0].lock().unwrap();
        file.commit(NEW, |_| ());
        drop(in_use);
        assert_eq!(file.read(), NEW);
    }

    /// What [`Readers::keep_nothing`] promises to the last checkpoint.
    #[test]
    fn nothing_is_kept_once_nothing_may_be() {
        let file = Numbered::new();
        assert_eq!(file.read(), OLD);
        file.readers.keep_nothing();
        assert!(!file.keeps_a_moment());
        assert_eq!(file.read(), OLD);
        assert!(!file.keeps_a_moment(), "a later read was kept");
    }
}
