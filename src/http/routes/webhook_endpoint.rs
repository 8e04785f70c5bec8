//! Routes of a sandbox merchant's webhook endpoint. They act for the merchant of the key,
//! and a `customer-id` header has no effect.

use actix_web::web::Data;
use serde::Serialize;

use crate::commands::webhook_endpoints;
use crate::domain::events::webhook_endpoint::{SandboxWebhookEndpoint, SigningSecret, WebhookUrl};
use crate::domain::mode::Mode;
use crate::domain::refusal::{Invalid, Parsed};
use crate::http::auth::Caller;
use crate::http::body::JsonBody;
use crate::http::envelope::Reply;
use crate::http::error::ApiError;
use crate::http::fields::Field;
use crate::http::state::AppState;
use crate::webhooks::signing;

/// `GET /sandbox/callback`.
pub(crate) async fn get(state: Data<AppState>, caller: Caller) -> Result<Reply, ApiError> {
    let merchant = state.merchant_of(&caller).await?;
    let endpoint = state.store.read(|snapshot| snapshot.webhook_endpoint(merchant))?;
    let configured = state.policy.merchant(merchant).callback_url.as_ref();
    Ok(Reply::ok("Callback fetched successfully", view(&endpoint, configured)))
}

/// `PUT /sandbox/callback`.
pub(crate) async fn set(state: Data<AppState>, caller: Caller, body: JsonBody) -> Result<Reply, ApiError> {
    let url = parse_webhook_url(&body);
    state
        .execute(
            &caller,
            move |tx, _policy, actor| webhook_endpoints::set(tx, actor.merchant, url),
            |endpoint, _context| Reply::ok("Callback updated successfully", view(&endpoint, None)),
        )
        .await
}

fn view(endpoint: &SandboxWebhookEndpoint, configured: Option<&WebhookUrl>) -> WebhookEndpointView {
    let secret = endpoint.secret.as_ref();
    WebhookEndpointView {
        url: endpoint.choice.url(configured).map(|url| url.as_str().to_owned()),
        signing_secret: secret.map_or("", SigningSecret::as_str).to_owned(),
        standard_webhooks_secret: secret.map(signing::standard_secret).unwrap_or_default(),
    }
}

/// Parses the body of `PUT /sandbox/callback`: a URL, or null to disable the endpoint.
fn parse_webhook_url(body: &JsonBody) -> Parsed<Option<WebhookUrl>> {
    let fields = body.fields()?;
    if !fields.has("url") {
        return Err(Invalid::missing("url"));
    }
    fields.field("url").optional(webhook_url)
}

fn webhook_url(field: &Field<'_>) -> Result<WebhookUrl, Invalid> {
    let text = field.text()?;
    WebhookUrl::parse(&text, Mode::Sandbox).map_err(|problem| field.must_be(problem.to_string()))
}

/// A merchant's webhook endpoint. It holds secrets, so it has no `Debug`; the route shows
/// them to the merchant itself only.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WebhookEndpointView {
    /// Null when the merchant has no endpoint.
    pub(crate) url: Option<String>,
    /// The secret of the contract's signature.
    pub(crate) signing_secret: String,
    /// The secret of the Standard Webhooks signature, in the format that its libraries
    /// expect.
    pub(crate) standard_webhooks_secret: String,
}
