//! Routes of saved cards (contract section 4.10), and the sandbox's way to save one.

use actix_web::web::{Data, Path};

use super::api::Api;
use super::auth::ActingCustomer;
use super::body::JsonBody;
use super::drafts;
use super::envelope::{Answer, ApiError, Reply};
use crate::commands::cards;
use crate::domain::ids::CardId;
use crate::queries;
use crate::wire::CardView;

/// `GET /v1/cards`, as the customer.
pub(super) async fn list(api: Data<Api>, acting: ActingCustomer) -> Result<Reply<Vec<CardView>>, ApiError> {
    let merchant = api.admitted(&acting).await?;
    api.policy.check_cards(merchant)?;
    let cards = queries::cards(&api.store, merchant, &acting.customer)?;
    Ok(Reply::ok(
        "Cards fetched successfully",
        CardView::list(&cards, &acting.customer),
    ))
}

/// `POST /sandbox/cards`, as the customer.
pub(super) async fn save(api: Data<Api>, acting: ActingCustomer, body: JsonBody) -> Result<Answer, ApiError> {
    let kind = drafts::payments::card(&body);
    let owner = acting.customer.clone();
    api.act(
        &acting,
        move |tx, policy, actor| cards::save(tx, policy, actor, kind),
        move |saved, _viewing| {
            Reply::created(
                "Card saved successfully",
                CardView::new(&saved.card, saved.is_default, &owner),
            )
        },
    )
    .await
}

/// `DELETE /v1/card/{cardId}`, as the customer.
pub(super) async fn remove(api: Data<Api>, acting: ActingCustomer, card: Path<String>) -> Result<Answer, ApiError> {
    let owner = acting.customer.clone();
    api.act(
        &acting,
        move |tx, policy, actor| cards::remove(tx, policy, actor, CardId::named(&card)),
        move |removed, _viewing| {
            Reply::ok(
                "Card removed successfully",
                CardView::new(&removed.card, removed.is_default, &owner),
            )
        },
    )
    .await
}
