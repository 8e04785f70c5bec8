//! The routes of the service as pages use them.

use std::future::{Ready, ready};

use actix_web::dev::{Payload, Url};
use actix_web::http::{Method, StatusCode, Uri};
use actix_web::web::Bytes;
use actix_web::{FromRequest, HttpRequest};
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::domain::ids::{CustomerId, MerchantId};
use crate::domain::invalid::shortened;
use crate::domain::money::Amount;
use crate::http::{ApiError, CSV, Call, CallReply, Door, EVENT_STREAM, JSON, media_type_of};
use crate::web::layout::{Page, Refused};

/// The routes, on behalf of the reader of a page.
#[derive(Clone, Debug)]
pub(super) struct Api {
    door: Door,
}

/// A request to a route, as a page sends it and shows it.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) method: Method,
    /// The path with its query, escaped.
    pub(super) path: String,
    /// The customer that it acts for.
    pub(super) customer: Option<String>,
    /// The merchant that it acts for, if an operator sends it. Without it, the one that the
    /// operator has chosen.
    pub(super) merchant: Option<String>,
    pub(super) body: Option<Value>,
    /// The key under which the request is done only once.
    pub(super) idempotency_key: Option<String>,
}

/// The answer to a request that a page shows.
#[derive(Clone, Debug)]
pub(super) struct ApiReply {
    pub(super) status: StatusCode,
    pub(super) envelope: Envelope,
    /// The id under which the request log keeps the request.
    pub(super) request_id: Option<String>,
}

/// The fields of an envelope that pages show.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Envelope {
    pub(super) message: String,
    #[serde(default)]
    pub(super) code: Option<String>,
    #[serde(default)]
    pub(super) doc_url: Option<String>,
    #[serde(default)]
    pub(super) data: Value,
    /// The values in the message of a refusal.
    #[serde(default)]
    pub(super) details: Value,
}

impl Envelope {
    /// Returns true for a refusal that leaves open if something was changed (docs/errors.md).
    pub(super) fn leaves_outcome_open(&self) -> bool {
        matches!(self.code.as_deref(), Some("outcome_unknown" | "internal"))
    }

    /// Returns true for the refusal of a request whose other copy, with the same key, is being done.
    pub(super) fn is_in_flight(&self) -> bool {
        self.code.as_deref() == Some("idempotency_key_in_flight")
    }
}

/// An amount of a reply, which has major units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Major(pub(super) Amount);

/// An amount of a reply, which has major units and may be below zero: in minor units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SignedMajor(pub(super) i64);

#[derive(Deserialize)]
struct Data<T> {
    data: T,
}

impl Request {
    /// A read.
    pub(super) fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path)
    }

    /// A request without a body that acts for the merchant.
    pub(super) fn new(method: Method, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            customer: None,
            merchant: None,
            body: None,
            idempotency_key: None,
        }
    }

    /// Acts for a customer.
    pub(super) fn acting_for(mut self, customer: impl Into<String>) -> Self {
        self.customer = Some(customer.into());
        self
    }

    /// Sends a body.
    pub(super) fn with(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    /// Returns the path without its query and its escapes, by which the server finds the route.
    pub(super) fn route(&self) -> String {
        let uri = self.path.parse::<Uri>();
        uri.map_or_else(|_| self.path.clone(), |uri| Url::new(uri).path().to_owned())
    }

    /// Returns the command line that sends the same request to the service at `base_url`. If it
    /// takes a key, the command names the variable `ESCROWD_KEY`.
    pub(super) fn curl(&self, base_url: &str, takes_key: bool) -> String {
        let mut words = vec!["curl".to_owned()];
        if self.method != Method::GET && !(self.method == Method::POST && self.body.is_some()) {
            words.push(format!("-X {}", self.method));
        }
        words.push(quoted(&format!("{base_url}{}", self.path)));
        if takes_key {
            words.push("\\\n  -H \"Authorization: Bearer $ESCROWD_KEY\"".to_owned());
        }
        let named = [("customer-id", &self.customer), ("merchant-id", &self.merchant)];
        for (name, value) in named {
            if let Some(value) = value {
                words.push(format!("\\\n  -H {}", quoted(&format!("{name}: {value}"))));
            }
        }
        if let Some(body) = &self.body {
            // Not --json, which curl has since 7.82 only.
            words.push("\\\n  -H 'content-type: application/json'".to_owned());
            words.push(format!("\\\n  -d {}", quoted(&body.to_string())));
        }
        words.join(" ")
    }
}

/// Quotes a text for a shell.
fn quoted(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:=@%+,".contains(&byte);
    if !text.is_empty() && text.bytes().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

impl ApiReply {
    /// Reads a reply, which may be a refusal.
    ///
    /// # Errors
    ///
    /// Refuses a reply without an envelope, such as that to HEAD.
    pub(super) fn of(reply: CallReply) -> Result<Self, Refused> {
        let no_envelope = |_| not_for_a_page("A page cannot show the reply to this request: use curl.");
        Ok(Self {
            status: reply.status,
            envelope: serde_json::from_slice(&reply.body).map_err(no_envelope)?,
            request_id: reply.request_id,
        })
    }
}

impl Api {
    /// Reads the `data` of a GET route. `path` has its query, escaped.
    ///
    /// # Errors
    ///
    /// Returns the refusal of the route as a page.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: impl Into<String>) -> Result<T, Refused> {
        self.data(Request::get(path)).await
    }

    /// Sends a request and returns the `data` of its reply.
    ///
    /// # Errors
    ///
    /// Returns the refusal of the route as a page.
    pub(super) async fn data<T: DeserializeOwned>(&self, request: Request) -> Result<T, Refused> {
        data_of(&self.call(request).await?)
    }

    /// Reads the `data` of a GET route for a customer. Returns `None` if there is no such customer.
    ///
    /// # Errors
    ///
    /// Returns another refusal of the route as a page.
    pub(super) async fn get_of_customer<T: DeserializeOwned>(
        &self,
        path: &str,
        customer: &CustomerId,
    ) -> Result<Option<T>, Refused> {
        let request = Request::get(path).acting_for(customer.as_str());
        data_of_customer(&self.call(request).await?)
    }

    /// Sends a request and returns its answer, which may be a refusal.
    ///
    /// # Errors
    ///
    /// Fails if the request cannot be sent, as when a header would have a line break, and refuses
    /// a route that answers with a file or a stream before anything is sent.
    pub(super) async fn send(&self, request: Request) -> Result<ApiReply, Refused> {
        check_has_envelope(&request)?;
        ApiReply::of(self.call(request).await?)
    }

    /// Sends a request with a form as its body, as the browser sent the form.
    ///
    /// # Errors
    ///
    /// Fails as [`Api::send`] does.
    pub(super) async fn send_form(
        &self,
        request: Request,
        content_type: String,
        form: Bytes,
    ) -> Result<ApiReply, Refused> {
        check_has_envelope(&request)?;
        ApiReply::of(self.call_with(request, Some((content_type, form))).await?)
    }

    /// Sends a request with a CSV file as its body, and returns its answer, which may be a refusal.
    ///
    /// # Errors
    ///
    /// Fails as [`Api::send`] does.
    pub(super) async fn send_csv(&self, request: Request, csv: String) -> Result<ApiReply, Refused> {
        check_has_envelope(&request)?;
        let body = (CSV.to_owned(), Bytes::from(csv));
        ApiReply::of(self.call_with(request, Some(body)).await?)
    }

    /// Sends a request to a route that answers with a file, and returns the file or the refusal.
    ///
    /// # Errors
    ///
    /// Fails as [`Api::send`] does.
    pub(super) async fn file(&self, request: Request) -> Result<Result<Bytes, ApiReply>, Refused> {
        let reply = self.call(request).await?;
        if reply.status.is_success() {
            return Ok(Ok(reply.body));
        }
        ApiReply::of(reply).map(Err)
    }

    /// Makes the requests of an operator act for this merchant, or for none, unless a request names
    /// another one.
    pub(super) fn choose(&mut self, merchant: Option<MerchantId>) {
        self.door.choose(merchant);
    }

    async fn call(&self, mut request: Request) -> Result<CallReply, Refused> {
        let json = |body: Value| (JSON.to_owned(), Bytes::from(body.to_string()));
        let body = request.body.take().map(json);
        self.call_with(request, body).await
    }

    async fn call_with(&self, request: Request, body: Option<(String, Bytes)>) -> Result<CallReply, Refused> {
        check(&request)?;
        let mut headers = Vec::new();
        headers.extend(request.customer.map(|customer| ("customer-id", customer)));
        headers.extend(request.merchant.map(|merchant| ("merchant-id", merchant)));
        headers.extend(request.idempotency_key.map(|key| ("idempotency-key", key)));
        let call = Call {
            method: request.method,
            path: request.path,
            headers,
            body,
        };
        self.through_door(call).await
    }

    async fn through_door(&self, call: Call) -> Result<CallReply, Refused> {
        Ok(self.door.call(call).await?)
    }
}

/// Refuses what cannot stand in a request, by the name of the form's field.
fn check(request: &Request) -> Result<(), Refused> {
    let bad = |message| Refused::new(400, Page::new("That form cannot be sent"), message);
    if let Some(customer) = request.customer.as_deref()
        && CustomerId::parse(customer).is_none()
    {
        return Err(bad(format!("{} Nothing was changed.", no_customer(customer))));
    }
    let headers = [("merchant", &request.merchant), ("once", &request.idempotency_key)];
    let is_header = |text: &Option<String>| {
        text.as_deref()
            .is_none_or(|text| text.bytes().all(|byte| (b' '..=b'~').contains(&byte)))
    };
    let message = if let Some((field, _)) = headers.into_iter().find(|(_, text)| !is_header(text)) {
        format!("The field {field} takes letters (without accents), digits and signs. Nothing was changed.")
    } else if request.path.parse::<Uri>().is_err() {
        "The field path must be the path of a route, escaped.".to_owned()
    } else {
        return Ok(());
    };
    Err(bad(message))
}

/// Refuses a request to a route whose success is no envelope, since a page could not show the reply to
/// a change that was made, and would wait for the end of a stream.
fn check_has_envelope(request: &Request) -> Result<(), Refused> {
    let uri = request.path.parse::<Uri>().ok();
    let message = match uri.and_then(|uri| media_type_of(&request.method, &uri)) {
        None => return Ok(()),
        Some(EVENT_STREAM) => {
            "This route answers with a stream, which does not end: use escrowd listen or curl. Nothing was changed."
        }
        Some(_) => "This route answers with a file, which a program takes: use curl. Nothing was changed.",
    };
    Err(not_for_a_page(message))
}

fn not_for_a_page(message: &str) -> Refused {
    Refused::new(400, Page::new("Not for a page"), message)
}

/// Says that a text cannot be the id of a customer, by the name that a reader knows it by.
pub(super) fn no_customer(typed: &str) -> String {
    format!(
        "“{}” cannot be the name of a customer: it takes 1 to 128 letters (without accents), digits and signs, and no spaces.",
        shortened(typed)
    )
}

/// Returns the `data` of a reply, or its refusal as a page.
pub(super) fn data_of<T: DeserializeOwned>(reply: &CallReply) -> Result<T, Refused> {
    if reply.status.is_success() {
        let data: Data<T> = serde_json::from_slice(&reply.body).map_err(|_| ApiError::Internal)?;
        return Ok(data.data);
    }
    let refusal: Envelope = serde_json::from_slice(&reply.body).map_err(|_| ApiError::Internal)?;
    if refusal.code.as_deref() == Some("merchant_id_required") {
        return Err(Refused::no_merchant());
    }
    let page = Page::new("That did not work");
    Err(Refused::new(reply.status.as_u16(), page, refusal.message))
}

/// Returns the `data` of a reply to a customer's request, `None` if there is no such customer, or
/// another refusal as a page.
pub(super) fn data_of_customer<T: DeserializeOwned>(reply: &CallReply) -> Result<Option<T>, Refused> {
    let refusal = serde_json::from_slice::<Envelope>(&reply.body).ok();
    let code = refusal.and_then(|refusal| refusal.code);
    if !reply.status.is_success() && code.as_deref() == Some("customer_not_found") {
        return Ok(None);
    }
    data_of(reply).map(Some)
}

impl FromRequest for Api {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let door = Door::from_request(request, payload).into_inner();
        ready(door.map(|door| Self { door }))
    }
}

impl<'de> Deserialize<'de> for Major {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // The text itself, since a floating-point number could not hold every amount.
        let number = Box::<RawValue>::deserialize(deserializer)?;
        let amount = Amount::parse_major(number.get()).map_err(|_| D::Error::custom("not an amount"))?;
        Ok(Self(amount))
    }
}

impl<'de> Deserialize<'de> for SignedMajor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = Box::<RawValue>::deserialize(deserializer)?;
        let (text, sign) = match number.get().strip_prefix('-') {
            Some(size) => (size, -1),
            None => (number.get(), 1),
        };
        let amount = Amount::parse_major(text).map_err(|_| D::Error::custom("not an amount"))?;
        Ok(Self(sign * amount.minor()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_text_that_cannot_stand_in_a_header_is_refused() {
        for text in ["Zoë", "a\r\nb: c", "\0"] {
            assert!(check(&Request::get("/v1/wallet").acting_for(text)).is_err(), "{text:?}");
            let of_merchant = Request {
                merchant: Some(text.to_owned()),
                ..Request::get("/v1/wallet")
            };
            assert!(check(&of_merchant).is_err(), "{text:?}");
        }
        assert!(check(&Request::get("/v1/wallet").acting_for("ada")).is_ok());
    }

    #[test]
    fn amounts_are_read_to_the_last_digit() {
        let Major(amount) = serde_json::from_str("90071992547409.91").unwrap();
        assert_eq!(amount.minor(), 9_007_199_254_740_991);
        assert!(serde_json::from_str::<Major>("-1").is_err());
        assert!(serde_json::from_str::<Major>("\"1\"").is_err());
        let below: SignedMajor = serde_json::from_str("-0.5").unwrap();
        assert_eq!(below, SignedMajor(-50));
    }

    #[test]
    fn a_command_line_keeps_what_a_shell_would_change() {
        let request = Request::new(Method::POST, "/v1/x?a=b&c=d")
            .acting_for("ben")
            .with(json!({"purpose": "it's $HOME `here`"}));
        assert_eq!(
            request.curl("http://localhost:8080", false),
            "curl 'http://localhost:8080/v1/x?a=b&c=d' \\\n  -H 'customer-id: ben' \\\n  -H \
             'content-type: application/json' \\\n  -d '{\"purpose\":\"it'\\''s $HOME `here`\"}'"
        );
        let request = Request::new(Method::DELETE, "/v1/x");
        assert_eq!(request.curl("http://h", false), "curl -X DELETE http://h/v1/x");
    }

    #[test]
    fn a_command_line_names_a_variable_for_the_key() {
        let mut request = Request::new(Method::POST, "/operator/x");
        request.merchant = Some("7".to_owned());
        assert_eq!(
            request.curl("http://h", true),
            "curl -X POST http://h/operator/x \\\n  -H \"Authorization: Bearer $ESCROWD_KEY\" \\\n  -H 'merchant-id: 7'"
        );
    }
}
