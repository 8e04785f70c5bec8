//! What every handler is given.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Semaphore;

use crate::commands::Policy;
use crate::domain::escrow::deal::Deal;
use crate::domain::ids::{EscrowKey, MerchantId, PaymentToken};
use crate::domain::party::Party;
use crate::domain::refusal::Refusal;
use crate::http::api_key_cache::ApiKeyCache;
use crate::http::auth::Caller;
use crate::http::error::ApiError;
use crate::http::in_flight::InFlight;
use crate::http::rate_limit::RateLimiter;
use crate::http::sandbox::fault_book::FaultBook;
use crate::http::sandbox::request_log::RequestLog;
use crate::store::{self, Store, Tx};
use crate::views::ViewContext;
use crate::webhooks;

/// Bounds on requests.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Largest body, in bytes.
    pub body_bytes_max: usize,
    /// Longest wait for a whole body, in seconds.
    pub body_seconds_max: u64,
    /// Largest file, in bytes.
    pub file_bytes_max: usize,
    /// Most files in one request.
    pub files_per_request_max: usize,
    /// Most escrows in one payment.
    pub escrows_per_payment_max: usize,
}

/// The service behind the routes. Cheap to clone; every clone is the same.
#[derive(Clone, Debug)]
pub struct AppState {
    /// Where everything is kept.
    pub store: Store,
    /// What brings events to merchants.
    pub webhooks: webhooks::Handle,
    /// Which key belongs to whom.
    pub api_keys: Arc<ApiKeyCache>,
    /// What the operator has decided.
    pub policy: Arc<Policy>,
    /// Bounds on requests.
    pub limits: Limits,
    /// The addresses that may use a merchant's keys; every address where none is
    /// listed. Those of a live merchant only.
    pub allowed_ips: Arc<HashMap<MerchantId, Vec<IpAddr>>>,
    /// How often a key may ask, if that is limited.
    pub rate_limiter: Option<Arc<RateLimiter>>,
    /// What is to go wrong on purpose; nothing ever in live mode.
    pub faults: Arc<FaultBook>,
    /// What was asked lately and answered; in sandbox mode only.
    pub requests: Option<Arc<RequestLog>>,
    /// Whether only programs on this machine are meant to reach it: a sandbox that
    /// is not exposed.
    pub is_for_this_machine_only: bool,
    /// Requests with an idempotency key that are being worked on.
    pub in_flight: Arc<InFlight>,
    /// Bytes of memory left for files that are being received.
    pub room_for_files: Arc<Semaphore>,
    /// Set when the service is about to stop: replies then close their connection.
    pub stopping: Arc<AtomicBool>,
}

impl AppState {
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

    /// Returns the caller's deal with this payment token.
    pub(crate) fn deal_of(&self, caller: &Caller, token: &str) -> Result<Deal, ApiError> {
        let merchant = caller.merchant().ok_or(Refusal::EscrowNotFound)?;
        let key = EscrowKey::Token(PaymentToken::named(token));
        let deal = self.store.read(|snapshot| snapshot.deal(merchant, &key))?;
        Ok(deal.ok_or(Refusal::EscrowNotFound)?)
    }

    /// Returns what views need to know for this party.
    pub(crate) fn view_context<'a>(&'a self, viewer: Option<&'a Party>) -> ViewContext<'a> {
        ViewContext {
            viewer,
            ..self.policy.view_context()
        }
    }

    /// Whether a merchant's keys may be used from this address.
    pub(crate) fn is_allowed(&self, merchant: MerchantId, peer: Option<IpAddr>) -> bool {
        let allowed = self.allowed_ips.get(&merchant).filter(|allowed| !allowed.is_empty());
        allowed.is_none_or(|allowed| {
            let is_peer = |ip: &IpAddr| Some(ip.to_canonical()) == peer.map(|peer| peer.to_canonical());
            allowed.iter().any(is_peer)
        })
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }
}
