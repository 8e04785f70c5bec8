//! Webhook endpoints of sandbox merchants. In live mode the configuration has them.

use rusqlite::params;

use crate::domain::events::webhook_endpoint::{SandboxWebhookEndpoint, SigningSecret, WebhookUrl, WebhookUrlChoice};
use crate::domain::ids::MerchantId;
use crate::domain::mode::Mode;
use crate::store::engine::error::{Error, one_row};
use crate::store::tables::columns::{broken, row};
use crate::store::tx::{Snapshot, Tx};

row! {
    struct EndpointRow<'a>, endpoint_columns! {
        callback_url: Option<&'a str>,
        signing_secret: Option<&'a str>,
    }
}

/// Returns the endpoint with this stored URL and signing secret.
pub(crate) fn webhook_endpoint_of(url: Option<&str>, secret: Option<&str>) -> Result<SandboxWebhookEndpoint, Error> {
    let choice = match url {
        None => WebhookUrlChoice::Configured,
        Some("") => WebhookUrlChoice::Disabled,
        Some(url) => WebhookUrl::parse(url, Mode::Sandbox)
            .map(WebhookUrlChoice::Url)
            .map_err(|_| broken("a callback URL", url))?,
    };
    Ok(SandboxWebhookEndpoint {
        choice,
        secret: secret.map(SigningSecret::new),
    })
}

impl Snapshot<'_> {
    /// Returns a sandbox merchant's webhook endpoint.
    pub fn webhook_endpoint(&self, merchant: MerchantId) -> Result<SandboxWebhookEndpoint, Error> {
        let mut statement =
            self.connection
                .prepare_cached(concat!("SELECT ", endpoint_columns!(), " FROM merchant WHERE id = ?1"))?;
        let mut rows = statement.query([merchant.0])?;
        let Some(row) = rows.next()? else {
            return Err(broken("the number of a merchant", &merchant.0.to_string()));
        };
        let row = EndpointRow::read(row)?;
        webhook_endpoint_of(row.callback_url, row.signing_secret)
    }
}

impl Tx<'_> {
    /// Saves a merchant's choice of webhook URL.
    pub fn save_webhook_url(&mut self, merchant: MerchantId, choice: &WebhookUrlChoice) -> Result<(), Error> {
        let stored = match choice {
            WebhookUrlChoice::Configured => None,
            WebhookUrlChoice::Disabled => Some(""),
            WebhookUrlChoice::Url(url) => Some(url.as_str()),
        };
        let changed = self
            .connection
            .prepare_cached("UPDATE merchant SET callback_url = ?2 WHERE id = ?1")?
            .execute(params![merchant.0, stored])?;
        one_row(changed, "a merchant")?;
        self.merchant_mut(merchant)?.webhook_endpoint.choice = choice.clone();
        Ok(())
    }
}
