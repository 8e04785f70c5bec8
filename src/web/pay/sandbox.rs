//! The page to pay with play money. The reader says which customer they are, since play money
//! belongs to no real person.

use actix_web::HttpResponse;
use actix_web::http::Method;
use maud::{Markup, html};
use serde_json::json;

use crate::domain::escrow::actions::Action;
use crate::domain::escrow::deal::Deal;
use crate::domain::escrow::{Escrow, Funding};
use crate::domain::ids::{CustomerId, EscrowKey, PaymentToken, TransactionId};
use crate::http::ApiError;
use crate::views::MajorUnits;
use crate::web::api::Request;
use crate::web::console::{MADE, PAYMENT, Shown, button, notice};
use crate::web::layout::{Page, Refused};
use crate::web::pay::link::no_offer;
use crate::web::paying::{self, Card, SOLD_OUT, Wallet, Way};
use crate::web::reader::Reader;
use crate::web::text;

/// Shows the offer with the ways to pay for it, or the receipt with the stages to confirm. `paid`
/// is the payment whose receipt to show, of an offer to several buyers.
pub(super) async fn show(
    reader: Result<Reader, Refused>,
    token: PaymentToken,
    buyer: &str,
    paid: &str,
    shown: Shown,
) -> Result<HttpResponse, Refused> {
    let reader = reader?;
    let typed = buyer.trim();
    let buyer = CustomerId::parse(typed);
    let (payer, payment) = (buyer.clone(), TransactionId::parse(paid));
    let (asked, key) = (token.clone(), EscrowKey::Token(token));
    let read = reader.read(move |snapshot, merchant| {
        let Some(Deal::Escrow(escrow)) = snapshot.deal(merchant, &key)? else {
            return Ok(None);
        };
        let seller = paying::seller_of(snapshot, &escrow)?;
        let payment = payment.filter(|_| escrow.is_link);
        let bought = paying::bought_by(snapshot, merchant, payment, payer.as_ref())?;
        Ok(Some((bought.unwrap_or(escrow), seller)))
    });
    let Some((escrow, seller)) = read.await?.flatten() else {
        return Err(of_another_key(&reader, asked).await?);
    };
    let done = notice(&reader, shown.done()).await?;
    let currency = reader.currency();
    let below = match (escrow.funding(), &buyer) {
        (Some(funding), _) => receipt(&reader, &escrow, funding, &currency),
        (None, _) if escrow.check_open_to_buyers().is_err() => sold_out(),
        (None, None) => who(&reader, &escrow, typed),
        (None, Some(buyer)) => ways_to_pay(&reader, &escrow, buyer, &currency).await?,
    };
    Ok(Page::new(escrow.terms.purpose.as_str()).narrow().show(&html! {
        (done)
        (paying::sandbox_notice())
        (paying::offer(&escrow, &seller, &currency))
        (below)
    }))
}

/// Says that no more buyers can pay for the offer.
fn sold_out() -> Markup {
    html! {
        section.card {
            h2 { (SOLD_OUT.heading) }
            p { (SOLD_OUT.reason) }
        }
    }
}

/// Says whether a link that leads to no deal of this reader leads to one of another key.
async fn of_another_key(reader: &Reader, token: PaymentToken) -> Result<Refused, Refused> {
    let read = reader.state.store.read(move |snapshot| snapshot.deal_of_link(&token));
    let Some(Deal::Escrow(_)) = read.await.map_err(ApiError::from)? else {
        return Ok(no_offer());
    };
    let message = "This offer was made with another key of this sandbox than the one whose deals these pages show. \
                   Log in with that key to pay it here.";
    let login = format!("/login?to={}", text::segment(&reader.page));
    Ok(
        Refused::new(404, Page::new("An offer of another key").narrow(), message)
            .with_way_on(login, "Log in with the key"),
    )
}

/// Returns the address of the page, for this buyer.
fn address(escrow: &Escrow, buyer: &str) -> String {
    let token = text::segment(escrow.payment_token.as_str());
    format!("/pay/{token}?buyer={}", text::segment(buyer))
}

/// Asks who pays. `typed` is what the reader has typed and names no customer.
fn who(reader: &Reader, escrow: &Escrow, typed: &str) -> Markup {
    let refusal = paying::refusal_of_name(typed);
    html! {
        form.card method="get" action={ "/pay/" (text::segment(escrow.payment_token.as_str())) } {
            (paying::who("buyer", typed, refusal.as_deref(), reader.registers_unknown()))
        }
    }
}

async fn ways_to_pay(reader: &Reader, escrow: &Escrow, buyer: &CustomerId, currency: &str) -> Result<Markup, Refused> {
    let Some(wallet) = reader.api.get_of_customer::<Wallet>("/v1/wallet", buyer).await? else {
        return Ok(who(reader, escrow, buyer.as_str()));
    };
    let cards: Vec<Card> = reader
        .api
        .data(Request::get("/v1/cards").acting_for(buyer.as_str()))
        .await?;
    let back = address(escrow, buyer.as_str());
    // Each payment for an offer to several buyers makes a deal of its own, which has the receipt.
    let after_payment = if escrow.is_link {
        format!("{back}&paid={MADE}")
    } else {
        back.clone()
    };
    let details = json!({"paymentToken": escrow.payment_token.as_str()});
    // The total that the buyer has read. The route refuses the payment of another one.
    let total = MajorUnits(escrow.charge());
    let pay = |body| {
        Request::new(Method::POST, PAYMENT)
            .acting_for(buyer.as_str())
            .with(body)
    };
    let from_wallet = pay(json!({"amount": total, "gateway": "wallet", "escrowDetails": details}));
    let by_card =
        |card: &Card| pay(json!({"amount": total, "gateway": "card", "cardId": card.id, "escrowDetails": details}));
    let save = |number: &str| {
        let request = Request::new(Method::POST, "/sandbox/cards").acting_for(buyer.as_str());
        request.with(json!({"number": number}))
    };
    let form = |way: Way<'_>, label: &str, class: &str| {
        let (request, back) = match way {
            Way::Wallet => (from_wallet.clone(), &after_payment),
            Way::Card(card) => (by_card(card), &after_payment),
            Way::Save(card) => (save(card.number), &back),
        };
        button(reader, &request, back, label, class)
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
            (paying::receipt(escrow, funding, None, currency))
            @if let (Some(next), true) = (next, escrow.allows(Action::MilestoneConfirm, exits)) {
                p { "When “" (next.terms.title) "” is done, confirm it, and the seller is paid for it." }
                (button(reader, &confirm(format!("/v1/escrow/milestone/confirm/{}/{}", escrow.id, next.id)), &back,
                    &format!("Confirm “{}”", next.terms.title), "primary wide"))
            }
            @if escrow.allows(Action::ConfirmPayment, exits) {
                p { "When you have what you paid for, confirm it, and the seller is paid." }
                (button(reader, &confirm(format!("/v1/escrow/confirm-payment/{}", escrow.id)), &back, "Confirm the delivery", "primary wide"))
            }
            p { a href={ "/console/deals/" (escrow.id) } { "The deal in the console" } }
        }
    }
}
