//! The engines: the code that both use is here, and the code of one of them in its folder.
//!
//! They know no rule of an escrow, and `tables` has its queries. They know merchants, between whom
//! they divide long reads and whose deliveries they announce, and the number of the newest
//! transfer, which is part of the mark. The engine of PostgreSQL also names tables of the business:
//! those of which changes wait for the end of a group (`waiting_tables`), and those of which rows
//! are read before the commands of a group run (`group_reads`).

pub(crate) mod command;
pub(crate) mod delivery_wakeups;
pub(crate) mod ephemeral;
pub(crate) mod error;
pub(crate) mod file_content;
pub(crate) mod files;
pub(crate) mod health;
pub(crate) mod inbox;
pub(crate) mod ledger_clock;
pub(crate) mod packing;
pub(crate) mod postgres;
pub(crate) mod read_threads;
pub(crate) mod reader;
pub(crate) mod schema;
pub(crate) mod sql;
pub(crate) mod sqlite;
pub(crate) mod value;
pub(crate) mod writer;
pub(crate) mod writer_meter;

/// The version of `schema.sql`.
pub(crate) const SCHEMA_VERSION: u32 = 2;
