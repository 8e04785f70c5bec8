//! The requests that a checkout session makes of the service's own routes.
//!
//! A session has no key. Its requests act for its merchant, and these types make only those that
//! pay for its deal as its customer: a page cannot name another route, deal or customer. The
//! customer's own money is reached through [`PlayMoney`] alone, which live mode does not have.

use actix_web::http::Method;
use actix_web::web::Bytes;
use serde_json::{Map, Value, json};

use crate::domain::ids::{CardId, CustomerId, EscrowId, Reference};
use crate::domain::mode::Mode;
use crate::domain::money::Amount;
use crate::http::checkout::session::Session;
use crate::http::context::OnBehalf;
use crate::http::door::{Call, CallReply, Door};
use crate::http::error::ApiError;
use crate::http::media_type::JSON;
use crate::views::MajorUnits;

/// The way from a checkout page to the routes.
#[derive(Clone, Debug)]
pub(crate) struct CheckoutDoor {
    door: Door,
    session: Session,
    customer: CustomerId,
    mode: Mode,
}

/// The requests for a customer's wallet and test cards, which a sandbox alone has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlayMoney<'d>(&'d CheckoutDoor);

/// The requests for money that comes from outside, which live mode alone has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RealMoney<'d> {
    door: &'d CheckoutDoor,
    reference: &'d Reference,
}

/// The source of the money of a payment.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// The customer's wallet.
    Wallet,
    /// One of the customer's cards.
    Card(CardId),
}

impl CheckoutDoor {
    /// Returns the door for the deal of a session, as this customer of its merchant.
    pub(crate) fn new(door: Door, merchant: OnBehalf, session: &Session, customer: CustomerId, mode: Mode) -> Self {
        Self {
            door: door.on_behalf_of(merchant),
            session: session.clone(),
            customer,
            mode,
        }
    }

    /// Returns the customer.
    pub(crate) const fn customer(&self) -> &CustomerId {
        &self.customer
    }

    /// Returns what play money can do. `None` in live mode, where a session must not reach the
    /// customer's money.
    pub(crate) fn play_money(&self) -> Option<PlayMoney<'_>> {
        (self.mode == Mode::Sandbox).then_some(PlayMoney(self))
    }

    /// Returns what real money can do. `None` in a sandbox, whose sessions have no reference for
    /// a bank transfer.
    pub(crate) fn real_money(&self) -> Option<RealMoney<'_>> {
        let reference = self.session.transfer.as_ref()?;
        Some(RealMoney { door: self, reference })
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        once: Option<&str>,
    ) -> Result<CallReply, ApiError> {
        let mut headers = vec![("customer-id", self.customer.as_str().to_owned())];
        headers.extend(once.map(|once| ("idempotency-key", once.to_owned())));
        let json = |body: &Value| (JSON.to_owned(), Bytes::from(body.to_string()));
        let call = Call {
            method,
            path: path.to_owned(),
            headers,
            body: body.map(json),
        };
        self.door.call(call).await
    }
}

impl RealMoney<'_> {
    /// Announces a bank transfer of this amount that pays for the deal, whose id this is. The
    /// session's reference makes a repeated request return the first announcement.
    ///
    /// # Errors
    ///
    /// Fails if the service is stopping, as every request does.
    pub(crate) async fn announce_transfer(self, deal: EscrowId, amount: Amount) -> Result<CallReply, ApiError> {
        let body = json!({
            "transactionType": "deposit", "amount": MajorUnits(amount), "reference": self.reference.as_str(),
            "depositDetails": { "escrowId": deal.to_string() },
        });
        let path = "/v1/payment/create-intent";
        self.door.send(Method::POST, path, Some(&body), None).await
    }
}

impl PlayMoney<'_> {
    /// Reads the wallet.
    ///
    /// # Errors
    ///
    /// Fails if the service is stopping, as every request does.
    pub(crate) async fn wallet(self) -> Result<CallReply, ApiError> {
        self.0.send(Method::GET, "/v1/wallet", None, None).await
    }

    /// Reads the saved cards.
    ///
    /// # Errors
    ///
    /// As [`PlayMoney::wallet`].
    pub(crate) async fn cards(self) -> Result<CallReply, ApiError> {
        self.0.send(Method::GET, "/v1/cards", None, None).await
    }

    /// Saves a test card.
    ///
    /// # Errors
    ///
    /// As [`PlayMoney::wallet`].
    pub(crate) async fn save_test_card(self, number: &str) -> Result<CallReply, ApiError> {
        let body = json!({ "number": number });
        self.0.send(Method::POST, "/sandbox/cards", Some(&body), None).await
    }

    /// Pays this total for the deal, once for each `once`. The route refuses another total than
    /// that of the deal. `made` is the reference for a session without one.
    ///
    /// # Errors
    ///
    /// As [`PlayMoney::wallet`].
    pub(crate) async fn pay(
        self,
        total: Amount,
        source: &Source,
        once: &str,
        made: Option<&Reference>,
    ) -> Result<CallReply, ApiError> {
        let token = self.0.session.token.as_str();
        let mut body = Map::new();
        body.insert("amount".to_owned(), json!(MajorUnits(total)));
        body.insert("escrowDetails".to_owned(), json!({ "paymentToken": token }));
        let gateway = match source {
            Source::Wallet => "wallet",
            Source::Card(card) => {
                body.insert("cardId".to_owned(), card.to_string().into());
                "card"
            }
        };
        body.insert("gateway".to_owned(), gateway.into());
        if let Some(reference) = self.0.session.reference.as_ref().or(made) {
            body.insert("reference".to_owned(), reference.as_str().into());
        }
        self.0
            .send(Method::POST, "/v1/payment/escrow", Some(&body.into()), Some(once))
            .await
    }
}
