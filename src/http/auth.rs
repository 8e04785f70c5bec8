//! Who is calling: the merchant from the key, the customer from the
//! `customer-id` header (contract sections 1.2 and 1.3).
//!
//! Which of these types a handler takes is the header rule of its route.

use std::future::{Ready, ready};
use std::sync::Arc;
use std::time::Instant;

use actix_web::dev::Payload;
use actix_web::http::header::{AUTHORIZATION, HOST, HeaderMap, HeaderName, ORIGIN};
use actix_web::{FromRequest, HttpMessage, HttpRequest, web};
use sha2::{Digest, Sha256};

use crate::commands::merchants;
use crate::domain::ids::{CustomerId, MerchantId};
use crate::domain::merchant::{KeyOwner, KeyScope, SandboxKey};
use crate::domain::mode::Mode;
use crate::domain::party::Party;
use crate::domain::refusal::{Invalid, Refusal};
use crate::http::context::RequestContext;
use crate::http::envelope::ApiError;
use crate::http::rate_limit::RateState;
use crate::http::state::AppState;
use crate::store::{self, Tx};

/// What every webhook carries.
const WEBHOOK_ID: HeaderName = HeaderName::from_static("webhook-id");
const CUSTOMER_ID: HeaderName = HeaderName::from_static("customer-id");

/// Keys of live deployments start so; one is never taken in sandbox mode, where
/// it can only have come by mistake.
const LIVE_KEY_PREFIX: &str = "sk_live_";

/// Where the contract's routes begin.
const CONTRACT: &str = "/v1/";

/// Routes of the merchant's own account.
const MERCHANT_ACCOUNT: &str = "/v1/merchant/";

/// Who holds the key that a request carries, and the request.
#[derive(Clone, Debug)]
pub(crate) struct KeyHolder {
    key: Key,
    /// SHA-256 of the key.
    pub(crate) key_hash: [u8; 32],
    pub(crate) call: Arc<RequestContext>,
}

#[derive(Clone, Debug)]
enum Key {
    /// A merchant's.
    Known(KeyOwner),
    /// Nobody's yet: a sandbox key becomes a merchant with the first command it is
    /// used for, and not before that command succeeds.
    New(SandboxKey),
}

/// Which keys a route takes (contract section 1.2). Stands beside each route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Those of every business account.
    Business,
    /// A merchant super-admin's only.
    SuperAdmin,
}

/// A customer acting for themselves: the `customer-id` header is required.
/// Whether the customer exists is for the command to say.
#[derive(Clone, Debug)]
pub(crate) struct ActingCustomer {
    pub(crate) key_holder: KeyHolder,
    pub(crate) customer: CustomerId,
}

/// Whoever acts: the customer of the `customer-id` header or, without one, the
/// merchant's own account.
#[derive(Clone, Debug)]
pub(crate) struct ActingParty {
    pub(crate) key_holder: KeyHolder,
    pub(crate) party: Party,
}

/// The merchant acting for itself: the `customer-id` header is forbidden.
#[derive(Clone, Debug)]
pub(crate) struct ActingMerchant {
    pub(crate) key_holder: KeyHolder,
}

/// A caller on a route where the `customer-id` header only says who is looking:
/// one that names nobody, or several at once, is as good as none.
#[derive(Debug)]
pub(crate) struct Viewer {
    pub(crate) key_holder: KeyHolder,
    pub(crate) customer: Option<CustomerId>,
}

impl KeyHolder {
    /// Checks the key, then the address it is used from, then how often, then
    /// whether it opens this route.
    fn of(request: &HttpRequest) -> Result<Self, ApiError> {
        let api = request.app_data::<web::Data<AppState>>().ok_or(ApiError::Internal)?;
        let call = RequestContext::of(request)?;
        let (key, key_hash) = read_key(request, api)?;
        let key = match api.keyring.owner_of_key(&api.store, &key_hash)? {
            Some(owner) => Key::Known(owner),
            None if api.policy.mode == Mode::Live || key.starts_with(LIVE_KEY_PREFIX) => {
                return Err(ApiError::UnknownKey);
            }
            None => Key::New(SandboxKey::new(&key)),
        };
        call.key_hash.get_or_init(|| key_hash);
        // Counted before anything else is refused; see contract section 9.3, rows 64 to 67.
        let rate = count(request, api, key_hash);
        if let Key::Known(owner) = key
            && !api.is_allowed(owner.merchant, request.peer_addr().map(|peer| peer.ip()))
        {
            return Err(ApiError::ForeignAddress);
        }
        if let Some(rate) = rate.filter(|rate| rate.is_exceeded) {
            return Err(ApiError::TooManyRequests {
                reset_seconds: rate.reset_seconds,
            });
        }
        if let Key::Known(owner) = key {
            check_access(request, owner.scope)?;
        }
        Ok(Self { key, key_hash, call })
    }

    /// The merchant, if there is one already.
    pub(crate) const fn known(&self) -> Option<MerchantId> {
        match &self.key {
            Key::Known(owner) => Some(owner.merchant),
            Key::New(_) => None,
        }
    }

    /// The merchant, made by this command if there is none. One in a sandbox may have
    /// started over since the key was read, so the file is asked again.
    pub(crate) fn merchant(&self, tx: &mut Tx<'_>, mode: Mode) -> Result<MerchantId, store::Error> {
        match &self.key {
            Key::Known(owner) if mode == Mode::Live => Ok(owner.merchant),
            Key::Known(owner) => Ok(tx.owner_of_key(&self.key_hash)?.unwrap_or(*owner).merchant),
            Key::New(key) => merchants::of_sandbox_key(tx, key),
        }
    }

    /// The `customer-id` header, remembered as it came. An error when it came with
    /// different texts.
    fn customer(&self, request: &HttpRequest) -> Result<Option<String>, ApiError> {
        read_customer(request, &self.call)
    }
}

impl FromRequest for ActingCustomer {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let extract = || {
            let key_holder = KeyHolder::of(request)?;
            let customer = key_holder.customer(request)?.ok_or(ApiError::CustomerHeaderMissing)?;
            let customer = CustomerId::parse(&customer).ok_or(Refusal::CustomerNotFound)?;
            Ok(Self { key_holder, customer })
        };
        ready(extract())
    }
}

impl FromRequest for ActingParty {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let extract = || {
            let key_holder = KeyHolder::of(request)?;
            let customer = key_holder.customer(request)?;
            let customer = customer.map(|id| CustomerId::parse(&id).ok_or(Refusal::CustomerNotFound));
            Ok(Self {
                key_holder,
                party: customer.transpose()?.into(),
            })
        };
        ready(extract())
    }
}

impl FromRequest for ActingMerchant {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let extract = || {
            let key_holder = KeyHolder::of(request)?;
            if request.headers().contains_key(CUSTOMER_ID) {
                let is_of_account = request.path().starts_with(MERCHANT_ACCOUNT);
                return Err(ApiError::CustomerHeaderForbidden { is_of_account });
            }
            Ok(Self { key_holder })
        };
        ready(extract())
    }
}

impl FromRequest for Viewer {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let extract = || {
            let key_holder = KeyHolder::of(request)?;
            let named = key_holder.customer(request).ok().flatten();
            let customer = named.as_deref().and_then(CustomerId::parse);
            Ok(Self { key_holder, customer })
        };
        ready(extract())
    }
}

/// Counts a request of this key, if requests are counted, and leaves how it stands
/// for the reply. Those to the sandbox's own routes are not: the limit is one of the
/// contract's, and moving the clock is how a test waits for it.
fn count(request: &HttpRequest, api: &AppState, key_hash: [u8; 32]) -> Option<RateState> {
    let limiter = api
        .rate_limiter
        .as_ref()
        .filter(|_| request.path().starts_with(CONTRACT))?;
    let state = limiter.count(key_hash, Instant::now());
    request.extensions_mut().insert(state);
    Some(state)
}

/// Whether keys of this scope may use the route: what is not said to be open to
/// all is for super-admins.
fn check_access(request: &HttpRequest, scope: KeyScope) -> Result<(), ApiError> {
    let access = request.app_data::<Access>().copied().unwrap_or(Access::SuperAdmin);
    if scope == KeyScope::SuperAdmin || access == Access::Business {
        Ok(())
    } else {
        Err(Refusal::AccessDenied.into())
    }
}

/// The bearer key and its SHA-256 hash. Refused when the request was sent to another
/// machine's name.
pub(super) fn read_key(request: &HttpRequest, api: &AppState) -> Result<(String, [u8; 32]), ApiError> {
    if api.is_for_this_machine_only && !is_for_this_machine(request) {
        return Err(ApiError::ForeignHost);
    }
    let key = key_of(request, api)?;
    let key_hash = Sha256::digest(&key).into();
    Ok((key, key_hash))
}

/// The `customer-id` header, which the call remembers as it came. An error when it came
/// with different texts.
pub(super) fn read_customer(request: &HttpRequest, call: &RequestContext) -> Result<Option<String>, ApiError> {
    let named = single(request.headers(), &CUSTOMER_ID)?;
    if let Some(named) = &named {
        call.customer.get_or_init(|| named.clone());
    }
    Ok(named)
}

/// The bearer key. In sandbox mode a program on this machine may come without:
/// it then gets the default merchant, whose key is the empty text.
fn key_of(request: &HttpRequest, api: &AppState) -> Result<String, ApiError> {
    let headers = request.headers();
    if !headers.contains_key(AUTHORIZATION) && api.policy.mode == Mode::Sandbox && is_from_this_machine(request) {
        return Ok(String::new());
    }
    let sent = single(headers, &AUTHORIZATION)?.ok_or(ApiError::NoToken)?;
    let (scheme, key) = sent.split_once(' ').ok_or(ApiError::NoToken)?;
    let key = key.trim();
    let is_key = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_graphic());
    if scheme.eq_ignore_ascii_case("bearer") && is_key {
        Ok(key.to_owned())
    } else {
        Err(ApiError::NoToken)
    }
}

/// Whether a program on this machine asked, and not a web page in its browser: a
/// page can reach a loopback port, but says so in `Origin`. Nor this service itself,
/// which goes wherever a merchant has its webhooks sent.
fn is_from_this_machine(request: &HttpRequest) -> bool {
    let is_our_page = |origin: &str| {
        let host = origin
            .strip_prefix("http://")
            .or_else(|| origin.strip_prefix("https://"));
        host.is_some_and(is_loopback_name)
    };
    let mut origins = request.headers().get_all(ORIGIN);
    request.peer_addr().is_some_and(|peer| peer.ip().is_loopback())
        && is_for_this_machine(request)
        && !request.headers().contains_key(WEBHOOK_ID)
        && origins.all(|origin| origin.to_str().is_ok_and(is_our_page))
}

/// Whether the request was sent to this machine by one of its own names. A page
/// whose name was made to lead here (DNS rebinding) comes under that name.
fn is_for_this_machine(request: &HttpRequest) -> bool {
    let mut hosts = request.headers().get_all(HOST);
    hosts.all(|host| host.to_str().is_ok_and(is_loopback_name))
}

fn is_loopback_name(host_and_port: &str) -> bool {
    let host = match host_and_port.rsplit_once(':') {
        Some((host, _port)) if !host_and_port.ends_with(']') => host,
        _ => host_and_port,
    };
    matches!(host, "localhost" | "127.0.0.1" | "[::1]")
}

/// The text of a header that can be meant once only: none when it is absent or
/// empty, an error when it came with different texts. Bytes that are no text
/// become marks that no name and no key contains.
fn single(headers: &HeaderMap, name: &HeaderName) -> Result<Option<String>, ApiError> {
    let mut values = headers
        .get_all(name)
        .map(|value| String::from_utf8_lossy(value.as_bytes()).trim().to_owned());
    let Some(first) = values.next() else {
        return Ok(None);
    };
    if values.any(|other| other != first) {
        let twice = Invalid::wrong(name.as_str(), "sent once", "several different ones");
        return Err(Refusal::from(twice).into());
    }
    Ok(Some(first).filter(|first| !first.is_empty()))
}
