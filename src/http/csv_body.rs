//! Reads a request's body that is a CSV file, within bounds on size, time and memory. The
//! route parses it, away from the threads that serve requests.

use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use futures_util::TryStreamExt;
use futures_util::future::LocalBoxFuture;
use sha2::{Digest, Sha256};

use crate::http::body::{limits_of, read_whole};
use crate::http::context::{ReceivedBody, ReceivedFileSummary, RequestContext};
use crate::http::error::ApiError;
use crate::http::media_type::CSV;
use crate::http::memory_share::MemoryShare;
use crate::http::payload::{at_most, check_content_type, check_head, payload_error, with_progress};
use crate::http::state::{AppState, Limits};

/// The bytes of a CSV file, not yet parsed. Empty if the request has no body.
#[derive(Debug)]
pub(crate) struct CsvBody {
    pub(crate) bytes: Vec<u8>,
    _memory_share: MemoryShare,
}

impl FromRequest for CsvBody {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        let payload = payload.take();
        Box::pin(async move {
            let limits = limits_of(&request)?;
            check_content_type(request.headers())?;
            let has_type = request.headers().contains_key(CONTENT_TYPE);
            let is_csv = request.content_type().eq_ignore_ascii_case(CSV);
            let wrong_type = ApiError::UnsupportedMediaType { expected: CSV };
            if has_type && !is_csv {
                return Err(wrong_type);
            }
            check_head(request.headers(), limits.file_bytes_max)?;
            let body = read_whole(&request, read(&request, payload, limits)).await?;
            if !has_type && !body.bytes.is_empty() {
                return Err(wrong_type);
            }
            body.keep_in_context(&request)
        })
    }
}

impl CsvBody {
    /// Keeps a summary of the file in the request context.
    fn keep_in_context(self, request: &HttpRequest) -> Result<Self, ApiError> {
        let context = RequestContext::of(request)?;
        if !self.bytes.is_empty() {
            context.body.get_or_init(|| {
                ReceivedBody::Csv(ReceivedFileSummary {
                    field: String::new(),
                    bytes: self.bytes.len(),
                    hash: context.compares_files().then(|| Sha256::digest(&self.bytes).into()),
                })
            });
        }
        Ok(self)
    }
}

async fn read(request: &HttpRequest, payload: Payload, limits: Limits) -> Result<CsvBody, ApiError> {
    let api = AppState::of(request)?;
    let bytes_max = limits.file_bytes_max;
    let window = Duration::from_secs(limits.body_seconds_max);
    let chunks = with_progress(window, at_most(bytes_max, payload));
    let chunks = chunks.map_err(|error| match error {
        PayloadError::Overflow => ApiError::BodyTooLarge { bytes_max },
        error => payload_error(&error, limits),
    });
    let mut chunks = std::pin::pin!(chunks);
    let (mut bytes, mut memory_share) = (Vec::new(), MemoryShare::default());
    while let Some(chunk) = chunks.try_next().await? {
        memory_share.grow(&api.upload_memory, chunk.len())?;
        bytes.extend_from_slice(&chunk);
    }
    Ok(CsvBody {
        bytes,
        _memory_share: memory_share,
    })
}
