//! State that a sandbox keeps in memory: the fault book and the request log. It stands
//! below the handlers in `routes` and the middleware, and imports neither.

pub(crate) mod fault_book;
pub(crate) mod request_log;
pub(crate) mod route_pattern;
