//! Tests of the queues that the deliverer keeps.

use std::net::TcpListener;
use std::path::Path;

use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::*;
use crate::clock::SystemClock;
use crate::commands::deliveries::Attempted;
use crate::domain::events::delivery::{Attempt, AttemptOutcome, RetrySchedule};
use crate::domain::events::webhook_endpoint::{SigningSecret, WebhookUrl, WebhookUrlChoice};
use crate::domain::ids::CountingEntropy;
use crate::domain::mode::Mode;
use crate::store::{self, bare_deliveries};
use crate::webhooks::client::WebhookClient;
use crate::webhooks::resolver;
use crate::webhooks::settings::{AttemptSettings, Settings};

const DATABASE: &str = "test.db";

/// The time limit of a wait that should take milliseconds.
const WAIT_MAX: Duration = Duration::from_secs(20);

fn open(folder: &Path) -> Store {
    let settings = store::Settings::of_test(&folder.join(DATABASE));
    let (store, _writer_ended) =
        Store::open(&settings, Box::new(SystemClock), Box::new(CountingEntropy(1 << 26))).unwrap();
    store
}

/// Returns the control of a deliverer in a sandbox, and the sender of its messages.
fn control() -> (DelivererControl, UnboundedSender<DelivererMessage>) {
    let timeout = Duration::from_mins(1);
    let settings = Settings {
        mode: Mode::Sandbox,
        url_default: None,
        attempts: AttemptSettings {
            schedule: RetrySchedule::new(vec![60]),
            retry_after_seconds_max: 60,
            timeout,
        },
        stop_timeout: timeout,
    };
    let client = WebhookClient::new(Mode::Sandbox, timeout, resolver::system_lookup()).unwrap();
    let (messages, received) = unbounded_channel();
    (DelivererControl::new(received, settings, client), messages)
}

/// Makes a merchant whose endpoint is this one.
async fn merchant_at(store: &Store, url: &str) -> MerchantId {
    let url = WebhookUrl::parse(url, Mode::Sandbox).unwrap();
    let set = store.write(move |tx| {
        let merchant = tx.insert_merchant(None, Some(&SigningSecret::new("sk_test_1")))?;
        tx.save_webhook_endpoint(merchant, &WebhookUrlChoice::Url(url), None)?;
        Ok::<_, Error>(merchant)
    });
    set.await.unwrap()
}

/// Returns a receiver that takes connections and never answers, and its URL.
fn hanging() -> (TcpListener, String) {
    let receiver = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", receiver.local_addr().unwrap());
    (receiver, url)
}

/// Returns the number of attempts in flight of each merchant.
fn in_flight(deliverer: &mut Deliverer<'_>, merchants: [MerchantId; 2]) -> [usize; 2] {
    merchants.map(|merchant| deliverer.queues.queue_mut(merchant).in_flight())
}

/// Returns a failed attempt of a delivery that is in flight.
async fn failed_attempt(store: &Store, deliverer: &mut Deliverer<'_>, merchant: MerchantId) -> Attempted {
    let read = store.read(move |snapshot| snapshot.next_deliveries(merchant, 100));
    let queue = deliverer.queues.queue_mut(merchant);
    let mut deliveries = read.await.unwrap().into_iter();
    Attempted {
        delivery: deliveries.find(|delivery| queue.has_in_flight(delivery.id)).unwrap(),
        attempt: Attempt {
            attempted_at: Timestamp::EPOCH,
            url: "http://127.0.0.1/".to_owned(),
            outcome: AttemptOutcome::Failed("no answer".to_owned()),
            duration_millis: 1,
        },
        since: Timestamp::EPOCH,
        retry_after_seconds: None,
        endpoint_version: 1,
        may_be_recorded: false,
    }
}

/// The failing ones have no place left for a merchant that has not been tried. It gets the first one that
/// is given back, although the merchant that gives it back has more events.
#[tokio::test]
async fn a_merchant_that_waits_for_a_place_gets_the_next_one() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let (_receiver, url) = hanging();
    let (mut control, _messages) = control();
    let mut deliverer = Deliverer::new(store.clone(), &mut control, Arc::default());
    let merchants = [merchant_at(&store, &url).await, merchant_at(&store, &url).await];
    let [first, second] = merchants;
    bare_deliveries::insert(&folder.path().join(DATABASE), &merchants, 8);
    (0..188).for_each(|_| deliverer.places.take(false));
    deliverer.queues.make_ready(first);
    deliverer.start_due().await;
    deliverer.queues.make_ready(second);
    deliverer.start_due().await;
    assert_eq!(in_flight(&mut deliverer, merchants), [4, 0]);
    for shares in [[3, 1], [2, 2]] {
        let failed = failed_attempt(&store, &mut deliverer, first).await;
        deliverer
            .handle_report(Report::Recorded(vec![failed], Ok(Vec::new())))
            .await;
        deliverer.start_due().await;
        let now = in_flight(&mut deliverer, merchants);
        assert_eq!(now, shares);
    }
}

#[tokio::test]
async fn an_endpoint_that_is_set_anew_gets_no_room_of_a_healthy_one() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let (_receiver, url) = hanging();
    let (mut control, _messages) = control();
    let mut deliverer = Deliverer::new(store.clone(), &mut control, Arc::default());
    let merchant = merchant_at(&store, &url).await;
    bare_deliveries::insert(&folder.path().join(DATABASE), &[merchant], 8);
    let queue = deliverer.queues.queue_mut(merchant);
    queue.follow_endpoint(0);
    queue.set_health(&AttemptOutcome::Responded {
        status: 200,
        beginning: String::new(),
    });
    assert!(queue.is_healthy());
    (0..190).for_each(|_| deliverer.places.take(false));
    deliverer.queues.make_ready(merchant);
    deliverer.start_due().await;
    let queue = deliverer.queues.queue_mut(merchant);
    assert_eq!((queue.is_healthy(), queue.in_flight()), (false, 2));
    assert_eq!(deliverer.places.room(false), 0);
}

#[tokio::test]
async fn the_queue_of_an_endpoint_that_failed_is_removed_when_it_is_turned_off() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let (mut control, _messages) = control();
    let mut deliverer = Deliverer::new(store.clone(), &mut control, Arc::default());
    let merchant = merchant_at(&store, "http://127.0.0.1:9/").await;
    let failed = AttemptOutcome::Failed("no answer".to_owned());
    deliverer.queues.queue_mut(merchant).set_health(&failed);
    deliverer.queues.make_ready(merchant);
    deliverer.start_due().await;
    assert!(
        !deliverer.queues.queue_mut(merchant).is_idle(),
        "the next outcome is compared with this one"
    );
    let disable = store.write(move |tx| tx.save_webhook_endpoint(merchant, &WebhookUrlChoice::Disabled, None));
    disable.await.unwrap();
    deliverer.queues.make_ready(merchant);
    deliverer.start_due().await;
    assert!(deliverer.queues.queue_mut(merchant).is_idle());
}

/// Runs a deliverer until it has nothing more to do at once.
async fn run_shortly(deliverer: &mut Deliverer<'_>) {
    let run = tokio::time::timeout(Duration::from_millis(300), deliverer.run());
    assert!(run.await.is_err(), "it ended by itself");
}

/// Returns the number of recorded attempts of a merchant's only delivery.
async fn attempts(store: &Store, merchant: MerchantId) -> u32 {
    let read = store.read(move |snapshot| snapshot.next_deliveries(merchant, 1));
    read.await.unwrap()[0].attempts
}

/// Another process was the leader meanwhile, and notices may have been lost.
#[tokio::test]
async fn a_process_that_becomes_the_leader_again_trusts_no_former_timer() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let (_receiver, url) = hanging();
    let (mut control, _messages) = control();
    let mut deliverer = Deliverer::new(store.clone(), &mut control, Arc::default());
    let (leads, leadership) = watch::channel(true);
    deliverer.leadership = leadership;
    let merchant = merchant_at(&store, &url).await;
    // The first search takes no delivery for its own that is inserted below.
    while deliverer.poll_at <= Instant::now() {
        run_shortly(&mut deliverer).await;
    }
    let later = store.ledger_time().millis_later(3_600_000);
    deliverer.queues.set_timer(merchant, Some(later));
    bare_deliveries::insert(&folder.path().join(DATABASE), &[merchant], 1);
    run_shortly(&mut deliverer).await;
    assert_eq!(attempts(&store, merchant).await, 0, "no notice came");
    leads.send_replace(false);
    run_shortly(&mut deliverer).await;
    assert_eq!(attempts(&store, merchant).await, 0, "it does not lead");
    deliverer.queues.set_timer(merchant, Some(later));
    leads.send_replace(true);
    let attempted = tokio::time::timeout(WAIT_MAX, async {
        while attempts(&store, merchant).await == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    tokio::select! {
        () = deliverer.run() => panic!("it ended by itself"),
        attempted = attempted => attempted.unwrap(),
    }
    assert_eq!(attempts(&store, merchant).await, 1);
}

#[tokio::test]
async fn a_process_that_does_not_lead_keeps_no_queues() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let (mut control, _messages) = control();
    let mut deliverer = Deliverer::new(store.clone(), &mut control, Arc::default());
    let (_leads, leadership) = watch::channel(false);
    deliverer.leadership = leadership;
    let merchant = merchant_at(&store, "http://127.0.0.1:9/").await;
    run_shortly(&mut deliverer).await;
    assert!(!deliverer.queues.is_scheduled(merchant));
}

/// Each read may take long to fail.
#[tokio::test]
async fn a_store_that_cannot_be_read_is_read_for_one_merchant_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let (mut control, _messages) = control();
    let mut deliverer = Deliverer::new(store.clone(), &mut control, Arc::default());
    let url = "http://127.0.0.1:9/";
    let [first, second] = [merchant_at(&store, url).await, merchant_at(&store, url).await];
    bare_deliveries::lose(&folder.path().join(DATABASE));
    deliverer.queues.make_ready(first);
    deliverer.queues.make_ready(second);
    deliverer.start_due().await;
    assert!(deliverer.queues.first_timer().is_some() && deliverer.queues.is_scheduled(first));
    assert_eq!(deliverer.queues.next(true), Some(second), "it stays ready");
    assert_eq!(deliverer.queues.next(true), None, "the first one has a timer");
}

/// A server that has just come back may refuse the first reads of a new leader.
#[tokio::test]
async fn a_search_for_deliveries_that_fails_is_repeated_soon() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let (mut control, _messages) = control();
    let mut deliverer = Deliverer::new(store.clone(), &mut control, Arc::default());
    bare_deliveries::lose(&folder.path().join(DATABASE));
    run_shortly(&mut deliverer).await;
    assert!(deliverer.poll_at <= Instant::now() + PAUSE);
}

#[tokio::test]
async fn an_attempt_is_looked_for_after_a_commit_with_an_unknown_outcome() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let (_receiver, url) = hanging();
    let (mut control, _messages) = control();
    let mut deliverer = Deliverer::new(store.clone(), &mut control, Arc::default());
    let merchant = merchant_at(&store, &url).await;
    bare_deliveries::insert(&folder.path().join(DATABASE), &[merchant], 1);
    deliverer.queues.make_ready(merchant);
    deliverer.start_due().await;
    let attempted = failed_attempt(&store, &mut deliverer, merchant).await;
    for (error, may_be_recorded) in [
        (Error::Unreachable("planned by the test".to_owned()), false),
        (Error::OutcomeUnknown("planned by the test".to_owned()), true),
    ] {
        let report = Report::Recorded(vec![attempted.clone()], Err(error));
        deliverer.handle_report(report).await;
        let batch = tokio::time::timeout(WAIT_MAX, async {
            loop {
                if let Some(batch) = deliverer.outcomes.next_batch() {
                    return batch;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
        assert_eq!(batch.await.unwrap()[0].may_be_recorded, may_be_recorded);
    }
}
