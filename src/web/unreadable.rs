//! Pages for forms and queries that cannot be read, for addresses that no page has, and for forms
//! whose address is opened as a page, in place of the replies of the framework.

use actix_web::error::QueryPayloadError;
use actix_web::guard::GuardContext;
use actix_web::http::Method;
use actix_web::http::header::{ACCEPT, HeaderValue};
use actix_web::web::{QueryConfig, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, ResponseError};

use crate::http::ApiError;
use crate::web::layout::{Page, Refused};

/// The beginnings of the paths of programs, which get JSON also if a browser opens them.
const OF_PROGRAMS: [&str; 3] = ["/v1/", "/operator/", "/sandbox/"];

pub(super) fn configure(config: &mut ServiceConfig) {
    config.app_data(QueryConfig::default().error_handler(|error, request| of_query(&error, request).into()));
}

/// Returns true if a browser opens an address as a page.
pub(super) fn is_for_a_page(context: &GuardContext<'_>) -> bool {
    let head = context.head();
    let accepts_pages = head
        .headers()
        .get(ACCEPT)
        .is_some_and(|accept| accept.as_bytes().starts_with(b"text/html"));
    let is_of_programs = OF_PROGRAMS.iter().any(|start| head.uri.path().starts_with(start));
    head.method == Method::GET && accepts_pages && !is_of_programs
}

/// Answers an address below a section that is none of its pages.
pub(super) async fn no_page() -> Result<HttpResponse, Refused> {
    let message = "There is no page at this address. It may be mistyped.";
    Err(Refused::new(404, Page::new("There is no such page"), message))
}

/// Refuses a method that an address does not take. `allow` are those that it takes.
pub(super) fn wrong_method(method: &Method, allow: Option<HeaderValue>) -> Refused {
    let message = if *method == Method::GET {
        "This address takes a form and has no page. Nothing was changed."
    } else {
        "This address does not take such a request. Nothing was changed."
    };
    Refused::new(405, Page::new("There is no page here"), message).allowing(allow)
}

/// Refuses a form that cannot be read.
pub(super) fn of_form(error: &ApiError, request: &HttpRequest) -> Refused {
    let message = match error {
        ApiError::BodyTooLarge { bytes_max } => format!("The form is larger than {bytes_max} bytes."),
        ApiError::BodyTooSlow { seconds_max } => format!("The form must arrive within {seconds_max} seconds."),
        ApiError::UnsupportedMediaType { expected } => format!("The form must be sent as {expected}."),
        ApiError::BodyUnreadable { problem } => format!("The form cannot be read: {problem}."),
        other => format!("{other}."),
    };
    let status = error.status_code().as_u16();
    refused(request, status, "That form cannot be sent", &message)
}

fn of_query(error: &QueryPayloadError, request: &HttpRequest) -> Refused {
    let message = format!("The address of this page cannot be read: {error}.");
    refused(request, 400, "There is no such page", &message)
}

fn refused(request: &HttpRequest, status: u16, title: &str, problem: &str) -> Refused {
    let refused = Refused::new(
        status,
        Page::new(title).narrow(),
        format!("{problem} Nothing was changed."),
    );
    // A checkout stands in the frame of another site.
    if request.path().starts_with("/checkout/") {
        refused.bare()
    } else {
        refused
    }
}
