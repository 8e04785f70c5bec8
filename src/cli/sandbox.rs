//! The options and the connection of the subcommands that call a running sandbox.

use anyhow::{Context, bail};
use serde_json::Value;

use crate::cli::client::ServiceClient;
use crate::cli::settings::service_url;
use crate::domain::money::Amount;

/// The options that name the sandbox and the merchant.
#[derive(Debug, clap::Args)]
pub(super) struct SandboxArguments {
    /// The URL of the sandbox [default: the address that the configuration listens on]
    #[arg(long, global = true, env = "ESCROWD_URL", hide_env_values = true)]
    url: Option<String>,
    /// The merchant's key; a sandbox on the same machine needs none for its default merchant
    #[arg(long, global = true, env = "ESCROWD_KEY", hide_env_values = true)]
    key: Option<String>,
}

impl SandboxArguments {
    /// Returns the options with this key.
    pub(super) fn with_key(self, key: String) -> Self {
        Self { key: Some(key), ..self }
    }

    /// Connects to the sandbox and returns a client of it.
    ///
    /// # Errors
    ///
    /// Fails if no server replies, if the server is not a sandbox, or if it refuses the
    /// key.
    pub(super) fn connect(self) -> anyhow::Result<ServiceClient> {
        let Self { url, key } = self;
        let url = url.map_or_else(|| service_url(None), Ok)?;
        let client = ServiceClient::new(&url, key)?;
        let reply = client.send("GET", "/sandbox/clock", None, None).with_context(|| {
            format!("no escrowd answers at {url}; start one with `escrowd`, or give its URL with --url")
        })?;
        match reply.status {
            200 => Ok(client),
            404 => bail!("the server at {url} is not a sandbox; live mode has no movable clock and no event inbox"),
            status => bail!("the sandbox at {url} returned {status}: {}", reply.refusal()),
        }
    }
}

/// Returns the string at a JSON pointer of a reply.
pub(super) fn text(value: &Value, pointer: &str) -> anyhow::Result<String> {
    let found = value.pointer(pointer).and_then(Value::as_str);
    found
        .map(str::to_owned)
        .with_context(|| format!("the reply has no {pointer}"))
}

/// Returns the sum of these fields of a reply, each an amount in major units.
pub(super) fn sum_of(reply: &Value, fields: &[&str]) -> anyhow::Result<Amount> {
    let amounts = fields.iter().map(|&field| {
        let amount = Amount::parse_major(&reply[field].to_string()).ok();
        amount.with_context(|| format!("the reply has no amount {field}"))
    });
    let amounts: Vec<Amount> = amounts.collect::<anyhow::Result<_>>()?;
    Amount::total(amounts).context("the amounts of the reply add up to too much")
}
