//! The HTTP server: parses requests, runs commands and queries, and renders replies.
//!
//! A handler takes typed extractors. It passes a command to [`AppState::execute`], or a query
//! to the store, and renders the outcome. It has no business rule and no SQL.

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

/// The log target of requests that are not valid HTTP.
pub const CLIENT_ERRORS_LOG: &str = "actix_http";

/// The longest time for a request's head to arrive.
const HEADERS_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest time that a connection stays open between two requests.
const IDLE_TIMEOUT: Duration = Duration::from_secs(5);

/// The settings of the server's socket and its shutdown.
#[derive(Clone, Copy, Debug)]
pub struct ServerSettings {
    /// Address and port. Port 0 selects a free port.
    pub listen: SocketAddr,
    /// The most connections at once.
    pub connections_max: usize,
    /// Seconds that requests in flight have to finish when the server stops.
    pub stop_seconds_max: u64,
}

/// Binds the address, and returns the server and the bound address. The server runs when
/// it is polled.
pub fn bind(state: AppState, settings: ServerSettings) -> std::io::Result<(Server, SocketAddr)> {
    let workers = std::thread::available_parallelism()?.get();
    let server = HttpServer::new(move || {
        // Each worker has its own state and API key cache, so that the cores do not contend
        // for shared reference counts and locks.
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
