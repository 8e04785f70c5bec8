//! The reader of a page: whose deals the page shows, and what the reader may do.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::Method;
use actix_web::http::header::{HOST, REFERER};
use actix_web::web::Data;
use actix_web::{FromRequest, HttpMessage, HttpRequest, HttpResponse};
use maud::{Markup, html};

use crate::domain::ids::{MerchantId, OperatorId};
use crate::domain::money::Amount;
use crate::domain::time::Timestamp;
use crate::http::{ApiError, AppState, Outcome, Rows, SEC_FETCH_DEST, Visitor, changes};
use crate::store::{self, Snapshot};
use crate::web::api::{Api, Request};
use crate::web::layout::{Page, Refused};
use crate::web::parts::Part;
use crate::web::text;

/// A visitor who may see a page, with what the page reads from.
#[derive(Clone, Debug)]
pub(super) struct Reader {
    pub(super) state: Data<AppState>,
    pub(super) api: Api,
    /// The base URL under which the browser reached the service.
    pub(super) base_url: String,
    /// The address of the page that is shown, without the outcome of an earlier form.
    pub(super) page: String,
    visitor: Visitor,
}

impl Reader {
    /// Reads from one snapshot on a thread for long reads. Returns `None` for a merchant that
    /// has done nothing yet.
    ///
    /// # Errors
    ///
    /// Returns the failure of the read as a page, and tells an operator to choose a merchant.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Snapshot<'_>, MerchantId) -> Result<T, store::Error> + Send + 'static,
    ) -> Result<Option<T>, Refused> {
        let Some(merchant) = self.merchant() else {
            return match self.visitor.operator() {
                Some(_) => Err(Refused::no_merchant()),
                None => Ok(None),
            };
        };
        let read = self
            .state
            .store
            .read_long(merchant, move |snapshot| query(snapshot, merchant));
        let found = read.await.map_err(ApiError::from)?;
        Ok(Some(found))
    }

    /// Returns the time on the clock of the merchant that pages show.
    ///
    /// # Errors
    ///
    /// Fails as [`Reader::read`] does.
    pub(super) async fn now(&self) -> Result<Timestamp, Refused> {
        let now = self.state.store.ledger_time();
        let read = self.read(move |snapshot, merchant| Ok(snapshot.clock_of(merchant)?.shown_at(now)));
        Ok(read.await?.unwrap_or(now))
    }

    /// Returns the merchant that pages show, if it is known.
    pub(super) fn merchant(&self) -> Option<MerchantId> {
        self.visitor.merchant()
    }

    /// Returns true if the reader's key may send this request. The route has the last word.
    pub(super) fn may(&self, request: &Request) -> bool {
        self.visitor.may(&request.method, &request.path)
    }

    /// Returns true if the reader's key may read this path.
    pub(super) fn may_get(&self, path: &str) -> bool {
        self.visitor.may(&Method::GET, path)
    }

    /// Returns true if the reader sees this part of the pages.
    pub(super) fn sees(&self, part: Part) -> bool {
        part.is_for(&self.visitor)
    }

    /// Returns true for a sandbox, whose pages have more.
    pub(super) fn is_in_sandbox(&self) -> bool {
        self.sees(Part::Sandbox)
    }

    /// Returns true in a sandbox where a new name is a new customer: one that is not strict.
    pub(super) fn registers_unknown(&self) -> bool {
        self.is_in_sandbox() && !self.state.policy.load().is_strict
    }

    /// Returns true if the reader has not logged in, and needs no key.
    pub(super) fn is_without_key(&self) -> bool {
        self.visitor.key().is_none()
    }

    /// Returns true if the reader is an operator.
    pub(super) fn is_operator(&self) -> bool {
        self.visitor.operator().is_some()
    }

    /// Returns the id of the operator.
    pub(super) fn operator(&self) -> Option<OperatorId> {
        self.visitor.operator().map(|operator| operator.id)
    }

    /// Returns true for an act that the reader must leave to another operator: its amount takes two, and
    /// the reader is the first of them.
    pub(super) fn is_first_of_two(&self, first: Option<OperatorId>, amount: Amount) -> bool {
        let rule = self.state.policy.load().two_person;
        rule.check(amount, first, self.operator()).is_err()
    }

    /// Returns the merchant that the forms of a page act for: a form acts for the merchant that
    /// its page has shown, also if the operator has chosen another one since.
    pub(super) fn pinned_merchant(&self) -> Option<MerchantId> {
        self.merchant().filter(|_| self.is_operator())
    }

    /// Returns the id of the visitor, which each form that acts sends.
    pub(super) fn visitor_id(&self) -> String {
        self.visitor.id()
    }

    /// The hidden field with the id of the visitor.
    pub(super) fn visitor_field(&self) -> Markup {
        html! { input type="hidden" name="visitor" value=(self.visitor_id()); }
    }

    /// Checks the id of the visitor that a form sent.
    ///
    /// # Errors
    ///
    /// Refuses a form whose page was shown to another visitor, and one without the id.
    pub(super) fn check_visitor(&self, visitor: &str) -> Result<(), Refused> {
        if visitor == self.visitor_id() {
            return Ok(());
        }
        let (status, title, message) = if visitor.is_empty() {
            let message = "The field visitor is missing. Nothing was changed.";
            (400, "That form is incomplete", message)
        } else {
            let message = "Nothing was changed. This browser has logged in or out since the page of the form was \
                           shown, and the form acts only for the key of that page. To send it, log in with that key.";
            (409, "This browser has another login now", message)
        };
        Err(Refused::new(status, Page::new(title), message))
    }

    /// Chooses a merchant for an operator, or none: for the pages, and for the requests of this page
    /// from now on. Returns false if there is none of this id that the operator may act for.
    pub(super) fn choose(&mut self, merchant: Option<MerchantId>) -> bool {
        let is_chosen = self.visitor.choose(&self.state, merchant);
        if is_chosen {
            self.api.choose(merchant);
        }
        is_chosen
    }

    /// Chooses the merchant that a form acts for, since the page after the form shows what the form
    /// has done. The operator may have chosen another one since the page of the form was shown. A form
    /// without a merchant, and one of a reader who is no operator, chooses none.
    ///
    /// # Errors
    ///
    /// Refuses a merchant that the operator may not act for.
    pub(super) fn choose_of_form(&mut self, merchant: Option<&str>) -> Result<(), Refused> {
        let Some(named) = merchant.filter(|named| !named.is_empty() && self.is_operator()) else {
            return Ok(());
        };
        let id = named.parse().ok().map(MerchantId);
        if id.is_some() && (self.merchant() == id || self.choose(id)) {
            return Ok(());
        }
        Err(Refused::unknown_merchant())
    }

    /// Keeps the outcome of a form for the next page, which shows it once.
    pub(super) fn keep_outcome(&self, outcome: Outcome) {
        self.visitor.keep_outcome(&self.state, outcome);
    }

    /// Takes the outcome of the form with this id.
    pub(super) fn take_outcome(&self, form: &str) -> Option<Outcome> {
        self.visitor.take_outcome(&self.state, form)
    }

    /// Notes that a form is sent. Returns false if it was sent before.
    pub(super) fn note_sent(&self, form: &str) -> bool {
        self.visitor.note_sent(&self.state, form)
    }

    /// Lets a form be sent again, since it was refused.
    pub(super) fn forget_sent(&self, form: &str) {
        self.visitor.forget_sent(&self.state, form);
    }

    /// Tells the page whenever there are new rows of this kind.
    ///
    /// # Errors
    ///
    /// Refuses more streams than one client network may have open.
    pub(super) async fn changes(&self, request: &HttpRequest, rows: Rows) -> Result<HttpResponse, Refused> {
        Ok(changes(request, &self.state, &self.visitor, rows).await?)
    }

    /// Returns the command line of a request. It names a variable for the key, not the key.
    pub(super) fn curl(&self, request: &Request) -> String {
        request.curl(&self.base_url, !self.is_without_key())
    }

    /// Returns the currency of every amount.
    pub(super) fn currency(&self) -> String {
        self.state.policy.load().currency.to_string()
    }

    fn of(request: &HttpRequest, payload: &mut Payload) -> Result<Self, Refused> {
        let state = AppState::of(request)?.clone();
        let visitor = request.extensions().get::<Visitor>().cloned();
        let visitor = visitor.ok_or_else(|| unknown_visitor(request))?;
        visitor.count_page(&state)?;
        let part = Part::of(request.path());
        if !part.is_for(&visitor) {
            let message = match part {
                Part::Sandbox => "This page is of a sandbox only.",
                _ => "The key with which you have logged in may not see this page.",
            };
            return Err(Refused::new(403, Page::new("Not for this key"), message));
        }
        let api = Api::from_request(request, payload).into_inner()?;
        let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
        let base_url = state.policy.load().view_context(None, host).url("");
        Ok(Self {
            state,
            api,
            base_url,
            page: page_of(request),
            visitor,
        })
    }
}

/// Returns the address of the page of a request. The rows that a page asks for by itself are a
/// part of that page.
fn page_of(request: &HttpRequest) -> String {
    let path = request.path();
    let path = path.strip_suffix("/rows").unwrap_or(path);
    let query = request.query_string().split('&');
    let kept: Vec<&str> = query
        .filter(|field| !field.is_empty() && !field.starts_with("done="))
        .collect();
    if kept.is_empty() {
        return path.to_owned();
    }
    format!("{path}?{}", kept.join("&"))
}

/// Returns the address of the page that has sent a form, as the browser tells it.
pub(super) fn form_page_of(request: &HttpRequest) -> String {
    let referrer = request.headers().get(REFERER).and_then(|place| place.to_str().ok());
    let place = referrer.and_then(|place| place.split_once("://")?.1.split_once('/'));
    let path = place.map(|(_, path)| format!("/{path}"));
    let path = path.filter(|path| text::own_path(path).is_some());
    path.unwrap_or_else(|| "/".to_owned())
}

/// Leads a person to the login. A form is not sent again by itself afterwards.
fn unknown_visitor(request: &HttpRequest) -> Refused {
    let dest = request.headers().get(SEC_FETCH_DEST);
    let is_page = dest.is_none_or(|dest| dest.as_bytes() == b"document");
    if request.method() == Method::GET && is_page {
        return Refused::log_in_for(&request.uri().to_string());
    }
    let message =
        "You are not logged in, or your session has ended. Nothing was changed. Log in, and send the form again.";
    let from = form_page_of(request);
    Refused::new(401, Page::new("Log in first"), message)
        .with_way_on(format!("/login?to={}", text::segment(&from)), "Log in")
}

impl FromRequest for Reader {
    type Error = Refused;
    type Future = Ready<Result<Self, Refused>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        ready(Self::of(request, payload))
    }
}
