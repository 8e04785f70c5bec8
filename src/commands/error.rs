//! The errors of commands.

use crate::domain::invalid::Invalid;
use crate::domain::refusal::Refusal;
use crate::store::{self, CommandError};

/// The reason why a command changed nothing.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The request broke a rule of the domain.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl CommandError for Error {
    fn of_store(&self) -> Option<&store::Error> {
        match self {
            Self::Refused(_) => None,
            Self::Store(error) => Some(error),
        }
    }
}

impl From<Invalid> for Error {
    fn from(invalid: Invalid) -> Self {
        Self::Refused(Refusal::Invalid(invalid))
    }
}
