//! Sends the request that a form of the console describes.
//!
//! A form names a request of the API: `method`, `path`, `customer`, and the fields of the body,
//! whose names begin with their kind: `s:` for a text, `n:` for a number, `b:` for true or
//! false. `s:milestones[0].title` is a field of an object in a list. So the console can do what
//! the API can, for whom the API lets it, and nothing else.

pub(super) mod body;

use actix_web::HttpResponse;
use actix_web::http::Method;
use actix_web::http::header::LOCATION;
use maud::{Markup, html};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::domain::ids::MerchantId;
use crate::entropy;
use crate::http::{Outcome, normalized_address};
use crate::web::api::{ApiReply, Request};
use crate::web::console::call::body::{body, check_sent_once, flat_fields};
use crate::web::console::payments::{PAYMENT, add_reference, leads_to};
use crate::web::form::BodyForm;
use crate::web::layout::{Page, Refused, of_merchant};
use crate::web::once;
use crate::web::reader::Reader;
use crate::web::reason;
use crate::web::sections::section_of;
use crate::web::text;

/// Stands in `back` for the id of what the request has made.
pub(crate) const MADE: &str = "{made}";
/// The most bytes of the id of a form.
const ONCE_BYTES_MAX: usize = 64;

/// The beginnings of the paths that a form may call.
const CALLED: [&str; 3] = ["/v1/", "/operator/", "/sandbox/"];

/// The hidden fields of a form that sends this request. The body's fields may stand beside
/// them. `back` is the page that the reader sees afterwards.
pub(super) fn hidden(reader: &Reader, request: &Request, back: &str) -> Markup {
    html! {
        input type="hidden" name="method" value=(request.method);
        input type="hidden" name="path" value=(request.path);
        @if let Some(customer) = &request.customer {
            input type="hidden" name="customer" value=(customer);
        }
        @if let Some(MerchantId(merchant)) = reader.pinned_merchant() {
            input type="hidden" name="merchant" value=(merchant);
        }
        (reader.visitor_field())
        input type="hidden" name="back" value=(back);
        // The page to which a refusal leads back.
        input type="hidden" name="from" value=(reader.page);
        // A form that is sent twice acts once.
        input type="hidden" name="once" value=(entropy::request_id());
    }
}

/// A form with one button that sends this request, or nothing if the reader's key may not send
/// it.
pub(crate) fn button(reader: &Reader, request: &Request, back: &str, label: &str, class: &str) -> Markup {
    if !reader.may(request) {
        return html! {};
    }
    html! {
        form.inline method="post" action="/console/call" {
            (hidden(reader, request, back))
            @for (name, value) in flat_fields(request.body.as_ref()) {
                input type="hidden" name=(name) value=(value);
            }
            button class=(class) { (label) }
        }
    }
}

/// `POST /console/call`
pub(super) async fn send(
    mut reader: Reader,
    BodyForm { form: fields, .. }: BodyForm<Vec<(String, String)>>,
) -> Result<HttpResponse, Refused> {
    let Sent {
        mut request,
        back,
        from,
        form,
        visitor,
    } = parse(&fields)?;
    reader.check_visitor(&visitor)?;
    request.merchant = request.merchant.filter(|_| reader.is_operator());
    reader.choose_of_form(request.merchant.as_deref())?;
    if reader.state.policy.load().is_strict {
        add_reference(&mut request);
    }
    // Nothing is kept for an idempotency key where a reply shows a secret.
    let once = request.idempotency_key.clone().filter(|_| shows_secrets(&request));
    if let Some(once) = once.as_deref().filter(|_| !reader.is_without_key())
        && !reader.note_sent(once)
    {
        return Ok(see(&back, &form));
    }
    let answer = once::answer(|| reader.api.send(request.clone())).await;
    let is_done = answer.as_ref().is_ok_and(|answer| answer.status.is_success());
    if let Some(once) = once.filter(|_| !is_done) {
        reader.forget_sent(&once);
    }
    let answer = answer.map_err(|refused| refused.with_way_on(from.clone(), "Back"))?;
    if !is_done {
        return Ok(refusal(&reader, &request, &answer, &from));
    }
    let curl = reader.curl(&request);
    Ok(go_back(&reader, &request, Some(curl), &answer, &back, &form))
}

/// Leads to the page to go back to after a success, which shows the outcome: from the request log
/// or, for a reader with a key, from the session.
pub(super) fn go_back(
    reader: &Reader,
    request: &Request,
    curl: Option<String>,
    answer: &ApiReply,
    back: &str,
    form: &str,
) -> HttpResponse {
    let data = &answer.envelope.data;
    let made = data
        .get("id")
        .or_else(|| data.get("customerId"))
        .and_then(Value::as_str);
    let back = back.replace(MADE, made.unwrap_or_default());
    if reader.is_without_key() {
        return see(&back, answer.request_id.as_deref().unwrap_or_default());
    }
    reader.keep_outcome(Outcome {
        form: form.to_owned(),
        message: answer.envelope.message.clone(),
        curl,
        secrets: if shows_secrets(request) {
            secrets(data)
        } else {
            Vec::new()
        },
    });
    see(&back, form)
}

/// Leads to the page after a form, which shows the outcome with this id.
fn see(back: &str, done: &str) -> HttpResponse {
    let mark = if back.contains('?') { '&' } else { '?' };
    let place = format!("{back}{mark}done={}", text::segment(done));
    HttpResponse::SeeOther().insert_header((LOCATION, place)).finish()
}

/// Returns true for the requests whose replies show new keys and secrets.
fn shows_secrets(request: &Request) -> bool {
    let starts = [
        "/operator/operators",
        "/operator/merchants",
        "/operator/keys",
        "/operator/callback",
    ];
    let route = request.route();
    starts.iter().any(|start| route.starts_with(start))
}

/// Returns the new keys and secrets in the data of a reply.
fn secrets(data: &Value) -> Vec<(&'static str, String)> {
    let places = [
        ("The key", "/key"),
        ("The key", "/key/key"),
        ("The signing secret", "/signingSecret"),
        ("The same for libraries of Standard Webhooks", "/standardWebhooksSecret"),
    ];
    let found = places.into_iter().filter_map(|(name, place)| {
        let secret = data.pointer(place)?.as_str()?;
        Some((name, secret.to_owned()))
    });
    found.collect()
}

/// The page of a refusal, as the API words it. `from` is the page that has the form: the script of
/// the pages shows it again as it was filled in.
pub(crate) fn refusal(reader: &Reader, request: &Request, answer: &ApiReply, from: &str) -> HttpResponse {
    refusal_of(reader, ("The request", &reader.curl(request)), answer, from)
}

/// The page of a refusal, as [`refusal`] shows it. `sent` is what was sent, with its heading.
pub(super) fn refusal_of(reader: &Reader, sent: (&str, &str), answer: &ApiReply, from: &str) -> HttpResponse {
    let (heading, sent) = sent;
    let envelope = &answer.envelope;
    let page = Page::new("Refused")
        .section(section_of(from).unwrap_or("/console/deals"))
        .narrow();
    let page = page.show_with(answer.status, &html! {
        h1 { "Refused" }
        div.notice.bad role="alert" data-refused {
            p { strong { (reason::of(envelope, &reader.currency())) } }
            (reason::facts(envelope, &reader.currency()))
            @if let (Some(code), Some(url)) = (&envelope.code, &envelope.doc_url) {
                p { "Status " (answer.status.as_u16()) ", code " a href=(url) { code { (code) } } ". " (reason::outcome(envelope, "Nothing was changed.")) }
            }
        }
        h2 { (heading) }
        pre tabindex="0" { code { (sent) } }
        p { a.button.primary href=(from) { "Back" } }
    });
    of_merchant(page, reader.pinned_merchant())
}

/// A form that was sent.
#[derive(Debug)]
struct Sent {
    request: Request,
    /// The page to go to after a success.
    back: String,
    /// The page that has the form.
    from: String,
    /// The id of the form.
    form: String,
    /// The id of the visitor whose page showed the form.
    visitor: String,
}

/// Reads what a form sent.
fn parse(fields: &[(String, String)]) -> Result<Sent, Refused> {
    check_sent_once(fields)?;
    let field = |name: &str| {
        let found = fields.iter().find(|(field, _)| field == name);
        found.map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
    };
    let bad = |what: &str| Refused::new(400, Page::new("That form is incomplete"), format!("{what} is missing."));
    let method = field("method").and_then(|method| Method::from_bytes(method.as_bytes()).ok());
    let path = field("path").and_then(route_of);
    let back = field("back").and_then(text::own_path).unwrap_or("/console/deals");
    let from = field("from").and_then(text::own_path);
    let mut request = Request::new(
        method.ok_or_else(|| bad("The method"))?,
        path.ok_or_else(|| bad("The path"))?,
    );
    request.customer = field("customer").map(str::to_owned);
    request.merchant = field("merchant").map(str::to_owned);
    request.body = body(fields)?;
    // The route pays the present total if the request names none. Every form of a payment sends the
    // one that its page has shown.
    let total = request.body.as_ref().and_then(|body| body.get("amount"));
    if leads_to(&request, PAYMENT) && total.is_none() {
        return Err(bad("The total that the page showed"));
    }
    let once = field("once").filter(|once| once.len() <= ONCE_BYTES_MAX);
    request.idempotency_key = idempotency_key(once, &request);
    Ok(Sent {
        request,
        back: back.to_owned(),
        from: from.unwrap_or_else(|| place_of(back)).to_owned(),
        form: once.map_or_else(entropy::request_id, str::to_owned),
        visitor: field("visitor").unwrap_or_default().to_owned(),
    })
}

/// Returns the page of a form that names only the page after a success.
pub(super) fn place_of(back: &str) -> &str {
    if back.contains(MADE) { "/console/deals" } else { back }
}

/// Returns the path that the server takes this one for, if it is one that a form may call.
pub(super) fn route_of(path: &str) -> Option<String> {
    let path = text::own_path(path)?;
    let path = normalized_address(path).unwrap_or_else(|| path.to_owned());
    let is_called = CALLED.iter().any(|start| path.starts_with(start));
    is_called.then_some(path)
}

/// Returns the key under which the request of a form is done once, unless the form has no id. A form
/// that a reader corrects after a refusal, by going back in the browser, is another request.
pub(super) fn idempotency_key(once: Option<&str>, request: &Request) -> Option<String> {
    let once = once.filter(|once| once.len() <= ONCE_BYTES_MAX)?;
    let asked = format!("{:?} {:?}", request.customer, request.body);
    Some(format!("{once}-{}", hex::encode(&Sha256::digest(asked)[..8])))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(fields: &[(&str, &str)]) -> Vec<(String, String)> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        fields.iter().map(owned).collect()
    }

    #[test]
    fn a_form_may_not_lead_elsewhere() {
        let form = |back| fields(&[("method", "POST"), ("path", "/v1/x"), ("back", back)]);
        for foreign in ["https://evil.example", "//evil.example", "/\\evil.example", ""] {
            assert_eq!(parse(&form(foreign)).unwrap().back, "/console/deals");
        }
        assert_eq!(parse(&form("/console/clock")).unwrap().back, "/console/clock");
        for foreign in ["v1", "/console/call", "/docs", "/logout", "//v1/x", "/v1/\r\nx: y"] {
            assert!(
                parse(&fields(&[("method", "POST"), ("path", foreign)])).is_err(),
                "{foreign}"
            );
        }
    }
}
