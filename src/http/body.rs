//! Reads request bodies, JSON and forms, within bounds on size and time.
//!
//! This file only reads the whole body. The route parses it later with [`Fields`], so that
//! every route names wrong fields in the same way. The request context keeps the body's text, for
//! the fingerprint of an idempotency key and for the request log.

use std::sync::Arc;
use std::time::Duration;

use actix_multipart::Multipart;
use actix_web::dev::Payload;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use futures_util::TryStreamExt;
use futures_util::future::LocalBoxFuture;
use sha2::{Digest, Sha256};

use crate::domain::invalid::Invalid;
use crate::domain::malformed_json::malformed_json;
use crate::http::connections::ConnectionLimits;
use crate::http::context::{ReceivedBody, RequestContext};
use crate::http::error::ApiError;
use crate::http::fields::Fields;
use crate::http::form::{self, FormBody, ReceivedFile};
use crate::http::media_type::JSON;
use crate::http::memory_share::MemoryShare;
use crate::http::payload::{at_most, check_content_type, check_head, with_progress, without_bom};
use crate::http::request_spec::FieldGroups;
use crate::http::route::RouteFacts;
use crate::http::state::{AppState, Limits};
use crate::http::whole_body::{WholeBody, read_whole};

/// The longest body of JSON on a route that takes large ones, if `limits.body_bytes_max` is less.
pub(super) const LARGE_JSON_BYTES_MAX: usize = 1_048_576;

const JSON_OR_FORM: &str = "application/json or multipart/form-data";

/// The whole text of a JSON body, not yet parsed.
#[derive(Debug)]
pub(crate) struct JsonBody {
    text: Arc<str>,
    /// The description of the fields, or `None` if there is none.
    specs: Option<FieldGroups>,
}

/// A JSON body that may have [`LARGE_JSON_BYTES_MAX`], and its share of the memory for uploads.
#[derive(Debug)]
pub(crate) struct LargeJsonBody {
    pub(crate) body: JsonBody,
    _memory_share: MemoryShare,
}

/// A JSON body that the client may leave out. An absent body counts as `{}`.
#[derive(Debug)]
pub(crate) struct OptionalJsonBody(pub(crate) JsonBody);

/// A whole body, JSON or a form, not yet parsed.
#[derive(Debug)]
pub(crate) enum JsonOrFormBody {
    Json(JsonBody),
    Form(FormBody, Option<FieldGroups>),
}

impl JsonBody {
    /// Wraps the text of a body whose fields are not described.
    pub(crate) fn of(text: impl Into<Arc<str>>) -> Self {
        Self {
            text: text.into(),
            specs: None,
        }
    }

    /// Parses the body's fields. Refuses a file in one of them, because the route takes none.
    pub(crate) fn fields(&self) -> Result<Fields<'_>, Invalid> {
        let fields = Fields::from_json(&self.text)?;
        fields.check_no_data_url("left out, because this route takes no files")?;
        Ok(fields.described_by(self.specs))
    }

    /// Returns the text as it came, but for a byte order mark before it.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Returns the SHA-256 of the body's canonical form. It does not depend on whitespace
    /// or on the order of fields.
    pub(crate) fn content_hash(&self) -> Result<[u8; 32], Invalid> {
        let unreadable = |error: serde_json::Error| malformed_json("the body", "valid JSON", &error);
        let mut content: serde_json::Value = serde_json::from_str(&self.text).map_err(unreadable)?;
        content.sort_all_objects();
        Ok(Sha256::digest(content.to_string()).into())
    }

    /// Keeps a reference to the text in the request context, and takes the description of the
    /// fields from the route.
    fn keep_in_context(self, request: &HttpRequest) -> Result<Self, ApiError> {
        RequestContext::of(request)?
            .body
            .get_or_init(|| ReceivedBody::Json(Arc::clone(&self.text)));
        Ok(Self {
            specs: specs_of(request),
            ..self
        })
    }
}

impl JsonOrFormBody {
    /// Parses the body's fields on a route that takes files in `file_field`.
    ///
    /// # Errors
    ///
    /// Names a file in another field, and a text in the place of a file. The client could
    /// not see that the service drops them, and may not have them any more.
    pub(crate) fn fields(&self, file_field: &str) -> Result<Fields<'_>, Invalid> {
        let fields = match self {
            Self::Json(body) => Fields::from_json(&body.text)?.described_by(body.specs),
            Self::Form(form, specs) => form.fields(file_field)?.described_by(*specs),
        };
        form::check_no_text_is_a_file(&fields, file_field)?;
        Ok(fields)
    }

    /// Removes and returns the files of this field, in the order of their indexes.
    pub(crate) fn take_files(&mut self, field: &str) -> Vec<ReceivedFile> {
        match self {
            Self::Json(_) => Vec::new(),
            Self::Form(form, _) => form.take_files(field),
        }
    }
}

impl FromRequest for JsonBody {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        let payload = payload.take();
        Box::pin(async move {
            let limits = limits_of(&request)?;
            check_is_json(&request)?;
            json_of(&request, payload, limits).await
        })
    }
}

impl FromRequest for LargeJsonBody {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        let payload = payload.take();
        Box::pin(async move {
            let bytes_max = limits_of(&request)?.body_bytes_max.max(LARGE_JSON_BYTES_MAX);
            check_is_json(&request)?;
            let (text, memory_share) = WholeBody::read(&request, payload, bytes_max).await?.into_text()?;
            Ok(Self {
                body: JsonBody::of(without_bom(text)).keep_in_context(&request)?,
                _memory_share: memory_share,
            })
        })
    }
}

impl FromRequest for OptionalJsonBody {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let body = read_json(&request, payload, limits_of(&request)?).await?;
            // Some clients send the type where they have no body.
            if body.text.trim().is_empty() {
                return Ok(Self(JsonBody {
                    specs: specs_of(&request),
                    ..JsonBody::of("{}")
                }));
            }
            check_is_json(&request)?;
            body.keep_in_context(&request).map(Self)
        })
    }
}

impl FromRequest for JsonOrFormBody {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        let payload = payload.take();
        Box::pin(async move {
            let limits = limits_of(&request)?;
            check_content_type(request.headers())?;
            if is_json(&request) {
                return json_of(&request, payload, limits).await.map(Self::Json);
            }
            if request.content_type().eq_ignore_ascii_case("multipart/form-data") {
                let bytes_max = limits.form_bytes_max();
                check_head(request.headers(), bytes_max)?;
                let window = Duration::from_secs(limits.body_seconds_max);
                // A part of the form that is too long is another error.
                let chunks = at_most(bytes_max, &request, payload).map_err(form::whole_overflow);
                let chunks = with_progress(window, ConnectionLimits::PROGRESS_BYTES_MIN, chunks);
                let form = Multipart::new(request.headers(), chunks);
                let form = read_whole(&request, form::read(form, limits, &request)).await?;
                let form = form.keep_in_context(&request)?;
                return Ok(Self::Form(form, specs_of(&request)));
            }
            Err(ApiError::UnsupportedMediaType { expected: JSON_OR_FORM })
        })
    }
}

/// Returns the description of the fields of the route's body.
fn specs_of(request: &HttpRequest) -> Option<FieldGroups> {
    Some(RouteFacts::of(request)?.request.body_fields())
}

pub(super) fn limits_of(request: &HttpRequest) -> Result<Limits, ApiError> {
    let api = AppState::of(request)?;
    Ok(api.limits)
}

/// Refuses a body that is not JSON.
fn check_is_json(request: &HttpRequest) -> Result<(), ApiError> {
    check_content_type(request.headers())?;
    if is_json(request) {
        Ok(())
    } else {
        Err(ApiError::UnsupportedMediaType { expected: JSON })
    }
}

/// Returns true if the `Content-Type` is JSON. Routes require it, because a browser lets
/// any web page send other types to a loopback port, but asks the server before it sends
/// JSON.
fn is_json(request: &HttpRequest) -> bool {
    request.headers().contains_key(CONTENT_TYPE) && request.content_type().eq_ignore_ascii_case(JSON)
}

/// Reads the JSON body of a request, and keeps it in the request's context.
async fn json_of(request: &HttpRequest, payload: Payload, limits: Limits) -> Result<JsonBody, ApiError> {
    let body = read_json(request, payload, limits).await?;
    body.keep_in_context(request)
}

/// Reads a body of JSON within its longest size and time.
async fn read_json(request: &HttpRequest, payload: Payload, limits: Limits) -> Result<JsonBody, ApiError> {
    let body = WholeBody::read(request, payload, limits.body_bytes_max).await?;
    let (text, _) = body.into_text()?;
    Ok(JsonBody::of(without_bom(text)))
}
