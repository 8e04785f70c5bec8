//! Routes of standard escrows (contract sections 4.2, 4.6.1).

use actix_web::web::{Data, Path};
use serde_json::json;

use crate::commands::standard_escrows;
use crate::domain::ids::{EscrowId, PaymentToken};
use crate::http::auth::Caller;
use crate::http::body::{JsonBody, JsonOrFormBody};
use crate::http::envelope::{ApiError, Reply};
use crate::http::query::Query;
use crate::http::state::AppState;
use crate::http::{drafts, uploads};
use crate::views::{DetailedEscrowView, EscrowListView, EscrowView};

/// `POST /v1/escrow/create`, as the seller.
pub(crate) async fn create(state: Data<AppState>, caller: Caller, mut body: JsonOrFormBody) -> Result<Reply, ApiError> {
    let draft = drafts::standard_escrow(&body);
    let pictures = uploads::pictures(&mut body, "imageUrl", state.limits.files_per_request_max);
    state
        .execute_with_files(
            caller,
            pictures,
            |tx, policy, actor, images| standard_escrows::create(tx, policy, actor, draft, images),
            |escrow, context| Reply::created("Created successfully", EscrowView::new(escrow, context)),
        )
        .await
}

/// `PUT /v1/escrow/edit/{paymentToken}`, as the seller.
pub(crate) async fn edit(
    state: Data<AppState>,
    caller: Caller,
    token: Path<String>,
    mut body: JsonOrFormBody,
) -> Result<Reply, ApiError> {
    let draft = drafts::standard_escrows::edit(&body);
    let token = PaymentToken::named(&token);
    let pictures = uploads::pictures(&mut body, "imageUrl", state.limits.files_per_request_max);
    state
        .execute_with_files(
            caller,
            pictures,
            move |tx, policy, actor, images| standard_escrows::edit(tx, policy, actor, token, draft, images),
            |escrow, context| Reply::ok("Escrow updated successfully", EscrowView::new(escrow, context)),
        )
        .await
}

/// `PUT /v1/escrow/additional-fee/{paymentToken}`, as the merchant.
pub(crate) async fn set_additional_fee(
    state: Data<AppState>,
    caller: Caller,
    token: Path<String>,
    body: JsonBody,
) -> Result<Reply, ApiError> {
    let draft = drafts::standard_escrows::additional_fee(&body);
    let token = PaymentToken::named(&token);
    state
        .execute(
            &caller,
            move |tx, _policy, actor| standard_escrows::set_additional_fee(tx, actor.merchant, token, draft),
            |escrow, context| Reply::ok("Additional fee updated successfully", EscrowView::new(escrow, context)),
        )
        .await
}

/// `DELETE /v1/escrow/delete/{paymentToken}`, as the seller.
pub(crate) async fn delete(state: Data<AppState>, caller: Caller, token: Path<String>) -> Result<Reply, ApiError> {
    let token = PaymentToken::named(&token);
    state
        .execute(
            &caller,
            move |tx, policy, actor| standard_escrows::delete(tx, policy, actor, token),
            |(), _context| Reply::ok("Escrow deleted successfully", json!({})),
        )
        .await
}

/// `GET /v1/escrow/claim-funds/{paymentToken}`, as the seller: a GET that moves money.
pub(crate) async fn claim(state: Data<AppState>, caller: Caller, token: Path<String>) -> Result<Reply, ApiError> {
    let token = PaymentToken::named(&token);
    state
        .execute(
            &caller,
            move |tx, policy, actor| standard_escrows::claim(tx, policy, actor, token),
            move |escrow, context| Reply::ok("Funds claimed successfully", EscrowView::new(escrow, context)),
        )
        .await
}

/// `GET /v1/escrow/transactions`, as either side.
pub(crate) async fn list(state: Data<AppState>, caller: Caller, query: Query) -> Result<Reply, ApiError> {
    let merchant = state.admit(&caller).await?;
    let (filter, page) = drafts::standard_escrows::list(caller.party(), &query)?;
    let list = state.store.read(|snapshot| snapshot.escrows(merchant, &filter, page))?;
    let view = EscrowListView::new(list, &state.view_context(caller.viewer()));
    Ok(Reply::ok("Transaction fetched successfully", view))
}

/// `GET /v1/escrow/verify/{paymentToken}`: an escrow of any settlement type.
pub(crate) async fn verify(state: Data<AppState>, caller: Caller, token: Path<String>) -> Result<Reply, ApiError> {
    let deal = state.deal_of(&caller, &token)?;
    let view = EscrowView::of_deal(deal, &state.view_context(caller.viewer()));
    Ok(Reply::ok("Escrow verified successfully", view))
}

/// `POST /v1/escrow/confirm-payment/{escrowId}`, as the buyer.
pub(crate) async fn confirm_payment(
    state: Data<AppState>,
    caller: Caller,
    escrow: Path<String>,
) -> Result<Reply, ApiError> {
    let escrow = EscrowId::named(&escrow);
    let mode = state.policy.mode;
    state
        .execute(
            &caller,
            move |tx, policy, actor| standard_escrows::confirm_payment(tx, policy, actor, escrow),
            move |escrow, context| {
                Reply::ok(
                    "Escrow updated successfully",
                    DetailedEscrowView::new(escrow, context, mode),
                )
            },
        )
        .await
}
