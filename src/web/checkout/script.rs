//! The script that shows the checkout in a merchant's page.

use actix_web::HttpResponse;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, X_CONTENT_TYPE_OPTIONS,
};

pub(super) use crate::http::CHECKOUT_SCRIPT_PATH as PATH;

/// Lets pages of other origins load the script where they require that of every resource.
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// `GET /escrow-checkout.min.js`. The name stays while the content changes with the version of
/// the service, so browsers keep it for minutes only.
pub(super) async fn serve() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/javascript; charset=utf-8"))
        .insert_header((CACHE_CONTROL, "public, max-age=300"))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"))
        .insert_header((RESOURCE_POLICY, "cross-origin"))
        .body(include_str!("../assets/escrow-checkout.js"))
}
