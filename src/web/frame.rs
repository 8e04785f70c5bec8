//! The frame around every page: the navigation, the person who has logged in, the merchant that
//! an operator has chosen, and the mode of the service.

use actix_web::HttpRequest;
use maud::{DOCTYPE, Markup, html};

use crate::domain::ids::MerchantId;
use crate::domain::mode::Mode;
use crate::http::{ApiError, AppState, Person, Visitor};
use crate::web::assets::{CHECKOUT_PAGE, SCRIPT, STYLE};
use crate::web::layout::{Chosen, Page, Unframed};
use crate::web::parts::Part;
use crate::web::sections::{SECTIONS, page_of_desk, section_of};

/// The most merchants that a list to choose from has. Above it an operator types the id.
const CHOICES_MAX: usize = 200;

/// The frame of the pages that one request gets.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    mode: Mode,
    visitor: Option<Visitor>,
    /// The name of the merchant whose key the visitor has.
    merchant_name: Option<String>,
    /// The path of the request.
    path: String,
}

impl Frame {
    /// Returns the frame for the visitor who sent a request.
    ///
    /// # Errors
    ///
    /// Fails if the store cannot be read.
    pub(super) async fn new(
        request: &HttpRequest,
        state: &AppState,
        visitor: Option<Visitor>,
    ) -> Result<Self, ApiError> {
        let settings = match visitor.as_ref().map(|visitor| &visitor.person) {
            Some(Person::Merchant(owner)) => {
                let merchant = owner.merchant;
                let read = state.store.read(move |snapshot| snapshot.merchant_settings(merchant));
                read.await?
            }
            _ => None,
        };
        Ok(Self {
            visitor,
            merchant_name: settings.and_then(|merchant| merchant.name),
            ..Self::without_visitor(request, state)
        })
    }

    /// Returns the frame of a page that shows nothing about the visitor.
    pub(super) fn without_visitor(request: &HttpRequest, state: &AppState) -> Self {
        Self {
            mode: state.policy.load().mode,
            visitor: None,
            merchant_name: None,
            path: request.path().to_owned(),
        }
    }

    /// Returns the whole page.
    pub(super) fn around(&self, unframed: &Unframed) -> Markup {
        let Unframed { page, content, .. } = unframed;
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    title { (page.title()) " · escrowd" }
                    link rel="icon" href="data:,";
                    link rel="stylesheet" href=(STYLE.path());
                    script src=(SCRIPT.path()) defer {}
                    @if page.is_bare() { script src=(CHECKOUT_PAGE.path()) defer {} }
                }
                body {
                    @if !page.is_bare() { (self.header(page, unframed.chosen)) }
                    main #main .narrow[page.is_narrow()] { (content) }
                    @if !page.is_bare() {
                        footer.site-footer {
                            span { "escrowd " (env!("CARGO_PKG_VERSION")) }
                            span { @match self.mode { Mode::Live => "live mode", Mode::Sandbox => "sandbox" } }
                        }
                    }
                }
            }
        }
    }

    fn header(&self, page: &Page, shown: Option<Chosen>) -> Markup {
        html! {
                    a.skip.visually-hidden href="#main" { "Skip to the content" }
                    header.site-header {
                        div {
                            a.brand href="/" { "escrowd" }
                            nav.site-nav aria-label="Sections" {
                                @for (name, path) in self.sections() {
                                    a href=(path) aria-current=[(path == page.section_path()).then_some("page")] { (name) }
                                }
                            }
                            (self.person(shown))
                        }
                    }
        }
    }

    /// Returns the sections that the visitor sees.
    fn sections(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let is_shown = |path: &str| match &self.visitor {
            Some(visitor) => path == "/docs" || Part::of(path).is_for(visitor),
            None => ["/", "/docs"].contains(&path),
        };
        SECTIONS.into_iter().filter(move |(_, path)| is_shown(path))
    }

    /// Shows who has logged in, with the way out, or the way in. `shown` is the choice that the request
    /// itself has made, if it has made one.
    fn person(&self, shown: Option<Chosen>) -> Markup {
        let name = match self.visitor.as_ref().map(|visitor| &visitor.person) {
            None => return html! { div.person { a href="/login" { "Log in" } } },
            Some(Person::Local(_)) => {
                return html! {
                    div.person {
                        span.who title="These pages show what programs do here without a key." { "deals made without a key" }
                        a href="/login" { "Log in with your key" }
                    }
                };
            }
            Some(Person::SandboxMerchant(_)) => html! { "deals of the key with which you logged in" },
            Some(Person::Merchant(_)) => html! { strong { (self.merchant_name.as_deref().unwrap_or("the merchant")) } },
            Some(Person::Operator { operator, .. }) => html! {
                strong { (operator.name) } ", " (operator.role.into_str())
            },
        };
        html! {
            div.person {
                (self.chooser(shown))
                span.who { (name) }
                form.inline method="post" action="/logout" { button.quiet { "Log out" } }
            }
        }
    }

    /// Shows the merchant that an operator has chosen, and the form to choose another.
    fn chooser(&self, shown: Option<Chosen>) -> Markup {
        let Some(Person::Operator { merchants, chosen, .. }) = self.visitor.as_ref().map(|visitor| &visitor.person)
        else {
            return html! {};
        };
        let chosen = shown.map_or(*chosen, |Chosen(merchant)| merchant);
        let label = |(MerchantId(id), name): &(MerchantId, Option<String>)| match name {
            Some(name) => format!("{name} ({id})"),
            None => id.to_string(),
        };
        if let [only] = merchants.as_slice() {
            return html! { span.badge { (label(only)) } };
        }
        html! {
            form.chooser method="post" action="/console/merchant" {
                input type="hidden" name="back" value=(self.place());
                label.visually-hidden for="chosen-merchant" { "Merchant" }
                @if merchants.len() <= CHOICES_MAX {
                    select #chosen-merchant name="merchant" {
                        option value="" { "All merchants" }
                        @for merchant in merchants {
                            option value=(merchant.0.0) selected[Some(merchant.0) == chosen] { (label(merchant)) }
                        }
                    }
                } @else {
                    input #chosen-merchant name="merchant" placeholder="Id, or empty for all" value=(chosen.map_or(String::new(), |id| id.0.to_string()));
                }
                button { "Choose" }
            }
        }
    }

    /// Returns the page that an operator sees after a choice. The deal or the customer of a
    /// page is another merchant's afterwards, so the list is shown.
    fn place(&self) -> &'static str {
        if let Some(page) = page_of_desk(&self.path) {
            return page;
        }
        section_of(&self.path).unwrap_or("/")
    }
}
