//! Authenticates the caller of a request before anything but its key is read.

use std::sync::Arc;

use actix_web::{HttpMessage, HttpRequest};

use crate::domain::merchant::key::{KeyAccess, KeyOwner, KeyScope, SandboxKey};
use crate::domain::mode::Mode;
use crate::domain::party::Party;
use crate::domain::treasury::operator::Right;
use crate::http::auth::{
    Caller, Key, SeenKey, check_address, check_scope, count, is_live_key, is_valid, note_use, party_of, read_key,
    refuse_unknown_key,
};
use crate::http::context::{OnBehalf, RequestContext};
use crate::http::error::ApiError;
use crate::http::operator_auth;
use crate::http::route::{Access, RouteFacts};
use crate::http::state::AppState;

/// Finds out who sent a request, and if their key opens the route. The handler finds the [`Caller`]
/// among its arguments. Waits only if the key is not in the cache. Nearly every key is, except
/// those of operators.
///
/// # Errors
///
/// The refusals of keys, addresses, rates, scopes and of the header `customer-id`.
pub(super) async fn authenticate(request: &HttpRequest, facts: &RouteFacts) -> Result<(), ApiError> {
    let authentication = Authentication::begin(request, facts)?;
    let caller = match authentication.cached_access() {
        Some(access) => authentication.finish(Some(access))?,
        None => authentication.by_store().await?,
    };
    request.extensions_mut().insert(caller);
    Ok(())
}

/// A request whose key was read, and is not checked yet.
struct Authentication<'a> {
    request: &'a HttpRequest,
    state: &'a AppState,
    facts: &'a RouteFacts,
    context: Arc<RequestContext>,
    key: String,
    key_hash: [u8; 32],
    /// The version of the API key cache before the key was looked up.
    version: u64,
}

impl<'a> Authentication<'a> {
    fn begin(request: &'a HttpRequest, facts: &'a RouteFacts) -> Result<Self, ApiError> {
        let state = AppState::of(request)?;
        let context = RequestContext::of(request)?;
        let (key, key_hash) = read_key(request, state)?;
        Ok(Self {
            request,
            state,
            facts,
            context,
            key,
            key_hash,
            version: state.api_keys.version(),
        })
    }

    /// Returns the right that the key of an operator must have, on a route that only operators
    /// may use.
    fn operators_right(&self) -> Option<Right> {
        match (self.facts.access, self.state.policy.load().mode) {
            (Access::Operator(right), Mode::Live) => Some(right),
            _ => None,
        }
    }

    /// Finds the key in the cache, where an operator's key never is.
    fn cached_access(&self) -> Option<KeyAccess> {
        match self.operators_right() {
            Some(_) => None,
            None => self.state.api_keys.cached_access(&self.key_hash),
        }
    }

    /// Finds the key in the store, and checks the request.
    async fn by_store(self) -> Result<Caller, ApiError> {
        if let Some(right) = self.operators_right() {
            return self.of_operator(right).await;
        }
        let access = self.state.api_keys.access_of_key(&self.state.store, &self.key_hash);
        let access = access.await?;
        self.finish(access)
    }

    async fn of_operator(self, right: Right) -> Result<Caller, ApiError> {
        let (request, state, context) = (self.request, self.state, &self.context);
        let found = operator_auth::admit(request, state, &self.key_hash, right, self.facts.acts_as).await?;
        let (operator, merchant) = found.ok_or_else(|| refuse_unknown_key(request, state))?;
        context.key_hash.get_or_init(|| self.key_hash);
        context.operator.get_or_init(|| operator);
        if let Some(merchant) = merchant {
            context.merchant.get_or_init(|| merchant);
        }
        Ok(Caller {
            party: Some(Party::Merchant),
            key: Key::Operator(operator, merchant),
            key_hash: self.key_hash,
            seen: None,
            request: self.context,
        })
    }

    /// Checks the key, then the client's IP address, then the rate limit, then the key's
    /// scope, then the `customer-id` header (contract section 9.3, rows 64 to 67).
    fn finish(self, access: Option<KeyAccess>) -> Result<Caller, ApiError> {
        let Self {
            request,
            state,
            facts,
            context,
            key,
            key_hash,
            version,
        } = self;
        let access = access.filter(|access| is_valid(state, access));
        let on_behalf = request.extensions().get::<OnBehalf>().copied();
        let key = match (&access, on_behalf) {
            (_, Some(OnBehalf { merchant, .. })) => Key::Known(KeyOwner {
                merchant,
                scope: KeyScope::SuperAdmin,
            }),
            (Some(access), None) => Key::Known(access.owner),
            (None, None) if state.policy.load().mode == Mode::Live || is_live_key(&key) => {
                return Err(refuse_unknown_key(request, state));
            }
            (None, None) => Key::New(SandboxKey::new(&key)),
        };
        context.key_hash.get_or_init(|| key_hash);
        if let Key::Known(owner) = key {
            context.merchant.get_or_init(|| owner.merchant);
        }
        // Count first, so that a request counts even if one of the next checks refuses it.
        let rate = facts.is_limited().then(|| count(request, state, key_hash)).flatten();
        if let Some(access) = &access {
            check_address(access, context.address())?;
            note_use(state, &key_hash, access);
        }
        if let Some(rate) = rate.filter(|rate| rate.is_exceeded) {
            return Err(ApiError::TooManyRequests {
                reset_seconds: rate.reset_seconds,
            });
        }
        if let Key::Known(owner) = key {
            check_scope(owner.scope, facts.access)?;
        }
        Ok(Caller {
            party: party_of(request, &context, facts.acts_as)?,
            key,
            key_hash,
            seen: access.map(|KeyAccess { ends_at, .. }| SeenKey { version, ends_at }),
            request: context,
        })
    }
}
