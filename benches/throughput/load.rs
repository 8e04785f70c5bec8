//! The load generator: keep-alive connections that each send the next request as
//! soon as they have the answer to the one before.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use hdrhistogram::Histogram;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::LocalSet;

/// Requests in the order they are sent.
pub(crate) struct Requests {
    bytes: Vec<Vec<u8>>,
    next: AtomicUsize,
    is_cycled: bool,
}

impl Requests {
    /// Each is sent once.
    pub(crate) const fn once(bytes: Vec<Vec<u8>>) -> Self {
        Self {
            bytes,
            next: AtomicUsize::new(0),
            is_cycled: false,
        }
    }

    /// After the last comes the first again.
    pub(crate) const fn cycled(bytes: Vec<Vec<u8>>) -> Self {
        Self {
            bytes,
            next: AtomicUsize::new(0),
            is_cycled: true,
        }
    }

    fn take(&self) -> Option<&[u8]> {
        let next = self.next.fetch_add(1, Ordering::Relaxed);
        let index = if self.is_cycled { next % self.bytes.len() } else { next };
        self.bytes.get(index).map(Vec::as_slice)
    }
}

/// What one run saw.
pub(crate) struct Run {
    pub(crate) per_second: f64,
    /// Microseconds from the first byte sent to the last byte read.
    pub(crate) latency: Histogram<u64>,
}

/// Sends requests over so many connections for so long. Any answer but 200 fails
/// the run: a benchmark of refusals would be worth nothing.
pub(crate) fn run(address: &str, requests: &Arc<Requests>, connections: usize, time: Duration) -> anyhow::Result<Run> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let tasks = LocalSet::new();
    tasks.block_on(&runtime, async {
        let started = Instant::now();
        let connections: Vec<_> = (0..connections)
            .map(|_| tokio::task::spawn_local(drive(address.to_owned(), Arc::clone(requests), started + time)))
            .collect();
        let mut latency = Histogram::new(3)?;
        for connection in connections {
            latency.add(connection.await??)?;
        }
        let seconds = started.elapsed().as_secs_f64();
        Ok(Run {
            per_second: latency.len() as f64 / seconds,
            latency,
        })
    })
}

async fn drive(address: String, requests: Arc<Requests>, until: Instant) -> anyhow::Result<Histogram<u64>> {
    let mut connection = TcpStream::connect(&address)
        .await
        .with_context(|| format!("no server at {address}"))?;
    connection.set_nodelay(true)?;
    let mut latency = Histogram::new(3)?;
    let mut buffer = Vec::with_capacity(64 * 1024);
    while Instant::now() < until {
        let Some(request) = requests.take() else {
            bail!("the requests ran out before the time did; build a larger file with --escrows");
        };
        let sent = Instant::now();
        connection.write_all(request).await?;
        read_answer(&mut connection, &mut buffer).await?;
        latency.record(u64::try_from(sent.elapsed().as_micros())?)?;
    }
    Ok(latency)
}

/// Reads one answer to its end.
async fn read_answer(connection: &mut TcpStream, buffer: &mut Vec<u8>) -> anyhow::Result<()> {
    buffer.clear();
    let mut end = None;
    while end.is_none_or(|end| buffer.len() < end) {
        if connection.read_buf(buffer).await? == 0 {
            bail!("the server closed a connection");
        }
        if end.is_none()
            && let Some(head) = buffer.windows(4).position(|window| window == b"\r\n\r\n")
        {
            end = Some(head + 4 + content_length(&buffer[..head])?);
        }
    }
    if !buffer.starts_with(b"HTTP/1.1 200") {
        bail!("a request was answered with {}", String::from_utf8_lossy(buffer));
    }
    Ok(())
}

fn content_length(head: &[u8]) -> anyhow::Result<usize> {
    let head = std::str::from_utf8(head)?.to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    Ok(length.context("an answer without a content-length")?.parse()?)
}
