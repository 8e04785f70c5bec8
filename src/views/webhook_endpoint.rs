//! Where a sandbox merchant's events go, and what proves that they come from here.

use serde::Serialize;

/// A merchant's callback. Its secrets are for its own eyes: they are its own key.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WebhookEndpointView {
    /// Null when events go nowhere.
    pub(crate) url: Option<String>,
    /// The key of the contract's signature.
    pub(crate) signing_secret: String,
    /// The key of the Standard Webhooks signature, as their libraries take it.
    pub(crate) standard_webhooks_secret: String,
}
