//! The envelope of every reply: `{"status", "message", "data"}` (contract section
//! 1.4). An error adds `code`, and some errors add `details`.

use std::marker::PhantomData;

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE, HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::{HttpRequest, HttpResponse, Responder};
use schemars::JsonSchema;
use serde::Serialize;

use crate::domain::idempotency::StoredReply;
use crate::http::details::Details;
use crate::http::media_type::JSON;

/// The header of a reply that repeats the first reply under an idempotency key.
pub(super) const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
/// The capacity of a new body, in bytes. An escrow with five milestones takes about
/// 1,700 bytes.
const BODY_BYTES: usize = 2_048;
/// The length from which a body does not keep the memory that it was rendered in.
const LARGE_BODY_BYTES: usize = 65_536;

/// A rendered reply: a status and a body.
#[derive(Debug)]
pub(crate) struct Rendered {
    status: StatusCode,
    body: Vec<u8>,
    is_replay: bool,
}

/// A rendered reply of a route whose success has this status and a `T` as its data. The API
/// document describes the route by this type. The reply to a later request under an
/// idempotency key can be a refusal that is kept for it.
#[derive(Debug)]
pub(crate) struct Reply<T, const STATUS: u16 = 200> {
    rendered: Rendered,
    data: PhantomData<fn() -> T>,
}

/// The reply of a route that creates something.
pub(crate) type CreatedReply<T> = Reply<T, 201>;

/// A rendered reply of a route whose success is a CSV file.
#[derive(Debug)]
pub(crate) struct CsvReply {
    rendered: Rendered,
    name: &'static str,
}

/// Data without fields, for a reply that has nothing more than its message.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct NoData {}

impl<T: Serialize> Reply<T> {
    /// Returns a 200 with this message.
    pub(crate) fn ok(message: &'static str, data: T) -> Self {
        Self::success(message, data)
    }
}

impl<T: Serialize> CreatedReply<T> {
    /// Returns a 201 with this message.
    pub(crate) fn created(message: &'static str, data: T) -> Self {
        Self::success(message, data)
    }
}

impl<T: Serialize, const STATUS: u16> Reply<T, STATUS> {
    /// Returns a success with this message, with the status of the type.
    pub(crate) fn success(message: &'static str, data: T) -> Self {
        Self::of(Rendered::new(&Envelope {
            status: STATUS,
            message,
            data: Some(data),
            code: None,
            details: None,
        }))
    }
}

impl<T, const STATUS: u16> From<Reply<T, STATUS>> for Rendered {
    fn from(reply: Reply<T, STATUS>) -> Self {
        reply.rendered
    }
}

impl<T, const STATUS: u16> Reply<T, STATUS> {
    /// Returns the reply of this route that was rendered before.
    pub(crate) const fn of(rendered: Rendered) -> Self {
        Self {
            rendered,
            data: PhantomData,
        }
    }

    /// Returns true if this request produced the reply, and false if the reply repeats
    /// the one to an earlier request.
    pub(crate) const fn is_first(&self) -> bool {
        !self.rendered.is_replay
    }

    pub(crate) fn into_body(self) -> Vec<u8> {
        self.rendered.body
    }
}

impl CsvReply {
    /// Returns the reply of a route that sends a file of this name, from the file or a
    /// refusal.
    pub(crate) const fn of(rendered: Rendered, name: &'static str) -> Self {
        Self { rendered, name }
    }
}

impl Responder for CsvReply {
    type Body = BoxBody;

    fn respond_to(self, _request: &HttpRequest) -> HttpResponse {
        let Self { rendered, name } = self;
        let is_file = rendered.status.is_success();
        let mut response = rendered.into_response();
        if is_file {
            let disposition = format!("attachment; filename=\"{name}\"");
            let disposition = HeaderValue::from_str(&disposition).expect("names of files are plain text");
            let headers = response.headers_mut();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8"));
            headers.insert(CONTENT_DISPOSITION, disposition);
            headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
        response
    }
}

impl Rendered {
    /// Returns a 200 with a CSV file.
    pub(crate) fn csv(text: String) -> Self {
        Self {
            status: StatusCode::OK,
            body: text.into_bytes(),
            is_replay: false,
        }
    }

    /// Returns the reply with this envelope.
    pub(super) fn new(envelope: &Envelope<'_, impl Serialize>) -> Self {
        let mut body = Vec::with_capacity(BODY_BYTES);
        serde_json::to_writer(&mut body, envelope).expect("views have JSON forms");
        if body.len() > LARGE_BODY_BYTES {
            // A client may be slow to take it.
            body.shrink_to_fit();
        }
        Self {
            status: status_code(envelope.status),
            body,
            is_replay: false,
        }
    }

    /// Returns the reply to the first request under an idempotency key.
    pub(crate) fn first(reply: StoredReply) -> Self {
        Self {
            status: status_code(reply.status),
            body: reply.body.into_bytes(),
            is_replay: false,
        }
    }

    /// Returns the first reply again, with the header that marks a replay.
    pub(crate) fn replayed(reply: StoredReply) -> Self {
        Self {
            is_replay: true,
            ..Self::first(reply)
        }
    }

    /// Returns the form in which the store keeps the reply for later requests under its
    /// idempotency key.
    pub(crate) fn into_stored(self) -> StoredReply {
        StoredReply {
            status: self.status.as_u16(),
            body: String::from_utf8(self.body).expect("JSON and CSV are text"),
        }
    }

    /// Returns the response with the envelope as its body.
    pub(super) fn into_response(self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        if self.is_replay {
            response.insert_header((REPLAYED, "true"));
        }
        response
            .insert_header((CONTENT_TYPE, HeaderValue::from_static(JSON)))
            .body(self.body)
    }
}

/// Converts a status code that is known to be valid.
pub(super) fn status_code(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// The fields of a reply's body, in their order.
#[derive(Serialize)]
pub(super) struct Envelope<'a, T> {
    pub(super) status: u16,
    pub(super) message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) data: Option<T>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) details: Option<Details<'a>>,
}

impl<T, const STATUS: u16> Responder for Reply<T, STATUS> {
    type Body = BoxBody;

    fn respond_to(self, _request: &HttpRequest) -> HttpResponse {
        self.rendered.into_response()
    }
}
