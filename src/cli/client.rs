//! A small client of the service's own API, for subcommands that speak to it.

use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::Value;

/// How long to wait for a connection, and for the whole of a reply.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const REPLY_TIMEOUT: Duration = Duration::from_mins(5);

/// How much is shown of an answer that is not escrowd's.
const ANSWER_SHOWN_CHARS: usize = 80;

/// Speaks to one server as a client would.
pub(super) struct Client {
    base: String,
    key: Option<String>,
    agent: ureq::Agent,
}

/// The envelope that came back.
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) message: String,
    pub(super) data: Value,
    pub(super) details: Value,
}

impl Client {
    /// A client of the server at this address, such as `http://127.0.0.1:8080`,
    /// that shows this key, if any. It goes there itself, whatever proxy there is.
    pub(super) fn new(base: &str, key: Option<String>) -> Self {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_global(Some(REPLY_TIMEOUT))
            .build()
            .new_agent();
        Self {
            base: base.trim_end_matches('/').to_owned(),
            key,
            agent,
        }
    }

    /// Sends a request, for a customer or for the merchant itself, with a JSON body
    /// if there is one.
    pub(super) fn send(
        &self,
        method: &str,
        path: &str,
        customer: Option<&str>,
        body: Option<&Value>,
    ) -> anyhow::Result<Reply> {
        let mut request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base));
        if let Some(customer) = customer {
            request = request.header("customer-id", customer);
        }
        if let Some(key) = &self.key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        let answer = match body {
            Some(body) => {
                let request = request.header("content-type", "application/json");
                self.agent.run(request.body(body.to_string())?)
            }
            None => self.agent.run(request.body(())?),
        };
        let mut answer = answer.with_context(|| format!("{method} {path} at {} got no answer", self.base))?;
        let text = answer.body_mut().read_to_string()?;
        let mut envelope: Value = serde_json::from_str(&text).with_context(|| {
            let beginning: String = text.chars().take(ANSWER_SHOWN_CHARS).collect();
            format!("{method} {path} was answered with something else than JSON: {beginning:?}")
        })?;
        Ok(Reply {
            status: answer.status().as_u16(),
            message: envelope["message"].as_str().unwrap_or_default().to_owned(),
            data: envelope["data"].take(),
            details: envelope["details"].take(),
        })
    }

    /// The same, and what it answers with; anything but a success is an error.
    pub(super) fn ask(
        &self,
        method: &str,
        path: &str,
        customer: Option<&str>,
        body: Option<&Value>,
    ) -> anyhow::Result<Value> {
        let Reply {
            status, message, data, ..
        } = self.send(method, path, customer, body)?;
        if status >= 300 {
            bail!("{method} {path} was answered with {status} {message}");
        }
        Ok(data)
    }
}
