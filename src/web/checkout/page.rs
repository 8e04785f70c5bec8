//! The page of a checkout: the offer and the ways to pay for it, or the receipt.

use actix_web::http::StatusCode;
use actix_web::http::header::LOCATION;
use actix_web::web::{Data, Path, Query};
use actix_web::{HttpRequest, HttpResponse};
use maud::{Markup, html};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use url::Url;

use crate::domain::escrow::{Escrow, Funding, Status};
use crate::domain::ids::{CardId, Reference};
use crate::domain::mode::Mode;
use crate::domain::money::Amount;
use crate::domain::payments::payment::Payment;
use crate::entropy;
use crate::http::{AppState, Door, Source};
use crate::web::api::{ApiReply, data_of, data_of_customer};
use crate::web::checkout::framing::{Framing, close_button};
use crate::web::checkout::transfer;
use crate::web::checkout::visit::{Found, Shown, Standing, Visit, data, page, refused};
use crate::web::form::Form;
use crate::web::layout::Refused;
use crate::web::once;
use crate::web::paying::{self, Card, DELETED, NotPayable, PAID_BY_ANOTHER, PAYER_STOPPED, SOLD_OUT, Wallet, Way};
use crate::web::text;

/// Says what becomes of money for a deal that takes none any more. Another session of the payer
/// may have announced a transfer.
const DO_NOT_TRANSFER: &str =
    "Do not transfer money for it. Money that you have transferred already stays in your wallet at the shop.";

/// A form of a checkout page.
#[derive(Debug, Deserialize)]
pub(super) struct Sent {
    #[serde(flatten)]
    shown: Shown,
    /// Makes a form that is sent twice act once.
    #[serde(default)]
    once: String,
    /// The total that the page showed.
    #[serde(default)]
    total: String,
    /// The card to pay with. Empty for the wallet.
    #[serde(default)]
    card: String,
    /// The number of the test card to save.
    #[serde(default)]
    number: String,
}

/// `GET /checkout/{session}`
pub(super) async fn show(
    request: HttpRequest,
    state: Data<AppState>,
    door: Door,
    session: Path<String>,
    Query(shown): Query<Shown>,
) -> Result<HttpResponse, Refused> {
    let visit = Visit::of(&request, state, door, &session, shown).await?;
    render(&visit, None).await
}

/// `GET` of the address of a form: leads to the page that has the form.
pub(super) async fn back(session: Path<String>) -> HttpResponse {
    see(&format!("/checkout/{}", text::segment(&session)))
}

/// `POST /checkout/{session}/pay`
pub(super) async fn pay(
    request: HttpRequest,
    state: Data<AppState>,
    door: Door,
    session: Path<String>,
    Form(sent): Form<Sent>,
) -> Result<HttpResponse, Refused> {
    let is_strict = state.policy.load().is_strict;
    let visit = Visit::of(&request, state, door, &session, sent.shown).await?;
    let money = visit.play_money()?;
    let source = match sent.card.as_str() {
        "" => Source::Wallet,
        card => Source::Card(CardId::named(card)),
    };
    let total = Amount::parse_major(&sent.total).map_err(|_| no_total())?;
    // A reader who goes back and chooses another card sends another request.
    let asked = format!("{} {} {total} {:?}", sent.once, sent.card, visit.customer());
    let key = hex::encode(Sha256::digest(asked));
    // With `strict` the route refuses a payment without a reference.
    let made = Reference::parse(&key).filter(|_| is_strict);
    let answer = once::answer(|| async {
        let reply = money.pay(total, &source, &key, made.as_ref()).await;
        ApiReply::of(reply.map_err(refused)?)
    });
    finish(&visit, answer.await?).await
}

/// `POST /checkout/{session}/cards`
pub(super) async fn save_card(
    request: HttpRequest,
    state: Data<AppState>,
    door: Door,
    session: Path<String>,
    Form(sent): Form<Sent>,
) -> Result<HttpResponse, Refused> {
    let visit = Visit::of(&request, state, door, &session, sent.shown).await?;
    let reply = visit.play_money()?.save_test_card(&sent.number).await;
    let answer = ApiReply::of(reply.map_err(refused)?)?;
    if answer.status.is_success() {
        return Ok(see(&visit.back(None)));
    }
    render(&visit, Some(&answer)).await
}

/// `POST /checkout/{session}/transfer`
pub(super) async fn announce_transfer(
    request: HttpRequest,
    state: Data<AppState>,
    door: Door,
    session: Path<String>,
    Form(sent): Form<Sent>,
) -> Result<HttpResponse, Refused> {
    let visit = Visit::of(&request, state, door, &session, sent.shown).await?;
    let Found { offered, transfer, .. } = visit.find().await?;
    let money = visit.real_money()?;
    let (None, Some(escrow)) = (transfer, offered) else {
        return Ok(see(&visit.back(None)));
    };
    let reply = money.announce_transfer(escrow.id, escrow.charge()).await;
    let answer = ApiReply::of(reply.map_err(refused)?)?;
    if answer.status.is_success() {
        return Ok(see(&visit.back(None)));
    }
    render(&visit, Some(&answer)).await
}

/// Shows the receipt of a payment, or the refusal above the ways to pay.
async fn finish(visit: &Visit, answer: ApiReply) -> Result<HttpResponse, Refused> {
    if answer.status.is_success() {
        let payment = answer.envelope.data.get("id").and_then(|id| id.as_str());
        return Ok(see(&visit.back(payment)));
    }
    render(visit, Some(&answer)).await
}

async fn render(visit: &Visit, refusal: Option<&ApiReply>) -> Result<HttpResponse, Refused> {
    let found = visit.find().await?;
    let currency = visit.currency();
    let Found {
        offered,
        paid,
        transfer,
        seller,
        without_transfers,
        came,
        ..
    } = &found;
    let funded = paid.as_ref().and_then(|paid| Some((paid, paid.funding()?)));
    let content = match (funded, transfer, found.standing()) {
        (Some((paid, funding)), ..) => html! {
            (receipt(visit, paid, funding, transfer.as_ref(), &currency))
            (paying::offer(paid, seller, &currency))
        },
        (None, Some(transfer), standing) => html! {
            @if let Standing::Open(escrow) = standing { (paying::offer(escrow, seller, &currency)) }
            (transfer::show(visit, standing, transfer, came, &currency))
        },
        (None, None, Standing::Open(escrow)) => html! {
            (paying::offer(escrow, seller, &currency))
            @match visit.mode() {
                Mode::Live => (transfer::offer(visit, without_transfers.as_deref())),
                Mode::Sandbox => (ways(visit, escrow.charge(), &currency).await?),
            }
        },
        (None, None, Standing::Paid) => paid_by_another(visit),
        // The payer may be one of those who have paid.
        (None, None, Standing::SoldOut) => not_payable(visit, &SOLD_OUT),
        (None, None, Standing::PayerStopped) => not_payable(visit, &PAYER_STOPPED),
        (None, None, Standing::Deleted) => return Err(deleted(visit)),
    };
    let title = offered
        .as_ref()
        .or(paid.as_ref())
        .map_or("Bank transfer", |escrow| escrow.terms.purpose.as_str());
    let status = refusal.map_or(StatusCode::OK, |answer| answer.status);
    Ok(page(title).show_with(
        status,
        &html! {
            @if visit.mode() == Mode::Sandbox { (paying::sandbox_notice()) }
            (framed_by(&visit.framing))
            @if let Some(answer) = refusal { (paying::refusal_of(&answer.envelope, &currency)) }
            (content)
        },
    ))
}

/// Says which site shows the page, so that a buyer sees whom they came from.
fn framed_by(framing: &Framing) -> Markup {
    html! {
        @match framing {
            Framing::None => {}
            Framing::By(origin) => p.small.muted { "This page is shown inside a page of " strong data-framed-by { (origin) } "." },
            Framing::ByUnknown => p.small.muted { "This page is shown inside a page of " strong data-framed-by { "a site that hides its address" } "." },
        }
    }
}

/// Asks who pays. If the payer has typed a name, it names no customer.
fn who(visit: &Visit) -> Markup {
    let typed = visit.typed_customer();
    let refusal = paying::refusal_of_name(typed);
    html! {
        form.card data-checkout data-parent=[visit.framing.origin()] method="get" action=(visit.path("")) {
            input type="hidden" name="from" value=(visit.framing.origin().unwrap_or_default());
            (paying::who("customer", typed, refusal.as_deref(), visit.registers_unknown()))
            (close_button())
        }
    }
}

async fn ways(visit: &Visit, total: Amount, currency: &str) -> Result<Markup, Refused> {
    let Some(door) = &visit.door else {
        return Ok(who(visit));
    };
    let money = visit.play_money()?;
    let wallet = money.wallet().await.map_err(refused)?;
    let known: Option<Wallet> = data_of_customer(&wallet).map_err(Refused::bare)?;
    let wallet = match known {
        None if visit.session.customer.is_none() => return Ok(who(visit)),
        Some(known) => known,
        // The refusal as a page, since no form can name another customer.
        None => data_of(&wallet).map_err(Refused::bare)?,
    };
    let cards: Vec<Card> = data(money.cards().await)?;
    let form = |way: Way<'_>, label: &str, class: &str| {
        let (below, field) = match way {
            Way::Wallet => ("/pay", None),
            Way::Card(card) => ("/pay", Some(("card", card.id.as_str()))),
            Way::Save(card) => ("/cards", Some(("number", card.number))),
        };
        html! {
            form.inline method="post" action=(visit.path(below)) {
                @for (name, value) in visit.kept().into_iter().chain(field) {
                    input type="hidden" name=(name) value=(value);
                }
                input type="hidden" name="once" value=(entropy::request_id());
                input type="hidden" name="total" value=(total);
                button class=(class) { (label) }
            }
        }
    };
    Ok(html! {
        section.card data-checkout data-parent=[visit.framing.origin()] {
            (paying::ways(door.customer(), &wallet, &cards, currency, form))
            @if visit.session.customer.is_none() { p { a href=(visit.path("")) { "I am someone else" } } }
            (close_button())
        }
    })
}

/// The receipt. Its attributes pass the payment to the script. `transfer` is the one that was announced.
fn receipt(visit: &Visit, escrow: &Escrow, funding: &Funding, transfer: Option<&Payment>, currency: &str) -> Markup {
    let quoted = transfer.map(|transfer| transfer.transaction.quoted_reference(Mode::Live));
    let payment = funding.payment.id.to_string();
    // In live mode the payment out of the transfer has a reference of its own.
    let reference = visit
        .session
        .reference
        .as_ref()
        .unwrap_or(&funding.payment.reference)
        .as_str();
    let redirect = visit.session.redirect_url.as_deref();
    html! {
        section.card data-checkout data-parent=[visit.framing.origin()]
            data-payment=(payment) data-reference=(reference) data-redirect=[redirect] {
            (paying::receipt(escrow, funding, quoted.as_ref().map(Reference::as_str), currency))
            @if escrow.status() == Status::Ongoing {
                p { "The shop is told of the payment, and it is there that you confirm what you get." }
            } @else {
                p { "The shop shows more about the deal." }
            }
            @if let Some(url) = redirect.and_then(|url| with_payment(url, &payment, reference)) {
                p { a.button.primary href=(url.as_str()) target="_top" rel="noopener" { "Back to " (url.host_str().unwrap_or("the shop")) } }
            }
            (close_button())
        }
    }
}

/// Says that the deal is paid. A sandbox that does not know the payer cannot say by whom.
fn paid_by_another(visit: &Visit) -> Markup {
    html! {
        section.card data-checkout data-parent=[visit.framing.origin()] {
            h2 { (PAID_BY_ANOTHER.heading) }
            @match (visit.mode(), visit.customer()) {
                (Mode::Live, _) => p { (PAID_BY_ANOTHER.reason) " " (DO_NOT_TRANSFER) },
                (Mode::Sandbox, Some(_)) => p { (PAID_BY_ANOTHER.reason) " Nothing was taken from you." },
                (Mode::Sandbox, None) => p { "This deal is paid." },
            }
            (close_button())
        }
    }
}

/// Says why this payer cannot pay for the deal.
fn not_payable(visit: &Visit, offer: &NotPayable) -> Markup {
    html! {
        section.card data-checkout data-parent=[visit.framing.origin()] {
            h2 { (offer.heading) }
            p {
                (offer.reason)
                @if visit.mode() == Mode::Live { " " (DO_NOT_TRANSFER) }
            }
            (close_button())
        }
    }
}

/// Returns the page of an offer that the seller has deleted.
fn deleted(visit: &Visit) -> Refused {
    let consequence = match visit.mode() {
        Mode::Live => DO_NOT_TRANSFER,
        Mode::Sandbox => "It cannot be paid for any more.",
    };
    Refused::new(404, page(DELETED.heading), format!("{} {consequence}", DELETED.reason)).bare()
}

/// Adds what was paid to the address of the shop's page.
fn with_payment(url: &str, payment: &str, reference: &str) -> Option<Url> {
    let mut url = Url::parse(url).ok()?;
    url.query_pairs_mut()
        .append_pair("paymentId", payment)
        .append_pair("reference", reference);
    Some(url)
}

fn see(address: &str) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((LOCATION, address)).finish()
}

fn no_total() -> Refused {
    let message = "The form does not say which total it showed. Open the page again. Nothing was paid.";
    Refused::new(400, page("That form is incomplete"), message).bare()
}
