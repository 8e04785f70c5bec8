//! Who is calling: the merchant from the key, the customer from the
//! `customer-id` header (contract sections 1.2 and 1.3).
//!
//! Which of these types a handler takes is the header rule of its route.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header::{AUTHORIZATION, HOST, HeaderMap, ORIGIN};
use actix_web::{FromRequest, HttpRequest, web};
use sha2::{Digest, Sha256};

use super::api::Api;
use super::envelope::ApiError;
use crate::commands::merchants;
use crate::domain::ids::{CustomerId, MerchantId};
use crate::domain::mode::Mode;
use crate::domain::refusal::{Invalid, Refusal};
use crate::store::{self, Tx};

const CUSTOMER_ID: &str = "customer-id";

/// Keys of live deployments start so; one is never taken in sandbox mode, where
/// it can only have come by mistake.
const LIVE_KEY_PREFIX: &str = "sk_live_";

/// Who holds the key that a request carries.
#[derive(Clone, Copy, Debug)]
pub(crate) enum KeyHolder {
    /// A merchant.
    Known(MerchantId),
    /// Nobody yet: a sandbox key becomes a merchant with the first command it is
    /// used for, and not before that command succeeds.
    New {
        /// SHA-256 of the key.
        key_hash: [u8; 32],
    },
}

/// A customer acting for themselves: the `customer-id` header is required.
/// Whether the customer exists is for the command to say.
#[derive(Clone, Debug)]
pub(crate) struct ActingCustomer {
    pub(crate) key_holder: KeyHolder,
    pub(crate) customer: CustomerId,
}

/// A caller on a route where the `customer-id` header only says who is looking:
/// one that names nobody, or several at once, is as good as none.
#[derive(Debug)]
pub(crate) struct Viewer {
    pub(crate) key_holder: KeyHolder,
    pub(crate) customer: Option<CustomerId>,
}

impl KeyHolder {
    fn of(request: &HttpRequest) -> Result<Self, ApiError> {
        let api = request.app_data::<web::Data<Api>>().ok_or(ApiError::Internal)?;
        let key = key_of(request).ok_or(ApiError::NoToken)?;
        let key_hash: [u8; 32] = Sha256::digest(&key).into();
        match api.keyring.merchant_of_key(&api.store, &key_hash)? {
            Some(merchant) => Ok(Self::Known(merchant)),
            None if api.policy.mode == Mode::Live || key.starts_with(LIVE_KEY_PREFIX) => Err(ApiError::UnknownKey),
            None => Ok(Self::New { key_hash }),
        }
    }

    /// The merchant, if there is one already.
    pub(crate) const fn known(self) -> Option<MerchantId> {
        match self {
            Self::Known(merchant) => Some(merchant),
            Self::New { .. } => None,
        }
    }

    /// The merchant, made by this command if there is none.
    pub(crate) fn merchant(self, tx: &mut Tx<'_>) -> Result<MerchantId, store::Error> {
        match self {
            Self::Known(merchant) => Ok(merchant),
            Self::New { key_hash } => merchants::of_sandbox_key(tx, &key_hash),
        }
    }
}

impl FromRequest for ActingCustomer {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let extract = || {
            let key_holder = KeyHolder::of(request)?;
            let customer = named_customer(request.headers())?.ok_or(ApiError::CustomerHeaderMissing)?;
            let customer = CustomerId::parse(&customer).ok_or(Refusal::CustomerNotFound)?;
            Ok(Self { key_holder, customer })
        };
        ready(extract())
    }
}

impl FromRequest for Viewer {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let named = named_customer(request.headers()).ok().flatten();
        let customer = named.as_deref().and_then(CustomerId::parse);
        ready(KeyHolder::of(request).map(|key_holder| Self { key_holder, customer }))
    }
}

/// The bearer key. In sandbox mode a program on this machine may come without:
/// it then gets the default merchant, whose key is the empty text.
fn key_of(request: &HttpRequest) -> Option<String> {
    let sent = request.headers().get(AUTHORIZATION);
    let mode = request.app_data::<web::Data<Api>>()?.policy.mode;
    match sent {
        Some(value) => {
            let (scheme, key) = value.to_str().ok()?.split_once(' ')?;
            let key = key.trim();
            let is_key = scheme.eq_ignore_ascii_case("bearer") && !key.is_empty();
            is_key.then(|| key.to_owned())
        }
        None => (mode == Mode::Sandbox && is_from_this_machine(request)).then(String::new),
    }
}

/// Whether a program on this machine asked, and not a web page in its browser: a
/// page can reach a loopback port, but says so in `Origin`, or comes under a
/// `Host` that is not this machine.
fn is_from_this_machine(request: &HttpRequest) -> bool {
    let is_loopback_name = |name: &str| {
        let name = name.rsplit_once("//").map_or(name, |(_, rest)| rest);
        let host = if name.ends_with(']') {
            name
        } else {
            name.rsplit_once(':').map_or(name, |(host, _)| host)
        };
        matches!(host, "localhost" | "127.0.0.1" | "[::1]")
    };
    let names_only_us = |header| {
        let mut values = request.headers().get_all(header);
        values.all(|value| value.to_str().is_ok_and(is_loopback_name))
    };
    request.peer_addr().is_some_and(|peer| peer.ip().is_loopback()) && names_only_us(HOST) && names_only_us(ORIGIN)
}

/// The text of the `customer-id` header. An empty one counts as none; two
/// different ones cannot both be meant. Bytes that are no text name nobody.
fn named_customer(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let mut values = headers
        .get_all(CUSTOMER_ID)
        .map(|value| String::from_utf8_lossy(value.as_bytes()).trim().to_owned());
    let Some(first) = values.next() else {
        return Ok(None);
    };
    if values.any(|other| other != first) {
        return Err(Refusal::from(Invalid::wrong("customer-id", "sent once", "several different ones")).into());
    }
    Ok(Some(first).filter(|first| !first.is_empty()))
}
