//! What every handler is given.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::commands::Policy;
use crate::store::{self, Store, Tx};

/// Bounds on requests.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Largest body, in bytes.
    pub body_bytes_max: usize,
    /// Longest wait for a whole body, in seconds.
    pub body_seconds_max: u64,
    /// Most escrows in one payment.
    pub escrows_per_payment_max: usize,
}

/// The service behind the routes. Cheap to clone; every clone is the same.
#[derive(Clone, Debug)]
pub struct Api {
    /// Where everything is kept.
    pub store: Store,
    /// What the operator has decided.
    pub policy: Arc<Policy>,
    /// The currency of every amount.
    pub currency: Arc<str>,
    /// Bounds on requests.
    pub limits: Limits,
    /// Set when the service is about to stop: replies then close their connection.
    pub stopping: Arc<AtomicBool>,
}

impl Api {
    /// Runs one command with the operator's policy.
    pub(crate) async fn write<T, E>(
        &self,
        command: impl FnOnce(&mut Tx<'_>, &Policy) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<store::Error> + Send + 'static,
    {
        let policy = Arc::clone(&self.policy);
        self.store.write(move |tx| command(tx, &policy)).await
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }
}
