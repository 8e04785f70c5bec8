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

use actix_web::middleware::from_fn;
use actix_web::web::{self, ServiceConfig};

use crate::web::guard;

pub(super) fn configure(config: &mut ServiceConfig) {
    config.service(web::resource(script::PATH).get(script::serve).head(script::serve));
    config.service(
        web::scope("/checkout/{session}")
            .wrap(from_fn(framing::allow))
            .wrap(from_fn(guard::page))
            .service(web::resource("").get(page::show))
            .service(web::resource("/pay").post(page::pay))
            .service(web::resource("/cards").post(page::save_card))
            .service(web::resource("/transfer").post(page::announce_transfer)),
    );
}
