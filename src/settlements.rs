//! Settles the withdrawals whose simulated bank has taken its time, as the merchants' clocks
//! go on by themselves. A clock that is moved settles them in its own command.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use crate::commands::{self, Policy, intents};
use crate::store::{Error, Store};

/// The pause between two looks for withdrawals that are due.
const PERIOD: Duration = Duration::from_secs(1);

/// Settles withdrawals until the future is dropped. A look that fails is logged, and the next
/// one repeats its work.
pub(crate) async fn run(store: Store, policy: Arc<Policy>) {
    let mut ticks = interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match settle_all(&store, &policy).await {
            Ok(()) | Err(commands::Error::Store(Error::Stopped | Error::QueueFull)) => {}
            Err(commands::Error::Store(error)) if error.refuses_all_writes() => {}
            Err(cause) => log::warn!("cannot settle the withdrawals that are due; the next second retries: {cause:?}"),
        }
    }
}

async fn settle_all(store: &Store, policy: &Arc<Policy>) -> Result<(), commands::Error> {
    loop {
        let now = store.ledger_time();
        let Some(merchant) = store.read(|snapshot| snapshot.merchant_with_due_withdrawals(now))? else {
            return Ok(());
        };
        let policy = Arc::clone(policy);
        let settle = move |tx: &mut crate::store::Tx<'_>| {
            tx.act_for(merchant)?;
            intents::settle_due(tx, &policy, merchant)
        };
        store.write(settle).await?;
    }
}
