//! The example deal of a first visit.

use actix_web::HttpResponse;
use actix_web::http::Method;
use serde::Deserialize;
use serde_json::json;

use crate::web::api::{Major, Request};
use crate::web::console::call::{MADE, go_back, refusal};
use crate::web::form::Form;
use crate::web::layout::Refused;
use crate::web::once;
use crate::web::reader::Reader;

const SELLER: &str = "amaka";
/// The customer who pays for the example.
pub(super) const BUYER: &str = "tunde";
/// The money in the buyer's wallet, in major units: the price and the highest fee that a service
/// may have, half the price, and some more.
const WALLET: i64 = 500_000;

/// The form of the button that makes the deal.
#[derive(Debug, Deserialize)]
pub(super) struct Sent {
    #[serde(default)]
    visitor: String,
    /// The id of the form.
    #[serde(default)]
    once: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wallet {
    main_balance: Major,
}

/// `POST /console/example`: a buyer with money, and an offer in three stages. The reader goes on
/// from there. A buyer who has enough money keeps it.
pub(super) async fn make(reader: Reader, Form(sent): Form<Sent>) -> Result<HttpResponse, Refused> {
    reader.check_visitor(&sent.visitor)?;
    let key = |step: &str| (!sent.once.is_empty()).then(|| format!("{}-{step}", sent.once));
    let wallet: Wallet = reader.api.data(Request::get("/v1/wallet").acting_for(BUYER)).await?;
    if wallet.main_balance.0.minor() < WALLET * 100 {
        let mut give =
            Request::new(Method::PUT, "/sandbox/balance").with(json!({"customerId": BUYER, "balance": WALLET}));
        give.idempotency_key = key("wallet");
        let answer = once::answer(|| reader.api.send(give.clone())).await?;
        if !answer.status.is_success() {
            return Ok(refusal(&reader, &give, &answer, "/"));
        }
    }
    let mut offer = offer();
    offer.idempotency_key = key("offer");
    let answer = once::answer(|| reader.api.send(offer.clone())).await?;
    if !answer.status.is_success() {
        return Ok(refusal(&reader, &offer, &answer, "/"));
    }
    let (curl, back) = (reader.curl(&offer), format!("/console/deals/{MADE}"));
    Ok(go_back(&reader, &offer, Some(curl), &answer, &back, &sent.once))
}

fn offer() -> Request {
    Request::new(Method::POST, "/v1/escrow/milestone/create")
        .acting_for(SELLER)
        .with(json!({
            "purpose": "A website for a bakery",
            "description": "Design, building and launch, paid stage by stage",
            "amount": 250_000,
            "whoPays": "buyer",
            "maxDelivery": 30,
            "deliveryTimeline": "days",
            "milestones": [
                {"title": "Design", "amount": 75_000},
                {"title": "Building", "amount": 125_000},
                {"title": "Launch", "amount": 50_000},
            ],
        }))
}
