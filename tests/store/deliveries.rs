//! Deliveries in the database: their order, the outcomes of attempts, and the wakeups after a
//! commit.

use std::collections::BTreeSet;
use std::time::Duration;

use escrowd::commands::deliveries::{self, Attempted};
use escrowd::commands::events;
use escrowd::commands::old_events;
use escrowd::commands::webhook_endpoints::{self, WebhookEndpointSetting};
use escrowd::domain::events::delivery::{
    Attempt, AttemptOutcome, Delivery, DeliveryStatus, Dispatch, RetrySchedule, Wait,
};
use escrowd::domain::events::event::{Replay, ReplayStart};
use escrowd::domain::events::webhook_endpoint::WebhookUrl;
use escrowd::domain::ids::{EscrowId, EventId, IdSource, MerchantId};
use escrowd::domain::mode::Mode;
use escrowd::domain::time::Timestamp;
use escrowd::store::{Error, NewEvent, Store, Tx};

use crate::database::Engine;
use crate::helpers::{START, TestDatabase, Trade, name_merchant, policy, read, wait_for, write};

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis).unwrap()
}

/// A merchant with two escrows for events.
pub(crate) struct Shop {
    pub(crate) store: Store,
    pub(crate) merchant: MerchantId,
    escrows: [EscrowId; 2],
}

impl Shop {
    pub(crate) fn on(database: &TestDatabase) -> Self {
        let trade = Trade::of_key(&database.open(), 1);
        let escrows = [100, 200].map(|amount| trade.offer_milestones("ada", &[amount, amount]).id);
        Self {
            store: trade.store,
            merchant: trade.merchant,
            escrows,
        }
    }

    /// Emits two events of the first escrow with the same data, in one command, of which this
    /// one has a delivery.
    fn emit_pair(&self, waiting: Option<usize>) -> [EventId; 2] {
        let (merchant, escrow) = (self.merchant, self.escrows[0]);
        write(&self.store, move |tx| {
            let events = [insert_event(tx, merchant, escrow)?, insert_event(tx, merchant, escrow)?];
            if let Some(waiting) = waiting {
                tx.insert_delivery(merchant, events[waiting], None)?;
            }
            Ok::<_, Error>(events)
        })
    }

    fn payload(&self, event: EventId) -> Option<String> {
        wait_for(self.store.read(move |snapshot| snapshot.payload_of(event))).ok()
    }

    /// Returns the merchants for whom the deliverer is woken within a short time.
    pub(crate) fn heard(&self) -> Option<BTreeSet<MerchantId>> {
        wait_for(async {
            let deliveries = self.store.wait_for_deliveries();
            tokio::time::timeout(Duration::from_millis(50), deliveries).await.ok()
        })
    }

    /// Emits an event of one of the escrows, or of no escrow, with a delivery that is due
    /// now.
    pub(crate) fn emit(&self, escrow: Option<usize>) -> EventId {
        let (merchant, of_row) = (self.merchant, self.escrows[escrow.unwrap_or(0)]);
        let ordering_key = escrow.map(|at| self.escrows[at]);
        write(&self.store, move |tx| {
            let event = insert_event(tx, merchant, of_row)?;
            tx.insert_delivery(merchant, event, ordering_key)?;
            Ok::<_, Error>(event)
        })
    }

    fn resend(&self, event: EventId, escrow: Option<usize>) {
        let (merchant, ordering_key) = (self.merchant, escrow.map(|at| self.escrows[at]));
        write(&self.store, move |tx| tx.insert_resend(merchant, event, ordering_key));
    }

    pub(crate) fn next(&self) -> Vec<Delivery> {
        let merchant = self.merchant;
        read(&self.store, move |snapshot| snapshot.next_deliveries(merchant, 100))
    }

    /// Returns the events of the next deliveries.
    fn turns(&self) -> Vec<EventId> {
        self.next().into_iter().map(|delivery| delivery.event).collect()
    }

    /// Records this outcome for the only next delivery, three seconds later.
    pub(crate) fn attempt(&self, event: EventId, status: u16) {
        self.attempt_after(3_000, event, status);
    }

    fn attempt_after(&self, millis: i64, event: EventId, status: u16) {
        let delivery = self
            .next()
            .into_iter()
            .find(|delivery| delivery.event == event)
            .unwrap();
        let attempted_at = at(START + millis);
        let attempted = Attempted {
            delivery,
            attempt: Attempt {
                attempted_at,
                url: "http://127.0.0.1:9/".to_owned(),
                outcome: AttemptOutcome::Responded {
                    status,
                    beginning: "thanks".to_owned(),
                },
                duration_millis: 17,
            },
            since: attempted_at,
            retry_after_seconds: None,
            endpoint_version: 0,
            may_be_recorded: false,
        };
        let schedule = RetrySchedule::new(vec![60]);
        write(&self.store, move |tx| deliveries::record(tx, &schedule, &attempted));
    }

    fn waits_for(&self, event: EventId) -> Option<Wait> {
        read(&self.store, move |snapshot| snapshot.delivery_of(event)).waits_for
    }

    fn status(&self, event: EventId) -> DeliveryStatus {
        read(&self.store, move |snapshot| snapshot.delivery_of(event)).status()
    }
}

fn insert_event(tx: &mut Tx<'_>, merchant: MerchantId, escrow: EscrowId) -> Result<EventId, Error> {
    let id = tx.event_id();
    tx.insert_event(&NewEvent {
        id,
        merchant,
        name: "escrow.created",
        escrow: Some(escrow),
        transaction: None,
        data: "{}",
        dispatch: Dispatch::Queued,
    })?;
    Ok(id)
}

#[test]
fn only_the_oldest_delivery_of_an_escrow_is_next() {
    let database = TestDatabase::new();
    let shop = Shop::on(&database);
    let [first, second] = [Some(0), Some(0)].map(|escrow| shop.emit(escrow));
    let [other, free, freer] = [Some(1), None, None].map(|escrow| shop.emit(escrow));
    assert_eq!(shop.turns(), [first, other, free, freer]);
    shop.attempt(first, 500);
    assert_eq!(
        shop.turns(),
        [other, free, freer, first],
        "a retry stays first for its escrow, at its later time"
    );
    assert_eq!(shop.next()[3].due_at, at(START + 63_000));
    assert_eq!(
        (shop.status(first), shop.status(second)),
        (DeliveryStatus::Pending, DeliveryStatus::Pending)
    );
    shop.attempt(first, 500);
    assert_eq!(
        shop.turns(),
        [other, free, freer, second],
        "after the last attempt the escrow's next delivery is first"
    );
    assert_eq!(shop.next()[3].due_at, at(START + 3_000));
    assert_eq!(shop.status(first), DeliveryStatus::Failed);
    shop.attempt(second, 200);
    assert_eq!(shop.status(second), DeliveryStatus::Delivered);
    let after = shop.emit(Some(0));
    assert_eq!(
        shop.turns(),
        [other, free, freer, after],
        "the escrow has no pending delivery left"
    );
}

#[test]
fn a_refused_delivery_leaves_its_place_to_the_next() {
    let database = TestDatabase::new();
    let shop = Shop::on(&database);
    let [first, second, third] = [Some(0); 3].map(|escrow| shop.emit(escrow));
    shop.attempt(first, 400);
    assert_eq!(
        shop.turns(),
        [second, first],
        "the next one is due now, the refused one later"
    );
    assert_eq!(
        [shop.next()[0].due_at, shop.next()[1].due_at],
        [at(START + 3_000), at(START + 63_000)]
    );
    assert_eq!(shop.next()[1].ordering_key, None);
    shop.attempt(second, 503);
    assert_eq!(shop.turns(), [first, second], "the third one waits for the second");
    shop.attempt(first, 400);
    assert_eq!(shop.turns(), [second], "the retries of the first one have ended");
    shop.attempt(second, 204);
    assert_eq!(shop.turns(), [third]);
    assert_eq!(
        [first, second, third].map(|event| shop.status(event)),
        [
            DeliveryStatus::Failed,
            DeliveryStatus::Delivered,
            DeliveryStatus::Pending
        ]
    );
}

#[test]
fn a_pending_event_waits_for_the_one_before_it_or_for_its_next_attempt() {
    let database = TestDatabase::new();
    let shop = Shop::on(&database);
    let [first, second, third] = [Some(0); 3].map(|escrow| shop.emit(escrow));
    shop.emit(Some(1));
    assert_eq!(shop.waits_for(first), Some(Wait::Attempt(at(START))));
    assert_eq!(shop.waits_for(second), Some(Wait::Event(first)));
    assert_eq!(shop.waits_for(third), Some(Wait::Event(second)));
    shop.attempt(first, 400);
    assert_eq!(shop.waits_for(first), Some(Wait::Attempt(at(START + 63_000))));
    assert_eq!(shop.waits_for(second), Some(Wait::Attempt(at(START + 3_000))));
    assert_eq!(shop.waits_for(third), Some(Wait::Event(second)));
    shop.resend(first, Some(0));
    assert_eq!(
        shop.waits_for(first),
        Some(Wait::Attempt(at(START + 63_000))),
        "the retry comes before the resend, which waits for another event"
    );
    shop.attempt(second, 200);
    shop.attempt(third, 200);
    assert_eq!(
        shop.waits_for(first),
        Some(Wait::Attempt(at(START + 3_000))),
        "the resend is next"
    );
    assert_eq!(shop.waits_for(second), None);
}

#[test]
fn a_resend_that_is_delivered_ends_the_retries_of_a_refused_event() {
    let database = TestDatabase::new();
    let shop = Shop::on(&database);
    let [first, second] = [Some(0); 2].map(|escrow| shop.emit(escrow));
    shop.attempt(first, 404);
    shop.attempt(second, 500);
    shop.resend(first, Some(0));
    assert_eq!(shop.turns(), [first, second], "the resend waits behind the second");
    shop.attempt(second, 200);
    assert_eq!(shop.turns(), [first, first]);
    shop.attempt(first, 200);
    assert_eq!((shop.turns(), shop.status(first)), (vec![], DeliveryStatus::Delivered));
}

#[test]
fn a_resend_waits_behind_pending_deliveries() {
    let database = TestDatabase::new();
    let shop = Shop::on(&database);
    let [a, b] = [Some(0), Some(0)].map(|escrow| shop.emit(escrow));
    shop.attempt(a, 200);
    shop.resend(a, Some(0));
    shop.resend(a, None);
    assert_eq!(
        shop.turns(),
        [a, b],
        "the delivery without an ordering key is due first"
    );
    assert_eq!(shop.status(a), DeliveryStatus::Pending);
    shop.attempt(a, 200);
    shop.attempt(b, 200);
    assert_eq!(shop.turns(), [a]);
    shop.attempt_after(4_000, a, 504);
    let progress = read(&shop.store, move |snapshot| snapshot.delivery_of(a));
    let statuses: Vec<&AttemptOutcome> = progress.attempts.iter().map(|attempt| &attempt.outcome).collect();
    assert!(matches!(
        statuses[..],
        [
            AttemptOutcome::Responded { status: 200, .. },
            AttemptOutcome::Responded { status: 200, .. },
            AttemptOutcome::Responded { status: 504, .. }
        ]
    ));
    assert_eq!(progress.next_attempt_at(), Some(at(START + 64_000)));
}

#[test]
fn an_attempt_that_ends_after_its_delivery_was_removed_is_only_recorded() {
    let database = TestDatabase::new();
    let shop = Shop::on(&database);
    let event = shop.emit(Some(0));
    let delivery = shop.next().remove(0);
    let merchant = shop.merchant;
    write(&shop.store, move |tx| tx.delete_deliveries(merchant, 1_000));
    assert_eq!((shop.turns(), shop.status(event)), (vec![], DeliveryStatus::None));
    let attempted = Attempted {
        delivery,
        attempt: Attempt {
            attempted_at: at(START),
            url: "http://127.0.0.1:9/".to_owned(),
            outcome: AttemptOutcome::Failed("no connection: Connection refused".to_owned()),
            duration_millis: 1,
        },
        since: at(START),
        retry_after_seconds: None,
        endpoint_version: 0,
        may_be_recorded: false,
    };
    let schedule = RetrySchedule::new(vec![60]);
    write(&shop.store, move |tx| deliveries::record(tx, &schedule, &attempted));
    assert_eq!((shop.turns(), shop.status(event)), (vec![], DeliveryStatus::Failed));
}

/// The commit that recorded them may have lost its connection before it was answered.
#[test]
fn attempts_that_are_recorded_twice_are_found_and_counted_once() {
    let database = TestDatabase::new();
    let shop = Shop::on(&database);
    let event = shop.emit(Some(0));
    let attempted = |delivery: Delivery, seconds: i64, may_be_recorded| Attempted {
        delivery,
        attempt: Attempt {
            attempted_at: at(START + seconds * 1_000),
            url: "http://127.0.0.1:9/".to_owned(),
            outcome: AttemptOutcome::Failed("no connection: Connection refused".to_owned()),
            duration_millis: 1,
        },
        since: at(START + seconds * 1_000),
        retry_after_seconds: None,
        endpoint_version: 0,
        may_be_recorded,
    };
    let record = |attempted: Attempted| {
        let schedule = RetrySchedule::new(vec![60, 60]);
        write(&shop.store, move |tx| deliveries::record(tx, &schedule, &attempted));
    };
    let progress = || read(&shop.store, move |snapshot| snapshot.delivery_of(event));
    let first = shop.next().remove(0);
    record(attempted(first.clone(), 1, false));
    record(attempted(first, 1, true));
    assert_eq!((shop.next()[0].attempts, progress().attempts.len()), (1, 1));
    // The commit may have been lost with its connection.
    record(attempted(shop.next().remove(0), 2, true));
    assert_eq!((shop.next()[0].attempts, progress().attempts.len()), (2, 2));
}

#[test]
fn waiting_deliveries_are_removed_first() {
    let database = TestDatabase::new();
    let shop = Shop::on(&database);
    let [first, _, _] = [Some(0), Some(0), Some(0)].map(|escrow| shop.emit(escrow));
    let merchant = shop.merchant;
    for left in [2, 1] {
        write(&shop.store, move |tx| tx.delete_deliveries(merchant, 1));
        let sql = "SELECT count(*) FROM delivery";
        let found = database.outside().number(sql, &[]);
        assert_eq!(
            (found, shop.turns()),
            (left, vec![first]),
            "the first delivery waits for a removed one"
        );
    }
    write(&shop.store, move |tx| tx.delete_deliveries(merchant, 1));
    assert_eq!(shop.turns(), []);
}

#[test]
fn old_events_are_removed_unless_their_delivery_is_pending() {
    let database = TestDatabase::new();
    let shop = Shop::on(&database);
    let [gone, waiting] = [Some(0), Some(1)].map(|escrow| shop.emit(escrow));
    shop.attempt(gone, 200);
    let forget = |before: i64| write(&shop.store, move |tx| old_events::delete(tx, at(before)));
    let events = || database.outside().number("SELECT count(*) FROM event", &[]);
    let before = events();
    assert!(!forget(0));
    assert_eq!(events(), before, "no event is that old");
    assert!(!forget(START));
    assert_eq!((events(), shop.turns()), (1, vec![waiting]));
    let attempts = read(&shop.store, move |snapshot| snapshot.delivery_of(gone)).attempts;
    assert_eq!(attempts, []);
    // New events do not reuse the numbers of removed ones.
    drop(shop.store);
    let store = database.open();
    let next = write(&store, |tx| Ok::<_, Error>(tx.event_id()));
    assert!(next > waiting);
}

/// Each event takes two round trips to a server, and other commands wait meanwhile.
#[test]
fn one_command_removes_few_events_of_a_server() {
    let database = TestDatabase::new();
    let shop = Shop::on(&database);
    for _ in 0..25 {
        let (merchant, escrow) = (shop.merchant, shop.escrows[0]);
        write(&shop.store, move |tx| insert_event(tx, merchant, escrow));
    }
    let events = || database.outside().number("SELECT count(*) FROM event", &[]);
    let forget = || write(&shop.store, |tx| old_events::delete(tx, at(START + 1)));
    let before = events();
    let is_more_left = forget();
    let expected = match Engine::wanted() {
        Engine::Sqlite => (false, 0),
        Engine::Postgres => (true, before - 20),
    };
    assert_eq!((is_more_left, events()), expected);
    while forget() {}
    assert_eq!(events(), 0);
}

#[test]
fn the_statuses_of_many_events_are_those_of_each() {
    use DeliveryStatus::{Delivered, Failed, None as Nothing, Pending};
    let database = TestDatabase::new();
    let shop = Shop::on(&database);
    let [delivered, failed, refused, _pending] = [(); 4].map(|()| shop.emit(None));
    shop.attempt(delivered, 204);
    shop.attempt(failed, 500);
    shop.attempt_after(63_000, failed, 302);
    shop.attempt(refused, 400);
    let again = shop.emit(None);
    shop.attempt(again, 500);
    shop.attempt_after(63_000, again, 200);
    let (merchant, escrow) = (shop.merchant, shop.escrows[0]);
    write(&shop.store, move |tx| insert_event(tx, merchant, escrow));
    let (events, statuses) = read(&shop.store, move |snapshot| {
        let events = snapshot.events_from(merchant, ReplayStart::Event(delivered), 100)?;
        let statuses = snapshot.statuses_of(merchant, &events)?;
        Ok((events, statuses))
    });
    let of_each: Vec<_> = events.iter().map(|event| shop.status(event.id)).collect();
    assert_eq!(statuses, of_each);
    assert_eq!(statuses, [Delivered, Failed, Pending, Pending, Delivered, Nothing]);
    assert_eq!(
        read(&shop.store, move |snapshot| snapshot.statuses_of(merchant, &[])),
        []
    );
}

/// Each of them takes two round trips to a server, and other commands wait meanwhile.
#[test]
fn one_replay_sends_few_pending_events_of_a_server() {
    let database = TestDatabase::new();
    let shop = Shop::on(&database);
    let merchant = shop.merchant;
    let setting = WebhookEndpointSetting {
        url: Some(WebhookUrl::parse("http://127.0.0.1:9/", Mode::Sandbox).unwrap()),
        events: None,
    };
    write(&shop.store, move |tx| webhook_endpoints::set(tx, merchant, Ok(setting)));
    let escrow = shop.escrows[0];
    let events: Vec<EventId> = write(&shop.store, move |tx| {
        let emit = |_| {
            let event = insert_event(tx, merchant, escrow)?;
            tx.insert_delivery(merchant, event, None)?;
            Ok::<_, Error>(event)
        };
        (0..205).map(emit).collect()
    });
    let replay = |from| {
        let replay = Replay {
            start: ReplayStart::Event(from),
            status: Some(DeliveryStatus::Pending),
        };
        let replayed = write(&shop.store, move |tx| {
            events::replay(tx, &policy(), merchant, Ok(replay))
        });
        (replayed.events, replayed.next)
    };
    match Engine::wanted() {
        Engine::Sqlite => assert_eq!(replay(events[0]), (205, None)),
        Engine::Postgres => {
            assert_eq!(replay(events[0]), (200, Some(events[200])));
            assert_eq!(replay(events[200]), (5, None));
        }
    }
}

#[test]
fn an_event_with_the_data_of_the_one_before_does_not_hold_it_again() {
    let database = TestDatabase::new();
    let shop = Shop::on(&database);
    let [first, second] = shop.emit_pair(None);
    let holds = |event: EventId| -> bool {
        let sql = "SELECT count(data) FROM event WHERE id = ?1";
        database.outside().number(sql, &[event.number()]) == 1
    };
    assert_eq!([holds(first), holds(second)], [true, false]);
    assert!(shop.payload(first).is_some());
    assert_eq!(shop.payload(first), shop.payload(second));
    // Other escrows and other commands share nothing, and an undone event holds nothing.
    let (merchant, escrows) = (shop.merchant, shop.escrows);
    let events = write(&shop.store, move |tx| {
        let undone: Result<(), Error> = tx.attempt(|tx| {
            insert_event(tx, merchant, escrows[0])?;
            Err(Error::QueueFull)
        })?;
        assert!(undone.is_err());
        let own = insert_event(tx, merchant, escrows[0])?;
        Ok::<_, Error>([own, insert_event(tx, merchant, escrows[1])?])
    });
    assert!(events.into_iter().all(holds));
    assert!(holds(shop.emit(Some(1))));
}

#[test]
fn an_event_is_kept_while_the_next_one_shares_its_data() {
    for waiting in [None, Some(0), Some(1)] {
        let database = TestDatabase::new();
        let shop = Shop::on(&database);
        let pair = shop.emit_pair(waiting);
        write(&shop.store, move |tx| {
            tx.delete_events_before(at(START + 1), usize::MAX)
        });
        let left = pair.map(|event| shop.payload(event).is_some());
        let expected = match waiting {
            None => [false, false],
            Some(0) => [true, false],
            Some(_) => [true, true],
        };
        assert_eq!(left, expected, "{waiting:?}");
    }
    // However many events one command removes, no event loses its data.
    for limit in 1..6 {
        let database = TestDatabase::new();
        let shop = Shop::on(&database);
        let pairs = [shop.emit_pair(None), shop.emit_pair(None)];
        loop {
            let removed = write(&shop.store, move |tx| tx.delete_events_before(at(START + 1), limit));
            for pair in pairs {
                let [first, second] = pair.map(|event| shop.payload(event).is_some());
                assert_eq!(first, second, "{limit}");
            }
            if removed == 0 {
                break;
            }
        }
        assert_eq!(pairs.map(|pair| shop.payload(pair[0]).is_some()), [limit == 1; 2]);
    }
}

#[test]
fn only_committed_deliveries_wake_the_deliverer() {
    let database = TestDatabase::new();
    let shop = Shop::on(&database);
    let (merchant, escrow) = (shop.merchant, shop.escrows[0]);
    let refused = wait_for(shop.store.write(move |tx| {
        let event = insert_event(tx, merchant, escrow)?;
        tx.insert_delivery(merchant, event, None)?;
        Err::<(), _>(Error::Panicked)
    }));
    assert!(refused.is_err());
    write(&shop.store, name_merchant("acme"));
    assert_eq!(shop.heard(), None);
    shop.emit(None);
    shop.emit(Some(0));
    assert_eq!(shop.heard(), Some([merchant].into()));
    assert_eq!(shop.heard(), None, "one commit woke the wait twice");
}

#[test]
fn merchants_with_deliveries_are_read_many_at_once() {
    let database = TestDatabase::new();
    let shop = Shop::on(&database);
    let event = shop.emit(None);
    let names = ["idle", "one", "two", "three"];
    let [_, one, two, three] = names.map(|name| write(&shop.store, name_merchant(name)));
    for merchant in [three, one, two, one] {
        write(&shop.store, move |tx| tx.insert_resend(merchant, event, None));
    }
    let after = |merchant, limit| {
        read(&shop.store, move |snapshot| {
            snapshot.merchants_with_deliveries_after(merchant, limit)
        })
    };
    assert_eq!(after(MerchantId(0), 100), [shop.merchant, one, two, three]);
    assert_eq!(after(MerchantId(0), 4), [shop.merchant, one, two, three]);
    assert_eq!(after(MerchantId(0), 3), [shop.merchant, one, two]);
    assert_eq!(after(one, 1), [two]);
    assert_eq!(after(three, 100), []);
}

#[test]
fn ledger_time_never_goes_back() {
    let database = TestDatabase::new();
    let store = database.open();
    write(&store, name_merchant("acme"));
    database.clock.set(START - 5_000);
    assert_eq!(store.ledger_time(), at(START));
    database.clock.set(START + 5_000);
    assert_eq!(store.ledger_time(), at(START + 5_000));
}
