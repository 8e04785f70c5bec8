//! The names of the media types that the service reads and sends.

pub(crate) const JSON: &str = "application/json";
pub(crate) const CSV: &str = "text/csv";
pub(crate) const FORM: &str = "multipart/form-data";
pub(crate) const EVENT_STREAM: &str = "text/event-stream";
