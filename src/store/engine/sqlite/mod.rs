//! The engine around SQLite: the database file with its lock and its log, one writing
//! connection, connections for reading, checkpoints, and blobs beside the file.

pub(crate) mod backup;
pub(crate) mod blob_content;
pub(crate) mod blobs;
pub(crate) mod checkpoints;
pub(crate) mod checksum;
pub(crate) mod connection;
pub(crate) mod deadline;
pub(crate) mod disk_failures;
pub(crate) mod file;
pub(crate) mod format;
pub(crate) mod group_commit;
pub(crate) mod inspection;
pub(crate) mod lock;
pub(crate) mod log_file;
pub(crate) mod log_sync;
pub(crate) mod mark;
pub(crate) mod migrations;
#[cfg(test)]
pub(crate) mod plans;
pub(crate) mod readers;
pub(crate) mod schema;
mod upkeep;
pub(crate) mod vacuum;
pub(crate) mod watch;
