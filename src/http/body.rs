//! Reading a body: bounded in size and time, of a type the route reads.

use std::time::Duration;

use actix_multipart::{Multipart, MultipartError};
use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::{FromRequest, HttpMessage, HttpRequest, web};
use futures_util::future::LocalBoxFuture;
use futures_util::{Stream, StreamExt, TryStreamExt};

use super::api::{Api, Limits};
use super::envelope::ApiError;
use super::fields::Fields;
use crate::domain::refusal::{Invalid, shortened};

const JSON: &str = "application/json";
const JSON_OR_FORM: &str = "application/json or multipart/form-data";

/// A body of JSON, whole and not yet read.
#[derive(Debug)]
pub(crate) struct JsonBody(String);

/// A body of JSON that may be left out.
#[derive(Debug)]
pub(crate) struct OptionalJsonBody(pub(crate) JsonBody);

/// A body of JSON or of form fields, whole and not yet read.
#[derive(Debug)]
pub(crate) enum JsonOrFormBody {
    Json(JsonBody),
    Form(Vec<(String, String)>),
}

impl JsonBody {
    /// A body of this text.
    pub(crate) const fn of(text: String) -> Self {
        Self(text)
    }

    /// The body's fields.
    pub(crate) fn fields(&self) -> Result<Fields<'_>, Invalid> {
        Fields::of_json(&self.0)
    }
}

impl JsonOrFormBody {
    /// The body's fields.
    pub(crate) fn fields(&self) -> Result<Fields<'_>, Invalid> {
        match self {
            Self::Json(body) => body.fields(),
            Self::Form(fields) => Fields::of_form(fields),
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
            in_time(limits, read_json(payload, limits)).await
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
                JsonBody(text) if text.is_empty() => Ok(Self(JsonBody::of("{}".to_owned()))),
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
                return in_time(limits, read_json(payload, limits)).await.map(Self::Json);
            }
            if request.content_type().eq_ignore_ascii_case("multipart/form-data") {
                let form = Multipart::new(request.headers(), at_most(limits.body_bytes_max, payload));
                return in_time(limits, read_form(form, limits)).await.map(Self::Form);
            }
            Err(ApiError::UnsupportedMediaType { expected: JSON_OR_FORM })
        })
    }
}

fn limits_of(request: &HttpRequest) -> Result<Limits, ApiError> {
    let api = request.app_data::<web::Data<Api>>().ok_or(ApiError::Internal)?;
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

async fn read_form(mut form: Multipart, limits: Limits) -> Result<Vec<(String, String)>, ApiError> {
    let unread = |error| match error {
        MultipartError::Payload(error) => payload_error(&error, limits),
        other => unreadable(other),
    };
    let mut fields = Vec::new();
    while let Some(field) = form.try_next().await.map_err(unread)? {
        let name = field.name().unwrap_or_default().to_owned();
        let unreadable_field = |problem| unreadable(format!("{} {problem}", shortened(&name)));
        let file_name = field
            .content_disposition()
            .and_then(|disposition| disposition.get_filename().map(str::to_owned));
        let bytes = collect(field.map_err(unread)).await?;
        match file_name.as_deref() {
            None => {}
            // What a browser sends for a file input that was left empty.
            Some("") if bytes.is_empty() => continue,
            Some(_) => return Err(unreadable_field("is a file, and files cannot be stored yet")),
        }
        let text = String::from_utf8(bytes).map_err(|_| unreadable_field("is not UTF-8 text"))?;
        fields.push((name, text));
    }
    Ok(fields)
}

/// The body as it comes, cut off with an error after this many bytes. It is the
/// only bound: all that is kept of a body was part of it.
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
