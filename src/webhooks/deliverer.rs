//! Attempts deliveries when they are due: those with the same ordering key one after
//! another, and a bounded number at a time, so that a slow endpoint does not hold up
//! another merchant's.
//!
//! A commit wakes the deliverer, and a timer wakes it for retries. Outcomes are recorded
//! in batches. A delivery counts as under way until its outcome is durable, so that
//! nothing is attempted twice while the process lives.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::sleep_until;

use crate::clock::SystemClock;
use crate::commands::deliveries::{self, Attempted};
use crate::domain::events::delivery::{Attempt, AttemptOutcome, Delivery};
use crate::domain::events::webhook_endpoint::WebhookEndpoint;
use crate::domain::ids::MerchantId;
use crate::domain::time::{Clock, Timestamp};
use crate::store::{Error, Store};
use crate::webhooks::client::WebhookClient;
use crate::webhooks::queue::{EndpointHealth, Flush, MerchantQueue};
use crate::webhooks::{Message, Settings};

/// Attempts under way at once, of all merchants.
const IN_FLIGHT_MAX: usize = 256;
/// The same of merchants whose receivers fail or are not known yet. What is left is
/// for those who answer.
const IN_FLIGHT_UNHEALTHY_MAX: usize = 192;
/// Attempts whose outcome is recorded by one command, so that none of them keeps
/// requests waiting for long.
const RECORDS_PER_COMMAND_MAX: usize = 64;
/// How long to wait when the store cannot read or write.
const PAUSE: Duration = Duration::from_secs(1);
/// How often to look for merchants that nobody told of. There should be none.
const POLL: Duration = Duration::from_mins(1);

/// What came of something that was begun.
enum DeliveryReport {
    /// An attempt was made.
    Attempted(Delivery, Attempt),
    /// Outcomes were written down, or not.
    Recorded(Vec<Attempted>, Result<(), Error>),
    /// What a merchant no longer wants was dropped, or not.
    Dropped(MerchantId, Result<(), Error>),
}

pub(super) struct Deliverer {
    store: Store,
    settings: Arc<Settings>,
    client: Arc<WebhookClient>,
    /// The merchants with something under way, due, or failing.
    queues: HashMap<MerchantId, MerchantQueue>,
    /// Those to look at, in turn.
    ready: VecDeque<MerchantId>,
    /// Those to look at later, by the file's time.
    timers: BTreeSet<(Timestamp, MerchantId)>,
    /// Attempts under way, or made and not yet recorded.
    in_flight: usize,
    /// Attempts made and not yet being recorded.
    attempted: Vec<Attempted>,
    is_recording: bool,
    /// Whether the store has stopped.
    is_over: bool,
    /// Not to record before, since the store could not.
    record_after: Instant,
    reports: UnboundedSender<DeliveryReport>,
    incoming: UnboundedReceiver<DeliveryReport>,
}

impl Deliverer {
    pub(super) fn new(store: Store, settings: Settings, client: WebhookClient) -> Self {
        let (reports, incoming) = unbounded_channel();
        Self {
            store,
            settings: Arc::new(settings),
            client: Arc::new(client),
            queues: HashMap::new(),
            ready: VecDeque::new(),
            timers: BTreeSet::new(),
            in_flight: 0,
            attempted: Vec::new(),
            is_recording: false,
            is_over: false,
            record_after: Instant::now(),
            reports,
            incoming,
        }
    }

    /// Delivers until it is told to stop, and then until what is under way is recorded
    /// or its time is over. Ends at once when nobody can give it messages any more.
    pub(super) async fn run(mut self, mut messages: UnboundedReceiver<Message>) {
        let mut poll_at = Instant::now();
        let mut stop_at: Option<Instant> = None;
        loop {
            if poll_at <= Instant::now() {
                self.find_unscheduled();
                poll_at = Instant::now() + POLL;
            }
            if stop_at.is_none() {
                self.begin_what_is_due();
            }
            self.record();
            if self.is_over || stop_at.is_some_and(|at| self.in_flight == 0 || at <= Instant::now()) {
                return;
            }
            let wake_at = self.wake_at().min(stop_at.unwrap_or(poll_at));
            tokio::select! {
                merchants = self.store.wait_for_deliveries() => merchants.into_iter().for_each(|merchant| self.ready(merchant)),
                Some(report) = self.incoming.recv() => self.take(report),
                message = messages.recv() => match message {
                    Some(Message::Flush(merchant, answer)) if stop_at.is_none() => self.flush(merchant, answer),
                    Some(Message::Flush(..)) => {}
                    Some(Message::Stop) => {
                        stop_at.get_or_insert_with(|| Instant::now() + self.settings.stop_timeout);
                        self.queues.values_mut().for_each(|queue| queue.flush = None);
                    }
                    None => return,
                },
                () = sleep_until(wake_at.into()) => {}
            }
        }
    }

    /// When to go on by itself.
    fn wake_at(&self) -> Instant {
        let now = Instant::now();
        let first_timer = self.timers.first().map_or(now + POLL, |(at, _)| {
            let left = at.millis() - self.store.ledger_time().millis();
            now + Duration::from_millis(u64::try_from(left).unwrap_or_default())
        });
        let can_record = !self.attempted.is_empty() && !self.is_recording;
        if can_record {
            first_timer.min(self.record_after)
        } else {
            first_timer
        }
    }

    /// Has a merchant looked at when it is its turn.
    fn ready(&mut self, merchant: MerchantId) {
        let queue = self.queues.entry(merchant).or_default();
        if !mem::replace(&mut queue.is_ready, true) {
            self.ready.push_back(merchant);
        }
    }

    /// Has a merchant looked at then, and not at another time it may have been set to.
    fn set_timer(&mut self, merchant: MerchantId, at: Option<Timestamp>) {
        let queue = self.queues.entry(merchant).or_default();
        if let Some(before) = mem::replace(&mut queue.timer, at) {
            self.timers.remove(&(before, merchant));
        }
        if let Some(at) = at {
            self.timers.insert((at, merchant));
        }
    }

    fn look_again_soon(&mut self, merchant: MerchantId) {
        let pause = i64::try_from(PAUSE.as_millis()).unwrap_or_default();
        let soon = self.store.ledger_time().millis_later(pause);
        self.set_timer(merchant, Some(soon));
    }

    /// Finds merchants with something to be delivered that nobody is about to look at:
    /// all of them after a start, and none later.
    fn find_unscheduled(&mut self) {
        let mut last = MerchantId(0);
        loop {
            match self
                .store
                .read(|snapshot| snapshot.merchant_with_deliveries_after(last))
            {
                Ok(Some(merchant)) => {
                    if self.queues.get(&merchant).is_none_or(|queue| !queue.is_scheduled()) {
                        self.ready(merchant);
                    }
                    last = merchant;
                }
                Ok(None) => return,
                Err(error) => return log::warn!("deliveries cannot be read: {error}"),
            }
        }
    }

    /// Looks at every merchant whose turn it is, as long as there is room.
    fn begin_what_is_due(&mut self) {
        let now = self.store.ledger_time();
        while let Some(&(at, merchant)) = self.timers.first() {
            if at > now {
                break;
            }
            self.set_timer(merchant, None);
            self.ready(merchant);
        }
        while self.in_flight < IN_FLIGHT_MAX
            && let Some(merchant) = self.ready.pop_front()
        {
            self.queues.entry(merchant).or_default().is_ready = false;
            if let Err(error) = self.look_at(merchant) {
                log::warn!("deliveries cannot be read: {error}");
                self.look_again_soon(merchant);
            }
            if self.queues.get(&merchant).is_some_and(MerchantQueue::is_idle) {
                self.queues.remove(&merchant);
            }
        }
    }

    /// Begins the attempts that are due to a merchant, as far as there is room.
    fn look_at(&mut self, merchant: MerchantId) -> Result<(), Error> {
        let queue = self.queues.entry(merchant).or_default();
        let shared = if queue.is_healthy() {
            IN_FLIGHT_MAX
        } else {
            IN_FLIGHT_UNHEALTHY_MAX
        };
        let shared = shared.saturating_sub(self.in_flight);
        if shared == 0 {
            self.look_again_soon(merchant);
            return Ok(());
        }
        let room = queue.room().min(shared);
        if room == 0 || queue.is_discarding {
            // It is looked at again when there is, or when they are dropped.
            return Ok(());
        }
        let limit = queue.in_flight() + room + 1;
        let (clock, setting, mut waiting) = self.store.read(|snapshot| {
            let next = snapshot.next_deliveries(merchant, limit)?;
            Ok((snapshot.clock_of(merchant)?, snapshot.webhook_endpoint(merchant)?, next))
        })?;
        waiting.retain(|delivery| !queue.has_in_flight(delivery.id));
        let receiver = self.settings.endpoints.endpoint_of(merchant, &setting);
        if receiver.is_none() && !waiting.is_empty() {
            self.drop_unwanted(merchant);
            return Ok(());
        }
        let now = clock.shown_at(self.store.ledger_time());
        let is_due = |delivery: &&Delivery| delivery.due_at <= now;
        let due = waiting.iter().take_while(is_due).count().min(room);
        let later = waiting.split_off(due);
        if let Some(receiver) = receiver {
            for delivery in waiting {
                self.begin(delivery, &receiver, now)?;
            }
        }
        let next_due = later.first().map(|delivery| delivery.due_at);
        if let Some(queue) = self.queues.get_mut(&merchant) {
            queue.end_flush_if_done(next_due);
        }
        match next_due {
            Some(due) if due > now => self.set_timer(merchant, Some(clock.file_time_of(due))),
            Some(_) if self.in_flight == IN_FLIGHT_MAX => self.ready(merchant),
            // Without room of its own it is looked at again when an attempt is recorded.
            Some(_) | None => self.set_timer(merchant, None),
        }
        Ok(())
    }

    /// Begins one attempt.
    fn begin(&mut self, delivery: Delivery, receiver: &WebhookEndpoint, now: Timestamp) -> Result<(), Error> {
        let body = self.store.read(|snapshot| snapshot.payload_of(delivery.event))?;
        let queue = self.queues.entry(delivery.merchant).or_default();
        queue.start(delivery.id, delivery.due_at);
        self.in_flight += 1;
        let (client, receiver, reports) = (Arc::clone(&self.client), receiver.clone(), self.reports.clone());
        tokio::spawn(async move {
            let began = Instant::now();
            let unix_seconds = SystemClock.now().unix_seconds();
            let outcome = client.attempt(&receiver, delivery.event, body, unix_seconds).await;
            let attempt = Attempt {
                attempted_at: now,
                url: receiver.url.to_string(),
                outcome,
                duration_millis: u32::try_from(began.elapsed().as_millis()).unwrap_or(u32::MAX),
            };
            // Nobody listens any more when the service stops.
            drop(reports.send(DeliveryReport::Attempted(delivery, attempt)));
        });
        Ok(())
    }

    fn take(&mut self, report: DeliveryReport) {
        match report {
            DeliveryReport::Attempted(delivery, attempt) => self.take_attempt(delivery, attempt),
            DeliveryReport::Recorded(recorded, Ok(())) => {
                self.is_recording = false;
                for Attempted { delivery, .. } in recorded {
                    let queue = self.queues.entry(delivery.merchant).or_default();
                    queue.finish(delivery.id);
                    self.in_flight -= 1;
                    self.ready(delivery.merchant);
                }
            }
            // There is nobody to record anything any more.
            DeliveryReport::Recorded(_, Err(Error::Stopped)) => self.is_over = true,
            DeliveryReport::Recorded(attempted, Err(error)) => {
                log::warn!(
                    "what came of {} deliveries cannot be recorded yet: {error}",
                    attempted.len()
                );
                self.is_recording = false;
                self.attempted.extend(attempted);
                self.record_after = Instant::now() + PAUSE;
            }
            DeliveryReport::Dropped(merchant, outcome) => {
                let queue = self.queues.entry(merchant).or_default();
                queue.is_discarding = false;
                match outcome {
                    Ok(()) => {
                        queue.health = EndpointHealth::Unknown;
                        self.ready(merchant);
                    }
                    Err(error) => {
                        log::warn!("unwanted deliveries cannot be dropped yet: {error}");
                        self.look_again_soon(merchant);
                    }
                }
            }
        }
    }

    fn take_attempt(&mut self, delivery: Delivery, attempt: Attempt) {
        let queue = self.queues.entry(delivery.merchant).or_default();
        let health = if attempt.outcome.is_delivered() {
            EndpointHealth::Healthy
        } else {
            EndpointHealth::Failing
        };
        let before = mem::replace(&mut queue.health, health);
        if (before == EndpointHealth::Failing) != (health == EndpointHealth::Failing) {
            log_change(delivery.merchant, &attempt);
        }
        let is_flushed = queue.flush.as_ref().is_some_and(|it| delivery.due_at <= it.until);
        let since = if is_flushed {
            delivery.due_at
        } else {
            attempt.attempted_at
        };
        self.attempted.push(Attempted {
            delivery,
            attempt,
            since,
        });
    }

    /// Writes down what came of attempts, one batch at a time: those that end meanwhile
    /// make the next one.
    fn record(&mut self) {
        if self.is_recording || self.attempted.is_empty() || Instant::now() < self.record_after {
            return;
        }
        self.is_recording = true;
        let size = self.attempted.len().min(RECORDS_PER_COMMAND_MAX);
        let batch: Arc<[Attempted]> = self.attempted.drain(..size).collect();
        let (store, settings, reports) = (self.store.clone(), Arc::clone(&self.settings), self.reports.clone());
        tokio::spawn(async move {
            let written = Arc::clone(&batch);
            let record = store.write(move |tx| {
                let mut all = written.iter();
                all.try_for_each(|attempted| deliveries::record(tx, &settings.schedule, attempted))
            });
            drop(reports.send(DeliveryReport::Recorded(batch.to_vec(), record.await)));
        });
    }

    /// Drops what is to be delivered to a merchant that has no callback URL any more.
    fn drop_unwanted(&mut self, merchant: MerchantId) {
        self.queues.entry(merchant).or_default().is_discarding = true;
        let (store, settings, reports) = (self.store.clone(), Arc::clone(&self.settings), self.reports.clone());
        tokio::spawn(async move {
            let dropped = store.write(move |tx| {
                deliveries::drop_unwanted(tx, merchant, |setting| {
                    settings.endpoints.endpoint_of(merchant, setting).is_some()
                })
            });
            drop(reports.send(DeliveryReport::Dropped(merchant, dropped.await)));
        });
    }

    fn flush(&mut self, merchant: MerchantId, answer: tokio::sync::oneshot::Sender<()>) {
        // When the clock cannot be read, nobody is told anything.
        let Ok(clock) = self.store.read(|snapshot| snapshot.clock_of(merchant)) else {
            return;
        };
        let until = clock.shown_at(self.store.ledger_time());
        let queue = self.queues.entry(merchant).or_default();
        let flush = queue.flush.get_or_insert_with(|| Flush {
            until,
            waiting: Vec::new(),
        });
        flush.until = until;
        flush.waiting.push(answer);
        self.ready(merchant);
    }
}

/// Says once that a receiver fails, and once that it does no more.
fn log_change(merchant: MerchantId, attempt: &Attempt) {
    let (merchant, url) = (merchant.0, &attempt.url);
    match &attempt.outcome {
        AttemptOutcome::Answered { status: 200..=299, .. } => {
            log::info!("merchant {merchant}: {url} takes events again");
        }
        AttemptOutcome::Answered { status, .. } => {
            log::warn!("merchant {merchant}: {url} answers events with {status}");
        }
        AttemptOutcome::Failed(problem) => log::warn!("merchant {merchant}: {url} takes no events: {problem}"),
    }
}
