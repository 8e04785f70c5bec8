//! The one shape of every reply: `{"status", "message", "data"}` (contract
//! section 1.4). A refusal adds `code` and, where there are facts to give,
//! `details`.

use std::borrow::Cow;
use std::fmt;

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, Responder, ResponseError};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::domain::idempotency::{Difference, SentReply};
use crate::domain::refusal::{Invalid, Refusal, shortened};
use crate::http::refusals::{self, WireRefusal};
use crate::{commands, store};

/// Marks a reply that was sent before.
pub(super) const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
/// Seconds after which a refused write may be tried again.
const RETRY_AFTER_SECONDS: u64 = 1;
/// Room for a reply, in bytes: an escrow with five milestones takes about 1,700.
const BODY_BYTES: usize = 2_048;

/// A reply as it is sent.
#[derive(Debug)]
pub(crate) struct Reply {
    status: StatusCode,
    body: Vec<u8>,
    is_replay: bool,
}

impl Reply {
    /// Returns a 200 with this message.
    pub(crate) fn ok(message: &'static str, data: impl Serialize) -> Self {
        Self::success(StatusCode::OK, message, data)
    }

    /// Returns a 201 with this message.
    pub(crate) fn created(message: &'static str, data: impl Serialize) -> Self {
        Self::success(StatusCode::CREATED, message, data)
    }

    fn success(status: StatusCode, message: &'static str, data: impl Serialize) -> Self {
        let envelope = Envelope {
            status: status.as_u16(),
            message,
            data,
            code: None,
            details: None,
        };
        Self {
            status,
            body: body_of(&envelope),
            is_replay: false,
        }
    }

    /// Returns the reply to the first request under an idempotency key.
    pub(crate) fn first(reply: SentReply) -> Self {
        Self {
            status: StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            body: reply.body.into_bytes(),
            is_replay: false,
        }
    }

    /// Returns the same reply to a later request under the key. A header marks it.
    pub(crate) fn replayed(reply: SentReply) -> Self {
        Self {
            is_replay: true,
            ..Self::first(reply)
        }
    }

    /// Returns whether the reply was made for this request, and for none before it.
    pub(crate) const fn is_first(&self) -> bool {
        !self.is_replay
    }

    /// Returns the reply as it is kept for later requests under its idempotency key.
    pub(crate) fn kept(self) -> SentReply {
        SentReply {
            status: self.status.as_u16(),
            body: String::from_utf8(self.body).expect("JSON is text"),
        }
    }

    /// Returns the body.
    pub(crate) fn into_body(self) -> Vec<u8> {
        self.body
    }
}

#[derive(Serialize)]
struct Envelope<'a, T> {
    status: u16,
    message: &'a str,
    data: T,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<&'a Value>,
}

/// The envelope of a request that was one too many, which carries nothing else
/// (contract section 1.4).
#[derive(Serialize)]
struct BareEnvelope<'a> {
    status: u16,
    message: &'a str,
}

/// Written into a body that has room for most replies from the start.
fn body_of(envelope: &impl Serialize) -> Vec<u8> {
    let mut body = Vec::with_capacity(BODY_BYTES);
    serde_json::to_writer(&mut body, envelope).expect("a view is made of what JSON can say");
    body
}

impl Responder for Reply {
    type Body = BoxBody;

    fn respond_to(self, _request: &HttpRequest) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        if self.is_replay {
            response.insert_header((REPLAYED, "true"));
        }
        json(response, self.body)
    }
}

/// What a command refused, as it is sent.
impl From<Refusal> for Reply {
    fn from(refusal: Refusal) -> Self {
        let error = ApiError::Refused(refusal);
        Self {
            status: error.status_code(),
            body: error.body(),
            is_replay: false,
        }
    }
}

fn json(mut response: HttpResponseBuilder, body: Vec<u8>) -> HttpResponse {
    response
        .insert_header((CONTENT_TYPE, HeaderValue::from_static("application/json")))
        .body(body)
}

/// Why a request was not done.
#[derive(Debug)]
pub(crate) enum ApiError {
    /// The domain said no.
    Refused(Refusal),
    /// The store could not.
    Store(store::Error),
    /// No key came. In sandbox mode a program on this machine needs none.
    NoToken,
    /// The key is not known here.
    UnknownKey,
    /// The request was sent to a name that is not this machine's.
    ForeignHost,
    /// The route acts for a customer, and none was named.
    CustomerHeaderMissing,
    /// The key is used from an address that its merchant does not list.
    ForeignAddress,
    /// A request with the same idempotency key is being worked on.
    IdempotencyKeyInFlight,
    /// The idempotency key came with another request before.
    IdempotencyKeyReused(Difference),
    /// The key has been used too often in this window.
    TooManyRequests { reset_seconds: u64 },
    /// The route acts for the merchant, and a customer was named.
    CustomerHeaderForbidden {
        /// Whether it is a route of the merchant's own account.
        is_of_account: bool,
    },
    /// Virtual accounts are a thing of the past.
    NoVirtualAccounts,
    /// The body is larger than it may be.
    BodyTooLarge { bytes_max: usize },
    /// A file in the body is larger than it may be.
    FileTooLarge { field: String, bytes_max: usize },
    /// More files came than one request may bring.
    TooManyFiles { files_max: usize },
    /// There is no room for more files that are being received.
    UploadsBusy,
    /// No file of that name.
    FileNotFound,
    /// The body did not come in time.
    BodyTooSlow { seconds_max: u64 },
    /// The body broke off or was not what its headers said.
    BodyUnreadable { problem: String },
    /// The body is of a type that this route does not read.
    UnsupportedMediaType { expected: &'static str },
    /// What a fault asked for, set by the merchant itself.
    Fault { status: StatusCode },
    /// No request of that id is kept that came with this key.
    RequestNotFound { requests_kept: usize },
    /// No such route.
    RouteNotFound { path: String },
    /// The route exists, for another method.
    MethodNotAllowed { allowed: String },
    /// Something of ours broke.
    Internal,
}

impl ApiError {
    /// What broke on our side, if it did; for the log, never for the caller.
    pub(crate) fn cause(&self) -> Option<&store::Error> {
        match self {
            Self::Store(error) if self.wire().status == 500 => Some(error),
            _ => None,
        }
    }

    /// What `data` holds: nothing, in one of the contract's two ways to say so
    /// (section 1.4).
    fn data(&self) -> Value {
        match self {
            Self::NoVirtualAccounts | Self::CustomerHeaderForbidden { is_of_account: true } => Value::Null,
            _ => Value::Object(Map::new()),
        }
    }

    fn body(&self) -> Vec<u8> {
        let WireRefusal {
            status,
            code,
            message,
            details,
        } = self.wire();
        if let Self::TooManyRequests { .. } = self {
            let bare = BareEnvelope {
                status,
                message: &message,
            };
            return body_of(&bare);
        }
        body_of(&Envelope {
            status,
            message: &message,
            data: self.data(),
            code: Some(code),
            details: details.as_ref(),
        })
    }

    /// After how many seconds the same request may be tried again, where that helps.
    fn retry_after_seconds(&self) -> Option<u64> {
        match self {
            Self::TooManyRequests { reset_seconds } => Some(*reset_seconds),
            Self::IdempotencyKeyInFlight => Some(RETRY_AFTER_SECONDS),
            Self::Fault { status } if *status == StatusCode::TOO_MANY_REQUESTS => Some(RETRY_AFTER_SECONDS),
            _ => (self.status_code() == StatusCode::SERVICE_UNAVAILABLE).then_some(RETRY_AFTER_SECONDS),
        }
    }

    fn wire(&self) -> WireRefusal {
        match self {
            Self::Refused(refusal) => refusals::wire(refusal),
            Self::Store(error) => store_wire(error),
            Self::NoToken => plain(401, "no_token", "No token provided"),
            Self::UnknownKey => plain(403, "unknown_key", "Unauthorized Access"),
            Self::ForeignHost => plain(
                403,
                "foreign_host",
                "This sandbox answers to localhost only; set sandbox.expose to let it answer to other names",
            ),
            Self::CustomerHeaderMissing => plain(400, "customer_id_required", "customer-id header is required"),
            Self::NoVirtualAccounts => plain(
                410,
                "no_virtual_accounts",
                "Virtual accounts are no longer supported; pay for the escrow directly, or deposit by an intent",
            ),
            Self::ForeignAddress => plain(403, "foreign_address", "Unauthorized IP address"),
            Self::IdempotencyKeyInFlight => plain(
                409,
                "idempotency_key_in_flight",
                "A request with this Idempotency-Key is being worked on; try again shortly",
            ),
            Self::IdempotencyKeyReused(difference) => plain(422, "idempotency_key_reused", reused_message(difference)),
            Self::TooManyRequests { .. } => plain(429, "too_many_requests", "Too many request"),
            Self::CustomerHeaderForbidden { .. } => plain(
                400,
                "customer_id_forbidden",
                "customer-id is not allowed in request header",
            ),
            Self::BodyTooLarge { bytes_max } => plain(
                413,
                "body_too_large",
                format!("The body must be at most {bytes_max} bytes"),
            ),
            Self::FileTooLarge { field, bytes_max } => plain(
                413,
                "file_too_large",
                format!("{field} must be a file of at most {bytes_max} bytes"),
            ),
            Self::TooManyFiles { files_max } => plain(
                400,
                "too_many_files",
                format!("A request may bring at most {files_max} files"),
            ),
            Self::UploadsBusy => plain(
                503,
                "busy",
                "Too many files are being received; nothing was changed, try again shortly",
            ),
            Self::FileNotFound => plain(404, "file_not_found", "File not found"),
            Self::BodyTooSlow { seconds_max } => plain(
                408,
                "body_too_slow",
                format!("The body must arrive within {seconds_max} seconds"),
            ),
            Self::BodyUnreadable { problem } => {
                plain(400, "body_unreadable", format!("The body cannot be read: {problem}"))
            }
            Self::UnsupportedMediaType { expected } => plain(
                415,
                "unsupported_media_type",
                format!("Send the body as {expected}, and say so in the content-type header"),
            ),
            Self::Fault { status } => plain(status.as_u16(), "fault", "Fault requested by POST /sandbox/faults"),
            Self::RequestNotFound { requests_kept } => plain(
                404,
                "request_not_found",
                format!("Request not found; the last {requests_kept} requests of all keys together are kept"),
            ),
            Self::RouteNotFound { path } => {
                plain(404, "route_not_found", format!("There is no route {}", shortened(path)))
            }
            Self::MethodNotAllowed { allowed } => {
                plain(405, "method_not_allowed", format!("This route answers {allowed} only"))
            }
            Self::Internal => plain(500, "internal", "Something went wrong on our side"),
        }
    }
}

fn reused_message(difference: &Difference) -> String {
    let first = match difference {
        Difference::Route(route) => format!("for {}", shortened(route)),
        Difference::Customer => "for another customer-id".to_owned(),
        Difference::Body => "with another body".to_owned(),
    };
    format!("This Idempotency-Key was first used {first}; a new request needs a new key")
}

/// Without details.
fn plain(status: u16, code: &'static str, message: impl Into<Cow<'static, str>>) -> WireRefusal {
    WireRefusal {
        status,
        code,
        message: message.into(),
        details: None,
    }
}

fn store_wire(error: &store::Error) -> WireRefusal {
    let (status, code, message) = match error {
        store::Error::QueueFull => (
            503,
            "busy",
            "Too many writes are waiting; nothing was changed, try again shortly",
        ),
        store::Error::FileBusy => (
            503,
            "busy",
            "Another program is writing to the database; nothing was changed, try again shortly",
        ),
        store::Error::NoReader(_) => (503, "busy", "Too many reads are waiting; try again shortly"),
        store::Error::StorageFull => (
            503,
            "storage_full",
            "There is no room left to store anything; nothing was changed",
        ),
        store::Error::Abandoned => (
            503,
            "storage_failing",
            "The storage could not take this; nothing was changed, try again shortly",
        ),
        store::Error::Stopped => (
            503,
            "stopping",
            "The service is stopping; nothing was changed, try again shortly",
        ),
        store::Error::OutcomeUnknown(_) | store::Error::NotOnDisk(_) => (
            500,
            "outcome_unknown",
            "The disk failed; whether this took effect shows after a restart",
        ),
        store::Error::Panicked | store::Error::Sqlite(_) | store::Error::Corrupt(_) | store::Error::Files(_) => {
            (500, "internal", "Something went wrong on our side; nothing was changed")
        }
    };
    WireRefusal {
        status,
        code,
        message: message.into(),
        details: None,
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.wire().message)
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.wire().status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        let status = self.status_code();
        let mut response = HttpResponse::build(status);
        if let Some(seconds) = self.retry_after_seconds() {
            response.insert_header((RETRY_AFTER, seconds.to_string()));
        }
        if let Self::MethodNotAllowed { allowed } = self {
            response.insert_header((ALLOW, allowed.as_str()));
        }
        json(response, self.body())
    }
}

impl From<commands::Error> for ApiError {
    fn from(error: commands::Error) -> Self {
        match error {
            commands::Error::Refused(refusal) => Self::Refused(refusal),
            commands::Error::Store(error) => Self::Store(error),
        }
    }
}

impl From<store::Error> for ApiError {
    fn from(error: store::Error) -> Self {
        Self::Store(error)
    }
}

impl From<Invalid> for ApiError {
    fn from(invalid: Invalid) -> Self {
        Self::Refused(invalid.into())
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

#[cfg(test)]
mod tests {
    use actix_web::body::MessageBody;

    use super::*;

    fn body(error: &ApiError) -> String {
        let bytes = error.error_response().into_body().try_into_bytes().unwrap();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[test]
    fn some_refusals_carry_their_data_in_a_way_of_their_own() {
        let exceeded = ApiError::TooManyRequests { reset_seconds: 41 };
        assert_eq!(body(&exceeded), r#"{"status":429,"message":"Too many request"}"#);
        let forbidden = |is_of_account| body(&ApiError::CustomerHeaderForbidden { is_of_account });
        let message = "customer-id is not allowed in request header";
        let with = |data: &str| {
            format!(r#"{{"status":400,"message":"{message}","data":{data},"code":"customer_id_forbidden"}}"#)
        };
        assert_eq!(forbidden(true), with("null"));
        assert_eq!(forbidden(false), with("{}"));
    }
}
