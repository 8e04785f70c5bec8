//! The route that sets a customer's balance (sandbox).

use actix_web::web::Data;
use schemars::JsonSchema;
use serde::Serialize;

use crate::commands::customers::{self, BalanceRequest};
use crate::domain::ids::CustomerId;
use crate::domain::invalid::Parsed;
use crate::domain::refusal::RefusalKind;
use crate::http::auth::Caller;
use crate::http::body::JsonBody;
use crate::http::envelope::Reply;
use crate::http::error::ApiError;
use crate::http::refusals::Refusals;
use crate::http::request_spec::{FieldSpec, Kind, RequestSpec};
use crate::http::state::AppState;
use crate::views::{AsText, MajorUnits};

/// The request of [`set`].
pub(crate) const BALANCE: RequestSpec = RequestSpec::of_body(&[&[
    FieldSpec::required("customerId", Kind::CustomerId),
    FieldSpec::required("balance", Kind::Amount(0)),
]]);

/// The refusals of [`set`].
pub(crate) const SET_REFUSALS: Refusals = Refusals::of(&[&[RefusalKind::TooMuchMoney]]);

/// `PUT /sandbox/balance`, as the merchant of the key.
pub(crate) async fn set(state: Data<AppState>, caller: Caller, body: JsonBody) -> Result<Reply<BalanceView>, ApiError> {
    let request = parse_balance(&body);
    state
        .execute(
            &caller,
            move |tx, policy, actor| customers::set_balance(tx, policy, actor.merchant, request),
            |request, _context| Reply::ok("Balance set successfully", BalanceView::new(request)),
        )
        .await
}

/// Parses the body of `PUT /sandbox/balance`.
fn parse_balance(body: &JsonBody) -> Parsed<BalanceRequest> {
    let fields = body.fields()?;
    Ok(BalanceRequest {
        customer: fields.field("customerId").customer_id()?,
        balance: fields.field("balance").amount()?,
    })
}

/// A customer and the balance of the customer's wallet.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BalanceView {
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
