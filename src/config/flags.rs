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
    /// The problems of the database to accept.
    pub accepted: Accepted,
}

/// The problems of a database that the operator accepts for one start. Only flags set them:
/// a setting would accept every later loss and every later wrong clock too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accepted {
    /// Goes on without the commits of a lost write-ahead log.
    pub loss: bool,
    /// Accepts a system's clock that is far ahead of the database.
    pub clock: bool,
}
