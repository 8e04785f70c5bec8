//! Answers `Expect: 100-continue` (contract section 1.9).
//!
//! A client that sends this header waits for an interim reply (100 Continue) before it sends its
//! body. A body that the service would refuse by its head is refused here, before the client sends
//! any of it.

use std::sync::Arc;

use actix_http::{HttpMessage, Request, Response};
use actix_web::ResponseError;
use actix_web::body::BoxBody;
use actix_web::http::ConnectionType;
use actix_web::http::header::{CONTENT_TYPE, HeaderValue};

use crate::commands::SharedPolicy;
use crate::domain::invalid::shortened;
use crate::entropy;
use crate::http::base_url;
use crate::http::body::LARGE_JSON_BYTES_MAX;
use crate::http::connections::{Connection, Phase};
use crate::http::context::single_host;
use crate::http::doc_url;
use crate::http::error::ApiError;
use crate::http::headers::REQUEST_ID;
use crate::http::media_type::CSV;
use crate::http::payload::check_head;
use crate::http::routes::seeds;
use crate::http::state::Limits;

/// Tells the client to go on, or returns the reply that refuses its body. The connection
/// closes after that reply, since the client may send the body all the same.
pub(super) fn check(request: Request, limits: Limits, policy: &SharedPolicy) -> Result<Request, Response<BoxBody>> {
    let content_type = request
        .headers()
        .get(CONTENT_TYPE)
        .map_or(&b""[..], HeaderValue::as_bytes);
    let content_type = content_type.to_ascii_lowercase();
    let bytes_max = if content_type.starts_with(b"multipart/") {
        limits.form_bytes_max()
    } else if content_type.starts_with(CSV.as_bytes()) {
        limits.file_bytes_max
    } else if is_seed(request.path()) {
        limits.body_bytes_max.max(LARGE_JSON_BYTES_MAX)
    } else {
        limits.body_bytes_max
    };
    match check_head(request.headers(), bytes_max) {
        Ok(()) => Ok(request),
        Err(refusal) => Err(refuse(&request, &refusal, policy)),
    }
}

/// Returns true for the path of a seed, in each form that is routed to it later.
fn is_seed(path: &str) -> bool {
    base_url::normalized_path(path).as_deref().unwrap_or(path) == seeds::PATH
}

fn refuse(request: &Request, refusal: &ApiError, policy: &SharedPolicy) -> Response<BoxBody> {
    let host = single_host(request.headers());
    let mut response = doc_url::add(refusal.error_response(), policy, host);
    let id = entropy::request_id();
    let (method, path, status) = (request.method(), shortened(request.path()), response.status().as_u16());
    log::info!("{id} {method} {path:?} {status} before its body");
    let id = HeaderValue::from_str(&id).expect("an id is plain text");
    response.headers_mut().insert(REQUEST_ID, id);
    response.head_mut().set_connection_type(ConnectionType::Close);
    if let Some(connection) = request.conn_data::<Arc<Connection>>() {
        connection.end_with_this_request();
        connection.enter(Phase::UnreadBody);
    }
    response.into()
}
