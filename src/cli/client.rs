//! A small client of the service's own API, for subcommands that speak to it.

use anyhow::Context;
use serde_json::Value;

/// Speaks to one server as a client would.
pub(super) struct Client {
    base: String,
    agent: ureq::Agent,
}

/// The envelope that came back.
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) message: String,
    pub(super) data: Value,
}

impl Client {
    /// A client of the server at this address, such as `http://127.0.0.1:8080`.
    pub(super) fn new(base: String) -> Self {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .build()
            .new_agent();
        Self { base, agent }
    }

    /// Sends a request for a customer, with a JSON body if there is one.
    pub(super) fn send(&self, method: &str, path: &str, customer: &str, body: Option<&Value>) -> anyhow::Result<Reply> {
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header("customer-id", customer);
        let answer = match body {
            Some(body) => {
                let request = request.header("content-type", "application/json");
                self.agent.run(request.body(body.to_string())?)
            }
            None => self.agent.run(request.body(())?),
        };
        let mut answer = answer.with_context(|| format!("{method} {path} at {} got no answer", self.base))?;
        let text = answer.body_mut().read_to_string()?;
        let mut envelope: Value =
            serde_json::from_str(&text).with_context(|| format!("{method} {path} was answered with {text:?}"))?;
        Ok(Reply {
            status: answer.status().as_u16(),
            message: envelope["message"].as_str().unwrap_or_default().to_owned(),
            data: envelope["data"].take(),
        })
    }
}
