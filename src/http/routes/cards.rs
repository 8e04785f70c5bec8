//! Routes of saved cards (contract section 4.10), and the sandbox's way to save one.

use actix_web::web::{Data, Path};

use crate::commands::cards;
use crate::domain::ids::CardId;
use crate::http::auth::Caller;
use crate::http::body::JsonBody;
use crate::http::drafts;
use crate::http::envelope::{ApiError, Reply};
use crate::http::state::AppState;
use crate::views::CardView;

/// `GET /v1/cards`, as the customer.
pub(crate) async fn list(state: Data<AppState>, caller: Caller) -> Result<Reply, ApiError> {
    let merchant = state.admit(&caller).await?;
    state.policy.check_cards(merchant)?;
    let cards = state
        .store
        .read(|snapshot| snapshot.cards(merchant, caller.customer()))?;
    Ok(Reply::ok(
        "Cards fetched successfully",
        CardView::list(&cards, caller.customer()),
    ))
}

/// `POST /sandbox/cards`, as the customer.
pub(crate) async fn save(state: Data<AppState>, caller: Caller, body: JsonBody) -> Result<Reply, ApiError> {
    let kind = drafts::payments::card(&body);
    let owner = caller.customer().clone();
    state
        .execute(
            &caller,
            move |tx, policy, actor| cards::save(tx, policy, actor, kind),
            move |saved, _context| {
                Reply::created(
                    "Card saved successfully",
                    CardView::new(&saved.card, saved.is_default, &owner),
                )
            },
        )
        .await
}

/// `DELETE /v1/card/{cardId}`, as the customer.
pub(crate) async fn remove(state: Data<AppState>, caller: Caller, card: Path<String>) -> Result<Reply, ApiError> {
    let owner = caller.customer().clone();
    state
        .execute(
            &caller,
            move |tx, policy, actor| cards::remove(tx, policy, actor, CardId::named(&card)),
            move |removed, _context| {
                Reply::ok(
                    "Card removed successfully",
                    CardView::new(&removed.card, removed.is_default, &owner),
                )
            },
        )
        .await
}
