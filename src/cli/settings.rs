//! The options and the environment variables that are settings of the service.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::config::{Accepted, Flags};

/// The options that name the configuration file or override it.
#[derive(Debug, clap::Args)]
pub(super) struct SettingsArguments {
    /// Configuration file [default: config.toml, if there is one]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Address and port to listen on; port 0 picks a free port
    #[arg(long, value_name = "ADDR", value_parser = address)]
    listen: Option<SocketAddr>,
    /// Database file
    #[arg(long, value_name = "FILE")]
    database: Option<PathBuf>,
    /// Keep the database in a temporary folder, and remove it when the service stops
    #[arg(long)]
    ephemeral: bool,
    /// Behave exactly as the hosted API where the default is more lenient
    #[arg(long)]
    strict: bool,
}

fn address(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse()
        .map_err(|_| "it must be an address and a port, such as 127.0.0.1:8080")
}

impl SettingsArguments {
    /// Returns the flags of the configuration.
    pub(super) fn flags(self, accepted: Accepted) -> Flags {
        let Self {
            config,
            listen,
            database,
            ephemeral,
            strict,
        } = self;
        Flags {
            config,
            listen,
            database,
            strict,
            ephemeral,
            snapshot: None,
            accepted,
        }
    }
}

/// Returns the environment, for the configuration.
pub(super) fn variables() -> impl Iterator<Item = (String, Result<String, String>)> {
    std::env::vars_os().map(|(name, text)| {
        let lossy = |text: OsString| text.to_string_lossy().into_owned();
        (lossy(name), text.into_string().map_err(lossy))
    })
}
