//! The reason why a database cannot be used.

use crate::store::engine::error::{Error, OpenError};
use crate::store::engine::postgres::address::Address;

/// The reason why a database cannot be used. It was left as it was.
#[derive(Debug)]
pub(crate) enum Unusable {
    /// The server's answer, or none.
    Server(Error),
    /// The database has another schema, mode or currency, or its server another setting.
    Other(String),
}

impl Unusable {
    /// Returns the error of opening the database at this address.
    pub(crate) fn into_error(self, address: &Address) -> OpenError {
        let address = address.to_string();
        match self {
            Self::Server(cause) => OpenError::Postgres { address, cause },
            Self::Other(problem) => OpenError::OtherDatabase { address, problem },
        }
    }
}

impl From<Error> for Unusable {
    fn from(error: Error) -> Self {
        Self::Server(error)
    }
}

impl From<tokio_postgres::Error> for Unusable {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Server(error.into())
    }
}
