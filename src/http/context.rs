//! The request context: the facts about one HTTP request that the handlers, the
//! idempotency keys, the log lines and the request log share.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use actix_web::dev::{RequestHead, ServiceRequest};
use actix_web::http::header::{CONTENT_LENGTH, HOST, HeaderMap, HeaderName, TRANSFER_ENCODING};
use actix_web::http::{ConnectionType, Method, Uri, Version};
use actix_web::{HttpMessage, HttpRequest};

use crate::domain::idempotency::{IdempotencyKey, Principal, RequestFingerprint};
use crate::domain::ids::{MerchantId, OperatorId};
use crate::domain::invalid::{Invalid, Parsed};
use crate::domain::unset::is_unset_variable;
use crate::entropy;
use crate::http::canonical_json;
use crate::http::client_address::{ClientAddress, TrustedProxies};
use crate::http::connections::{Connection, Phase};
use crate::http::error::ApiError;
use crate::http::parts_hash::PartsHash;
use crate::store::WriteSummary;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Marks a request that a page makes of the service's own routes.
#[derive(Clone, Copy, Debug)]
pub(super) struct ByPage {
    /// The bytes of the memory for uploads that the page's own request holds meanwhile.
    pub(super) upload_bytes: usize,
}

/// Marks a request that a checkout session makes: it acts for this merchant, and carries no key.
/// Only [`CheckoutDoor`](crate::http::checkout::CheckoutDoor) sends such requests.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OnBehalf {
    /// The merchant.
    pub(in crate::http) merchant: MerchantId,
    /// The hash by which the requests are counted, logged and hit by faults: in a sandbox that
    /// of the merchant's key.
    pub(in crate::http) key_hash: [u8; 32],
}

/// The part that made a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Maker {
    /// A client of the API.
    Client,
    /// A page of the service, on behalf of a person.
    Page,
    /// A checkout session, by a page too.
    Checkout,
}

impl Maker {
    fn of(request: &ServiceRequest) -> Self {
        let marks = request.extensions();
        if marks.contains::<OnBehalf>() {
            Self::Checkout
        } else if marks.contains::<ByPage>() {
            Self::Page
        } else {
            Self::Client
        }
    }
}

/// The facts about one request. The middleware creates the context and puts it into the
/// request's extensions. The facts in a `OnceLock` become known later and are set once.
#[derive(Debug)]
pub(crate) struct RequestContext {
    /// The request id, which the log line and the reply's `X-Request-Id` header carry.
    pub(crate) id: String,
    pub(crate) method: Method,
    uri: Uri,
    /// The sender. `None` if the connection has no address.
    pub(crate) client: Option<ClientAddress>,
    /// SHA-256 of the API key, once the key is known to be valid. It identifies a sandbox
    /// caller over resets, since a reset gives the key another merchant.
    pub(crate) key_hash: OnceLock<[u8; 32]>,
    /// The merchant of the key, or the one that an operator acts for.
    pub(crate) merchant: OnceLock<MerchantId>,
    /// The operator who sent the request.
    pub(crate) operator: OnceLock<OperatorId>,
    /// The `Idempotency-Key` header, if the request has it.
    pub(crate) idempotency_key: Parsed<Option<IdempotencyKey>>,
    /// The text of the `customer-id` header, if the request has one valid value of it.
    pub(crate) customer: OnceLock<String>,
    /// The body, once the server has read all of it.
    pub(crate) body: OnceLock<ReceivedBody>,
    /// The text of the `Host` header, if the request has one value of it. The client chooses
    /// it, so it may be malformed.
    pub(crate) host: Option<String>,
    /// The part that made the request.
    pub(crate) maker: Maker,
    /// The connection that the request came by.
    pub(crate) connection: Option<Arc<Connection>>,
    /// True if the request came after the last one of its connection. The stream drops such
    /// requests. If one reaches the server all the same, it has no effect.
    pub(crate) is_late: bool,
    /// True if the request has the `close` option, or is of HTTP/1.0 and does not ask for more.
    pub(crate) asks_to_close: bool,
    /// True if a reply of unknown length can be sent in chunks, which HTTP/1.0 does not have.
    pub(crate) takes_chunks: bool,
    /// True while a part of the body may not have arrived.
    has_unread_body: AtomicBool,
    /// The bytes of the memory for uploads that the request has taken, with those of the page that
    /// made it.
    upload_bytes: AtomicUsize,
    /// The write summaries of the request's committed commands.
    write_summaries: Mutex<Vec<WriteSummary>>,
}

/// A body as the client sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ReceivedBody {
    /// The text of a JSON body.
    Json(Arc<str>),
    /// A CSV file, without its bytes.
    Csv(ReceivedFileSummary),
    /// A form, without the bytes of its files.
    Form {
        /// Names and texts, in the order of the body.
        fields: Vec<(String, String)>,
        /// The files, in the order of the body.
        files: Vec<ReceivedFileSummary>,
    },
}

/// A description of a file, without its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReceivedFileSummary {
    /// The form field that holds the file. Empty if the file is the whole body.
    pub(crate) field: String,
    /// The file's length in bytes.
    pub(crate) bytes: usize,
    /// SHA-256 of the file's bytes, if the request has an idempotency key.
    pub(crate) hash: Option<[u8; 32]>,
}

impl ReceivedBody {
    /// Returns the body as text for the request log. A form is a line for each field, and
    /// a line with the length of each file.
    pub(super) fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Json(text) => Cow::Borrowed(text),
            Self::Csv(file) => format!("a CSV file of {} bytes\n", file.bytes).into(),
            Self::Form { fields, files } => {
                let fields = fields.iter().map(|(name, text)| format!("{name}: {text}\n"));
                let file = |file: &ReceivedFileSummary| format!("{}: a file of {} bytes\n", file.field, file.bytes);
                fields.chain(files.iter().map(file)).collect()
            }
        }
    }
}

impl RequestContext {
    /// Creates the context of a new request, with a new request id.
    pub(super) fn new(request: &ServiceRequest, proxies: &TrustedProxies) -> Self {
        let head = request.head();
        let headers = &head.headers;
        let has_length = headers
            .get(CONTENT_LENGTH)
            .is_some_and(|length| length.as_bytes() != b"0");
        let by_page = request.extensions().get::<ByPage>().copied();
        let connection = request.conn_data::<Arc<Connection>>().cloned();
        Self {
            id: entropy::request_id(),
            method: head.method.clone(),
            uri: head.uri.clone(),
            client: head
                .peer_addr
                .map(|peer| ClientAddress::of(peer.ip(), headers, proxies)),
            idempotency_key: read_idempotency_key(head),
            key_hash: OnceLock::new(),
            merchant: OnceLock::new(),
            operator: OnceLock::new(),
            customer: OnceLock::new(),
            body: OnceLock::new(),
            host: single_host(headers).map(str::to_owned),
            maker: Maker::of(request),
            is_late: connection.as_ref().is_some_and(|connection| connection.is_ended()),
            asks_to_close: match head.connection_type() {
                ConnectionType::Close => true,
                ConnectionType::Upgrade => head.version < Version::HTTP_11,
                ConnectionType::KeepAlive => false,
            },
            takes_chunks: head.version >= Version::HTTP_11,
            connection,
            has_unread_body: AtomicBool::new(has_length || headers.contains_key(TRANSFER_ENCODING)),
            upload_bytes: AtomicUsize::new(by_page.map_or(0, |page| page.upload_bytes)),
            write_summaries: Mutex::default(),
        }
    }

    /// Returns the address of the client.
    pub(super) fn address(&self) -> Option<IpAddr> {
        self.client.map(|client| client.address)
    }

    /// Begins a phase of the connection.
    pub(super) fn enter(&self, phase: Phase) {
        if let Some(connection) = &self.connection {
            connection.enter(phase);
        }
    }

    /// Returns true if the body is malformed, as far as it has come.
    pub(super) fn has_malformed_body(&self) -> bool {
        let connection = self.connection.as_ref();
        connection.is_some_and(|connection| connection.has_malformed_body())
    }

    /// Makes this the last request of its connection.
    pub(super) fn end_connection(&self) {
        if let Some(connection) = &self.connection {
            connection.end_with_this_request();
        }
    }

    /// Marks the body as read to its end.
    pub(super) fn body_is_read(&self) {
        self.has_unread_body.store(false, Ordering::Relaxed);
        self.enter(Phase::Handler);
    }

    /// Begins the wait for the next request, or for the rest of a body that no route read.
    pub(super) fn end(&self) {
        let is_unread = self.has_unread_body.load(Ordering::Relaxed);
        self.enter(if is_unread { Phase::UnreadBody } else { Phase::Idle });
    }

    /// Adds bytes of the memory for uploads to those that the request has taken, and returns the sum.
    pub(super) fn add_upload_bytes(&self, bytes: usize) -> usize {
        self.upload_bytes
            .fetch_add(bytes, Ordering::Relaxed)
            .saturating_add(bytes)
    }

    /// Returns the bytes of the memory for uploads that the request has taken.
    pub(super) fn upload_bytes(&self) -> usize {
        self.upload_bytes.load(Ordering::Relaxed)
    }

    /// Returns the context from the request's extensions.
    pub(super) fn of(request: &HttpRequest) -> Result<Arc<Self>, ApiError> {
        request.extensions().get().cloned().ok_or(ApiError::Internal)
    }

    /// Adds the write summary of a committed command. An empty one is left out.
    pub(super) fn add_write_summary(&self, summary: WriteSummary) {
        if summary != WriteSummary::default() {
            self.write_summaries
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(summary);
        }
    }

    /// Returns the write summaries of the request's commands, in the order of the commits.
    pub(super) fn write_summaries(&self) -> Vec<WriteSummary> {
        self.write_summaries
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Returns true if the server must hash the request's files, because the fingerprint
    /// of an idempotency key includes the hashes.
    pub(super) const fn compares_files(&self) -> bool {
        matches!(self.idempotency_key, Ok(Some(_)))
    }

    /// Returns the fingerprint of this request under an idempotency key.
    pub(super) fn fingerprint(&self, principal: Principal) -> RequestFingerprint {
        RequestFingerprint {
            route: format!("{} {}", self.method, self.path_and_query()),
            principal,
            body_hash: hash_of(self.body.get()),
        }
    }

    /// Returns the path without the query.
    pub(crate) fn path(&self) -> &str {
        self.uri.path()
    }

    /// Returns the path with the query.
    pub(crate) fn path_and_query(&self) -> &str {
        self.uri.path_and_query().map_or("", |whole| whole.as_str())
    }
}

/// Returns the text of the `Host` header, if there is one value of it.
pub(super) fn single_host(headers: &HeaderMap) -> Option<&str> {
    let mut hosts = headers.get_all(&HOST);
    let host = hosts.next().filter(|_| hosts.next().is_none())?;
    host.to_str().ok()
}

/// Parses the `Idempotency-Key` header, if the request has it.
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
    key.map(Some).ok_or_else(|| {
        if text.is_empty() {
            return Invalid::wrong(HEADER, IdempotencyKey::EXPECTED, "an empty text");
        }
        let expected = if is_unset_variable(&text) {
            "a key for this request alone; the client's variable for it has no value"
        } else {
            IdempotencyKey::EXPECTED
        };
        Invalid::wrong(HEADER, expected, &text)
    })
}

/// Returns the SHA-256 of what the service understands of a body. The hash of JSON does not
/// depend on its spelling. The hash of a form does not depend on the boundary, nor
/// on the position of files between text fields, because both may change when a client
/// sends the form again.
fn hash_of(body: Option<&ReceivedBody>) -> [u8; 32] {
    let mut parts = PartsHash::default();
    match body {
        None => {}
        Some(ReceivedBody::Json(text)) => {
            parts.add(b"json");
            parts.add(&canonical_json::hash(text));
        }
        Some(ReceivedBody::Csv(file)) => {
            parts.add(b"csv");
            parts.add(file.hash.as_ref().map_or(&[][..], |hash| &hash[..]));
        }
        Some(ReceivedBody::Form { fields, files }) => {
            parts.add(b"form");
            for (name, text) in fields {
                parts.add(b"field");
                parts.add(name.as_bytes());
                parts.add(text.as_bytes());
            }
            for ReceivedFileSummary { field, hash, .. } in files {
                parts.add(b"file");
                parts.add(field.as_bytes());
                parts.add(hash.as_ref().map_or(&[][..], |hash| &hash[..]));
            }
        }
    }
    parts.finish()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn form(fields: &[(&str, &str)], files: &[(&str, u8)]) -> [u8; 32] {
        let field = |&(name, text): &(&str, &str)| (name.to_owned(), text.to_owned());
        let file = |&(field, byte): &(&str, u8)| ReceivedFileSummary {
            field: field.to_owned(),
            bytes: 1,
            hash: Some([byte; 32]),
        };
        hash_of(Some(&ReceivedBody::Form {
            fields: fields.iter().map(field).collect(),
            files: files.iter().map(file).collect(),
        }))
    }

    fn csv(byte: u8) -> [u8; 32] {
        hash_of(Some(&ReceivedBody::Csv(ReceivedFileSummary {
            field: String::new(),
            bytes: 1,
            hash: Some([byte; 32]),
        })))
    }

    #[test]
    fn bodies_that_differ_anywhere_have_different_hashes() {
        let hashes = [
            hash_of(None),
            hash_of(Some(&ReceivedBody::Json("{}".into()))),
            hash_of(Some(&ReceivedBody::Json("[]".into()))),
            form(&[], &[]),
            form(&[("a", "bc")], &[]),
            form(&[("ab", "c")], &[]),
            form(&[("a", "b"), ("c", "d")], &[]),
            form(&[("c", "d"), ("a", "b")], &[]),
            form(&[("a", "b")], &[("c", 1)]),
            form(&[("a", "b")], &[("c", 2)]),
            form(&[("a", "b")], &[("d", 1)]),
            csv(1),
            csv(2),
        ];
        let different: HashSet<_> = hashes.iter().collect();
        assert_eq!(different.len(), hashes.len());
        assert_eq!(form(&[("a", "b")], &[("c", 1)]), hashes[8]);
    }
}
