//! Group commit on PostgreSQL, by any number of processes.
//!
//! Each group begins by locking the row of the mark and keeps it until its commit, so groups
//! run one after another over all processes. Chains of hashes, numbers, ledger time and
//! balances therefore need no other lock, and no two transactions can wait for each other or
//! fail to be serialized.
//!
//! With the lock a group reads the version of the schema. If another process has migrated the
//! database, the group is refused and the writer ends: its statements are of the version before.
//! If another process has changed a key, what is remembered of keys is dropped before the first command
//! runs, whether or not the other's notice has come.
//!
//! A connection that is lost before the commit has changed nothing. One that is lost at the
//! commit leaves open if it took effect. The next session then looks for the number that the
//! commit would have left.

use std::collections::VecDeque;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::thread;
use std::time::{Duration, Instant};

use crate::domain::ids::Entropy;
use crate::domain::time::Timestamp;
use crate::store::engine::command::{Command, CommandOutcome};
use crate::store::engine::delivery_wakeups::DeliveryWakeups;
use crate::store::engine::error::Error;
use crate::store::engine::health::Health;
use crate::store::engine::inbox::{Inbox, WriterMessage};
use crate::store::engine::ledger_clock::LedgerClock;
use crate::store::engine::postgres::peers::PeerNotice;
use crate::store::engine::postgres::reconnecting_session::{IDLE_TIMEOUT, ReconnectingSession};
use crate::store::engine::postgres::session::Session;
use crate::store::engine::sql::Connection;
use crate::store::engine::writer::{
    GroupCommit, admit, answer_all, answer_questions, keep_time, next_in_group, refuse_all,
};
use crate::store::engine::writer_meter::WriterMeter;
use crate::store::foreseen::Foreseen;
use crate::store::group_memory::GroupMemory;
use crate::store::tx::Tx;

/// The pause between two looks at the clock, so that a jump is logged when it happens. Questions do
/// not put them off.
const CLOCK_PAUSE: Duration = Duration::from_secs(1);
/// The longest search for the outcome of a commit. By its end the server has ended a transaction that was
/// left open when the connection was lost, and with it the lock.
const SEARCH_MAX: Duration = IDLE_TIMEOUT.saturating_add(Duration::from_secs(10));
/// The pause between two looks for the outcome.
const SEARCH_PAUSE: Duration = Duration::from_millis(200);

/// Begins a group. The version is read by its own statement after the lock is held, so it includes
/// a migration that committed while the group waited.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED;
    SELECT ledger_time, newest_number, commits, key_changes FROM file_mark FOR UPDATE;
    SELECT version FROM schema_identity";
/// Finds out if a group could begin, without a lock.
const LOOK: &str = "BEGIN; SELECT version FROM schema_identity; ROLLBACK";

/// The group commit of one process.
pub(crate) struct PostgresGroupCommit {
    pub(crate) session: ReconnectingSession,
    /// The number of this process among all.
    pub(crate) process: i64,
    /// The number of its commits.
    pub(crate) commits: i64,
    pub(crate) health: Arc<Health>,
    pub(crate) meter: Arc<WriterMeter>,
    pub(crate) clock: Arc<LedgerClock>,
    /// The ledger time of the newest mark of this process.
    pub(crate) marked_at: Timestamp,
    pub(crate) entropy: Box<dyn Entropy>,
    pub(crate) wakeups: Arc<DeliveryWakeups>,
    /// Raised when another process has changed a key.
    pub(crate) key_version: Arc<AtomicU64>,
    /// The content of the current group's notice to the other processes.
    pub(crate) notice: PeerNotice,
    /// The memory of the current group.
    pub(crate) memory: GroupMemory,
    /// The number of commits of all processes after which the memory is true, if it is.
    pub(crate) remembered_commits: Option<i64>,
    /// The most commands that share one commit.
    pub(crate) group_commands_max: usize,
    /// Set when a statement was refused after its command had been kept, so that the whole group
    /// failed. From then on the writer waits for the answers of each command before it runs the
    /// next, so that a refused statement fails only its own command.
    pub(crate) waits_for_each: bool,
}

/// The effect of one command on its group.
enum Ran {
    /// The command is part of the group, kept or undone.
    InGroup(CommandOutcome),
    /// A statement of the command was refused after the command had returned. It was undone.
    Failed(Error),
    /// The command found damage, on which the changes of the others could rest: the whole group is
    /// lost. The command gets this reply.
    Damaged(Result<(), Error>),
}

impl GroupCommit for PostgresGroupCommit {
    fn run(mut self, waiting: &Inbox) -> Result<(), Error> {
        let outcome = self.commit_groups(waiting);
        if let Err(error) = &outcome {
            self.health.end(error.clone());
        }
        outcome
    }
}

impl PostgresGroupCommit {
    /// Commits groups until the writer is told to stop.
    ///
    /// # Errors
    ///
    /// [`Error::Migrated`] when the database has another schema than this build.
    fn commit_groups(&mut self, waiting: &Inbox) -> Result<(), Error> {
        let mut now = Instant::now();
        let mut next_look = now + CLOCK_PAUSE;
        loop {
            match waiting.next_within(next_look.saturating_duration_since(now)) {
                Ok(WriterMessage::Run(first)) => {
                    if let Some(first) = admit(&self.clock, first)
                        && self.commit_group(first, waiting)?
                    {
                        return Ok(());
                    }
                }
                Ok(WriterMessage::Ask(first)) => {
                    let questions = waiting.with_questions_behind(first);
                    let looked = self.session.begin(|session| session.begin(LOOK).map(drop));
                    answer_questions(questions, &self.clock.check().and_then(|()| looked.clone()));
                    if let Err(migrated @ Error::Migrated { .. }) = looked {
                        return Err(migrated);
                    }
                }
                Ok(WriterMessage::Stop) | Err(RecvTimeoutError::Disconnected) => return Ok(()),
                Err(RecvTimeoutError::Timeout) => {}
            }
            now = Instant::now();
            if now >= next_look {
                if let Some(touch) = keep_time(&self.clock, &mut self.marked_at)
                    && self.commit_group(touch, waiting)?
                {
                    return Ok(());
                }
                now = Instant::now();
                next_look = now + CLOCK_PAUSE;
            }
        }
    }

    /// Runs and commits one group. Returns true if the writer must stop after it.
    ///
    /// # Errors
    ///
    /// [`Error::Migrated`] when the database has another schema than this build. The group is
    /// then refused.
    fn commit_group(&mut self, first: Box<dyn Command>, waiting: &Inbox) -> Result<bool, Error> {
        // Found by a read, an earlier group or another process, after this command began to wait.
        if let Some(damage) = self.health.damage() {
            return Ok(refuse_all(first, waiting, &damage));
        }
        let (session, commits) = match self.begin() {
            Ok(begun) => begun,
            Err(error) => {
                self.health.heed(&error);
                self.health.record(Err(error.clone()));
                let stop_after = refuse_all(first, waiting, &error);
                return match error {
                    Error::Migrated { .. } => Err(error),
                    _ => Ok(stop_after),
                };
            }
        };
        self.notice.clear();
        // It is true again when this group has ended well. A connection without changes may be a new
        // one, to a server on which other commits have the same number.
        let remembered = self.remembered_commits.take().filter(|_| session.changes() > 0);
        if remembered == Some(commits) {
            self.memory.clear_if_full();
        } else {
            self.memory.clear();
        }
        let changes_before = session.changes();
        let mut group: Vec<Box<dyn Command>> = Vec::with_capacity(self.group_commands_max);
        let mut next = VecDeque::from([first]);
        let mut stop_after = false;
        let mut is_any_kept = false;
        loop {
            while group.len() + next.len() < self.group_commands_max
                && let Some(command) = next_in_group(waiting, &self.clock, &mut stop_after)
            {
                next.push_back(command);
            }
            if next.is_empty() {
                break;
            }
            match self.run_all(&session, &mut next, &mut group) {
                Ok(is_kept) => is_any_kept |= is_kept,
                Err(error) => {
                    let error = self.refused(error);
                    self.health.record(Err(error.clone()));
                    group.extend(next);
                    answer_all(group, &Err(error));
                    return Ok(stop_after);
                }
            }
        }
        let is_changed = is_any_kept && (!session.gathering().is_empty() || session.changes() != changes_before);
        let outcome = if is_changed {
            self.commit_measured(session, group.len())
        } else {
            session.batch("ROLLBACK").map(|()| self.session.put(session))
        };
        if outcome.is_ok() {
            self.remembered_commits = Some(commits + i64::from(is_changed));
            self.wakeups.notify(&mut self.notice.merchants);
        }
        answer_all(group, &outcome);
        Ok(stop_after)
    }

    /// Begins a group, at a time not before that of any earlier commit. Returns the number of those.
    fn begin(&mut self) -> Result<(Session, i64), Error> {
        let row = self.session.begin(|session| session.begin(BEGIN))?;
        let mut session = self.session.take()?;
        session.begin_group();
        let number = |place: usize| row.get(place).copied().ok_or_else(no_mark);
        let last = Timestamp::from_millis(number(0)?).ok_or_else(no_mark)?;
        self.clock.go_on_from(last);
        self.entropy.start_after(number(1)?);
        // A new session may be one to another server, which counts otherwise.
        let key_changes = Some(number(3)?);
        if session.key_changes != key_changes {
            session.key_changes = key_changes;
            self.key_version.fetch_add(1, Ordering::Release);
        }
        Ok((session, number(2)?))
    }

    /// Runs these commands, and moves them into the group. Returns true if one is kept.
    ///
    /// # Errors
    ///
    /// The errors of [`PostgresGroupCommit::run_one`], or the damage that a command found, with which
    /// the whole group is lost. The commands that did not run are left.
    fn run_all(
        &mut self,
        session: &Session,
        commands: &mut VecDeque<Box<dyn Command>>,
        group: &mut Vec<Box<dyn Command>>,
    ) -> Result<bool, Error> {
        self.read_ahead(session, commands)?;
        let mut is_any_kept = false;
        while let Some(mut command) = commands.pop_front() {
            match self.run_one(session, command.as_mut()) {
                Ok(Ran::InGroup(outcome)) => {
                    is_any_kept |= outcome == CommandOutcome::Keep;
                    group.push(command);
                }
                Ok(Ran::Failed(error)) => command.answer(Err(error)),
                Ok(Ran::Damaged(reply)) => {
                    command.answer(reply);
                    return Err(self.health.damage().unwrap_or(Error::Abandoned));
                }
                Err(error) => {
                    group.push(command);
                    return Err(error);
                }
            }
        }
        Ok(is_any_kept)
    }

    /// Reads what these commands are known to need, in one round trip.
    fn read_ahead(&mut self, session: &Session, commands: &VecDeque<Box<dyn Command>>) -> Result<(), Error> {
        let foreseen: Vec<&Foreseen> = commands.iter().filter_map(|command| command.foreseen()).collect();
        if foreseen.is_empty() {
            return Ok(());
        }
        let connection = Connection::Postgres(session);
        let tx = Tx::of(connection, self.clock.now(), self.entropy.as_mut(), &mut self.memory);
        tx.read_ahead(&foreseen)
    }

    /// Runs one command in a savepoint of its own. Does not wait until the command's last statements
    /// are answered, unless a statement was refused in an earlier group.
    ///
    /// # Errors
    ///
    /// The error with which the whole group is lost: of the connection, or of a statement of an
    /// earlier command of the group, which no correct command has.
    fn run_one(&mut self, session: &Session, command: &mut dyn Command) -> Result<Ran, Error> {
        let connection = Connection::Postgres(session);
        let mut tx = Tx::of(connection, self.clock.now(), self.entropy.as_mut(), &mut self.memory);
        session.begin_command();
        let outcome = panic::catch_unwind(AssertUnwindSafe(|| command.run(&mut tx))).unwrap_or(CommandOutcome::Undo);
        if let Some(error) = session.failure() {
            self.note_failure(session);
            return Err(error);
        }
        if let Some(error) = command.failure().filter(|error| error.is_damage()) {
            self.health.heed(error);
            return Ok(Ran::Damaged(Ok(())));
        }
        if outcome == CommandOutcome::Undo {
            session.undo_command()?;
            return Ok(Ran::InGroup(outcome));
        }
        if !self.waits_for_each {
            session.keep_command()?;
        } else if let Err(error) = session.keep_answered_command() {
            if error.is_damage() {
                self.health.heed(&error);
                return Ok(Ran::Damaged(Err(error)));
            }
            session.undo_command()?;
            return Ok(Ran::Failed(error));
        }
        tx.keep();
        self.notice.merchants.append(&mut tx.state.new_deliveries);
        self.notice.moved_clocks.append(&mut tx.state.moved_clocks);
        self.notice.has_key_change |= tx.state.has_key_change;
        Ok(Ran::InGroup(outcome))
    }

    /// Makes the writer wait for the answers of each command from now on, if a statement of a kept
    /// command was refused.
    fn note_failure(&mut self, session: &Session) {
        self.waits_for_each |= session.failure().is_some() && !session.is_lost();
    }

    /// Writes what the commands of the group have left to its end.
    fn save_rest(&mut self, session: &Session) -> Result<(), Error> {
        let connection = Connection::Postgres(session);
        let now = self.clock.now();
        let mut tx = Tx::of(connection, now, self.entropy.as_mut(), &mut self.memory);
        tx.save_merchants()?;
        tx.keep();
        session.send_gathered()?;
        session.await_outcomes()
    }

    /// Commits a group of this many commands, and keeps its outcome and its time.
    fn commit_measured(&mut self, session: Session, commands: usize) -> Result<(), Error> {
        let began = Instant::now();
        let commit = self.commit(session);
        self.meter.observe_commit(began.elapsed(), commands);
        self.health.record(commit.clone());
        commit
    }

    fn commit(&mut self, mut session: Session) -> Result<(), Error> {
        let saved = self.save_rest(&session);
        self.note_failure(&session);
        saved.map_err(|error| self.refused(error))?;
        self.commits += 1;
        self.marked_at = self.clock.now();
        let changed_keys = i64::from(self.notice.has_key_change);
        let sql = format!(
            "UPDATE file_mark
                 SET commits = commits + 1, ledger_time = greatest(ledger_time, {now}), newest_number = {newest},
                     key_changes = key_changes + {changed_keys},
                     newest_transfer = greatest(newest_transfer, (SELECT coalesce(max(id), 0) FROM transfer));
             INSERT INTO process_commit (process, number) VALUES ({process}, {number})
                 ON CONFLICT (process) DO UPDATE SET number = excluded.number, committed_at = now();
             {notices} COMMIT",
            now = self.marked_at.millis(),
            newest = self.entropy.newest(),
            process = self.process,
            number = self.commits,
            notices = self.notice.statements(self.process),
        );
        // It waits for a synchronous standby, for any time.
        match session.client().without_limit(|| session.batch(&sql)) {
            Ok(()) => {
                // Those who change keys here drop what is remembered of them themselves.
                session.key_changes = session.key_changes.map(|changes| changes + changed_keys);
                self.session.put(session);
                Ok(())
            }
            // Dropping the session ends its transaction.
            Err(Error::Unreachable(cause)) => self.find_outcome(&cause),
            Err(error) => Err(self.refused(error)),
        }
    }

    /// Returns the error of all commands of a group that cannot be committed for this reason.
    fn refused(&self, error: Error) -> Error {
        self.health.heed(&error);
        // `Health::record` logs once that the disk is full.
        if !matches!(error, Error::StorageFull) {
            log::error!("a commit was refused: {error}");
        }
        match error {
            Error::StorageFull | Error::Unreachable(_) => error,
            _ => self.health.damage().unwrap_or(Error::Abandoned),
        }
    }

    /// Finds out if the commit whose connection was lost took effect.
    fn find_outcome(&mut self, cause: &str) -> Result<(), Error> {
        log::warn!("the connection was lost at a commit, its outcome is looked up: {cause}");
        let until = Instant::now() + SEARCH_MAX;
        loop {
            match self.look_up_commit() {
                Ok(true) => return Ok(()),
                Ok(false) => return Err(Error::Unreachable(cause.to_owned())),
                Err(error) if Instant::now() >= until => {
                    log::error!("the outcome of a commit is unknown: {error}");
                    return Err(Error::OutcomeUnknown(error.to_string()));
                }
                Err(_) => thread::sleep(SEARCH_PAUSE),
            }
        }
    }

    /// Returns true if this process's last commit is in the database. The lock is free only
    /// when the lost transaction has ended, and the commit here waits for a synchronous standby
    /// to have that one too.
    fn look_up_commit(&mut self) -> Result<bool, Error> {
        self.session.begin(|session| {
            session.rolled_back_after(session.batch("BEGIN; SELECT commits FROM file_mark FOR UPDATE"))
        })?;
        let session = self.session.take()?;
        let sql = format!(
            "UPDATE process_commit SET committed_at = now() WHERE process = {} RETURNING number",
            self.process
        );
        let found = session.numbers(&sql)?.first().copied();
        session.client().without_limit(|| session.batch("COMMIT"))?;
        self.session.put(session);
        Ok(found == Some(self.commits))
    }
}

fn no_mark() -> Error {
    Error::Corrupt("the mark of the database is missing".to_owned())
}
