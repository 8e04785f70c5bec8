//! The least that a request with a body can cost: a server that parses a small JSON body and
//! answers a small one.

use actix_web::web;
use serde::{Deserialize, Serialize};

#[derive(Deserialize, Serialize)]
struct Small {
    amount: i64,
    note: String,
}

/// Answers every request with its own body, parsed and rendered again.
#[expect(clippy::disallowed_types, reason = "this server has no bounds")]
pub(super) fn serve() -> anyhow::Result<()> {
    super::serve(|config| {
        config.default_service(web::to(|small: web::Json<Small>| {
            std::future::ready(web::Json(small.into_inner()))
        }));
    })
}
