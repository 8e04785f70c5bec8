//! The page to pay with real money. It shows the offer to everyone who has its link. A buyer says
//! which customer of the shop they are, and pays in a checkout of its own by bank transfer
//! (docs/checkout.md).

use actix_web::http::StatusCode;
use actix_web::http::header::LOCATION;
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse, ResponseError};
use maud::{Markup, html};

use crate::domain::escrow::Escrow;
use crate::domain::escrow::deal::Deal;
use crate::domain::ids::{CustomerId, PaymentToken};
use crate::domain::mode::Mode;
use crate::domain::payments::intent::check_pays_by_transfer;
use crate::domain::refusal::Refusal;
use crate::http::{ApiError, AppState, begin_checkout_by_link};
use crate::web::form::Form;
use crate::web::layout::{Page, Refused};
use crate::web::pay::link::{Buyer, no_offer};
use crate::web::paying::{self, THE_SHOP};
use crate::web::text;

/// The offer behind a link, as a buyer sees it.
struct Offer {
    escrow: Escrow,
    /// The name of the seller.
    seller: String,
    /// The name of the merchant.
    shop: String,
    /// True if the merchant has a bank account that customers pay to.
    takes_transfers: bool,
    currency: String,
}

impl Offer {
    /// # Errors
    ///
    /// Refuses a link that leads to no offer.
    async fn of(state: &AppState, token: PaymentToken) -> Result<Self, Refused> {
        let policy = state.policy.load_full();
        let currency = policy.currency.to_string();
        let read = state.store.read(move |snapshot| {
            let deal = snapshot.deal_of_link(&token)?;
            let Some(Deal::Escrow(escrow)) = deal else {
                return Ok(None);
            };
            let shop = snapshot.merchant_name(escrow.merchant)?;
            let seller = paying::seller_of(snapshot, &escrow)?;
            let takes_transfers = policy.known_deposit_account(snapshot, escrow.merchant)?.is_some();
            Ok(Some((escrow, shop, seller, takes_transfers)))
        });
        let Some((escrow, shop, seller, takes_transfers)) = read.await.map_err(ApiError::from)? else {
            return Err(no_offer());
        };
        Ok(Self {
            escrow,
            seller,
            shop: shop.unwrap_or_else(|| THE_SHOP.to_owned()),
            takes_transfers,
            currency,
        })
    }

    /// Shows the offer and the form that begins a transfer, with the refusal of an earlier form.
    fn render(&self, buyer: &str, refusal: Option<&ApiError>) -> HttpResponse {
        let status = refusal.map_or(StatusCode::OK, ResponseError::status_code);
        let page = Page::new(self.escrow.terms.purpose.as_str()).narrow();
        page.show_with(
            status,
            &html! {
                @if let Some(error) = refusal { (paying::refusal(self.message_of(error))) }
                (paying::offer(&self.escrow, &self.seller, &self.currency))
                (self.form(buyer))
            },
        )
    }

    /// Returns the page that takes the place of the form if nothing can be paid here by a bank
    /// transfer. It says no more of a deal that is paid, since anyone may have the link.
    fn closed(&self, status: StatusCode) -> Option<HttpResponse> {
        let content = if self.escrow.check_open_to_buyers().is_err() {
            html! {
                h1 { (self.escrow.terms.purpose) }
                div.notice { p {
                    @if self.escrow.is_link { "This offer is sold out. " (self.shop) " shows each buyer their deal." }
                    @else { "This offer is paid. " (self.shop) " shows the deal to its buyer." }
                } }
            }
        } else if !self.takes_transfers {
            html! {
                (paying::offer(&self.escrow, &self.seller, &self.currency))
                (paying::no_transfers(&self.shop))
            }
        } else if check_pays_by_transfer(self.escrow.charge()).is_err() {
            html! {
                (paying::offer(&self.escrow, &self.seller, &self.currency))
                div.notice { p { "A bank transfer is of 100 or more, and less is due here. Pay for this at " (self.shop) "." } }
            }
        } else {
            return None;
        };
        let page = Page::new(self.escrow.terms.purpose.as_str()).narrow();
        Some(page.show_with(status, &content))
    }

    fn message_of(&self, error: &ApiError) -> String {
        match error {
            ApiError::Refused(Refusal::CustomerNotFound) => format!("{} has no customer with this id.", self.shop),
            other => other.to_string(),
        }
    }

    fn form(&self, buyer: &str) -> Markup {
        let token = text::segment(self.escrow.payment_token.as_str());
        html! {
            form.card method="post" action={ "/pay/" (token) "/transfer" } {
                h2 { "Pay by bank transfer" }
                p { "You get a bank account and a reference, and transfer the total from your bank. What you pay belongs to the "
                    "customer whom you name, and pays for this deal. Goods and stages are confirmed at " (self.shop) "." }
                div.field {
                    label for="buyer" { "Your customer id at " (self.shop) }
                    input id="buyer" name="buyer" required maxlength="128" autocomplete="off" value=(buyer);
                    p.hint { "A link from " (self.shop) " has it filled in. If you do not know it, pay in the shop." }
                }
                button.primary.wide { "Continue" }
            }
        }
    }
}

/// Shows the offer. `buyer` is the customer whom the link names, or empty.
pub(super) async fn show(state: &AppState, token: PaymentToken, buyer: &str) -> Result<HttpResponse, Refused> {
    let offer = Offer::of(state, token).await?;
    if let Some(closed) = offer.closed(StatusCode::OK) {
        return Ok(closed);
    }
    Ok(offer.render(buyer.trim(), None))
}

/// `POST /pay/{paymentToken}/transfer`: leads to a checkout of the customer whom the form names.
pub(super) async fn begin(
    request: HttpRequest,
    state: Data<AppState>,
    token: Path<String>,
    Form(buyer): Form<Buyer>,
) -> Result<HttpResponse, Refused> {
    if state.policy.load().mode == Mode::Sandbox {
        let message = "A sandbox takes play money only. Nothing was announced.";
        return Err(Refused::new(403, Page::new("Not in a sandbox").narrow(), message));
    }
    let offer = Offer::of(&state, PaymentToken::named(&token)).await?;
    if let Some(closed) = offer.closed(StatusCode::CONFLICT) {
        return Ok(closed);
    }
    let customer = CustomerId::parse(buyer.buyer.trim()).ok_or(ApiError::Refused(Refusal::CustomerNotFound));
    let session = match customer {
        Ok(customer) => begin_checkout_by_link(&state, &request, &offer.escrow, customer).await,
        Err(error) => Err(error),
    };
    Ok(match session {
        Ok(session) => HttpResponse::SeeOther()
            .insert_header((LOCATION, format!("/checkout/{session}")))
            .finish(),
        Err(error) => offer.render(buyer.buyer.trim(), Some(&error)),
    })
}
