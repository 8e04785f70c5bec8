//! The upper bound of the web framework: a server with a fixed reply and no storage.

use actix_web::{HttpResponse, web};

/// Serves a reply of this many bytes to every request.
pub(super) fn serve(bytes: usize) -> anyhow::Result<()> {
    let body = web::Bytes::from("x".repeat(bytes));
    super::serve(move |config| {
        let body = body.clone();
        config.default_service(web::to(move || {
            let reply = HttpResponse::Ok().content_type("application/json").body(body.clone());
            std::future::ready(reply)
        }));
    })
}
