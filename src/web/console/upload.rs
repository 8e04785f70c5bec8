//! Sends the request of a form that may have a file, such as evidence.
//!
//! The address of the form names the request, as the fields of a form without files do
//! ([`call`](crate::web::console::call)). The body goes to the route as the browser sent it, so
//! that only the route reads files.

use actix_web::http::Method;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::{Bytes, Payload, Query};
use actix_web::{HttpRequest, HttpResponse};
use maud::{Markup, html};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::entropy;
use crate::http::{ApiError, WholeBody, on_thread};
use crate::web::api::Request;
use crate::web::console::call::{go_back, place_of, refusal_of, route_of};
use crate::web::console::done::form_of;
use crate::web::layout::{Page, Refused};
use crate::web::once;
use crate::web::reader::Reader;
use crate::web::text;
use crate::web::unreadable::of_form;

/// The most characters of a boundary (RFC 2046, 5.1.1).
const BOUNDARY_CHARS_MAX: usize = 70;

/// The request that the address of a form names.
#[derive(Debug, Deserialize)]
pub(super) struct Target {
    #[serde(default)]
    path: String,
    #[serde(default)]
    customer: String,
    #[serde(default)]
    merchant: String,
    #[serde(default)]
    visitor: String,
    #[serde(default)]
    back: String,
    #[serde(default)]
    from: String,
    #[serde(default)]
    once: String,
}

/// A form that sends this POST request with these fields, of which one may be a file.
pub(super) fn form(reader: &Reader, request: &Request, back: &str, fields: &Markup) -> Markup {
    let merchant = reader.pinned_merchant().map(|merchant| merchant.0.to_string());
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("merchant", merchant.as_deref().unwrap_or_default())
        .append_pair("visitor", &reader.visitor_id())
        .append_pair("path", &request.path)
        .append_pair("customer", request.customer.as_deref().unwrap_or_default())
        .append_pair("back", back)
        .append_pair("from", &reader.page)
        // A form that is sent twice acts once.
        .append_pair("once", &entropy::request_id())
        .finish();
    html! {
        form method="post" enctype="multipart/form-data" action={ "/console/upload?" (query) } { (fields) }
    }
}

/// A field for evidence.
pub(super) fn evidence(id: &str) -> Markup {
    html! {
        div.field {
            label for=(id) { "Evidence" }
            input id=(id) type="file" name="file" accept="image/jpeg,image/png,image/gif,image/webp,application/pdf";
            p.hint { "A picture or a PDF, if there is one." }
        }
    }
}

/// `POST /console/upload`
pub(super) async fn send(
    mut reader: Reader,
    request: HttpRequest,
    Query(target): Query<Target>,
    payload: Payload,
) -> Result<HttpResponse, Refused> {
    let bad = |message| Refused::new(400, Page::new("That form cannot be sent"), message);
    let content_type = request
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let boundary = content_type.and_then(boundary_of);
    let (Some(content_type), Some(boundary)) = (content_type, boundary) else {
        return Err(bad("The body must be a multipart/form-data form."));
    };
    if boundary.len() > BOUNDARY_CHARS_MAX {
        return Err(bad("The boundary of the form must have at most 70 characters."));
    }
    let Some(path) = route_of(&target.path) else {
        return Err(bad("The field path must be the path of a route."));
    };
    reader.check_visitor(&target.visitor)?;
    let limits = reader.state.limits;
    let bytes_max = limits.body_bytes_max.saturating_add(limits.file_bytes_max);
    let whole = WholeBody::read(&request, payload.into_inner(), bytes_max).await;
    // Its share of the memory for uploads is held until the answer.
    let whole = whole.map_err(|error| of_form(&error, &request))?;
    let body = Bytes::from(whole.bytes);
    let mut asked = Request::new(Method::POST, path);
    asked.customer = Some(target.customer).filter(|customer| !customer.is_empty());
    asked.merchant = Some(target.merchant).filter(|merchant| reader.is_operator() && !merchant.is_empty());
    reader.choose_of_form(asked.merchant.as_deref())?;
    asked.idempotency_key = Some(key_of(&target.once, asked.customer.clone(), body.clone(), boundary).await?);
    let back = text::own_path(&target.back).unwrap_or("/console/deals");
    let from = text::own_path(&target.from).unwrap_or_else(|| place_of(back));
    let send = || {
        reader
            .api
            .send_form(asked.clone(), content_type.to_owned(), body.clone())
    };
    let answer = once::answer(send).await;
    let answer = answer.map_err(|refused| refused.with_way_on(from, "Back"))?;
    if answer.status.is_success() {
        return Ok(go_back(&reader, &asked, None, &answer, back, &target.once));
    }
    let form = form_of(&reader, answer.request_id.as_deref()).await;
    let form = form.unwrap_or_else(|| format!("{} {}", asked.method, asked.path));
    Ok(refusal_of(&reader, ("The form that was sent", &form), &answer, from))
}

/// Returns the boundary of a multipart form.
fn boundary_of(content_type: &str) -> Option<&str> {
    let (kind, parameters) = content_type.split_once(';')?;
    let is_form = kind.trim().eq_ignore_ascii_case("multipart/form-data");
    let boundary = parameters
        .split(';')
        .find_map(|parameter| parameter.trim().strip_prefix("boundary="))?;
    let boundary = boundary.trim_matches('"');
    (is_form && !boundary.is_empty()).then_some(boundary)
}

/// Returns the key under which the request is done once. It takes a while for a form with a large
/// file, so it is made away from the threads that serve requests.
async fn key_of(once: &str, customer: Option<String>, body: Bytes, boundary: &str) -> Result<String, ApiError> {
    let boundary = boundary.to_owned();
    let hash = on_thread(move || hash_of(customer.as_deref(), &body, &boundary)).await?;
    Ok(format!("{once}-{}", hex::encode(hash)))
}

/// Returns the beginning of the hash of a form. A browser that sends the same form again may choose
/// another boundary, so the parts alone count.
fn hash_of(customer: Option<&str>, body: &[u8], boundary: &str) -> [u8; 8] {
    let mut hash = Sha256::new();
    hash.update(format!("{customer:?}"));
    let mut rest = body;
    while let Some(place) = rest
        .windows(boundary.len())
        .position(|window| window == boundary.as_bytes())
    {
        hash.update(&rest[..place]);
        rest = &rest[place + boundary.len()..];
    }
    hash.update(rest);
    let hash: [u8; 32] = hash.finalize().into();
    *hash.first_chunk().expect("a hash has 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_multipart_form_has_a_boundary() {
        assert_eq!(boundary_of("multipart/form-data; boundary=abc"), Some("abc"));
        assert_eq!(
            boundary_of("Multipart/Form-Data; charset=utf-8; boundary=\"a b\""),
            Some("a b")
        );
        for other in [
            "",
            "multipart/form-data",
            "multipart/form-data; boundary=",
            "text/plain; boundary=a",
        ] {
            assert_eq!(boundary_of(other), None, "{other}");
        }
    }

    #[test]
    fn the_parts_and_not_their_boundary_make_the_key() {
        let hash = |body: &str, boundary| hash_of(None, body.as_bytes(), boundary);
        assert_eq!(hash("--x\r\na\r\n--x--", "x"), hash("--yy\r\na\r\n--yy--", "yy"));
        assert_ne!(hash("--x\r\na\r\n--x--", "x"), hash("--x\r\nb\r\n--x--", "x"));
        assert_ne!(hash("a", "x"), hash_of(Some("ada"), b"a", "x"));
    }
}
