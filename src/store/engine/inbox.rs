//! The messages to the writer, and its end of their queue.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::store::engine::command::Command;
use crate::store::engine::error::Error;
use crate::store::engine::writer_meter::WriterMeter;

/// A message to the writer.
pub(crate) enum WriterMessage {
    Run(Box<dyn Command>),
    Ask(Question),
    Stop,
}

/// Asks if the writer can begin a transaction. The answer is sent on this channel.
pub(crate) type Question = oneshot::Sender<Result<(), Error>>;

/// The writer's end of the queue, which counts the messages that are left in it.
pub(crate) struct Inbox {
    messages: Receiver<WriterMessage>,
    meter: Arc<WriterMeter>,
    /// The message at the head of the queue, if it is already out of the channel.
    head: Cell<Option<WriterMessage>>,
}

impl Inbox {
    pub(crate) const fn new(messages: Receiver<WriterMessage>, meter: Arc<WriterMeter>) -> Self {
        Self {
            messages,
            meter,
            head: Cell::new(None),
        }
    }

    /// Waits for a message, at most for this time.
    pub(crate) fn next_within(&self, pause: Duration) -> Result<WriterMessage, RecvTimeoutError> {
        let message = match self.head.take() {
            Some(message) => message,
            None => self.messages.recv_timeout(pause)?,
        };
        self.meter.waiting.leave();
        Ok(message)
    }

    /// Returns the next message if one is waiting.
    pub(crate) fn next(&self) -> Option<WriterMessage> {
        let message = self.waiting()?;
        self.meter.waiting.leave();
        Some(message)
    }

    /// Takes the questions that wait directly behind this one. One look answers all of them.
    pub(crate) fn with_questions_behind(&self, first: Question) -> Vec<Question> {
        let mut questions = vec![first];
        while let Some(message) = self.waiting() {
            let WriterMessage::Ask(question) = message else {
                self.head.set(Some(message));
                break;
            };
            self.meter.waiting.leave();
            questions.push(question);
        }
        questions
    }

    /// Takes the next message, which still counts as one that waits.
    fn waiting(&self) -> Option<WriterMessage> {
        self.head.take().or_else(|| self.messages.try_recv().ok())
    }
}
