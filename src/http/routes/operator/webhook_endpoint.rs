//! Routes of a live merchant's webhook endpoint and its signing secret, and of the secrets of
//! payment providers.

use actix_web::web::{Data, Path};
use schemars::JsonSchema;
use serde::Serialize;

use crate::commands::operators::OperatorActor;
use crate::commands::{Policy, merchants, webhook_endpoints};
use crate::domain::events::webhook_endpoint::{SigningSecret, StoredWebhookEndpoint, WebhookUrl};
use crate::domain::invalid::{Invalid, Parsed};
use crate::domain::merchant::key::OVERLAP_HOURS_MAX;
use crate::domain::mode::Mode;
use crate::domain::refusal::RefusalKind;
use crate::domain::time::Timestamp;
use crate::entropy;
use crate::http::auth::Caller;
use crate::http::body::JsonBody;
use crate::http::envelope::{CreatedReply, NoData, Reply};
use crate::http::error::{ApiError, ApiErrorKind};
use crate::http::fields::Field;
use crate::http::refusals::{Refusals, Work};
use crate::http::request_spec::{FieldSpec, Kind, RequestSpec};
use crate::http::routes::operator::acting::{check_is_live, write_as_operator};
use crate::http::routes::operator::fields::overlap_hours;
use crate::http::routes::webhook_endpoint::{discard_left, event_names, hasten_rest, parse_setting, sends_events};
use crate::http::state::AppState;
use crate::notices::of_provider;
use crate::store::Tx;
use crate::views::AsText;
use crate::webhooks::signing;

/// The fewest and the most characters in the secret of a provider.
const PROVIDER_SECRET_CHARS: (usize, usize) = (16, 255);

/// The request of [`rotate_secret`].
pub(super) const ROTATION: RequestSpec =
    RequestSpec::of_body(&[&[
        FieldSpec::optional("overlapHours", Kind::Integer(0, OVERLAP_HOURS_MAX as i64))
            .about("How long the old secret signs too; a day, if left out"),
    ]]);
/// The request of [`set_notice_secret`].
pub(super) const NOTICE_SECRET: RequestSpec =
    RequestSpec::of_body(&[&[
        FieldSpec::required_or_null("secret", Kind::TextUpTo(PROVIDER_SECRET_CHARS.1))
            .about("Null refuses notices")
            .example("\"a secret of 16 or more characters\""),
    ]]);

/// `GET /operator/callback`: the endpoint, without its secret.
pub(super) async fn get(state: Data<AppState>, caller: Caller) -> Result<Reply<CallbackView>, ApiError> {
    check_is_live(&state)?;
    let merchant = state.merchant_of(&caller).await?;
    let endpoint = state
        .store
        .read(move |snapshot| snapshot.webhook_endpoint(merchant))
        .await?;
    Ok(Reply::ok(
        "Callback fetched successfully",
        CallbackView::new(&state, &endpoint, None),
    ))
}

/// `PUT /operator/callback`: sets the endpoint. The reply to the first one shows its secret,
/// and no other does.
pub(super) async fn set(
    state: Data<AppState>,
    caller: Caller,
    body: JsonBody,
) -> Result<Reply<SetCallbackView>, ApiError> {
    check_is_live(&state)?;
    let setting = parse_setting(&body, Mode::Live);
    let sends = sends_events(&setting);
    if sends {
        discard_left(&state, &caller, state.merchant_of(&caller).await?).await?;
    }
    let secret = SigningSecret::new(entropy::signing_secret());
    let set = move |tx: &mut Tx<'_>, _: &Policy, actor: &OperatorActor| {
        webhook_endpoints::set_as_operator(tx, actor, setting, secret)
    };
    let (set, secret) = write_as_operator(&state, &caller, set).await?;
    let view = SetCallbackView {
        callback: CallbackView::new(&state, &set.endpoint, secret.as_ref()),
        replay_since: set.missed_since.map(AsText),
    };
    if sends {
        hasten_rest(&state, state.merchant_of(&caller).await?).await;
    }
    Ok(Reply::ok("Callback updated successfully", view))
}

/// The refusals of [`rotate_secret`].
pub(super) const ROTATE_SECRET_REFUSALS: Refusals = Refusals::of(&[&[RefusalKind::NoWebhookUrl]])
    .only_live()
    .with(Work::Writes);

/// `POST /operator/callback/rotate-secret`.
pub(super) async fn rotate_secret(
    state: Data<AppState>,
    caller: Caller,
    body: JsonBody,
) -> Result<CreatedReply<CallbackView>, ApiError> {
    let overlap = overlap_hours(&body);
    let secret = SigningSecret::new(entropy::signing_secret());
    let next = secret.clone();
    let rotate = move |tx: &mut Tx<'_>, _: &Policy, actor: &OperatorActor| {
        webhook_endpoints::rotate_secret(tx, actor, overlap, &next)
    };
    let endpoint = write_as_operator(&state, &caller, rotate).await?;
    let view = CallbackView::new(&state, &endpoint, Some(&secret));
    Ok(Reply::created("Signing secret rotated successfully", view))
}

/// The refusals of [`set_notice_secret`].
pub(super) const SET_NOTICE_SECRET_REFUSALS: Refusals = Refusals::by(Work::Writes)
    .of_http(&[ApiErrorKind::RouteNotFound])
    .only_live();

/// `PUT /operator/notices/{provider}`: sets the secret with which a payment provider signs its
/// notices, or removes it.
pub(super) async fn set_notice_secret(
    state: Data<AppState>,
    caller: Caller,
    provider: Path<String>,
    body: JsonBody,
) -> Result<Reply<NoData>, ApiError> {
    let format = of_provider(&provider).ok_or_else(|| ApiError::RouteNotFound {
        path: format!("/operator/notices/{provider}"),
    })?;
    let (provider, secret) = (format.name(), parse_secret(&body));
    let message = match &secret {
        Ok(None) => "Secret removed successfully; notices are refused until another is set",
        _ => "Secret updated successfully",
    };
    let set = move |tx: &mut Tx<'_>, _: &Policy, actor: &OperatorActor| {
        merchants::set_notice_secret(tx, actor, provider, secret)
    };
    write_as_operator(&state, &caller, set).await?;
    Ok(Reply::ok(message, NoData {}))
}

fn parse_secret(body: &JsonBody) -> Parsed<Option<SigningSecret>> {
    let (min, max) = PROVIDER_SECRET_CHARS;
    let secret = |field: &Field<'_>| {
        // The message must not repeat the value.
        let other_kind = |_| Invalid::wrong("secret", "a text", "a value of another kind");
        let secret = field.text().map_err(other_kind)?;
        let chars = secret.chars().count();
        if !(min..=max).contains(&chars) {
            // The text itself is not shown.
            let expected = format!("a secret of {min} to {max} characters");
            return Err(Invalid::wrong("secret", expected, &format!("{chars} characters")));
        }
        if secret.trim() != secret {
            let expected = "a secret without white space around it";
            return Err(Invalid::wrong("secret", expected, "one with white space around it"));
        }
        Ok(SigningSecret::new(secret))
    };
    let fields = body.fields()?;
    if !fields.has("secret") {
        return Err(Invalid::missing("secret"));
    }
    fields.check_not_empty("secret", "a secret, or null to remove the one that is set")?;
    fields.field("secret").optional(secret)
}

// It has no `Debug`, since it may hold a secret.
/// A merchant's webhook endpoint. A reply has its secret only when one was made.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CallbackView {
    /// Without its query, which may hold a secret. Null when the merchant has no endpoint.
    url: Option<AsText<WebhookUrl>>,
    /// The names and patterns of the events that it gets. Null for all of the contract, without
    /// `milestone.released`.
    events: Option<Vec<String>>,
    /// Set if it answered 410 Gone: the time of the oldest event that was not sent. Null while it gets events.
    gone_at: Option<AsText<Timestamp>>,
    /// The time until which the secret before the last rotation signs too. Null once it has
    /// passed.
    previous_secret_until: Option<AsText<Timestamp>>,
    #[serde(flatten)]
    secrets: Option<SecretsView>,
}

/// A webhook endpoint after it was set.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SetCallbackView {
    #[serde(flatten)]
    callback: CallbackView,
    /// The start of a replay that sends what was missed, if the endpoint was gone until now.
    replay_since: Option<AsText<Timestamp>>,
}

/// A new secret, which is shown once.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct SecretsView {
    /// The secret of the contract's signature.
    signing_secret: String,
    /// The same for libraries of Standard Webhooks.
    standard_webhooks_secret: String,
}

impl CallbackView {
    fn new(state: &AppState, endpoint: &StoredWebhookEndpoint, secret: Option<&SigningSecret>) -> Self {
        let now = state.store.ledger_time();
        let previous = endpoint.previous_secret.as_ref().filter(|(_, until)| now < *until);
        Self {
            url: endpoint.choice.url(None).cloned().map(AsText),
            events: event_names(endpoint),
            gone_at: endpoint.missed_since.map(AsText),
            previous_secret_until: previous.map(|(_, until)| AsText(*until)),
            secrets: secret.map(|secret| SecretsView {
                signing_secret: secret.as_str().to_owned(),
                standard_webhooks_secret: signing::standard_secret(secret),
            }),
        }
    }
}
