//! The app state, which every handler receives.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::commands::Policy;
use crate::domain::ids::MerchantId;
use crate::domain::party::Party;
use crate::http::api_key_cache::ApiKeyCache;
use crate::http::connections::Connections;
use crate::http::context::RequestContext;
use crate::http::in_flight::InFlight;
use crate::http::rate_limit::RateLimiter;
use crate::http::sandbox::event_streams::EventStreams;
use crate::http::sandbox::fault_book::FaultBook;
use crate::http::sandbox::request_log::RequestLog;
use crate::http::walks::Walks;
use crate::store::{self, Store, Tx};
use crate::views::ViewContext;
use crate::webhooks;

/// Bounds on requests.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Largest body, in bytes.
    pub body_bytes_max: usize,
    /// The longest wait for a whole JSON body, in seconds, and for each
    /// [`ConnectionLimits::PROGRESS_BYTES_MIN`] bytes of a form.
    ///
    /// [`ConnectionLimits::PROGRESS_BYTES_MIN`]: crate::http::ConnectionLimits::PROGRESS_BYTES_MIN
    pub body_seconds_max: u64,
    /// Largest file, in bytes.
    pub file_bytes_max: usize,
    /// The most files in one request.
    pub files_per_request_max: usize,
    /// The most escrows in one payment.
    pub escrows_per_payment_max: usize,
    /// The most rows of a statement or a journal.
    pub report_rows_max: usize,
}

/// The origins whose web pages may call the service from a browser.
#[derive(Clone, Debug, Default)]
pub struct AllowedOrigins {
    /// True if pages on this machine may, at any port: in a sandbox.
    pub on_this_machine: bool,
    /// Further origins, as browsers write them.
    pub listed: Vec<String>,
}

/// The parts of the service that the routes use. Clones are cheap and share them.
#[derive(Clone, Debug)]
pub struct AppState {
    pub store: Store,
    /// The handle of the webhook deliverer.
    pub webhooks: webhooks::Handle,
    /// The owners of the API keys.
    pub api_keys: Arc<ApiKeyCache>,
    /// The operator's decisions.
    pub policy: Arc<Policy>,
    /// Bounds on requests.
    pub limits: Limits,
    /// The open connections.
    pub connections: Arc<Connections>,
    /// The IP addresses that may use each live merchant's keys. A merchant whose list is
    /// absent or empty allows all addresses.
    pub allowed_ips: Arc<HashMap<MerchantId, Vec<IpAddr>>>,
    /// `None` if requests are not limited.
    pub rate_limiter: Option<Arc<RateLimiter>>,
    /// Counts unknown keys by address. `None` if they are not limited.
    pub unknown_keys: Option<Arc<RateLimiter>>,
    /// The faults that merchants have set. Always empty in live mode.
    pub faults: Arc<FaultBook>,
    /// The request log, in sandbox mode only.
    pub requests: Option<Arc<RequestLog>>,
    /// True if only programs on this machine may use the server: in a sandbox that is not
    /// exposed.
    pub is_loopback_only: bool,
    /// The origins whose web pages may call the service.
    pub origins: Arc<AllowedOrigins>,
    /// The idempotency keys of requests in flight.
    pub in_flight: Arc<InFlight>,
    /// The open streams of events. There are none in live mode.
    pub event_streams: Arc<EventStreams>,
    /// The lists that clients read page by page.
    pub walks: Arc<Walks>,
    /// The free part of the memory for uploads, in bytes.
    pub upload_memory: Arc<Semaphore>,
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

    /// Returns the context of views for the viewer of a request.
    pub(crate) fn view_context<'a>(
        &'a self,
        viewer: Option<&'a Party>,
        request: &'a RequestContext,
    ) -> ViewContext<'a> {
        self.policy.view_context(viewer, request.host.as_deref())
    }

    /// Returns true if a client with this address may use the merchant's keys.
    pub(crate) fn is_allowed(&self, merchant: MerchantId, peer: Option<IpAddr>) -> bool {
        let allowed = self.allowed_ips.get(&merchant).filter(|allowed| !allowed.is_empty());
        allowed.is_none_or(|allowed| {
            let is_peer = |ip: &IpAddr| Some(ip.to_canonical()) == peer.map(|peer| peer.to_canonical());
            allowed.iter().any(is_peer)
        })
    }
}
