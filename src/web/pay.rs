//! The page that a buyer opens from a link: what is sold, what it costs, paying for it, and
//! confirming each stage afterwards.
//!
//! In a sandbox the reader says which customer they are, since play money is nobody's.

use actix_web::HttpResponse;
use actix_web::http::Method;
use actix_web::web::{Path, Query};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::json;

use crate::domain::escrow::actions::Action;
use crate::domain::escrow::deal::Deal;
use crate::domain::escrow::{Escrow, Funding};
use crate::domain::ids::{CustomerId, EscrowKey, PaymentToken};
use crate::domain::payments::card::TEST_CARDS;
use crate::web::api::{Major, Request};
use crate::web::console::{Shown, button, deal, notice};
use crate::web::layout::{Page, Refused};
use crate::web::reader::Reader;
use crate::web::text;

/// The reader of the page.
#[derive(Debug, Deserialize)]
pub(super) struct Buyer {
    #[serde(default)]
    buyer: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wallet {
    main_balance: Major,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Card {
    id: String,
    card_info: CardInfo,
}

#[derive(Debug, Deserialize)]
struct CardInfo {
    brand: String,
    last4: String,
}

/// `GET /pay/{paymentToken}`
pub(super) async fn show(
    reader: Reader,
    token: Path<String>,
    Query(buyer): Query<Buyer>,
    Query(shown): Query<Shown>,
) -> Result<HttpResponse, Refused> {
    let key = EscrowKey::Token(PaymentToken::named(&token));
    let found = reader
        .read(move |snapshot, merchant| snapshot.deal(merchant, &key))
        .await?;
    let Some(Deal::Escrow(escrow)) = found.flatten() else {
        let page = Page::new("Nothing to pay for").narrow();
        let message = "There is no offer behind this link. It may have been deleted.";
        return Err(Refused::new(404, page, message));
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
        div.notice { p { "This is a sandbox: nobody pays with real money here." } }
        section.card {
            h1 { (escrow.terms.purpose) }
            @if let Some(description) = &escrow.terms.description { p { (description) } }
            (deal::summary(&escrow, &currency))
            dl.facts {
                dt { "Seller" } dd { (deal::seller(&escrow.seller)) }
                dt { "Price" } dd { (text::amount(escrow.terms.amount, &currency)) }
                dt { "Fee" } dd { (text::amount(escrow.fee.buyer_share(), &currency)) }
                @if !escrow.additional_fee.amount.is_zero() {
                    dt { "Additional fee" } dd { (text::amount(escrow.additional_fee.amount, &currency)) }
                }
                dt { strong { "Total" } } dd { strong { (text::amount(escrow.charge(), &currency)) } }
            }
            p.small.muted { "The money is held. The seller gets each part when you confirm it." }
        }
        (below)
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
            h2 { "Who are you?" }
            div.field {
                label for="buyer" { "Your name as a customer" }
                input #buyer name="buyer" required value="tunde";
                p.hint { "A new name is a new customer with play money." }
            }
            button.primary { "Continue" }
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
    Ok(html! {
        section.card {
            h2 { "Pay as " (buyer) }
            p { "In the wallet: " (text::amount(wallet.main_balance.0, currency)) }
            (button(reader, &from_wallet, &back, "Pay from the wallet", "primary wide"))
            h3 { "By card" }
            @for card in &cards {
                p { (button(reader, &by_card(card), &back, &format!("Pay with {} …{}", card.card_info.brand, card.card_info.last4), "wide")) }
            }
            details open[cards.is_empty()] {
                summary { "Save a test card" }
                div.actions {
                    @for card in &TEST_CARDS {
                        @let label = match card.decline {
                            None => format!("{} {}", card.brand, card.number),
                            Some(decline) => format!("{} {}, declined: {decline}", card.brand, card.number),
                        };
                        (button(reader, &save(card.number), &back, &label, ""))
                    }
                }
            }
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
            h2 { "Receipt" }
            dl.facts {
                dt { "Paid by" } dd { (buyer) }
                dt { "Paid" } dd { strong { (text::amount(escrow.charge(), currency)) } }
                dt { "When" } dd { (text::instant(funding.paid_at)) }
                dt { "Reference" } dd { code { (funding.payment.reference.as_str()) } }
                dt { "Still held" } dd { (text::amount(escrow.held(), currency)) }
            }
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
