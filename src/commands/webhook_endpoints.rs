//! Where a sandbox merchant's events go.

use crate::commands::{Error, Policy, deliveries};
use crate::domain::events::webhook_endpoint::{SandboxWebhookEndpoint, WebhookUrl, WebhookUrlChoice};
use crate::domain::ids::MerchantId;
use crate::domain::refusal::{Parsed, Refusal};
use crate::store::{self, Tx};

/// Sends a merchant's events there from now on, also those that wait; or nowhere, and
/// then those that wait are given up.
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

/// Whether a merchant's events go anywhere.
pub(super) fn is_set(tx: &mut Tx<'_>, policy: &Policy, merchant: MerchantId) -> Result<bool, store::Error> {
    let configured = policy.merchant(merchant).callback_url.as_ref();
    Ok(tx.merchant(merchant)?.webhook_endpoint.choice.url(configured).is_some())
}

/// Refuses a merchant whose events go nowhere.
pub(super) fn check_set(tx: &mut Tx<'_>, policy: &Policy, merchant: MerchantId) -> Result<(), Error> {
    if is_set(tx, policy, merchant)? {
        Ok(())
    } else {
        Err(Refusal::NoWebhookUrl.into())
    }
}
