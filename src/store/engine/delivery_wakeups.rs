//! Wakes the webhook deliverer after a commit that added deliveries or, at another process, moved a
//! clock, so that it need not poll the outbox, and the streams of events after every commit.

use std::collections::BTreeSet;
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, watch};

use crate::domain::ids::MerchantId;

/// Merchants whose deliveries or clocks were committed since the last call of
/// [`DeliveryWakeups::next`].
#[derive(Debug, Default)]
pub(crate) struct DeliveryWakeups {
    merchants: Mutex<BTreeSet<MerchantId>>,
    notify: Notify,
    /// The number of groups that the writer has ended, and of notices of other processes.
    groups: watch::Sender<u64>,
}

impl DeliveryWakeups {
    /// Adds these merchants and wakes the waiting task, if there is one. Leaves the
    /// vector empty.
    pub(crate) fn notify(&self, merchants: &mut Vec<MerchantId>) {
        self.groups.send_modify(|groups| *groups += 1);
        if merchants.is_empty() {
            return;
        }
        self.lock().extend(merchants.drain(..));
        self.notify.notify_one();
    }

    /// Returns a receiver that changes after every commit, and at times without one.
    pub(crate) fn commits(&self) -> watch::Receiver<u64> {
        self.groups.subscribe()
    }

    /// Waits until there are merchants with new deliveries and takes them. Serves one
    /// waiting task at a time. Cancelling the wait loses nothing.
    pub(crate) async fn next(&self) -> BTreeSet<MerchantId> {
        loop {
            let merchants = mem::take(&mut *self.lock());
            if !merchants.is_empty() {
                return merchants;
            }
            self.notify.notified().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<MerchantId>> {
        self.merchants.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
