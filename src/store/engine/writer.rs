//! Group commit: one thread owns the one writing connection.
//!
//! The thread takes the commands that are waiting, up to a bound and without a timer. It
//! runs each command in its own savepoint, commits once for all of them, and only then
//! sends the replies. Refusals wait for the commit too, since they may rest on an earlier
//! command of the same group.

use std::mem;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};

use rusqlite::{Connection, ErrorCode};
use tokio::sync::oneshot;

use crate::domain::ids::{Entropy, MerchantId};
use crate::domain::ledger;
use crate::domain::time::{Clock, Timestamp};
use crate::store::engine::checkpoints::Checkpoints;
use crate::store::engine::delivery_wakeups::DeliveryWakeups;
use crate::store::engine::error::Error;
use crate::store::engine::readers::Readers;
use crate::store::tx::Tx;

/// The decision on a command's changes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum CommandOutcome {
    Keep,
    Undo,
}

/// The effect of one command on its group.
enum Ran {
    /// The command is part of the group, kept or undone.
    InGroup(CommandOutcome),
    /// SQLite rolled back the whole group, which it does if the disk is full or failing.
    /// Answers the command with this error or, for `Ok`, with its own refusal.
    GroupLost(Result<(), Error>),
}

/// A command in the writer's queue.
trait Command: Send {
    /// Runs the command. The writer has opened its savepoint.
    fn run(&mut self, tx: &mut Tx<'_>) -> CommandOutcome;

    /// Sends the reply after the commit, or the error if the commit failed.
    fn answer(self: Box<Self>, commit: Result<(), Error>);
}

/// A command with the channel for its reply.
struct Waiting<F, T, E> {
    work: Option<F>,
    outcome: Option<Result<T, E>>,
    reply: oneshot::Sender<Result<T, E>>,
}

impl<F, T, E> Command for Waiting<F, T, E>
where
    F: FnOnce(&mut Tx<'_>) -> Result<T, E> + Send,
    T: Send,
    E: From<Error> + Send,
{
    fn run(&mut self, tx: &mut Tx<'_>) -> CommandOutcome {
        let Some(work) = self.work.take() else {
            return CommandOutcome::Undo;
        };
        let outcome = self.outcome.insert(work(tx));
        if outcome.is_ok() {
            CommandOutcome::Keep
        } else {
            CommandOutcome::Undo
        }
    }

    fn answer(self: Box<Self>, commit: Result<(), Error>) {
        let answer = match (commit, self.outcome) {
            (Ok(()), Some(outcome)) => outcome,
            (Ok(()), None) => Err(Error::Panicked.into()),
            (Err(error), _) => Err(error.into()),
        };
        // Sending fails if the caller has stopped waiting. The commit remains valid.
        drop(self.reply.send(answer));
    }
}

enum Message {
    Run(Box<dyn Command>),
    Stop,
}

/// The queue to the writer thread.
pub(crate) struct Writer {
    queue: SyncSender<Message>,
}

/// The writer thread, for joining it.
pub(crate) type WriterThread = JoinHandle<()>;

impl Writer {
    /// Starts the thread. It ends after [`Writer::stop`], or by itself when the file can
    /// no longer be trusted. In both cases it reports to `ended`.
    pub(crate) fn start(
        group_commit: GroupCommit,
        queue_commands_max: usize,
        ended: oneshot::Sender<Result<(), Error>>,
    ) -> std::io::Result<(Self, WriterThread)> {
        let (queue, waiting) = sync_channel(queue_commands_max);
        let thread = thread::Builder::new().name("writer".to_owned()).spawn(move || {
            let outcome = group_commit.run(&waiting);
            if let Err(error) = &outcome {
                log::error!("writer stopped, no more writes until a restart: {error}");
            }
            drop(waiting);
            // The receiver is gone only when the whole store is dropped.
            drop(ended.send(outcome));
        })?;
        Ok((Self { queue }, thread))
    }

    /// Runs a command on the writer thread and waits until it is durable. The command
    /// runs even if the caller stops waiting.
    ///
    /// # Errors
    ///
    /// [`Error::QueueFull`] and [`Error::Stopped`] when the command did not run, other
    /// errors of the store when its group failed, or the command's own error.
    pub(crate) async fn submit<T, E>(
        &self,
        work: impl FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let command = Box::new(Waiting {
            work: Some(work),
            outcome: None,
            reply,
        });
        self.queue
            .try_send(Message::Run(command))
            .map_err(|refused| match refused {
                TrySendError::Full(_) => Error::QueueFull,
                TrySendError::Disconnected(_) => Error::Stopped,
            })?;
        answer.await.unwrap_or_else(|_| Err(Error::Stopped.into()))
    }

    /// Lets the commands already waiting finish, then ends the thread.
    pub(crate) fn stop(&self) {
        // Sending fails only if the thread has already ended.
        drop(self.queue.send(Message::Stop));
    }
}

/// Takes commands in groups and ends each group with one commit.
pub(crate) struct GroupCommit {
    pub(crate) connection: Connection,
    pub(crate) readers: Arc<Readers>,
    pub(crate) checkpoints: Checkpoints,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Box<dyn Entropy>,
    /// The ledger time of the newest command, in milliseconds.
    pub(crate) ledger_time: Arc<AtomicI64>,
    /// Wakes the webhook deliverer after a commit.
    pub(crate) wakeups: Arc<DeliveryWakeups>,
    /// The merchants for whom the current group has added deliveries.
    pub(crate) merchants_to_wake: Vec<MerchantId>,
    /// The most commands that share one commit.
    pub(crate) group_commands_max: usize,
}

impl GroupCommit {
    fn run(mut self, waiting: &Receiver<Message>) -> Result<(), Error> {
        let outcome = self.commit_groups(waiting);
        if outcome.is_err() {
            // Closing the last connection would copy the log into the file, which can no
            // longer be trusted, and then remove the log. Leaking this connection keeps
            // the log for the next start.
            drop(self.roll_back());
            mem::forget(self.connection);
            return outcome;
        }
        drop(self.checkpoints);
        self.readers.keep_nothing();
        // Copies the log into the file, which is then complete by itself. If this fails
        // nothing is lost: the next start reads the log.
        let checkpoint = self
            .connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        if let Err(error) = checkpoint {
            log::warn!("last checkpoint failed, keep the -wal file with the database: {error}");
        }
        Ok(())
    }

    fn commit_groups(&mut self, waiting: &Receiver<Message>) -> Result<(), Error> {
        while let Ok(Message::Run(first)) = waiting.recv() {
            let stop_after = self.commit_group(first, waiting)?;
            if stop_after {
                break;
            }
        }
        Ok(())
    }

    /// Runs and commits one group. Returns `Ok(true)` if the writer must stop after it.
    ///
    /// # Errors
    ///
    /// Fails when the file can no longer be trusted.
    fn commit_group(&mut self, first: Box<dyn Command>, waiting: &Receiver<Message>) -> Result<bool, Error> {
        if let Err(error) = self.execute("BEGIN IMMEDIATE") {
            return Ok(refuse_all(first, waiting, &error));
        }
        self.merchants_to_wake.clear();
        let mut group: Vec<Box<dyn Command>> = Vec::with_capacity(self.group_commands_max);
        let mut next = Some(first);
        let mut stop_after = false;
        let mut is_any_kept = false;
        while let Some(mut command) = next.take() {
            match self.run_one(command.as_mut()) {
                Ran::InGroup(outcome) => is_any_kept |= outcome == CommandOutcome::Keep,
                Ran::GroupLost(answer) => {
                    let rolled_back = self.roll_back();
                    command.answer(answer);
                    answer_all(group, &Err(Error::Abandoned));
                    return rolled_back.map(|()| stop_after);
                }
            }
            group.push(command);
            if group.len() < self.group_commands_max {
                match waiting.try_recv() {
                    Ok(Message::Run(command)) => next = Some(command),
                    Ok(Message::Stop) => stop_after = true,
                    Err(_) => {}
                }
            }
        }
        // A group of refusals has nothing to write and does not touch the disk.
        let commit = if is_any_kept { self.commit() } else { self.roll_back() };
        if commit.is_ok() {
            self.wakeups.notify(&mut self.merchants_to_wake);
        }
        answer_all(group, &commit);
        match commit {
            Ok(()) if is_any_kept => {
                let checkpointed = self.checkpoints.after_commit(&self.connection, &self.readers);
                checkpointed.map(|()| stop_after)
            }
            Ok(()) | Err(Error::StorageFull) => Ok(stop_after),
            Err(error) => Err(error),
        }
    }

    /// Runs one command in its savepoint.
    fn run_one(&mut self, command: &mut dyn Command) -> Ran {
        if let Err(error) = self.execute("SAVEPOINT command") {
            return Ran::GroupLost(Err(error));
        }
        let newest = Timestamp::from_millis(self.ledger_time.load(Ordering::SeqCst));
        let now = ledger::not_before(newest, self.clock.now());
        self.ledger_time.store(now.millis(), Ordering::SeqCst);
        let mut tx = Tx::on(&self.connection, now, self.entropy.as_mut());
        let outcome = panic::catch_unwind(AssertUnwindSafe(|| command.run(&mut tx))).unwrap_or(CommandOutcome::Undo);
        if outcome == CommandOutcome::Keep {
            self.merchants_to_wake.append(&mut tx.new_deliveries);
        }
        if self.connection.is_autocommit() {
            let is_refused = outcome == CommandOutcome::Undo;
            return Ran::GroupLost(if is_refused { Ok(()) } else { Err(Error::Abandoned) });
        }
        let undone = if outcome == CommandOutcome::Undo {
            self.execute("ROLLBACK TO command")
        } else {
            Ok(())
        };
        match undone.and_then(|()| self.execute("RELEASE command")) {
            Ok(()) => Ran::InGroup(outcome),
            Err(error) => Ran::GroupLost(Err(error)),
        }
    }

    fn commit(&self) -> Result<(), Error> {
        let commit = || self.connection.prepare_cached("COMMIT")?.execute([]);
        let Err(error) = self.readers.commit_with(commit) else {
            return Ok(());
        };
        if error.sqlite_error_code() == Some(ErrorCode::DiskFull) && self.roll_back().is_ok() {
            return Err(Error::StorageFull);
        }
        Err(Error::OutcomeUnknown(Arc::new(error)))
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

/// Answers this command and all waiting commands with the error that kept the group from
/// beginning. Otherwise each of them would wait for the same timeout, one after another.
/// Returns true if the writer must stop.
fn refuse_all(first: Box<dyn Command>, waiting: &Receiver<Message>, error: &Error) -> bool {
    let behind: Vec<Message> = waiting.try_iter().collect();
    first.answer(Err(error.clone()));
    let mut stop_after = false;
    for message in behind {
        match message {
            Message::Run(command) => command.answer(Err(error.clone())),
            Message::Stop => stop_after = true,
        }
    }
    stop_after
}

fn answer_all(group: Vec<Box<dyn Command>>, commit: &Result<(), Error>) {
    for command in group {
        command.answer(commit.clone());
    }
}
