//! The load generator. Without a rate, each connection sends its next request when it has
//! the answer to the one before. With a rate, requests are due at fixed times, and the wait
//! for a free connection counts as latency.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use futures_util::future::{try_join, try_join_all};
use hdrhistogram::Histogram;
use tokio::sync::Semaphore;

use crate::connection::Connection;
use crate::process::Process;
use crate::requests::Requests;
use crate::stop;

/// The server, the requests and the way to send them.
#[derive(Clone, Copy)]
pub(crate) struct Load<'a> {
    pub(crate) address: &'a str,
    pub(crate) requests: &'a Requests,
    pub(crate) connections: usize,
    /// The duration of the load. `None` runs until there are no more requests.
    pub(crate) time: Option<Duration>,
    /// Requests per second. `None` sends each request when its connection is free.
    pub(crate) rate: Option<f64>,
}

/// The measurements of one run.
#[derive(Clone)]
pub(crate) struct Run {
    pub(crate) per_second: f64,
    /// Microseconds from the time when a request was sent, or was due, to the last byte of
    /// its answer.
    pub(crate) latency: Histogram<u64>,
    /// The microseconds of processor time that the server took for each request. Zero if
    /// they were not measured.
    pub(crate) processor_micros: f64,
}

impl Load<'_> {
    /// Runs the load, and measures the processor time of its server.
    pub(crate) fn run_on(self, server: &Process) -> anyhow::Result<Run> {
        let before = server.processor_micros()?;
        let run = self.run()?;
        let processor_micros = (server.processor_micros()? - before) / run.latency.len() as f64;
        Ok(Run {
            processor_micros,
            ..run
        })
    }

    /// Runs the load.
    pub(crate) fn run(self) -> anyhow::Result<Run> {
        runtime()?.block_on(self.drive())
    }

    /// Runs this load and another at the same time.
    pub(crate) fn run_beside(self, other: Self) -> anyhow::Result<(Run, Run)> {
        runtime()?.block_on(try_join(self.drive(), other.drive()))
    }

    async fn drive(self) -> anyhow::Result<Run> {
        let started = Instant::now();
        let until = self.time.map(|time| started + time);
        let pace = self.rate.map(|rate| Pace::start(started, rate));
        let connections = (0..self.connections).map(|_| self.connection(until, pace.as_ref()));
        let mut latency = Histogram::new(3)?;
        for of_connection in try_join_all(connections).await? {
            latency.add(of_connection)?;
        }
        if latency.is_empty() {
            bail!("there is nothing left to send; build a larger file with --escrows");
        }
        let took = started.elapsed();
        if self.time.is_some_and(|time| took < time * 9 / 10) {
            eprintln!(
                "note: a turn ended after {took:.1?}, since no milestones were left; build a larger file with --escrows"
            );
        }
        Ok(Run {
            per_second: latency.len() as f64 / took.as_secs_f64(),
            latency,
            processor_micros: 0.0,
        })
    }

    async fn connection(&self, until: Option<Instant>, pace: Option<&Pace>) -> anyhow::Result<Histogram<u64>> {
        let mut connection = Connection::open(self.address).await?;
        let mut latency = Histogram::new(3)?;
        let mut request = Vec::with_capacity(256);
        loop {
            let due = match pace {
                Some(pace) => Some(pace.next().await?),
                None => None,
            };
            if until.is_some_and(|until| Instant::now() >= until) || !self.requests.write_next(&mut request) {
                return Ok(latency);
            }
            stop::check()?;
            let since = due.unwrap_or_else(Instant::now);
            connection.exchange(&request).await?;
            latency.record(u64::try_from(since.elapsed().as_micros())?)?;
        }
    }
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

/// Releases requests when they are due. Its own thread keeps the time, since the timers of
/// the asynchronous runtime have a resolution of only one millisecond.
struct Pace {
    started: Instant,
    rate: f64,
    due: Arc<Semaphore>,
    next: AtomicU64,
}

impl Pace {
    fn start(started: Instant, rate: f64) -> Self {
        let due = Arc::new(Semaphore::new(0));
        let pace = Self {
            started,
            rate,
            due: Arc::clone(&due),
            next: AtomicU64::new(0),
        };
        std::thread::spawn(move || {
            let mut number = 0;
            // This thread holds the only reference once the run is over.
            while Arc::strong_count(&due) > 1 {
                std::thread::sleep(due_at(started, rate, number).saturating_duration_since(Instant::now()));
                due.add_permits(1);
                number += 1;
            }
        });
        pace
    }

    /// Waits until the next request is due and returns the time when it was due.
    async fn next(&self) -> anyhow::Result<Instant> {
        self.due.acquire().await.context("the semaphore was closed")?.forget();
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        Ok(due_at(self.started, self.rate, number))
    }
}

fn due_at(started: Instant, rate: f64, number: u64) -> Instant {
    started + Duration::from_secs_f64(number as f64 / rate)
}
