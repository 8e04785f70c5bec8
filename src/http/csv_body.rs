//! Reads a request's body that is a CSV file. The route parses it, away from the threads that
//! serve requests.

use actix_web::dev::Payload;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use futures_util::future::LocalBoxFuture;
use sha2::{Digest, Sha256};

use crate::http::body::limits_of;
use crate::http::context::{ReceivedBody, ReceivedFileSummary, RequestContext};
use crate::http::error::ApiError;
use crate::http::media_type::CSV;
use crate::http::payload::check_content_type;
use crate::http::whole_body::WholeBody;

/// The bytes of a CSV file, not yet parsed. Empty if the request has no body.
#[derive(Debug)]
pub(crate) struct CsvBody(pub(crate) WholeBody);

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
            let body = WholeBody::read(&request, payload, limits.file_bytes_max).await?;
            if !has_type && !body.bytes.is_empty() {
                return Err(wrong_type);
            }
            keep_in_context(&body.bytes, &request)?;
            Ok(Self(body))
        })
    }
}

/// Keeps a summary of the file in the request context.
fn keep_in_context(bytes: &[u8], request: &HttpRequest) -> Result<(), ApiError> {
    let context = RequestContext::of(request)?;
    if !bytes.is_empty() {
        context.body.get_or_init(|| {
            ReceivedBody::Csv(ReceivedFileSummary {
                field: String::new(),
                bytes: bytes.len(),
                hash: context.compares_files().then(|| Sha256::digest(bytes).into()),
            })
        });
    }
    Ok(())
}
