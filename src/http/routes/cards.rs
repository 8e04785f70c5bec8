//! Routes of saved cards (contract section 4.10), and the sandbox's way to save one.

use actix_web::web::{Data, Path};

use crate::commands::cards;
use crate::domain::ids::CardId;
use crate::http::auth::ActingCustomer;
use crate::http::body::JsonBody;
use crate::http::drafts;
use crate::http::envelope::{Answer, ApiError, Reply};
use crate::http::state::AppState;
use crate::queries;
use crate::views::CardView;

/// `GET /v1/cards`, as the customer.
pub(crate) async fn list(api: Data<AppState>, acting: ActingCustomer) -> Result<Reply<Vec<CardView>>, ApiError> {
    let merchant = api.admitted(&acting).await?;
    api.policy.check_cards(merchant)?;
    let cards = queries::cards(&api.store, merchant, &acting.customer)?;
    Ok(Reply::ok(
        "Cards fetched successfully",
        CardView::list(&cards, &acting.customer),
    ))
}

/// `POST /sandbox/cards`, as the customer.
pub(crate) async fn save(api: Data<AppState>, acting: ActingCustomer, body: JsonBody) -> Result<Answer, ApiError> {
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
pub(crate) async fn remove(
    api: Data<AppState>,
    acting: ActingCustomer,
    card: Path<String>,
) -> Result<Answer, ApiError> {
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
