//! The route that sets a customer's balance (sandbox).

use actix_web::web::Data;
use serde::Serialize;

use crate::commands::customers::{self, BalanceRequest};
use crate::domain::ids::CustomerId;
use crate::domain::invalid::Parsed;
use crate::http::auth::Caller;
use crate::http::body::JsonBody;
use crate::http::envelope::Reply;
use crate::http::error::ApiError;
use crate::http::state::AppState;
use crate::views::{AsText, MajorUnits};

/// `PUT /sandbox/balance`, as the merchant of the key.
pub(crate) async fn set(state: Data<AppState>, caller: Caller, body: JsonBody) -> Result<Reply, ApiError> {
    let request = parse_balance(&body);
    state
        .execute(
            &caller,
            move |tx, policy, actor| customers::set_balance(tx, policy, actor.merchant, request),
            |request, _context| Reply::ok("Balance set successfully", BalanceView::new(request)),
        )
        .await
}

const FIELDS: [&str; 2] = ["customerId", "balance"];

/// Parses the body of `PUT /sandbox/balance`.
fn parse_balance(body: &JsonBody) -> Parsed<BalanceRequest> {
    let fields = body.fields()?;
    fields.check_known(&FIELDS)?;
    Ok(BalanceRequest {
        customer: fields.field("customerId").customer_id()?,
        balance: fields.field("balance").amount()?,
    })
}

/// A customer and the balance of the customer's wallet.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct BalanceView {
    customer_id: AsText<CustomerId>,
    balance: MajorUnits,
}

impl BalanceView {
    fn new(request: BalanceRequest) -> Self {
        Self {
            customer_id: AsText(request.customer),
            balance: MajorUnits(request.balance),
        }
    }
}
