//! Pages for forms and queries that cannot be read, for addresses that no page has, and for forms
//! whose address is opened as a page, in place of the replies of the framework.

use actix_web::error::{QueryPayloadError, UrlencodedError};
use actix_web::guard::GuardContext;
use actix_web::http::Method;
use actix_web::http::header::{ACCEPT, HeaderValue};
use actix_web::web::{FormConfig, QueryConfig, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};

use crate::web::layout::{Page, Refused};

/// The beginnings of the paths of programs, which get JSON also if a browser opens them.
const OF_PROGRAMS: [&str; 3] = ["/v1/", "/operator/", "/sandbox/"];

pub(super) fn configure(config: &mut ServiceConfig) {
    config.app_data(FormConfig::default().error_handler(|error, request| of_form(&error, request).into()));
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
pub(super) fn of_form(error: &UrlencodedError, request: &HttpRequest) -> Refused {
    let (status, message) = match error {
        UrlencodedError::Overflow { limit, .. } => (413, format!("The form is larger than {limit} bytes.")),
        UrlencodedError::ContentType => (
            415,
            "The form must be sent as application/x-www-form-urlencoded.".to_owned(),
        ),
        other => (400, format!("The form cannot be read: {other}.")),
    };
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
