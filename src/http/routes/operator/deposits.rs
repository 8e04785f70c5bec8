//! Routes of the deposits that wait for money at the bank.

use actix_web::web::Data;
use schemars::JsonSchema;
use serde::Serialize;

use crate::commands::receipts;
use crate::domain::ids::{CustomerId, TransactionId};
use crate::domain::mode::Mode;
use crate::domain::payments::payment::Payment;
use crate::domain::refusal::RefusalKind;
use crate::domain::time::Timestamp;
use crate::domain::transaction::{Method, PaymentStatus};
use crate::http::auth::Caller;
use crate::http::body::JsonBody;
use crate::http::envelope::Reply;
use crate::http::error::ApiError;
use crate::http::query::{self, Query};
use crate::http::refusals::Refusals;
use crate::http::request_spec::{FieldSpec, Kind, RequestSpec};
use crate::http::routes::operator::acting::act;
use crate::http::routes::operator::fields::{REASON, reason_field};
use crate::http::state::AppState;
use crate::views::{AsText, MajorUnits, PageView, Words};

/// The request of [`expire`].
pub(super) const EXPIRY: RequestSpec = RequestSpec::of_body(&[&[
    FieldSpec::required("reference", Kind::Reference),
    FieldSpec::required("reason", REASON),
]]);

/// `GET /operator/deposits`: a page of the deposits that are expected, newest first.
pub(super) async fn list(
    state: Data<AppState>,
    caller: Caller,
    query: Query,
) -> Result<Reply<PageView<DepositView>>, ApiError> {
    let request = query::page(&query.fields()?)?;
    let merchant = state.merchant_of(&caller).await?;
    let page = state
        .read_page(merchant, query.walk(), request, move |snapshot, request| {
            snapshot.expected_deposits(merchant, request)
        })
        .await?;
    let mode = state.policy.load().mode;
    let view = |payment| DepositView::new(&payment, mode);
    Ok(Reply::ok(
        "Expected deposits fetched successfully",
        PageView::new(page, view),
    ))
}

/// The refusals of [`expire`].
pub(super) const EXPIRE_REFUSALS: Refusals = Refusals::of(&[&[
    RefusalKind::DepositNotFound,
    RefusalKind::NotInStatus,
    RefusalKind::DepositHasReceipt,
]]);

/// `POST /operator/deposits/expire`: gives up a deposit that is expected.
pub(super) async fn expire(
    state: Data<AppState>,
    caller: Caller,
    body: JsonBody,
) -> Result<Reply<DepositView>, ApiError> {
    let reference = body.fields().and_then(|fields| fields.field("reference").reference());
    let mode = state.policy.load().mode;
    let reason = body.fields().and_then(|fields| reason_field(&fields.field("reason")));
    act(
        &state,
        &caller,
        move |tx, policy, actor| receipts::expire(tx, policy, actor, reference, reason),
        move |deposit| Reply::ok("Deposit given up successfully", DepositView::new(&deposit, mode)),
    )
    .await
}

/// A deposit that waits for money at the bank.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DepositView {
    id: AsText<TransactionId>,
    /// The reference of the payment, which the merchant may have chosen.
    reference: String,
    /// The reference that the payer quotes at the bank. In a sandbox it is that of the payment.
    deposit_reference: String,
    customer_id: Option<AsText<CustomerId>>,
    amount: MajorUnits,
    #[schemars(with = "Words<PaymentStatus>")]
    status: &'static str,
    /// The escrows to fund with it.
    escrow_ids: Vec<String>,
    created_at: AsText<Timestamp>,
}

impl DepositView {
    fn new(payment: &Payment, mode: Mode) -> Self {
        let transaction = &payment.transaction;
        Self {
            id: AsText(transaction.id),
            reference: transaction.reference.as_str().to_owned(),
            deposit_reference: transaction.quoted_reference(mode).as_str().to_owned(),
            customer_id: transaction.owner.customer().cloned().map(AsText),
            amount: MajorUnits(transaction.amount),
            status: payment.status().into_str(),
            escrow_ids: payment.method().map(Method::escrow_ids).unwrap_or_default().to_vec(),
            created_at: AsText(transaction.created_at),
        }
    }
}
