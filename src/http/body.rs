//! Reads request bodies, JSON and forms, within bounds on size and time.
//!
//! This file only reads the whole body. The route parses it later with [`Fields`], so that
//! every route names wrong fields in the same way. The request context keeps the body's text, for the
//! fingerprint of an idempotency key and for the request log.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use actix_multipart::{Field, Multipart, MultipartError};
use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::{FromRequest, HttpMessage, HttpRequest, web};
use futures_util::future::LocalBoxFuture;
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use sha2::{Digest, Sha256};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout, timeout_at};

use crate::domain::refusal::{Invalid, shortened};
use crate::http::connections::{ConnectionLimits, Phase};
use crate::http::context::{ReceivedBody, ReceivedFileSummary, RequestContext};
use crate::http::error::ApiError;
use crate::http::fields::Fields;
use crate::http::state::{AppState, Limits};

const JSON: &str = "application/json";
const JSON_OR_FORM: &str = "application/json or multipart/form-data";
/// The bytes that a form field counts for beside its name and content. They make a form of
/// very many empty fields too large.
const FIELD_OVERHEAD_BYTES: usize = 48;

/// The whole text of a JSON body, not yet parsed.
#[derive(Debug)]
pub(crate) struct JsonBody(Arc<str>);

/// A JSON body that the client may leave out. An absent body counts as `{}`.
#[derive(Debug)]
pub(crate) struct OptionalJsonBody(pub(crate) JsonBody);

/// A whole body, JSON or a form, not yet parsed.
#[derive(Debug)]
pub(crate) enum JsonOrFormBody {
    Json(JsonBody),
    Form(FormBody),
}

/// The fields and files of a multipart form, in the order of the body.
#[derive(Debug, Default)]
pub(crate) struct FormBody {
    fields: Vec<(String, String)>,
    files: Vec<ReceivedFile>,
}

/// A whole file of a form, of any kind.
#[derive(Debug)]
pub(crate) struct ReceivedFile {
    field: String,
    pub(crate) bytes: Vec<u8>,
    /// SHA-256 of the bytes, if the request has an idempotency key.
    hash: Option<[u8; 32]>,
    /// The file's share of the memory for uploads; dropping it frees the share.
    pub(crate) memory_permit: Option<OwnedSemaphorePermit>,
}

impl JsonBody {
    /// Wraps the text of a body.
    pub(crate) fn of(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// Parses the body's fields.
    pub(crate) fn fields(&self) -> Result<Fields<'_>, Invalid> {
        Fields::from_json(&self.0)
    }

    /// Returns the SHA-256 of the body's canonical form. It does not depend on whitespace
    /// or on the order of fields.
    pub(crate) fn content_hash(&self) -> Result<[u8; 32], Invalid> {
        let unreadable = |error: serde_json::Error| Invalid::wrong("the body", "valid JSON", &error.to_string());
        let mut content: serde_json::Value = serde_json::from_str(&self.0).map_err(unreadable)?;
        content.sort_all_objects();
        Ok(Sha256::digest(content.to_string()).into())
    }

    /// Keeps a reference to the text in the request context.
    fn keep_in_context(self, request: &HttpRequest) -> Result<Self, ApiError> {
        RequestContext::of(request)?
            .body
            .get_or_init(|| ReceivedBody::Json(Arc::clone(&self.0)));
        Ok(self)
    }
}

impl FormBody {
    /// Keeps a copy of the fields and a summary of each file in the request context.
    fn keep_in_context(self, request: &HttpRequest) -> Result<Self, ApiError> {
        let summary = |file: &ReceivedFile| ReceivedFileSummary {
            field: file.field.clone(),
            bytes: file.bytes.len(),
            hash: file.hash,
        };
        RequestContext::of(request)?.body.get_or_init(|| ReceivedBody::Form {
            fields: self.fields.clone(),
            files: self.files.iter().map(summary).collect(),
        });
        Ok(self)
    }
}

impl JsonOrFormBody {
    /// Parses the body's fields.
    pub(crate) fn fields(&self) -> Result<Fields<'_>, Invalid> {
        match self {
            Self::Json(body) => body.fields(),
            Self::Form(form) => Fields::from_form(&form.fields),
        }
    }

    /// Removes and returns the files of this field.
    pub(crate) fn take_files(&mut self, field: &str) -> Vec<ReceivedFile> {
        match self {
            Self::Json(_) => Vec::new(),
            Self::Form(form) => form.files.extract_if(.., |file| file.field == field).collect(),
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
            if !is_json(&request) {
                return Err(ApiError::UnsupportedMediaType { expected: JSON });
            }
            let body = in_time(&request, limits, read_json(payload, limits)).await?;
            body.keep_in_context(&request)
        })
    }
}

impl FromRequest for OptionalJsonBody {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        if request.headers().contains_key(CONTENT_TYPE) {
            let body = JsonBody::from_request(request, payload);
            return Box::pin(async move { body.await.map(Self) });
        }
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let limits = limits_of(&request)?;
            match in_time(&request, limits, read_json(payload, limits)).await? {
                JsonBody(text) if text.is_empty() => Ok(Self(JsonBody::of("{}"))),
                JsonBody(_) => Err(ApiError::UnsupportedMediaType { expected: JSON }),
            }
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
            if is_json(&request) {
                let body = in_time(&request, limits, read_json(payload, limits)).await?;
                return body.keep_in_context(&request).map(Self::Json);
            }
            if request.content_type().eq_ignore_ascii_case("multipart/form-data") {
                let bytes_max = limits.form_bytes_max();
                let seconds_max = limits.body_seconds_max;
                let chunks = with_progress(Duration::from_secs(seconds_max), at_most(bytes_max, payload));
                let form = Multipart::new(request.headers(), chunks);
                let form = read_whole(&request, read_form(form, limits, &request)).await?;
                return form.keep_in_context(&request).map(Self::Form);
            }
            Err(ApiError::UnsupportedMediaType { expected: JSON_OR_FORM })
        })
    }
}

impl Limits {
    /// Returns the largest size of a form with all its files, in bytes.
    const fn form_bytes_max(&self) -> usize {
        let files_bytes_max = self.files_per_request_max.saturating_mul(self.file_bytes_max);
        self.body_bytes_max.saturating_add(files_bytes_max)
    }
}

fn limits_of(request: &HttpRequest) -> Result<Limits, ApiError> {
    let api = request.app_data::<web::Data<AppState>>().ok_or(ApiError::Internal)?;
    Ok(api.limits)
}

/// Returns true if the `Content-Type` is JSON. Routes require it, because a browser lets
/// any web page send other types to a loopback port, but asks the server before it sends
/// JSON.
fn is_json(request: &HttpRequest) -> bool {
    request.headers().contains_key(CONTENT_TYPE) && request.content_type().eq_ignore_ascii_case(JSON)
}

/// Reads a body within the longest time for a JSON body.
async fn in_time<T>(
    request: &HttpRequest,
    limits: Limits,
    reading: impl Future<Output = Result<T, ApiError>>,
) -> Result<T, ApiError> {
    let seconds_max = limits.body_seconds_max;
    let reading = async {
        timeout(Duration::from_secs(seconds_max), reading)
            .await
            .unwrap_or(Err(ApiError::BodyTooSlow { seconds_max }))
    };
    read_whole(request, reading).await
}

/// Reads a body, and notes for its connection when the wait for it begins and ends.
async fn read_whole<T>(
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

async fn read_json(payload: Payload, limits: Limits) -> Result<JsonBody, ApiError> {
    let unread = |error| payload_error(&error, limits);
    let bytes = collect(at_most(limits.body_bytes_max, payload).map_err(unread)).await?;
    let text = String::from_utf8(bytes).map_err(|_| unreadable("it is not UTF-8 text"))?;
    Ok(JsonBody::of(text))
}

async fn read_form(mut form: Multipart, limits: Limits, request: &HttpRequest) -> Result<FormBody, ApiError> {
    let api = request.app_data::<web::Data<AppState>>().ok_or(ApiError::Internal)?;
    let compares_files = RequestContext::of(request)?.compares_files();
    let mut read = FormBody::default();
    let mut text_bytes_left = limits.body_bytes_max;
    while let Some(field) = form.try_next().await.map_err(|error| form_error(error, limits))? {
        let name = field.name().unwrap_or_default().to_owned();
        let head_bytes = name.len() + FIELD_OVERHEAD_BYTES;
        let bytes_left = text_bytes_left.checked_sub(head_bytes);
        text_bytes_left = bytes_left.ok_or(ApiError::BodyTooLarge {
            bytes_max: limits.body_bytes_max,
        })?;
        let disposition = field.content_disposition();
        match disposition.and_then(|disposition| disposition.get_filename()) {
            None => {
                let text = read_text(field, &name, limits, &mut text_bytes_left).await?;
                read.fields.push((name, text));
            }
            Some(file_name) => {
                // A browser sends an empty file without a name for an empty file input.
                let may_be_empty_input = file_name.is_empty();
                let hash = compares_files.then(Sha256::new);
                let file = read_file(field, name, limits, &api.upload_memory, hash).await?;
                if may_be_empty_input && file.bytes.is_empty() {
                    continue;
                }
                if read.files.len() >= limits.files_per_request_max {
                    return Err(ApiError::TooManyFiles {
                        files_max: limits.files_per_request_max,
                    });
                }
                read.files.push(file);
            }
        }
    }
    Ok(read)
}

async fn read_text(field: Field, name: &str, limits: Limits, bytes_left: &mut usize) -> Result<String, ApiError> {
    let chunks = field.map(|chunk| {
        let chunk = chunk.map_err(|error| form_error(error, limits))?;
        let left = bytes_left.checked_sub(chunk.len());
        *bytes_left = left.ok_or(ApiError::BodyTooLarge {
            bytes_max: limits.body_bytes_max,
        })?;
        Ok(chunk)
    });
    let bytes = collect(chunks).await?;
    String::from_utf8(bytes).map_err(|_| unreadable(format!("{} is not UTF-8 text", shortened(name))))
}

/// Reads a file into memory, and hashes it if `hash` is `Some`.
///
/// # Errors
///
/// Returns [`ApiError::UploadsBusy`] if the files of all requests together would exceed
/// the memory for uploads.
async fn read_file(
    mut chunks: Field,
    field: String,
    limits: Limits,
    upload_memory: &Arc<Semaphore>,
    mut hash: Option<Sha256>,
) -> Result<ReceivedFile, ApiError> {
    let mut file = ReceivedFile {
        field,
        bytes: Vec::new(),
        hash: None,
        memory_permit: None,
    };
    while let Some(chunk) = chunks.try_next().await.map_err(|error| form_error(error, limits))? {
        if file.bytes.len() + chunk.len() > limits.file_bytes_max {
            return Err(ApiError::FileTooLarge {
                field: shortened(&file.field),
                bytes_max: limits.file_bytes_max,
            });
        }
        let needed = u32::try_from(chunk.len()).map_err(|_| ApiError::UploadsBusy)?;
        let permit = Arc::clone(upload_memory).try_acquire_many_owned(needed);
        let permit = permit.map_err(|_| ApiError::UploadsBusy)?;
        match &mut file.memory_permit {
            None => file.memory_permit = Some(permit),
            Some(held) => held.merge(permit),
        }
        if let Some(hash) = &mut hash {
            hash.update(&chunk);
        }
        file.bytes.extend_from_slice(&chunk);
    }
    file.hash = hash.map(|hash| hash.finalize().into());
    Ok(file)
}

fn form_error(error: MultipartError, limits: Limits) -> ApiError {
    match error {
        MultipartError::Payload(PayloadError::Overflow) => ApiError::BodyTooLarge {
            bytes_max: limits.form_bytes_max(),
        },
        MultipartError::Payload(error) => payload_error(&error, limits),
        other => unreadable(other),
    }
}

/// Passes the body's chunks on, and ends with [`PayloadError::Overflow`] once they exceed
/// `bytes_max` bytes.
fn at_most(bytes_max: usize, payload: Payload) -> impl Stream<Item = Result<web::Bytes, PayloadError>> {
    let mut bytes_left = bytes_max;
    payload.map(move |chunk| {
        let chunk = chunk?;
        bytes_left = bytes_left.checked_sub(chunk.len()).ok_or(PayloadError::Overflow)?;
        Ok(chunk)
    })
}

/// Passes the body's chunks on, and ends with an error when the client sends fewer than
/// [`ConnectionLimits::PROGRESS_BYTES_MIN`] bytes in a `window`. The announced length of the
/// body does not matter, since a client can announce what it never sends.
fn with_progress(
    window: Duration,
    chunks: impl Stream<Item = Result<web::Bytes, PayloadError>> + Unpin + 'static,
) -> impl Stream<Item = Result<web::Bytes, PayloadError>> {
    let began = (chunks, Instant::now(), 0);
    stream::unfold(began, move |(mut chunks, mut since, mut bytes)| async move {
        match timeout_at(since + window, chunks.next()).await {
            Ok(chunk) => {
                let chunk = chunk?;
                bytes += chunk.as_ref().map_or(0, web::Bytes::len);
                if bytes >= ConnectionLimits::PROGRESS_BYTES_MIN {
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

async fn collect(chunks: impl Stream<Item = Result<web::Bytes, ApiError>>) -> Result<Vec<u8>, ApiError> {
    let mut chunks = std::pin::pin!(chunks);
    let mut body = Vec::new();
    while let Some(chunk) = chunks.try_next().await? {
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn payload_error(error: &PayloadError, limits: Limits) -> ApiError {
    match error {
        PayloadError::Overflow => ApiError::BodyTooLarge {
            bytes_max: limits.body_bytes_max,
        },
        PayloadError::Io(error) if error.kind() == io::ErrorKind::TimedOut => ApiError::BodyTooSlow {
            seconds_max: limits.body_seconds_max,
        },
        other => unreadable(other),
    }
}

fn unreadable(problem: impl std::fmt::Display) -> ApiError {
    ApiError::BodyUnreadable {
        problem: problem.to_string(),
    }
}
