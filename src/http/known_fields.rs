//! Refuses requests to escrowd's own routes with a field that the route does not read. A
//! misspelled filter would otherwise list everything, and a misspelled setting would do
//! nothing.
//!
//! The route table names the fields of each route. Routes of the contract ignore unknown fields, as
//! the hosted API does.
//! Objects inside a body are checked by the route, since the table does not know them.

use actix_web::dev::Payload;
use actix_web::http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use actix_web::{FromRequest, HttpRequest};

use crate::http::body::OptionalJsonBody;
use crate::http::context::{ReceivedBody, RequestContext};
use crate::http::error::ApiError;
use crate::http::fields::Fields;
use crate::http::form::list_entry;
use crate::http::query::pairs_of;
use crate::http::request_spec::{self, BodySpec, Kind};
use crate::http::route::RouteFacts;

/// Checks the names of a request whose body was read. A body that cannot be parsed is left to
/// a route that reads one, which says what is wrong with it.
pub(super) fn check_fields(request: &HttpRequest, facts: &RouteFacts) -> Result<(), ApiError> {
    let known = facts.request;
    let query = pairs_of(request)?;
    Fields::from_form(&query)?.check_known(known.query)?;
    let context = RequestContext::of(request)?;
    match context.body.get() {
        Some(ReceivedBody::Json(text)) => match Fields::from_json(text) {
            Ok(fields) => Ok(fields.check_known(known.body_fields())?),
            // Some clients send null where they have no body.
            Err(problem) if text.trim() != "null" && matches!(known.body, BodySpec::None) => Err(problem.into()),
            Err(_) => Ok(()),
        },
        Some(ReceivedBody::Form { fields, .. }) => {
            // The route itself refuses a text in the place of a file.
            let is_file = |name: &str| {
                let mut specs = request_spec::all(known.body_fields());
                specs.any(|spec| matches!(spec.kind, Kind::Files(_)) && list_entry(name, spec.name).is_some())
            };
            let names: Vec<_> = fields.iter().filter(|(name, _)| !is_file(name)).cloned().collect();
            Ok(Fields::from_form(&names)?.check_known(known.body_fields())?)
        }
        Some(ReceivedBody::Csv(_)) | None => Ok(()),
    }
}

/// Reads the body of a request whose handler reads none. Its text is then in the request context,
/// where its fields are checked.
pub(super) async fn read_ignored_body(
    request: &HttpRequest,
    facts: &RouteFacts,
    payload: &mut Payload,
) -> Result<(), ApiError> {
    let headers = request.headers();
    let has_body =
        headers.get(CONTENT_LENGTH).is_some_and(|length| length != "0") || headers.contains_key(TRANSFER_ENCODING);
    if has_body && matches!(facts.request.body, BodySpec::None) {
        OptionalJsonBody::from_request(request, payload).await?;
    }
    Ok(())
}
