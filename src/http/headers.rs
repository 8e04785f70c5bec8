//! Headers: the names of the service's own, and reading those that may have one value only.

use actix_web::http::header::{HeaderMap, HeaderName};

use crate::domain::invalid::Invalid;
use crate::domain::refusal::Refusal;
use crate::http::error::ApiError;

/// The header with the id of a request.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The use that a browser makes of a reply: `empty` for what a script asks for, `document` for a
/// page, `iframe` for one in a frame.
pub(crate) const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");

/// Returns the text of a header that may have one value only, or `None` if it is absent or
/// empty. Bytes that are not UTF-8 become replacement characters, which no customer id and
/// no key contains.
///
/// # Errors
///
/// Returns an error if the header occurs with different values.
pub(super) fn single_value(headers: &HeaderMap, name: &HeaderName) -> Result<Option<String>, ApiError> {
    let mut values = headers
        .get_all(name)
        .map(|value| String::from_utf8_lossy(value.as_bytes()).trim().to_owned());
    let Some(first) = values.next() else {
        return Ok(None);
    };
    if values.any(|other| other != first) {
        let twice = Invalid::wrong(name.as_str(), "sent once", "several different ones");
        return Err(Refusal::from(twice).into());
    }
    Ok(Some(first).filter(|first| !first.is_empty()))
}
