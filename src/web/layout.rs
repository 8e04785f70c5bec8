//! The frame that all pages share, and the page of a refusal.

use std::fmt;

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};
use maud::{DOCTYPE, Markup, html};

use crate::domain::mode::Mode;
use crate::http::ApiError;
use crate::web::assets::{SCRIPT, STYLE};

/// The sections of the navigation: name and path.
const SECTIONS: [(&str, &str); 10] = [
    ("Home", "/"),
    ("Deals", "/console/deals"),
    ("Customers", "/console/customers"),
    ("Events", "/console/events"),
    ("Requests", "/console/requests"),
    ("Clock", "/console/clock"),
    ("Faults", "/console/faults"),
    ("Ledger", "/console/ledger"),
    ("Desk", "/console/desk"),
    ("Documents", "/docs"),
];

/// The frame of a page, without its content.
#[derive(Clone, Debug)]
pub(super) struct Page {
    title: String,
    /// The path of the section that the page belongs to.
    section: &'static str,
    is_narrow: bool,
    mode: Mode,
}

impl Page {
    /// A page of a sandbox with this title, outside of all sections.
    pub(super) fn new(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            section: "",
            is_narrow: false,
            mode: Mode::Sandbox,
        }
    }

    /// Puts the page into the section with this path.
    pub(super) const fn section(mut self, path: &'static str) -> Self {
        self.section = path;
        self
    }

    /// Makes it a page of a service in this mode. In live mode the navigation leaves out the
    /// console, which shows a sandbox only.
    pub(super) const fn mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    fn sections(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let is_shown = |path: &str| self.mode == Mode::Sandbox || !path.starts_with("/console");
        SECTIONS.into_iter().filter(move |(_, path)| is_shown(path))
    }

    /// Limits the page to the width of a column of text.
    pub(super) const fn narrow(mut self) -> Self {
        self.is_narrow = true;
        self
    }

    /// Answers with the page.
    pub(super) fn show(self, content: &Markup) -> HttpResponse {
        self.show_with(StatusCode::OK, content)
    }

    /// Answers with the page and this status.
    pub(super) fn show_with(self, status: StatusCode, content: &Markup) -> HttpResponse {
        HttpResponse::build(status)
            .content_type("text/html; charset=utf-8")
            .body(self.render(content).into_string())
    }

    fn render(&self, content: &Markup) -> Markup {
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    title { (self.title) " · escrowd" }
                    link rel="icon" href="data:,";
                    link rel="stylesheet" href=(STYLE.path());
                    script src=(SCRIPT.path()) defer {}
                }
                body {
                    a.skip.visually-hidden href="#main" { "Skip to the content" }
                    header.site-header {
                        div {
                            a.brand href="/" { "escrowd" }
                            nav.site-nav aria-label="Sections" {
                                @for (name, path) in self.sections() {
                                    a href=(path) aria-current=[(path == self.section).then_some("page")] { (name) }
                                }
                            }
                        }
                    }
                    main #main .narrow[self.is_narrow] { (content) }
                    footer.site-footer {
                        span { "escrowd " (env!("CARGO_PKG_VERSION")) }
                    }
                }
            }
        }
    }
}

/// Answers with a part of a page.
pub(super) fn fragment(content: &Markup) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .body(content.0.clone())
}

/// A page that says why a request was refused.
#[derive(Debug)]
pub(super) struct Refused {
    status: StatusCode,
    page: Page,
    message: String,
}

impl Refused {
    /// A refusal with this status and message.
    pub(super) fn new(status: u16, page: Page, message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            page,
            message: message.into(),
        }
    }
}

impl From<ApiError> for Refused {
    fn from(error: ApiError) -> Self {
        Self {
            status: error.status_code(),
            page: Page::new("That did not work"),
            message: error.to_string(),
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl ResponseError for Refused {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse<BoxBody> {
        let content = html! {
            h1 { (self.page.title) }
            div.notice.bad role="alert" { p { (self.message) } }
            p { a href="/" { "Back to the start" } }
        };
        self.page.clone().narrow().show_with(self.status, &content)
    }
}
