//! The pages for people: HTML from the binary, with one stylesheet and one script, and nothing
//! loaded from elsewhere.
//!
//! A page reads by the store's queries or by the service's own routes, and changes state only
//! by the routes ([`Door`](crate::http::Door)), so that it can do what the API allows its
//! reader and nothing else.

mod api;
mod assets;
mod checkout;
mod console;
mod demo;
mod docs;
mod form;
mod frame;
mod guard;
mod home;
mod layout;
mod login;
mod once;
mod parts;
mod pay;
mod paying;
mod reader;
mod reason;
mod scale;
mod sections;
mod text;
mod unreadable;

use actix_web::guard::fn_guard;
use actix_web::middleware::from_fn;
use actix_web::web::{self, ServiceConfig};

use crate::http::other_methods;

/// Adds the pages to the routes of a server.
pub(crate) fn configure(config: &mut ServiceConfig) {
    let asset = web::resource("/assets/{name}").get(assets::serve).head(assets::serve);
    config.service(asset.default_service(other_methods(&["GET"], true)));
    config.configure(unreadable::configure);
    config.configure(checkout::configure);
    config.service(web::resource("/").wrap(from_fn(guard::page)).get(home::show));
    config.service(
        web::scope("/login")
            .wrap(from_fn(guard::page))
            .configure(login::configure)
            .default_service(web::to(unreadable::no_page)),
    );
    config.service(web::resource("/logout").wrap(from_fn(guard::page)).post(login::end));
    config.configure(pay::configure);
    config.service(
        web::scope("/console")
            .wrap(from_fn(guard::page))
            .configure(console::configure)
            .default_service(web::to(unreadable::no_page)),
    );
    config.service(
        web::scope("/demo")
            .wrap(from_fn(guard::page))
            .configure(demo::configure)
            .default_service(web::to(unreadable::no_page)),
    );
    config.service(
        web::scope("/docs")
            .wrap(from_fn(guard::page))
            .configure(docs::configure)
            .default_service(web::to(unreadable::no_page)),
    );
    // Every address that neither a route nor a page has, for browsers. It comes last.
    config.service(
        web::resource("/{address:.*}")
            .guard(fn_guard(unreadable::is_for_a_page))
            .wrap(from_fn(guard::page))
            .default_service(web::to(unreadable::no_page)),
    );
}
