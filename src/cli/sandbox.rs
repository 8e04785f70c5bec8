//! A running sandbox, for the subcommands that speak to one.

use anyhow::{Context, bail};
use serde_json::Value;

use crate::cli::client::SandboxClient;

/// Which sandbox, and as which merchant.
#[derive(Debug, clap::Args)]
pub(super) struct SandboxArguments {
    /// Where the sandbox listens
    #[arg(long, global = true, env = "ESCROWD_URL", default_value = "http://127.0.0.1:8080")]
    url: String,
    /// The merchant's key; without one the default merchant's, on this machine
    #[arg(long, global = true, env = "ESCROWD_KEY", hide_env_values = true)]
    key: Option<String>,
}

impl SandboxArguments {
    /// A client of the sandbox, which has answered. An error says when there is none,
    /// when it is not a sandbox, and when it does not take the key.
    pub(super) fn connect(self) -> anyhow::Result<SandboxClient> {
        let Self { url, key } = self;
        if !url.starts_with("http://") && !url.starts_with("https://") {
            bail!("--url must start with http:// or https://; got {url:?}");
        }
        let client = SandboxClient::new(&url, key)?;
        let reply = client.send("GET", "/sandbox/clock", None, None).with_context(|| {
            format!("no escrowd answers at {url}; start one with `escrowd`, or say with --url where it is")
        })?;
        match reply.status {
            200 => Ok(client),
            404 => bail!("what answers at {url} is no sandbox; in live mode there is no clock to move and no inbox"),
            status => bail!("the sandbox at {url} answered {status} {}", reply.message),
        }
    }
}

/// A text in a reply.
pub(super) fn text(value: &Value, pointer: &str) -> anyhow::Result<String> {
    let found = value.pointer(pointer).and_then(Value::as_str);
    found
        .map(str::to_owned)
        .with_context(|| format!("the reply has no {pointer}"))
}
