//! The engine around PostgreSQL: sessions, group commit under one lock, reads on threads of
//! their own, and notices between processes. `session.rs` begins with the path of a statement.

pub(crate) mod address;
pub(crate) mod build;
mod catalog;
mod client;
pub(crate) mod copying;
mod dialect;
pub(crate) mod file_sessions;
mod gathered_changes;
pub(crate) mod group_commit;
mod group_reads;
mod migrations;
mod outcomes;
pub(crate) mod peers;
mod pooler;
pub(crate) mod preparation;
mod prepared_statements;
pub(crate) mod reconnecting_session;
mod schema;
mod session;
mod session_groups;
mod tls;
pub(crate) mod unusable;
mod value;
mod value_lists;
mod waiting_tables;

pub(crate) use client::{Client, CopyIn};
#[cfg(test)]
pub(crate) use group_reads::changes_parties;
pub(crate) use session::{GroupQuery, Rows, Session, Statement};
pub(crate) use tokio_postgres::{Column, Row};
pub(crate) use value::{value_of, without_nul};
#[cfg(test)]
pub(crate) use waiting_tables::waits;
