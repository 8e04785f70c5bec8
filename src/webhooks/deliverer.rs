//! The deliverer's loop: it starts the attempts that are due and records their outcomes.
//!
//! Deliveries with the same ordering key are attempted one after another, except that the
//! retries of a refused event go on beside the later ones. The number of
//! attempts in flight is bounded, for each merchant and in all, so that a slow endpoint
//! does not delay another merchant's deliveries. Merchants that find no place for an attempt
//! get one in turn, before those that have just given one back.
//!
//! A commit wakes the deliverer, and a timer wakes it for retries. Outcomes are recorded
//! in batches. A delivery counts as in flight until its outcome is durable, so that no
//! attempt is made twice while the process lives.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::{oneshot, watch};
use tokio::time::sleep_until;

use crate::domain::events::delivery::Delivery;
use crate::domain::events::webhook_endpoint::{StoredWebhookEndpoint, WebhookEndpoint};
use crate::domain::ids::MerchantId;
use crate::domain::sandbox::clock_offset::ClockOffset;
use crate::domain::time::Timestamp;
use crate::store::{Error, Store};
use crate::webhooks::attempts_meter::AttemptsMeter;
use crate::webhooks::control::{DelivererControl, DelivererMessage};
use crate::webhooks::outcomes::UnrecordedOutcomes;
use crate::webhooks::places::Places;
use crate::webhooks::queues::MerchantQueues;
use crate::webhooks::tasks::{Report, Tasks};

mod reports;

/// The pause after the store could not read or write.
const PAUSE: Duration = Duration::from_secs(1);
/// The interval of the search for merchants with deliveries that are not scheduled. The first
/// search finds those of an earlier process; later ones should find none.
const POLL: Duration = Duration::from_mins(1);
/// The merchants that one read of that search returns: on PostgreSQL each read takes round trips, and
/// the attempts that are due wait meanwhile.
const MERCHANTS_PER_READ: usize = 500;

pub(super) struct Deliverer<'a> {
    store: Store,
    control: &'a mut DelivererControl,
    tasks: Tasks,
    reports: UnboundedReceiver<Report>,
    queues: MerchantQueues,
    places: Places,
    outcomes: UnrecordedOutcomes,
    attempts: Arc<AttemptsMeter>,
    has_store_stopped: bool,
    leadership: watch::Receiver<bool>,
    /// The time of the next search for merchants that are not scheduled.
    poll_at: Instant,
}

/// Deliveries of one merchant that are not in flight, and the facts that they are sent by.
struct Pending {
    clock: ClockOffset,
    endpoint: StoredWebhookEndpoint,
    /// In the order in which they fall due.
    deliveries: Vec<Delivery>,
}

impl<'a> Deliverer<'a> {
    pub(super) fn new(store: Store, control: &'a mut DelivererControl, attempts: Arc<AttemptsMeter>) -> Self {
        let (tasks, reports) = Tasks::new(store.clone());
        Self {
            leadership: store.leadership(),
            poll_at: Instant::now(),
            store,
            control,
            tasks,
            reports,
            queues: MerchantQueues::default(),
            places: Places::default(),
            outcomes: UnrecordedOutcomes::new(),
            attempts,
            has_store_stopped: false,
        }
    }

    /// Delivers until a message says to stop, and then until the attempts in flight are
    /// recorded or the stop timeout of the settings has passed. Ends at once when the last handle
    /// is dropped or the store has stopped. A process that is not the leader of its database
    /// starts no attempt.
    pub(super) async fn run(&mut self) {
        loop {
            let stop_at = self.control.stop_at;
            let is_leader = self.follow_leadership();
            if is_leader && self.poll_at <= Instant::now() {
                self.queues.remove_idle();
                let pause = self.find_unscheduled().await;
                self.poll_at = Instant::now() + pause;
            }
            if is_leader && stop_at.is_none() {
                self.start_due().await;
            }
            if let Some(batch) = self.outcomes.next_batch() {
                self.tasks.record(self.control, batch);
            }
            if self.has_store_stopped || stop_at.is_some_and(|at| self.places.are_free() || at <= Instant::now()) {
                return;
            }
            let wake_at = match stop_at {
                // No attempt starts any more, so no timer counts.
                Some(at) => Some(self.outcomes.next_batch_at().map_or(at, |batch_at| batch_at.min(at))),
                None if is_leader => Some(self.wake_at().min(self.poll_at)),
                // Attempts of the time as the leader may still have to be recorded.
                None => self.outcomes.next_batch_at(),
            };
            tokio::select! {
                merchants = self.store.wait_for_deliveries() => {
                    // A new leader looks for the deliveries of all merchants.
                    for merchant in merchants.into_iter().filter(|_| is_leader) {
                        self.queues.make_ready(merchant);
                    }
                }
                Some(report) = self.reports.recv() => self.handle_report(report).await,
                message = self.control.messages.recv() => match message {
                    Some(DelivererMessage::Flush(merchant, done)) if is_leader && stop_at.is_none() => self.flush(merchant, done).await,
                    // Dropping `done` ends the wait.
                    Some(DelivererMessage::Flush(..)) => {}
                    Some(DelivererMessage::SetAttempts(attempts)) => self.control.set_attempts(attempts),
                    Some(DelivererMessage::Stop) => {
                        let stop_timeout = self.control.settings.stop_timeout;
                        self.control.stop_at.get_or_insert_with(|| Instant::now() + stop_timeout);
                        self.queues.cancel_flushes();
                    }
                    None => return,
                },
                // The wait has marked the change as seen.
                Ok(()) = self.leadership.changed() => self.leadership.mark_changed(),
                () = sleep_until(wake_at.unwrap_or_else(Instant::now).into()), if wake_at.is_some() => {}
            }
        }
    }

    /// Returns true if this process is the leader. After a change it forgets what it had scheduled, since notices
    /// may have been lost, and a new leader looks at once for the deliveries of all merchants.
    fn follow_leadership(&mut self) -> bool {
        let leadership = self.leadership.borrow_and_update();
        let (is_leader, has_changed) = (*leadership, leadership.has_changed());
        drop(leadership);
        if has_changed {
            self.queues.forget_schedule();
            self.poll_at = Instant::now();
        }
        is_leader
    }

    /// Returns the time of the next timer or batch.
    fn wake_at(&self) -> Instant {
        let now = Instant::now();
        let first_timer = self.queues.first_timer().map_or(now + POLL, |at| {
            let left = at.millis() - self.store.ledger_time().millis();
            now + Duration::from_millis(u64::try_from(left).unwrap_or_default())
        });
        let next_batch_at = self.outcomes.next_batch_at();
        next_batch_at.map_or(first_timer, |at| at.min(first_timer))
    }

    fn look_again_after_pause(&mut self, merchant: MerchantId) {
        let pause = i64::try_from(PAUSE.as_millis()).unwrap_or_default();
        let at = self.store.ledger_time().millis_later(pause);
        self.queues.set_timer(merchant, Some(at));
    }

    /// Makes every merchant ready that has deliveries and is not scheduled. After a start
    /// these are all merchants with deliveries. Returns the pause before the next search.
    async fn find_unscheduled(&mut self) -> Duration {
        let mut last = Some(MerchantId::NONE);
        while let Some(after) = last {
            let next = self
                .store
                .read(move |snapshot| snapshot.merchants_with_deliveries_after(after, MERCHANTS_PER_READ));
            match next.await {
                Ok(merchants) => {
                    // Others may follow only the last of a full read.
                    last = merchants.get(MERCHANTS_PER_READ - 1).copied();
                    for merchant in merchants {
                        if !self.queues.is_scheduled(merchant) {
                            self.queues.make_ready(merchant);
                        }
                    }
                }
                Err(error) => {
                    let seconds = PAUSE.as_secs();
                    log::warn!(
                        "merchants with pending deliveries could not be read, trying again in {seconds} s: {error}"
                    );
                    return PAUSE;
                }
            }
        }
        POLL
    }

    /// Starts the attempts that are due to merchants that wait for a place or are ready, until
    /// all places are taken.
    async fn start_due(&mut self) {
        self.queues.fire_timers(self.store.ledger_time());
        while !self.places.are_taken()
            && let Some(merchant) = self.queues.next(self.places.room(false) > 0)
        {
            if let Err(error) = self.start_due_of(merchant).await {
                let (id, seconds) = (merchant.0, PAUSE.as_secs());
                log::warn!("merchant {id}: pending deliveries could not be read, trying again in {seconds} s: {error}");
                self.look_again_after_pause(merchant);
                // The reads for the others would fail too, perhaps each after a long wait. They stay ready.
                if !error.is_of_one_command() {
                    return;
                }
            }
            self.queues.remove_if_idle(merchant);
        }
    }

    /// Starts the attempts that are due to a merchant, as many as its bounds allow.
    async fn start_due_of(&mut self, merchant: MerchantId) -> Result<(), Error> {
        self.follow_endpoint(merchant).await?;
        let room = self.room_of(merchant);
        if room == 0 {
            return Ok(());
        }
        let Some(pending) = self.pending_of(merchant, room).await? else {
            self.set_none_due(merchant);
            self.forget_if_off(merchant).await;
            return Ok(());
        };
        self.queues
            .queue_mut(merchant)
            .follow_endpoint(pending.endpoint.version);
        // An endpoint that was set anew meanwhile has less room than a healthy one.
        let room = room.min(self.room_of(merchant));
        if room == 0 {
            return Ok(());
        }
        let now = pending.clock.shown_at(self.store.ledger_time());
        let settings = &self.control.settings;
        match pending.endpoint.active_at(settings.url_default.as_ref(), now) {
            Ok(endpoint) => self.start_attempts(merchant, pending, &endpoint, room, now).await?,
            Err(_) if pending.endpoint.keeps_pending(settings.mode) => self.queues.set_timer(merchant, None),
            Err(_) if pending.deliveries.is_empty() => self.set_none_due(merchant),
            Err(_) => {
                self.queues.queue_mut(merchant).is_discarding = true;
                self.tasks.discard_pending(self.control, merchant);
            }
        }
        Ok(())
    }

    /// If the attempts in flight use all room of a merchant, reads which endpoint the merchant has
    /// now. Attempts to a former endpoint then no longer count against the bound of the new one.
    async fn follow_endpoint(&mut self, merchant: MerchantId) -> Result<(), Error> {
        let queue = self.queues.queue_mut(merchant);
        if queue.room() > 0 {
            return Ok(());
        }
        let read = self.store.read(move |snapshot| snapshot.webhook_endpoint(merchant));
        match read.await {
            Ok(endpoint) => queue.follow_endpoint(endpoint.version),
            // Retention may have removed the merchant. The report of an attempt makes it ready.
            Err(error) if error.is_of_one_command() => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Returns the number of attempts that may start now for a merchant. If its own bound is reached, the
    /// report of an attempt or of the discarding makes it ready. If other merchants have all places, it
    /// waits for one. While others wait, an endpoint that is not healthy gets one place at a time.
    fn room_of(&mut self, merchant: MerchantId) -> usize {
        let queue = self.queues.queue_mut(merchant);
        let room = if queue.is_discarding { 0 } else { queue.room() };
        let is_healthy = queue.is_healthy();
        let shared_room = self.places.room(is_healthy);
        if room > 0 && shared_room == 0 {
            self.queues.wait_for_place(merchant);
        }
        if !is_healthy && self.queues.are_waiting() {
            room.min(shared_room).min(1)
        } else {
            room.min(shared_room)
        }
    }

    /// Reads the pending deliveries of a merchant that are not in flight, one more than may start.
    /// Returns `None` if the merchant has no pending deliveries.
    async fn pending_of(&mut self, merchant: MerchantId, room: usize) -> Result<Option<Pending>, Error> {
        let queue = self.queues.queue_mut(merchant);
        let limit = queue.in_flight() + room + 1;
        let read = self.store.read(move |snapshot| {
            let deliveries = snapshot.next_deliveries(merchant, limit)?;
            if deliveries.is_empty() {
                // Retention may have removed the merchant itself.
                return Ok(None);
            }
            Ok(Some(Pending {
                clock: snapshot.clock_of(merchant)?,
                endpoint: snapshot.webhook_endpoint(merchant)?,
                deliveries,
            }))
        });
        let mut pending = read.await?;
        if let Some(pending) = &mut pending {
            pending.deliveries.retain(|delivery| !queue.has_in_flight(delivery.id));
        }
        Ok(pending)
    }

    /// Starts those of the pending deliveries that are due, and schedules the next one.
    async fn start_attempts(
        &mut self,
        merchant: MerchantId,
        pending: Pending,
        endpoint: &WebhookEndpoint,
        room: usize,
        now: Timestamp,
    ) -> Result<(), Error> {
        let Pending {
            clock, mut deliveries, ..
        } = pending;
        let is_due = |delivery: &&Delivery| delivery.due_at <= now;
        let due = deliveries.iter().take_while(is_due).count().min(room);
        let later = deliveries.split_off(due);
        for delivery in deliveries {
            self.start_attempt(delivery, endpoint, now).await?;
        }
        let Some(next_due) = later.first().map(|delivery| delivery.due_at) else {
            self.set_none_due(merchant);
            return Ok(());
        };
        self.queues.queue_mut(merchant).end_flush_if_done(Some(next_due));
        if next_due > now {
            self.queues.set_timer(merchant, Some(clock.ledger_time_of(next_due)));
        } else {
            self.queues.set_timer(merchant, None);
            self.wait_for_room(merchant);
        }
        Ok(())
    }

    /// Makes the deliverer look again at a merchant that has deliveries due and no room for them. If its own
    /// bound is reached, the report of an attempt does.
    fn wait_for_room(&mut self, merchant: MerchantId) {
        let queue = self.queues.queue_mut(merchant);
        if queue.room() == 0 {
            return;
        }
        if queue.is_healthy() {
            self.queues.make_ready(merchant);
        } else {
            self.queues.wait_for_place(merchant);
        }
    }

    /// Notes that every pending delivery of a merchant is in flight, if it has any.
    fn set_none_due(&mut self, merchant: MerchantId) {
        self.queues.queue_mut(merchant).end_flush_if_done(None);
        self.queues.set_timer(merchant, None);
    }

    /// Forgets that the endpoint of a merchant without pending deliveries failed, if the merchant has
    /// turned it off or was removed. Otherwise its queue would be kept for a day.
    async fn forget_if_off(&mut self, merchant: MerchantId) {
        if !self.queues.queue_mut(merchant).only_fails() {
            return;
        }
        let read = self.store.read(move |snapshot| snapshot.webhook_endpoint(merchant));
        let configured = self.control.settings.url_default.as_ref();
        let is_on = read.await.is_ok_and(|stored| stored.active(configured).is_ok());
        if !is_on {
            self.queues.queue_mut(merchant).reset_health();
        }
    }

    async fn start_attempt(
        &mut self,
        delivery: Delivery,
        endpoint: &WebhookEndpoint,
        now: Timestamp,
    ) -> Result<(), Error> {
        let event = delivery.event;
        // The delivery was read, so its event is durable.
        let body = match self
            .store
            .read_durable(move |snapshot| snapshot.payload_of(event))
            .await
        {
            Err(Error::Corrupt(problem)) => Err(problem),
            read => Ok(read?),
        };
        let queue = self.queues.queue_mut(delivery.merchant);
        self.places.take(queue.is_healthy());
        queue.start(delivery.id, delivery.due_at);
        match body {
            Ok(body) => self.tasks.attempt(self.control, delivery, endpoint.clone(), body, now),
            // It must not be signed. Its attempt fails, so that others do not wait for it.
            Err(problem) => {
                let merchant = delivery.merchant.0;
                log::error!(
                    "merchant {merchant}: {problem} and is not delivered; run `escrowd check`, and keep the file"
                );
                self.tasks.fail(delivery, endpoint, problem, now);
            }
        }
        Ok(())
    }

    async fn flush(&mut self, merchant: MerchantId, done: oneshot::Sender<()>) {
        // The timer was set by the clock before the advance.
        self.queues.make_ready(merchant);
        // If the clock cannot be read, dropping `done` ends the wait.
        let Ok(clock) = self.store.read(move |snapshot| snapshot.clock_of(merchant)).await else {
            return;
        };
        let until = clock.shown_at(self.store.ledger_time());
        self.queues.queue_mut(merchant).start_flush(until, done);
    }
}

#[cfg(test)]
mod tests;
