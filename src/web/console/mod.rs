//! The console: a merchant's deals, customers, events and ledger, and everything that the
//! people of a deal may do.

mod actions;
mod call;
mod choice;
mod clock;
mod customers;
pub(super) mod deal;
mod deals;
mod desk;
mod done;
mod earnings;
mod edit;
mod events;
mod example;
mod faults;
mod ledger;
mod money_bar;
mod offer;
mod payments;
mod reasons;
mod requests;
mod timeline;
mod upload;
mod who;

use actix_web::HttpResponse;
use actix_web::http::header::LOCATION;
use actix_web::web::{self, ServiceConfig};

pub(super) use call::{MADE, button, refusal};
pub(super) use done::{Shown, notice};
pub(super) use payments::PAYMENT;

/// `GET /console`: leads to the first page.
async fn start() -> HttpResponse {
    HttpResponse::SeeOther().insert_header((LOCATION, "/")).finish()
}

pub(super) fn configure(config: &mut ServiceConfig) {
    config
        .service(web::resource("/deals").get(deals::list))
        .service(web::resource("/deals/{escrowId}").get(deal::show))
        .service(web::resource("/deals/{escrowId}/edit").get(edit::show))
        .service(web::resource("/offer").get(offer::show))
        .service(web::resource("").get(start))
        .service(web::resource("/call").post(call::send))
        .service(web::resource("/merchant").post(choice::choose))
        .service(web::resource("/upload").post(upload::send))
        .service(web::resource("/example").post(example::make))
        .service(web::resource("/customers").get(customers::list))
        .service(web::resource("/customers/").get(customers::show_of_query))
        .service(web::resource("/customers/{customerId}").get(customers::show))
        .service(web::resource("/events").get(events::list))
        .service(web::resource("/events/rows").get(events::rows))
        .service(web::resource("/events/changes").get(events::changes))
        .service(web::resource("/requests").get(requests::list))
        .service(web::resource("/requests/rows").get(requests::rows))
        .service(web::resource("/requests/changes").get(requests::changes))
        .service(web::resource("/clock").get(clock::show))
        .service(web::resource("/faults").get(faults::show))
        .service(web::resource("/ledger").get(ledger::show))
        .service(web::resource("/earnings").get(earnings::show))
        .configure(desk::configure);
}
