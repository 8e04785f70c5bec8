//! The example deal of a first visit.

use actix_web::HttpResponse;
use actix_web::http::Method;
use actix_web::http::header::LOCATION;
use actix_web::web::Form;
use serde::Deserialize;
use serde_json::json;

use crate::web::api::Request;
use crate::web::console::call;
use crate::web::layout::Refused;
use crate::web::reader::Reader;

const SELLER: &str = "amaka";
const BUYER: &str = "tunde";

/// The form of the button that makes the deal.
#[derive(Debug, Deserialize)]
pub(super) struct Sent {
    #[serde(default)]
    visitor: String,
}

/// `POST /console/example`: a buyer with money, and an offer in three stages. The reader goes on
/// from there.
pub(super) async fn make(reader: Reader, Form(sent): Form<Sent>) -> Result<HttpResponse, Refused> {
    reader.check_visitor(&sent.visitor)?;
    let steps = [
        Request::new(Method::PUT, "/sandbox/balance").with(json!({"customerId": BUYER, "balance": 500_000})),
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
            })),
    ];
    let mut place = "/console/deals".to_owned();
    for step in steps {
        let answer = reader.api.send(step.clone()).await?;
        if !answer.status.is_success() {
            return Ok(call::refusal(&reader, &step, &answer, "/"));
        }
        if let Some(id) = answer.envelope.data.get("id").and_then(serde_json::Value::as_str) {
            place = format!("/console/deals/{id}?done={}", answer.request_id.unwrap_or_default());
        }
    }
    Ok(HttpResponse::SeeOther().insert_header((LOCATION, place)).finish())
}
