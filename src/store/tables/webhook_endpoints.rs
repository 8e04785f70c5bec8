//! Where merchants want to be told of events.

use rusqlite::{Row, params};

use crate::domain::events::webhook_endpoint::{SigningSecret, WebhookEndpoint, WebhookUrl, WebhookUrlChoice};
use crate::domain::ids::MerchantId;
use crate::domain::mode::Mode;
use crate::store::engine::error::{Error, one_row};
use crate::store::tables::columns::{broken, optional_text_at};
use crate::store::tx::{Snapshot, Tx};

impl Snapshot<'_> {
    /// How a sandbox merchant wants to be told of events.
    pub fn webhook_endpoint(&self, merchant: MerchantId) -> Result<WebhookEndpoint, Error> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT callback_url, signing_secret FROM merchant WHERE id = ?1")?;
        let mut rows = statement.query([merchant.0])?;
        let Some(row) = rows.next()? else {
            return Err(broken("the number of a merchant", &merchant.0.to_string()));
        };
        webhook_endpoint_at(row, 0)
    }
}

/// Reads the URL in this column and the signing secret in the next.
pub(crate) fn webhook_endpoint_at(row: &Row<'_>, column: usize) -> Result<WebhookEndpoint, Error> {
    Ok(WebhookEndpoint {
        choice: choice_at(row, column)?,
        secret: optional_text_at(row, column + 1)?.map(SigningSecret::new),
    })
}

impl Tx<'_> {
    /// A merchant has said where its events go.
    pub fn save_webhook_url(&mut self, merchant: MerchantId, choice: &WebhookUrlChoice) -> Result<(), Error> {
        let stored = match choice {
            WebhookUrlChoice::Configured => None,
            WebhookUrlChoice::Nowhere => Some(""),
            WebhookUrlChoice::At(url) => Some(url.as_str()),
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

fn choice_at(row: &Row<'_>, column: usize) -> Result<WebhookUrlChoice, Error> {
    match optional_text_at(row, column)? {
        None => Ok(WebhookUrlChoice::Configured),
        Some("") => Ok(WebhookUrlChoice::Nowhere),
        Some(url) => WebhookUrl::parse(url, Mode::Sandbox)
            .map(WebhookUrlChoice::At)
            .map_err(|_| broken("a callback URL", url)),
    }
}
