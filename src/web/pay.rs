//! The page that a buyer opens from a link: what is sold, what it costs, paying for it, and
//! confirming each stage afterwards.
//!
//! In a sandbox the reader says which customer they are, since play money is nobody's.

use actix_web::HttpResponse;
use actix_web::http::Method;
use actix_web::web::{Data, Path, Query};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::json;

use crate::domain::escrow::actions::Action;
use crate::domain::escrow::deal::Deal;
use crate::domain::escrow::{Escrow, Funding};
use crate::domain::ids::{CustomerId, EscrowKey, PaymentToken};
use crate::domain::mode::Mode;
use crate::http::{ApiError, AppState};
use crate::web::api::Request;
use crate::web::console::{Shown, button, notice};
use crate::web::layout::{Page, Refused};
use crate::web::paying::{self, Card, Wallet, Way};
use crate::web::reader::Reader;
use crate::web::text;

/// The reader of the page.
#[derive(Debug, Deserialize)]
pub(super) struct Buyer {
    #[serde(default)]
    buyer: String,
}

/// `GET /pay/{paymentToken}`
pub(super) async fn show(
    state: Data<AppState>,
    reader: Result<Reader, Refused>,
    token: Path<String>,
    Query(buyer): Query<Buyer>,
    Query(shown): Query<Shown>,
) -> Result<HttpResponse, Refused> {
    let token = PaymentToken::named(&token);
    if state.policy.load().mode == Mode::Live {
        return live(&state, &token);
    }
    let reader = reader?;
    let key = EscrowKey::Token(token);
    let found = reader
        .read(move |snapshot, merchant| snapshot.deal(merchant, &key))
        .await?;
    let Some(Deal::Escrow(escrow)) = found.flatten() else {
        return Err(no_offer());
    };
    let done = notice(&reader, shown.done()).await?;
    let currency = reader.currency();
    let buyer = CustomerId::parse(buyer.buyer.trim());
    let below = match (escrow.funding(), &buyer) {
        (Some(funding), _) => receipt(&reader, &escrow, funding, &currency),
        (None, None) => who(&escrow),
        (None, Some(buyer)) => ways_to_pay(&reader, &escrow, buyer, &currency).await?,
    };
    Ok(Page::new(escrow.terms.purpose.as_str()).narrow().show(&html! {
        (done)
        (paying::sandbox_notice())
        (paying::offer(&escrow, &currency))
        (below)
    }))
}

fn no_offer() -> Refused {
    let page = Page::new("Nothing to pay for").narrow();
    let message = "There is no offer behind this link. It may have been deleted.";
    Refused::new(404, page, message)
}

/// Shows an offer of real money to everyone who has its link. The page knows no customer and
/// acts for none (docs/checkout.md).
fn live(state: &AppState, token: &PaymentToken) -> Result<HttpResponse, Refused> {
    let found = state.store.read(|snapshot| snapshot.deal_of_link(token));
    let Some(Deal::Escrow(escrow)) = found.map_err(ApiError::from)? else {
        return Err(no_offer());
    };
    let page = Page::new(escrow.terms.purpose.as_str()).narrow();
    if escrow.check_open_to_buyers().is_err() {
        return Ok(page.show(&html! {
            h1 { (escrow.terms.purpose) }
            div.notice { p { "This offer is paid. The shop shows the deal to its buyer." } }
        }));
    }
    let currency = state.policy.load().currency.to_string();
    Ok(page.show(&html! {
        (paying::offer(&escrow, &currency))
        section.card {
            h2 { "How to pay" }
            p { "Pay in the shop that gave you this link. It knows you as its customer: there you get the bank account and "
                "the reference for your transfer, and there you confirm what you get." }
        }
    }))
}

/// Returns the address of the page, for this buyer.
fn address(escrow: &Escrow, buyer: &str) -> String {
    let token = text::segment(escrow.payment_token.as_str());
    format!("/pay/{token}?buyer={}", text::segment(buyer))
}

fn who(escrow: &Escrow) -> Markup {
    html! {
        form.card method="get" action={ "/pay/" (text::segment(escrow.payment_token.as_str())) } {
            (paying::who("buyer"))
        }
    }
}

async fn ways_to_pay(reader: &Reader, escrow: &Escrow, buyer: &CustomerId, currency: &str) -> Result<Markup, Refused> {
    let wallet: Wallet = reader
        .api
        .data(Request::get("/v1/wallet").acting_for(buyer.as_str()))
        .await?;
    let cards: Vec<Card> = reader
        .api
        .data(Request::get("/v1/cards").acting_for(buyer.as_str()))
        .await?;
    let back = address(escrow, buyer.as_str());
    let details = json!({"paymentToken": escrow.payment_token.as_str()});
    let pay = |body| {
        Request::new(Method::POST, "/v1/payment/escrow")
            .acting_for(buyer.as_str())
            .with(body)
    };
    let from_wallet = pay(json!({"escrowDetails": details}));
    let by_card = |card: &Card| pay(json!({"gateway": "card", "cardId": card.id, "escrowDetails": details}));
    let save = |number: &str| {
        let request = Request::new(Method::POST, "/sandbox/cards").acting_for(buyer.as_str());
        request.with(json!({"number": number}))
    };
    let form = |way: Way<'_>, label: &str, class: &str| {
        let request = match way {
            Way::Wallet => from_wallet.clone(),
            Way::Card(card) => by_card(card),
            Way::Save(card) => save(card.number),
        };
        button(reader, &request, &back, label, class)
    };
    Ok(html! {
        section.card {
            (paying::ways(buyer, &wallet, &cards, currency, form))
            p { a href={ "/pay/" (text::segment(escrow.payment_token.as_str())) } { "I am someone else" } }
        }
    })
}

/// Shows what was paid, and the stages that wait for the buyer.
fn receipt(reader: &Reader, escrow: &Escrow, funding: &Funding, currency: &str) -> Markup {
    let buyer = funding.buyer.as_str();
    let exits = reader.state.policy.load().exits();
    let back = address(escrow, buyer);
    let next = escrow.milestones().iter().find(|milestone| milestone.is_pending());
    let confirm = |path: String| Request::new(Method::POST, path).acting_for(buyer);
    html! {
        section.card {
            (paying::receipt(escrow, funding, currency))
            @if let (Some(next), true) = (next, escrow.allows(Action::MilestoneConfirm, exits)) {
                p { "When “" (next.terms.title) "” is done, confirm it, and the seller is paid for it." }
                (button(reader, &confirm(format!("/v1/escrow/milestone/confirm/{}/{}", escrow.id, next.id)), &back,
                    &format!("Confirm “{}”", next.terms.title), "primary wide"))
            }
            @if escrow.allows(Action::ConfirmPayment, exits) {
                p { "When you have what you paid for, confirm it, and the seller is paid." }
                (button(reader, &confirm(format!("/v1/escrow/confirm-payment/{}", escrow.id)), &back, "Confirm the delivery", "primary wide"))
            }
            @if escrow.held().is_zero() {
                p { "The deal is closed. All its money is paid out." }
            }
            p { a href={ "/console/deals/" (escrow.id) } { "The deal in the console" } }
        }
    }
}
