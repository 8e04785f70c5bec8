//! The settings of the command line.

use std::net::SocketAddr;
use std::path::PathBuf;

/// Settings of the command line.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// The configuration file. Without it, `config.toml` is read if it exists.
    pub config: Option<PathBuf>,
    /// Address and port.
    pub listen: Option<SocketAddr>,
    /// The database file.
    pub database: Option<PathBuf>,
    /// Turns on `strict`.
    pub strict: bool,
    /// Turns on `ephemeral`.
    pub ephemeral: bool,
    /// Goes on without the commits of a lost write-ahead log.
    pub accept_loss: bool,
    /// Accepts a system's clock that is far ahead of the database.
    pub accept_clock: bool,
}
