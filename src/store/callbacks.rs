//! Where merchants want to be told of events.

use rusqlite::{Row, params};

use super::columns::{broken, optional_text_at};
use super::error::{Error, one_row};
use super::snapshot::{Snapshot, Tx};
use crate::domain::callback::{CallbackChoice, CallbackUrl, SigningSecret};
use crate::domain::ids::MerchantId;
use crate::domain::mode::Mode;

/// How a sandbox merchant wants to be told of events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallbackSetting {
    /// Where.
    pub choice: CallbackChoice,
    /// What signs them; nothing of a merchant of the configuration.
    pub secret: Option<SigningSecret>,
}

impl Snapshot<'_> {
    /// How a sandbox merchant wants to be told of events.
    pub fn callback_setting(&self, merchant: MerchantId) -> Result<CallbackSetting, Error> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT callback_url, signing_secret FROM merchant WHERE id = ?1")?;
        let mut rows = statement.query([merchant.0])?;
        let Some(row) = rows.next()? else {
            return Err(broken("the number of a merchant", &merchant.0.to_string()));
        };
        Ok(CallbackSetting {
            choice: choice_at(row, 0)?,
            secret: optional_text_at(row, 1)?.map(SigningSecret::new),
        })
    }
}

impl Tx<'_> {
    /// A merchant has said where its events go.
    pub fn save_callback(&mut self, merchant: MerchantId, choice: &CallbackChoice) -> Result<(), Error> {
        let stored = match choice {
            CallbackChoice::Configured => None,
            CallbackChoice::Nowhere => Some(""),
            CallbackChoice::At(url) => Some(url.as_str()),
        };
        let changed = self
            .connection
            .prepare_cached("UPDATE merchant SET callback_url = ?2 WHERE id = ?1")?
            .execute(params![merchant.0, stored])?;
        one_row(changed, "a merchant")
    }
}

fn choice_at(row: &Row<'_>, column: usize) -> Result<CallbackChoice, Error> {
    match optional_text_at(row, column)? {
        None => Ok(CallbackChoice::Configured),
        Some("") => Ok(CallbackChoice::Nowhere),
        Some(url) => CallbackUrl::parse(url, Mode::Sandbox)
            .map(CallbackChoice::At)
            .map_err(|_| broken("a callback URL", url)),
    }
}
