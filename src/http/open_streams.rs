//! The open streams of server-sent events, counted for each owner, and their connections. A key owns
//! those of `GET /sandbox/events/stream`, and a client network those by which pages follow changes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::domain::refusal::Refusal;
use crate::http::connections::{Connection, Phase};

/// The bounds on open streams.
#[derive(Clone, Copy, Debug)]
pub struct StreamLimits {
    /// The most streams of one owner at once.
    pub per_owner_max: usize,
    /// The longest pause without an event before a stream sends a heartbeat.
    pub heartbeat: Duration,
}

/// The open streams, by the hash of their owner.
#[derive(Debug)]
pub struct OpenStreams {
    limits: StreamLimits,
    open: Mutex<HashMap<[u8; 32], usize>>,
}

/// One open stream. Dropping it makes room for another.
#[derive(Debug)]
pub(crate) struct OpenStream {
    streams: Arc<OpenStreams>,
    owner_hash: [u8; 32],
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

impl OpenStreams {
    /// Returns the register of no streams.
    pub fn new(limits: StreamLimits) -> Self {
        Self {
            limits,
            open: Mutex::default(),
        }
    }

    /// Returns the longest pause without an event.
    pub(crate) const fn heartbeat(&self) -> Duration {
        self.limits.heartbeat
    }

    /// Opens a stream for an owner on this connection.
    ///
    /// # Errors
    ///
    /// Returns [`Refusal::TooManyStreams`] if the owner has the most streams.
    pub(crate) fn open(
        self: &Arc<Self>,
        owner_hash: [u8; 32],
        connection: Option<Arc<Connection>>,
    ) -> Result<OpenStream, Refusal> {
        let mut open = self.streams();
        let of_owner = open.entry(owner_hash).or_default();
        if *of_owner >= self.limits.per_owner_max {
            return Err(Refusal::TooManyStreams {
                max: self.limits.per_owner_max,
            });
        }
        *of_owner += 1;
        Ok(OpenStream {
            streams: Arc::clone(self),
            owner_hash,
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
        if let Some(of_owner) = open.get_mut(&self.owner_hash) {
            *of_owner -= 1;
            if *of_owner == 0 {
                open.remove(&self.owner_hash);
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
    fn an_owner_has_so_many_streams_and_no_more() {
        let streams = Arc::new(OpenStreams::new(StreamLimits {
            per_owner_max: 2,
            heartbeat: Duration::from_secs(15),
        }));
        let open = |owner_hash| streams.open(owner_hash, None);
        let (first, _second) = (open([1; 32]).unwrap(), open([1; 32]).unwrap());
        assert!(open([1; 32]).is_err() && open([2; 32]).is_ok());
        drop(first);
        assert!(open([1; 32]).is_ok());
        assert_eq!(streams.streams().len(), 1, "an owner without streams is forgotten");
    }
}
