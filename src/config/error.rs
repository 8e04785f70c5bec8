//! Errors of the configuration. Each names the setting to change.

use std::io;
use std::path::PathBuf;

/// An error in the configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{path} cannot be read: {cause}")]
    File {
        /// The configuration file.
        path: PathBuf,
        /// The error of the operating system.
        cause: io::Error,
    },
    /// A line of the file is invalid.
    #[error("invalid configuration in {path}:\n{problem}")]
    Line {
        /// The configuration file.
        path: PathBuf,
        /// The line and its error.
        problem: String,
    },
    /// An environment variable is invalid.
    #[error("invalid environment variable {name}: {problem}")]
    Variable {
        /// The name of the variable.
        name: String,
        /// The error in its value.
        problem: String,
    },
    /// Settings that are valid by themselves contradict each other.
    #[error("{0}")]
    Combination(String),
}
