//! The caller of a request, and the checks that authentication consists of: of the key, which
//! has a merchant, and of the `customer-id` header, which names a party (contract sections 1.2
//! and 1.3).

use std::future::{Ready, ready};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use actix_web::dev::Payload;
use actix_web::http::header::{AUTHORIZATION, HeaderName, ORIGIN};
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use sha2::{Digest, Sha256};

use crate::commands::{merchant_keys, merchants};
use crate::domain::address_range::AddressRange;
use crate::domain::idempotency::Principal;
use crate::domain::ids::{CustomerId, MerchantId, OperatorId};
use crate::domain::last_use;
use crate::domain::merchant::key::{KeyAccess, KeyOwner, KeyScope, LIVE_KEY_PREFIX, SandboxKey, hash_of};
use crate::domain::merchant::publishable_key::PublishableKey;
use crate::domain::mode::Mode;
use crate::domain::party::{Actor, Party};
use crate::domain::refusal::Refusal;
use crate::domain::time::Timestamp;
use crate::domain::treasury::act::Agent;
use crate::domain::treasury::operator::KEY_PREFIX;
use crate::domain::unset::is_unset_variable;
use crate::http::api_key_cache::ApiKeyCache;
use crate::http::client_address::ClientNetwork;
use crate::http::context::OnBehalf;
use crate::http::context::RequestContext;
use crate::http::error::ApiError;
use crate::http::fields::customer_id;
use crate::http::headers::single_value;
use crate::http::key_mistake::{KeyMistake, checked_key};
use crate::http::rate_limit::RateState;
use crate::http::route::{Access, ActsAs};
use crate::http::state::AppState;
use crate::http::this_machine::{check_host, is_from_this_machine, is_local_origin};
use crate::store::{self, Tx};

/// The header that every webhook carries.
const WEBHOOK_ID: HeaderName = HeaderName::from_static("webhook-id");
const CUSTOMER_ID: HeaderName = HeaderName::from_static("customer-id");
/// The relation of the page that caused a request to this server, which browsers send.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The caller of a route with a key, whom [`authenticate`](crate::http::authenticated::authenticate)
/// found.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(super) key: Key,
    /// SHA-256 of the key.
    pub(crate) key_hash: [u8; 32],
    /// The key of a merchant when the request began. `None` for other keys and for a checkout
    /// session.
    pub(super) seen: Option<SeenKey>,
    /// The party of the request. `None` on a route with [`ActsAs::Viewer`] if the header names
    /// no customer.
    pub(super) party: Option<Party>,
    pub(crate) request: Arc<RequestContext>,
}

/// A key of a merchant as the request found it.
#[derive(Clone, Copy, Debug)]
pub(super) struct SeenKey {
    /// The version of the API key cache. While it stays, no key has changed.
    pub(super) version: u64,
    pub(super) ends_at: Option<Timestamp>,
}

#[derive(Clone, Debug)]
pub(super) enum Key {
    /// The key of a merchant.
    Known(KeyOwner),
    /// A sandbox key without a merchant. Its first command creates one.
    New(SandboxKey),
    /// The key of an operator, who acts for a merchant or for the deployment.
    Operator(OperatorId, Option<MerchantId>),
}

impl Caller {
    /// Returns the caller of an operator's route, for the record of acts.
    pub(crate) fn agent(&self) -> Agent {
        Agent {
            operator: match &self.key {
                Key::Operator(operator, _) => Some(*operator),
                Key::Known(_) | Key::New(_) => None,
            },
            address: self.request.address().map(|address| address.to_string()),
        }
    }

    /// Returns the one in whose name the request is made.
    pub(super) fn principal(&self) -> Principal {
        match (&self.key, self.party()) {
            (Key::Operator(operator, _), _) => Principal::Operator(*operator),
            (Key::Known(_) | Key::New(_), Party::Customer(customer)) => Principal::Customer(customer.clone()),
            (Key::Known(_) | Key::New(_), Party::Merchant) => Principal::Merchant,
        }
    }

    /// Returns the merchant, or `None` for a sandbox key without a merchant.
    pub(crate) const fn merchant(&self) -> Option<MerchantId> {
        match &self.key {
            Key::Known(owner) => Some(owner.merchant),
            Key::New(_) => None,
            Key::Operator(_, merchant) => *merchant,
        }
    }

    /// Returns the party that the reply is rendered for, if the request names one.
    pub(crate) const fn viewer(&self) -> Option<&Party> {
        self.party.as_ref()
    }

    /// Returns the party that the request acts for.
    pub(crate) fn party(&self) -> &Party {
        self.party.as_ref().unwrap_or(&Party::Merchant)
    }

    /// Returns the acting customer.
    ///
    /// # Panics
    ///
    /// Panics if the route table does not give the route [`ActsAs::Customer`].
    pub(crate) fn customer(&self) -> &CustomerId {
        let customer = self.party().customer();
        customer.expect("the route table requires a customer here")
    }

    /// Checks in a command's transaction that the key still opens the route. The request was
    /// authenticated before its body came, which may be long ago.
    ///
    /// # Errors
    ///
    /// Refuses an operator who is revoked and a key that has ended by then as an unknown key is, and
    /// an address that the merchant no longer allows.
    pub(super) fn check_key(&self, tx: &Tx<'_>, keys: &ApiKeyCache) -> Result<(), ApiError> {
        let is_open = match (&self.key, self.seen) {
            (Key::Operator(id, _), _) => tx.operator(*id)?.is_some_and(|operator| operator.revoked_at.is_none()),
            (Key::Known(_) | Key::New(_), None) => true,
            (Key::Known(_) | Key::New(_), Some(seen)) if seen.version == keys.version() => {
                seen.ends_at.is_none_or(|end| tx.ledger_time() < end)
            }
            (Key::Known(_) | Key::New(_), Some(_)) => {
                let access = tx.key_access(&self.key_hash)?;
                let access = access.filter(|access| access.is_valid_at(tx.ledger_time()));
                if let Some(access) = &access {
                    check_address(access, self.request.address())?;
                }
                access.is_some()
            }
        };
        if is_open { Ok(()) } else { Err(ApiError::UnknownKey) }
    }

    /// Returns the actor of a command, and sets the merchant that the command acts for.
    /// Creates the merchant on the first use of a sandbox key. In a sandbox this reads the
    /// key's owner again, because a reset may have replaced the merchant meanwhile.
    ///
    /// # Panics
    ///
    /// Panics if an operator acts for the deployment: such routes run commands without an actor.
    pub(crate) fn act(&self, tx: &mut Tx<'_>, mode: Mode) -> Result<Actor, store::Error> {
        let merchant = match &self.key {
            Key::Known(owner) if mode == Mode::Live => owner.merchant,
            Key::Known(owner) => tx.owner_of_key(&self.key_hash)?.unwrap_or(*owner).merchant,
            Key::New(key) => merchants::of_sandbox_key(tx, key)?,
            Key::Operator(_, merchant) => {
                merchant.expect("the route table names a merchant where an operator acts for one")
            }
        };
        self.request.merchant.get_or_init(|| merchant);
        tx.act_for(merchant)?;
        Ok(Actor {
            merchant,
            party: self.party().clone(),
        })
    }
}

impl FromRequest for Caller {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    /// Takes the caller whom the handler's authentication has left in the request.
    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let caller = request.extensions_mut().remove();
        ready(caller.ok_or(ApiError::Internal))
    }
}

/// Returns what the key with this hash gives access to, if it is known and has not ended.
pub(super) async fn find_access(state: &AppState, key_hash: &[u8; 32]) -> Result<Option<KeyAccess>, store::Error> {
    let access = state.api_keys.access_of_key(&state.store, key_hash).await?;
    Ok(access.filter(|access| is_valid(state, access)))
}

/// Returns true if the key has not ended.
pub(super) fn is_valid(state: &AppState, access: &KeyAccess) -> bool {
    access.ends_at.is_none() || access.is_valid_at(state.store.ledger_time())
}

/// Refuses a client whose address the key's merchant does not allow.
pub(super) fn check_address(access: &KeyAccess, address: Option<IpAddr>) -> Result<(), ApiError> {
    let is_in_range = |range: &AddressRange| address.is_some_and(|address| range.contains(address));
    match &access.allowed {
        Some(allowed) if !allowed.iter().any(is_in_range) => Err(ApiError::ForeignAddress),
        _ => Ok(()),
    }
}

/// Saves the use of a live key beside the request, if the stored one is old enough.
pub(super) fn note_use(state: &AppState, key_hash: &[u8; 32], access: &KeyAccess) {
    if state.policy.load().mode == Mode::Sandbox {
        return;
    }
    let now = state.store.ledger_time();
    if last_use::is_outdated(access.last_used_at, last_use::precision_of_key(access.ends_at), now) {
        state.api_keys.note_use(key_hash, now);
        let (store, key_hash, merchant) = (state.store.clone(), *key_hash, access.owner.merchant.0);
        actix_web::rt::spawn(async move {
            if let Err(error) = store.write(move |tx| merchant_keys::save_last_use(tx, &key_hash)).await {
                log::warn!("cannot save when a key of merchant {merchant} was last used: {error}");
            }
        });
    }
}

/// Applies a route's rule for the `customer-id` header.
pub(super) fn party_of(
    request: &HttpRequest,
    context: &RequestContext,
    acts_as: ActsAs,
) -> Result<Option<Party>, ApiError> {
    match acts_as {
        ActsAs::Merchant | ActsAs::MerchantAccount if names_customer(request) => Err(ApiError::CustomerIdForbidden {
            is_of_account: acts_as == ActsAs::MerchantAccount,
        }),
        ActsAs::Merchant | ActsAs::MerchantAccount => Ok(Some(Party::Merchant)),
        ActsAs::Customer => {
            let id = read_customer(request, context)?.ok_or(ApiError::CustomerIdRequired)?;
            Ok(Some(Party::Customer(parse_customer(&id)?)))
        }
        ActsAs::Party => {
            let id = read_customer(request, context)?;
            let customer = id.map(|id| parse_customer(&id)).transpose()?;
            Ok(Some(customer.into()))
        }
        ActsAs::Key | ActsAs::MerchantOfOperator | ActsAs::Deployment | ActsAs::OperatorItself => {
            // Only the request log needs the header.
            drop(read_customer(request, context));
            Ok(Some(Party::Merchant))
        }
        ActsAs::Viewer => {
            let id = read_customer(request, context).ok().flatten();
            Ok(id.as_deref().and_then(CustomerId::parse).map(Party::Customer))
        }
    }
}

/// Returns true if a request has a `customer-id`. An empty one counts as absent.
fn names_customer(request: &HttpRequest) -> bool {
    let mut sent = request.headers().get_all(CUSTOMER_ID);
    sent.any(|id| !id.is_empty())
}

fn parse_customer(id: &str) -> Result<CustomerId, ApiError> {
    if is_unset_variable(id) {
        return Err(ApiError::CustomerIdUnset { text: id.to_owned() });
    }
    Ok(customer_id(CUSTOMER_ID.as_str(), id).map_err(Refusal::CustomerIdMalformed)?)
}

/// Counts a request of this key, if the server limits requests. Keeps the state of the
/// window in the request's extensions, for the reply's headers.
pub(super) fn count(request: &HttpRequest, state: &AppState, key_hash: [u8; 32]) -> Option<RateState> {
    if !state.rate_limiter.is_on() {
        return None;
    }
    let rate = state.rate_limiter.count(key_hash, Instant::now())?;
    request.extensions_mut().insert(rate);
    Some(rate)
}

/// Counts an unknown key against the client's network, and returns the refusal: a client
/// that guesses keys, or repeats a wrong one, is told to wait.
pub(super) fn refuse_unknown_key(request: &HttpRequest, state: &AppState) -> ApiError {
    refuse_guess(request, state, ApiError::UnknownKey)
}

/// Counts a wrong key or signature against the client's network. Returns `refusal`, or that
/// the client has to wait.
pub(super) fn refuse_guess(request: &HttpRequest, state: &AppState, refusal: ApiError) -> ApiError {
    let client = RequestContext::of(request).ok().and_then(|context| context.address());
    let rate = client.and_then(|client| {
        let network = Sha256::digest(ClientNetwork::from(client).to_string()).into();
        state.unknown_keys.count(network, Instant::now())
    });
    match rate.filter(|rate| rate.is_exceeded) {
        Some(rate) => ApiError::TooManyRequests {
            reset_seconds: rate.reset_seconds,
        },
        None => refusal,
    }
}

pub(super) fn check_scope(scope: KeyScope, access: Access) -> Result<(), Refusal> {
    match (scope, access) {
        (KeyScope::SuperAdmin, _) | (KeyScope::Business, Access::Business) => Ok(()),
        (KeyScope::Business, Access::SuperAdmin | Access::Operator(_)) => Err(Refusal::AccessDenied),
    }
}

/// Returns true for the live key of a merchant or an operator. A client that sends one to a sandbox
/// has confused the two servers.
pub(super) fn is_live_key(key: &str) -> bool {
    [LIVE_KEY_PREFIX, KEY_PREFIX]
        .iter()
        .any(|beginning| key.starts_with(beginning))
}

/// Returns the bearer key and the hash by which it is known.
///
/// # Errors
///
/// Returns [`ApiError::ForeignHost`] if only this machine may use the server and the
/// `Host` header is not a loopback name, [`ApiError::NoToken`] if there is no key, or
/// only the text of a client's variable without a value, and [`ApiError::PublishableKey`] if
/// the key is no secret key.
pub(super) fn read_key(request: &HttpRequest, state: &AppState) -> Result<(String, [u8; 32]), ApiError> {
    check_host(request, state)?;
    if let Some(on_behalf) = request.extensions().get::<OnBehalf>() {
        return Ok((String::new(), on_behalf.key_hash));
    }
    let key = key_of(request, state)?;
    if PublishableKey::parse(&key).is_some() {
        return Err(ApiError::PublishableKey);
    }
    let key_hash = hash_of(&key);
    Ok((key, key_hash))
}

/// Returns the text of the `customer-id` header, and keeps it in the request context.
///
/// # Errors
///
/// Returns an error if the request has the header twice with different values.
pub(super) fn read_customer(request: &HttpRequest, context: &RequestContext) -> Result<Option<String>, ApiError> {
    let customer = single_value(request.headers(), &CUSTOMER_ID)?;
    if let Some(customer) = &customer {
        context.customer.get_or_init(|| customer.clone());
    }
    Ok(customer)
}

/// Returns the address of the client, if it is known.
pub(crate) fn client_of(request: &HttpRequest) -> Option<IpAddr> {
    RequestContext::of(request).ok().and_then(|context| context.address())
}

/// Returns true if a request needs no key: in a sandbox, if a program on this machine sent it.
///
/// A foreign web page in a browser on this machine does not count. It can reach a loopback
/// port, but the browser then sends its `Origin` or, with a link or a picture, the word
/// `cross-site`. A webhook of this service does not count either, because a merchant may set
/// an endpoint URL that leads back here.
pub(super) fn needs_no_key(request: &HttpRequest, state: &AppState) -> bool {
    let headers = request.headers();
    let mut origins = headers.get_all(ORIGIN).peekable();
    let is_foreign_link = origins.peek().is_none()
        && headers
            .get_all(SEC_FETCH_SITE)
            .any(|site| site.as_bytes() == b"cross-site");
    state.policy.load().mode == Mode::Sandbox
        && is_from_this_machine(request)
        && !headers.contains_key(WEBHOOK_ID)
        && !is_foreign_link
        && origins.all(|origin| origin.to_str().is_ok_and(is_local_origin))
}

/// Returns the bearer key. In sandbox mode a program on this machine may leave it out. It
/// then uses the default merchant, whose key is the empty text.
fn key_of(request: &HttpRequest, state: &AppState) -> Result<String, ApiError> {
    let headers = request.headers();
    if !headers.contains_key(AUTHORIZATION) && needs_no_key(request, state) {
        return Ok(String::new());
    }
    let sent = single_value(headers, &AUTHORIZATION)?.ok_or(ApiError::NoToken { mistake: None })?;
    let mistake = match sent.split_once(' ') {
        None if sent.eq_ignore_ascii_case("bearer") => KeyMistake::Empty,
        Some((scheme, key)) if scheme.eq_ignore_ascii_case("bearer") => match checked_key(key.trim()) {
            Ok(key) => return Ok(key.to_owned()),
            Err(mistake) => mistake,
        },
        _ => KeyMistake::Scheme,
    };
    Err(ApiError::NoToken { mistake: Some(mistake) })
}
