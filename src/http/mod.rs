//! The HTTP server: parses requests, runs commands and queries, and renders replies.
//!
//! A handler takes typed extractors. It passes a command to `AppState::execute`, or a query
//! to the store, and renders the outcome. It has no business rule and no SQL.

mod answer;
mod api_document;
mod api_key_cache;
mod auth;
mod authenticated;
mod base_url;
mod body;
mod canonical_json;
mod changes;
mod checkout;
mod client_address;
mod connections;
mod context;
mod csv_body;
mod details;
mod doc_url;
mod door;
pub mod encoding;
mod envelope;
mod error;
mod execute;
mod expect;
mod fields;
mod form;
mod headers;
mod in_flight;
mod key_mistake;
mod known_fields;
mod media_type;
mod metrics_server;
mod middleware;
mod openapi;
mod operator_auth;
mod parts_hash;
mod payload;
mod query;
mod rate_limit;
mod refusal_codes;
mod refusals;
mod request_meter;
mod request_spec;
mod route;
mod routes;
mod sandbox;
mod server;
mod sessions;
mod state;
mod store_failure;
mod uploads;
mod visitor;
mod walks;

pub use api_document::ApiDocument;
pub use api_key_cache::ApiKeyCache;
pub(crate) use auth::{check_host, client_of};
pub(crate) use changes::{Rows, changes};
pub use checkout::session::SessionSigner;
pub(crate) use checkout::{CheckoutDoor, PlayMoney, RealMoney, Session, Source, on_behalf_of};
pub use client_address::TrustedProxies;
pub use connections::{ConnectionLimits, Connections, ConnectionsReading};
pub(crate) use door::{Call, CallReply, Door};
pub(crate) use error::ApiError;
pub(crate) use headers::SEC_FETCH_DEST;
pub use in_flight::InFlight;
pub(crate) use media_type::{CSV, FORM, JSON};
pub use metrics_server::{Scrape, metrics_server};
pub use rate_limit::RateLimiter;
pub use request_meter::{RequestMeter, RouteReading};
pub(crate) use routes::api_document;
pub(crate) use routes::checkout::{SCRIPT_PATH as CHECKOUT_SCRIPT_PATH, begin_by_link as begin_checkout_by_link};
pub use routes::{openapi_document, routes};
pub use sandbox::event_streams::{EventStreamLimits, EventStreams};
pub use sandbox::fault_book::FaultBook;
pub use sandbox::request_log::{RequestLog, RequestLogLimits};
pub use server::{ServerSettings, listen, server};
pub(crate) use sessions::Outcome;
pub use sessions::Sessions;
pub use state::{AllowedOrigins, AppState, Limits};
pub(crate) use visitor::{Person, Visitor, log_in, log_out};
pub use walks::Walks;

/// The log target of requests that are not valid HTTP.
pub const CLIENT_ERRORS_LOG: &str = "actix_http";
