//! Reads the bytes of a request's body within bounds on size and time, and says in plain
//! words why a body cannot be read.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap};
use actix_web::web;
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use tokio::time::{Instant, timeout_at};

use crate::domain::invalid::shortened;
use crate::http::connections::Connection;
use crate::http::error::ApiError;
use crate::http::headers::single_value;
use crate::http::state::Limits;

/// Refuses a body by the head of its request, before any of it is read.
///
/// # Errors
///
/// Refuses a body of several content types, one that is compressed, and one that is announced to be longer than
/// `bytes_max`.
pub(super) fn check_head(headers: &HeaderMap, bytes_max: usize) -> Result<(), ApiError> {
    check_content_type(headers)?;
    let encodings = headers.get_all(CONTENT_ENCODING);
    let encodings: Vec<_> = encodings
        .map(|value| String::from_utf8_lossy(value.as_bytes()))
        .collect();
    let is_plain = |encoding: &str| encoding.is_empty() || encoding.eq_ignore_ascii_case("identity");
    let mut each = encodings.iter().flat_map(|value| value.split(',')).map(str::trim);
    if let Some(encoding) = each.find(|encoding| !is_plain(encoding)) {
        return Err(ApiError::EncodedBody {
            encoding: shortened(encoding),
        });
    }
    let announced = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    let announced: Option<u64> = announced.and_then(|length| length.trim().parse().ok());
    if announced.is_some_and(|announced| usize::try_from(announced).map_or(true, |bytes| bytes > bytes_max)) {
        return Err(ApiError::BodyTooLarge { bytes_max });
    }
    Ok(())
}

/// Refuses a body of several different content types.
pub(super) fn check_content_type(headers: &HeaderMap) -> Result<(), ApiError> {
    single_value(headers, &CONTENT_TYPE).map(|_| ())
}

/// Removes the byte order mark that some programs put before UTF-8 text.
pub(super) fn without_bom(text: String) -> String {
    match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_owned(),
        None => text,
    }
}

/// Passes the body's chunks on, and ends with [`PayloadError::Overflow`] once they exceed
/// `bytes_max` bytes, and with [`PayloadError::EncodingCorrupted`] where the body is malformed.
pub(super) fn at_most(
    bytes_max: usize,
    request: &HttpRequest,
    payload: Payload,
) -> impl Stream<Item = Result<web::Bytes, PayloadError>> + use<> {
    let connection = request.conn_data::<Arc<Connection>>().cloned();
    let is_malformed = move || {
        connection
            .as_ref()
            .is_some_and(|connection| connection.has_malformed_body())
    };
    let mut bytes_left = bytes_max;
    payload.map(move |chunk| {
        let chunk = chunk.map_err(|error| match error {
            PayloadError::Incomplete(_) if is_malformed() => PayloadError::EncodingCorrupted,
            other => other,
        })?;
        bytes_left = bytes_left.checked_sub(chunk.len()).ok_or(PayloadError::Overflow)?;
        Ok(chunk)
    })
}

/// Passes the body's chunks on, and ends with an error when the client sends fewer than `bytes_min`
/// bytes in a `window`. With more than the body can have, the whole body must arrive in one window.
/// The announced length of the body does not matter, since a client can announce what it never
/// sends.
pub(super) fn with_progress(
    window: Duration,
    bytes_min: usize,
    chunks: impl Stream<Item = Result<web::Bytes, PayloadError>> + Unpin + 'static,
) -> impl Stream<Item = Result<web::Bytes, PayloadError>> {
    let began = (chunks, Instant::now(), 0);
    stream::unfold(began, move |(mut chunks, mut since, mut bytes)| async move {
        match timeout_at(since + window, chunks.next()).await {
            Ok(chunk) => {
                let chunk = chunk?;
                bytes += chunk.as_ref().map_or(0, web::Bytes::len);
                if bytes >= bytes_min {
                    (since, bytes) = (Instant::now(), 0);
                }
                Some((chunk, (chunks, since, bytes)))
            }
            Err(_elapsed) => {
                let too_slow = PayloadError::Io(io::ErrorKind::TimedOut.into());
                Some((Err(too_slow), (chunks, since, bytes)))
            }
        }
    })
    .fuse()
}

pub(super) async fn collect(chunks: impl Stream<Item = Result<web::Bytes, ApiError>>) -> Result<Vec<u8>, ApiError> {
    let mut chunks = std::pin::pin!(chunks);
    let mut body = Vec::new();
    while let Some(chunk) = chunks.try_next().await? {
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Returns the reason why a body of at most `bytes_max` bytes cannot be read.
pub(super) fn payload_error(error: &PayloadError, bytes_max: usize, limits: Limits) -> ApiError {
    match error {
        PayloadError::Overflow => ApiError::BodyTooLarge { bytes_max },
        PayloadError::Io(error) if error.kind() == io::ErrorKind::TimedOut => ApiError::BodyTooSlow {
            seconds_max: limits.body_seconds_max,
        },
        PayloadError::Incomplete(_) => {
            unreadable("it ended early; its content-length or its last chunk says that more should come")
        }
        PayloadError::EncodingCorrupted => unreadable("its chunks do not have the form of transfer-encoding: chunked"),
        PayloadError::Io(_) => unreadable("the connection failed before all of it had arrived"),
        other => unreadable(other),
    }
}

pub(super) fn unreadable(problem: impl std::fmt::Display) -> ApiError {
    ApiError::BodyUnreadable {
        problem: problem.to_string(),
    }
}
