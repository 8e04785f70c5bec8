//! The reports of tasks that have ended: attempts, and the commands that record them or delete
//! pending deliveries.

use std::time::Instant;

use crate::commands::deliveries::Attempted;
use crate::domain::ids::MerchantId;
use crate::domain::mode::Mode;
use crate::store::Error;
use crate::webhooks::deliverer::{Deliverer, PAUSE};
use crate::webhooks::endpoint_log::log_health;
use crate::webhooks::outcomes;
use crate::webhooks::tasks::Report;

impl Deliverer<'_> {
    pub(super) async fn handle_report(&mut self, report: Report) {
        match report {
            Report::Attempted(attempted) => self.handle_attempt(attempted),
            Report::Recorded(recorded, Ok(ended)) => {
                self.outcomes.end();
                for attempted in &ended {
                    self.log_gone(attempted).await;
                }
                for Attempted { delivery, .. } in recorded {
                    let finished = self.queues.queue_mut(delivery.merchant).finish(delivery.id);
                    if let Some(finished) = finished {
                        self.places.give_back(finished.was_healthy);
                    }
                    self.queues.make_ready(delivery.merchant);
                }
            }
            Report::Recorded(_, Err(Error::Stopped)) => self.has_store_stopped = true,
            Report::Recorded(mut batch, Err(error)) => {
                // The log already says why.
                if !error.is_reported_elsewhere() {
                    let (attempts, seconds) = (outcomes::describe(&batch), PAUSE.as_secs());
                    log::warn!("{attempts} could not be recorded, trying again in {seconds} s: {error}");
                }
                if matches!(error, Error::OutcomeUnknown(_)) {
                    for attempted in &mut batch {
                        attempted.may_be_recorded = true;
                    }
                }
                let again_at = Instant::now() + PAUSE;
                if error.is_of_one_command() {
                    self.outcomes.separate(batch, again_at);
                } else {
                    self.outcomes.put_back(batch, again_at);
                }
            }
            Report::Discarded(merchant, outcome) => self.handle_discarded(merchant, outcome),
        }
    }

    fn handle_attempt(&mut self, mut attempted: Attempted) {
        let Attempted {
            delivery,
            attempt,
            endpoint_version,
            ..
        } = &attempted;
        self.attempts.count(&attempt.outcome);
        let queue = self.queues.queue_mut(delivery.merchant);
        let is_news = queue.has_endpoint(*endpoint_version) && queue.set_health(&attempt.outcome);
        if is_news && !attempt.outcome.is_gone() {
            log_health(delivery.merchant, attempt);
        }
        // In a flush, retries fall due as they would have if the clock had not jumped.
        if queue.is_flushed(delivery.due_at) {
            attempted.since = delivery.due_at;
        }
        self.outcomes.push(attempted);
    }

    /// Logs that deliveries to an endpoint have ended, and how they begin again.
    async fn log_gone(&self, attempted: &Attempted) {
        let (merchant, url) = (attempted.delivery.merchant, &attempted.attempt.url);
        let facts = self.store.read(move |snapshot| {
            Ok((
                snapshot.merchant_name(merchant)?,
                snapshot.webhook_endpoint(merchant)?.missed_since,
            ))
        });
        let (name, missed_since) = facts.await.unwrap_or_default();
        let name = name.map(|name| format!(" ({name})")).unwrap_or_default();
        let replay = missed_since
            .map(|at| format!(", and a replay since {at} then sends what was missed"))
            .unwrap_or_default();
        let remedy = match self.control.settings.mode {
            Mode::Sandbox => "PUT /sandbox/callback sets it again",
            Mode::Live => "PUT /operator/callback or `escrowd merchant callback` sets it again",
        };
        log::warn!(
            "merchant {}{name}: webhook endpoint {url} answered 410 Gone, so it gets no more events and the pending \
             ones are discarded; {remedy}{replay}",
            merchant.0
        );
    }

    fn handle_discarded(&mut self, merchant: MerchantId, outcome: Result<(), Error>) {
        let queue = self.queues.queue_mut(merchant);
        queue.is_discarding = false;
        match outcome {
            Ok(()) => {
                queue.reset_health();
                self.queues.make_ready(merchant);
            }
            Err(error) => {
                let (id, seconds) = (merchant.0, PAUSE.as_secs());
                log::warn!(
                    "merchant {id}: deliveries without a webhook endpoint could not be deleted, trying again in {seconds} s: {error}"
                );
                self.look_again_after_pause(merchant);
            }
        }
    }
}
