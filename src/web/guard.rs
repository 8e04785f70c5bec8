//! The protection of every page: the check of the host, the check of the sender of forms, the
//! finding of the visitor, and the headers that tell the browser what a page may do.

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, HeaderName, HeaderValue, ORIGIN, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpRequest, ResponseError};

use crate::http::{ApiError, AppState, Visitor, check_host};
use crate::web::frame::Frame;
use crate::web::layout::{Page, Refused, Unframed};
use crate::web::reader::form_page_of;
use crate::web::unreadable::wrong_method;

/// The relation of the page that sent a form to this server. Every current browser says it.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Nothing comes from elsewhere, no script or style stands in the HTML, and no other site may
/// show a page in a frame.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; \
     form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
);

/// Serves a page in its frame and with its headers, or refuses the request. HEAD is answered as
/// GET is. A handler finds the [`Visitor`] in the extensions of the request, if there is one. A
/// page that sets its own `Content-Security-Policy` keeps it.
///
/// # Errors
///
/// Refuses a foreign host, and a form that another site sent.
pub(super) async fn page(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let state = AppState::of(request.request())?.clone();
    let checked = check(request.request(), &state);
    let is_own_form = checked.is_ok() && ![Method::GET, Method::HEAD].contains(request.method());
    let known = match checked {
        Ok(()) => known(request.request(), &state).await.map_err(Refused::from),
        Err(refused) => Err(refused),
    };
    let (checked, frame) = match known {
        Ok((visitor, frame)) => {
            if let Some(visitor) = visitor {
                request.extensions_mut().insert(visitor);
            }
            (Ok(()), frame)
        }
        // A refusal tells nothing about the visitor.
        Err(refused) => (Err(refused), Frame::without_visitor(request.request(), &state)),
    };
    if request.method() == Method::HEAD {
        // The server leaves the body out.
        request.head_mut().method = Method::GET;
    }
    let mut response = match checked {
        Ok(()) => next.call(request).await?.map_into_boxed_body(),
        Err(refused) => request.error_response(refused),
    };
    let is_page = response.response().extensions().get::<Unframed>().is_some();
    if response.status() == StatusCode::METHOD_NOT_ALLOWED && !is_page {
        // The answer of the framework, which names the methods of the address.
        let allow = response.headers().get(ALLOW).cloned();
        let refused = wrong_method(response.request().method(), allow);
        response = response.into_response(refused.error_response());
    }
    let unframed = response.response_mut().extensions_mut().remove::<Unframed>();
    if let Some(mut unframed) = unframed {
        if is_own_form {
            unframed.of_form(&form_page_of(response.request()));
        }
        let text = frame.around(&unframed).into_string();
        response = response.map_body(|_head, _empty| BoxBody::new(text));
    }
    let headers = response.headers_mut();
    if !headers.contains_key(CONTENT_SECURITY_POLICY) {
        headers.insert(CONTENT_SECURITY_POLICY, POLICY);
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    if !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    Ok(response)
}

/// Returns the visitor who sent a request, and the frame of the pages that the visitor gets.
async fn known(request: &HttpRequest, state: &AppState) -> Result<(Option<Visitor>, Frame), ApiError> {
    let visitor = Visitor::of(request, state).await?;
    let frame = Frame::new(request, state, visitor.clone()).await?;
    Ok((visitor, frame))
}

fn check(request: &HttpRequest, state: &AppState) -> Result<(), Refused> {
    check_host(request, state)?;
    let is_read = [Method::GET, Method::HEAD].contains(request.method());
    if is_read || is_from_own_page(request) {
        return Ok(());
    }
    Err(Refused::new(
        403,
        Page::new("Not from here"),
        "This form was sent by a page of another site. Nothing was changed.",
    ))
}

/// Returns true if a page of this server sent the form. Browsers say where a form comes from,
/// and a page of another site cannot make them say otherwise.
fn is_from_own_page(request: &HttpRequest) -> bool {
    let headers = request.headers();
    if let Some(site) = headers.get(SEC_FETCH_SITE) {
        return site.as_bytes() == b"same-origin";
    }
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let origin = headers.get(ORIGIN).and_then(|origin| origin.to_str().ok());
    let origin_host = origin.and_then(|origin| Some(origin.split_once("://")?.1));
    origin_host.is_some() && origin_host == host
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn is_own(headers: &[(&'static str, &'static str)]) -> bool {
        let request = TestRequest::post().insert_header(("host", "shop.example:8080"));
        let request = headers
            .iter()
            .fold(request, |request, header| request.insert_header(*header));
        is_from_own_page(&request.to_http_request())
    }

    #[test]
    fn a_form_must_come_from_a_page_of_this_server() {
        assert!(is_own(&[("sec-fetch-site", "same-origin")]));
        assert!(is_own(&[("origin", "https://shop.example:8080")]));
        for foreign in [
            &[][..],
            &[("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "same-site"), ("origin", "https://shop.example:8080")],
            &[("sec-fetch-site", "none")],
            &[("origin", "https://shop.example")],
            &[("origin", "https://evil.example")],
            &[("origin", "null")],
        ] {
            assert!(!is_own(foreign), "{foreign:?}");
        }
    }
}
