//! Reads the whole body of a request into memory, within bounds on size, time and memory: bodies
//! of JSON and CSV, and the forms of pages. Only the API's forms with files are read part by part
//! ([`form`](crate::http::form)).

use std::pin::pin;
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::dev::Payload;
use futures_util::TryStreamExt;

use crate::http::connections::{ConnectionLimits, Phase};
use crate::http::context::RequestContext;
use crate::http::error::ApiError;
use crate::http::memory_share::MemoryShare;
use crate::http::payload::{at_most, check_head, payload_error, unreadable, with_progress};
use crate::http::state::AppState;

/// The bytes of a whole body. One that may be large has a share of the memory for uploads, which
/// dropping it frees.
#[derive(Debug)]
pub(crate) struct WholeBody {
    pub(crate) bytes: Vec<u8>,
    memory_share: MemoryShare,
}

impl WholeBody {
    /// Reads a body of at most `bytes_max` bytes. If it can be no larger than a body of JSON, it must
    /// arrive in the time for one. A larger one may take longer while its client makes progress,
    /// and counts as memory for uploads.
    ///
    /// # Errors
    ///
    /// Refuses a body that is too large, too slow or compressed, one of several content types, and
    /// one for which no memory is free.
    pub(crate) async fn read(request: &HttpRequest, payload: Payload, bytes_max: usize) -> Result<Self, ApiError> {
        check_head(request.headers(), bytes_max)?;
        let api = AppState::of(request)?;
        let limits = api.limits;
        let is_large = bytes_max > limits.body_bytes_max;
        let window = Duration::from_secs(limits.body_seconds_max);
        let bytes_min = if is_large {
            ConnectionLimits::PROGRESS_BYTES_MIN
        } else {
            usize::MAX
        };
        let reading = async {
            let mut chunks = pin!(with_progress(window, bytes_min, at_most(bytes_max, request, payload)));
            let (mut bytes, mut memory_share) = (Vec::new(), MemoryShare::default());
            let refuse = |error| payload_error(&error, bytes_max, limits);
            while let Some(chunk) = chunks.try_next().await.map_err(refuse)? {
                if is_large {
                    memory_share.grow(request, chunk.len())?;
                }
                bytes.extend_from_slice(&chunk);
            }
            Ok(Self { bytes, memory_share })
        };
        read_whole(request, reading).await
    }

    /// Returns the body as text, and its share of the memory for uploads.
    ///
    /// # Errors
    ///
    /// Refuses a body that is not UTF-8.
    pub(crate) fn into_text(self) -> Result<(String, MemoryShare), ApiError> {
        let text = String::from_utf8(self.bytes).map_err(|_| unreadable("it is not UTF-8 text"))?;
        Ok((text, self.memory_share))
    }
}

/// Reads a body, and notes for its connection when the wait for it begins and ends.
pub(super) async fn read_whole<T>(
    request: &HttpRequest,
    reading: impl Future<Output = Result<T, ApiError>>,
) -> Result<T, ApiError> {
    let context = RequestContext::of(request)?;
    context.enter(Phase::Body);
    let body = reading.await;
    match body {
        Ok(_) => context.body_is_read(),
        Err(_) => context.enter(Phase::Handler),
    }
    body
}
