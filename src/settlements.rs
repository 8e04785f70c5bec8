//! Settles what falls due by itself: in a sandbox the withdrawals whose simulated bank has
//! taken its time (a clock that is moved settles them in its own command), in live mode the
//! deposits for which no money came.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use crate::background::{self, BackgroundTask};
use crate::commands::{self, Policy, SharedPolicy, intents, receipts};
use crate::domain::ids::MerchantId;
use crate::domain::mode::Mode;
use crate::store::{CommandError as _, Error, Store, Tx};

/// The pause between two looks for withdrawals that are due.
const PERIOD: Duration = Duration::from_secs(1);
/// The late deposits that are read at a time.
const DEPOSITS_READ_MAX: u32 = 100;

/// Settles what is due until the future is dropped. A look that fails is logged, and the next
/// one repeats its work.
pub(crate) async fn run(store: Store, policy: SharedPolicy) {
    let settle = async || settle_each_second(&store, &policy).await;
    background::run(BackgroundTask::Settlements, store.panics(), settle).await;
}

async fn settle_each_second(store: &Store, policy: &SharedPolicy) {
    let mut ticks = interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        store.until_leader().await;
        let policy = policy.load_full();
        let settled = match policy.mode {
            Mode::Sandbox => settle_all(store, &policy).await,
            Mode::Live => expire_deposits(store, &policy).await,
        };
        if let Err(cause) = settled
            && !cause.of_store().is_some_and(Error::is_reported_elsewhere)
        {
            log::warn!("cannot settle the payments that are due; the next second retries: {cause}");
        }
    }
}

/// Settles the due withdrawals of each merchant.
async fn settle_all(store: &Store, policy: &Arc<Policy>) -> Result<(), commands::Error> {
    let mut settled = None;
    loop {
        let now = store.ledger_time();
        let due = store.read(move |snapshot| snapshot.merchant_with_due_withdrawals(now, settled));
        let Some(merchant) = due.await? else {
            return Ok(());
        };
        let policy = Arc::clone(policy);
        let settle = move |tx: &mut Tx<'_>| {
            tx.act_for_any(merchant)?;
            intents::settle_due(tx, &policy, merchant)
        };
        let outcome = store.write_patiently(settle).await;
        let has_more = matches!(outcome, Ok(count) if count >= intents::SETTLED_MAX);
        leave_failed(merchant, outcome)?;
        if !has_more {
            settled = Some(merchant);
        }
    }
}

/// Gives up the deposits by bank transfer that were expected for long enough.
async fn expire_deposits(store: &Store, policy: &Arc<Policy>) -> Result<(), commands::Error> {
    let before = store.ledger_time().millis_earlier(policy.deposit_kept_seconds * 1_000);
    let mut after = 0;
    loop {
        let late = store.read(move |snapshot| snapshot.deposits_before(before, after, DEPOSITS_READ_MAX));
        let late = late.await?;
        let Some((_, last)) = late.last() else {
            return Ok(());
        };
        after = last.number();
        for (merchant, deposit) in late {
            let policy = Arc::clone(policy);
            let expire = move |tx: &mut Tx<'_>| {
                tx.act_for(merchant)?;
                receipts::expire_late(tx, &policy, merchant, deposit)
            };
            leave_failed(merchant, store.write_patiently(expire).await)?;
        }
    }
}

/// Logs why the payments of one merchant cannot be settled, so that the other merchants' are.
///
/// # Errors
///
/// Returns an error that meets all merchants alike.
fn leave_failed<T>(merchant: MerchantId, outcome: Result<T, commands::Error>) -> Result<(), commands::Error> {
    match outcome {
        Err(cause) if cause.of_store().is_none_or(Error::is_of_one_command) => {
            log::warn!(
                "merchant {}: cannot settle the payments that are due; the next second retries: {cause}",
                merchant.0
            );
            Ok(())
        }
        outcome => outcome.map(drop),
    }
}
