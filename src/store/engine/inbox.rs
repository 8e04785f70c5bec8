//! The messages to the writer, and its end of their queue.

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
    /// Asks if the writer can begin a transaction.
    Ask(oneshot::Sender<Result<(), Error>>),
    Stop,
}

/// The writer's end of the queue, which counts the messages that are left in it.
pub(crate) struct Inbox {
    pub(crate) messages: Receiver<WriterMessage>,
    pub(crate) meter: Arc<WriterMeter>,
}

impl Inbox {
    /// Waits for a message, at most for this time.
    pub(crate) fn next_within(&self, pause: Duration) -> Result<WriterMessage, RecvTimeoutError> {
        let message = self.messages.recv_timeout(pause)?;
        self.meter.waiting.leave();
        Ok(message)
    }

    /// Returns the next message if one is waiting.
    pub(crate) fn next(&self) -> Option<WriterMessage> {
        let message = self.messages.try_recv().ok()?;
        self.meter.waiting.leave();
        Some(message)
    }
}
