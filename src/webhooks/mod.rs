//! Delivers events to merchants' webhook endpoints (contract section 7.7), on a thread of
//! its own, so that no request waits for an endpoint.
//!
//! Pending deliveries are in the outbox, and each is deleted when its event is delivered
//! or its last attempt has failed. Only the attempts in flight are in memory. If the
//! process crashes before it has recorded an attempt, it repeats the attempt after the
//! next start, with the same event id and the same bytes.

mod attempts_meter;
mod client;
mod connections;
mod control;
mod deliverer;
mod endpoint_log;
mod outcomes;
mod places;
mod queue;
mod queues;
mod resolver;
mod retry_after;
mod settings;
pub mod signing;
mod tasks;

use std::io;
use std::sync::Arc;
use std::thread;

use tokio::runtime;
use tokio::sync::{mpsc, oneshot, watch};

use crate::background::{self, BackgroundTask, Restarts};
use crate::domain::ids::MerchantId;
use crate::store::Store;
use attempts_meter::AttemptsMeter;
use client::WebhookClient;
use control::{DelivererControl, DelivererMessage};
use deliverer::Deliverer;

pub use attempts_meter::AttemptsReading;
pub use settings::{AttemptSettings, Settings};

/// Threads for host name lookups. A lookup cannot be cancelled, so one that hangs must
/// leave threads for the others.
const LOOKUPS_MAX: usize = 512;

/// A handle to the running deliverer. Cheap to clone. The deliverer ends when the last
/// handle is dropped.
#[derive(Clone, Debug)]
pub struct Handle {
    messages: mpsc::UnboundedSender<DelivererMessage>,
    attempts: Arc<AttemptsMeter>,
    ended: watch::Receiver<()>,
}

/// Starts the deliverer of a store's events.
pub fn start(store: Store, settings: Settings) -> io::Result<Handle> {
    let client = WebhookClient::new(settings.mode, settings.attempts.timeout, resolver::system_lookup());
    let client = client.map_err(io::Error::other)?;
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(LOOKUPS_MAX)
        .build()?;
    let runtime = DetachedRuntime(Some(runtime));
    let (messages, received) = mpsc::unbounded_channel();
    let (end, ended) = watch::channel(());
    let attempts = Arc::<AttemptsMeter>::default();
    let meter = Arc::clone(&attempts);
    thread::Builder::new().name("webhooks".to_owned()).spawn(move || {
        let control = DelivererControl::new(received, settings, client);
        runtime.block_on(deliver(store, control, meter));
        drop(runtime);
        drop(end);
    })?;
    Ok(Handle {
        messages,
        attempts,
        ended,
    })
}

/// Runs deliverers, one after another, until one ends by itself. One that panicked leaves the attempts that
/// it had not recorded to the next one, which repeats them as after a crash of the process.
async fn deliver(store: Store, mut control: DelivererControl, meter: Arc<AttemptsMeter>) {
    let mut restarts = Restarts::of(BackgroundTask::Webhooks, store.panics());
    loop {
        let run = async {
            let mut deliverer = Deliverer::new(store.clone(), &mut control, Arc::clone(&meter));
            deliverer.run().await;
        };
        if background::catch_panic(run).await.is_ok() || control.ends_within(restarts.pause_after_panic()).await {
            return;
        }
    }
}

/// A runtime that ends without waiting for lookups that hang. It may be dropped on any thread:
/// one that is not started drops it on the caller's, which runs another runtime.
struct DetachedRuntime(Option<runtime::Runtime>);

impl DetachedRuntime {
    fn block_on(&self, future: impl Future<Output = ()>) {
        if let Some(runtime) = &self.0 {
            runtime.block_on(future);
        }
    }
}

impl Drop for DetachedRuntime {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl Handle {
    /// Waits until every delivery of a merchant that is due now has been attempted,
    /// including the retries that fall due by now. Returns early if the service stops.
    pub async fn flush(&self, merchant: MerchantId) {
        let (done, is_done) = oneshot::channel();
        // A deliverer that has ended drops the message with its sender, and the wait ends.
        drop(self.messages.send(DelivererMessage::Flush(merchant, done)));
        drop(is_done.await);
    }

    /// Returns the number of attempts so far, by outcome.
    pub fn attempts(&self) -> AttemptsReading {
        self.attempts.read()
    }

    /// Makes later attempts follow other settings.
    pub fn set_attempts(&self, attempts: AttemptSettings) {
        drop(self.messages.send(DelivererMessage::SetAttempts(attempts)));
    }

    /// Makes the deliverer start no further attempt.
    pub fn begin_stop(&self) {
        drop(self.messages.send(DelivererMessage::Stop));
    }

    /// Waits until the deliverer has ended after [`Handle::begin_stop`]. Attempts in flight
    /// get [`Settings::stop_timeout`] to finish. Those that are not recorded by then are
    /// repeated after the next start.
    pub async fn ended(&self) {
        let mut ended = self.ended.clone();
        // `changed` fails when the thread drops the sender at its end.
        while ended.changed().await.is_ok() {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runtime_that_no_thread_took_may_be_dropped_inside_another_one() {
        let build = || runtime::Builder::new_current_thread().build().unwrap();
        build().block_on(async { drop(DetachedRuntime(Some(build()))) });
    }
}
