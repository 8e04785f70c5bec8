//! Reads server-sent events from a sandbox.

use std::str;

use anyhow::{Context, anyhow, bail, ensure};
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::http_client::innermost;

/// The longest line of a stream, in bytes. An event is one line.
const LINE_BYTES_MAX: usize = 10 * 1024 * 1024;

/// An open stream of events.
pub(super) struct EventStream<'a> {
    runtime: &'a Runtime,
    response: reqwest::Response,
    /// Bytes that arrived and are not yet a whole line.
    rest: Vec<u8>,
}

/// A block of the stream: an event, or only the position that the stream has reached.
pub(super) struct StreamedEvent {
    pub(super) id: String,
    pub(super) data: Option<Value>,
}

impl<'a> EventStream<'a> {
    /// Reads the stream of this response.
    pub(super) const fn new(runtime: &'a Runtime, response: reqwest::Response) -> Self {
        Self {
            runtime,
            response,
            rest: Vec::new(),
        }
    }

    /// Waits for the next block that has an id.
    ///
    /// # Errors
    ///
    /// Fails if the stream ends, or sends nothing for longer than its heartbeats take.
    pub(super) fn next_event(&mut self) -> anyhow::Result<StreamedEvent> {
        let (mut id, mut data) = (None, None);
        loop {
            let line = self.next_line()?;
            let (name, value) = line.split_once(": ").unwrap_or((&line, ""));
            match name {
                "id" => id = Some(value.to_owned()),
                "data" => {
                    data = Some(serde_json::from_str(value).context("the stream sent an event that is not JSON")?);
                }
                // The end of a block.
                "" if line.is_empty() => {
                    if let Some(id) = id.take() {
                        return Ok(StreamedEvent { id, data });
                    }
                }
                // A comment, or the name of the event, which the data has too.
                _ => {}
            }
        }
    }

    fn next_line(&mut self) -> anyhow::Result<String> {
        loop {
            if let Some(end) = self.rest.iter().position(|&byte| byte == b'\n') {
                let line: Vec<u8> = self.rest.drain(..=end).collect();
                let line = str::from_utf8(&line).context("the stream sent bytes that are not UTF-8")?;
                return Ok(line.trim_end().to_owned());
            }
            let chunk = self.runtime.block_on(async { self.response.chunk().await });
            match chunk.map_err(|error| anyhow!(innermost(&error)))? {
                Some(chunk) => self.rest.extend_from_slice(&chunk),
                None => bail!("the stream of events ended"),
            }
            ensure!(
                self.rest.len() <= LINE_BYTES_MAX,
                "the stream sent a line of more than {LINE_BYTES_MAX} bytes"
            );
        }
    }
}
