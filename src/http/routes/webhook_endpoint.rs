//! Routes of where a sandbox merchant's events go. The merchant of the key acts, and a
//! `customer-id` header has no effect.

use actix_web::web::Data;

use crate::commands::webhook_endpoints;
use crate::domain::events::webhook_endpoint::{SigningSecret, WebhookUrl};
use crate::http::auth::Viewer;
use crate::http::body::JsonBody;
use crate::http::drafts::events as drafts;
use crate::http::envelope::{Answer, ApiError, Reply};
use crate::http::state::AppState;
use crate::queries;
use crate::store::WebhookEndpoint;
use crate::views::WebhookEndpointView;
use crate::webhooks::signing;

/// `GET /sandbox/callback`.
pub(crate) async fn get(api: Data<AppState>, caller: Viewer) -> Result<Reply<WebhookEndpointView>, ApiError> {
    let merchant = api.merchant_of(&caller.key_holder).await?;
    let setting = queries::webhook_endpoint(&api.store, merchant)?;
    let configured = api.policy.merchant(merchant).callback_url.as_ref();
    Ok(Reply::ok("Callback fetched successfully", view(&setting, configured)))
}

/// `PUT /sandbox/callback`.
pub(crate) async fn set(api: Data<AppState>, caller: Viewer, body: JsonBody) -> Result<Answer, ApiError> {
    let url = drafts::callback_url(&body);
    api.act_as_merchant(
        &caller.key_holder,
        move |tx, _policy, merchant| webhook_endpoints::set(tx, merchant, url),
        |setting, _viewing| Reply::ok("Callback updated successfully", view(&setting, None)),
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
