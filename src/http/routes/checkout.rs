//! The route by which a merchant's web page begins a checkout, with the publishable key alone
//! (docs/checkout.md).

use std::time::Instant;

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpMessage, HttpRequest, HttpResponse, Responder};
use schemars::{JsonSchema, SchemaGenerator};
use serde::Serialize;
use url::Url;

use crate::domain::escrow::Escrow;
use crate::domain::escrow::deal::Deal;
use crate::domain::ids::{CustomerId, EscrowKey, MerchantId, PaymentToken, Reference};
use crate::domain::invalid::{Invalid, Parsed};
use crate::domain::merchant::publishable_key::PublishableKey;
use crate::domain::mode::Mode;
use crate::domain::payments::intent;
use crate::domain::refusal::{Refusal, RefusalKind};
use crate::domain::web_address::check_hidden_parts;
use crate::entropy;
use crate::http::answer::{Answer, Success, SuccessBody};
use crate::http::auth::refuse_guess;
use crate::http::body::JsonBody;
use crate::http::checkout::{Session, on_behalf_of};
use crate::http::context::RequestContext;
use crate::http::error::{ApiError, ApiErrorKind};
use crate::http::fields::{Field, Fields};
use crate::http::refusals::{Refusals, Work};
use crate::http::request_spec::{FieldSpec, Kind, ListMax, RequestSpec};
use crate::http::state::AppState;
use crate::http::this_machine::check_host;

/// The path of the route, which pages of every origin may call.
pub(crate) const PATH: &str = "/v1/checkout/session";
/// The path of the script that shows the checkout in a merchant's page.
pub(crate) const SCRIPT_PATH: &str = "/escrow-checkout.min.js";
/// The most characters of the page to go to after the payment.
const REDIRECT_URL_CHARS_MAX: usize = 2_000;

/// The request of [`create`].
pub(crate) const SESSION: RequestSpec = RequestSpec::of_body(&[&[
    FieldSpec::required("publicKey", Kind::Text)
        .about("The merchant's publishable key")
        .example("\"pk_test_default\""),
    FieldSpec::required("paymentToken", Kind::OneOrList(&Kind::Text, ListMax::Is(1))).example("\"PAYMENT_TOKEN\""),
    FieldSpec::optional("reference", Kind::Reference)
        .about("With a letter or digit, and not beginning with CMSN- or DLV-"),
    FieldSpec::optional("redirectUrl", Kind::Url).about("The web page to go to after the payment"),
    FieldSpec::optional("customerId", Kind::CustomerId).about("Must be sent in live mode"),
]]);

/// The refusals of [`create`].
pub(crate) const CREATE_REFUSALS: Refusals = Refusals::of(&[&[
    RefusalKind::EscrowNotFound,
    RefusalKind::EscrowOfAnotherMerchant,
    RefusalKind::EscrowNotPayable,
    RefusalKind::BuyerIsSeller,
    RefusalKind::BuyerIsBeneficiary,
]])
.in_live(&[
    RefusalKind::CustomerNotFound,
    RefusalKind::CustomerBlocked,
    RefusalKind::BuyingDisabled,
])
.of_http(&[
    ApiErrorKind::UnknownPublishableKey,
    ApiErrorKind::PublishableKeyOfOtherMode,
])
.with(Work::Reads);

/// `POST /v1/checkout/session`. Nothing is stored: the session is a signed text.
///
/// The order of the checks: the shape of the publishable key, its mode, its merchant, the rate
/// limit, the other fields, the deal, the customer.
pub(crate) async fn create(
    state: Data<AppState>,
    request: HttpRequest,
    body: JsonBody,
) -> Result<SessionReply, ApiError> {
    check_host(&request, &state)?;
    let fields = body.fields()?;
    let key = fields.field("publicKey");
    let key = key.parsed(PublishableKey::SHAPE, PublishableKey::parse)?;
    let mode = state.policy.load().mode;
    if key.mode() != mode {
        return Err(ApiError::PublishableKeyOfOtherMode {
            environment: mode.environment(),
        });
    }
    let wanted = key.clone();
    let found = state
        .store
        .read(move |snapshot| snapshot.merchant_of_publishable_key(&wanted))
        .await?;
    let merchant = found.ok_or_else(|| refuse_guess(&request, &state, ApiError::UnknownPublishableKey))?;
    enter(&state, &request, &key, merchant).await?;
    let session = parse_session(&fields, key, mode)?;
    check_deal(&state, merchant, &session).await?;
    let session = state.checkout_sessions.sign(&session, state.store.ledger_time());
    Ok(SessionReply(SessionEnvelope {
        status: StatusCode::CREATED.as_u16(),
        message: "Checkout session created successfully",
        data: SessionView {
            session: session.clone(),
        },
        session,
    }))
}

/// Begins a session for the buyer of a live deal, who has opened its link. Returns its text.
///
/// # Errors
///
/// Refuses too many sessions of one client, a deal that cannot be paid, and a customer whom the
/// deal's merchant does not know.
pub(crate) async fn begin_by_link(
    state: &AppState,
    request: &HttpRequest,
    escrow: &Escrow,
    customer: CustomerId,
) -> Result<String, ApiError> {
    let merchant = escrow.merchant;
    let key = state
        .store
        .read(move |snapshot| snapshot.publishable_key(merchant))
        .await?;
    let key = key.ok_or(Refusal::EscrowNotFound)?;
    enter(state, request, &key, merchant).await?;
    let session = Session {
        merchant: key,
        token: escrow.payment_token.clone(),
        reference: None,
        transfer: transfer_reference(),
        redirect_url: None,
        customer: Some(customer),
    };
    check_deal(state, merchant, &session).await?;
    Ok(state.checkout_sessions.sign(&session, state.store.ledger_time()))
}

/// Tells the log whose request this is, and counts it.
async fn enter(
    state: &AppState,
    request: &HttpRequest,
    key: &PublishableKey,
    merchant: MerchantId,
) -> Result<(), ApiError> {
    let context = RequestContext::of(request)?;
    let on_behalf = on_behalf_of(state, key, merchant, context.address()).await?;
    context.merchant.get_or_init(|| merchant);
    context.key_hash.get_or_init(|| on_behalf.key_hash);
    let rate = state.rate_limiter.count(on_behalf.key_hash, Instant::now());
    if let Some(rate) = rate {
        request.extensions_mut().insert(rate);
        if rate.is_exceeded {
            return Err(ApiError::TooManyRequests {
                reset_seconds: rate.reset_seconds,
            });
        }
    }
    Ok(())
}

fn parse_session(fields: &Fields<'_>, merchant: PublishableKey, mode: Mode) -> Parsed<Session> {
    let customer = fields.field("customerId");
    let reference = fields.field("reference").optional(Field::reference)?;
    Reference::check_choice(reference.as_ref())?;
    let session = Session {
        merchant,
        token: payment_token(&fields.field("paymentToken"))?,
        reference,
        transfer: None,
        redirect_url: fields.field("redirectUrl").optional(redirect_url)?,
        customer: customer.optional(Field::customer_id)?,
    };
    if mode == Mode::Sandbox {
        return Ok(session);
    }
    // In a sandbox the page asks who pays. In live mode a customer has real money.
    if session.customer.is_none() {
        return Err(Invalid::missing("customerId"));
    }
    Ok(Session {
        transfer: transfer_reference(),
        ..session
    })
}

/// Chooses the reference of the payment by which a session finds its bank transfer again.
fn transfer_reference() -> Option<Reference> {
    Reference::parse(&entropy::digits::<16>())
}

/// Reads the token of the deal: a text, or a list of one, as newer clients of the hosted script
/// send it.
fn payment_token(field: &Field<'_>) -> Parsed<PaymentToken> {
    let one = "one payment token; a session pays for one deal";
    let token = match field.list() {
        Ok(tokens) => match tokens.as_slice() {
            [token] => token.text()?,
            _ => return Err(field.must_be(one)),
        },
        Err(_) => field.text()?,
    };
    Ok(PaymentToken::named(token.trim()))
}

/// Reads the address of a web page.
fn redirect_url(field: &Field<'_>) -> Parsed<String> {
    let expected = format!("an http or https URL of at most {REDIRECT_URL_CHARS_MAX} characters");
    let (text, url) = field.parsed(&expected, |text| {
        let url = Url::parse(text).ok()?;
        let is_page = matches!(url.scheme(), "http" | "https") && text.chars().count() <= REDIRECT_URL_CHARS_MAX;
        is_page.then(|| (text.to_owned(), url))
    })?;
    check_hidden_parts(&text, &url).map_err(|hidden| field.must_be(hidden.to_string()))?;
    Ok(url.to_string())
}

/// Checks that the deal can be paid for, in live mode that the customer exists and may buy, and that
/// the customer can be its buyer.
async fn check_deal(state: &AppState, merchant: MerchantId, session: &Session) -> Result<(), ApiError> {
    let key = EscrowKey::Token(session.token.clone());
    let read = state.store.read(move |snapshot| {
        let deal = snapshot.deal(merchant, &key)?;
        let is_of_other = deal.is_none() && snapshot.any_merchant_has_deal(&key)?;
        Ok((deal, is_of_other))
    });
    let (deal, is_of_other) = read.await?;
    let escrow = match deal {
        Some(Deal::Escrow(escrow)) => escrow,
        Some(Deal::Vault(_)) => return Err(Refusal::EscrowNotPayable.into()),
        None if is_of_other => return Err(Refusal::EscrowOfAnotherMerchant.into()),
        None => return Err(Refusal::EscrowNotFound.into()),
    };
    escrow.check_open_to_buyers()?;
    let mode = state.policy.load().mode;
    if mode == Mode::Live {
        intent::check_pays_by_transfer(escrow.charge()).map_err(Refusal::from)?;
    }
    if mode == Mode::Live
        && let Some(customer) = session.customer.clone()
    {
        let known = state
            .store
            .read(move |snapshot| snapshot.customer_access(merchant, &customer))
            .await?;
        known.ok_or(Refusal::CustomerNotFound)?.check_active_buyer()?;
    }
    if let Some(customer) = &session.customer {
        escrow.check_buyer(customer)?;
    }
    Ok(())
}

/// The usual envelope, and the session beside it, where the hosted script's clients read it.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
struct SessionEnvelope {
    status: u16,
    message: &'static str,
    data: SessionView,
    session: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct SessionView {
    session: String,
}

/// The reply with a session.
#[derive(Debug)]
pub(crate) struct SessionReply(SessionEnvelope);

impl Answer for SessionReply {
    fn success(schemas: &mut SchemaGenerator) -> Success {
        Success {
            status: StatusCode::CREATED.as_u16(),
            body: SuccessBody::Whole(schemas.subschema_for::<SessionEnvelope>()),
        }
    }
}

impl Responder for SessionReply {
    type Body = BoxBody;

    fn respond_to(self, _request: &HttpRequest) -> HttpResponse {
        HttpResponse::Created().json(self.0)
    }
}
