//! An HTTP client for the subcommands that call a running service.

use std::cell::Cell;
use std::thread;
use std::time::Duration;

use anyhow::{Context, anyhow, bail, ensure};
use reqwest::header::{HeaderMap, HeaderValue, LOCATION, RETRY_AFTER};
use serde_json::Value;
use tokio::runtime::{self, Runtime};

use crate::cli::event_stream::EventStream;
use crate::http_client::{self, innermost};

/// The message for a key that may not do this or that is unknown, and what an operator does then.
const FORBIDDEN: &str = "Unauthorized Access";
const FORBIDDEN_HINT: &str =
    "; this takes the key of an operator of a live service (op_live_...), whose role allows it";

/// The longest time that establishing a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest time that a request and its whole reply may take.
const REPLY_TIMEOUT: Duration = Duration::from_mins(5);

/// The longest pause before a request that the rate limit refused is sent again. A window of the limit
/// is not longer.
const RATE_LIMIT_PAUSE_MAX: Duration = Duration::from_mins(1);

/// The longest time that a stream of events stays open; then it is opened again.
const STREAM_TIMEOUT: Duration = Duration::from_hours(24);
/// The longest pause in a reply. A stream of events sends heartbeats.
const READ_TIMEOUT: Duration = Duration::from_mins(5);

/// The largest reply that the client reads, in bytes.
const REPLY_BYTES_MAX: usize = 10 * 1024 * 1024;

/// Characters that an error shows of a reply that is not JSON.
const REPLY_SHOWN_CHARS: usize = 80;

/// A client of one server. Each method blocks until the reply has arrived, since the
/// subcommands send one request at a time.
pub(super) struct ServiceClient {
    base: String,
    key: Option<String>,
    client: reqwest::Client,
    runtime: Runtime,
    /// True once the client has waited for the rate limit.
    has_waited: Cell<bool>,
}

/// The status of a reply and the parts of its envelope.
pub(super) struct ServiceReply {
    pub(super) status: u16,
    pub(super) message: String,
    pub(super) data: Value,
    pub(super) details: Value,
    /// The pause after which the request is worth sending again.
    retry_after: Option<Duration>,
    /// The key has no more requests in this minute.
    is_rate_limited: bool,
}

impl ServiceReply {
    /// Returns why the request was refused: the message, and what would be right if only the details
    /// say so.
    pub(super) fn refusal(&self) -> String {
        let detail = |name: &str| self.details[name].as_str();
        match (detail("field"), detail("expected"), detail("got")) {
            (Some(field), Some(expected), Some(got)) if !self.message.contains(expected) => {
                format!("{}; {field} must be {expected}; got {got:?}", self.message)
            }
            _ => self.message.clone(),
        }
    }

    /// Returns why a sandbox refused the request, as [`ServiceReply::refusal`] does, and what helps
    /// against its rate limit.
    pub(super) fn refusal_of_sandbox(&self) -> String {
        let Some(pause) = self.rate_limit_pause() else {
            return self.refusal();
        };
        format!(
            "{}; try again in {} s, or start the sandbox with a higher limit, such as \
             ESCROWD_LIMITS_REQUESTS_PER_MINUTE=100000",
            self.refusal(),
            pause.as_secs()
        )
    }

    /// Returns the pause after which the rate limit takes the request, which has had no effect. A 429
    /// that a fault of the sandbox asks for has none.
    fn rate_limit_pause(&self) -> Option<Duration> {
        self.retry_after.filter(|_| self.status == 429 && self.is_rate_limited)
    }
}

impl ServiceClient {
    /// Creates a client of the server at this URL, such as `http://127.0.0.1:8080`. The
    /// client sends the key, if there is one, and uses no proxy.
    ///
    /// # Errors
    ///
    /// Fails if the URL is of another scheme than HTTP, or has a user name.
    pub(super) fn new(base: &str, key: Option<String>) -> anyhow::Result<Self> {
        Self::with_timeout(base, key, REPLY_TIMEOUT)
    }

    /// Creates a client as [`ServiceClient::new`] does, for requests that take this time at
    /// most with their whole reply.
    pub(super) fn with_timeout(base: &str, key: Option<String>, timeout: Duration) -> anyhow::Result<Self> {
        // Errors repeat the URL, but not one that may have a password.
        ensure!(
            !base.contains('@'),
            "the URL of the service (--url, or ESCROWD_URL) must be without a user name and a password; a key goes into \
             ESCROWD_KEY"
        );
        ensure!(
            base.starts_with("http://") || base.starts_with("https://"),
            "the URL of the service (--url, or ESCROWD_URL) must start with http:// or https://; got {base:?}"
        );
        let builder = if base.starts_with("https://") {
            http_client::builder()
        } else {
            http_client::builder_without_certificates()
        };
        let builder = builder
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .timeout(timeout);
        Ok(Self {
            base: base.trim_end_matches('/').to_owned(),
            key,
            client: builder.build().map_err(cause)?,
            runtime: runtime::Builder::new_current_thread().enable_all().build()?,
            has_waited: Cell::new(false),
        })
    }

    /// Sends a request and returns the reply, with any status. The request acts for the
    /// customer, or for the merchant if `customer` is `None`.
    pub(super) fn send(
        &self,
        method: &str,
        path: &str,
        customer: Option<&str>,
        body: Option<&Value>,
    ) -> anyhow::Result<ServiceReply> {
        self.send_with(method, path, customer.map(|customer| ("customer-id", customer)), body)
    }

    /// Sends a request of an operator and returns the `data` of its reply, which has a value at the
    /// JSON pointer `expected`. The request acts for the merchant with this name or id, or for the
    /// deployment.
    ///
    /// # Errors
    ///
    /// Fails if there is no reply, if its status is 300 or more, or if it is another server's.
    pub(super) fn ask_as_operator(
        &self,
        method: &str,
        path: &str,
        merchant: Option<&str>,
        body: Option<&Value>,
        expected: &str,
    ) -> anyhow::Result<Value> {
        let reply = self.send_with(method, path, merchant.map(|merchant| ("merchant-id", merchant)), body)?;
        let hint = match reply.retry_after {
            Some(pause) if reply.status == 429 => format!("; try again in {} s", pause.as_secs()),
            _ if reply.status == 403 && reply.message == FORBIDDEN => FORBIDDEN_HINT.to_owned(),
            _ => String::new(),
        };
        ensure!(
            reply.status < 300,
            "{} (status {}){hint}",
            reply.refusal(),
            reply.status
        );
        ensure!(
            reply.data.pointer(expected).is_some(),
            "{method} {path} at {} returned {} without {expected} in its data, so no escrowd answers there",
            self.base,
            reply.status
        );
        Ok(reply.data)
    }

    fn send_with(
        &self,
        method: &str,
        path: &str,
        header: Option<(&str, &str)>,
        body: Option<&Value>,
    ) -> anyhow::Result<ServiceReply> {
        let mut request = self.request(method, path)?;
        if let Some((name, value)) = header {
            request = request.header(name, header_value(name, value)?);
        }
        if let Some(body) = body {
            request = request
                .header("content-type", "application/json")
                .body(body.to_string());
        }
        let request = request.build().map_err(cause)?;
        let (status, headers, bytes) = self
            .runtime
            .block_on(self.exchange(request))
            .with_context(|| self.failed(method, path))?;
        let mut envelope: Value = serde_json::from_slice(&bytes).with_context(|| {
            let text = String::from_utf8_lossy(&bytes);
            let beginning: String = text.chars().take(REPLY_SHOWN_CHARS).collect();
            format!("{method} {path} returned a reply that is not JSON: {beginning:?}")
        })?;
        Ok(ServiceReply {
            status,
            message: envelope["message"].as_str().unwrap_or_default().to_owned(),
            data: envelope["data"].take(),
            details: envelope["details"].take(),
            retry_after: retry_after(&headers),
            is_rate_limited: has_no_requests_left(&headers),
        })
    }

    fn failed(&self, method: &str, path: &str) -> String {
        format!("{method} {path} at {} failed", self.base)
    }

    fn request(&self, method: &str, path: &str) -> anyhow::Result<reqwest::RequestBuilder> {
        let request = self.client.request(method.parse()?, format!("{}{path}", self.base));
        Ok(match &self.key {
            Some(key) => request.header("authorization", header_value("key", &format!("Bearer {key}"))?),
            None => request,
        })
    }

    /// Opens a stream of events behind the event with this id, or else from now on.
    ///
    /// # Errors
    ///
    /// Fails if there is no reply or its status is not 200.
    pub(super) fn stream(&self, path: &str, last: Option<&str>) -> anyhow::Result<EventStream<'_>> {
        let mut request = self.request("GET", path)?.timeout(STREAM_TIMEOUT);
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let request = request.build().map_err(cause)?;
        let opened = self.runtime.block_on(async { self.client.execute(request).await });
        let response = opened
            .map_err(cause)
            .and_then(|response| check_not_redirected(&response).map(|()| response))
            .with_context(|| self.failed("GET", path))?;
        let status = response.status().as_u16();
        if status != 200 {
            let reading = async { tokio::time::timeout(REPLY_TIMEOUT, whole_body(response)).await };
            let body = match self.runtime.block_on(reading) {
                Ok(body) => body.with_context(|| format!("GET {path} returned {status}"))?,
                Err(_) => bail!("GET {path} returned {status}, and its reply does not end"),
            };
            let envelope: Value = serde_json::from_slice(&body).unwrap_or_default();
            let message = envelope["message"].as_str().unwrap_or_default();
            bail!("GET {path} returned {status}: {message}");
        }
        Ok(EventStream::new(&self.runtime, response))
    }

    /// Sends a request and returns the status, the headers and the whole body of its reply.
    async fn exchange(&self, request: reqwest::Request) -> anyhow::Result<(u16, HeaderMap, Vec<u8>)> {
        let response = self.client.execute(request).await.map_err(cause)?;
        check_not_redirected(&response)?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok((status, headers, whole_body(response).await?))
    }

    /// Sends a request of a sandbox and returns the reply, with any status. If the rate limit refuses the
    /// request, the client says so, waits and sends it again, once in its life.
    pub(super) fn send_patiently(
        &self,
        method: &str,
        path: &str,
        customer: Option<&str>,
        body: Option<&Value>,
    ) -> anyhow::Result<ServiceReply> {
        let reply = self.send(method, path, customer, body)?;
        let pause = reply.rate_limit_pause().filter(|pause| *pause <= RATE_LIMIT_PAUSE_MAX);
        let Some(pause) = pause.filter(|_| !self.has_waited.replace(true)) else {
            return Ok(reply);
        };
        anstream::eprintln!(
            "the sandbox takes no more requests in this minute; trying again in {} s",
            pause.as_secs()
        );
        thread::sleep(pause);
        self.send(method, path, customer, body)
    }

    /// Sends a request of a sandbox as [`ServiceClient::send_patiently`] does, and returns the `data` of
    /// its reply.
    ///
    /// # Errors
    ///
    /// Fails if there is no reply or its status is 300 or more.
    pub(super) fn ask(
        &self,
        method: &str,
        path: &str,
        customer: Option<&str>,
        body: Option<&Value>,
    ) -> anyhow::Result<Value> {
        let reply = self.send_patiently(method, path, customer, body)?;
        ensure!(
            reply.status < 300,
            "{method} {path} returned {}: {}",
            reply.status,
            reply.refusal_of_sandbox()
        );
        Ok(reply.data)
    }
}

/// Reads the whole body of a reply.
///
/// # Errors
///
/// Fails if it is longer than [`REPLY_BYTES_MAX`].
async fn whole_body(mut response: reqwest::Response) -> anyhow::Result<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(cause)? {
        body.extend_from_slice(&chunk);
        ensure!(
            body.len() <= REPLY_BYTES_MAX,
            "the reply is longer than {REPLY_BYTES_MAX} bytes"
        );
    }
    Ok(body)
}

/// Refuses a reply that sends the client elsewhere. Nothing is sent there: a key is for the server
/// that was named, and no route of the service redirects.
fn check_not_redirected(response: &reqwest::Response) -> anyhow::Result<()> {
    let status = response.status();
    if status.is_redirection() {
        let location = response.headers().get(LOCATION);
        let to = location.map(|to| String::from_utf8_lossy(to.as_bytes()).into_owned());
        let to = to.unwrap_or_default();
        bail!(
            "the server sends the client to {to:?} (status {status}), and no redirect is followed; name the service itself"
        );
    }
    Ok(())
}

/// Returns the pause that a reply asks for, in whole seconds.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// Returns true if a reply says that the rate limit of its key is used up.
fn has_no_requests_left(headers: &HeaderMap) -> bool {
    let state = headers.get("ratelimit").and_then(|state| state.to_str().ok());
    state.is_some_and(|state| state.contains("remaining=0,"))
}

/// Returns the value of a header. Its error does not repeat the value, which may be a key.
fn header_value(name: &str, value: &str) -> anyhow::Result<HeaderValue> {
    HeaderValue::from_str(value).map_err(|_| anyhow!("the {name} has a line break or another control character"))
}

/// The reason why a request failed.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
struct RequestError {
    text: String,
    /// No connection was established.
    is_unconnected: bool,
}

/// Describes why a request failed by its innermost cause, which does not repeat the URL.
#[expect(clippy::needless_pass_by_value, reason = "it maps the errors of results")]
fn cause(error: reqwest::Error) -> anyhow::Error {
    anyhow::Error::new(RequestError {
        text: innermost(&error),
        is_unconnected: error.is_connect(),
    })
}

/// Returns true if a request failed because no connection to the server could be established.
pub(super) fn is_unconnected(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        matches!(
            cause.downcast_ref(),
            Some(RequestError {
                is_unconnected: true,
                ..
            })
        )
    })
}
