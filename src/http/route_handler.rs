//! Running the handler of a route, after what a request passes before it.

use std::convert::Infallible;
use std::rc::Rc;

use actix_web::dev::{Payload, ServiceRequest, ServiceResponse, fn_service};
use actix_web::{Error, FromRequest, Handler, HttpRequest, HttpResponse, Responder, Route};
use futures_util::future::LocalBoxFuture;

use crate::http::authenticated::authenticate;
use crate::http::error::ApiError;
use crate::http::known_fields::{check_fields, read_ignored_body};
use crate::http::route::RouteFacts;

/// The handler of a route, whatever its arguments and its reply are: what the server does with a
/// handler is compiled for this type, and not again for each route.
#[derive(Clone)]
pub(super) struct RouteHandler(Rc<Extract>);

/// Reads the arguments of a handler from a request, and returns the call of the handler with them.
type Extract = dyn for<'a> Fn(&'a HttpRequest, &'a mut Payload) -> LocalBoxFuture<'a, Result<Call, Error>>;

/// Calls a handler with its arguments.
type Call = Box<dyn FnOnce(HttpRequest) -> LocalBoxFuture<'static, HttpResponse>>;

impl RouteHandler {
    pub(super) fn new<F, Args>(handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        Self(Rc::new(move |request, payload| {
            let arguments = Args::from_request(request, payload);
            let handler = handler.clone();
            Box::pin(async move {
                let arguments = arguments.await.map_err(Into::into)?;
                let call: Call = Box::new(move |request| {
                    Box::pin(async move {
                        let reply = handler.call(arguments).await;
                        reply.respond_to(&request).map_into_boxed_body()
                    })
                });
                Ok(call)
            })
        }))
    }

    /// Lets a method of a path run the handler.
    pub(super) fn serve(self, endpoint: Route) -> Route {
        endpoint.service(fn_service(move |request: ServiceRequest| {
            let (request, payload) = request.into_parts();
            let extract = Rc::clone(&self.0);
            async move {
                let answered = answer(&*extract, &request, payload).await;
                let reply = answered.unwrap_or_else(HttpResponse::from_error);
                Ok::<_, Infallible>(ServiceResponse::new(request, reply))
            }
        }))
    }
}

/// Answers a request. The key comes first: no body is read for a stranger, and no other refusal
/// comes before that of the key.
async fn answer(extract: &Extract, request: &HttpRequest, mut payload: Payload) -> Result<HttpResponse, Error> {
    let facts = RouteFacts::of(request).ok_or(ApiError::Internal)?;
    if facts.needs_key() {
        authenticate(request, facts).await?;
    }
    let call = extract(request, &mut payload).await?;
    if !facts.ignores_unknown {
        read_ignored_body(request, facts, &mut payload).await?;
        check_fields(request, facts)?;
    }
    Ok(call(request.clone()).await)
}
