//! `escrowd health`: asks a running service if it can serve. A container's health check needs
//! no shell and no other program for it.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::ensure;

use crate::cli::client::ServiceClient;
use crate::cli::output::say;
use crate::cli::service::{url_help, url_or_default};
use crate::cli::settings::service_url;

#[derive(Debug, clap::Args)]
pub(super) struct HealthArguments {
    // The parser does not read the variable, so that a file on the command line outranks it. The
    // image of a container sets the variable for all commands.
    #[arg(
        long,
        conflicts_with = "config",
        help = url_help()
    )]
    url: Option<String>,
    /// Configuration file, whose address outranks the variable of --url [default: config.toml, if
    /// there is one]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// The most time for the reply. A container's health check runs every few seconds.
const REPLY_TIMEOUT: Duration = Duration::from_secs(5);

/// Prints one line. The exit code is 0 if the service can serve; anything else is an error.
pub(super) fn run(arguments: HealthArguments) -> anyhow::Result<ExitCode> {
    let url = match arguments.config {
        Some(config) => service_url(Some(config))?,
        None => url_or_default(arguments.url)?,
    };
    let service = ServiceClient::with_timeout(&url, None, REPLY_TIMEOUT)?;
    let reply = service.send("GET", "/readyz", None, None)?;
    ensure!(
        reply.status == 200,
        "the service at {url} cannot serve: {} {}",
        reply.status,
        reply.message
    );
    say!("the service at {url} can serve");
    Ok(ExitCode::SUCCESS)
}
