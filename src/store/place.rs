//! The place of a database.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::store::engine::postgres::address::{Address, AddressError};

/// The place of a database: a file, or a PostgreSQL server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A SQLite database file.
    File(PathBuf),
    /// A PostgreSQL database.
    Postgres(Address),
}

impl Place {
    /// Returns the path of a file.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Postgres(_) => None,
        }
    }
}

impl From<PathBuf> for Place {
    fn from(path: PathBuf) -> Self {
        Self::File(path)
    }
}

impl FromStr for Place {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if Address::is_url(text) {
            text.parse().map(Self::Postgres)
        } else {
            Ok(Self::File(PathBuf::from(text)))
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Postgres(address) => address.fmt(f),
        }
    }
}
