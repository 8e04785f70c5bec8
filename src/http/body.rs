//! Reading a body: bounded in size and time, of a type the route reads.

use std::time::Duration;

use actix_multipart::Multipart;
use actix_web::dev::Payload;
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

/// A body of JSON or of form fields, whole and not yet read.
#[derive(Debug)]
pub(crate) enum JsonOrFormBody {
    Json(JsonBody),
    Form(Vec<(String, String)>),
}

impl JsonBody {
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
                let form = Multipart::new(request.headers(), payload);
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
    let bytes = collect(payload, limits.body_bytes_max).await?;
    let text = String::from_utf8(bytes).map_err(|_| unreadable("it is not UTF-8 text"))?;
    Ok(JsonBody(text))
}

async fn read_form(mut form: Multipart, limits: Limits) -> Result<Vec<(String, String)>, ApiError> {
    let mut fields = Vec::new();
    let mut bytes_left = limits.body_bytes_max;
    while let Some(field) = form.try_next().await.map_err(unreadable)? {
        let name = field.name().unwrap_or_default().to_owned();
        let unreadable_field = |problem| unreadable(format!("{} {problem}", shortened(&name)));
        let is_file = field
            .content_disposition()
            .is_some_and(|disposition| disposition.get_filename().is_some());
        if is_file {
            return Err(unreadable_field("is a file, and files cannot be stored yet"));
        }
        let bytes = collect(field, bytes_left).await.map_err(|error| match error {
            ApiError::BodyTooLarge { .. } => ApiError::BodyTooLarge {
                bytes_max: limits.body_bytes_max,
            },
            other => other,
        })?;
        bytes_left -= bytes.len();
        let text = String::from_utf8(bytes).map_err(|_| unreadable_field("is not UTF-8 text"))?;
        fields.push((name, text));
    }
    Ok(fields)
}

async fn collect<E: std::fmt::Display>(
    chunks: impl Stream<Item = Result<web::Bytes, E>>,
    bytes_max: usize,
) -> Result<Vec<u8>, ApiError> {
    let mut chunks = std::pin::pin!(chunks);
    let mut body = Vec::new();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(unreadable)?;
        if body.len() + chunk.len() > bytes_max {
            return Err(ApiError::BodyTooLarge { bytes_max });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn unreadable(problem: impl std::fmt::Display) -> ApiError {
    ApiError::BodyUnreadable {
        problem: problem.to_string(),
    }
}
