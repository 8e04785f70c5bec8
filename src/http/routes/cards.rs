//! Routes of saved cards (contract section 4.10), and the sandbox route that saves one.

use actix_web::web::{Data, Path};
use schemars::JsonSchema;
use serde::Serialize;

use crate::commands::cards;
use crate::domain::ids::{CardId, CustomerId};
use crate::domain::invalid::{Invalid, Parsed};
use crate::domain::payments::bank::TEST_BANK_NAME;
use crate::domain::payments::card::{SavedCard, TestCard, saved_cards};
use crate::domain::refusal::RefusalKind;
use crate::domain::time::Timestamp;
use crate::http::auth::Caller;
use crate::http::body::JsonBody;
use crate::http::envelope::{CreatedReply, Reply};
use crate::http::error::ApiError;
use crate::http::refusals::Refusals;
use crate::http::request_spec::{FieldSpec, Kind, RequestSpec};
use crate::http::state::AppState;
use crate::views::AsText;

/// The request of [`save`].
pub(crate) const CARD: RequestSpec = RequestSpec::of_body(&[&[FieldSpec::required("number", Kind::Text)
    .about("The number of a test card")
    .example("\"4242424242424242\"")]]);

/// The refusals of [`list`].
pub(crate) const LIST_REFUSALS: Refusals = Refusals::of(&[&[RefusalKind::FeatureNotEnabled]]);

/// `GET /v1/cards`, as the customer.
pub(crate) async fn list(state: Data<AppState>, caller: Caller) -> Result<Reply<Vec<CardView>>, ApiError> {
    let allowed = state.policy.load().check_cards();
    let (merchant, ()) = state.admit(&caller, allowed).await?;
    let customer = caller.customer().clone();
    let cards = state
        .store
        .read(move |snapshot| snapshot.cards(merchant, &customer))
        .await?;
    Ok(Reply::ok(
        "Cards fetched successfully",
        saved_cards(cards)
            .map(|saved| CardView::new(&saved, caller.customer()))
            .collect::<Vec<_>>(),
    ))
}

/// The refusals of [`save`].
pub(crate) const SAVE_REFUSALS: Refusals = Refusals::of(&[&[RefusalKind::FeatureNotEnabled]]);

/// `POST /sandbox/cards`, as the customer.
pub(crate) async fn save(
    state: Data<AppState>,
    caller: Caller,
    body: JsonBody,
) -> Result<CreatedReply<CardView>, ApiError> {
    let kind = parse_card(&body);
    let owner = caller.customer().clone();
    state
        .execute(
            &caller,
            move |tx, policy, actor| cards::save(tx, policy, actor, kind),
            move |saved, _context| Reply::created("Card saved successfully", CardView::new(&saved, &owner)),
        )
        .await
}

/// The refusals of [`remove`].
pub(crate) const REMOVE_REFUSALS: Refusals =
    Refusals::of(&[&[RefusalKind::FeatureNotEnabled]]).in_sandbox(&[RefusalKind::CardNotFound]);

/// `DELETE /v1/card/{cardId}`, as the customer.
pub(crate) async fn remove(
    state: Data<AppState>,
    caller: Caller,
    card: Path<String>,
) -> Result<Reply<CardView>, ApiError> {
    let owner = caller.customer().clone();
    state
        .execute(
            &caller,
            move |tx, policy, actor| cards::remove(tx, policy, actor, CardId::named(&card)),
            move |removed, _context| Reply::ok("Card removed successfully", CardView::new(&removed, &owner)),
        )
        .await
}

/// Parses the number of a test card. No message repeats it: it may be that of a real card.
fn parse_card(body: &JsonBody) -> Parsed<TestCard> {
    let fields = body.fields()?;
    let field = fields.field("number");
    if field.is_absent() {
        return Err(Invalid::missing("number"));
    }
    let other_kind = |_| Invalid::wrong("number", "a text", "a value of another kind");
    TestCard::of_number(&field.text().map_err(other_kind)?)
}

/// The contract's Card.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CardView {
    id: AsText<CardId>,
    card_info: CardInfoView,
    is_default: bool,
    created_at: AsText<Timestamp>,
}

/// The printed details of a card.
#[derive(Debug, Serialize, JsonSchema)]
struct CardInfoView {
    last4: &'static str,
    exp_month: &'static str,
    exp_year: &'static str,
    card_type: &'static str,
    brand: &'static str,
    customer: String,
    bank: &'static str,
}

impl CardView {
    /// Shows one card of a customer.
    pub(crate) fn new(saved: &SavedCard, customer: &CustomerId) -> Self {
        let card = &saved.card;
        Self {
            id: AsText(card.id),
            card_info: CardInfoView {
                last4: card.kind.last4(),
                exp_month: "12",
                exp_year: card.kind.exp_year,
                card_type: card.kind.brand,
                brand: card.kind.brand,
                customer: customer.to_string(),
                bank: TEST_BANK_NAME,
            },
            is_default: saved.is_default,
            created_at: AsText(card.created_at),
        }
    }
}
