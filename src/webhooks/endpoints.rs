//! The webhook endpoint of each merchant.

use crate::domain::events::webhook_endpoint::{StoredWebhookEndpoint, WebhookEndpoint, WebhookUrl};
use crate::domain::mode::Mode;
use crate::domain::time::Timestamp;

/// The operator's decisions about webhook endpoints. Each merchant's own is stored.
#[derive(Clone, Debug)]
pub struct Endpoints {
    /// Decides which addresses may be reached.
    pub mode: Mode,
    /// The URL for sandbox merchants that have not set one.
    pub url_default: Option<WebhookUrl>,
}

impl Endpoints {
    /// Returns true if events are sent to a merchant with this endpoint.
    pub(super) fn is_set(&self, stored: &StoredWebhookEndpoint) -> bool {
        stored.active_url(self.url_default.as_ref()).is_some() && stored.secret.is_some()
    }

    /// Returns true if the pending deliveries of a merchant without an endpoint wait for one. A
    /// live merchant that has never set any comes from a file of version 1, whose endpoints were
    /// in the configuration.
    pub(super) fn keeps_pending(&self, stored: &StoredWebhookEndpoint) -> bool {
        self.mode == Mode::Live && stored.version == 0
    }

    /// Returns the webhook endpoint of a merchant, which signs with the secrets of this time, or
    /// `None` if its events are not sent.
    pub(super) fn endpoint_of(&self, stored: &StoredWebhookEndpoint, now: Timestamp) -> Option<WebhookEndpoint> {
        Some(WebhookEndpoint {
            url: stored.active_url(self.url_default.as_ref())?.clone(),
            secrets: stored.signing_secrets(now)?,
            version: stored.version,
        })
    }
}
