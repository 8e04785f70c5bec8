//! The checkout session: a signed text that names a deal of a merchant.
//!
//! The service keeps no list of sessions. A session ends after [`SECONDS`]; if its deal is paid
//! before, it shows the receipt until then. The key that signs it is in the database of PostgreSQL,
//! or else in memory alone, so that a session on a database file also ends when the service restarts.

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::domain::ids::{CustomerId, PaymentToken, Reference, TransactionId};
use crate::domain::merchant::publishable_key::PublishableKey;
use crate::domain::time::Timestamp;

/// The seconds for which a session is valid.
const SECONDS: i64 = 3_600;

/// The content of a session. Only [`SessionSigner`] makes one from a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Session {
    /// The key of the deal's merchant.
    pub(crate) merchant: PublishableKey,
    /// The deal.
    pub(crate) token: PaymentToken,
    /// The shop's reference of the payment.
    pub(crate) reference: Option<Reference>,
    /// Live: the reference of the payment by bank transfer. The service chooses it, so that no other
    /// client can announce a transfer under it first.
    pub(crate) transfer: Option<Reference>,
    /// The page to go to after the payment, http or https.
    pub(crate) redirect_url: Option<String>,
    /// The customer who pays.
    pub(crate) customer: Option<CustomerId>,
}

/// The form of a session in its text.
#[derive(Debug, Serialize, Deserialize)]
struct Signed {
    #[serde(rename = "k")]
    merchant: String,
    #[serde(rename = "t")]
    token: String,
    #[serde(rename = "r")]
    reference: Option<String>,
    #[serde(rename = "b")]
    transfer: Option<String>,
    #[serde(rename = "u")]
    redirect_url: Option<String>,
    #[serde(rename = "c")]
    customer: Option<String>,
    /// Milliseconds of ledger time.
    #[serde(rename = "e")]
    ends_at: i64,
}

/// Signs sessions and reads them back.
#[derive(Clone)]
pub struct SessionSigner(Hmac<Sha256>);

impl SessionSigner {
    /// Returns a signer with this secret key.
    pub fn new(key: &[u8; 32]) -> Self {
        Self(Hmac::new_from_slice(key).expect("HMAC takes a key of any length"))
    }

    /// Returns the text of a session that begins now: base64url, a dot, base64url.
    pub(crate) fn sign(&self, session: &Session, now: Timestamp) -> String {
        let signed = Signed {
            merchant: session.merchant.as_str().to_owned(),
            token: session.token.as_str().to_owned(),
            reference: session.reference.as_ref().map(text_of),
            transfer: session.transfer.as_ref().map(text_of),
            redirect_url: session.redirect_url.clone(),
            customer: session.customer.as_ref().map(|customer| customer.as_str().to_owned()),
            ends_at: now.seconds_later(SECONDS).millis(),
        };
        let json = serde_json::to_vec(&signed).expect("texts and numbers are JSON");
        let mac = self.0.clone().chain_update(&json).finalize().into_bytes();
        format!(
            "{}.{}",
            BASE64_URL_SAFE_NO_PAD.encode(json),
            BASE64_URL_SAFE_NO_PAD.encode(mac)
        )
    }

    /// Reads a session. Returns `None` if this signer did not sign the text, or if the session
    /// has ended.
    pub(crate) fn read(&self, text: &str, now: Timestamp) -> Option<Session> {
        let (json, mac) = text.split_once('.')?;
        let json = BASE64_URL_SAFE_NO_PAD.decode(json).ok()?;
        let mac = BASE64_URL_SAFE_NO_PAD.decode(mac).ok()?;
        self.0.clone().chain_update(&json).verify_slice(&mac).ok()?;
        let signed: Signed = serde_json::from_slice(&json).ok()?;
        if signed.ends_at <= now.millis() {
            return None;
        }
        Some(Session {
            merchant: PublishableKey::parse(&signed.merchant)?,
            token: PaymentToken::named(&signed.token),
            reference: signed.reference.as_deref().and_then(Reference::parse),
            transfer: signed.transfer.as_deref().and_then(Reference::parse),
            redirect_url: signed.redirect_url,
            customer: signed.customer.as_deref().and_then(CustomerId::parse),
        })
    }

    /// Returns the text that names a payment which a session has made: its id, a dot, base64url.
    pub(crate) fn sign_payment(&self, session: &str, payment: &str) -> String {
        let mac = self.of_payment(session, payment).finalize().into_bytes();
        format!("{payment}.{}", BASE64_URL_SAFE_NO_PAD.encode(mac))
    }

    /// Returns the payment of such a text. `None` if this signer did not sign it for this session.
    pub(crate) fn read_payment(&self, session: &str, text: &str) -> Option<TransactionId> {
        let (payment, mac) = text.split_once('.')?;
        let mac = BASE64_URL_SAFE_NO_PAD.decode(mac).ok()?;
        self.of_payment(session, payment).verify_slice(&mac).ok()?;
        TransactionId::parse(payment)
    }

    /// The text signed for a payment is no JSON, so it never passes as a session.
    fn of_payment(&self, session: &str, payment: &str) -> Hmac<Sha256> {
        self.0.clone().chain_update(format!("{session} paid {payment}"))
    }
}

fn text_of(reference: &Reference) -> String {
    reference.as_str().to_owned()
}

/// Omits the key.
impl fmt::Debug for SessionSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionSigner").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session() -> Session {
        Session {
            merchant: PublishableKey::of_default_merchant(),
            token: PaymentToken::named("PY_ABCDEFGH1234"),
            reference: Reference::parse("order-7"),
            transfer: Reference::parse("1234567890123456"),
            redirect_url: Some("https://shop.example/thanks?a=\"b".to_owned()),
            customer: CustomerId::parse("tunde"),
        }
    }

    fn now() -> Timestamp {
        Timestamp::from_millis(1_782_123_300_000).unwrap()
    }

    #[test]
    fn a_session_is_read_until_it_ends() {
        let signer = SessionSigner::new(&[7; 32]);
        let text = signer.sign(&session(), now());
        assert_eq!(signer.read(&text, now().seconds_later(SECONDS - 1)), Some(session()));
        assert_eq!(signer.read(&text, now().seconds_later(SECONDS)), None);
    }

    #[test]
    fn a_payment_is_read_by_its_session_alone() {
        let signer = SessionSigner::new(&[7; 32]);
        let id = TransactionId::new(7, 9);
        let text = signer.sign_payment("one", &id.to_string());
        assert_eq!(signer.read_payment("one", &text), Some(id));
        let of_other_key = SessionSigner::new(&[8; 32]).sign_payment("one", &id.to_string());
        let of_other = text.replace(&id.to_string(), &TransactionId::new(7, 8).to_string());
        assert_eq!(signer.read_payment("two", &text), None);
        for text in ["", ".", &id.to_string(), &of_other_key, &of_other] {
            assert_eq!(signer.read_payment("one", text), None, "{text}");
        }
        assert_eq!(signer.read(&text, now()), None);
    }

    #[test]
    fn a_changed_session_is_none() {
        let signer = SessionSigner::new(&[7; 32]);
        let text = signer.sign(&session(), now());
        for at in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            // The last character of each part may carry bits that mean nothing.
            assert_ne!(
                signer.read(&changed, now()),
                Some(Session {
                    customer: None,
                    ..session()
                })
            );
            let other = signer.read(&changed, now());
            assert!(other.is_none() || other == Some(session()), "{changed}");
        }
        let of_other_key = SessionSigner::new(&[8; 32]).sign(&session(), now());
        for text in ["", ".", "a.b", text.split('.').next().unwrap(), &of_other_key] {
            assert_eq!(signer.read(text, now()), None, "{text}");
        }
    }
}
