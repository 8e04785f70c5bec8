//! Forgets, now and then, what is no longer kept.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use crate::queries;
use crate::store::{Error, Store};

/// How often it looks.
const EVERY: Duration = Duration::from_mins(1);
/// Rows in one commit, so that no request waits long behind it.
const ROWS_MAX: u32 = 100;

/// Sweeps until it is dropped. What cannot be swept now is swept later.
pub(crate) async fn run(store: Store, idempotency_kept_seconds: i64) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match sweep(&store, idempotency_kept_seconds).await {
            Ok(()) | Err(Error::Stopped | Error::QueueFull) => {}
            Err(cause) => log::warn!("replies that are no longer kept could not be removed: {cause}"),
        }
    }
}

/// Removes every reply that is no longer kept, in small commits.
async fn sweep(store: &Store, idempotency_kept_seconds: i64) -> Result<(), Error> {
    let file_time = store.file_time();
    loop {
        let expired = queries::expired_idempotency_records(store, file_time, idempotency_kept_seconds, ROWS_MAX)?;
        if expired.is_empty() {
            return Ok(());
        }
        store.write(move |tx| tx.delete_idempotency_records(&expired)).await?;
    }
}
