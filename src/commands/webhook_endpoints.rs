//! Commands on a merchant's webhook endpoint.

use crate::commands::{Error, Policy, deliveries};
use crate::domain::events::choice::EventChoice;
use crate::domain::events::delivery::Dispatch;
use crate::domain::events::webhook_endpoint::{StoredWebhookEndpoint, WebhookUrl, WebhookUrlChoice};
use crate::domain::ids::MerchantId;
use crate::domain::invalid::Parsed;
use crate::domain::refusal::Refusal;
use crate::store::{self, Tx};

/// A sandbox merchant's setting of its webhook endpoint.
#[derive(Clone, Debug)]
pub struct WebhookEndpointSetting {
    /// `None` disables the endpoint.
    pub url: Option<WebhookUrl>,
    /// The events that it gets. `None` for all.
    pub events: Option<EventChoice>,
}

/// Sets a merchant's webhook endpoint, which may have answered 410 before. Pending
/// deliveries go to the new URL too, also those of events that are no longer chosen.
/// Disabling the endpoint deletes pending deliveries, at most as many as one command
/// deletes. The deliverer deletes the rest.
pub fn set(
    tx: &mut Tx<'_>,
    merchant: MerchantId,
    setting: Parsed<WebhookEndpointSetting>,
) -> Result<StoredWebhookEndpoint, Error> {
    let WebhookEndpointSetting { url, events } = setting?;
    let choice = url.map_or(WebhookUrlChoice::Disabled, WebhookUrlChoice::Url);
    tx.save_webhook_endpoint(merchant, &choice, events.as_ref())?;
    if choice == WebhookUrlChoice::Disabled {
        deliveries::discard_some(tx, merchant)?;
    }
    Ok(tx.webhook_endpoint(merchant)?)
}

/// Sends events again to endpoints of the configuration that have answered 410. A start of
/// the service sets them anew.
pub fn restore_configured(tx: &mut Tx<'_>) -> Result<(), store::Error> {
    tx.restore_configured_endpoints()
}

/// Returns the decision on a new event with this name.
pub(super) fn dispatch(
    tx: &mut Tx<'_>,
    policy: &Policy,
    merchant: MerchantId,
    name: &str,
) -> Result<Dispatch, store::Error> {
    let configured = &policy.merchant(merchant).webhook_endpoint;
    Ok(tx.merchant(merchant)?.webhook_endpoint.dispatch(configured, name))
}

/// Refuses a merchant without a webhook endpoint, and one whose endpoint is gone.
pub(super) fn check_set(tx: &mut Tx<'_>, policy: &Policy, merchant: MerchantId) -> Result<(), Error> {
    let configured = policy.merchant(merchant).webhook_endpoint.url.as_ref();
    let endpoint = &tx.merchant(merchant)?.webhook_endpoint;
    if endpoint.choice.url(configured).is_none() {
        Err(Refusal::NoWebhookUrl.into())
    } else if endpoint.gone_at.is_some() {
        Err(Refusal::WebhookEndpointGone.into())
    } else {
        Ok(())
    }
}
