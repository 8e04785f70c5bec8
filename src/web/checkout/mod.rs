//! The checkout in a merchant's own page: the script that the page loads, and the page that the
//! script shows in a frame (docs/checkout.md).
//!
//! A checkout page is authorised by its signed session and not by the place of the browser. It
//! may stand in a frame of any site, and says of which.

mod framing;
mod page;
mod script;
mod transfer;
mod visit;

use actix_web::Resource;
use actix_web::middleware::from_fn;
use actix_web::web::{self, ServiceConfig};

use crate::http::other_methods;
use crate::web::{guard, unreadable};

/// A resource that takes a form. Its address, opened as a page, leads to the page of the session.
fn form(path: &str) -> Resource {
    web::resource(path).get(page::back)
}

pub(super) fn configure(config: &mut ServiceConfig) {
    let script = web::resource(script::PATH).get(script::serve).head(script::serve);
    config.service(script.default_service(other_methods(&["GET"], true)));
    config.service(
        web::scope("/checkout/{session}")
            .wrap(from_fn(framing::allow))
            .wrap(from_fn(guard::page))
            .service(web::resource("").get(page::show))
            .service(form("/pay").post(page::pay))
            .service(form("/cards").post(page::save_card))
            .service(form("/transfer").post(page::announce_transfer))
            .default_service(web::to(unreadable::no_page)),
    );
}
