//! The route that shows a sandbox merchant its publishable key.

use actix_web::web::Data;
use schemars::JsonSchema;
use serde::Serialize;

use crate::domain::merchant::publishable_key::PublishableKey;
use crate::http::auth::Caller;
use crate::http::envelope::Reply;
use crate::http::error::ApiError;
use crate::http::state::AppState;
use crate::views::AsText;

/// `GET /sandbox/publishable-key`. A reset keeps the key.
pub(crate) async fn get(state: Data<AppState>, caller: Caller) -> Result<Reply<PublishableKeyView>, ApiError> {
    let merchant = state.merchant_of(&caller).await?;
    let key = state
        .store
        .read(move |snapshot| snapshot.publishable_key(merchant))
        .await?;
    let view = PublishableKeyView {
        publishable_key: key.map(AsText),
    };
    Ok(Reply::ok("Publishable key fetched successfully", view))
}

/// The key that names the merchant in its web pages. Null if a reset has moved it while this
/// request was answered.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PublishableKeyView {
    publishable_key: Option<AsText<PublishableKey>>,
}
