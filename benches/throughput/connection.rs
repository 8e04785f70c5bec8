//! A keep-alive connection to a server, with the minimum of HTTP.

use anyhow::{Context, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A connection and its latest answer.
pub(crate) struct Connection {
    stream: TcpStream,
    answer: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(address: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address)
            .await
            .with_context(|| format!("no server at {address}"))?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            answer: Vec::with_capacity(64 * 1024),
        })
    }

    /// Sends a request and returns the body of its answer.
    ///
    /// # Errors
    ///
    /// Fails if the status is not a success, since refusals would falsify the figures.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> anyhow::Result<&[u8]> {
        self.stream.write_all(request).await?;
        self.answer.clear();
        let (mut body, mut end) = (0, None);
        while end.is_none_or(|end| self.answer.len() < end) {
            if self.stream.read_buf(&mut self.answer).await? == 0 {
                bail!("the server closed a connection");
            }
            if end.is_none()
                && let Some(head) = self.answer.windows(4).position(|window| window == b"\r\n\r\n")
            {
                body = head + 4;
                end = Some(body + content_length(&self.answer[..head])?);
            }
        }
        if !self.answer.starts_with(b"HTTP/1.1 20") {
            bail!("a request failed: {}", String::from_utf8_lossy(&self.answer));
        }
        Ok(&self.answer[body..])
    }
}

fn content_length(head: &[u8]) -> anyhow::Result<usize> {
    let head = std::str::from_utf8(head)?.to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    Ok(length.context("the answer has no content-length")?.parse()?)
}
