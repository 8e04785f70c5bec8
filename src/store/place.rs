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

/// The reason why a text names no database.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// The text is empty.
    #[error("an empty text names no database; name a file")]
    Empty,
    /// No file has a null character in its name.
    #[error("a null character is in no name of a database; leave it out")]
    NullCharacter,
    /// The text is a URL that PostgreSQL does not understand.
    #[error(transparent)]
    Address(#[from] AddressError),
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
    type Err = PlaceError;

    fn from_str(text: &str) -> Result<Self, PlaceError> {
        if Address::is_url(text) {
            Ok(Self::Postgres(text.parse()?))
        } else if text.is_empty() {
            Err(PlaceError::Empty)
        } else if text.contains('\0') {
            Err(PlaceError::NullCharacter)
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
