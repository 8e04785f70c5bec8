//! The engine around PostgreSQL: sessions, group commit under one lock, reads on threads of
//! their own, and what several processes tell each other.

pub(crate) mod address;
pub(crate) mod copying;
mod dialect;
pub(crate) mod group_commit;
pub(crate) mod link;
pub(crate) mod peers;
pub(crate) mod schema;
mod session;
mod value;

pub(crate) use postgres::{Column, Row};
pub(crate) use session::{Rows, Session, Statement};
pub(crate) use value::value_of;
