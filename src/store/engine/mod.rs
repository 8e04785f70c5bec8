//! The engine around SQLite: one writer with group commit, a pool of readers,
//! checkpoints, blobs, the database file and its lock. It knows no escrow.

pub(crate) mod backup;
pub(crate) mod blobs;
pub(crate) mod checkpoints;
pub(crate) mod checksum;
pub(crate) mod command;
pub(crate) mod connection;
pub(crate) mod deadline;
pub(crate) mod delivery_wakeups;
pub(crate) mod ephemeral;
pub(crate) mod error;
pub(crate) mod file;
pub(crate) mod health;
pub(crate) mod inbox;
pub(crate) mod inspection;
pub(crate) mod ledger_clock;
pub(crate) mod lock;
pub(crate) mod log_file;
pub(crate) mod long_reads;
pub(crate) mod mark;
pub(crate) mod migrations;
pub(crate) mod packing;
pub(crate) mod readers;
pub(crate) mod schema;
pub(crate) mod sql;
pub(crate) mod vacuum;
pub(crate) mod watch;
pub(crate) mod writer;
pub(crate) mod writer_meter;
