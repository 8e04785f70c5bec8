//! The settings of the command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use toml::Value;

use super::Config;
use crate::store::Place;

/// Settings of the command line.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// The configuration file. Without it, `config.toml` is read if it exists.
    pub config: Option<PathBuf>,
    /// Address and port.
    pub listen: Option<SocketAddr>,
    /// The database.
    pub database: Option<Place>,
    /// Turns on `strict`.
    pub strict: bool,
    /// Turns on `ephemeral`.
    pub ephemeral: bool,
    /// The saved state with which an ephemeral sandbox begins.
    pub snapshot: Option<PathBuf>,
    /// The problems of the database to accept.
    pub accepted: Accepted,
}

impl Flags {
    /// Applies the settings of the flags, which override all others.
    pub(super) fn apply_to(&self, config: &mut Config) {
        if let Some(listen) = self.listen {
            config.listen = listen;
        }
        if let Some(database) = &self.database {
            config.database.clone_from(database);
        }
        config.strict |= self.strict;
        config.ephemeral |= self.ephemeral;
        config.snapshot.clone_from(&self.snapshot);
        config.accepted = self.accepted;
    }

    /// Returns the option, the key and the value of each setting that the flags set.
    pub(super) fn values(&self) -> impl Iterator<Item = (&'static str, &'static str, Value)> {
        let listen = self.listen.map(|listen| Value::from(listen.to_string()));
        let database = self.database.as_ref().map(|place| Value::String(place.to_string()));
        let turned_on = |is_on: bool| is_on.then_some(Value::Boolean(true));
        [
            ("--listen", "listen", listen),
            ("--database", "database", database),
            ("--strict", "strict", turned_on(self.strict)),
            ("--ephemeral", "ephemeral", turned_on(self.ephemeral)),
        ]
        .into_iter()
        .filter_map(|(flag, key, value)| Some((flag, key, value?)))
    }
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
