//! A command in the writer's queue, with the channel for its reply.

use tokio::sync::oneshot;

use crate::store::engine::error::Error;
use crate::store::foreseen::Foreseen;
use crate::store::tx::Tx;

/// The decision on a command's changes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum CommandOutcome {
    Keep,
    Undo,
}

/// The reason for a command.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A request, or work of the service itself.
    Service,
    /// To apply the configuration at a start. It runs even if the system's clock is refused:
    /// nothing falls due by it, and a service that starts can answer reads.
    Start,
}

/// The error of a command. It may be one of the store.
pub trait CommandError: From<Error> {
    /// Returns the store's error, if the command failed by one.
    fn of_store(&self) -> Option<&Error>;
}

impl CommandError for Error {
    fn of_store(&self) -> Option<&Error> {
        Some(self)
    }
}

/// A command in the writer's queue.
pub(crate) trait Command: Send {
    fn purpose(&self) -> Purpose;

    /// Returns the reads of the command that are known before it runs.
    fn foreseen(&self) -> Option<&Foreseen>;

    /// Runs the command, in a savepoint of its own.
    fn run(&mut self, tx: &mut Tx<'_>) -> CommandOutcome;

    /// Returns the store's error by which the command failed when it ran.
    fn failure(&self) -> Option<&Error>;

    /// Sends the reply after the commit, or the error if the commit failed.
    fn answer(self: Box<Self>, commit: Result<(), Error>);
}

/// A command with the channel for its reply.
pub(crate) struct QueuedCommand<F, T, E> {
    purpose: Purpose,
    foreseen: Option<Foreseen>,
    work: Option<F>,
    outcome: Option<Result<T, E>>,
    reply: oneshot::Sender<Result<T, E>>,
}

impl<F, T, E> QueuedCommand<F, T, E> {
    /// Returns the command and the channel on which its reply arrives.
    pub(crate) fn new(
        purpose: Purpose,
        foreseen: Option<Foreseen>,
        work: F,
    ) -> (Self, oneshot::Receiver<Result<T, E>>) {
        let (reply, answer) = oneshot::channel();
        let command = Self {
            purpose,
            foreseen,
            work: Some(work),
            outcome: None,
            reply,
        };
        (command, answer)
    }
}

impl<F, T, E> Command for QueuedCommand<F, T, E>
where
    F: FnOnce(&mut Tx<'_>) -> Result<T, E> + Send,
    T: Send,
    E: CommandError + Send,
{
    fn purpose(&self) -> Purpose {
        self.purpose
    }

    fn foreseen(&self) -> Option<&Foreseen> {
        self.foreseen.as_ref()
    }

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

    fn failure(&self) -> Option<&Error> {
        self.outcome.as_ref()?.as_ref().err()?.of_store()
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
