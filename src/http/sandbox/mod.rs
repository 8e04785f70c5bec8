//! State that a sandbox keeps in memory: the fault book and the request log. The handlers
//! in `routes` and the middleware import this folder, and it imports neither.

pub(crate) mod fault_book;
pub(crate) mod request_log;
pub(crate) mod route_pattern;
