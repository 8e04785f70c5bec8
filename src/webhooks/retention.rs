//! Forgets events when they are older than the operator wants to keep them.

use std::time::Duration;

use crate::clock::SystemClock;
use crate::commands::deliveries;
use crate::domain::time::{Clock, Timestamp};
use crate::store::Store;

/// How often to look for events that have become too old.
const PERIOD: Duration = Duration::from_hours(1);
/// Between two commands that forget, so that requests come in between.
const PAUSE: Duration = Duration::from_millis(20);

/// Keeps events so long, by the system's clock, and forgets them then; never ends.
pub(super) async fn forget_old_events(store: Store, kept: Duration) {
    let kept = i64::try_from(kept.as_millis()).unwrap_or(i64::MAX);
    loop {
        let before = Timestamp::from_millis(SystemClock.now().millis().saturating_sub(kept));
        let before = before.unwrap_or(Timestamp::EPOCH);
        while is_more_to_forget(&store, before).await {
            tokio::time::sleep(PAUSE).await;
        }
        tokio::time::sleep(PERIOD).await;
    }
}

async fn is_more_to_forget(store: &Store, before: Timestamp) -> bool {
    let forgotten = store.write(move |tx| deliveries::forget_events(tx, before)).await;
    forgotten.unwrap_or_else(|error| {
        log::warn!("old events cannot be forgotten yet: {error}");
        false
    })
}
