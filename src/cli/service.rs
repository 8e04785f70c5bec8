//! The options and the connection of the subcommands with which an operator calls a running
//! service.

use std::env;

use anyhow::bail;
use serde_json::Value;
use url::{Host, Url};

use crate::cli::client::ServiceClient;
use crate::cli::output::{print_done, say};
use crate::cli::settings::service_url;
use crate::domain::web_address::is_private;

/// The environment variable with the URL of the service.
const URL_VARIABLE: &str = "ESCROWD_URL";

/// The status of a path that the service does not have.
const NOT_FOUND: u16 = 404;

/// Returns the help of an option that [`url_or_default`] reads.
pub(super) fn url_help() -> String {
    format!("The URL of the service [env: {URL_VARIABLE}] [default: the address that the configuration listens on]")
}

/// Returns the URL of the command line or, without it, of the environment or the configuration.
///
/// # Errors
///
/// Fails if the configuration is needed and cannot be read.
pub(super) fn url_or_default(typed: Option<String>) -> anyhow::Result<String> {
    let url = typed.or_else(|| env::var(URL_VARIABLE).ok());
    url.map_or_else(|| service_url(None), Ok)
}

/// The options that name the service and the operator.
#[derive(Debug, clap::Args)]
pub(super) struct ServiceArguments {
    // The parser does not read the variable, so that it is known whether the command line names a
    // service. The health check of a container sets the variable for all commands.
    #[arg(
        long,
        global = true,
        help = url_help()
    )]
    url: Option<String>,
    /// The operator's key; better in the environment, since every user sees command lines
    #[arg(long, global = true, env = "ESCROWD_KEY", hide_env_values = true)]
    key: Option<String>,
    /// Print the reply as JSON
    #[arg(long, global = true)]
    pub(super) json: bool,
}

impl ServiceArguments {
    /// Returns true if the command line has the URL of a service, or if the key of an operator is given.
    pub(super) fn is_named(&self) -> bool {
        self.url.is_some() || self.key.as_ref().is_some_and(|key| !key.is_empty())
    }

    /// Returns a client of the service.
    ///
    /// # Errors
    ///
    /// Fails if the URL is not one, or if no key is given.
    pub(super) fn connect(&self) -> anyhow::Result<ServiceClient> {
        let url = url_or_default(self.url.clone())?;
        if let Some(key) = self.key.clone().filter(|key| !key.is_empty()) {
            let client = ServiceClient::new(&url, Some(key))?;
            warn_of_clear_text(&url);
            return Ok(client);
        }
        // Live mode has no clock to show. A key of a sandbox is no operator's.
        let clock = ServiceClient::new(&url, None)?.send("GET", "/sandbox/clock", None, None);
        if clock.is_ok_and(|reply| reply.status != NOT_FOUND) {
            bail!(
                "the service at {url} is a sandbox, which has no operators and no merchants to keep: each key is a merchant"
            );
        }
        bail!(
            "the key of an operator is missing: set ESCROWD_KEY; `escrowd operator create NAME --role admin` without \
             --url makes the first one while the service is stopped"
        )
    }

    /// Prints a reply as JSON if that is asked for, or else by `print`.
    pub(super) fn show(&self, data: &Value, print: impl FnOnce(&Value)) {
        if self.json {
            say!("{data}");
        } else {
            print(data);
        }
    }

    /// Prints what a command has done, as [`Self::show`] does. If the output takes no more, `done` is
    /// part of the command's error.
    pub(super) fn show_done(&self, data: &Value, done: impl FnOnce() -> String, print: impl FnOnce(&Value)) {
        print_done(done, || self.show(data, print));
    }
}

/// Warns if the key goes over plain HTTP to a host that may be outside the private network. A name
/// without a dot is one of that network, such as a service's among containers.
fn warn_of_clear_text(url: &str) {
    let Ok(url) = Url::parse(url) else { return };
    let is_near = match url.host() {
        Some(Host::Domain(name)) => !name.trim_end_matches('.').contains('.'),
        Some(Host::Ipv4(address)) => is_private(address.into()),
        Some(Host::Ipv6(address)) => is_private(address.into()),
        None => true,
    };
    if url.scheme() == "http" && !is_near {
        let host = url.host_str().unwrap_or_default();
        anstream::eprintln!(
            "escrowd: warning: the key goes to {host} unencrypted, and everyone on the way can read it; use https://"
        );
    }
}

/// Prints a secret that is shown once.
pub(super) fn print_secret(what: &str, secret: &Value) {
    if let Some(secret) = secret.as_str() {
        say!("{what} is shown once and never again:\n\n    {secret}\n");
    }
}

/// Returns a text of a reply, or a dash where it is null or absent.
pub(super) fn or_dash(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Returns the rows of every page of a list.
pub(super) fn all_pages(client: &ServiceClient, path: &str) -> anyhow::Result<Vec<Value>> {
    const ROWS_PER_PAGE: usize = 100;
    let mut rows = Vec::new();
    for page in 1.. {
        let path = format!("{path}?limit={ROWS_PER_PAGE}&page={page}");
        let mut reply = client.ask_as_operator("GET", &path, None, None, "/data")?;
        let Some(found) = reply["data"].as_array_mut() else {
            bail!("the reply to GET {path} has no list");
        };
        let is_last = found.len() < ROWS_PER_PAGE;
        rows.append(found);
        if is_last {
            break;
        }
    }
    Ok(rows)
}
