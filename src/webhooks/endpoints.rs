//! The webhook endpoint of each merchant.

use std::collections::HashMap;

use crate::domain::events::webhook_endpoint::{StoredWebhookEndpoint, WebhookEndpoint, WebhookUrl};
use crate::domain::ids::MerchantId;
use crate::domain::mode::Mode;

/// The source of merchants' webhook endpoints.
#[derive(Clone, Debug)]
pub enum Endpoints {
    /// Each sandbox merchant sets its own.
    Sandbox {
        /// The URL for merchants that have not set one.
        url_default: Option<WebhookUrl>,
    },
    /// The configuration lists the endpoints of live merchants.
    Live(HashMap<MerchantId, WebhookEndpoint>),
}

impl Endpoints {
    /// Returns the mode of the service. It decides which addresses may be reached.
    pub(super) const fn mode(&self) -> Mode {
        match self {
            Self::Sandbox { .. } => Mode::Sandbox,
            Self::Live(_) => Mode::Live,
        }
    }

    /// Returns the webhook endpoint of a merchant, or `None` if its events are not sent.
    /// `stored` has the merchant's own setting, which applies in a sandbox only, and tells if
    /// the endpoint is gone.
    pub(super) fn endpoint_of(&self, merchant: MerchantId, stored: &StoredWebhookEndpoint) -> Option<WebhookEndpoint> {
        match self {
            Self::Sandbox { url_default } => Some(WebhookEndpoint {
                url: stored.active_url(url_default.as_ref())?.clone(),
                secret: stored.secret.clone()?,
                version: stored.version,
            }),
            Self::Live(endpoints) => endpoints.get(&merchant).filter(|_| stored.gone_at.is_none()).cloned(),
        }
    }
}
