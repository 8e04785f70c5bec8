//! The app state, which every handler receives.

use std::sync::Arc;

use actix_web::HttpRequest;
use actix_web::web::Data;
use arc_swap::ArcSwap;
use tokio::sync::Semaphore;

use crate::commands::{Policy, SharedPolicy};
use crate::http::api_document::ApiDocument;
use crate::http::api_key_cache::ApiKeyCache;
use crate::http::checkout::session::SessionSigner;
use crate::http::client_address::TrustedProxies;
use crate::http::connections::Connections;
use crate::http::error::ApiError;
use crate::http::in_flight::InFlight;
use crate::http::open_streams::OpenStreams;
use crate::http::rate_limit::RateLimiter;
use crate::http::request_meter::RequestMeter;
use crate::http::sandbox::fault_book::FaultBook;
use crate::http::sandbox::request_log::RequestLog;
use crate::http::sessions::Sessions;
use crate::http::walks::Walks;
use crate::store::{self, CommandError, Foreseen, Store, Tx};
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
    /// The memory for uploads, in bytes.
    pub uploads_bytes_max: usize,
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
    /// The access that the API keys give.
    pub api_keys: Arc<ApiKeyCache>,
    /// The operator's decisions.
    pub policy: SharedPolicy,
    /// Bounds on requests.
    pub limits: Limits,
    /// The open connections.
    pub connections: Arc<Connections>,
    /// Counts the requests of each key.
    pub rate_limiter: Arc<RateLimiter>,
    /// Signs checkout sessions.
    pub checkout_sessions: SessionSigner,
    /// Counts unknown keys by the client's network: an IPv4 address, or the /64 network of an
    /// IPv6 address.
    pub unknown_keys: Arc<RateLimiter>,
    /// The faults that merchants have set. Always empty in live mode.
    pub faults: Arc<FaultBook>,
    /// The request log, in sandbox mode only.
    pub requests: Option<Arc<RequestLog>>,
    /// True if only programs on this machine may use the server: in a sandbox that is not
    /// exposed.
    pub is_loopback_only: bool,
    /// The API document.
    pub api_document: Arc<ApiDocument>,
    /// The origins whose web pages may call the service.
    pub origins: Arc<ArcSwap<AllowedOrigins>>,
    /// The proxies whose `X-Forwarded-For` gives the addresses of clients.
    pub trusted_proxies: Arc<TrustedProxies>,
    /// The people who have logged in to the pages.
    pub sessions: Arc<Sessions>,
    /// The idempotency keys of requests in flight.
    pub in_flight: Arc<InFlight>,
    /// The open streams of events. There are none in live mode.
    pub event_streams: Arc<OpenStreams>,
    /// The streams by which pages follow changes, counted for each client network.
    pub page_streams: Arc<OpenStreams>,
    /// The lists that clients read page by page.
    pub walks: Arc<Walks>,
    /// Counts requests, for the metrics.
    pub request_meter: RequestMeter,
    /// The free part of the memory for uploads, in bytes.
    pub upload_memory: Arc<Semaphore>,
}

impl CommandError for ApiError {
    fn of_store(&self) -> Option<&store::Error> {
        match self {
            Self::Store(error) => Some(error),
            _ => None,
        }
    }
}

impl AppState {
    /// Returns the state of the server that a request came to.
    pub(crate) fn of(request: &HttpRequest) -> Result<&Data<Self>, ApiError> {
        request.app_data().ok_or(ApiError::Internal)
    }

    /// Runs one command with the operator's policy.
    pub(crate) async fn write<T, E>(
        &self,
        command: impl FnOnce(&mut Tx<'_>, &Policy) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: CommandError + Send + 'static,
    {
        self.write_foreseen(None, command).await
    }

    /// Runs one command as [`AppState::write`] does, if it is known what the command will read.
    pub(crate) async fn write_foreseen<T, E>(
        &self,
        foreseen: Option<Foreseen>,
        command: impl FnOnce(&mut Tx<'_>, &Policy) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: CommandError + Send + 'static,
    {
        let policy = self.policy.load_full();
        self.store
            .write_foreseen(foreseen, move |tx| command(tx, &policy))
            .await
    }
}
