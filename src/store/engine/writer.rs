//! Group commit: one thread owns the one writing connection.
//!
//! It takes the commands that are waiting, up to a bound and without a timer,
//! runs each in a savepoint of its own, commits once for all of them, and only
//! then lets each reply go. It knows no escrow. Refusals wait for the commit
//! too, since they may rest on an earlier command of the same group.

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
use crate::store::engine::error::Error;
use crate::store::engine::new_deliveries::NewDeliveries;
use crate::store::engine::readers::Readers;
use crate::store::tx::Tx;

/// Whether a command's changes stand.
#[derive(Clone, Copy, PartialEq, Eq)]
enum JobOutcome {
    Keep,
    Undo,
}

/// What running a command did to its group.
enum Ran {
    /// It is part of the group, kept or undone.
    InGroup(JobOutcome),
    /// SQLite gave the whole group up, which it does when the disk is full or
    /// failing. With it, what to answer the command: `Ok` lets its own refusal go.
    GroupLost(Result<(), Error>),
}

/// A command on its way through the writer.
trait Command: Send {
    /// Runs it, in its savepoint.
    fn run(&mut self, tx: &mut Tx<'_>) -> JobOutcome;

    /// Answers whoever waits, after the commit; `Err` when it did not happen.
    fn answer(self: Box<Self>, commit: Result<(), Error>);
}

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
    fn run(&mut self, tx: &mut Tx<'_>) -> JobOutcome {
        let Some(work) = self.work.take() else {
            return JobOutcome::Undo;
        };
        let outcome = work(tx);
        let is_unrecorded = outcome.is_ok() && tx.has_unrecorded_events();
        let outcome = self.outcome.insert(if is_unrecorded {
            Err(Error::UnrecordedEvents.into())
        } else {
            outcome
        });
        if outcome.is_ok() {
            JobOutcome::Keep
        } else {
            JobOutcome::Undo
        }
    }

    fn answer(self: Box<Self>, commit: Result<(), Error>) {
        let answer = match (commit, self.outcome) {
            (Ok(()), Some(outcome)) => outcome,
            (Ok(()), None) => Err(Error::Panicked.into()),
            (Err(error), _) => Err(error.into()),
        };
        // Whoever asked may have gone away; what was committed stays committed.
        drop(self.reply.send(answer));
    }
}

enum Message {
    Run(Box<dyn Command>),
    Stop,
}

/// The way to the writer thread.
pub(crate) struct Writer {
    queue: SyncSender<Message>,
}

/// The writer thread itself, to wait for.
pub(crate) type WriterThread = JoinHandle<()>;

impl Writer {
    /// Starts the thread. It ends after [`Writer::stop`], or by itself when the
    /// file can no longer be trusted; either way `ended` hears of it.
    pub(crate) fn start(
        group_commit: GroupCommit,
        queue_commands_max: usize,
        ended: oneshot::Sender<Result<(), Error>>,
    ) -> std::io::Result<(Self, WriterThread)> {
        let (queue, waiting) = sync_channel(queue_commands_max);
        let thread = thread::Builder::new().name("writer".to_owned()).spawn(move || {
            let outcome = group_commit.run(&waiting);
            if let Err(error) = &outcome {
                log::error!("the writer stops: {error}");
            }
            drop(waiting);
            // Nobody listening means that the whole store is going away.
            drop(ended.send(outcome));
        })?;
        Ok((Self { queue }, thread))
    }

    /// Runs a command on the writer thread and waits until it is durable. When
    /// the caller stops waiting, the command runs all the same.
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
        // A thread that is gone already needs no telling.
        drop(self.queue.send(Message::Stop));
    }
}

/// Takes commands in groups and commits each group at once.
pub(crate) struct GroupCommit {
    pub(crate) connection: Connection,
    pub(crate) readers: Arc<Readers>,
    pub(crate) checkpoints: Checkpoints,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Box<dyn Entropy>,
    /// When the newest command happened, in milliseconds; no command happens before.
    pub(crate) ledger_time: Arc<AtomicI64>,
    /// Who hears of what was committed for delivery.
    pub(crate) new_deliveries: Arc<NewDeliveries>,
    /// Whose deliveries the group that is under way has brought.
    pub(crate) woken: Vec<MerchantId>,
    /// Commands that share one commit.
    pub(crate) group_commands_max: usize,
}

impl GroupCommit {
    fn run(mut self, waiting: &Receiver<Message>) -> Result<(), Error> {
        let outcome = self.commit_groups(waiting);
        if outcome.is_err() {
            // Closing the last connection would copy the log and remove it, and the
            // file can no longer be trusted to take it. With this one left open the
            // log stays for the next start.
            drop(self.roll_back());
            mem::forget(self.connection);
            return outcome;
        }
        drop(self.checkpoints);
        // What is in the log moves into the file, which then stands alone. If it
        // cannot, nothing is lost: the next start reads the log.
        self.readers.keep_nothing();
        let checkpoint = self
            .connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        if let Err(error) = checkpoint {
            log::warn!("the write-ahead log stays beside the database, and is part of it: {error}");
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

    /// Runs and commits one group. `Ok(true)` when it was the last; `Err` when
    /// the file can no longer be trusted.
    fn commit_group(&mut self, first: Box<dyn Command>, waiting: &Receiver<Message>) -> Result<bool, Error> {
        if let Err(error) = self.execute("BEGIN IMMEDIATE") {
            return Ok(refuse_all(first, waiting, &error));
        }
        self.woken.clear();
        let mut group: Vec<Box<dyn Command>> = Vec::with_capacity(self.group_commands_max);
        let mut next = Some(first);
        let mut stop_after = false;
        let mut is_any_kept = false;
        while let Some(mut command) = next.take() {
            match self.run_one(command.as_mut()) {
                Ran::InGroup(verdict) => is_any_kept |= verdict == JobOutcome::Keep,
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
        // Refusals alone leave nothing to write, and cost no disk.
        let commit = if is_any_kept { self.commit() } else { self.roll_back() };
        if commit.is_ok() {
            self.new_deliveries.notify(&mut self.woken);
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
        let verdict = panic::catch_unwind(AssertUnwindSafe(|| command.run(&mut tx))).unwrap_or(JobOutcome::Undo);
        if verdict == JobOutcome::Keep {
            self.woken.append(&mut tx.new_deliveries);
        }
        if self.connection.is_autocommit() {
            let is_refused = verdict == JobOutcome::Undo;
            return Ran::GroupLost(if is_refused { Ok(()) } else { Err(Error::Abandoned) });
        }
        let undone = if verdict == JobOutcome::Undo {
            self.execute("ROLLBACK TO command")
        } else {
            Ok(())
        };
        match undone.and_then(|()| self.execute("RELEASE command")) {
            Ok(()) => Ran::InGroup(verdict),
            Err(error) => Ran::GroupLost(Err(error)),
        }
    }

    fn commit(&self) -> Result<(), Error> {
        let commit = || self.connection.prepare_cached("COMMIT")?.execute([]);
        let Err(error) = self.readers.renewed_by(commit) else {
            return Ok(());
        };
        if error.sqlite_error_code() == Some(ErrorCode::DiskFull) && self.roll_back().is_ok() {
            return Err(Error::StorageFull);
        }
        Err(Error::OutcomeUnknown(Arc::new(error)))
    }

    /// Gives up the group, unless SQLite already has. When even that fails, the
    /// connection is of no more use.
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

/// Tells this command and those that wait behind it now that nothing can be
/// written: they would only wait as long again, one after another. Answers whether
/// the writer was told to stop.
fn refuse_all(first: Box<dyn Command>, waiting: &Receiver<Message>, error: &Error) -> bool {
    let behind: Vec<Message> = waiting.try_iter().collect();
    first.answer(Err(error.clone()));
    let mut is_told_to_stop = false;
    for message in behind {
        match message {
            Message::Run(command) => command.answer(Err(error.clone())),
            Message::Stop => is_told_to_stop = true,
        }
    }
    is_told_to_stop
}

fn answer_all(group: Vec<Box<dyn Command>>, commit: &Result<(), Error>) {
    for command in group {
        command.answer(commit.clone());
    }
}
