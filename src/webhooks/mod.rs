//! Brings events to merchants' callback URLs (contract section 7.7), on a thread of its
//! own, so that no request ever waits for a receiver.
//!
//! What is to be delivered stands in the file, and goes from there when it is done.
//! What is in memory is only which attempts are under way; a crash loses at most the
//! knowledge that one has succeeded, and the event then comes twice, with the same id
//! and the same bytes.

mod client;
mod deliverer;
mod endpoints;
mod queue;
mod resolver;
pub mod signing;

use std::io;
use std::thread;
use std::time::Duration;

use tokio::runtime;
use tokio::sync::{mpsc, oneshot, watch};

use crate::domain::events::delivery::RetrySchedule;
use crate::domain::ids::MerchantId;
use crate::store::Store;
use client::Client;
use deliverer::Deliverer;

pub use endpoints::Endpoints;

/// What the operator has decided about deliveries.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The webhook endpoints of merchants.
    pub endpoints: Endpoints,
    /// When a failed attempt is made again.
    pub schedule: RetrySchedule,
    /// How long an attempt may take.
    pub timeout: Duration,
    /// How long attempts under way get to finish when the service stops.
    pub stop_timeout: Duration,
}

/// Something the deliverer is asked to do.
enum Order {
    /// Attempt whatever is due to this merchant by now, and say when that is done.
    CatchUp(MerchantId, oneshot::Sender<()>),
    /// Begin nothing more.
    Stop,
}

/// Threads that look up names at once; a lookup cannot be broken off, so one that
/// hangs must leave room for the others.
const LOOKUPS_MAX: usize = 512;

/// The deliverer at work. Cheap to clone; when the last one is dropped it ends.
#[derive(Clone, Debug)]
pub struct Handle {
    orders: mpsc::UnboundedSender<Order>,
    ended: watch::Receiver<()>,
}

/// Starts delivering what is in the store.
pub fn start(store: Store, settings: Settings) -> io::Result<Handle> {
    let mode = settings.endpoints.mode();
    let client = Client::new(mode, settings.timeout, resolver::system_lookup()).map_err(io::Error::other)?;
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(LOOKUPS_MAX)
        .build()?;
    let (orders, incoming) = mpsc::unbounded_channel();
    let (end, ended) = watch::channel(());
    thread::Builder::new().name("webhooks".to_owned()).spawn(move || {
        let deliverer = Deliverer::new(store, settings, client);
        runtime.block_on(deliverer.run(incoming));
        // A lookup that hangs is not waited for.
        runtime.shutdown_background();
        drop(end);
    })?;
    Ok(Handle { orders, ended })
}

impl Handle {
    /// Waits until whatever is due to a merchant by now was attempted, with the retries
    /// that are due by now in turn; no longer when the service stops meanwhile.
    pub async fn catch_up(&self, merchant: MerchantId) {
        let (answer, answered) = oneshot::channel();
        // One that has ended drops the order, and with it the way to answer.
        drop(self.orders.send(Order::CatchUp(merchant, answer)));
        drop(answered.await);
    }

    /// Begins no further attempt.
    pub fn begin_stop(&self) {
        drop(self.orders.send(Order::Stop));
    }

    /// Waits until it has ended, after [`Handle::begin_stop`]: attempts under way get
    /// the time that was set for it. What is not recorded by then is attempted again
    /// at the next start.
    pub async fn ended(&self) {
        let mut ended = self.ended.clone();
        // The other end is dropped when it has.
        while ended.changed().await.is_ok() {}
    }
}
