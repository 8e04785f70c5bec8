//! Forms that may be as large as the bodies that the routes take from programs.

use actix_web::dev::{Payload, UrlEncoded};
use actix_web::{FromRequest, HttpRequest};
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use serde::de::DeserializeOwned;

use crate::http::AppState;
use crate::web::layout::Refused;
use crate::web::unreadable::of_form;

/// The most bytes of a form for one byte of a body: `%2C` stands for a comma.
const ENCODED_BYTES: usize = 3;
/// The bytes for the names of the fields, and for the fields that no body has.
const NAMES_BYTES: usize = 32_768;

/// A form whose fields become the body of a request.
#[derive(Debug)]
pub(super) struct BodyForm<T>(pub(super) T);

/// A form with a CSV file as the text of a field.
#[derive(Debug)]
pub(super) struct CsvForm<T>(pub(super) T);

impl<T: DeserializeOwned + 'static> FromRequest for BodyForm<T> {
    type Error = Refused;
    type Future = LocalBoxFuture<'static, Result<Self, Refused>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let form = read(request, payload, |state| state.limits.body_bytes_max);
        async move { form.await.map(Self) }.boxed_local()
    }
}

impl<T: DeserializeOwned + 'static> FromRequest for CsvForm<T> {
    type Error = Refused;
    type Future = LocalBoxFuture<'static, Result<Self, Refused>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let form = read(request, payload, |state| state.limits.file_bytes_max);
        async move { form.await.map(Self) }.boxed_local()
    }
}

/// Reads a form that describes a body of at most so many bytes.
fn read<T: DeserializeOwned + 'static>(
    request: &HttpRequest,
    payload: &mut Payload,
    bytes_max: impl Fn(&AppState) -> usize,
) -> LocalBoxFuture<'static, Result<T, Refused>> {
    let bytes_max = AppState::of(request).map(|state| bytes_max(state));
    let form = UrlEncoded::<T>::new(request, payload);
    let request = request.clone();
    async move {
        let limit = bytes_max?.saturating_mul(ENCODED_BYTES).saturating_add(NAMES_BYTES);
        form.limit(limit).await.map_err(|error| of_form(&error, &request))
    }
    .boxed_local()
}
