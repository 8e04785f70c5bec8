//! Whose events have just come to be delivered: what the writer tells the deliverer
//! after each commit, so that nothing has to look for them.

use std::collections::BTreeSet;
use std::mem;
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

use crate::domain::ids::MerchantId;

/// The merchants with deliveries committed since somebody last asked.
#[derive(Debug, Default)]
pub(crate) struct NewDeliveries {
    merchants: Mutex<BTreeSet<MerchantId>>,
    notify: Notify,
}

impl NewDeliveries {
    /// There is something new for these.
    pub(crate) fn notify(&self, merchants: &mut Vec<MerchantId>) {
        if merchants.is_empty() {
            return;
        }
        self.lock().extend(merchants.drain(..));
        self.notify.notify_one();
    }

    /// Waits until there is something new. For one who asks; nothing is lost when the
    /// wait is broken off.
    pub(crate) async fn next(&self) -> BTreeSet<MerchantId> {
        loop {
            let merchants = mem::take(&mut *self.lock());
            if !merchants.is_empty() {
                return merchants;
            }
            self.notify.notified().await;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeSet<MerchantId>> {
        self.merchants.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
