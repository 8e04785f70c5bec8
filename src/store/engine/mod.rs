//! The engine around SQLite: one writer with group commit, a pool of readers,
//! checkpoints, the file and its lock. It knows no escrow.

pub(crate) mod blobs;
pub(crate) mod checkpoints;
pub(crate) mod connection;
pub(crate) mod ephemeral;
pub(crate) mod error;
pub(crate) mod file;
pub(crate) mod instance;
pub(crate) mod lock;
pub(crate) mod new_deliveries;
pub(crate) mod readers;
pub(crate) mod writer;
