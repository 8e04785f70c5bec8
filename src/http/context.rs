//! One request on its way through the service: what is known of it before, beside
//! and after the command it asks for.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use actix_web::dev::RequestHead;
use actix_web::http::header::HeaderName;
use actix_web::http::{Method, Uri};
use actix_web::{HttpMessage, HttpRequest};
use sha2::{Digest, Sha256};

use crate::domain::idempotency::{IdempotencyKey, RequestFingerprint};
use crate::domain::ids::CustomerId;
use crate::domain::refusal::{Invalid, Parsed};
use crate::entropy;
use crate::http::error::ApiError;
use crate::store::WriteSummary;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// One request. Made when it comes, found among its extensions from then on, and
/// carried along by who acts. What is read later is set once.
#[derive(Debug)]
pub(crate) struct RequestContext {
    /// Its name, in the log and in the reply.
    pub(crate) id: String,
    /// Its method.
    pub(crate) method: Method,
    uri: Uri,
    /// SHA-256 of its key, once that was found good. A sandbox merchant that starts over keeps
    /// its key.
    pub(crate) key_hash: OnceLock<[u8; 32]>,
    /// The idempotency key that came with it, if any.
    pub(crate) idempotency_key: Parsed<Option<IdempotencyKey>>,
    /// The `customer-id` header as it came, if there was one that could be read.
    pub(crate) customer: OnceLock<String>,
    /// Its body, once that was read whole.
    pub(crate) body: OnceLock<SentBody>,
    /// What its commands left behind, each added once it was committed.
    write_summaries: Mutex<Vec<WriteSummary>>,
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

impl SentBody {
    /// The body for people: a form as a line for each of its fields, and of a file its
    /// length.
    pub(super) fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Json(text) => Cow::Borrowed(text),
            Self::Form { fields, files } => {
                let fields = fields.iter().map(|(name, text)| format!("{name}: {text}\n"));
                let file = |file: &SentFileSummary| format!("{}: a file of {} bytes\n", file.field, file.bytes);
                fields.chain(files.iter().map(file)).collect()
            }
        }
    }
}

impl RequestContext {
    /// A request that has just come.
    pub(super) fn new(head: &RequestHead) -> Self {
        Self {
            id: entropy::request_id(),
            method: head.method.clone(),
            uri: head.uri.clone(),
            idempotency_key: read_idempotency_key(head),
            key_hash: OnceLock::new(),
            customer: OnceLock::new(),
            body: OnceLock::new(),
            write_summaries: Mutex::default(),
        }
    }

    /// The call that this request is.
    pub(super) fn of(request: &HttpRequest) -> Result<Arc<Self>, ApiError> {
        request.extensions().get().cloned().ok_or(ApiError::Internal)
    }

    /// Adds what a command of its left behind. It must have been committed.
    pub(super) fn add_write_summary(&self, summary: WriteSummary) {
        if summary != WriteSummary::default() {
            self.write_summaries
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(summary);
        }
    }

    /// What its commands left behind, in their order.
    pub(super) fn write_summaries(&self) -> Vec<WriteSummary> {
        self.write_summaries
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Whether files that come with it are told from others by their hash.
    pub(super) const fn compares_files(&self) -> bool {
        matches!(self.idempotency_key, Ok(Some(_)))
    }

    /// Returns the fingerprint of this request under an idempotency key.
    pub(super) fn fingerprint(&self, customer: Option<&CustomerId>) -> RequestFingerprint {
        RequestFingerprint {
            route: format!("{} {}", self.method, self.path_and_query()),
            customer: customer.cloned(),
            body_hash: hash_of(self.body.get()),
        }
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

/// The key of the `Idempotency-Key` header, if the request has that header and is one
/// that changes something.
fn read_idempotency_key(head: &RequestHead) -> Parsed<Option<IdempotencyKey>> {
    const HEADER: &str = "Idempotency-Key";
    let mut values = head.headers.get_all(&IDEMPOTENCY_KEY);
    let Some(first) = values.next() else {
        return Ok(None);
    };
    if values.any(|other| other != first) {
        return Err(Invalid::wrong(HEADER, "sent once", "several different ones"));
    }
    let text = String::from_utf8_lossy(first.as_bytes());
    let key = IdempotencyKey::parse(&text);
    key.map(Some)
        .ok_or_else(|| Invalid::wrong(HEADER, IdempotencyKey::EXPECTED, &text))
}

/// A form's boundary, and where its files lie between its texts, make no difference: a
/// client that tries again writes them anew.
fn hash_of(body: Option<&SentBody>) -> [u8; 32] {
    let mut hash = Sha256::new();
    let mut add = |bytes: &[u8]| {
        hash.update(bytes.len().to_be_bytes());
        hash.update(bytes);
    };
    match body {
        None => {}
        Some(SentBody::Json(text)) => {
            add(b"json");
            add(text.as_bytes());
        }
        Some(SentBody::Form { fields, files }) => {
            add(b"form");
            for (name, text) in fields {
                add(b"field");
                add(name.as_bytes());
                add(text.as_bytes());
            }
            for SentFileSummary { field, hash, .. } in files {
                add(b"file");
                add(field.as_bytes());
                add(hash.as_ref().map_or(&[][..], |hash| &hash[..]));
            }
        }
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn form(fields: &[(&str, &str)], files: &[(&str, u8)]) -> [u8; 32] {
        let field = |&(name, text): &(&str, &str)| (name.to_owned(), text.to_owned());
        let file = |&(field, byte): &(&str, u8)| SentFileSummary {
            field: field.to_owned(),
            bytes: 1,
            hash: Some([byte; 32]),
        };
        hash_of(Some(&SentBody::Form {
            fields: fields.iter().map(field).collect(),
            files: files.iter().map(file).collect(),
        }))
    }

    #[test]
    fn bodies_that_differ_anywhere_have_different_hashes() {
        let hashes = [
            hash_of(None),
            hash_of(Some(&SentBody::Json("{}".into()))),
            hash_of(Some(&SentBody::Json("{ }".into()))),
            form(&[], &[]),
            form(&[("a", "bc")], &[]),
            form(&[("ab", "c")], &[]),
            form(&[("a", "b"), ("c", "d")], &[]),
            form(&[("c", "d"), ("a", "b")], &[]),
            form(&[("a", "b")], &[("c", 1)]),
            form(&[("a", "b")], &[("c", 2)]),
            form(&[("a", "b")], &[("d", 1)]),
        ];
        let different: HashSet<_> = hashes.iter().collect();
        assert_eq!(different.len(), hashes.len());
        assert_eq!(form(&[("a", "b")], &[("c", 1)]), hashes[8]);
    }
}
