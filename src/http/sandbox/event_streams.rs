//! The open streams of events, counted for each key, and their connections.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::domain::refusal::Refusal;
use crate::http::connections::{Connection, Phase};

/// The bounds on streams of events.
#[derive(Clone, Copy, Debug)]
pub struct EventStreamLimits {
    /// The most streams of one key at once.
    pub per_key_max: usize,
    /// The longest pause without an event before a stream sends a heartbeat.
    pub heartbeat: Duration,
}

/// The open streams of events, by the hash of their key.
#[derive(Debug)]
pub struct EventStreams {
    limits: EventStreamLimits,
    open: Mutex<HashMap<[u8; 32], usize>>,
}

/// One open stream. Dropping it makes room for another.
#[derive(Debug)]
pub(crate) struct OpenStream {
    streams: Arc<EventStreams>,
    key_hash: [u8; 32],
    connection: Option<Arc<Connection>>,
}

impl OpenStream {
    /// Notes that the connection waits for events now, and not for its client.
    pub(crate) fn wait_for_events(&self) {
        if let Some(connection) = &self.connection {
            connection.enter(Phase::Stream);
        }
    }
}

impl EventStreams {
    /// Returns the register of no streams.
    pub fn new(limits: EventStreamLimits) -> Self {
        Self {
            limits,
            open: Mutex::default(),
        }
    }

    /// Returns the longest pause without an event.
    pub(crate) const fn heartbeat(&self) -> Duration {
        self.limits.heartbeat
    }

    /// Opens a stream for a key on this connection.
    ///
    /// # Errors
    ///
    /// Returns [`Refusal::TooManyStreams`] if the key has the most streams.
    pub(crate) fn open(
        self: &Arc<Self>,
        key_hash: [u8; 32],
        connection: Option<Arc<Connection>>,
    ) -> Result<OpenStream, Refusal> {
        let mut open = self.streams();
        let of_key = open.entry(key_hash).or_default();
        if *of_key >= self.limits.per_key_max {
            return Err(Refusal::TooManyStreams {
                max: self.limits.per_key_max,
            });
        }
        *of_key += 1;
        Ok(OpenStream {
            streams: Arc::clone(self),
            key_hash,
            connection,
        })
    }

    fn streams(&self) -> MutexGuard<'_, HashMap<[u8; 32], usize>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        let mut open = self.streams.streams();
        if let Some(of_key) = open.get_mut(&self.key_hash) {
            *of_key -= 1;
            if *of_key == 0 {
                open.remove(&self.key_hash);
            }
        }
        drop(open);
        if let Some(connection) = &self.connection {
            connection.enter(Phase::Idle);
            // The stream has asked for the next request before, and must look at the phase.
            connection.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_so_many_streams_and_no_more() {
        let streams = Arc::new(EventStreams::new(EventStreamLimits {
            per_key_max: 2,
            heartbeat: Duration::from_secs(15),
        }));
        let open = |key_hash| streams.open(key_hash, None);
        let (first, _second) = (open([1; 32]).unwrap(), open([1; 32]).unwrap());
        assert!(open([1; 32]).is_err() && open([2; 32]).is_ok());
        drop(first);
        assert!(open([1; 32]).is_ok());
        assert_eq!(streams.streams().len(), 1, "a key without streams is forgotten");
    }
}
