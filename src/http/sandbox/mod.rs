//! What the sandbox keeps in memory: faults and the request log. State alone; the
//! handlers are in `routes`.

pub(crate) mod fault_book;
pub(crate) mod request_log;
pub(crate) mod route_pattern;
