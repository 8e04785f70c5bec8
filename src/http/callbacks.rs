//! Routes of where a sandbox merchant's events go. The merchant of the key acts, and a
//! `customer-id` header has no effect.

use actix_web::web::Data;

use super::api::Api;
use super::auth::Viewer;
use super::body::JsonBody;
use super::drafts::events as drafts;
use super::envelope::{Answer, ApiError, Reply};
use crate::commands::callbacks;
use crate::domain::callback::{CallbackUrl, SigningSecret};
use crate::queries;
use crate::store::CallbackSetting;
use crate::webhooks::signing;
use crate::wire::CallbackView;

/// `GET /sandbox/callback`.
pub(super) async fn get(api: Data<Api>, caller: Viewer) -> Result<Reply<CallbackView>, ApiError> {
    let merchant = api.merchant_of(&caller.key_holder).await?;
    let setting = queries::callback_setting(&api.store, merchant)?;
    let configured = api.policy.merchant(merchant).callback_url.as_ref();
    Ok(Reply::ok("Callback fetched successfully", view(&setting, configured)))
}

/// `PUT /sandbox/callback`.
pub(super) async fn set(api: Data<Api>, caller: Viewer, body: JsonBody) -> Result<Answer, ApiError> {
    let url = drafts::callback_url(&body);
    api.act_as_merchant(
        &caller.key_holder,
        move |tx, _policy, merchant| callbacks::set(tx, merchant, url),
        |setting, _viewing| Reply::ok("Callback updated successfully", view(&setting, None)),
    )
    .await
}

fn view(setting: &CallbackSetting, configured: Option<&CallbackUrl>) -> CallbackView {
    let secret = setting.secret.as_ref();
    CallbackView {
        url: setting.choice.url(configured).map(|url| url.as_str().to_owned()),
        signing_secret: secret.map_or("", SigningSecret::as_str).to_owned(),
        standard_webhooks_secret: secret.map(signing::standard_secret).unwrap_or_default(),
    }
}
