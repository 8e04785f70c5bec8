//! Storage: one SQLite file, one writer with group commit, many readers (architecture
//! section 3); or a PostgreSQL database, which several processes may share.
//!
//! The store takes and returns the domain's types and decides nothing. All SQL is in this
//! folder, and no other part names a database library. Each family of tables has a
//! file in `tables`, with its reads on [`Snapshot`] and its writes on [`Tx`].

pub(crate) mod account_row;
mod audit;
mod background_check;
mod backup;
mod backup_files;
#[cfg(test)]
pub(crate) mod bare_deliveries;
mod copy;
mod engine;
mod file_facts;
mod file_store;
mod foreseen;
mod group_memory;
mod merchant_row;
mod opened;
mod place;
mod postgres_store;
mod restore;
mod settings;
mod tables;
mod tx;
mod write_side;
mod write_summary;

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

pub use audit::{Audit, Finding, audit, check_structure};
pub use backup::{Backup, BackupError, OnStep, Step, backup};
pub use backup_files::{remove_backup, remove_unfinished};
pub use copy::{Copied, CopyError, CopyStep, copy};
pub use engine::command::CommandError;
pub use engine::ephemeral::EphemeralFolder;
pub use engine::error::{Error, LogLoss, OpenError};
pub use engine::file_content::OpenedFile;
pub(crate) use engine::files::FOLDER_PERMISSIONS;
pub use engine::health::FileSizes;
pub use engine::postgres::address::{Address, AddressError, without_password};
pub use engine::postgres::build::Build;
pub use engine::postgres::preparation::Preparation;
pub use engine::sqlite::connection::{Synchronous, add_functions};
pub use engine::writer_meter::WriterReading;
pub use file_facts::{check_existing, mode_of, newest_ledger_time, position};
pub use foreseen::Foreseen;
pub use group_memory::GroupMemory;
pub use place::{Place, PlaceError};
pub use restore::{RequiredPurpose, Restored, restore};
pub use settings::{Settings, WriterEnded};
pub use tables::customers::SEARCH_WORDS_MAX;
pub use tables::deliveries::Hastened;
pub use tables::events::{NewEvent, ReplayedEvent};
pub use tables::idempotency::ExpiredRecord;
pub use tables::journal::MadeStatement;
pub use tables::left_behind::Removal;
pub use tables::operators::{ActScope, RecordedAct};
pub use tables::payments::UsedReference;
pub use tables::payouts::{PayoutWithWithdrawal, StoredPayout};
pub use tables::position::FoundMovements;
pub use tables::totals::{Differences, Totals};
pub use tx::{Snapshot, Tx};
pub use write_summary::{WriteSummary, WriteSummaryRows};

use crate::background::Panics;
use crate::domain::file::{FileKind, FileName};
use crate::domain::ids::{Entropy, MerchantId};
use crate::domain::time::{Clock, Timestamp};
use engine::command::Purpose;
use engine::reader::{AnyQuery, Found, any_query, found};
use file_store::FileStore;
use postgres_store::PostgresStore;
use write_side::WriteSide;

/// The longest time in which [`Store::check_ready`] waits for a read, since probes give up soon.
const READY_TIME_MAX: Duration = Duration::from_secs(1);

/// An open database. Clones are cheap and share it. Dropping the last clone closes it.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
    panics: Arc<Panics>,
    /// The number of the worker of the server that uses this clone.
    worker: usize,
}

enum Inner {
    File(Box<FileStore>),
    Postgres(Box<PostgresStore>),
}

impl Store {
    /// Opens the database, or creates it.
    ///
    /// # Errors
    ///
    /// Fails on a file that is in use, foreign, newer than this program, or of another
    /// mode or currency, and leaves it untouched. So it does with an older file that cannot
    /// be migrated. Fails on a PostgreSQL database that cannot be reached, is foreign or of
    /// another mode or currency, or whose server may lose what it acknowledges.
    pub fn open(
        settings: &Settings,
        clock: Box<dyn Clock>,
        entropy: Box<dyn Entropy>,
    ) -> Result<(Self, WriterEnded), OpenError> {
        let panics = Arc::<Panics>::default();
        let (inner, ended) = match &settings.place {
            Place::File(path) => {
                let (store, ended) = FileStore::open(path, settings, clock, entropy, &panics)?;
                (Inner::File(Box::new(store)), ended)
            }
            Place::Postgres(address) => {
                let (store, ended) = postgres_store::open(address, settings, clock, entropy, &panics)?;
                (Inner::Postgres(Box::new(store)), ended)
            }
        };
        let inner = Arc::new(inner);
        let store = Self {
            inner,
            panics,
            worker: 0,
        };
        Ok((store, ended))
    }

    /// Returns a clone for a worker of the server. Its reads use a connection of its own as long as
    /// there is one for each worker.
    pub(crate) fn for_worker(&self, worker: usize) -> Self {
        Self { worker, ..self.clone() }
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
        E: CommandError + Send + 'static,
    {
        self.write_foreseen(None, command).await
    }

    /// Runs one command of the work in the background as [`Store::write`] does. While the queue is
    /// full, waits for a place: no client waits for the answer, and a busy second must not break off
    /// work that is next due in an hour.
    ///
    /// # Errors
    ///
    /// The errors of [`Store::write`] except [`Error::QueueFull`].
    pub async fn write_patiently<T, E>(
        &self,
        command: impl FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: CommandError + Send + 'static,
    {
        self.write_side().writer.submit_patiently(command).await
    }

    /// Runs one command as [`Store::write`] does, if it is known what the command will read.
    ///
    /// # Errors
    ///
    /// The errors of [`Store::write`].
    pub async fn write_foreseen<T, E>(
        &self,
        foreseen: Option<Foreseen>,
        command: impl FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: CommandError + Send + 'static,
    {
        self.write_side()
            .writer
            .submit(Purpose::Service, foreseen, command)
            .await
    }

    /// Runs one command of a start, which applies the configuration. It runs also while
    /// the system's clock is refused, at the ledger time that goes on from the newest row,
    /// so that the service can start and answer reads.
    ///
    /// # Errors
    ///
    /// The errors of [`Store::write`], except [`Error::ClockJumped`].
    pub async fn configure<T, E>(
        &self,
        command: impl FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: CommandError + Send + 'static,
    {
        self.write_side().writer.submit(Purpose::Start, None, command).await
    }

    /// Checks that the next write would be answered. Writes to the disk only if the last
    /// write failed and there is room again.
    ///
    /// # Errors
    ///
    /// The error that a write would be answered with.
    pub async fn check_health(&self) -> Result<(), Error> {
        let WriteSide { writer, health, .. } = self.write_side();
        writer.ask().await?;
        match health.last() {
            Err(_) if health.has_room() => self.write(touch).await,
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
        let WriteSide {
            health, clock, writer, ..
        } = self.write_side();
        health.check_running()?;
        clock.check()?;
        if let Err(error) = health.last() {
            if health.has_room() && health.may_try_again() {
                writer.submit_unanswered(touch)?;
            }
            return Err(error);
        }
        let read = self.read(|snapshot| snapshot.newest_transfer().map(drop));
        timeout(READY_TIME_MAX, read).await.unwrap_or_else(|_| {
            let silence = format!("it has not answered within {} s", READY_TIME_MAX.as_secs());
            Err(Error::Unreachable(silence))
        })
    }

    /// Returns the counts of the writer's work.
    pub fn read_writer(&self) -> WriterReading {
        self.write_side().meter.read()
    }

    /// Returns the sizes of the database file and its write-ahead log.
    pub fn file_sizes(&self) -> FileSizes {
        self.write_side().health.file_sizes()
    }

    /// Reads a few rows by their keys from one consistent snapshot, which includes every
    /// commit acknowledged before the future is first polled.
    ///
    /// From a file the query runs on the calling thread when the future is first polled. Such a
    /// read takes microseconds, so handing it to another thread would cost more than the read
    /// itself. The future is ready then, unless the read may have seen a commit that is being synced:
    /// it waits for that sync. A read from PostgreSQL waits for the network, on a thread for that.
    ///
    /// # Errors
    ///
    /// [`Error::NoReader`] or [`Error::TooManyReads`] if no connection becomes free in time,
    /// [`Error::ReadTooLong`] if the read reached its deadline, or the error of the query.
    pub async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Snapshot<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        self.heed(match &*self.inner {
            Inner::File(store) => store.read(self.worker, query).await,
            Inner::Postgres(store) => store.reads.read(MerchantId::NONE, any_query(query)).await.map(found),
        })
    }

    /// Reads as [`Store::read`] does, but waits for no sync. The rows must be known to be durable and
    /// not to change, such as the payload of an event whose delivery was read before.
    ///
    /// # Errors
    ///
    /// The errors of [`Store::read`].
    pub async fn read_durable<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Snapshot<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        match &*self.inner {
            Inner::File(store) => self.heed(store.read_durable(self.worker, query)),
            Inner::Postgres(_) => self.read(query).await,
        }
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
        self.read_any(merchant, any_query(query)).await.map(found)
    }

    async fn read_any(&self, merchant: MerchantId, query: AnyQuery) -> Result<Found, Error> {
        self.heed(match &*self.inner {
            Inner::File(store) => store.read_long(merchant, query).await,
            Inner::Postgres(store) => store.long_reads.read(merchant, query).await,
        })
    }

    /// Returns the outcome of a read. One that found damage ends all writes.
    fn heed<T>(&self, outcome: Result<T, Error>) -> Result<T, Error> {
        outcome.inspect_err(|error| self.write_side().health.heed(error))
    }

    /// Returns the ledger time, which follows the system's clock within the bounds of
    /// [`ledger_time`](crate::domain::ledger_time).
    pub fn ledger_time(&self) -> Timestamp {
        self.write_side().clock.now()
    }

    /// Waits until deliveries have been committed since the last call, and returns their
    /// merchants. Serves one waiting task at a time.
    pub async fn wait_for_deliveries(&self) -> BTreeSet<MerchantId> {
        self.write_side().wakeups.next().await
    }

    /// Returns a receiver that changes after every commit.
    pub fn commits(&self) -> watch::Receiver<u64> {
        self.write_side().wakeups.commits()
    }

    /// Writes files that a command is about to refer to, and returns their names. The
    /// files are on the disk when this returns. The caller must unmark them when the
    /// outcome of that command is known. Blocks on the disk, so it needs a thread where
    /// that is allowed.
    pub fn keep_files(&self, files: &[(FileKind, Vec<u8>)]) -> Result<Vec<FileName>, Error> {
        match &*self.inner {
            Inner::File(store) => store.keep_files(files),
            Inner::Postgres(store) => store.keep_files(files),
        }
    }

    /// Takes the mark of [`Store::keep_files`] off these files: removes each that no row
    /// refers to, unless another request has marked the same file. Blocks on
    /// the disk.
    pub fn unmark_files(&self, files: &[FileName]) -> Result<(), Error> {
        match &*self.inner {
            Inner::File(store) => store.blobs.unmark(files),
            // Another process may be about to refer to them: the leader removes them later.
            Inner::Postgres(_) => Ok(()),
        }
    }

    /// Opens a file for reading and checks its content. Blocks on the disk.
    pub fn open_file(&self, file: FileName) -> Result<OpenedFile, Error> {
        match &*self.inner {
            Inner::File(store) => store.blobs.open_file(file),
            Inner::Postgres(store) => store.open_file(file),
        }
    }

    /// Copies the database and its files to a new name beside the work of the service, on the
    /// calling thread.
    ///
    /// # Errors
    ///
    /// The errors of [`backup()`].
    pub fn backup(&self, to: &Path, on_step: OnStep<'_>) -> Result<Backup, BackupError> {
        match &*self.inner {
            Inner::File(store) => store.backup(to, on_step),
            Inner::Postgres(_) => Err(BackupError::NotAFile),
        }
    }

    /// Returns the version of all that is remembered of keys, which a change of a key raises.
    /// Changes by other processes on the same database raise it too: some milliseconds later, and at the
    /// latest before the next command of this process runs.
    pub fn key_version(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.write_side().key_version)
    }

    /// Returns a receiver that is true while this process does the work in the background, such as
    /// the delivery of webhooks. If several processes share one database, one of them does it.
    pub fn leadership(&self) -> watch::Receiver<bool> {
        self.write_side().is_leader.subscribe()
    }

    /// Waits until this process does the work in the background.
    pub async fn until_leader(&self) {
        // The sender lives as long as the store.
        drop(self.leadership().wait_for(|is_leader| *is_leader).await);
    }

    /// Leaves the work in the background to another process on the same database, for a stop whose last
    /// requests take their time.
    pub fn resign(&self) {
        match &*self.inner {
            Inner::File(_) => {}
            Inner::Postgres(store) => store.resign(),
        }
    }

    /// Returns the count of panics of all work in the background: the store's own, and that of the
    /// parts which work on it, such as retention.
    pub(crate) const fn panics(&self) -> &Arc<Panics> {
        &self.panics
    }

    /// Returns the secret that all processes on one database share. A file has none, since one
    /// process uses it.
    pub fn shared_secret(&self) -> Option<[u8; 32]> {
        match &*self.inner {
            Inner::File(_) => None,
            Inner::Postgres(store) => Some(store.secret),
        }
    }

    /// Returns the place of the database; a file's path is without symbolic links.
    pub fn place(&self) -> &Place {
        match &*self.inner {
            Inner::File(store) => &store.place,
            Inner::Postgres(store) => &store.place,
        }
    }

    /// Ends the long reads, lets the waiting commands finish, runs the last checkpoint and
    /// ends the writer. Later writes and long reads fail with [`Error::Stopped`].
    pub fn close(&self) {
        match &*self.inner {
            Inner::File(store) => store.close(),
            Inner::Postgres(store) => store.close(),
        }
    }

    fn write_side(&self) -> &WriteSide {
        match &*self.inner {
            Inner::File(store) => &store.write_side,
            Inner::Postgres(store) => &store.write_side,
        }
    }
}

/// A command that changes nothing and is committed.
fn touch(tx: &mut Tx<'_>) -> Result<(), Error> {
    tx.touch_mark()
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}
