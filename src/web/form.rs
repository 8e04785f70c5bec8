//! The forms of pages, read within the bounds on every body. They are small, as large as the
//! bodies that the routes take from programs, or as large as a file.

use actix_web::dev::Payload;
use actix_web::error::QueryPayloadError;
use actix_web::web::Query;
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use serde::de::DeserializeOwned;

use crate::http::{ApiError, AppState, MemoryShare, WholeBody};
use crate::web::layout::Refused;
use crate::web::unreadable::of_form;

const URL_ENCODED: &str = "application/x-www-form-urlencoded";
/// The most bytes of a small form.
const SMALL_BYTES_MAX: usize = 16_384;
/// The most bytes of a form for one byte of a body: `%2C` stands for a comma.
const ENCODED_BYTES: usize = 3;
/// The bytes for the names of the fields, and for the fields that no body has.
const NAMES_BYTES: usize = 32_768;

/// A form whose fields are short.
#[derive(Debug)]
pub(super) struct Form<T>(pub(super) T);

/// A form whose fields become the body of a request.
#[derive(Debug)]
pub(super) struct BodyForm<T> {
    pub(super) form: T,
    _memory_share: MemoryShare,
}

/// A form with a CSV file as the text of a field.
#[derive(Debug)]
pub(super) struct CsvForm<T> {
    pub(super) form: T,
    _memory_share: MemoryShare,
}

impl<T: DeserializeOwned + 'static> FromRequest for Form<T> {
    type Error = Refused;
    type Future = LocalBoxFuture<'static, Result<Self, Refused>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let form = read(request, payload, |_| SMALL_BYTES_MAX);
        async move { form.await.map(|(form, _)| Self(form)) }.boxed_local()
    }
}

impl<T: DeserializeOwned + 'static> FromRequest for BodyForm<T> {
    type Error = Refused;
    type Future = LocalBoxFuture<'static, Result<Self, Refused>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let form = read(request, payload, |state| encoded(state.limits.body_bytes_max));
        let with_share = |(form, share)| Self {
            form,
            _memory_share: share,
        };
        async move { form.await.map(with_share) }.boxed_local()
    }
}

impl<T: DeserializeOwned + 'static> FromRequest for CsvForm<T> {
    type Error = Refused;
    type Future = LocalBoxFuture<'static, Result<Self, Refused>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let form = read(request, payload, |state| encoded(state.limits.file_bytes_max));
        let with_share = |(form, share)| Self {
            form,
            _memory_share: share,
        };
        async move { form.await.map(with_share) }.boxed_local()
    }
}

/// Returns the most bytes of a form that describes a body of at most so many bytes.
const fn encoded(bytes_max: usize) -> usize {
    bytes_max.saturating_mul(ENCODED_BYTES).saturating_add(NAMES_BYTES)
}

/// Reads a form, and returns its share of the memory for uploads with it.
fn read<T: DeserializeOwned>(
    request: &HttpRequest,
    payload: &mut Payload,
    bytes_max: impl Fn(&AppState) -> usize,
) -> LocalBoxFuture<'static, Result<(T, MemoryShare), Refused>> {
    let bytes_max = AppState::of(request).map(|state| bytes_max(state));
    let (request, payload) = (request.clone(), payload.take());
    async move {
        let text = read_text(&request, payload, bytes_max?).await;
        let (text, memory_share) = text.map_err(|error| of_form(&error, &request))?;
        let form = Query::<T>::from_query(&text).map_err(|error| {
            let problem = match error {
                QueryPayloadError::Deserialize(problem) => problem.to_string(),
                other => other.to_string(),
            };
            of_form(&ApiError::BodyUnreadable { problem }, &request)
        })?;
        Ok((form.into_inner(), memory_share))
    }
    .boxed_local()
}

async fn read_text(
    request: &HttpRequest,
    payload: Payload,
    bytes_max: usize,
) -> Result<(String, MemoryShare), ApiError> {
    if !request.content_type().eq_ignore_ascii_case(URL_ENCODED) {
        return Err(ApiError::UnsupportedMediaType { expected: URL_ENCODED });
    }
    WholeBody::read(request, payload, bytes_max).await?.into_text()
}
