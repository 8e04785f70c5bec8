//! HTTP: routes to commands and queries, and back into the envelope.
//!
//! A handler takes typed extractors, hands one closure to the store, and renders
//! what comes back. It holds no rule and no SQL.

mod api_key_cache;
mod auth;
mod body;
mod context;
pub mod encoding;
mod envelope;
mod error;
mod execute;
mod fields;
mod in_flight;
mod middleware;
mod query;
mod rate_limit;
mod route;
mod routes;
mod sandbox;
mod state;
mod uploads;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::middleware::from_fn;
use actix_web::{App, HttpServer, web};

pub use api_key_cache::ApiKeyCache;
pub use in_flight::InFlight;
pub use rate_limit::RateLimiter;
pub use routes::routes;
pub use sandbox::fault_book::FaultBook;
pub use sandbox::request_log::{RequestLog, RequestLogLimits};
pub use state::{AppState, Limits};

/// Under which name the log tells of requests that were no HTTP.
pub const CLIENT_FAULTS_LOG: &str = "actix_http";

/// How long a request's head may take to arrive.
const HEADERS_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a connection may stay open between two requests.
const IDLE_TIMEOUT: Duration = Duration::from_secs(5);

/// How the server listens and stops.
#[derive(Clone, Copy, Debug)]
pub struct ServerSettings {
    /// Address and port; port 0 takes any that is free.
    pub listen: SocketAddr,
    /// Most connections at once.
    pub connections_max: usize,
    /// Seconds that requests in flight get to finish when the server stops.
    pub stop_seconds_max: u64,
}

/// Binds the address and answers the server, which runs when it is polled, and
/// the address it got.
pub fn bind(state: AppState, settings: ServerSettings) -> std::io::Result<(Server, SocketAddr)> {
    let workers = std::thread::available_parallelism()?.get();
    let server = HttpServer::new(move || {
        // Each worker has its own state and API key cache: with shared ones the cores
        // would wait for each other's reference counts and locks.
        let state = AppState {
            api_keys: Arc::new(state.api_keys.for_worker()),
            ..state.clone()
        };
        let mode = state.policy.mode;
        App::new()
            .app_data(web::Data::new(state))
            .wrap(from_fn(middleware::observe))
            .configure(|config| routes::configure(config, mode))
    })
    .workers(workers)
    .max_connections(settings.connections_max.div_ceil(workers))
    .client_request_timeout(HEADERS_TIMEOUT)
    .keep_alive(IDLE_TIMEOUT)
    .shutdown_timeout(settings.stop_seconds_max)
    .disable_signals()
    .bind(settings.listen)?;
    let address = server.addrs().first().copied().unwrap_or(settings.listen);
    Ok((server.run(), address))
}
