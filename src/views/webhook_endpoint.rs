//! A sandbox merchant's webhook endpoint and its signing secrets.

use serde::Serialize;

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
