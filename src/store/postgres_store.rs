//! A store in a PostgreSQL database, which other processes may use at the same time.

use std::io::{Seek, SeekFrom, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::background::{BackgroundThread, Panics};
use crate::domain::file::{FileKind, FileName};
use crate::domain::ids::Entropy;
use crate::domain::time::{Clock, Timestamp};
use crate::store::audit::verification::check_newest;
use crate::store::background_check;
use crate::store::engine::error::{Error, OpenError};
use crate::store::engine::file_content::{ContentError, OpenedFile};
use crate::store::engine::health::Health;
use crate::store::engine::postgres::Client;
use crate::store::engine::postgres::address::Address;
use crate::store::engine::postgres::build::Build;
use crate::store::engine::postgres::file_sessions::FileSessions;
use crate::store::engine::postgres::group_commit::PostgresGroupCommit;
use crate::store::engine::postgres::peers::{self, PeerNotice, PeerNoticeTargets};
use crate::store::engine::postgres::preparation::{Preparation, random_secret};
use crate::store::engine::postgres::reconnecting_session::ReconnectingSession;
use crate::store::engine::read_threads::{ReadThreads, Sharing};
use crate::store::engine::reader::{self, Reader};
use crate::store::group_memory::GroupMemory;
use crate::store::place::Place;
use crate::store::settings::{Settings, WriterEnded};
use crate::store::tx::Snapshot;
use crate::store::write_side::{WriteSide, WriterParts};

/// The longest time in which a stop waits for the last commit. The requests have had their time before.
const WRITER_STOP_MAX: Duration = Duration::from_secs(3);

/// The sessions of uploads and downloads.
const FILE_SESSIONS: u32 = 4;
/// The longest time that an upload or a download waits for one of them.
const FILE_SESSION_TIMEOUT: Duration = Duration::from_secs(2);

/// An open PostgreSQL database.
pub(super) struct PostgresStore {
    pub(super) place: Place,
    pub(super) reads: ReadThreads,
    pub(super) long_reads: ReadThreads,
    pub(super) write_side: WriteSide,
    peers: BackgroundThread,
    /// See [`PostgresStore::resign`].
    has_resigned: Arc<AtomicBool>,
    pub(super) secret: [u8; 32],
    background_check: BackgroundThread,
    files: FileSessions<ReconnectingSession>,
}

impl PostgresStore {
    /// Opens the database. Creates its tables if it is empty, and migrates one of an earlier
    /// version.
    pub(super) fn open(
        address: &Address,
        settings: &Settings,
        clock: Box<dyn Clock>,
        mut entropy: Box<dyn Entropy>,
        panics: &Arc<Panics>,
    ) -> Result<(Self, WriterEnded), OpenError> {
        let address = Arc::new(address.clone());
        let session = |time_max: Duration| ReconnectingSession::new(Arc::clone(&address), time_max);
        let failed = |cause| OpenError::Postgres {
            address: address.to_string(),
            cause,
        };
        let thread_failed = |cause: std::io::Error| failed(Error::Files(Arc::new(cause)));
        let preparation = Preparation {
            build: &Build::current(),
            mode: settings.mode,
            currency: &settings.currency,
            now: clock.now(),
            secret: &random_secret(entropy.as_mut()),
        };
        let secret = preparation.run(&address)?;
        // A commit that waits for a synchronous standby must not be broken off: the server would
        // then answer that it was made.
        let mut writing = session(Duration::ZERO).keeping_plans();
        let (newest, number) = newest_of(&mut writing, settings.read_time_max).map_err(failed)?;
        entropy.start_after(number);

        let parts = WriterParts {
            health: Arc::new(Health::of(None)),
            clock: settings.start_clock(clock, newest),
            wakeups: Arc::default(),
            meter: Arc::default(),
            key_version: Arc::default(),
        };
        let process = entropy.random_number();
        let group_commit = PostgresGroupCommit {
            session: writing,
            process,
            commits: 0,
            health: Arc::clone(&parts.health),
            meter: Arc::clone(&parts.meter),
            marked_at: newest.unwrap_or_else(|| parts.clock.now()),
            clock: Arc::clone(&parts.clock),
            entropy,
            wakeups: Arc::clone(&parts.wakeups),
            key_version: Arc::clone(&parts.key_version),
            notice: PeerNotice::default(),
            memory: GroupMemory::default(),
            remembered_commits: None,
            waits_for_each: false,
            group_commands_max: settings.group_commands_max,
        };
        let started = WriteSide::start(parts, group_commit, settings.queue_commands_max, false);
        let (write_side, writer_ended) = started.map_err(thread_failed)?;

        let (time_max, waiting_max) = (settings.read_time_max, settings.long_reads_waiting_max);
        let reader = |_| -> Box<dyn Reader> { Box::new(session(time_max)) };
        let start = |name, threads: u32, sharing, waiting_max| {
            ReadThreads::start(name, (0..threads).map(reader).collect(), sharing, waiting_max, time_max)
        };
        let reads = start("reads", settings.readers, Sharing::None, settings.queue_commands_max);
        let long_readers = settings.long_readers;
        let long_reads = start("long-reads", long_readers, Sharing::AmongMerchants, waiting_max);
        let has_resigned = Arc::<AtomicBool>::default();
        let targets = targets_of(&write_side, &has_resigned);
        let peers = peers::start(session(time_max), process, targets, Arc::clone(panics));
        let health = Arc::clone(&write_side.health);
        let background_check = background_check::start(session(time_max), health, Arc::clone(panics));
        let store = Self {
            reads: reads.map_err(thread_failed)?,
            long_reads: long_reads.map_err(thread_failed)?,
            peers: peers.map_err(thread_failed)?,
            has_resigned,
            background_check: background_check.map_err(thread_failed)?,
            files: FileSessions::new(
                (0..FILE_SESSIONS).map(|_| session(time_max)).collect(),
                FILE_SESSION_TIMEOUT,
            ),
            secret,
            write_side,
            place: Place::Postgres((*address).clone()),
        };
        Ok((store, writer_ended))
    }

    /// Writes files that a command is about to refer to, each in a commit of its own.
    ///
    /// # Errors
    ///
    /// [`Error::NoReader`] if other uploads and downloads use all sessions for files for too long.
    pub(super) fn keep_files(&self, files: &[(FileKind, Vec<u8>)]) -> Result<Vec<FileName>, Error> {
        let mut kept = Vec::with_capacity(files.len());
        for (kind, bytes) in files {
            let name = FileName::of(*kind, bytes);
            let sql = "INSERT INTO file_content (name, content) VALUES ($1, $2)
                       ON CONFLICT (name) DO UPDATE SET kept_at = now()";
            self.with_files(|client| Ok(client.execute(sql, &[&name.to_string(), &bytes.as_slice()])?))?;
            kept.push(name);
        }
        Ok(kept)
    }

    /// Copies a file out of the database for reading, and checks its content.
    pub(super) fn open_file(&self, file: FileName) -> Result<OpenedFile, Error> {
        let sql = "SELECT content FROM file_content WHERE name = $1";
        let row = self.with_files(|client| Ok(client.query_opt(sql, &[&file.to_string()])?))?;
        let Some(row) = row else {
            return Ok(OpenedFile::Missing);
        };
        let content: &[u8] = row.try_get(0)?;
        if FileName::of(file.kind, content) != file {
            return Ok(OpenedFile::Damaged(ContentError::Changed(file).to_string()));
        }
        let mut copy = tempfile::tempfile()?;
        copy.write_all(content)?;
        copy.seek(SeekFrom::Start(0))?;
        Ok(OpenedFile::Whole {
            content: copy,
            bytes: u64::try_from(content.len()).unwrap_or(u64::MAX),
        })
    }

    fn with_files<T>(&self, run: impl Fn(&Client) -> Result<T, Error>) -> Result<T, Error> {
        let mut session = self.files.take()?;
        session.begin(|session| session.in_transaction(&run))
    }

    /// Leaves the work in the background to another process.
    pub(super) fn resign(&self) {
        self.has_resigned.store(true, Ordering::Release);
    }

    /// Ends the reads, lets the waiting commands finish and ends the threads.
    pub(super) fn close(&self) {
        self.reads.stop();
        self.long_reads.stop();
        self.background_check.stop();
        self.peers.stop();
        self.write_side.close_within(WRITER_STOP_MAX);
        // A session closes on a thread without a runtime, as it was opened.
        let files = self.files.close();
        drop(thread::spawn(move || drop(files)).join());
    }
}

impl Drop for PostgresStore {
    /// Waits for the writer, since a command may still be running whose caller has stopped
    /// waiting.
    fn drop(&mut self) {
        self.close();
    }
}

/// Checks the newest transfers, and returns the newest ledger time and number, after which a start
/// goes on.
///
/// # Errors
///
/// [`Error::Corrupt`] if the newest transfers do not follow from each other.
fn newest_of(session: &mut ReconnectingSession, time_max: Duration) -> Result<(Option<Timestamp>, i64), Error> {
    let newest = |snapshot: &Snapshot<'_>| match check_newest(snapshot.connection)? {
        Some(problem) => Err(Error::Corrupt(problem)),
        None => Ok((snapshot.newest_ledger_time()?, snapshot.newest_number()?)),
    };
    reader::answer(newest, |query| session.read(time_max, query))
}

/// Returns the parts of the store that the notices of other processes change.
fn targets_of(write_side: &WriteSide, has_resigned: &Arc<AtomicBool>) -> PeerNoticeTargets {
    PeerNoticeTargets {
        wakeups: Arc::clone(&write_side.wakeups),
        key_version: Arc::clone(&write_side.key_version),
        is_leader: write_side.is_leader.clone(),
        writer: write_side.writer.clone(),
        health: Arc::clone(&write_side.health),
        clock: Arc::clone(&write_side.clock),
        has_resigned: Arc::clone(has_resigned),
    }
}

/// Opens a PostgreSQL database on its own thread: the client library blocks on a runtime of its
/// own, which a thread that already runs one must not do.
pub(super) fn open(
    address: &Address,
    settings: &Settings,
    clock: Box<dyn Clock>,
    entropy: Box<dyn Entropy>,
    panics: &Arc<Panics>,
) -> Result<(PostgresStore, WriterEnded), OpenError> {
    thread::scope(|scope| {
        let opening = scope.spawn(|| PostgresStore::open(address, settings, clock, entropy, panics));
        opening.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
