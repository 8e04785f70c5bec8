//! The metrics of a running service, in the text format of Prometheus. No other part names
//! that library: the parts count in `meter`, and this one reads them.
//!
//! Values that need SQL are read on a thread for long reads, at most one reading at a time,
//! and kept for at least ten times as long as the reading took, so that no scraper can make
//! the service spend its time on them.

mod families;
mod process;

use std::sync::Arc;
use std::time::{Duration, Instant};

use prometheus::proto::MetricFamily;
use prometheus::{Encoder as _, TextEncoder};
use tokio::sync::Mutex;

use crate::backups::BackupHealth;
use crate::domain::ids::MerchantId;
use crate::domain::time::Timestamp;
use crate::http::AppState;
use crate::store::{self, Totals};

/// The time for which a scrape is answered with the text of the one before.
const KEPT: Duration = Duration::from_secs(1);
/// Totals that were read by SQL are kept for this many times as long as the read took, so that such
/// reads take at most about a tenth of the time.
const KEPT_TIMES: u32 = 10;

/// The parts of the service that are measured.
#[derive(Clone, Debug)]
pub(crate) struct Measured {
    pub(crate) state: AppState,
    /// `None` if the service makes no backups.
    pub(crate) backups: Option<Arc<BackupHealth>>,
    /// The start of the process, by the system's clock.
    pub(crate) started_at: Timestamp,
}

/// Reads the metrics. One scrape at a time reads; others wait for its text.
#[derive(Debug)]
pub(crate) struct Metrics {
    measured: Measured,
    last: Mutex<Last>,
}

#[derive(Debug, Default)]
struct Last {
    text: Option<(Instant, String)>,
    totals: Option<KeptTotals>,
}

/// Totals, or the reason why there are none, until a time.
#[derive(Debug)]
struct KeptTotals {
    until: Instant,
    totals: Result<Totals, store::Error>,
}

impl Metrics {
    pub(crate) fn of(measured: Measured) -> Self {
        Self {
            measured,
            last: Mutex::default(),
        }
    }

    /// Returns the metrics as text. The future must be polled to its end: its SQL runs on when
    /// it is dropped, and another reading would then run beside it.
    ///
    /// # Errors
    ///
    /// Fails if a metric has no valid name, which is a bug.
    pub(crate) async fn scrape(&self) -> Result<String, String> {
        let mut last = self.last.lock().await;
        if let Some((at, text)) = &last.text
            && at.elapsed() < KEPT
        {
            return Ok(text.clone());
        }
        let totals = self.totals(&mut last.totals).await;
        let mut found = self.families(totals).await;
        found.extend(process::of_process(self.measured.started_at));
        // The encoder refuses a metric without a sample, such as that of requests after a start.
        found.retain(|family| !family.get_metric().is_empty());
        let mut text = Vec::new();
        TextEncoder::new()
            .encode(&found, &mut text)
            .map_err(|error| error.to_string())?;
        let text = String::from_utf8(text).map_err(|error| error.to_string())?;
        last.text = Some((Instant::now(), text.clone()));
        Ok(text)
    }

    /// Returns the totals, which are read anew if they were not kept.
    async fn totals<'a>(&self, kept: &'a mut Option<KeptTotals>) -> &'a Result<Totals, store::Error> {
        if kept.as_ref().is_none_or(|kept| kept.until <= Instant::now()) {
            let began = Instant::now();
            let read = self.measured.state.store.read_long(MerchantId::NONE, Totals::of);
            let totals = read.await;
            let now = Instant::now();
            *kept = Some(KeptTotals {
                until: now + KEPT.max((now - began) * KEPT_TIMES),
                totals,
            });
        }
        &kept.as_ref().expect("they were just read").totals
    }

    async fn families(&self, totals: &Result<Totals, store::Error>) -> Vec<MetricFamily> {
        let AppState {
            store,
            request_meter,
            connections,
            webhooks,
            ..
        } = &self.measured.state;
        let is_ready = store.check_ready().await.is_ok() && !connections.is_stopping();
        let mut found = families::of_service(is_ready);
        found.extend(families::of_requests(&request_meter.read()));
        found.extend(families::of_connections(connections.read()));
        found.push(families::of_panics(store.panics()));
        found.extend(families::of_writer(&store.read_writer(), store.file_sizes()));
        found.extend(
            self.measured
                .backups
                .iter()
                .flat_map(|health| families::of_backups(health)),
        );
        found.extend(families::of_attempts(webhooks.attempts()));
        found.extend(families::of_totals(totals.as_ref().ok(), store.ledger_time()));
        found
    }
}
