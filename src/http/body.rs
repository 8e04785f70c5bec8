//! Reading a body: bounded in size and time, of a type the route reads.

use std::sync::Arc;
use std::time::Duration;

use actix_multipart::{Field, Multipart, MultipartError};
use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use actix_web::{FromRequest, HttpMessage, HttpRequest, web};
use futures_util::future::LocalBoxFuture;
use futures_util::{Stream, StreamExt, TryStreamExt};
use sha2::{Digest, Sha256};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::domain::refusal::{Invalid, shortened};
use crate::http::context::{RequestContext, SentBody, SentFileSummary};
use crate::http::envelope::ApiError;
use crate::http::fields::Fields;
use crate::http::state::{AppState, Limits};

const JSON: &str = "application/json";
const JSON_OR_FORM: &str = "application/json or multipart/form-data";
/// What every part of a form takes beside its name and what is in it, so that a form
/// of very many empty ones is too large too.
const PART_HEAD_BYTES: usize = 48;
/// Slower than this, files are not waited for: a megabit per second.
const FILE_BYTES_PER_SECOND_MIN: usize = 131_072;

/// A body of JSON, whole and not yet read.
#[derive(Debug)]
pub(crate) struct JsonBody(Arc<str>);

/// A body of JSON that may be left out.
#[derive(Debug)]
pub(crate) struct OptionalJsonBody(pub(crate) JsonBody);

/// A body of JSON or of form fields, whole and not yet read.
#[derive(Debug)]
pub(crate) enum JsonOrFormBody {
    Json(JsonBody),
    Form(FormBody),
}

/// A form: its fields, and the files among them.
#[derive(Debug, Default)]
pub(crate) struct FormBody {
    fields: Vec<(String, String)>,
    files: Vec<SentFile>,
}

/// A file of a form, whole and not yet looked at.
#[derive(Debug)]
pub(crate) struct SentFile {
    field: String,
    pub(crate) bytes: Vec<u8>,
    /// SHA-256 of them, where somebody will compare it.
    hash: Option<[u8; 32]>,
    /// What it takes of the memory for files, given back with it.
    pub(crate) room: Option<OwnedSemaphorePermit>,
}

impl JsonBody {
    /// A body of this text.
    pub(crate) fn of(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The body's fields.
    pub(crate) fn fields(&self) -> Result<Fields<'_>, Invalid> {
        Fields::of_json(&self.0)
    }

    /// SHA-256 of what it says, in whatever spacing and order of fields.
    pub(crate) fn content_hash(&self) -> Result<[u8; 32], Invalid> {
        let unreadable = |error: serde_json::Error| Invalid::wrong("the body", "valid JSON", &error.to_string());
        let mut content: serde_json::Value = serde_json::from_str(&self.0).map_err(unreadable)?;
        content.sort_all_objects();
        Ok(Sha256::digest(content.to_string()).into())
    }

    /// Leaves the body with the call it belongs to.
    fn remember(self, request: &HttpRequest) -> Result<Self, ApiError> {
        RequestContext::of(request)?
            .body
            .get_or_init(|| SentBody::Json(Arc::clone(&self.0)));
        Ok(self)
    }
}

impl FormBody {
    /// Leaves what the form says, and which files it brings, with the call it belongs to.
    fn remember(self, request: &HttpRequest) -> Result<Self, ApiError> {
        let summary = |file: &SentFile| SentFileSummary {
            field: file.field.clone(),
            bytes: file.bytes.len(),
            hash: file.hash,
        };
        RequestContext::of(request)?.body.get_or_init(|| SentBody::Form {
            fields: self.fields.clone(),
            files: self.files.iter().map(summary).collect(),
        });
        Ok(self)
    }
}

impl JsonOrFormBody {
    /// The body's fields.
    pub(crate) fn fields(&self) -> Result<Fields<'_>, Invalid> {
        match self {
            Self::Json(body) => body.fields(),
            Self::Form(form) => Fields::of_form(&form.fields),
        }
    }

    /// Takes out the files of this field; others are never looked at.
    pub(crate) fn take_files(&mut self, field: &str) -> Vec<SentFile> {
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
            let body = in_time(limits, read_json(payload, limits)).await?;
            body.remember(&request)
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
            match in_time(limits, read_json(payload, limits)).await? {
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
                let body = in_time(limits, read_json(payload, limits)).await?;
                return body.remember(&request).map(Self::Json);
            }
            if request.content_type().eq_ignore_ascii_case("multipart/form-data") {
                let bytes_max = limits.form_bytes_max();
                let form = Multipart::new(request.headers(), at_most(bytes_max, payload));
                let reading = read_form(form, limits, &request);
                let form = in_time(limits.with_time_for(&request), reading).await?;
                return form.remember(&request).map(Self::Form);
            }
            Err(ApiError::UnsupportedMediaType { expected: JSON_OR_FORM })
        })
    }
}

impl Limits {
    /// Bytes of a form with all that it may bring.
    const fn form_bytes_max(&self) -> usize {
        let of_files = self.files_per_request_max.saturating_mul(self.file_bytes_max);
        self.body_bytes_max.saturating_add(of_files)
    }

    /// The same with a second more for every [`FILE_BYTES_PER_SECOND_MIN`] that the
    /// request says it brings.
    fn with_time_for(self, request: &HttpRequest) -> Self {
        let said = request
            .headers()
            .get(CONTENT_LENGTH)
            .and_then(|said| said.to_str().ok());
        let bytes: usize = said.and_then(|said| said.parse().ok()).unwrap_or(0);
        let seconds = bytes.min(self.form_bytes_max()) / FILE_BYTES_PER_SECOND_MIN;
        let seconds = u64::try_from(seconds).unwrap_or(u64::MAX);
        let body_seconds_max = self.body_seconds_max.saturating_add(seconds);
        Self {
            body_seconds_max,
            ..self
        }
    }
}

fn limits_of(request: &HttpRequest) -> Result<Limits, ApiError> {
    let api = request.app_data::<web::Data<AppState>>().ok_or(ApiError::Internal)?;
    Ok(api.limits)
}

/// Whether the body says it is JSON. It has to: a web page can send any other
/// type to a loopback port without asking, and JSON only with our consent.
fn is_json(request: &HttpRequest) -> bool {
    request.headers().contains_key(CONTENT_TYPE) && request.content_type().eq_ignore_ascii_case(JSON)
}

async fn in_time<T>(limits: Limits, reading: impl Future<Output = Result<T, ApiError>>) -> Result<T, ApiError> {
    let seconds_max = limits.body_seconds_max;
    actix_web::rt::time::timeout(Duration::from_secs(seconds_max), reading)
        .await
        .unwrap_or(Err(ApiError::BodyTooSlow { seconds_max }))
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
        let head_bytes = name.len() + PART_HEAD_BYTES;
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
                // What a browser sends for a file input that was left empty.
                let may_be_nothing = file_name.is_empty();
                let hash = compares_files.then(Sha256::new);
                let file = read_file(field, name, limits, &api.room_for_files, hash).await?;
                if may_be_nothing && file.bytes.is_empty() {
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

/// Reads a file into memory, as far as there is room for it, hashing it on the way if a
/// hash is wanted.
async fn read_file(
    mut chunks: Field,
    field: String,
    limits: Limits,
    room_for_files: &Arc<Semaphore>,
    mut hash: Option<Sha256>,
) -> Result<SentFile, ApiError> {
    let mut file = SentFile {
        field,
        bytes: Vec::new(),
        hash: None,
        room: None,
    };
    while let Some(chunk) = chunks.try_next().await.map_err(|error| form_error(error, limits))? {
        if file.bytes.len() + chunk.len() > limits.file_bytes_max {
            return Err(ApiError::FileTooLarge {
                field: shortened(&file.field),
                bytes_max: limits.file_bytes_max,
            });
        }
        let needed = u32::try_from(chunk.len()).map_err(|_| ApiError::UploadsBusy)?;
        let room = Arc::clone(room_for_files).try_acquire_many_owned(needed);
        let room = room.map_err(|_| ApiError::UploadsBusy)?;
        match &mut file.room {
            None => file.room = Some(room),
            Some(known) => known.merge(room),
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

/// The body as it comes, cut off with an error after this many bytes.
fn at_most(bytes_max: usize, payload: Payload) -> impl Stream<Item = Result<web::Bytes, PayloadError>> {
    let mut bytes_left = bytes_max;
    payload.map(move |chunk| {
        let chunk = chunk?;
        bytes_left = bytes_left.checked_sub(chunk.len()).ok_or(PayloadError::Overflow)?;
        Ok(chunk)
    })
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
        other => unreadable(other),
    }
}

fn unreadable(problem: impl std::fmt::Display) -> ApiError {
    ApiError::BodyUnreadable {
        problem: problem.to_string(),
    }
}
