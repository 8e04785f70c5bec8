//! Group commit on a database file: one thread owns the one writing connection.

use std::mem;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode};

use crate::domain::ids::{Entropy, MerchantId};
use crate::domain::time::Timestamp;
use crate::store::engine::command::{Command, CommandOutcome};
use crate::store::engine::delivery_wakeups::DeliveryWakeups;
use crate::store::engine::error::Error;
use crate::store::engine::health::Health;
use crate::store::engine::inbox::{Inbox, Question, WriterMessage};
use crate::store::engine::ledger_clock::LedgerClock;
use crate::store::engine::sqlite::checkpoints::Checkpoints;
use crate::store::engine::sqlite::log_sync::{AfterSync, LogSync};
use crate::store::engine::sqlite::mark;
use crate::store::engine::sqlite::readers::Readers;
use crate::store::engine::sqlite::vacuum::Vacuum;
use crate::store::engine::sqlite::watch::FileWatch;
use crate::store::engine::writer::{
    GroupCommit, admit, answer_all, answer_questions, keep_time, next_in_group, refuse_all,
};
use crate::store::engine::writer_meter::WriterMeter;
use crate::store::group_memory::GroupMemory;
use crate::store::tx::Tx;

/// The pause after the last command before the writer moves the log into the file, and
/// between the steps of that.
const IDLE_PAUSE: Duration = Duration::from_millis(100);
/// The number of commands with which a group is committed as soon as the commit before it is durable.
/// If it took all that wait, their replies would leave together, and the requests that follow them
/// would keep the writer from its core while the others have no work.
const COMMANDS_WORTH_A_SYNC: usize = 24;
/// The pause between two looks at the files and the clock. Questions do not put them off, nor do
/// commands that are refused.
const WATCH_PAUSE: Duration = Duration::from_secs(1);

/// The effect of one command on its group.
enum Ran {
    /// The command is part of the group, kept or undone.
    InGroup(CommandOutcome),
    /// The whole group is rolled back. SQLite does so if the disk is full or failing, and the
    /// writer if the command found damage.
    GroupLost(LossReply),
}

/// The reply to the command with which its group was lost.
enum LossReply {
    /// The error with which the command ended.
    OwnError,
    /// An error of the store.
    StoreError(Error),
}

/// The addition of a group to the log.
enum Written {
    Nothing,
    Commit,
}

/// The group commit of a database file.
pub(crate) struct FileGroupCommit {
    pub(crate) connection: Connection,
    pub(crate) readers: Arc<Readers>,
    pub(crate) checkpoints: Checkpoints,
    /// Syncs the log after each commit. `None` if commits do not wait for the disk.
    pub(crate) log_sync: Option<LogSync>,
    pub(crate) watch: FileWatch,
    pub(crate) health: Arc<Health>,
    pub(crate) meter: Arc<WriterMeter>,
    pub(crate) clock: Arc<LedgerClock>,
    pub(crate) entropy: Box<dyn Entropy>,
    /// The mark in the file is of this start.
    pub(crate) has_generation: bool,
    /// The ledger time of the newest mark.
    pub(crate) marked_at: Timestamp,
    /// Wakes the webhook deliverer after a commit.
    pub(crate) wakeups: Arc<DeliveryWakeups>,
    /// The merchants for whom the current group has added deliveries.
    pub(crate) merchants_to_wake: Vec<MerchantId>,
    /// The memory of the current group.
    pub(crate) memory: GroupMemory,
    /// The most commands that share one commit.
    pub(crate) group_commands_max: usize,
    /// Gives free pages back while no command waits.
    pub(crate) vacuum: Vacuum,
}

impl GroupCommit for FileGroupCommit {
    fn run(mut self, waiting: &Inbox) -> Result<(), Error> {
        let outcome = self.commit_groups(waiting).and_then(|()| self.finish_sync());
        if let Err(error) = &outcome {
            // Sends the replies of the group before.
            drop(self.finish_sync());
            if matches!(error, Error::FileGone(_)) {
                self.health.end(error.clone());
            }
            // Closing the last connection would copy the log into the file, which can no
            // longer be trusted, and then remove the log. Leaking this connection keeps
            // the log for the next start.
            drop(self.roll_back());
            mem::forget(self.connection);
            return outcome;
        }
        self.readers.keep_nothing();
        // If this fails nothing is lost: the next start reads the log.
        if let Err(problem) = self.checkpoints.close(&self.connection, &self.readers) {
            log::warn!("last checkpoint failed, keep the -wal file with the database: {problem}");
            if matches!(problem, Error::DiskFailed(_)) {
                // As above.
                mem::forget(self.connection);
            }
        }
        Ok(())
    }
}

impl FileGroupCommit {
    /// Commits groups until the writer is told to stop. Work that could hold up commands is left to
    /// times without them.
    fn commit_groups(&mut self, waiting: &Inbox) -> Result<(), Error> {
        let mut now = Instant::now();
        let (mut next_look, mut next_work) = (now + WATCH_PAUSE, now + self.pause_before_work());
        loop {
            let message = if let Some(message) = waiting.next() {
                Ok(message)
            } else {
                self.finish_sync()?;
                waiting.next_within(next_look.min(next_work).saturating_duration_since(Instant::now()))
            };
            let is_command = matches!(message, Ok(WriterMessage::Run(_)));
            match message {
                Ok(WriterMessage::Run(first)) => {
                    if let Some(first) = admit(&self.clock, first) {
                        if self.commit_group(first, waiting)? {
                            return Ok(());
                        }
                    } else {
                        self.look_at_files()?;
                    }
                }
                Ok(WriterMessage::Ask(first)) => self.answer(waiting.with_questions_behind(first)),
                Ok(WriterMessage::Stop) | Err(RecvTimeoutError::Disconnected) => return Ok(()),
                Err(RecvTimeoutError::Timeout) => {}
            }
            now = Instant::now();
            let is_idle = !is_command && now >= next_work;
            if is_idle || now >= next_look {
                self.finish_sync()?;
                self.look_at_files()?;
                if let Some(touch) = keep_time(&self.clock, &mut self.marked_at)
                    && self.commit_group(touch, waiting)?
                {
                    return Ok(());
                }
                if is_idle {
                    self.checkpoints.while_idle(&self.connection, &self.readers)?;
                    self.vacuum_while_idle()?;
                }
                now = Instant::now();
                next_look = now + WATCH_PAUSE;
            }
            if is_command || is_idle {
                next_work = now + self.pause_before_work();
            }
        }
    }

    /// Returns the time without a command after which the writer does work that is left to such times.
    const fn pause_before_work(&self) -> Duration {
        if self.checkpoints.is_checkpointed() {
            WATCH_PAUSE
        } else {
            IDLE_PAUSE
        }
    }

    /// Answers these questions by beginning a transaction, which changes nothing.
    fn answer(&self, questions: Vec<Question>) {
        let can_run = self.clock.check();
        let can_begin = can_run.and_then(|()| self.execute("BEGIN IMMEDIATE"));
        let can_begin = can_begin.and_then(|()| self.roll_back());
        answer_questions(questions, &can_begin.inspect_err(|error| self.health.heed(error)));
    }

    /// Begins the transaction of a group. Until its end no other program can empty the log.
    fn begin_group(&mut self) -> Result<(), Error> {
        loop {
            self.execute("BEGIN IMMEDIATE")?;
            if self.is_log_whole() {
                return Ok(());
            }
            self.roll_back()?;
            self.check_log()?;
        }
    }

    /// Runs and commits one group. Returns `Ok(true)` if the writer must stop after it.
    ///
    /// # Errors
    ///
    /// Fails when the file can no longer be trusted.
    fn commit_group(&mut self, first: Box<dyn Command>, waiting: &Inbox) -> Result<bool, Error> {
        if let Err(error) = self.look_at_files() {
            refuse_all(first, waiting, &error);
            return Err(error);
        }
        // Found by a read, a checkpoint or an earlier group, after this command began to wait.
        if let Some(damage) = self.health.damage() {
            return Ok(refuse_all(first, waiting, &damage));
        }
        match self.begin_group() {
            Ok(()) => {}
            Err(error @ (Error::FileGone(_) | Error::DiskFailed(_))) => {
                refuse_all(first, waiting, &error);
                return Err(error);
            }
            Err(error) => {
                self.health.heed(&error);
                return Ok(refuse_all(first, waiting, &error));
            }
        }
        let changes_before = self.connection.total_changes();
        self.merchants_to_wake.clear();
        self.memory.clear();
        let mut group: Vec<Box<dyn Command>> = Vec::with_capacity(self.group_commands_max);
        let mut next = Some(first);
        let mut stop_after = false;
        let mut is_any_kept = false;
        while let Some(mut command) = next.take() {
            match self.run_one(command.as_mut()) {
                Ran::InGroup(outcome) => is_any_kept |= outcome == CommandOutcome::Keep,
                Ran::GroupLost(reply) => {
                    let rolled_back = self.roll_back();
                    // The error of a command may rest on the commit before.
                    if let Err(error) = self.finish_sync() {
                        group.push(command);
                        answer_all(group, &Err(error.clone()));
                        return Err(error);
                    }
                    // The changes of the others could rest on the damage.
                    let of_others = self.health.damage().unwrap_or(Error::Abandoned);
                    let (of_group, answer) = match reply {
                        LossReply::OwnError => (of_others.clone(), Ok(())),
                        LossReply::StoreError(error) => (error.clone(), Err(error)),
                    };
                    self.health.record(Err(of_group));
                    command.answer(answer);
                    answer_all(group, &Err(of_others));
                    return rolled_back.map(|()| stop_after);
                }
            }
            group.push(command);
            match self.next_in_group(&group, waiting, &mut stop_after) {
                Ok(command) => next = command,
                Err(error) => {
                    answer_all(group, &Err(error.clone()));
                    return Err(error);
                }
            }
        }
        let began = Instant::now();
        // A group of refusals has nothing to write and does not touch the disk.
        let commit = if is_any_kept {
            self.commit(changes_before)
        } else {
            self.roll_back().map(|()| Written::Nothing)
        };
        let outcome = commit.as_ref().map(drop).map_err(Error::clone);
        let after_sync = self.after_sync(group, is_any_kept.then_some(began));
        match (&commit, &mut self.log_sync) {
            (Ok(Written::Commit), Some(log_sync)) => log_sync.begin(after_sync),
            _ => after_sync(outcome.clone()),
        }
        match outcome {
            Ok(()) if is_any_kept => {
                self.vacuum.after_commit();
                let checkpointed = self.checkpoints.after_commit(&self.connection, &self.readers);
                checkpointed.map(|()| stop_after)
            }
            Ok(()) | Err(Error::StorageFull | Error::Abandoned) => Ok(stop_after),
            Err(error) => Err(error),
        }
    }

    /// Returns the next command of a group that has these. `None` ends the group, and the commit
    /// before it is durable then.
    ///
    /// # Errors
    ///
    /// [`Error::OutcomeUnknown`] if that sync failed.
    fn next_in_group(
        &mut self,
        group: &[Box<dyn Command>],
        waiting: &Inbox,
        stop_after: &mut bool,
    ) -> Result<Option<Box<dyn Command>>, Error> {
        let is_syncing = self.is_syncing()?;
        if self.log_sync.is_some() && !is_syncing && group.len() >= COMMANDS_WORTH_A_SYNC {
            return Ok(None);
        }
        let next = self.next_waiting(group, waiting, stop_after);
        if next.is_some() || !is_syncing {
            return Ok(next);
        }
        self.finish_sync()?;
        // Those that have arrived meanwhile.
        Ok(self.next_waiting(group, waiting, stop_after))
    }

    /// Returns the next command that is waiting, if the group has room for it.
    fn next_waiting(
        &self,
        group: &[Box<dyn Command>],
        waiting: &Inbox,
        stop_after: &mut bool,
    ) -> Option<Box<dyn Command>> {
        (group.len() < self.group_commands_max)
            .then(|| next_in_group(waiting, &self.clock, stop_after))
            .flatten()
    }

    /// Returns the work after the commit of a group: to keep its outcome, to wake those who wait for
    /// commits, and to send the replies. The commit began at this time, if the group has one.
    fn after_sync(&mut self, group: Vec<Box<dyn Command>>, began: Option<Instant>) -> AfterSync {
        let mut merchants = mem::take(&mut self.merchants_to_wake);
        let (health, meter, wakeups) = (
            Arc::clone(&self.health),
            Arc::clone(&self.meter),
            Arc::clone(&self.wakeups),
        );
        Box::new(move |outcome| {
            if let Some(began) = began {
                meter.observe_commit(began.elapsed(), group.len());
                health.record(outcome.clone());
            }
            if outcome.is_ok() {
                wakeups.notify(&mut merchants);
            }
            answer_all(group, &outcome);
        })
    }

    fn is_syncing(&mut self) -> Result<bool, Error> {
        self.log_sync.as_mut().map_or(Ok(false), LogSync::is_under_way)
    }

    /// Waits until the last commit is durable.
    ///
    /// # Errors
    ///
    /// [`Error::OutcomeUnknown`] if it may not be.
    fn finish_sync(&mut self) -> Result<(), Error> {
        self.log_sync.as_mut().map_or(Ok(()), LogSync::finish)
    }

    /// Runs one command in its savepoint. Damage that it finds ends all writes.
    fn run_one(&mut self, command: &mut dyn Command) -> Ran {
        let ran = self.run_in_savepoint(command);
        if let Ran::GroupLost(LossReply::StoreError(error)) = &ran {
            self.health.heed(error);
        }
        match command.failure() {
            Some(error) if error.is_damage() => {
                self.health.heed(error);
                Ran::GroupLost(LossReply::OwnError)
            }
            _ => ran,
        }
    }

    fn run_in_savepoint(&mut self, command: &mut dyn Command) -> Ran {
        if let Err(error) = self.execute("SAVEPOINT command") {
            return Ran::GroupLost(LossReply::StoreError(error));
        }
        let mut tx = Tx::on(
            &self.connection,
            self.clock.now(),
            self.entropy.as_mut(),
            &mut self.memory,
        );
        let outcome = panic::catch_unwind(AssertUnwindSafe(|| command.run(&mut tx))).unwrap_or(CommandOutcome::Undo);
        if outcome == CommandOutcome::Keep {
            tx.keep();
            self.merchants_to_wake.append(&mut tx.state.new_deliveries);
        }
        if self.connection.is_autocommit() {
            return Ran::GroupLost(match outcome {
                CommandOutcome::Undo => LossReply::OwnError,
                CommandOutcome::Keep => LossReply::StoreError(Error::Abandoned),
            });
        }
        let undone = if outcome == CommandOutcome::Undo {
            self.execute("ROLLBACK TO command")
        } else {
            Ok(())
        };
        match undone.and_then(|()| self.execute("RELEASE command")) {
            Ok(()) => Ran::InGroup(outcome),
            Err(error) => Ran::GroupLost(LossReply::StoreError(error)),
        }
    }

    /// Commits the group. One that has changed nothing leaves the mark as it is, and is not
    /// written to the log.
    fn commit(&mut self, changes_before: u64) -> Result<Written, Error> {
        let is_changed = self.connection.total_changes() != changes_before;
        let begins_generation = is_changed && !self.has_generation;
        let is_open = is_changed && self.checkpoints.needs_open_mark();
        if is_changed && let Err(error) = self.end_group(begins_generation, is_open) {
            self.health.heed(&error);
            let error = match error {
                Error::StorageFull => error,
                _ => Error::Abandoned,
            };
            return self.roll_back().and(Err(error));
        }
        if is_changed && let Err(error) = self.check_log_of_group() {
            self.roll_back()?;
            return Err(error);
        }
        let log_sync = self.log_sync.as_ref().filter(|_| is_changed);
        log_sync.inspect(|log_sync| log_sync.prepare());
        let commit = || self.connection.prepare_cached("COMMIT")?.execute([]);
        if let Err(error) = self.readers.commit_with(commit) {
            if error.sqlite_error_code() == Some(ErrorCode::DiskFull) && self.roll_back().is_ok() {
                log_sync.inspect(|log_sync| log_sync.cancel());
                return Err(Error::StorageFull);
            }
            return Err(Error::OutcomeUnknown(error.to_string()));
        }
        self.has_generation |= begins_generation;
        if is_open {
            self.checkpoints.arm(&self.connection, &self.readers)?;
        }
        Ok(if is_changed { Written::Commit } else { Written::Nothing })
    }

    /// Writes what the commands of the group have changed in its memory alone, and the mark.
    fn end_group(&mut self, begins_generation: bool, is_open: bool) -> Result<(), Error> {
        let (connection, now) = (&self.connection, self.clock.now());
        Tx::on(connection, now, self.entropy.as_mut(), &mut self.memory).save_merchants()?;
        Ok(self.count_mark(begins_generation, is_open)?)
    }

    /// Counts the mark up in the group's transaction, for the first time after a start in a
    /// new generation.
    fn count_mark(&mut self, begins_generation: bool, is_open: bool) -> rusqlite::Result<()> {
        self.marked_at = self.clock.now();
        if begins_generation {
            let generation = self.entropy.random_number();
            let cookie = mark::random_cookie(self.entropy.as_mut());
            mark::begin_generation(&self.connection, generation, cookie)?;
        }
        mark::count_at(&self.connection, is_open, self.marked_at)
    }

    /// Rolls back the group, unless SQLite has done so. If the rollback fails, the
    /// connection is unusable.
    fn roll_back(&self) -> Result<(), Error> {
        if self.connection.is_autocommit() {
            Ok(())
        } else {
            self.execute("ROLLBACK")
        }
    }

    fn execute(&self, sql: &str) -> Result<(), Error> {
        self.connection.prepare_cached(sql)?.execute([])?;
        Ok(())
    }
}
