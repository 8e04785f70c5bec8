//! The page that a buyer opens from a link: what is sold, what it costs, and paying for it. With
//! play money also confirming each stage afterwards.

mod link;
mod live;
mod sandbox;

use actix_web::HttpResponse;
use actix_web::middleware::from_fn;
use actix_web::web::{self, Data, Path, Query, ServiceConfig};

use crate::domain::ids::PaymentToken;
use crate::domain::mode::Mode;
use crate::http::AppState;
use crate::web::console::Shown;
use crate::web::guard;
use crate::web::layout::Refused;
use crate::web::pay::link::Buyer;
use crate::web::reader::Reader;

pub(super) fn configure(config: &mut ServiceConfig) {
    config.service(
        web::scope("/pay/{paymentToken}")
            .wrap(from_fn(guard::page))
            .service(web::resource("").get(show))
            .service(web::resource("/transfer").post(live::begin)),
    );
}

/// `GET /pay/{paymentToken}`
async fn show(
    state: Data<AppState>,
    reader: Result<Reader, Refused>,
    token: Path<String>,
    Query(Buyer { buyer }): Query<Buyer>,
    Query(shown): Query<Shown>,
) -> Result<HttpResponse, Refused> {
    let token = PaymentToken::named(&token);
    let mode = state.policy.load().mode;
    match mode {
        Mode::Live => live::show(&state, token, &buyer).await,
        Mode::Sandbox => sandbox::show(reader, token, &buyer, shown).await,
    }
}
