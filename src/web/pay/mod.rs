//! The page that a buyer opens from a link: what is sold, what it costs, and paying for it. With
//! play money also confirming each stage afterwards.

mod link;
mod live;
mod sandbox;

use actix_web::HttpResponse;
use actix_web::http::header::LOCATION;
use actix_web::middleware::from_fn;
use actix_web::web::{self, Data, Path, Query, ServiceConfig};

use crate::domain::ids::PaymentToken;
use crate::domain::mode::Mode;
use crate::http::AppState;
use crate::web::console::Shown;
use crate::web::layout::Refused;
use crate::web::pay::link::{Buyer, Paid};
use crate::web::reader::Reader;
use crate::web::{guard, text, unreadable};

pub(super) fn configure(config: &mut ServiceConfig) {
    config.service(
        web::scope("/pay/{paymentToken}")
            .wrap(from_fn(guard::page))
            .service(web::resource("").get(show))
            .service(web::resource("/transfer").get(back).post(live::begin))
            .default_service(web::to(unreadable::no_page)),
    );
}

/// `GET /pay/{paymentToken}/transfer`: leads to the page that has the form.
async fn back(token: Path<String>) -> HttpResponse {
    let place = format!("/pay/{}", text::segment(&token));
    HttpResponse::SeeOther().insert_header((LOCATION, place)).finish()
}

/// `GET /pay/{paymentToken}`
async fn show(
    state: Data<AppState>,
    reader: Result<Reader, Refused>,
    token: Path<String>,
    Query(Buyer { buyer }): Query<Buyer>,
    Query(Paid { paid }): Query<Paid>,
    Query(shown): Query<Shown>,
) -> Result<HttpResponse, Refused> {
    let token = PaymentToken::named(&token);
    let mode = state.policy.load().mode;
    match mode {
        Mode::Live => live::show(&state, token, &buyer).await,
        Mode::Sandbox => sandbox::show(reader, token, &buyer, &paid, shown).await,
    }
}
