//! The engines: what they share is here, and what belongs to one of them in its folder. They
//! know no escrow.

pub(crate) mod background_thread;
pub(crate) mod command;
pub(crate) mod delivery_wakeups;
pub(crate) mod ephemeral;
pub(crate) mod error;
pub(crate) mod health;
pub(crate) mod inbox;
pub(crate) mod ledger_clock;
pub(crate) mod long_reads;
pub(crate) mod packing;
pub(crate) mod postgres;
pub(crate) mod sql;
pub(crate) mod sqlite;
pub(crate) mod value;
pub(crate) mod writer;
pub(crate) mod writer_meter;
