//! Removes idempotency records and events whose retention period is over, and the sandbox
//! merchants that resets left behind. Each commit removes few rows, so that no request waits
//! long for it.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use crate::background::{self, BackgroundTask};
use crate::commands::old_events;
use crate::domain::time::Timestamp;
use crate::store::{Error, Store};

/// The pause between two passes over the idempotency records.
const IDEMPOTENCY_PERIOD: Duration = Duration::from_mins(1);
/// The pause before the first pass over the events, so that the first requests after a
/// start do not wait for it.
const EVENTS_DELAY: Duration = Duration::from_mins(1);
/// The pause between two passes over the events.
const EVENTS_PERIOD: Duration = Duration::from_hours(1);
/// The pause between two commits of one pass over the events.
const EVENTS_PAUSE: Duration = Duration::from_millis(20);
/// The pause between two looks for files that nothing refers to.
const FILES_PERIOD: Duration = Duration::from_hours(1);
/// The pause between two commits that remove such files.
const FILES_PAUSE: Duration = Duration::from_millis(20);
/// The most files that one commit removes. Each takes a round trip to the server.
const FILES_MAX: u32 = 20;
/// The pause after a pass over events or files that failed.
const FAILED_PAUSE: Duration = Duration::from_mins(1);
/// The most idempotency records that one commit removes.
const RECORDS_MAX: u32 = 100;
/// The most records that one command deletes on a PostgreSQL server, where each takes a round trip.
const RECORDS_ON_SERVER_MAX: u32 = 20;
/// The longest pause between two looks for merchants that resets left behind.
const LEFT_BEHIND_PERIOD_MAX: Duration = Duration::from_mins(1);
/// The pause between two commits that remove such merchants.
const LEFT_BEHIND_PAUSE: Duration = Duration::from_millis(20);
/// The most merchants that are removed together. Each time, some tables are searched once.
const MERCHANTS_MAX: u32 = 20;

/// The retention periods.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Retention {
    /// The period of idempotency records in seconds, by each merchant's clock.
    pub(crate) idempotency_seconds: i64,
    /// The period of events, by ledger time. `None` keeps them for ever.
    pub(crate) events: Option<Duration>,
    /// The period after a reset, by ledger time, in which the merchant before it stays. Requests
    /// and webhook attempts that began before the reset end meanwhile. `None` in live mode,
    /// which has no resets.
    pub(crate) left_behind: Option<Duration>,
}

/// Removes expired rows until the future is dropped. A pass that fails is logged, and the
/// next pass repeats its work. Each kind of rows has passes of its own: one that panics again and
/// again holds up no other.
pub(crate) async fn run(store: Store, retention: Retention) {
    let (store, task, panics) = (&store, BackgroundTask::Retention, store.panics());
    let events = async || {
        if let Some(kept) = retention.events {
            remove_old_events(store, kept).await;
        }
    };
    let left_behind = async || {
        if let Some(kept) = retention.left_behind {
            remove_left_behind(store, kept).await;
        }
    };
    let records = async || remove_expired_records(store, retention.idempotency_seconds).await;
    let files = async || remove_unused_files(store).await;
    tokio::join!(
        background::run(task, panics, records),
        background::run(task, panics, events),
        background::run(task, panics, left_behind),
        background::run(task, panics, files),
    );
}

/// Removes the content of files in a PostgreSQL database that no row names and that were uploaded
/// more than a day ago.
async fn remove_unused_files(store: &Store) {
    let mut pause = FILES_PERIOD;
    loop {
        tokio::time::sleep(pause).await;
        store.until_leader().await;
        let removed = remove_all_unused_files(store).await;
        pause = pause_after(&removed, FILES_PERIOD);
        warn_of(removed, "cannot remove files that nothing refers to");
    }
}

async fn remove_all_unused_files(store: &Store) -> Result<(), Error> {
    loop {
        let unused = store.read(|snapshot| snapshot.unused_files(FILES_MAX)).await?;
        if unused.is_empty() {
            return Ok(());
        }
        store.write_patiently(move |tx| tx.remove_unused_files(&unused)).await?;
        tokio::time::sleep(FILES_PAUSE).await;
    }
}

async fn remove_expired_records(store: &Store, kept_seconds: i64) {
    let mut ticks = interval(IDEMPOTENCY_PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        store.until_leader().await;
        let removed = remove_all_expired(store, kept_seconds).await;
        warn_of(removed, "cannot remove expired idempotency records");
    }
}

async fn remove_all_expired(store: &Store, kept_seconds: i64) -> Result<(), Error> {
    let now = store.ledger_time();
    loop {
        let expired = store.read(move |snapshot| {
            let max = if snapshot.is_on_server() {
                RECORDS_ON_SERVER_MAX
            } else {
                RECORDS_MAX
            };
            snapshot.expired_idempotency_records(now, kept_seconds, max)
        });
        let expired = expired.await?;
        if expired.is_empty() {
            return Ok(());
        }
        store
            .write_patiently(move |tx| tx.delete_idempotency_records(&expired))
            .await?;
    }
}

async fn remove_old_events(store: &Store, kept: Duration) {
    let kept = i64::try_from(kept.as_millis()).unwrap_or(i64::MAX);
    tokio::time::sleep(EVENTS_DELAY).await;
    loop {
        store.until_leader().await;
        let removed = remove_all_events(store, store.ledger_time().millis_earlier(kept)).await;
        let pause = pause_after(&removed, EVENTS_PERIOD);
        warn_of(removed, "cannot remove old events");
        tokio::time::sleep(pause).await;
    }
}

async fn remove_all_events(store: &Store, before: Timestamp) -> Result<(), Error> {
    while store.write_patiently(move |tx| old_events::delete(tx, before)).await? {
        tokio::time::sleep(EVENTS_PAUSE).await;
    }
    Ok(())
}

async fn remove_left_behind(store: &Store, kept: Duration) {
    let kept_millis = i64::try_from(kept.as_millis()).unwrap_or(i64::MAX);
    loop {
        tokio::time::sleep(kept.min(LEFT_BEHIND_PERIOD_MAX)).await;
        store.until_leader().await;
        let before = store.ledger_time().millis_earlier(kept_millis);
        let removed = remove_all_left_behind(store, before).await;
        warn_of(removed, "cannot remove the rows of merchants from before a reset");
    }
}

async fn remove_all_left_behind(store: &Store, before: Timestamp) -> Result<(), Error> {
    while let Some(removal) = store
        .read(move |snapshot| snapshot.removal(before, MERCHANTS_MAX))
        .await?
    {
        let merchants = removal.merchants();
        let mut rest = Some(removal);
        while let Some(removal) = rest {
            store.until_leader().await;
            rest = store.write_patiently(move |tx| tx.remove_some(removal)).await?;
            tokio::time::sleep(LEFT_BEHIND_PAUSE).await;
        }
        log::info!("removed all rows of {merchants} merchants from before a reset");
    }
    Ok(())
}

/// Returns the pause after a pass, which is short if it failed.
const fn pause_after(passed: &Result<(), Error>, period: Duration) -> Duration {
    if passed.is_ok() { period } else { FAILED_PAUSE }
}

/// Logs why a pass has failed, unless the log says so already.
fn warn_of(passed: Result<(), Error>, failure: &str) {
    if let Err(error) = passed
        && !error.is_reported_elsewhere()
    {
        log::warn!("{failure}; the next pass retries: {error}");
    }
}
