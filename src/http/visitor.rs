//! The visitor of a page: the person whose key the pages use, by a session, or a browser on the
//! machine of a sandbox, which needs none.
//!
//! The key is checked again at each request for a page, as at a call of the API. A session whose
//! key has ended, or whose address is not allowed any more, ends at once.

use std::time::Instant;

use actix_web::HttpRequest;
use actix_web::http::Method;
use actix_web::http::header::COOKIE;
use sha2::{Digest, Sha256};

use crate::domain::ids::MerchantId;
use crate::domain::merchant::key::{KeyOwner, SandboxKey};
use crate::domain::mode::Mode;
use crate::domain::treasury::operator::Operator;
use crate::http::auth::{
    check_address, check_scope, find_access, is_live_key, needs_no_key, note_use, refuse_unknown_key,
};
use crate::http::context::RequestContext;
use crate::http::error::ApiError;
use crate::http::headers::SEC_FETCH_DEST;
use crate::http::key_mistake::checked_key;
use crate::http::operator_auth;
use crate::http::rate_limit::RateState;
use crate::http::route::{Access, Section};
use crate::http::routes::facts_of_live;
use crate::http::sessions::{Outcome, SecretKey, SessionId, SessionState};
use crate::http::state::AppState;
use crate::http::this_machine::is_from_this_machine;
use crate::store;

/// The name of the cookie with the value of a session. Browsers take a cookie with the prefix over
/// HTTPS, with `Secure`, and from the host itself alone: no sibling domain can set or replace it.
const SECURE_SESSION_COOKIE: &str = "__Host-escrowd_session";
/// Its name where the cookie may go over plain HTTP, with which browsers refuse the prefix.
const PLAIN_SESSION_COOKIE: &str = "escrowd_session";

/// The sender of a request for a page: a person with a session, or a browser on the machine of a
/// sandbox.
#[derive(Clone, Debug)]
pub(crate) struct Visitor {
    pub(crate) person: Person,
    session: Option<(SessionId, SecretKey)>,
}

/// The person, and what the key gives access to.
#[derive(Clone, Debug)]
pub(crate) enum Person {
    /// A browser on the machine of a sandbox. It needs no key, and has the default merchant.
    /// `None` if the merchant has done nothing yet.
    Local(Option<MerchantId>),
    /// A visitor with the key of a sandbox merchant. `None` if the key was never used.
    SandboxMerchant(Option<MerchantId>),
    /// A visitor with the key of a live merchant.
    Merchant(KeyOwner),
    /// An operator.
    Operator {
        operator: Operator,
        /// The merchants that the operator may act for, with their names.
        merchants: Vec<(MerchantId, Option<String>)>,
        /// The merchant that the operator has chosen.
        chosen: Option<MerchantId>,
    },
}

impl Visitor {
    /// Returns the visitor who sent a request for a page, or `None` if the visitor is unknown.
    /// Notes the use of the session, unless a page asks by itself.
    ///
    /// # Errors
    ///
    /// Fails if the store cannot be read.
    pub(crate) async fn of(request: &HttpRequest, state: &AppState) -> Result<Option<Self>, ApiError> {
        if let Some(id) = session_of(request, state)
            && let Some(session) = session_state(request, state, id)
        {
            let context = RequestContext::of(request)?;
            let visitor = Self::of_session(&context, state, id, session, true).await?;
            if visitor.is_some() {
                return Ok(visitor);
            }
        }
        if !needs_no_key(request, state) {
            return Ok(None);
        }
        let access = find_access(state, SandboxKey::new("").hash()).await?;
        Ok(Some(Self {
            person: Person::Local(access.map(|access| access.owner.merchant)),
            session: None,
        }))
    }

    /// Returns the visitor of a session that has not ended. `None` if its key opens nothing here any
    /// more, which ends the session. Notes the use of the key if the visitor uses it.
    async fn of_session(
        context: &RequestContext,
        state: &AppState,
        id: SessionId,
        session: SessionState,
        uses_key: bool,
    ) -> Result<Option<Self>, ApiError> {
        match Person::of_key(context, state, &session.key, uses_key).await {
            Ok(person) => Ok(Some(Self {
                person: person.having_chosen(session.merchant),
                session: Some((id, session.key)),
            })),
            Err(ApiError::UnknownKey | ApiError::ForeignAddress) => {
                state.sessions.end(id);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Returns the visitor as of now, for a reply that goes on. `None` if the session has ended since.
    /// Notes no use of the session or its key.
    ///
    /// # Errors
    ///
    /// Fails if the store cannot be read.
    pub(super) async fn renewed(&self, context: &RequestContext, state: &AppState) -> Result<Option<Self>, ApiError> {
        let Some((id, _)) = self.session else {
            return Ok(Some(self.clone()));
        };
        match state.sessions.find(id, Instant::now()) {
            Some(session) => Self::of_session(context, state, id, session, false).await,
            None => Ok(None),
        }
    }

    /// Returns the merchant that pages show.
    pub(crate) fn merchant(&self) -> Option<MerchantId> {
        match &self.person {
            Person::Local(merchant) | Person::SandboxMerchant(merchant) => *merchant,
            Person::Merchant(owner) => Some(owner.merchant),
            Person::Operator { merchants, chosen, .. } => match (chosen, merchants.as_slice()) {
                (None, [(only, _)]) => Some(*only),
                (chosen, _) => *chosen,
            },
        }
    }

    /// Returns the merchant that pages show now. The first request of a sandbox key makes its
    /// merchant, and a reset replaces it.
    ///
    /// # Errors
    ///
    /// Fails if the store cannot be read.
    pub(super) async fn current_merchant(&self, state: &AppState) -> Result<Option<MerchantId>, store::Error> {
        match &self.person {
            Person::Local(_) | Person::SandboxMerchant(_) => {
                let access = state.api_keys.access_of_key(&state.store, &self.key_hash()).await?;
                Ok(access.map(|access| access.owner.merchant))
            }
            Person::Merchant(_) | Person::Operator { .. } => Ok(self.merchant()),
        }
    }

    /// Returns the hash of the key with which pages call routes.
    pub(super) fn key_hash(&self) -> [u8; 32] {
        self.key().map_or_else(|| *SandboxKey::new("").hash(), SecretKey::hash)
    }

    /// Returns the key with which pages call routes. Without one they call as a program on this
    /// machine does.
    pub(crate) fn key(&self) -> Option<&SecretKey> {
        self.session.as_ref().map(|(_, key)| key)
    }

    /// Returns the id of the visitor, which is no secret and the same in each session. It names the
    /// operator, the live merchant, or the sandbox key, since a reset replaces the key's merchant.
    pub(crate) fn id(&self) -> String {
        match &self.person {
            Person::Local(_) => "none".to_owned(),
            Person::SandboxMerchant(_) => format!("key-{}", hex::encode(&Sha256::digest(self.key_hash())[..8])),
            Person::Merchant(owner) => format!("merchant-{}", owner.merchant.0),
            Person::Operator { operator, .. } => format!("operator-{}", operator.id),
        }
    }

    /// Returns the merchant that calls name in the header `merchant-id`: the one that an
    /// operator has chosen.
    pub(crate) const fn named_merchant(&self) -> Option<MerchantId> {
        match &self.person {
            Person::Operator { chosen, .. } => *chosen,
            _ => None,
        }
    }

    /// Returns the operator.
    pub(crate) const fn operator(&self) -> Option<&Operator> {
        match &self.person {
            Person::Operator { operator, .. } => Some(operator),
            _ => None,
        }
    }

    /// Returns true if the person's key may use the route of this method and path. The route
    /// decides again, and has the last word.
    pub(crate) fn may(&self, method: &Method, path: &str) -> bool {
        let path = path.split_once('?').map_or(path, |(path, _)| path);
        let facts = || facts_of_live(method, path);
        match &self.person {
            Person::Local(_) | Person::SandboxMerchant(_) => true,
            Person::Merchant(owner) => facts().is_some_and(|facts| {
                facts.section == Section::Contract && check_scope(owner.scope, facts.access).is_ok()
            }),
            Person::Operator { operator, .. } => facts().is_some_and(
                |facts| matches!(facts.access, Access::Operator(right) if operator.check_may(right).is_ok()),
            ),
        }
    }

    /// Counts a page of a live merchant against the rate limit of its key, as a request.
    ///
    /// # Errors
    ///
    /// Refuses a key that has used up its requests.
    pub(crate) fn count_page(&self, state: &AppState) -> Result<(), ApiError> {
        let (Person::Merchant(_), Some(key)) = (&self.person, self.key()) else {
            return Ok(());
        };
        match state.rate_limiter.count(key.hash(), Instant::now()) {
            Some(RateState {
                is_exceeded: true,
                reset_seconds,
                ..
            }) => Err(ApiError::TooManyRequests { reset_seconds }),
            _ => Ok(()),
        }
    }

    /// Chooses a merchant for an operator, or none. Returns false if the operator may not act
    /// for it or it does not exist.
    pub(crate) fn choose(&mut self, state: &AppState, merchant: Option<MerchantId>) -> bool {
        let (Person::Operator { merchants, chosen, .. }, Some((id, _))) = (&mut self.person, &self.session) else {
            return false;
        };
        let is_known = |wanted: MerchantId| merchants.iter().any(|(known, _)| *known == wanted);
        let may = merchant.is_none_or(is_known);
        if may {
            state.sessions.choose(*id, merchant);
            *chosen = merchant;
        }
        may
    }

    /// Keeps the outcome of a form for the next page of the session.
    pub(crate) fn keep_outcome(&self, state: &AppState, outcome: Outcome) {
        if let Some((id, _)) = &self.session {
            state.sessions.keep_outcome(*id, outcome);
        }
    }

    /// Takes the outcome of the form with this id, which is shown once.
    pub(crate) fn take_outcome(&self, state: &AppState, form: &str) -> Option<Outcome> {
        let (id, _) = self.session.as_ref()?;
        state.sessions.take_outcome(*id, form)
    }

    /// Notes that a form of the session is sent. Returns false if it was sent before.
    pub(crate) fn note_sent(&self, state: &AppState, form: &str) -> bool {
        let session = self.session.as_ref();
        session.is_some_and(|(id, _)| state.sessions.note_sent(*id, form))
    }

    /// Lets a form be sent again, since it was refused.
    pub(crate) fn forget_sent(&self, state: &AppState, form: &str) {
        if let Some((id, _)) = &self.session {
            state.sessions.forget_sent(*id, form);
        }
    }
}

impl Person {
    /// Checks a key as a call of the API does: that it is known and has not ended, and that
    /// the client's address may use it. Notes the use if it is one.
    ///
    /// # Errors
    ///
    /// Refuses the key.
    async fn of_key(
        context: &RequestContext,
        state: &AppState,
        key: &SecretKey,
        uses_key: bool,
    ) -> Result<Self, ApiError> {
        let (mode, key_hash) = (state.policy.load().mode, key.hash());
        if mode == Mode::Live
            && let Some(operator) = operator_auth::operator_of_key(state, &key_hash).await?
        {
            if uses_key {
                operator_auth::note_use(state, &operator);
            }
            context.operator.get_or_init(|| operator.id);
            let read = state.store.read(move |snapshot| {
                let merchants = snapshot.merchants_of(&operator)?;
                Ok((operator, merchants))
            });
            let (operator, merchants) = read.await?;
            return Ok(Self::Operator {
                operator,
                merchants,
                chosen: None,
            });
        }
        let access = find_access(state, &key_hash).await?;
        if let Some(access) = &access {
            check_address(access, context.address())?;
            if uses_key {
                note_use(state, &key_hash, access);
            }
            context.merchant.get_or_init(|| access.owner.merchant);
        }
        match (access, mode) {
            (Some(access), Mode::Live) => Ok(Self::Merchant(access.owner)),
            (Some(access), Mode::Sandbox) => Ok(Self::SandboxMerchant(Some(access.owner.merchant))),
            (None, Mode::Sandbox) if !is_live_key(key.as_str()) => Ok(Self::SandboxMerchant(None)),
            (None, _) => Err(ApiError::UnknownKey),
        }
    }

    /// Notes the merchant that an operator has chosen, if the operator may still act for it.
    fn having_chosen(mut self, merchant: Option<MerchantId>) -> Self {
        if let Self::Operator { merchants, chosen, .. } = &mut self {
            *chosen = merchant.filter(|wanted| merchants.iter().any(|(known, _)| known == wanted));
        }
        self
    }
}

/// Returns the state of a session that has not ended. The requests that a page makes by itself do
/// not use the session, so that it ends although a page is open.
fn session_state(request: &HttpRequest, state: &AppState, id: SessionId) -> Option<SessionState> {
    let dest = request.headers().get(SEC_FETCH_DEST);
    let now = Instant::now();
    if dest.is_some_and(|dest| dest.as_bytes() == b"empty") {
        state.sessions.find(id, now)
    } else {
        state.sessions.find_and_note_use(id, now)
    }
}

/// Begins a session for the person who typed this key, and ends the one that the browser had.
/// Returns the value of the `Set-Cookie` header.
///
/// # Errors
///
/// Refuses a key as a call of the API with it is refused. A wrong key counts against the
/// client's address.
pub(crate) async fn log_in(request: &HttpRequest, state: &AppState, typed: &str) -> Result<String, ApiError> {
    let key = checked_key(typed.trim()).map_err(|mistake| ApiError::NoToken { mistake: Some(mistake) })?;
    let key = SecretKey::new(key);
    let context = RequestContext::of(request)?;
    Person::of_key(&context, state, &key, true)
        .await
        .map_err(|error| match error {
            ApiError::UnknownKey => refuse_unknown_key(request, state),
            error => error,
        })?;
    if let Some(former) = session_of(request, state) {
        state.sessions.end(former);
    }
    let value = state.sessions.begin(key, Instant::now());
    Ok(cookie(request, state, &value))
}

/// Ends the session of a browser. Returns the value of the `Set-Cookie` header that removes the
/// cookie.
pub(crate) fn log_out(request: &HttpRequest, state: &AppState) -> String {
    if let Some(id) = session_of(request, state) {
        state.sessions.end(id);
    }
    cookie(request, state, "; Max-Age=0")
}

/// Adds the name and the attributes to the value of the cookie. No script reads it, no page of another
/// site sends it, and it ends with the browser.
fn cookie(request: &HttpRequest, state: &AppState, value: &str) -> String {
    let secure = if is_secure(request, state) { "; Secure" } else { "" };
    let name = cookie_name(request, state);
    format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict{secure}")
}

fn cookie_name(request: &HttpRequest, state: &AppState) -> &'static str {
    if is_secure(request, state) {
        SECURE_SESSION_COOKIE
    } else {
        PLAIN_SESSION_COOKIE
    }
}

/// Returns true if the cookie may go over HTTPS alone: in live mode, except in a browser on this
/// machine, and where a trusted proxy says that the browser used HTTPS.
fn is_secure(request: &HttpRequest, state: &AppState) -> bool {
    let client = RequestContext::of(request).ok().and_then(|context| context.client);
    let is_by_proxy = client.is_some_and(|client| client.is_by_proxy);
    let proto = request.headers().get("x-forwarded-proto");
    let is_https = proto.is_some_and(|proto| proto.as_bytes().eq_ignore_ascii_case(b"https"));
    (is_by_proxy && is_https) || (state.policy.load().mode == Mode::Live && !is_from_this_machine(request))
}

/// Returns the session that the cookie of a request names. Two cookies with different values
/// name none: without the prefix of the name one of them may come from another host of the same domain.
fn session_of(request: &HttpRequest, state: &AppState) -> Option<SessionId> {
    let wanted = cookie_name(request, state);
    let headers = request.headers().get_all(COOKIE);
    let pairs = headers
        .filter_map(|header| header.to_str().ok())
        .flat_map(|header| header.split(';'));
    let named = pairs.filter_map(|pair| pair.trim().split_once('='));
    let mut values = named.filter(|(name, _)| *name == wanted).map(|(_, value)| value);
    let first = values.next()?;
    values.all(|other| other == first).then(|| SessionId::of(first))
}
