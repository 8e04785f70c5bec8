//! The payments that the forms of the pages ask for: their routes, and their references.

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::entropy;
use crate::web::api::Request;

/// The route that pays for deals.
pub(crate) const PAYMENT: &str = "/v1/payment/escrow";
/// The route that announces deposits and asks for withdrawals.
pub(super) const INTENT: &str = "/v1/payment/create-intent";

/// The bytes of a made reference, which has two characters for each.
const REFERENCE_BYTES: usize = 12;

/// Returns true for a request that leads to this route.
pub(super) fn leads_to(request: &Request, route: &str) -> bool {
    request.route().trim_end_matches('/') == route
}

/// Adds a reference to a request for a payment that has none, since the routes demand one with
/// `strict`. It stays the same when a form is sent again, and is another once the form is filled in
/// otherwise, as the key under which the request is done once.
pub(super) fn add_reference(request: &mut Request) {
    if ![PAYMENT, INTENT].iter().any(|route| leads_to(request, route)) {
        return;
    }
    let key = request.idempotency_key.clone();
    if let Some(Value::Object(body)) = &mut request.body {
        let digest = Sha256::digest(key.unwrap_or_else(entropy::request_id));
        let reference = hex::encode(&digest[..REFERENCE_BYTES]);
        body.entry("reference").or_insert_with(|| reference.into());
    }
}
