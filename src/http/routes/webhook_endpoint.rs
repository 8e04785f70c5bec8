//! Routes of where a sandbox merchant's events go. The merchant of the key acts, and a
//! `customer-id` header has no effect.

use actix_web::web::Data;

use crate::commands::webhook_endpoints;
use crate::domain::events::webhook_endpoint::WebhookEndpoint;
use crate::domain::events::webhook_endpoint::{SigningSecret, WebhookUrl};
use crate::http::auth::Caller;
use crate::http::body::JsonBody;
use crate::http::drafts::events as drafts;
use crate::http::envelope::{ApiError, Reply};
use crate::http::state::AppState;
use crate::views::WebhookEndpointView;
use crate::webhooks::signing;

/// `GET /sandbox/callback`.
pub(crate) async fn get(state: Data<AppState>, caller: Caller) -> Result<Reply, ApiError> {
    let merchant = state.merchant_of(&caller).await?;
    let setting = state.store.read(|snapshot| snapshot.webhook_endpoint(merchant))?;
    let configured = state.policy.merchant(merchant).callback_url.as_ref();
    Ok(Reply::ok("Callback fetched successfully", view(&setting, configured)))
}

/// `PUT /sandbox/callback`.
pub(crate) async fn set(state: Data<AppState>, caller: Caller, body: JsonBody) -> Result<Reply, ApiError> {
    let url = drafts::callback_url(&body);
    state
        .execute(
            &caller,
            move |tx, _policy, actor| webhook_endpoints::set(tx, actor.merchant, url),
            |setting, _context| Reply::ok("Callback updated successfully", view(&setting, None)),
        )
        .await
}

fn view(setting: &WebhookEndpoint, configured: Option<&WebhookUrl>) -> WebhookEndpointView {
    let secret = setting.secret.as_ref();
    WebhookEndpointView {
        url: setting.choice.url(configured).map(|url| url.as_str().to_owned()),
        signing_secret: secret.map_or("", SigningSecret::as_str).to_owned(),
        standard_webhooks_secret: secret.map(signing::standard_secret).unwrap_or_default(),
    }
}
