//! Webhook endpoints of merchants, and the secrets that sign what is sent to them.

use crate::domain::events::choice::EventChoice;
use crate::domain::events::webhook_endpoint::{SigningSecret, StoredWebhookEndpoint, WebhookUrlChoice};
use crate::domain::ids::MerchantId;
use crate::domain::time::Timestamp;
use crate::store::engine::error::Error;
use crate::store::engine::sql::params;
use crate::store::tx::{Snapshot, Tx};

impl Snapshot<'_> {
    /// Returns a merchant's webhook endpoint.
    pub fn webhook_endpoint(&self, merchant: MerchantId) -> Result<StoredWebhookEndpoint, Error> {
        Ok(self.merchant_row(merchant)?.webhook_endpoint)
    }

    /// Returns true if a merchant's endpoint is the configured one and is gone.
    pub fn has_gone_configured_endpoint(&self) -> Result<bool, Error> {
        self.connection
            .prepare("SELECT 1 FROM merchant WHERE callback_url IS NULL AND callback_gone_at IS NOT NULL LIMIT 1")?
            .exists(params![])
    }
}

impl Tx<'_> {
    /// Saves a merchant's choice of webhook URL and events. The endpoint is no longer gone. Wakes the
    /// deliverer.
    pub fn save_webhook_endpoint(
        &mut self,
        merchant: MerchantId,
        choice: &WebhookUrlChoice,
        events: Option<&EventChoice>,
    ) -> Result<(), Error> {
        let stored = match choice {
            WebhookUrlChoice::Configured => None,
            WebhookUrlChoice::Disabled => Some(""),
            WebhookUrlChoice::Url(url) => Some(url.as_str()),
        };
        self.connection
            .prepare(
                "UPDATE merchant SET callback_url = ?2, callback_events = ?3, callback_gone_at = NULL,
                     callback_version = callback_version + 1
                 WHERE id = ?1",
            )?
            .change_row(
                params![merchant.0, stored, events.map(EventChoice::as_str)],
                "a merchant",
            )?;
        self.merchant_mut(merchant)?.webhook_endpoint = self.webhook_endpoint(merchant)?;
        self.state.new_deliveries.push(merchant);
        Ok(())
    }

    /// Saves a merchant's signing secret, and the one before with the time until which it signs
    /// too.
    pub fn save_signing_secret(
        &mut self,
        merchant: MerchantId,
        secret: &SigningSecret,
        previous: Option<(&SigningSecret, Timestamp)>,
    ) -> Result<(), Error> {
        self.connection
            .prepare(
                "UPDATE merchant SET signing_secret = ?2, previous_signing_secret = ?3, previous_secret_until = ?4
                 WHERE id = ?1",
            )?
            .change_row(
                params![
                    merchant.0,
                    secret.as_str(),
                    previous.map(|(secret, _)| secret.as_str()),
                    previous.map(|(_, until)| until.millis()),
                ],
                "a merchant",
            )?;
        self.merchant_mut(merchant)?.webhook_endpoint = self.webhook_endpoint(merchant)?;
        Ok(())
    }

    /// Marks a merchant's endpoint as gone. `missed_since` is the time of the oldest event that it
    /// misses.
    pub fn save_webhook_gone(&mut self, merchant: MerchantId, missed_since: Timestamp) -> Result<(), Error> {
        self.connection
            .prepare("UPDATE merchant SET callback_gone_at = ?2 WHERE id = ?1")?
            .change_row(params![merchant.0, missed_since.millis()], "a merchant")?;
        self.merchant_mut(merchant)?.webhook_endpoint.missed_since = Some(missed_since);
        Ok(())
    }

    /// Forgets which endpoints of the configuration are gone.
    pub fn restore_configured_endpoints(&mut self) -> Result<(), Error> {
        let sql =
            "UPDATE merchant SET callback_gone_at = NULL WHERE callback_url IS NULL AND callback_gone_at IS NOT NULL";
        self.connection.prepare(sql)?.execute(params![])?;
        for row in self.loaded_merchants() {
            if row.webhook_endpoint.choice == WebhookUrlChoice::Configured {
                row.webhook_endpoint.missed_since = None;
            }
        }
        Ok(())
    }
}
