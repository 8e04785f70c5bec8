//! Logging in with a key, and logging out.

use actix_web::http::StatusCode;
use actix_web::http::header::{LOCATION, SET_COOKIE};
use actix_web::web::{self, Data, Query, ServiceConfig};
use actix_web::{Error, HttpMessage, HttpRequest, HttpResponse, ResponseError};
use maud::{Markup, html};
use serde::Deserialize;

use crate::domain::mode::Mode;
use crate::http::{ApiError, AppState, Person, Visitor, log_in, log_out};
use crate::web::form::Form;
use crate::web::layout::Page;
use crate::web::text;

/// The query of the login: where the reader wanted to go.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Wanted {
    #[serde(default)]
    to: String,
}

/// The form of the login. It has a key, so it has no `Debug`.
#[derive(Deserialize)]
pub(super) struct Typed {
    #[serde(default)]
    key: String,
    #[serde(default)]
    to: String,
}

pub(super) fn configure(config: &mut ServiceConfig) {
    config.service(web::resource("").get(show).post(begin));
}

/// `GET /login`
async fn show(request: HttpRequest, state: Data<AppState>, wanted: Result<Query<Wanted>, Error>) -> HttpResponse {
    let to = wanted.map(|query| query.into_inner().to).unwrap_or_default();
    let visitor = request.extensions().get::<Visitor>().cloned();
    let has_key = visitor.is_some_and(|visitor| !matches!(visitor.person, Person::Local(_)));
    let already = html! {
        @if has_key {
            div.notice { p { "You are logged in. " a href=(place(&to)) { "Continue" } ", or log in with another key." } }
        }
    };
    page(StatusCode::OK, &already, &to, state.policy.load().mode)
}

/// `POST /login`: begins a session.
async fn begin(request: HttpRequest, state: Data<AppState>, Form(typed): Form<Typed>) -> HttpResponse {
    let error = match log_in(&request, &state, &typed.key).await {
        Ok(cookie) => {
            return HttpResponse::SeeOther()
                .insert_header((SET_COOKIE, cookie))
                .insert_header((LOCATION, place(&typed.to)))
                .finish();
        }
        Err(error) => error,
    };
    let why = match &error {
        ApiError::NoToken { .. } => {
            "Type your key: op_live_ or sk_live_ and 64 more characters, or a key of this sandbox.".to_owned()
        }
        ApiError::UnknownKey => {
            "This key opens nothing here. It is unknown, it has ended, or it was revoked.".to_owned()
        }
        ApiError::ForeignAddress => "This key may not be used from your address.".to_owned(),
        ApiError::TooManyRequests { reset_seconds } => {
            format!("Too many wrong keys came from your address. Try again in {reset_seconds} seconds.")
        }
        error => error.to_string(),
    };
    let status = match &error {
        ApiError::NoToken { .. } => StatusCode::BAD_REQUEST,
        error => error.status_code(),
    };
    let refusal = html! { div.notice.bad role="alert" #why { p { (why) } } };
    page(status, &refusal, &typed.to, state.policy.load().mode)
}

/// `POST /logout`: ends the session.
pub(super) async fn end(request: HttpRequest, state: Data<AppState>) -> HttpResponse {
    HttpResponse::SeeOther()
        .insert_header((SET_COOKIE, log_out(&request, &state)))
        .insert_header((LOCATION, "/login"))
        .finish()
}

fn page(status: StatusCode, notice: &Markup, to: &str, mode: Mode) -> HttpResponse {
    Page::new("Log in").section("/login").narrow().show_with(status, &html! {
        h1 { "Log in" }
        (notice)
        form.card method="post" action="/login" {
            input type="hidden" name="to" value=(place(to));
            div.field {
                label for="key" { "Your key" }
                input #key name="key" type="password" required autocomplete="current-password" autocapitalize="none"
                    spellcheck="false" aria-describedby="key-hint";
                p.hint #key-hint {
                    @match mode {
                        Mode::Live => "The key of an operator (op_live_…) or the secret key of a merchant (sk_live_…).",
                        Mode::Sandbox => "A key of this sandbox: its pages then show the deals of that key.",
                    }
                }
            }
            button.primary { "Log in" }
        }
        p.small.muted {
            "A session ends after 30 minutes without use, after 12 hours, and when the key ends. "
            @if mode == Mode::Live { "If this page comes back after a right key, the browser did not keep the cookie: use https." }
        }
    })
}

/// Returns the page that the reader wanted, if it is one of this service.
fn place(to: &str) -> &str {
    text::own_path(to).unwrap_or("/")
}
