//! One request on its way through the service: what is known of it before, beside
//! and after the command it asks for.

use std::sync::{Arc, OnceLock};

use actix_web::http::{Method, Uri};
use actix_web::{HttpMessage, HttpRequest};

use super::envelope::ApiError;
use crate::entropy;

/// One request. Made when it comes, found among its extensions from then on, and
/// carried along by who acts. What is read later is set once.
#[derive(Debug)]
pub(crate) struct Call {
    /// Its name, in the log and in the reply.
    pub(crate) id: String,
    /// Its method.
    pub(crate) method: Method,
    uri: Uri,
    /// SHA-256 of its key, once that was read. A sandbox merchant that starts over keeps
    /// its key.
    pub(crate) key_hash: OnceLock<[u8; 32]>,
    /// The `customer-id` header as it came, if there was one that could be read.
    pub(crate) customer: OnceLock<String>,
    /// Its body, once that was read whole.
    pub(crate) body: OnceLock<SentBody>,
}

/// A body as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SentBody {
    /// The text of a JSON body.
    Json(Arc<str>),
    /// A form, without the bytes of its files.
    Form {
        /// Names and texts, in their order.
        fields: Vec<(String, String)>,
        /// The files, in their order.
        files: Vec<SentFileSummary>,
    },
}

/// What there is to say of a file without keeping it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SentFileSummary {
    /// The form field it came in.
    pub(crate) field: String,
    /// Its length.
    pub(crate) bytes: usize,
    /// SHA-256 of what is in it, where somebody will compare it.
    pub(crate) hash: Option<[u8; 32]>,
}

impl Call {
    /// A request that has just come.
    pub(super) fn new(method: Method, uri: Uri) -> Self {
        Self {
            id: entropy::request_id(),
            method,
            uri,
            key_hash: OnceLock::new(),
            customer: OnceLock::new(),
            body: OnceLock::new(),
        }
    }

    /// The call that this request is.
    pub(super) fn of(request: &HttpRequest) -> Result<Arc<Self>, ApiError> {
        request.extensions().get().cloned().ok_or(ApiError::Internal)
    }

    /// Its path, without the query.
    pub(crate) fn path(&self) -> &str {
        self.uri.path()
    }

    /// Its path with the query, if it has one.
    pub(crate) fn path_and_query(&self) -> &str {
        self.uri.path_and_query().map_or("", |whole| whole.as_str())
    }
}
