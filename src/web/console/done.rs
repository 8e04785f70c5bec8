//! The notice about what the reader has just done, with the request as a command line.

use actix_web::http::Method;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;

use crate::web::api::Request;
use crate::web::layout::Refused;
use crate::web::reader::Reader;
use crate::web::text;

/// The query of a page to which the reader comes back from an action.
#[derive(Debug, Deserialize)]
pub(crate) struct Shown {
    /// The id of the request that the reader has just sent.
    done: Option<String>,
}

impl Shown {
    pub(crate) fn done(&self) -> Option<&str> {
        self.done.as_deref()
    }
}

/// A request of the request log.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Logged {
    method: String,
    path: String,
    customer_id: Option<String>,
    request_body: Option<String>,
    reply_body: String,
}

impl Logged {
    /// Returns the texts of a form, which has files and is no body that a command line shows.
    fn form(&self) -> Option<String> {
        let body = self.request_body.as_deref().filter(|body| !body.is_empty())?;
        let is_json = serde_json::from_str::<Value>(body).is_ok();
        (!is_json).then(|| format!("{} {}\n{body}", self.method, self.path))
    }
}

#[derive(Deserialize)]
struct Message {
    message: String,
}

/// Returns the notice about the request with this id, or nothing if neither the session nor the
/// request log has it any more.
pub(crate) async fn notice(reader: &Reader, id: Option<&str>) -> Result<Markup, Refused> {
    let Some(id) = id else {
        return Ok(html! {});
    };
    if let Some(outcome) = reader.take_outcome(id) {
        let sent = outcome.curl.map_or(Sent::Unknown, Sent::Json);
        return Ok(show(&outcome.message, &sent, &outcome.secrets));
    }
    if !reader.is_in_sandbox() {
        return Ok(html! {});
    }
    let path = path_of(id);
    let Ok(logged) = reader.api.get::<Logged>(path).await else {
        return Ok(html! {});
    };
    let form = logged.form();
    let message = serde_json::from_str::<Message>(&logged.reply_body);
    let body = logged.request_body.as_deref();
    let sent = body.and_then(|body| serde_json::from_str::<Value>(body).ok());
    let request = Request {
        method: Method::from_bytes(logged.method.as_bytes()).unwrap_or_default(),
        path: logged.path,
        customer: logged.customer_id,
        merchant: None,
        body: sent,
        idempotency_key: None,
    };
    let message = message.map_or_else(|_| "Done".to_owned(), |reply| reply.message);
    let sent = match form {
        Some(form) => Sent::Form(form),
        None => Sent::Json(reader.curl(&request)),
    };
    Ok(show(&message, &sent, &[]))
}

/// Returns the texts of the form with files that this request had, if the request log has it.
pub(super) async fn form_of(reader: &Reader, id: Option<&str>) -> Option<String> {
    let path = path_of(id.filter(|_| reader.is_in_sandbox())?);
    reader.api.get::<Logged>(path).await.ok()?.form()
}

fn path_of(id: &str) -> String {
    format!("/sandbox/requests/{}", text::segment(id))
}

/// The request that was sent.
enum Sent {
    /// As a command line.
    Json(String),
    /// The texts of a form with files.
    Form(String),
    /// A form with files that nothing keeps.
    Unknown,
}

fn show(message: &str, sent: &Sent, secrets: &[(&'static str, String)]) -> Markup {
    html! {
        div.notice.good role="status" {
            p { strong { (message) } }
            @for (index, (name, secret)) in secrets.iter().enumerate() {
                @let id = format!("secret-{index}");
                p { (name) ", shown once and never again. Copy it now." }
                pre tabindex="0" { code id=(id) { (secret) } }
                button type="button" data-copy=(id) { "Copy" }
            }
            @match sent {
                Sent::Json(curl) => details {
                    summary { "The same with curl" }
                    pre tabindex="0" { code #curl { (curl) } }
                    button type="button" data-copy="curl" { "Copy" }
                }
                Sent::Form(form) => details {
                    summary { "The form that was sent" }
                    pre tabindex="0" { code { (form) } }
                }
                Sent::Unknown => {}
            }
        }
    }
}
