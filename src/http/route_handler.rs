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
pub(super) struct RouteHandler(Rc<Run>);

type Run = dyn Fn(HttpRequest, Payload) -> LocalBoxFuture<'static, HttpResponse>;

impl RouteHandler {
    pub(super) fn new<F, Args>(handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        Self(Rc::new(move |request, payload| {
            let handler = handler.clone();
            Box::pin(async move {
                let answered = answer(&handler, &request, payload).await;
                answered.unwrap_or_else(HttpResponse::from_error)
            })
        }))
    }

    /// Lets a method of a path run the handler.
    pub(super) fn serve(self, endpoint: Route) -> Route {
        endpoint.service(fn_service(move |request: ServiceRequest| {
            let (request, payload) = request.into_parts();
            let answered = self.0(request.clone(), payload);
            async move { Ok::<_, Infallible>(ServiceResponse::new(request, answered.await)) }
        }))
    }
}

/// Answers a request. The key comes first: no body is read for a stranger, and no other refusal
/// comes before that of the key.
async fn answer<F, Args>(handler: &F, request: &HttpRequest, mut payload: Payload) -> Result<HttpResponse, Error>
where
    F: Handler<Args>,
    Args: FromRequest,
    F::Output: Responder,
{
    let facts = RouteFacts::of(request).ok_or(ApiError::Internal)?;
    if facts.needs_key() {
        authenticate(request, facts).await?;
    }
    let arguments = Args::from_request(request, &mut payload).await.map_err(Into::into)?;
    if !facts.ignores_unknown {
        read_ignored_body(request, facts, &mut payload).await?;
        check_fields(request, facts)?;
    }
    Ok(handler.call(arguments).await.respond_to(request).map_into_boxed_body())
}
