//! Pages for forms and queries that cannot be read, in place of the replies of the framework.

use actix_web::HttpRequest;
use actix_web::error::{QueryPayloadError, UrlencodedError};
use actix_web::web::{FormConfig, QueryConfig, ServiceConfig};

use crate::web::layout::{Page, Refused};

pub(super) fn configure(config: &mut ServiceConfig) {
    config.app_data(FormConfig::default().error_handler(|error, request| of_form(&error, request).into()));
    config.app_data(QueryConfig::default().error_handler(|error, request| of_query(&error, request).into()));
}

fn of_form(error: &UrlencodedError, request: &HttpRequest) -> Refused {
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
