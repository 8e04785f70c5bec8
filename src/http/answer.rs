//! Describes the success of a route from the return type of its handler, so that the API
//! document cannot state another status or other data.

use std::marker::PhantomData;

use actix_web::body::BoxBody;
use actix_web::{HttpRequest, HttpResponse, Responder};
use schemars::{JsonSchema, Schema, SchemaGenerator};

use crate::http::envelope::{CsvReply, Reply};
use crate::http::media_type::CSV;

/// The success of a route.
#[derive(Debug)]
pub(crate) struct Success {
    /// The HTTP status.
    pub(crate) status: u16,
    /// The body.
    pub(crate) body: SuccessBody,
}

/// The body of a success.
#[derive(Debug)]
pub(crate) enum SuccessBody {
    /// The envelope, with data of this schema.
    Data(Schema),
    /// A JSON body of this schema.
    Whole(Schema),
    /// Something else than an envelope, of this media type.
    Media(&'static str),
}

/// A type that handlers return.
pub(crate) trait Answer {
    /// The media type of a success that is no envelope, or `None` for an envelope.
    const MEDIA_TYPE: Option<&'static str> = None;

    /// Returns the success of a handler that returns this type. Schemas that it refers to are
    /// added to `schemas`.
    fn success(schemas: &mut SchemaGenerator) -> Success;
}

/// The function by which the success of a route is described.
pub(crate) type SuccessOf = fn(&mut SchemaGenerator) -> Success;

/// A kind of body that is no envelope.
pub(crate) trait RawKind {
    /// The media type of the body.
    const MEDIA_TYPE: &'static str;
}

/// The response of a route whose success is no envelope.
#[derive(Debug)]
pub(crate) struct Raw<K> {
    response: HttpResponse,
    kind: PhantomData<fn() -> K>,
}

impl<K> From<HttpResponse> for Raw<K> {
    fn from(response: HttpResponse) -> Self {
        Self {
            response,
            kind: PhantomData,
        }
    }
}

impl<K> Responder for Raw<K> {
    type Body = BoxBody;

    fn respond_to(self, _request: &HttpRequest) -> HttpResponse {
        self.response
    }
}

impl<K: RawKind> Answer for Raw<K> {
    const MEDIA_TYPE: Option<&'static str> = Some(K::MEDIA_TYPE);

    fn success(_schemas: &mut SchemaGenerator) -> Success {
        Success {
            status: 200,
            body: SuccessBody::Media(K::MEDIA_TYPE),
        }
    }
}

impl<T: JsonSchema, const STATUS: u16> Answer for Reply<T, STATUS> {
    fn success(schemas: &mut SchemaGenerator) -> Success {
        Success {
            status: STATUS,
            body: SuccessBody::Data(schemas.subschema_for::<T>()),
        }
    }
}

impl Answer for CsvReply {
    const MEDIA_TYPE: Option<&'static str> = Some(CSV);

    fn success(_schemas: &mut SchemaGenerator) -> Success {
        Success {
            status: 200,
            body: SuccessBody::Media(CSV),
        }
    }
}

impl<T: Answer, E> Answer for Result<T, E> {
    const MEDIA_TYPE: Option<&'static str> = T::MEDIA_TYPE;

    fn success(schemas: &mut SchemaGenerator) -> Success {
        T::success(schemas)
    }
}
