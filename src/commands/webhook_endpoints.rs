//! Commands on a sandbox merchant's webhook endpoint.

use crate::commands::{Error, Policy, deliveries};
use crate::domain::events::webhook_endpoint::{SandboxWebhookEndpoint, WebhookUrl, WebhookUrlChoice};
use crate::domain::ids::MerchantId;
use crate::domain::refusal::{Parsed, Refusal};
use crate::store::{self, Tx};

/// Sets the URL of a merchant's webhook endpoint. Pending deliveries go to the new URL too.
/// `None` disables the endpoint and deletes pending deliveries, at most as many as one
/// command deletes. The deliverer deletes the rest.
pub fn set(
    tx: &mut Tx<'_>,
    merchant: MerchantId,
    url: Parsed<Option<WebhookUrl>>,
) -> Result<SandboxWebhookEndpoint, Error> {
    let choice = url?.map_or(WebhookUrlChoice::Disabled, WebhookUrlChoice::Url);
    tx.save_webhook_url(merchant, &choice)?;
    if choice == WebhookUrlChoice::Disabled {
        deliveries::discard_some(tx, merchant)?;
    }
    Ok(tx.webhook_endpoint(merchant)?)
}

/// Returns true if a merchant has a webhook endpoint.
pub(super) fn is_set(tx: &mut Tx<'_>, policy: &Policy, merchant: MerchantId) -> Result<bool, store::Error> {
    let configured = policy.merchant(merchant).callback_url.as_ref();
    Ok(tx.merchant(merchant)?.webhook_endpoint.choice.url(configured).is_some())
}

/// Refuses a merchant without a webhook endpoint.
pub(super) fn check_set(tx: &mut Tx<'_>, policy: &Policy, merchant: MerchantId) -> Result<(), Error> {
    if is_set(tx, policy, merchant)? {
        Ok(())
    } else {
        Err(Refusal::NoWebhookUrl.into())
    }
}
