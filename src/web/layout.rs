//! The content of a page with its title and place, and the page of a refusal. The
//! [guard](crate::web::guard) puts the [frame](crate::web::frame) around the content, since the
//! frame depends on who reads.

use std::fmt;

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, HeaderValue, LOCATION};
use actix_web::{HttpResponse, ResponseError};
use maud::{Markup, html};

use crate::domain::ids::MerchantId;
use crate::http::ApiError;
use crate::web::text;

/// The facts about a page beside its content.
#[derive(Clone, Debug)]
pub(super) struct Page {
    title: String,
    /// The path of the section that the page belongs to.
    section: &'static str,
    is_narrow: bool,
    is_bare: bool,
}

/// The merchant that a request of an operator has chosen, or all of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chosen(pub(super) Option<MerchantId>);

/// The content of a response that waits for its frame.
pub(super) struct Unframed {
    pub(super) page: Page,
    pub(super) content: Markup,
    /// The choice that the page shows, if the request itself has made one.
    pub(super) chosen: Option<Chosen>,
    /// True for the page of a [`Refused`].
    is_refusal: bool,
    /// True if the page has a link by which the reader goes on.
    has_way_on: bool,
}

impl Unframed {
    /// Marks the page of a refused form for the script of the pages, which fills in the form again,
    /// and leads back to the page that has it.
    pub(super) fn of_form(&mut self, from: &str) {
        if !self.is_refusal || self.page.is_bare {
            return;
        }
        let content = &self.content;
        self.content = html! {
            div data-refused { (content) }
            @if !self.has_way_on { p { a.button.primary href=(from) { "Back" } } }
        };
    }
}

impl Page {
    /// A page with this title, outside of all sections.
    pub(super) fn new(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            section: "",
            is_narrow: false,
            is_bare: false,
        }
    }

    /// Puts the page into the section with this path.
    pub(super) const fn section(mut self, path: &'static str) -> Self {
        self.section = path;
        self
    }

    /// Limits the page to the width of a column of text.
    pub(super) const fn narrow(mut self) -> Self {
        self.is_narrow = true;
        self
    }

    pub(super) fn title(&self) -> &str {
        &self.title
    }

    pub(super) const fn section_path(&self) -> &'static str {
        self.section
    }

    pub(super) const fn is_narrow(&self) -> bool {
        self.is_narrow
    }

    /// Leaves out the navigation, for a page that stands in a frame of another site, and adds the
    /// script by which it speaks with that site.
    pub(super) const fn bare(mut self) -> Self {
        self.is_bare = true;
        self
    }

    pub(super) const fn is_bare(&self) -> bool {
        self.is_bare
    }

    /// Answers with the page.
    pub(super) fn show(self, content: &Markup) -> HttpResponse {
        self.show_with(StatusCode::OK, content)
    }

    /// Answers with the page and this status.
    pub(super) fn show_with(self, status: StatusCode, content: &Markup) -> HttpResponse {
        let mut response = HttpResponse::build(status)
            .content_type("text/html; charset=utf-8")
            .finish();
        let content = content.clone();
        response.extensions_mut().insert(Unframed {
            page: self,
            content,
            chosen: None,
            is_refusal: false,
            has_way_on: false,
        });
        response
    }
}

/// Names the merchant that a page shows, since the request itself has chosen it or all of them.
pub(super) fn of_merchant(mut page: HttpResponse, merchant: Option<MerchantId>) -> HttpResponse {
    if let Some(unframed) = page.extensions_mut().get_mut::<Unframed>() {
        unframed.chosen = Some(Chosen(merchant));
    }
    page
}

/// Answers with a part of a page.
pub(super) fn fragment(content: &Markup) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .body(content.0.clone())
}

/// A page that says why a request was refused, or the way to the login.
#[derive(Debug)]
pub(super) struct Refused {
    status: StatusCode,
    page: Page,
    message: String,
    /// The address to which the browser goes in place of the page.
    leads_to: Option<String>,
    /// The methods that the address takes, if it does not take that of the request.
    allow: Option<Box<HeaderValue>>,
    /// A link to go on by beside the one to the start: its address and its words.
    way_on: Option<Box<(String, &'static str)>>,
}

impl Refused {
    /// A refusal with this status and message.
    pub(super) fn new(status: u16, page: Page, message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            page,
            message: message.into(),
            leads_to: None,
            allow: None,
            way_on: None,
        }
    }

    /// Names the methods that the address takes.
    pub(super) fn allowing(mut self, methods: Option<HeaderValue>) -> Self {
        self.allow = methods.map(Box::new);
        self
    }

    /// Adds a link by which the reader can go on.
    pub(super) fn with_way_on(mut self, address: impl Into<String>, words: &'static str) -> Self {
        self.way_on = Some(Box::new((address.into(), words)));
        self
    }

    /// Leads to the login, which leads back to this address.
    pub(super) fn log_in_for(address: &str) -> Self {
        Self {
            leads_to: Some(format!("/login?to={}", text::segment(address))),
            ..Self::new(303, Page::new("Log in"), "Log in to see this page.")
        }
    }

    /// Returns true if the reader has to log in first.
    pub(super) const fn leads_to_login(&self) -> bool {
        self.leads_to.is_some()
    }

    /// A page that shows one merchant, which the operator has not chosen.
    pub(super) fn no_merchant() -> Self {
        let message = "This page shows one merchant. Choose it at the top of the page.";
        Self::new(400, Page::new("Choose a merchant"), message)
    }

    /// A form for a merchant that the operator may not act for.
    pub(super) fn unknown_merchant() -> Self {
        let message = "There is no merchant with this id that you may act for. Nothing was changed.";
        Self::new(404, Page::new("No such merchant"), message)
    }

    /// Makes it a page in a frame of another site.
    pub(super) fn bare(mut self) -> Self {
        self.page = self.page.bare();
        self
    }
}

impl From<ApiError> for Refused {
    fn from(error: ApiError) -> Self {
        let page = Page::new("That did not work");
        Self::new(error.status_code().as_u16(), page, error.to_string())
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
        if let Some(address) = &self.leads_to {
            let mut response = HttpResponse::build(self.status);
            return response.insert_header((LOCATION, address.as_str())).finish();
        }
        let content = html! {
            h1 { (self.page.title) }
            div.notice.bad role="alert" { p { (self.message) } }
            @if let Some((address, words)) = self.way_on.as_deref() { p { a.button.primary href=(address) { (words) } } }
            @if !self.page.is_bare { p { a href="/" { "Back to the start" } } }
        };
        let mut response = self.page.clone().narrow().show_with(self.status, &content);
        if let Some(unframed) = response.extensions_mut().get_mut::<Unframed>() {
            unframed.is_refusal = true;
            unframed.has_way_on = self.way_on.is_some();
        }
        if let Some(methods) = &self.allow {
            response.headers_mut().insert(ALLOW, methods.as_ref().clone());
        }
        response
    }
}
