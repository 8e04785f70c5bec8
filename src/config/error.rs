//! Errors of the configuration. Each names the setting to change.

use std::io;
use std::path::PathBuf;

/// Why there is no valid configuration.
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
    /// A line of the file is wrong.
    #[error("invalid configuration in {path}:\n{problem}")]
    Line {
        /// The configuration file.
        path: PathBuf,
        /// The line, and what is wrong with it.
        problem: String,
    },
    /// An environment variable is wrong.
    #[error("invalid environment variable {name}: {problem}")]
    Variable {
        /// Its name.
        name: String,
        /// What is wrong with its value.
        problem: String,
    },
    /// Settings that are valid by themselves contradict each other.
    #[error("{0}")]
    Combination(String),
}
