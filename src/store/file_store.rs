//! A store in a database file.

use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use crate::background::{BackgroundThread, Panics};
use crate::domain::file::{FileKind, FileName};
use crate::domain::ids::{Entropy, MerchantId};
use crate::domain::time::{Clock, Timestamp};
use crate::store::audit::verification::check_newest;
use crate::store::background_check;
use crate::store::backup::{self, Backup, BackupError, OnStep};
use crate::store::engine::SCHEMA_VERSION;
use crate::store::engine::error::{Error, LogLoss, OpenError};
use crate::store::engine::health::Health;
use crate::store::engine::read_threads::{ReadThreads, Sharing};
use crate::store::engine::reader::{AnyQuery, Found, Reader};
use crate::store::engine::sql;
use crate::store::engine::sqlite::blobs::Blobs;
use crate::store::engine::sqlite::checkpoints::{Checkpoints, SyncHandle};
use crate::store::engine::sqlite::connection::{ConnectionKind, Synchronous};
use crate::store::engine::sqlite::file::Fresh;
use crate::store::engine::sqlite::group_commit::FileGroupCommit;
use crate::store::engine::sqlite::lock::InstanceLock;
use crate::store::engine::sqlite::log_sync::{Durability, LogSync};
use crate::store::engine::sqlite::mark::Mark;
use crate::store::engine::sqlite::readers::Readers;
use crate::store::engine::sqlite::vacuum::Vacuum;
use crate::store::engine::sqlite::watch::FileWatch;
use crate::store::engine::sqlite::{connection, file, inspection, mark, migrations};
use crate::store::group_memory::GroupMemory;
use crate::store::place::Place;
use crate::store::settings::{Settings, WriterEnded};
use crate::store::tx::Snapshot;
use crate::store::write_side::{WriteSide, WriterParts};

/// An open database file.
pub(super) struct FileStore {
    pub(super) place: Place,
    path: PathBuf,
    pub(super) blobs: Blobs,
    readers: Arc<Readers>,
    long_reads: ReadThreads,
    durability: Arc<Durability>,
    /// The most time that a read may take.
    read_time_max: Duration,
    pub(super) write_side: WriteSide,
    background_check: BackgroundThread,
    /// Declared after every connection, because fields drop in order: see [`SyncHandle`].
    _file: SyncHandle,
    /// Dropped last: two writers must never meet on one file.
    _lock: InstanceLock,
}

impl FileStore {
    /// Opens the database file, or creates it.
    pub(super) fn open(
        path: &Path,
        settings: &Settings,
        clock: Box<dyn Clock>,
        mut entropy: Box<dyn Entropy>,
        panics: &Arc<Panics>,
    ) -> Result<(Self, WriterEnded), OpenError> {
        let path = &file::resolve(path)?;
        file::refuse_part_of_another(path)?;
        let io = OpenError::io(path);
        let lock = InstanceLock::take(path)?;
        let file = open_file(path, settings, clock.now(), entropy.as_mut())?;
        let (synchronous, checkpoint_pages) = (settings.synchronous, settings.checkpoint_pages);
        let writing = ConnectionKind::Writer {
            synchronous,
            checkpoint_pages,
        };
        let connection = connection::open(path, writing)?;
        let newest = newest_of(path, &connection)?;
        entropy.start_after(newest.number);
        // After its first read, the connection has the log open.
        let watch = FileWatch::start(path, file.clone(), newest.mark).map_err(io)?;

        let health = Arc::new(Health::of(Some(path)));
        let readers = Arc::new(Readers::open(path, settings.readers, settings.read_time_max)?);
        let durability = Arc::<Durability>::default();
        let blobs = Blobs::open(path, is_referenced(&readers, &durability, &health))?;
        let long_reads = start_long_reads(path, settings)?;
        let checking = connection::open(path, ConnectionKind::Reader)?;
        let background_check =
            background_check::start(checking, Arc::clone(&health), Arc::clone(panics)).map_err(io)?;

        let parts = WriterParts {
            health,
            clock: settings.start_clock(clock, newest.ledger_time),
            wakeups: Arc::default(),
            meter: Arc::default(),
            key_version: Arc::default(),
        };
        let mut checkpoints = start_checkpoints(path, settings, &file, &parts)?;
        checkpoints.copy_inherited(&connection).map_err(unreadable(path))?;
        let group_commit = FileGroupCommit {
            connection,
            readers: Arc::clone(&readers),
            checkpoints,
            log_sync: start_log_sync(path, synchronous, &durability).map_err(io)?,
            watch,
            health: Arc::clone(&parts.health),
            meter: Arc::clone(&parts.meter),
            clock: Arc::clone(&parts.clock),
            marked_at: newest.ledger_time.unwrap_or_else(|| parts.clock.now()),
            entropy,
            has_generation: false,
            wakeups: Arc::clone(&parts.wakeups),
            merchants_to_wake: Vec::new(),
            memory: GroupMemory::default(),
            group_commands_max: settings.group_commands_max,
            vacuum: Vacuum::new(settings.vacuum_free_bytes_min),
        };
        let started = WriteSide::start(parts, group_commit, settings.queue_commands_max, true);
        let (write_side, writer_ended) = started.map_err(io)?;
        let store = Self {
            place: Place::File(path.clone()),
            path: path.clone(),
            blobs,
            readers,
            long_reads,
            durability,
            read_time_max: settings.read_time_max,
            background_check,
            write_side,
            _file: file,
            _lock: lock,
        };
        Ok((store, writer_ended))
    }

    /// Reads a few rows on the calling thread.
    pub(super) async fn read<T>(
        &self,
        worker: usize,
        query: impl FnOnce(&Snapshot<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let found = self.read_durable(worker, query);
        // An error may rest on rows too.
        self.until_durable().await?;
        found
    }

    /// Reads a few rows on the calling thread that are known to be durable and not to change.
    pub(super) fn read_durable<T>(
        &self,
        worker: usize,
        query: impl FnOnce(&Snapshot<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.readers.read(worker, query)
    }

    /// Reads on a thread for reads that may take long.
    pub(super) async fn read_long(&self, merchant: MerchantId, query: AnyQuery) -> Result<Found, Error> {
        let found = self.long_reads.read(merchant, query).await;
        self.until_durable().await?;
        found
    }

    /// Waits until all that a read has found is durable, at most for the time that a read may take.
    async fn until_durable(&self) -> Result<(), Error> {
        if !self.durability.is_pending() {
            return Ok(());
        }
        let reached = timeout(self.read_time_max, self.durability.reached()).await;
        reached.unwrap_or(Err(Error::ReadTooLong))
    }

    /// Copies the database and its files to a new name, on the calling thread.
    pub(super) fn backup(&self, to: &Path, on_step: OnStep<'_>) -> Result<Backup, BackupError> {
        let connection = connection::open(&self.path, ConnectionKind::Reader)?;
        let source = backup::Source {
            path: &self.path,
            connection: &connection,
            version: SCHEMA_VERSION,
        };
        let mut is_durable = false;
        let mut when_durable = |step| {
            // The snapshot of which pages are copied; the copy gets its name later.
            is_durable = is_durable || self.durability.reached_blocking().is_ok();
            if is_durable {
                on_step(step)
            } else {
                ControlFlow::Break(())
            }
        };
        source.copy_to(to, &mut when_durable)
    }

    /// Writes files that a command is about to refer to.
    pub(super) fn keep_files(&self, files: &[(FileKind, Vec<u8>)]) -> Result<Vec<FileName>, Error> {
        let kept = self.blobs.keep(files);
        if let Err(error @ Error::StorageFull) = &kept {
            self.write_side.health.record(Err(error.clone()));
        }
        kept
    }

    /// Ends the long reads, lets the waiting commands finish, runs the last checkpoint and ends
    /// the writer.
    pub(super) fn close(&self) {
        // A running read would hold up the last checkpoint.
        self.long_reads.stop();
        self.background_check.stop();
        self.write_side.close();
    }
}

/// Opens the file, or creates it. Locks it, and checks one that existed before.
fn open_file(
    path: &Path,
    settings: &Settings,
    now: Timestamp,
    entropy: &mut dyn Entropy,
) -> Result<SyncHandle, OpenError> {
    let fresh = Fresh {
        mode: settings.mode,
        currency: &settings.currency,
        now,
        schema_cookie: mark::random_cookie(entropy),
    };
    let is_fresh = file::create_if_missing(path, fresh)?;
    let file = SyncHandle::open_locked(path)?;
    if !is_fresh {
        check_file(path, settings, entropy)?;
    }
    Ok(file)
}

/// The newest time, number and mark of a file, after which a start goes on.
struct Newest {
    ledger_time: Option<Timestamp>,
    number: i64,
    mark: Mark,
}

/// Checks the newest transfers, and returns where a start goes on.
fn newest_of(path: &Path, connection: &rusqlite::Connection) -> Result<Newest, OpenError> {
    let unreadable = unreadable(path);
    if let Some(problem) = check_newest(sql::Connection::of(connection)).map_err(&unreadable)? {
        return Err(OpenError::Damaged {
            path: path.to_owned(),
            cause: Error::Corrupt(problem),
        });
    }
    let snapshot = Snapshot::of(sql::Connection::of(connection));
    Ok(Newest {
        ledger_time: snapshot.newest_ledger_time().map_err(&unreadable)?,
        number: snapshot.newest_number().map_err(&unreadable)?,
        mark: Mark::of(connection).map_err(|cause| unreadable(cause.into()))?,
    })
}

/// Returns the error of a start for one of the store.
fn unreadable(path: &Path) -> impl Fn(Error) -> OpenError {
    move |cause| OpenError::Store {
        path: path.to_owned(),
        cause,
    }
}

/// Opens the connections of long reads and starts their threads.
fn start_long_reads(path: &Path, settings: &Settings) -> Result<ReadThreads, OpenError> {
    let open =
        |_| -> Result<Box<dyn Reader>, OpenError> { Ok(Box::new(connection::open(path, ConnectionKind::Reader)?)) };
    let connections = (0..settings.long_readers).map(open).collect::<Result<_, _>>()?;
    let started = ReadThreads::start(
        "long-reads",
        connections,
        Sharing::AmongMerchants,
        settings.long_reads_waiting_max,
        settings.read_time_max,
    );
    started.map_err(OpenError::io(path))
}

/// Opens the connection of the checkpoints and starts their thread.
fn start_checkpoints(
    path: &Path,
    settings: &Settings,
    file: &SyncHandle,
    parts: &WriterParts,
) -> Result<Checkpoints, OpenError> {
    let synchronous = settings.synchronous;
    let connection = connection::open(path, ConnectionKind::Checkpoints { synchronous })?;
    let pages = i64::from(settings.checkpoint_pages);
    let (meter, health) = (Arc::clone(&parts.meter), Arc::clone(&parts.health));
    Checkpoints::start(connection, file.clone(), pages, meter, health).map_err(OpenError::io(path))
}

/// Starts the thread that syncs the log, if commits wait for the disk.
fn start_log_sync(path: &Path, synchronous: Synchronous, durability: &Arc<Durability>) -> io::Result<Option<LogSync>> {
    let starts = synchronous == Synchronous::Full;
    starts.then(|| LogSync::start(path, Arc::clone(durability))).transpose()
}

/// Returns a function that looks for a row that refers to a file. A row that was removed counts
/// until its removal is durable.
fn is_referenced(
    readers: &Arc<Readers>,
    durability: &Arc<Durability>,
    health: &Arc<Health>,
) -> impl Fn(FileName) -> Result<bool, Error> + use<> {
    let (readers, durability, health) = (Arc::clone(readers), Arc::clone(durability), Arc::clone(health));
    move |file| {
        let found = readers.read(0, |snapshot| snapshot.is_file_referenced(file));
        let found = found.inspect_err(|error| health.heed(error))?;
        durability.reached_blocking()?;
        Ok(found)
    }
}

/// Checks a file that existed before, and migrates one of an earlier version. With
/// [`Settings::accept_loss`], a lost log is logged and accepted.
fn check_file(path: &Path, settings: &Settings, entropy: &mut dyn Entropy) -> Result<(), OpenError> {
    let version = match inspection::check_log(path) {
        Err(OpenError::Log(loss)) if settings.accept_loss => {
            log::warn!("accepted the loss of every commit that is not in the file: {loss}");
            if let LogLoss::OfAnother { log, .. } = &loss {
                let aside = inspection::set_log_aside(log)?;
                log::warn!("{} is now {}", log.display(), aside.display());
            }
            inspection::version_alone(path)?
        }
        checked => checked?,
    };
    if (1..SCHEMA_VERSION).contains(&version) {
        inspection::check_purpose(path, settings.mode, &settings.currency)?;
        migrations::migrate(path, version, entropy)?;
    }
    inspection::check_content(path, settings.mode, &settings.currency)
}

impl Drop for FileStore {
    /// Waits for the writer, since a command may still be running whose caller has stopped
    /// waiting. The lock is released after that.
    fn drop(&mut self) {
        self.close();
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::thread;

    use super::*;
    use crate::domain::ids::CountingEntropy;
    use crate::store::{Inner, OpenedFile, Store};

    /// The time in which a read that does not wait would end.
    const PAUSE: Duration = Duration::from_millis(100);

    struct StoppedClock;

    impl Clock for StoppedClock {
        fn now(&self) -> Timestamp {
            Timestamp::EPOCH
        }

        fn elapsed(&self) -> Duration {
            Duration::ZERO
        }
    }

    fn open(folder: &Path, read_time_max: Duration) -> Store {
        let settings = Settings {
            read_time_max,
            ..Settings::of_test(&folder.join("test.db"))
        };
        let opened = Store::open(&settings, Box::new(StoppedClock), Box::new(CountingEntropy(1 << 26)));
        opened.unwrap().0
    }

    fn file_of(store: &Store) -> &FileStore {
        match &*store.inner {
            Inner::File(file) => file,
            Inner::Postgres(_) => unreachable!("the place is a file"),
        }
    }

    #[tokio::test]
    async fn reads_return_only_what_is_durable() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path(), Duration::from_mins(1));
        let durability = &file_of(&store).durability;
        durability.begin();
        let mut short = pin!(store.read(|snapshot| snapshot.newest_transfer().map(drop)));
        let mut long = pin!(store.read_long(MerchantId::NONE, |snapshot| snapshot.newest_transfer().map(drop)));
        assert!(timeout(PAUSE, &mut short).await.is_err());
        assert!(timeout(PAUSE, &mut long).await.is_err());
        durability.end();
        short.await.unwrap();
        long.await.unwrap();
    }

    #[tokio::test]
    async fn a_read_waits_for_the_disk_no_longer_than_it_may_take() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path(), PAUSE);
        file_of(&store).durability.begin();
        let read = store.read(|snapshot| snapshot.newest_transfer().map(drop)).await;
        assert!(matches!(read, Err(Error::ReadTooLong)), "{read:?}");
        file_of(&store).durability.end();
        store
            .read(|snapshot| snapshot.newest_transfer().map(drop))
            .await
            .unwrap();
    }

    #[test]
    fn a_file_is_removed_only_after_the_removal_of_its_rows_is_durable() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path(), Duration::from_mins(1));
        let files = store.keep_files(&[(FileKind::Pdf, b"%PDF-1.7".to_vec())]).unwrap();
        let durability = &file_of(&store).durability;
        durability.begin();
        thread::scope(|scope| {
            let unmarking = scope.spawn(|| store.unmark_files(&files));
            thread::sleep(PAUSE);
            assert!(matches!(store.open_file(files[0]), Ok(OpenedFile::Whole { .. })));
            durability.end();
            unmarking.join().unwrap().unwrap();
        });
        assert!(matches!(store.open_file(files[0]), Ok(OpenedFile::Missing)));
    }
}
