//! The storage engine: one SQLite file, one writer with group commit, many
//! readers (design section 3).
//!
//! It speaks the domain's types and decides nothing. No SQL leaves this folder,
//! and nothing outside it names the database library. A family of tables has a
//! file of its own here, with its reads on [`Snapshot`] and its writes on [`Tx`].

mod audit;
mod engine;
mod tables;
mod tx;

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

pub use audit::{Audit, Finding, audit, check_structure};
pub use engine::connection::Synchronous;
pub use engine::ephemeral::EphemeralFolder;
pub use engine::error::{Error, OpenError};
pub use tables::events::NewEvent;
pub use tables::idempotency::ExpiredRecord;
pub use tables::payments::UsedReference;
pub use tables::webhook_endpoints::WebhookEndpoint;
pub use tables::write_summary::WriteSummary;
pub use tx::{Snapshot, Tx, UnrecordedEvent};

use crate::domain::file::{FileKind, FileName};
use crate::domain::ids::{self, Entropy, MerchantId};
use crate::domain::ledger;
use crate::domain::mode::Mode;
use crate::domain::time::{Clock, Timestamp};
use engine::blobs::Blobs;
use engine::checkpoints::{Checkpoints, SyncHandle};
use engine::connection::Role;
use engine::lock::InstanceLock;
use engine::new_deliveries::NewDeliveries;
use engine::readers::Readers;
use engine::writer::{GroupCommit, Writer, WriterThread};
use engine::{connection, file};

/// Everything the store needs to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The database file; made when it does not exist.
    pub path: PathBuf,
    /// Play money or real money. A file keeps what it was made for.
    pub mode: Mode,
    /// The currency of every amount in the file. A file keeps it too.
    pub currency: String,
    /// How much a commit waits for.
    pub synchronous: Synchronous,
    /// Connections for reading.
    pub readers: u32,
    /// Commands that may wait to be written.
    pub queue_commands_max: usize,
    /// Commands that share one commit.
    pub group_commands_max: usize,
    /// Pages of the write-ahead log at which copying it into the file begins.
    pub checkpoint_pages: u32,
}

/// One open file. Cheap to clone; every clone is the same store, and dropping
/// the last one closes it.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    folder: Blobs,
    readers: Arc<Readers>,
    writer: Writer,
    clock: Arc<dyn Clock>,
    /// What [`GroupCommit::ledger_time`] shares.
    ledger_time: Arc<AtomicI64>,
    new_deliveries: Arc<NewDeliveries>,
    thread: Mutex<Option<WriterThread>>,
    /// After every connection; see there.
    _file: SyncHandle,
    _lock: InstanceLock,
}

/// Hears when the writer has ended: `Ok` after [`Store::close`], `Err` when the
/// file can no longer be trusted and nothing more is written.
pub type WriterEnded = oneshot::Receiver<Result<(), Error>>;

impl Store {
    /// Opens the file, and makes it if there is none. Refuses a file that is in
    /// use, not ours, newer than this program, or made for another mode or
    /// currency, and leaves it untouched.
    pub fn open(
        settings: &Settings,
        clock: Box<dyn Clock>,
        mut entropy: Box<dyn Entropy>,
    ) -> Result<(Self, WriterEnded), OpenError> {
        let path = &file::resolve(&settings.path)?;
        let lock = InstanceLock::take(path)?;
        file::prepare(path, settings.mode, &settings.currency, clock.now())?;
        let io = |cause| OpenError::Io {
            path: path.clone(),
            cause,
        };
        let file = SyncHandle::open(path).map_err(io)?;

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
        let stored = Snapshot::of(&connection);
        let newest = stored.newest_row_at().map_err(unreadable)?;
        // Wallets take numbers too and leave nothing but their time.
        let of_newest = newest.map_or(0, ids::last_number_of);
        entropy.start_after(stored.newest_number().map_err(unreadable)?.max(of_newest));
        let readers = Arc::new(Readers::open(path, settings.readers)?);
        let folder = Blobs::open(path, Arc::clone(&readers))?;

        let (ended, writer_ended) = oneshot::channel();
        let copying = connection::open(path, Role::Checkpoints { synchronous })?;
        let checkpoints = Checkpoints::start(copying, file.clone(), i64::from(checkpoint_pages)).map_err(io)?;
        let clock: Arc<dyn Clock> = Arc::from(clock);
        let ledger_time = Arc::new(AtomicI64::new(newest.map_or(0, Timestamp::millis)));
        let new_deliveries = Arc::<NewDeliveries>::default();
        let group_commit = GroupCommit {
            connection,
            readers: Arc::clone(&readers),
            checkpoints,
            clock: Arc::clone(&clock),
            entropy,
            ledger_time: Arc::clone(&ledger_time),
            new_deliveries: Arc::clone(&new_deliveries),
            woken: Vec::new(),
            group_commands_max: settings.group_commands_max,
        };
        let (writer, thread) = Writer::start(group_commit, settings.queue_commands_max, ended).map_err(io)?;
        let inner = Inner {
            folder,
            readers,
            writer,
            clock,
            ledger_time,
            new_deliveries,
            thread: Mutex::new(Some(thread)),
            _file: file,
            _lock: lock,
        };
        Ok((Self { inner: Arc::new(inner) }, writer_ended))
    }

    /// Runs one command and waits until what it did is durable.
    ///
    /// A command that returns `Err` changes nothing. The command runs even when
    /// the caller stops waiting.
    pub async fn write<T, E>(&self, command: impl FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        self.inner.writer.submit(command).await
    }

    /// Reads from one consistent snapshot, on the calling thread: a read takes
    /// microseconds and never waits for the writer, so a hop to another thread
    /// would cost more than the read.
    pub fn read<T>(&self, query: impl FnOnce(&Snapshot<'_>) -> Result<T, Error>) -> Result<T, Error> {
        self.inner.readers.read(query)
    }

    /// The file's time: that of the system, and never before any command.
    pub fn ledger_time(&self) -> Timestamp {
        let newest = Timestamp::from_millis(self.inner.ledger_time.load(Ordering::SeqCst));
        ledger::not_before(newest, self.inner.clock.now())
    }

    /// Waits until events of some merchants have come to be delivered since it was
    /// last asked, and answers which. For one who asks.
    pub async fn new_deliveries(&self) -> BTreeSet<MerchantId> {
        self.inner.new_deliveries.next().await
    }

    /// Keeps files that a command is about to name, and answers their names. They
    /// are on the disk when this returns, and must be settled when the outcome of that
    /// command is known. Waits for the disk, so it wants a thread of its own.
    pub fn keep_files(&self, files: &[(FileKind, Vec<u8>)]) -> Result<Vec<FileName>, Error> {
        self.inner.folder.keep(files)
    }

    /// Removes those of these files that nothing names, unless another command is
    /// about to. Waits for the disk.
    pub fn settle_files(&self, files: &[FileName]) -> Result<(), Error> {
        self.inner.folder.settle(files)
    }

    /// What is in a file, if there is one of this name. Waits for the disk.
    pub fn read_file(&self, file: FileName) -> Result<Option<Vec<u8>>, Error> {
        self.inner.folder.read(file)
    }

    /// Lets the commands that are waiting finish, moves the log into the file
    /// and ends the writer. Later writes are answered with [`Error::Stopped`].
    pub fn close(&self) {
        self.inner.close();
    }
}

impl Inner {
    fn close(&self) {
        self.writer.stop();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            log::error!("the writer thread panicked");
        }
    }
}

impl Drop for Inner {
    /// The lock goes last: a command whose caller went away may still be
    /// running, and two writers must never meet on one file.
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}
