//! The deliverer's work outside its loop: the HTTP request of an attempt, and commands of
//! the store. Each task sends one report when it ends.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::clock::SystemClock;
use crate::commands::deliveries::{self, Attempted};
use crate::domain::events::delivery::{Attempt, AttemptOutcome, Delivery};
use crate::domain::events::webhook_endpoint::WebhookEndpoint;
use crate::domain::ids::MerchantId;
use crate::domain::time::{Clock, Timestamp};
use crate::store::{Error, Store};
use crate::webhooks::client::WebhookClient;
use crate::webhooks::settings::Settings;

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

/// Starts tasks. A report is lost if the deliverer has ended.
pub(super) struct Tasks {
    store: Store,
    settings: Arc<Settings>,
    client: Arc<WebhookClient>,
    reports: UnboundedSender<Report>,
}

impl Tasks {
    pub(super) fn new(
        store: Store,
        settings: Arc<Settings>,
        client: WebhookClient,
    ) -> (Self, UnboundedReceiver<Report>) {
        let (reports, received) = unbounded_channel();
        let tasks = Self {
            store,
            settings,
            client: Arc::new(client),
            reports,
        };
        (tasks, received)
    }

    /// Makes later tasks use these settings and this client.
    pub(super) fn replace(&mut self, settings: Arc<Settings>, client: WebhookClient) {
        self.settings = settings;
        self.client = Arc::new(client);
    }

    /// Sends an event to a webhook endpoint. `now` is the time on the merchant's clock. The
    /// signature has the system's time, which the endpoint compares with its own.
    pub(super) fn attempt(&self, delivery: Delivery, endpoint: WebhookEndpoint, body: String, now: Timestamp) {
        let (client, reports) = (Arc::clone(&self.client), self.reports.clone());
        let pause_max = self.settings.attempts.retry_after_seconds_max;
        tokio::spawn(async move {
            let started = Instant::now();
            let unix_seconds = SystemClock.now().unix_seconds();
            let answer = client.attempt(&endpoint, delivery.event, body, unix_seconds).await;
            let attempt = Attempt {
                attempted_at: now,
                url: endpoint.url.to_string(),
                outcome: answer.outcome,
                duration_millis: u32::try_from(started.elapsed().as_millis()).unwrap_or(u32::MAX),
            };
            drop(reports.send(Report::Attempted(Attempted {
                delivery,
                attempt,
                since: now,
                retry_after_seconds: answer.retry_after_seconds.map(|seconds| seconds.min(pause_max)),
                endpoint_version: endpoint.version,
            })));
        });
    }

    /// Reports an attempt that failed before anything was sent.
    pub(super) fn fail(&self, delivery: Delivery, endpoint: &WebhookEndpoint, error: String, now: Timestamp) {
        let attempt = Attempt {
            attempted_at: now,
            url: endpoint.url.to_string(),
            outcome: AttemptOutcome::Failed(error),
            duration_millis: 0,
        };
        drop(self.reports.send(Report::Attempted(Attempted {
            delivery,
            attempt,
            since: now,
            retry_after_seconds: None,
            endpoint_version: endpoint.version,
        })));
    }

    /// Records the outcomes of attempts in one command.
    pub(super) fn record(&self, attempted: Vec<Attempted>) {
        let batch: Arc<[Attempted]> = attempted.into();
        let (store, settings, reports) = (self.store.clone(), Arc::clone(&self.settings), self.reports.clone());
        tokio::spawn(async move {
            let recorded = Arc::clone(&batch);
            let record = store.write(move |tx| {
                let mut ended = Vec::new();
                for attempted in recorded.iter() {
                    if deliveries::record(tx, &settings.attempts.schedule, attempted)? {
                        ended.push(attempted.clone());
                    }
                }
                Ok::<_, Error>(ended)
            });
            drop(reports.send(Report::Recorded(batch.to_vec(), record.await)));
        });
    }

    /// Deletes pending deliveries of a merchant that has no webhook endpoint. The command
    /// deletes none if the merchant has set one meanwhile.
    pub(super) fn discard_pending(&self, merchant: MerchantId) {
        let (store, settings, reports) = (self.store.clone(), Arc::clone(&self.settings), self.reports.clone());
        tokio::spawn(async move {
            let discard = store
                .write(move |tx| deliveries::discard_pending(tx, merchant, |stored| settings.endpoints.is_set(stored)));
            drop(reports.send(Report::Discarded(merchant, discard.await)));
        });
    }
}
