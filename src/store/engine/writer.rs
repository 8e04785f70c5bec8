//! The queue of commands and the thread that runs them.

use std::io;
use std::iter;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::sleep;

use crate::domain::time::Timestamp;
use crate::store::engine::command::{Command, CommandError, Purpose, QueuedCommand};
use crate::store::engine::error::Error;
use crate::store::engine::health::Health;
use crate::store::engine::inbox::{Inbox, Question, WriterMessage};
use crate::store::engine::ledger_clock::LedgerClock;
use crate::store::engine::writer_meter::WriterMeter;
use crate::store::foreseen::Foreseen;
use crate::store::tx::Tx;

/// Takes commands in groups and ends each group with one commit.
///
/// It takes the commands that are waiting, up to a bound and without a timer. It runs each in
/// its own savepoint, commits once for all of them, and only then sends the replies. Refusals
/// wait for the commit too, since they may rest on an earlier command of the same group.
pub(crate) trait GroupCommit: Send + 'static {
    /// Runs until [`WriterMessage::Stop`], or until nothing more can be written.
    ///
    /// # Errors
    ///
    /// Fails when the database can no longer be trusted.
    fn run(self, waiting: &Inbox) -> Result<(), Error>;
}

/// The ledger time after which an idle writer writes the time into the mark, in
/// milliseconds. Otherwise a start after a quiet time would look like one with a wrong clock.
const MARK_MILLIS_MAX: i64 = 6 * 3_600_000;

/// The pause after which work in the background looks again if the queue has a place.
const FULL_QUEUE_PAUSE: Duration = Duration::from_millis(50);

/// Reads the clock, so that a jump is logged when it happens. Returns a command that writes ledger
/// time into the mark, if none was written for long.
pub(crate) fn keep_time(clock: &LedgerClock, marked_at: &mut Timestamp) -> Option<Box<dyn Command>> {
    let now = clock.now();
    if now < marked_at.millis_later(MARK_MILLIS_MAX) {
        return None;
    }
    // Also after a failed attempt, the next one is a whole interval away.
    *marked_at = now;
    let touch = |tx: &mut Tx<'_>| tx.touch_mark();
    let (touch, _) = QueuedCommand::new(Purpose::Service, None, touch);
    admit(clock, Box::new(touch))
}

/// The queue to the writer thread.
#[derive(Clone)]
pub(crate) struct Writer {
    queue: SyncSender<WriterMessage>,
    health: Arc<Health>,
    meter: Arc<WriterMeter>,
}

/// The writer thread, for joining it.
pub(crate) type WriterThread = JoinHandle<()>;

impl Writer {
    /// Starts the thread. It ends after [`Writer::stop`], or by itself when the file can
    /// no longer be trusted. In both cases it reports to `ended`.
    pub(crate) fn start(
        group_commit: impl GroupCommit,
        health: Arc<Health>,
        meter: Arc<WriterMeter>,
        queue_commands_max: usize,
        ended: oneshot::Sender<Result<(), Error>>,
    ) -> io::Result<(Self, WriterThread)> {
        let (queue, messages) = sync_channel(queue_commands_max);
        let waiting = Inbox::new(messages, Arc::clone(&meter));
        let group_health = Arc::clone(&health);
        let thread = thread::Builder::new().name("writer".to_owned()).spawn(move || {
            let outcome = group_commit.run(&waiting);
            if let Err(error) = &outcome {
                log::error!("writer stopped, no more writes until a restart: {error}");
            }
            group_health.writer_has_ended();
            drop(waiting);
            // The receiver is gone only when the whole store is dropped.
            drop(ended.send(outcome));
        })?;
        Ok((Self { queue, health, meter }, thread))
    }

    /// Runs a command on the writer thread and waits until it is durable. The command
    /// runs even if the caller stops waiting.
    ///
    /// # Errors
    ///
    /// [`Error::QueueFull`], [`Error::ClockJumped`] and [`Error::Stopped`] when the command
    /// did not run, other errors of the store when its group failed, or the command's own
    /// error.
    pub(crate) async fn submit<T, E>(
        &self,
        purpose: Purpose,
        foreseen: Option<Foreseen>,
        work: impl FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: CommandError + Send + 'static,
    {
        let (command, answer) = QueuedCommand::new(purpose, foreseen, work);
        self.send(WriterMessage::Run(Box::new(command)))?;
        answer.await.unwrap_or_else(|_| Err(self.health.after_end().into()))
    }

    /// Runs a command as [`Writer::submit`] does. While the queue is full, waits for a place.
    ///
    /// # Errors
    ///
    /// The errors of [`Writer::submit`] except [`Error::QueueFull`].
    pub(crate) async fn submit_patiently<T, E>(
        &self,
        work: impl FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: CommandError + Send + 'static,
    {
        let (command, answer) = QueuedCommand::new(Purpose::Service, None, work);
        let mut message = WriterMessage::Run(Box::new(command));
        while let Some(refused) = self.try_send(message)? {
            message = refused;
            sleep(FULL_QUEUE_PAUSE).await;
        }
        answer.await.unwrap_or_else(|_| Err(self.health.after_end().into()))
    }

    /// Runs a command of the service whose outcome no caller waits for.
    ///
    /// # Errors
    ///
    /// [`Error::QueueFull`], or the error with which all writes are refused.
    pub(crate) fn submit_unanswered(
        &self,
        work: impl FnOnce(&mut Tx<'_>) -> Result<(), Error> + Send + 'static,
    ) -> Result<(), Error> {
        let (command, _answer) = QueuedCommand::new(Purpose::Service, None, work);
        self.send(WriterMessage::Run(Box::new(command)))
    }

    /// Asks the writer if it could run a command now. Writes nothing to the disk.
    ///
    /// # Errors
    ///
    /// The error that a command would get before it ran.
    pub(crate) async fn ask(&self) -> Result<(), Error> {
        let (reply, answer) = oneshot::channel();
        if self.try_send(WriterMessage::Ask(reply))?.is_some() {
            // Not counted: no write was refused.
            return Err(Error::QueueFull);
        }
        answer.await.unwrap_or_else(|_| Err(self.health.after_end()))
    }

    /// Makes the writer begin a transaction, as [`Writer::ask`] does, without waiting for the answer,
    /// so that the writer finds out by itself if the database was migrated. If the queue is full
    /// nothing is sent, since the commands in it have the same effect; no write counts as refused.
    pub(crate) fn ask_unanswered(&self) {
        let (reply, _answer) = oneshot::channel();
        drop(self.try_send(WriterMessage::Ask(reply)));
    }

    fn send(&self, message: WriterMessage) -> Result<(), Error> {
        if self.try_send(message)?.is_some() {
            self.meter.refused.add_one();
            return Err(Error::QueueFull);
        }
        Ok(())
    }

    /// Puts a message into the queue. Returns it if the queue is full.
    ///
    /// # Errors
    ///
    /// The error with which all writes are refused.
    fn try_send(&self, message: WriterMessage) -> Result<Option<WriterMessage>, Error> {
        if let Some(damage) = self.health.damage() {
            return Err(damage);
        }
        // Counted before, since the writer may take it at once.
        self.meter.waiting.enter();
        let Err(refused) = self.queue.try_send(message) else {
            return Ok(None);
        };
        self.meter.waiting.leave();
        match refused {
            TrySendError::Full(message) => Ok(Some(message)),
            TrySendError::Disconnected(_) => Err(self.health.after_end()),
        }
    }

    /// Lets the commands already waiting finish, then ends the thread.
    pub(crate) fn stop(&self) {
        self.meter.waiting.enter();
        // Sending fails only if the thread has already ended.
        drop(self.queue.send(WriterMessage::Stop));
    }
}

/// Returns the command if it may run. Otherwise answers it: the system's clock is refused.
pub(crate) fn admit(clock: &LedgerClock, command: Box<dyn Command>) -> Option<Box<dyn Command>> {
    match clock.check() {
        Err(error) if command.purpose() == Purpose::Service => {
            command.answer(Err(error));
            None
        }
        _ => Some(command),
    }
}

/// Returns the next command of the group under way, if one is waiting. Questions before it are
/// answered: a transaction is under way. A message to stop is noted, and ends the group.
pub(crate) fn next_in_group(waiting: &Inbox, clock: &LedgerClock, stop_after: &mut bool) -> Option<Box<dyn Command>> {
    while !*stop_after {
        match waiting.next()? {
            WriterMessage::Run(command) => match admit(clock, command) {
                None => {}
                admitted => return admitted,
            },
            WriterMessage::Ask(reply) => drop(reply.send(Ok(()))),
            WriterMessage::Stop => *stop_after = true,
        }
    }
    None
}

/// Answers this command and all waiting commands with the error that kept the group from
/// beginning. Otherwise each of them would wait for the same timeout, one after another.
/// Returns true if the writer must stop.
pub(crate) fn refuse_all(first: Box<dyn Command>, waiting: &Inbox, error: &Error) -> bool {
    let behind: Vec<WriterMessage> = iter::from_fn(|| waiting.next()).collect();
    first.answer(Err(error.clone()));
    let mut stop_after = false;
    for message in behind {
        match message {
            WriterMessage::Run(command) => command.answer(Err(error.clone())),
            WriterMessage::Ask(reply) => drop(reply.send(Err(error.clone()))),
            WriterMessage::Stop => stop_after = true,
        }
    }
    stop_after
}

/// Answers these questions.
pub(crate) fn answer_questions(questions: Vec<Question>, can_begin: &Result<(), Error>) {
    for question in questions {
        // The caller may have stopped waiting.
        drop(question.send(can_begin.clone()));
    }
}

pub(crate) fn answer_all(group: Vec<Box<dyn Command>>, commit: &Result<(), Error>) {
    for command in group {
        command.answer(commit.clone());
    }
}
