//! The deliverer's work outside its loop: the HTTP request of an attempt, and commands of
//! the store. Each task sends one report when it ends, also if it panics: without a report, a
//! delivery would stay in flight for ever.

use std::future::Future;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

use crate::clock::SystemClock;
use crate::commands::deliveries::{self, Attempted};
use crate::domain::events::delivery::{Attempt, AttemptOutcome, Delivery};
use crate::domain::events::webhook_endpoint::WebhookEndpoint;
use crate::domain::ids::MerchantId;
use crate::domain::time::{Clock, Timestamp};
use crate::store::{Error, Store};
use crate::webhooks::control::DelivererControl;

/// The report of a task that has ended.
pub(super) enum Report {
    /// An attempt was made.
    Attempted(Attempted),
    /// The command that records these attempts succeeded or failed. If it succeeded, it
    /// found those after which the endpoint is gone.
    Recorded(Vec<Attempted>, Result<Vec<Attempted>, Error>),
    /// The command that deletes a merchant's pending deliveries succeeded or failed.
    Discarded(MerchantId, Result<(), Error>),
}

/// The outcome of an attempt that panicked.
const BROKE_OFF: &str = "the attempt broke off in the service, whose log says why";

/// The report of a task that is not sent yet. Dropping it sends the report.
struct PendingReport {
    report: Option<Report>,
    reports: UnboundedSender<Report>,
}

impl PendingReport {
    /// Sends this report instead of the pending one.
    fn end(mut self, report: Report) {
        self.report = Some(report);
    }
}

impl Drop for PendingReport {
    fn drop(&mut self) {
        if let Some(report) = self.report.take() {
            drop(self.reports.send(report));
        }
    }
}

/// Returns a future that runs a task and sends its report, or `broken_off` if the task panics or
/// is dropped, also before it begins.
fn report(
    reports: UnboundedSender<Report>,
    broken_off: Report,
    task: impl Future<Output = Report>,
) -> impl Future<Output = ()> {
    let pending = PendingReport {
        report: Some(broken_off),
        reports,
    };
    async move { pending.end(task.await) }
}

/// Starts tasks. Dropping it ends those under way.
pub(super) struct Tasks {
    store: Store,
    reports: UnboundedSender<Report>,
    running: JoinSet<()>,
}

impl Tasks {
    pub(super) fn new(store: Store) -> (Self, UnboundedReceiver<Report>) {
        let (reports, received) = unbounded_channel();
        let tasks = Self {
            store,
            reports,
            running: JoinSet::new(),
        };
        (tasks, received)
    }

    fn start(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        while self.running.try_join_next().is_some() {}
        self.running.spawn(task);
    }

    /// Sends an event to a webhook endpoint. `now` is the time on the merchant's clock. The
    /// signature has the system's time, which the endpoint compares with its own.
    pub(super) fn attempt(
        &mut self,
        control: &DelivererControl,
        delivery: Delivery,
        endpoint: WebhookEndpoint,
        body: String,
        now: Timestamp,
    ) {
        let (client, reports) = (Arc::clone(&control.client), self.reports.clone());
        let pause_max = control.settings.attempts.retry_after_seconds_max;
        let broken_off = failed(delivery.clone(), &endpoint, BROKE_OFF.to_owned(), now);
        let attempt = async move {
            let started = Instant::now();
            let unix_seconds = SystemClock.now().unix_seconds();
            let answer = client.attempt(&endpoint, delivery.event, body, unix_seconds).await;
            let attempt = Attempt {
                attempted_at: now,
                url: endpoint.url.to_string(),
                outcome: answer.outcome,
                duration_millis: u32::try_from(started.elapsed().as_millis()).unwrap_or(u32::MAX),
            };
            Report::Attempted(Attempted {
                delivery,
                attempt,
                since: now,
                retry_after_seconds: answer.retry_after_seconds.map(|seconds| seconds.min(pause_max)),
                endpoint_version: endpoint.version,
                may_be_recorded: false,
            })
        };
        self.start(report(reports, broken_off, attempt));
    }

    /// Reports an attempt that failed before anything was sent.
    pub(super) fn fail(&self, delivery: Delivery, endpoint: &WebhookEndpoint, error: String, now: Timestamp) {
        drop(self.reports.send(failed(delivery, endpoint, error, now)));
    }

    /// Records the outcomes of attempts in one command.
    pub(super) fn record(&mut self, control: &DelivererControl, attempted: Vec<Attempted>) {
        let batch: Arc<[Attempted]> = attempted.into();
        let (store, settings, reports) = (self.store.clone(), Arc::clone(&control.settings), self.reports.clone());
        let broken_off = Report::Recorded(batch.to_vec(), Err(Error::Panicked));
        let record = async move {
            let recorded = Arc::clone(&batch);
            let record = store.write_patiently(move |tx| {
                let mut ended = Vec::new();
                for attempted in recorded.iter() {
                    if deliveries::record(tx, &settings.attempts.schedule, attempted)? {
                        ended.push(attempted.clone());
                    }
                }
                Ok::<_, Error>(ended)
            });
            Report::Recorded(batch.to_vec(), record.await)
        };
        self.start(report(reports, broken_off, record));
    }

    /// Deletes pending deliveries of a merchant that has no webhook endpoint. The command
    /// deletes none if the merchant has set one meanwhile.
    pub(super) fn discard_pending(&mut self, control: &DelivererControl, merchant: MerchantId) {
        let (store, settings, reports) = (self.store.clone(), Arc::clone(&control.settings), self.reports.clone());
        let discard = async move {
            let discard = store
                .write_patiently(move |tx| deliveries::discard_pending(tx, merchant, settings.url_default.as_ref()));
            Report::Discarded(merchant, discard.await)
        };
        let broken_off = Report::Discarded(merchant, Err(Error::Panicked));
        self.start(report(reports, broken_off, discard));
    }
}

/// Returns the report of an attempt without a response.
fn failed(delivery: Delivery, endpoint: &WebhookEndpoint, problem: String, now: Timestamp) -> Report {
    let attempt = Attempt {
        attempted_at: now,
        url: endpoint.url.to_string(),
        outcome: AttemptOutcome::Failed(problem),
        duration_millis: 0,
    };
    Report::Attempted(Attempted {
        delivery,
        attempt,
        since: now,
        retry_after_seconds: None,
        endpoint_version: endpoint.version,
        may_be_recorded: false,
    })
}

#[cfg(test)]
mod tests {
    use tokio::runtime;

    use super::*;

    #[test]
    fn a_task_that_panics_or_is_dropped_sends_its_report() {
        let runtime = runtime::Builder::new_current_thread().build().unwrap();
        let (reports, mut received) = unbounded_channel();
        let broken_off = |merchant| Report::Discarded(MerchantId(merchant), Err(Error::Panicked));
        runtime.block_on(async {
            let panicking = async { panic!("no thread is left") };
            let ended = tokio::spawn(report(reports.clone(), broken_off(1), panicking));
            assert!(ended.await.is_err());
            let never = std::future::pending();
            tokio::spawn(report(reports.clone(), broken_off(2), never)).abort();
            let done = async { Report::Discarded(MerchantId(3), Ok(())) };
            report(reports.clone(), broken_off(3), done).await;
        });
        drop((runtime, reports));
        let mut outcomes = Vec::new();
        while let Some(Report::Discarded(merchant, outcome)) = received.blocking_recv() {
            outcomes.push((merchant.0, outcome.is_ok()));
        }
        outcomes.sort_unstable();
        assert_eq!(outcomes, [(1, false), (2, false), (3, true)]);
    }
}
