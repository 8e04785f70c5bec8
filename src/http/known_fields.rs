//! Refuses requests to escrowd's own routes with a field that the route does not read. A
//! misspelled filter would otherwise list everything, and a misspelled setting would do
//! nothing.
//!
//! The route table names the fields of each route, and every own route is wrapped in a
//! [`Checked`] handler. Routes of the contract ignore unknown fields, as the hosted API does.
//! Objects inside a body are checked by the route, since the table does not know them.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use actix_web::{FromRequest, Handler, HttpRequest};
use futures_util::future::{Either, LocalBoxFuture, Map};
use futures_util::{FutureExt, TryFutureExt};

use crate::http::body::OptionalJsonBody;
use crate::http::context::{ReceivedBody, RequestContext};
use crate::http::error::ApiError;
use crate::http::fields::Fields;
use crate::http::query::pairs_of;
use crate::http::request_spec::{BodySpec, RequestSpec};
use crate::http::route::RouteFacts;

/// A handler that runs only if the request has no field but the known ones.
#[derive(Clone)]
pub(crate) struct Checked<F>(pub(crate) F);

impl<F, Args> Handler<(Args, UnreadBody, HttpRequest)> for Checked<F>
where
    F: Handler<Args>,
{
    type Output = Result<F::Output, ApiError>;
    type Future = Either<Map<F::Future, fn(F::Output) -> Self::Output>, Ready<Self::Output>>;

    fn call(&self, (args, _body, request): (Args, UnreadBody, HttpRequest)) -> Self::Future {
        match check(&request) {
            Ok(()) => Either::Left(self.0.call(args).map(Ok)),
            Err(refused) => Either::Right(ready(Err(refused))),
        }
    }
}

/// Checks the names of a request whose body was read. A body that cannot be parsed is left to
/// a route that reads one, which says what is wrong with it.
fn check(request: &HttpRequest) -> Result<(), ApiError> {
    let Some(known) = spec_of(request) else {
        return Ok(());
    };
    let query = pairs_of(request)?;
    Fields::from_form(&query)?.check_known(known.query)?;
    let context = RequestContext::of(request)?;
    let Some(ReceivedBody::Json(text)) = context.body.get() else {
        return Ok(());
    };
    // Some clients send null where they have no body.
    let is_sent = !matches!(text.trim(), "" | "null");
    match Fields::from_json(text) {
        Ok(fields) => Ok(fields.check_known(known.body_fields())?),
        Err(problem) if is_sent && matches!(known.body, BodySpec::None) => Err(problem.into()),
        Err(_) => Ok(()),
    }
}

fn spec_of(request: &HttpRequest) -> Option<RequestSpec> {
    Some(RouteFacts::of(request)?.request)
}

/// The body of a request whose handler reads none. Reading it keeps its text in the request
/// context, where its fields are checked.
pub(crate) struct UnreadBody;

impl FromRequest for UnreadBody {
    type Error = ApiError;
    type Future = Either<Ready<Result<Self, ApiError>>, LocalBoxFuture<'static, Result<Self, ApiError>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let headers = request.headers();
        let has_body =
            headers.get(CONTENT_LENGTH).is_some_and(|length| length != "0") || headers.contains_key(TRANSFER_ENCODING);
        let reads_none = spec_of(request).is_some_and(|known| matches!(known.body, BodySpec::None));
        if !(has_body && reads_none) {
            return Either::Left(ready(Ok(Self)));
        }
        let body = OptionalJsonBody::from_request(request, payload);
        Either::Right(body.map_ok(|_| Self).boxed_local())
    }
}
