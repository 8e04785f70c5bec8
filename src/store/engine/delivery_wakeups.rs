//! Wakes the webhook deliverer after a commit that added deliveries, so that it
//! need not poll the outbox.

use std::collections::BTreeSet;
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::domain::ids::MerchantId;

/// Merchants with deliveries committed since the last call of
/// [`DeliveryWakeups::next`].
#[derive(Debug, Default)]
pub(crate) struct DeliveryWakeups {
    merchants: Mutex<BTreeSet<MerchantId>>,
    notify: Notify,
}

impl DeliveryWakeups {
    /// Adds these merchants and wakes the waiting task, if there is one. Leaves the
    /// vector empty.
    pub(crate) fn notify(&self, merchants: &mut Vec<MerchantId>) {
        if merchants.is_empty() {
            return;
        }
        self.lock().extend(merchants.drain(..));
        self.notify.notify_one();
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
