//! The middleware around every request: it gives the request an id, applies faults, writes
//! the log line, records the request, and makes every reply an envelope, even after a panic.

mod cors;
mod faults;
mod recording;
mod request_line;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use actix_web::body::{BodySize, BodyStream, BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use actix_web::http::{ConnectionType, Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::web::Bytes;
use actix_web::{Error, HttpMessage, HttpResponse, ResponseError, web};
use futures_util::{FutureExt, stream};

use crate::http::base_url;
use crate::http::connections::{Phase, ReplyBody, StreamedBody};
use crate::http::context::RequestContext;
use crate::http::doc_url;
use crate::http::error::ApiError;
use crate::http::headers::REQUEST_ID;
use crate::http::media_type::JSON;
use crate::http::rate_limit::RateState;
use crate::http::route::{PathFacts, RouteFacts, RouteIndex};
use crate::http::sandbox::fault_book::FaultEffect;
use crate::http::state::AppState;
use cors::Cors;
use recording::Arrival;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");

/// Gives the request an id, runs it, logs one line, and returns the id in `X-Request-Id`. A
/// panic becomes a 500, and the framework's own error replies become envelopes.
pub(crate) async fn observe(
    state: web::Data<AppState>,
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    base_url::normalize_path(&mut request);
    let arrival = Arrival::now();
    let context = Arc::new(RequestContext::new(&request, &state.trusted_proxies));
    request.extensions_mut().insert(Arc::clone(&context));
    if let Some(client) = context.client {
        state.trusted_proxies.warn_of_unlisted(client);
    }
    context.enter(Phase::Handler);
    let id = &context.id;
    let cors = Cors::of(&request, &state.origins.load());
    let preflight = cors.preflight(&request);
    let effect = (!context.is_late)
        .then(|| faults::effect_on(&request, &state, &context))
        .flatten();
    let outcome = match preflight {
        _ if context.is_late => {
            let problem = "it came behind a request that closes its connection".to_owned();
            Ok(Ok(request.error_response(ApiError::BodyUnreadable { problem })))
        }
        Some(answer) => Ok(Ok(request.into_response(answer))),
        None => {
            AssertUnwindSafe(faults::run(effect, request, &context, next))
                .catch_unwind()
                .await
        }
    };

    let log_cause = |error: &Error| {
        if let Some(cause) = error.as_error::<ApiError>().and_then(ApiError::cause) {
            log::error!("request {id} failed: {cause}");
        }
    };
    let answered = Answered {
        state: &state,
        context: &context,
        arrival,
        cors,
        effect,
    };
    match outcome {
        Ok(Ok(response)) => {
            let (request, response) = response.map_into_boxed_body().into_parts();
            if let Some(error) = response.error() {
                log_cause(error);
            }
            let mut response = answered.finish(enveloped(response), PathFacts::of(&request).copied());
            if state.rate_limiter.is_on()
                && let Some(rate) = request.extensions().get::<RateState>()
            {
                rate.write_headers(response.headers_mut());
            }
            Ok(ServiceResponse::new(request, response))
        }
        Ok(Err(error)) => {
            log_cause(&error);
            let response = answered.finish(enveloped(error.error_response()), None);
            Err(InternalError::from_response(error, response).into())
        }
        Err(_panic) => {
            log::error!("the handler of request {id} panicked");
            let response = answered.finish(ApiError::Internal.error_response(), None);
            Err(InternalError::from_response(ApiError::Internal, response).into())
        }
    }
}

/// A request that has its reply.
struct Answered<'a> {
    state: &'a AppState,
    context: &'a RequestContext,
    arrival: Arrival,
    cors: Cors,
    effect: Option<FaultEffect>,
}

impl Answered<'_> {
    /// Counts, logs and records the request, and returns its reply as the client gets it.
    fn finish(&self, mut response: HttpResponse, route: Option<(RouteFacts, RouteIndex)>) -> HttpResponse {
        self.count_and_log(&response, route.map(|(_, index)| index));
        self.write_headers(&mut response);
        response = doc_url::add(response, &self.state.policy, self.context.host.as_deref());
        if let Some(log) = &self.state.requests {
            let facts = route.map(|(facts, _)| facts);
            response = recording::record(log, self.context, facts, self.arrival, self.effect, response);
        }
        self.context.end();
        self.with_body(response)
    }

    fn count_and_log(&self, response: &HttpResponse, route: Option<RouteIndex>) {
        let micros = self.arrival.micros();
        self.state.request_meter.count(route, response.status(), micros);
        request_line::log(self.context, response.status().as_u16(), micros);
    }

    /// Writes the id, the headers of CORS, and if the connection stays open.
    fn write_headers(&self, response: &mut HttpResponse) {
        let (connections, context) = (&self.state.connections, self.context);
        let id = HeaderValue::from_str(&context.id).expect("an id is plain text");
        response.headers_mut().insert(REQUEST_ID, id);
        self.cors.write_headers(response.headers_mut());
        // Without chunks, a reply of unknown length ends with the connection (RFC 9112, 6.3).
        let ends_with_reply = !context.takes_chunks && response.body().size() == BodySize::Stream;
        response.head_mut().no_chunking(ends_with_reply);
        let is_last = context.asks_to_close
            || context.is_late
            || context.has_malformed_body()
            || connections.is_stopping()
            || ends_with_reply;
        if is_last || response.status() == StatusCode::REQUEST_TIMEOUT {
            context.end_connection();
            response.head_mut().set_connection_type(ConnectionType::Close);
        } else {
            response.headers_mut().insert(KEEP_ALIVE, connections.keep_alive());
        }
    }

    /// Returns the reply with its body in the form in which it is sent.
    fn with_body(&self, response: HttpResponse) -> HttpResponse {
        let response = if self.context.method == Method::HEAD {
            without_stream(response)
        } else {
            in_pieces(response, self.state, self.context)
        };
        match self.effect {
            Some(effect) => effect.apply_to_reply(response),
            None => response,
        }
    }
}

/// Ends the stream of a reply to HEAD at once. The server sends no body, but would wait for its end.
fn without_stream(response: HttpResponse) -> HttpResponse {
    response.map_body(|_head, body| match body.size() {
        BodySize::Stream => BoxBody::new(BodyStream::new(stream::empty::<Result<Bytes, Error>>())),
        BodySize::None | BodySize::Sized(_) => body,
    })
}

/// Makes a large body one that the client takes in pieces, and that counts as memory in use
/// until then. One that the service makes piece by piece keeps later requests waiting to its end.
fn in_pieces(response: HttpResponse, state: &AppState, context: &RequestContext) -> HttpResponse {
    let Some(connection) = &context.connection else {
        return response;
    };
    response.map_body(|_head, body| match body.try_into_bytes() {
        Ok(bytes) => match ReplyBody::new(&bytes, &state.connections, connection) {
            Some(body) => BoxBody::new(body),
            None => BoxBody::new(bytes),
        },
        Err(streamed) => BoxBody::new(StreamedBody::new(streamed, connection)),
    })
}

/// Puts an error into an envelope if it has none and is not a page. Such an error comes from
/// the framework, which refused the request before a handler ran.
fn enveloped(response: HttpResponse) -> HttpResponse {
    let content_type = response.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    let is_whole =
        content_type.is_some_and(|value| value.starts_with(JSON.as_bytes()) || value.starts_with(b"text/html"));
    if is_whole || response.status().is_success() || response.status().is_redirection() {
        response
    } else if response.status().is_client_error() {
        let problem = response.status().to_string();
        ApiError::BodyUnreadable { problem }.error_response()
    } else {
        ApiError::Internal.error_response()
    }
}
