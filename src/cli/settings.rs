//! The options and the environment variables that are settings of the service.

use std::ffi::{OsStr, OsString};
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::builder::TypedValueParser;
use clap::error::ErrorKind;
use clap::{Arg, Command};

use crate::config::{Accepted, Config, Flags};
use crate::domain::web_address::reachable_from_here;
use crate::store::Place;

/// The options that name the configuration file or override it.
#[derive(Debug, clap::Args)]
pub(super) struct SettingsArguments {
    /// Configuration file [default: config.toml, if there is one]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Address and port to listen on; port 0 picks a free port
    #[arg(long, value_name = "ADDR", value_parser = address)]
    listen: Option<SocketAddr>,
    /// Database file, or the URL of a PostgreSQL database (postgres://...)
    #[arg(long, value_name = "FILE", value_parser = PlaceParser)]
    database: Option<Place>,
    /// Keep the database in a temporary folder, and remove it when the service stops
    #[arg(long)]
    ephemeral: bool,
    /// Behave exactly as the hosted API where the default is more lenient
    #[arg(long)]
    strict: bool,
}

/// Parses the place of a database. Its error does not repeat the value, as those of other parsers
/// do: a URL may have a password.
#[derive(Clone, Copy, Debug)]
pub(super) struct PlaceParser;

impl TypedValueParser for PlaceParser {
    type Value = Place;

    fn parse_ref(&self, command: &Command, argument: Option<&Arg>, value: &OsStr) -> Result<Place, clap::Error> {
        let Some(text) = value.to_str() else {
            return Ok(Place::File(value.into()));
        };
        text.parse().map_err(|error| {
            let name = argument.map(Arg::to_string).unwrap_or_default();
            clap::Error::raw(ErrorKind::ValueValidation, format!("{name}: {error}\n")).with_cmd(command)
        })
    }
}

/// Parses the path of a database file. It refuses the URL of a PostgreSQL database without repeating
/// it.
#[derive(Clone, Copy, Debug)]
pub(super) struct FileParser;

impl TypedValueParser for FileParser {
    type Value = PathBuf;

    fn parse_ref(&self, command: &Command, argument: Option<&Arg>, value: &OsStr) -> Result<PathBuf, clap::Error> {
        match PlaceParser.parse_ref(command, argument, value)? {
            Place::File(path) => Ok(path),
            Place::Postgres(address) => {
                let name = argument.map(Arg::to_string).unwrap_or_default();
                let problem = format!(
                    "{name}: it must be a file, and {address} is a PostgreSQL database; back that up by PostgreSQL's own means \
                     (docs/scaling.md)\n"
                );
                Err(clap::Error::raw(ErrorKind::ValueValidation, problem).with_cmd(command))
            }
        }
    }
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

/// Returns the URL of the address that a service with this configuration listens on.
///
/// # Errors
///
/// Fails if the configuration is wrong, or if it leaves the port to the service.
pub(super) fn service_url(config: Option<PathBuf>) -> anyhow::Result<String> {
    let flags = Flags {
        config,
        ..Flags::default()
    };
    let config = Config::load(&flags, variables());
    let listen = config
        .context("the address of the service is that of the configuration; name its URL with --url")?
        .listen;
    if listen.port() == 0 {
        bail!("listen is {listen}, and the service then picks a port; name its URL with --url");
    }
    Ok(format!("http://{}", reachable_from_here(listen)))
}

/// Returns the environment, for the configuration.
pub(super) fn variables() -> impl Iterator<Item = (String, Result<String, String>)> {
    std::env::vars_os().map(|(name, text)| {
        let lossy = |text: OsString| text.to_string_lossy().into_owned();
        (lossy(name), text.into_string().map_err(lossy))
    })
}
