//! Adds to each refusal the address of the page that explains its code.

use actix_web::HttpResponse;
use actix_web::body::{BoxBody, MessageBody};
use serde::Deserialize;

use crate::commands::SharedPolicy;
use crate::http::error::ApiErrorKind;

/// The fields of a refusal that count here.
#[derive(Deserialize)]
struct Refusal<'a> {
    code: Option<&'a str>,
}

/// Adds `docUrl` to the end of an envelope with a `code`. A success and a page have none.
/// `host` is the host that the request was sent to.
pub(super) fn add(response: HttpResponse, policy: &SharedPolicy, host: Option<&str>) -> HttpResponse {
    if !response.status().is_client_error() && !response.status().is_server_error() {
        return response;
    }
    response.map_body(|_head, body| match body.try_into_bytes() {
        Ok(bytes) => match with_doc_url(&bytes, policy, host) {
            Some(body) => BoxBody::new(body),
            None => BoxBody::new(bytes),
        },
        Err(streamed) => streamed,
    })
}

/// Returns the envelope with the address, or `None` if it has no code.
fn with_doc_url(envelope: &[u8], policy: &SharedPolicy, host: Option<&str>) -> Option<Vec<u8>> {
    let code = serde_json::from_slice::<Refusal<'_>>(envelope).ok()?.code?;
    // The page of a refused host would be refused too.
    let host = host.filter(|_| Some(code) != ApiErrorKind::ForeignHost.code());
    let url = policy
        .load()
        .view_context(None, host)
        .url(&format!("/docs/errors#{code}"));
    let url = serde_json::to_string(&url).ok()?;
    let fields = envelope.strip_suffix(b"}")?;
    Some([fields, b",\"docUrl\":", url.as_bytes(), b"}"].concat())
}
