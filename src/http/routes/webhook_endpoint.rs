//! Routes of a sandbox merchant's webhook endpoint. They act for the merchant of the key,
//! and a `customer-id` header has no effect.

use actix_web::web::Data;
use schemars::JsonSchema;
use serde::Serialize;

use crate::commands::webhook_endpoints::{self, WebhookEndpointSetting};
use crate::commands::{Policy, deliveries};
use crate::domain::events::choice::EventChoice;
use crate::domain::events::webhook_endpoint::{SigningSecret, StoredWebhookEndpoint, WebhookUrl};
use crate::domain::ids::MerchantId;
use crate::domain::invalid::{Invalid, Parsed};
use crate::domain::mode::Mode;
use crate::domain::time::Timestamp;
use crate::http::auth::Caller;
use crate::http::body::JsonBody;
use crate::http::envelope::Reply;
use crate::http::error::ApiError;
use crate::http::fields::Field;
use crate::http::request_spec::{FieldSpec, Kind, ListMax, RequestSpec};
use crate::http::state::AppState;
use crate::store::Tx;
use crate::views::AsText;
use crate::webhooks::signing;

/// The request of [`set`].
pub(crate) const SETTING: RequestSpec = RequestSpec::of_body(&[&[
    FieldSpec::required_or_null("url", Kind::Url).about("Null sends no events"),
    FieldSpec::optional("events", Kind::ListOfAtLeast(1, &Kind::Text, ListMax::Is(usize::MAX))).about(
        "Names of events and patterns such as escrow.*. If left out: all events of the contract, which \
             milestone.released is not; name it or milestone.*",
    ),
]]);

/// `GET /sandbox/callback`.
pub(crate) async fn get(state: Data<AppState>, caller: Caller) -> Result<Reply<WebhookEndpointView>, ApiError> {
    let merchant = state.merchant_of(&caller).await?;
    let endpoint = state
        .store
        .read(move |snapshot| snapshot.webhook_endpoint(merchant))
        .await?;
    let policy = state.policy.load();
    let configured = policy.webhook_url_default.as_ref();
    Ok(Reply::ok("Callback fetched successfully", view(&endpoint, configured)))
}

/// `PUT /sandbox/callback`.
pub(crate) async fn set(
    state: Data<AppState>,
    caller: Caller,
    body: JsonBody,
) -> Result<Reply<SetWebhookEndpointView>, ApiError> {
    let setting = parse_setting(&body, Mode::Sandbox);
    let sends = sends_events(&setting);
    if let Some(merchant) = caller.merchant().filter(|_| sends) {
        discard_left(&state, &caller, merchant).await?;
    }
    let reply = state
        .execute(
            &caller,
            move |tx, _policy, actor| webhook_endpoints::set(tx, actor.merchant, setting),
            |set, _context| {
                let view = SetWebhookEndpointView {
                    endpoint: view(&set.endpoint, None),
                    replay_since: set.missed_since.map(AsText),
                };
                Reply::ok("Callback updated successfully", view)
            },
        )
        .await?;
    if let Some(merchant) = caller.merchant().filter(|_| sends && reply.is_first()) {
        hasten_rest(&state, merchant).await;
    }
    Ok(reply)
}

/// Returns true if a setting is valid and has a URL.
pub(super) fn sends_events(setting: &Parsed<WebhookEndpointSetting>) -> bool {
    setting.as_ref().is_ok_and(|setting| setting.url.is_some())
}

/// Deletes the deliveries that are left of an endpoint that was turned off, before a caller sets
/// another URL. Deletes none for a caller whose key no longer opens the route.
pub(super) async fn discard_left(state: &AppState, caller: &Caller, merchant: MerchantId) -> Result<(), ApiError> {
    let discard = move |tx: &mut Tx<'_>, _: &Policy, _: &Caller| {
        tx.act_for(merchant)?;
        webhook_endpoints::discard_left(tx, merchant)
    };
    while state.write_for(caller, discard).await? {}
    Ok(())
}

/// Makes the deliveries of a merchant due that the setting of its endpoint has left for later. Those
/// that a failure leaves are attempted when they were due before.
pub(super) async fn hasten_rest(state: &AppState, merchant: MerchantId) {
    let hasten = move |tx: &mut Tx<'_>, _: &Policy| {
        tx.act_for(merchant)?;
        deliveries::hasten_some(tx, merchant)
    };
    while let Ok(true) = state.write(hasten).await {}
}

fn view(endpoint: &StoredWebhookEndpoint, configured: Option<&WebhookUrl>) -> WebhookEndpointView {
    let secret = endpoint.secret.as_ref();
    WebhookEndpointView {
        url: endpoint.choice.url(configured).map(|url| url.as_str().to_owned()),
        events: event_names(endpoint),
        gone_at: endpoint.missed_since.map(AsText),
        signing_secret: secret.map_or("", SigningSecret::as_str).to_owned(),
        standard_webhooks_secret: secret.map(signing::standard_secret).unwrap_or_default(),
    }
}

/// Returns the names and patterns of the events that an endpoint has chosen.
pub(super) fn event_names(endpoint: &StoredWebhookEndpoint) -> Option<Vec<String>> {
    let events = endpoint.events.as_ref()?;
    Some(events.entries().map(str::to_owned).collect())
}

/// Parses the setting of a webhook endpoint: a URL and the events to send there, or null to
/// disable the endpoint.
pub(super) fn parse_setting(body: &JsonBody, mode: Mode) -> Parsed<WebhookEndpointSetting> {
    let fields = body.fields()?;
    if !fields.has("url") {
        return Err(Invalid::missing("url"));
    }
    fields.check_not_empty("url", "a URL, or null to send no events")?;
    let url = fields.field("url").optional(|field| webhook_url(field, mode))?;
    fields.check_not_empty("events", "a list with at least one event, or left out for all events")?;
    let events = fields.field("events");
    if url.is_none() && !events.is_absent() {
        return Err(events.must_be("left out where url is null, which sends no events"));
    }
    Ok(WebhookEndpointSetting {
        url,
        events: events.optional(event_choice)?,
    })
}

/// Parses a list of names and patterns of events.
fn event_choice(field: &Field<'_>) -> Result<EventChoice, Invalid> {
    let elements = field.list()?;
    let mut entries = Vec::with_capacity(elements.len());
    for element in &elements {
        let entry = element.text()?;
        EventChoice::of([entry.as_str()]).map_err(|problem| element.must_be(problem.to_string()))?;
        entries.push(entry);
    }
    let choice = EventChoice::of(entries.iter().map(String::as_str));
    let choice = choice.map_err(|problem| field.must_be(problem.to_string()))?;
    choice.ok_or_else(|| field.must_be("a list with at least one event, or left out for all events"))
}

fn webhook_url(field: &Field<'_>, mode: Mode) -> Result<WebhookUrl, Invalid> {
    let text = field.text()?;
    WebhookUrl::parse(&text, mode).map_err(|problem| field.must_be(problem.to_string()))
}

// It has no `Debug`: the route shows the secrets to the merchant itself only.
/// A merchant's webhook endpoint, with its secrets.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WebhookEndpointView {
    /// Null when the merchant has no endpoint.
    pub(crate) url: Option<String>,
    /// The names and patterns of the events that it gets. Null for all of the contract, without
    /// `milestone.released`.
    pub(crate) events: Option<Vec<String>>,
    /// Set if it answered 410 Gone: the time of the oldest event that was not sent. Null while it gets events.
    pub(crate) gone_at: Option<AsText<Timestamp>>,
    /// The secret of the contract's signature.
    pub(crate) signing_secret: String,
    /// The secret of the Standard Webhooks signature, in the format that its libraries
    /// expect.
    pub(crate) standard_webhooks_secret: String,
}

/// A webhook endpoint after it was set.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SetWebhookEndpointView {
    #[serde(flatten)]
    endpoint: WebhookEndpointView,
    /// The start of a replay that sends what was missed, if the endpoint was gone until now.
    replay_since: Option<AsText<Timestamp>>,
}
