//! Storage: one SQLite file, one writer with group commit, many readers (architecture
//! section 3).
//!
//! The store takes and returns the domain's types and decides nothing. All SQL is in this
//! folder, and no other part names the database library. Each family of tables has a
//! file in `tables`, with its reads on [`Snapshot`] and its writes on [`Tx`].

mod audit;
mod background_check;
mod backup;
mod engine;
mod file_facts;
mod merchant_row;
mod restore;
mod tables;
mod tx;
mod write_summary;

use std::collections::BTreeSet;
use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{oneshot, watch};

pub use audit::{Audit, Finding, audit, check_structure};
pub use backup::{Backup, BackupError, OnStep, Step, backup};
pub use engine::ephemeral::EphemeralFolder;
pub use engine::error::{Error, LogLoss, OpenError};
pub use engine::health::FileSizes;
pub use engine::sqlite::connection::{Synchronous, add_functions};
pub use engine::writer_meter::WriterReading;
pub use file_facts::{mode_of, newest_ledger_time, position};
pub use restore::{Restored, restore};
pub use tables::events::{NewEvent, ReplayedEvent};
pub use tables::idempotency::ExpiredRecord;
pub use tables::journal::MadeStatement;
pub use tables::left_behind::Removal;
pub use tables::operators::{ActScope, RecordedAct};
pub use tables::payments::UsedReference;
pub use tables::payouts::StoredPayout;
pub use tables::position::FoundMovements;
pub use tables::totals::{Differences, Totals};
pub use tx::{Snapshot, Tx};
pub use write_summary::{WriteSummary, WriteSummaryRows};

use crate::domain::file::{FileKind, FileName};
use crate::domain::ids::{self, Entropy, MerchantId};
use crate::domain::ledger_time::JumpRule;
use crate::domain::mode::Mode;
use crate::domain::time::{Clock, Timestamp};
use audit::verification::check_newest;
use background_check::BackgroundCheck;
use engine::command::Purpose;
use engine::delivery_wakeups::DeliveryWakeups;
use engine::health::Health;
use engine::ledger_clock::LedgerClock;
use engine::long_reads::LongReads;
use engine::sql;
use engine::sqlite::blobs::Blobs;
use engine::sqlite::checkpoints::{Checkpoints, SyncHandle};
use engine::sqlite::connection::Role;
use engine::sqlite::file::Fresh;
use engine::sqlite::group_commit::FileGroupCommit;
use engine::sqlite::lock::InstanceLock;
use engine::sqlite::readers::Readers;
use engine::sqlite::vacuum::Vacuum;
use engine::sqlite::watch::FileWatch;
use engine::sqlite::{connection, file, inspection, lock, mark, migrations};
use engine::writer::{Writer, WriterThread};
use engine::writer_meter::WriterMeter;

/// The settings of a store.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The database file. The store creates it if it does not exist.
    pub path: PathBuf,
    /// Sandbox or live. A file keeps the mode that it was created with.
    pub mode: Mode,
    /// The currency of every amount in the file. A file keeps its currency too.
    pub currency: String,
    /// The point to which a commit waits for the disk.
    pub synchronous: Synchronous,
    /// The number of connections for reading.
    pub readers: u32,
    /// The number of reads that may take long and run at the same time. Each has a
    /// connection and a thread of its own.
    pub long_readers: u32,
    /// The most reads that may wait for these threads.
    pub long_reads_waiting_max: usize,
    /// The most time that a read may take.
    pub read_time_max: Duration,
    /// The most commands that may wait in the writer's queue.
    pub queue_commands_max: usize,
    /// The most commands that share one commit.
    pub group_commands_max: usize,
    /// Pages in the write-ahead log at which a checkpoint begins.
    pub checkpoint_pages: u32,
    /// Opens a file whose write-ahead log is missing or belongs to another file, without
    /// the commits that are lost with it.
    pub accept_loss: bool,
    /// The most time by which the system's clock may run ahead of the time that has really
    /// passed, and be ahead of the newest row at a start. In a live file, writes are refused
    /// while it is further ahead. A sandbox follows it.
    pub clock_jump_max: Duration,
    /// Accepts any time ahead of the newest row at this start.
    pub accept_clock: bool,
    /// The free space in the file from which an idle writer gives it back. `None` keeps it.
    pub vacuum_free_bytes_min: Option<u64>,
}

/// An open database file. Clones are cheap and share the file. Dropping the last clone
/// closes it.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    path: PathBuf,
    blobs: Blobs,
    readers: Arc<Readers>,
    long_reads: LongReads,
    background_check: BackgroundCheck,
    writer: Writer,
    health: Arc<Health>,
    clock: Arc<LedgerClock>,
    wakeups: Arc<DeliveryWakeups>,
    writer_meter: Arc<WriterMeter>,
    thread: Mutex<Option<WriterThread>>,
    /// Declared after every connection, because fields drop in order: see [`SyncHandle`].
    _file: SyncHandle,
    /// Dropped last: two writers must never meet on one file.
    _lock: InstanceLock,
}

/// Resolves when the writer has ended: to `Ok` after [`Store::close`], to `Err` when the
/// file can no longer be trusted. Then nothing more is written.
pub type WriterEnded = oneshot::Receiver<Result<(), Error>>;

impl Store {
    /// Opens the database file, or creates it.
    ///
    /// # Errors
    ///
    /// Fails on a file that is in use, foreign, newer than this program, or of another
    /// mode or currency, and leaves it untouched. So it does with an older file that cannot
    /// be migrated.
    pub fn open(
        settings: &Settings,
        clock: Box<dyn Clock>,
        mut entropy: Box<dyn Entropy>,
    ) -> Result<(Self, WriterEnded), OpenError> {
        let path = &file::resolve(&settings.path)?;
        let io = |cause| OpenError::Io {
            path: path.clone(),
            cause,
        };
        let lock = InstanceLock::take(path)?;
        let fresh = Fresh {
            mode: settings.mode,
            currency: &settings.currency,
            now: clock.now(),
            schema_cookie: mark::random_cookie(entropy.as_mut()),
        };
        let is_fresh = file::create_if_missing(path, fresh)?;
        let file = SyncHandle::open(path).map_err(io)?;
        lock::lock_file(path, file.file())?;
        if !is_fresh {
            check_file(path, settings, entropy.as_mut())?;
        }

        let synchronous = settings.synchronous;
        let checkpoint_pages = settings.checkpoint_pages;
        let connection = connection::open(
            path,
            Role::Writer {
                synchronous,
                checkpoint_pages,
            },
        )?;
        let unreadable = |cause| OpenError::Store {
            path: path.clone(),
            cause,
        };
        if let Some(problem) = check_newest(sql::Connection::of(&connection)).map_err(unreadable)? {
            return Err(OpenError::Damaged {
                path: path.clone(),
                cause: Error::Corrupt(problem),
            });
        }
        let health = Arc::new(Health::of(path));
        let stored = Snapshot::of(sql::Connection::of(&connection));
        let newest = stored.newest_row_at().map_err(unreadable)?;
        // Wallets take numbers too, and no index leads to the greatest of them. But each
        // wallet is created with accounts, whose time `newest_row_at` includes.
        let of_newest = newest.map_or(0, ids::last_number_of);
        entropy.start_after(stored.newest_number().map_err(unreadable)?.max(of_newest));
        // After its first read, the connection has the log open.
        let watch = FileWatch::start(path, file.file()).map_err(io)?;
        let readers = Arc::new(Readers::open(path, settings.readers, settings.read_time_max)?);
        let of_blobs = Arc::clone(&readers);
        let is_referenced = move |file| of_blobs.read(|snapshot| snapshot.is_file_referenced(file));
        let blobs = Blobs::open(path, is_referenced)?;
        let connections = (0..settings.long_readers).map(|_| connection::open(path, Role::Reader));
        let connections = connections.collect::<Result<_, _>>()?;
        let long_reads = LongReads::start(connections, settings.long_reads_waiting_max, settings.read_time_max);
        let long_reads = long_reads.map_err(io)?;

        let background_check =
            BackgroundCheck::start(connection::open(path, Role::Reader)?, Arc::clone(&health)).map_err(io)?;

        let (ended, writer_ended) = oneshot::channel();
        let checkpointing = connection::open(path, Role::Checkpoints { synchronous })?;
        let writer_meter = Arc::<WriterMeter>::default();
        let (pages, meter) = (i64::from(checkpoint_pages), Arc::clone(&writer_meter));
        let checkpoints = Checkpoints::start(checkpointing, file.clone(), pages, meter).map_err(io)?;
        let rule = JumpRule {
            millis_max: i64::try_from(settings.clock_jump_max.as_millis()).unwrap_or(i64::MAX),
            follows_all: settings.mode == Mode::Sandbox,
        };
        let clock = Arc::new(LedgerClock::start(clock, newest, rule, settings.accept_clock));
        let wakeups = Arc::<DeliveryWakeups>::default();
        let group_commit = FileGroupCommit {
            connection,
            readers: Arc::clone(&readers),
            checkpoints,
            watch,
            health: Arc::clone(&health),
            meter: Arc::clone(&writer_meter),
            clock: Arc::clone(&clock),
            marked_at: clock.now(),
            entropy,
            has_generation: false,
            wakeups: Arc::clone(&wakeups),
            merchants_to_wake: Vec::new(),
            group_commands_max: settings.group_commands_max,
            vacuum: Vacuum::new(settings.vacuum_free_bytes_min),
        };
        let (writer, thread) = Writer::start(
            group_commit,
            Arc::clone(&health),
            Arc::clone(&writer_meter),
            settings.queue_commands_max,
            ended,
        )
        .map_err(io)?;
        let inner = Inner {
            path: path.clone(),
            blobs,
            readers,
            long_reads,
            background_check,
            writer,
            health,
            clock,
            wakeups,
            writer_meter,
            thread: Mutex::new(Some(thread)),
            _file: file,
            _lock: lock,
        };
        Ok((Self { inner: Arc::new(inner) }, writer_ended))
    }

    /// Runs one command and waits until its changes are durable. A command that returns
    /// `Err` changes nothing. The command runs even if the caller stops waiting.
    ///
    /// # Errors
    ///
    /// The command's own error, or the reason why the store could not run or commit it.
    pub async fn write<T, E>(&self, command: impl FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        self.inner.writer.submit(Purpose::Service, command).await
    }

    /// Runs one command of a start, which applies the configuration. It runs also while
    /// the system's clock is refused, at the ledger time that goes on from the newest row,
    /// so that the service can start and answer reads.
    ///
    /// # Errors
    ///
    /// Those of [`Store::write`], except [`Error::ClockJumped`].
    pub async fn configure<T, E>(
        &self,
        command: impl FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        self.inner.writer.submit(Purpose::Start, command).await
    }

    /// Checks that the next write would be answered. Writes to the disk only if the last
    /// write failed and there is room again.
    ///
    /// # Errors
    ///
    /// The error that a write would be answered with.
    pub async fn check_health(&self) -> Result<(), Error> {
        self.inner.writer.ask().await?;
        let health = &self.inner.health;
        match health.last() {
            Err(_) if health.has_room() => self.write(|tx| Ok(mark::touch(tx.connection)?)).await,
            last => last,
        }
    }

    /// Checks, as far as is known without waiting for the writer, that the next write would be
    /// answered, and that a read comes back. After a failed write, asks the writer to try
    /// another as soon as there is room, at most once a second, so that a later call finds out
    /// how it went.
    ///
    /// # Errors
    ///
    /// The error that a write or a read would be answered with.
    pub async fn check_ready(&self) -> Result<(), Error> {
        let Inner {
            health, clock, writer, ..
        } = &*self.inner;
        health.check_running()?;
        clock.check()?;
        if let Err(error) = health.last() {
            if health.has_room() && health.may_try_again() {
                writer.submit_unanswered(|tx| Ok(mark::touch(tx.connection)?))?;
            }
            return Err(error);
        }
        self.read(|snapshot| snapshot.newest_transfer().map(drop)).await
    }

    /// Returns the counts of the writer's work.
    pub fn read_writer(&self) -> WriterReading {
        self.inner.writer_meter.read()
    }

    /// Returns the sizes of the database file and its write-ahead log.
    pub fn file_sizes(&self) -> FileSizes {
        self.inner.health.file_sizes()
    }

    /// Reads a few rows by their keys from one consistent snapshot, which includes every
    /// commit acknowledged before the future is first polled.
    ///
    /// With SQLite the query runs on the calling thread when the future is first polled, and
    /// the future is ready then. Such a read takes microseconds and never waits for the
    /// writer, so handing it to another thread would cost more than the read itself.
    ///
    /// # Errors
    ///
    /// [`Error::NoReader`] if no connection becomes free in time, [`Error::ReadTooLong`] if the
    /// read reached its deadline, or the error of the query.
    #[expect(clippy::unused_async, reason = "SQLite has nothing to wait for")]
    pub async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Snapshot<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        self.inner.readers.read(query)
    }

    /// Reads from one consistent snapshot, on a thread for reads that may take long: of
    /// lists, and of all that they count.
    ///
    /// # Errors
    ///
    /// [`Error::TooManyReads`] if too many such reads are waiting, [`Error::ReadTooLong`] if
    /// the read reached its deadline, or the error of the query.
    pub async fn read_long<T: Send + 'static>(
        &self,
        merchant: MerchantId,
        query: impl FnOnce(&Snapshot<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        self.inner.long_reads.read(merchant, query).await
    }

    /// Returns the ledger time, which follows the system's clock within the bounds of
    /// [`ledger_time`](crate::domain::ledger_time).
    pub fn ledger_time(&self) -> Timestamp {
        self.inner.clock.now()
    }

    /// Waits until deliveries have been committed since the last call, and returns their
    /// merchants. Serves one waiting task at a time.
    pub async fn wait_for_deliveries(&self) -> BTreeSet<MerchantId> {
        self.inner.wakeups.next().await
    }

    /// Returns a receiver that changes after every commit.
    pub fn commits(&self) -> watch::Receiver<u64> {
        self.inner.wakeups.commits()
    }

    /// Writes files that a command is about to refer to, and returns their names. The
    /// files are on the disk when this returns. The caller must settle them when the
    /// outcome of that command is known. Blocks on the disk, so it needs a thread where
    /// that is allowed.
    pub fn keep_files(&self, files: &[(FileKind, Vec<u8>)]) -> Result<Vec<FileName>, Error> {
        let kept = self.inner.blobs.keep(files);
        if let Err(error @ Error::StorageFull) = &kept {
            self.inner.health.record(Err(error.clone()));
        }
        kept
    }

    /// Ends the wait of [`Store::keep_files`] for these files: removes each that no row
    /// refers to, unless another request is still waiting with the same file. Blocks on
    /// the disk.
    pub fn settle_files(&self, files: &[FileName]) -> Result<(), Error> {
        self.inner.blobs.settle(files)
    }

    /// Opens a file for reading, and returns it with its length in bytes, or `None` if it
    /// does not exist. Blocks on the disk.
    pub fn open_file(&self, file: FileName) -> Result<Option<(File, u64)>, Error> {
        self.inner.blobs.open_file(file)
    }

    /// Copies the database and its files to a new name beside the work of the service, on the
    /// calling thread.
    ///
    /// # Errors
    ///
    /// Those of [`backup()`].
    pub fn backup(&self, to: &Path, on_step: OnStep<'_>) -> Result<Backup, BackupError> {
        let connection = connection::open(&self.inner.path, Role::Reader)?;
        let source = backup::Source {
            path: &self.inner.path,
            connection: &connection,
            version: file::SCHEMA_VERSION,
        };
        source.copy_to(to, on_step)
    }

    /// Returns the path of the database file.
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// Ends the long reads, lets the waiting commands finish, runs the last checkpoint and
    /// ends the writer. Later writes and long reads fail with [`Error::Stopped`].
    pub fn close(&self) {
        self.inner.close();
    }
}

/// Checks a file that existed before, and migrates one of an earlier version. With
/// [`Settings::accept_loss`], a lost log is told and accepted.
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
    if (1..file::SCHEMA_VERSION).contains(&version) {
        inspection::check_purpose(path, settings.mode, &settings.currency)?;
        migrations::migrate(path, version, entropy)?;
    }
    inspection::check_content(path, settings.mode, &settings.currency)
}

impl Inner {
    fn close(&self) {
        // A running read would hold up the last checkpoint.
        self.long_reads.stop();
        self.background_check.stop();
        self.writer.stop();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            log::error!("the writer thread panicked");
        }
    }
}

impl Drop for Inner {
    /// Waits for the writer, since a command may still be running whose caller has stopped
    /// waiting. The lock is released after that.
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}
