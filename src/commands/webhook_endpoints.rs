//! Commands on a merchant's webhook endpoint.

use crate::commands::operators::OperatorActor;
use crate::commands::{Error, Policy, deliveries};
use crate::domain::events::choice::EventChoice;
use crate::domain::events::delivery::Dispatch;
use crate::domain::events::webhook_endpoint::{
    EndpointOff, SigningSecret, StoredWebhookEndpoint, WebhookUrl, WebhookUrlChoice,
};
use crate::domain::ids::MerchantId;
use crate::domain::invalid::Parsed;
use crate::domain::merchant::key::overlap_seconds;
use crate::domain::refusal::Refusal;
use crate::domain::time::Timestamp;
use crate::domain::treasury::act::ActKind;
use crate::store::{self, Tx};

/// A merchant's setting of its webhook endpoint.
#[derive(Clone, Debug)]
pub struct WebhookEndpointSetting {
    /// `None` disables the endpoint.
    pub url: Option<WebhookUrl>,
    /// The events that it gets. `None` for all of the contract, without `milestone.released`.
    pub events: Option<EventChoice>,
}

/// A webhook endpoint after it was set.
#[derive(Clone, Debug)]
pub struct EndpointSet {
    pub endpoint: StoredWebhookEndpoint,
    /// The time from which events were not sent, if the endpoint was gone until now.
    pub missed_since: Option<Timestamp>,
}

/// Sets a merchant's webhook endpoint, which may have answered 410 before. Pending
/// deliveries go to the new URL too, also those of events that are no longer chosen. Those that
/// are due later become due now, since the pause was for the endpoint before: here at most as
/// many as one command changes, and [`deliveries::hasten_some`] does the rest.
/// Disabling the endpoint deletes pending deliveries, at most as many as one command
/// deletes. The deliverer deletes the rest, which [`discard_left`] must have done before a new URL
/// is set.
pub fn set(
    tx: &mut Tx<'_>,
    merchant: MerchantId,
    setting: Parsed<WebhookEndpointSetting>,
) -> Result<EndpointSet, Error> {
    let WebhookEndpointSetting { url, events } = setting?;
    let missed_since = tx.webhook_endpoint(merchant)?.missed_since;
    let choice = url.map_or(WebhookUrlChoice::Disabled, WebhookUrlChoice::Url);
    tx.save_webhook_endpoint(merchant, &choice, events.as_ref())?;
    if choice == WebhookUrlChoice::Disabled {
        deliveries::discard_some(tx, merchant)?;
    } else {
        deliveries::hasten_some(tx, merchant)?;
    }
    let endpoint = tx.webhook_endpoint(merchant)?;
    Ok(EndpointSet { endpoint, missed_since })
}

/// Deletes pending deliveries that are left of an endpoint that was disabled or is gone, at most
/// as many as one command deletes. Returns true if there may be more. While the endpoint is off none
/// are added.
pub fn discard_left(tx: &mut Tx<'_>, merchant: MerchantId) -> Result<bool, store::Error> {
    let endpoint = tx.webhook_endpoint(merchant)?;
    let is_off = endpoint.choice == WebhookUrlChoice::Disabled || endpoint.is_gone();
    if is_off {
        deliveries::discard_some(tx, merchant)
    } else {
        Ok(false)
    }
}

/// Sets a live merchant's webhook endpoint as [`set`] does. The first one gets `secret`, and the
/// result has it.
///
/// # Errors
///
/// Names the first field that is not valid.
pub fn set_as_operator(
    tx: &mut Tx<'_>,
    actor: &OperatorActor,
    setting: Parsed<WebhookEndpointSetting>,
    secret: SigningSecret,
) -> Result<(EndpointSet, Option<SigningSecret>), Error> {
    let mut set = set(tx, actor.merchant, setting)?;
    let is_first = set.endpoint.secret.is_none() && matches!(set.endpoint.choice, WebhookUrlChoice::Url(_));
    let first_secret = is_first.then_some(secret);
    if let Some(secret) = &first_secret {
        tx.save_signing_secret(actor.merchant, secret, None)?;
        set.endpoint = tx.webhook_endpoint(actor.merchant)?;
    }
    record(tx, actor, ActKind::WebhookEndpointSet)?;
    Ok((set, first_secret))
}

/// Replaces the secret that signs a live merchant's events. Both sign until the overlap ends;
/// without an overlap the old one signs no more. A second rotation within an overlap keeps the
/// secret that signed before the first, which receivers have for certain.
///
/// # Errors
///
/// Names the field of an invalid overlap, and refuses a merchant that has never set an
/// endpoint.
pub fn rotate_secret(
    tx: &mut Tx<'_>,
    actor: &OperatorActor,
    overlap_hours: Parsed<u32>,
    next: &SigningSecret,
) -> Result<StoredWebhookEndpoint, Error> {
    let overlap_hours = overlap_hours?;
    let now = tx.ledger_time();
    let secrets = tx.webhook_endpoint(actor.merchant)?.signing_secrets(now);
    let secrets = secrets.ok_or(Refusal::NoWebhookUrl)?;
    let old = secrets.previous.unwrap_or(secrets.current);
    let until = now.seconds_later(overlap_seconds(overlap_hours));
    let previous = (overlap_hours > 0).then_some((&old, until));
    tx.save_signing_secret(actor.merchant, next, previous)?;
    record(tx, actor, ActKind::SigningSecretRotated)?;
    Ok(tx.webhook_endpoint(actor.merchant)?)
}

fn record(tx: &mut Tx<'_>, actor: &OperatorActor, kind: ActKind) -> Result<(), store::Error> {
    actor.record(tx, kind, actor.merchant.0.to_string(), None)
}

/// Returns the decision on a new event with this name.
pub(super) fn dispatch(
    tx: &mut Tx<'_>,
    policy: &Policy,
    merchant: MerchantId,
    name: &str,
) -> Result<Dispatch, store::Error> {
    let configured = policy.webhook_url_default.as_ref();
    Ok(tx.merchant(merchant)?.webhook_endpoint.dispatch(configured, name))
}

/// Refuses a merchant without a webhook endpoint, and one whose endpoint is gone.
pub(super) fn check_set(tx: &mut Tx<'_>, policy: &Policy, merchant: MerchantId) -> Result<(), Error> {
    let configured = policy.webhook_url_default.as_ref();
    match tx.merchant(merchant)?.webhook_endpoint.active(configured) {
        Ok(_) => Ok(()),
        Err(EndpointOff::NotSet) => Err(Refusal::NoWebhookUrl.into()),
        Err(EndpointOff::Gone) => Err(Refusal::WebhookEndpointGone.into()),
    }
}
