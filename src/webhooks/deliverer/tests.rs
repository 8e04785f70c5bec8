//! Tests of the queues that the deliverer keeps.

use std::path::Path;

use tokio::sync::mpsc::unbounded_channel;

use super::*;
use crate::clock::SystemClock;
use crate::domain::events::delivery::RetrySchedule;
use crate::domain::events::webhook_endpoint::{SigningSecret, WebhookUrl, WebhookUrlChoice};
use crate::domain::ids::Entropy;
use crate::store::{self, Synchronous};
use crate::webhooks::client::WebhookClient;
use crate::webhooks::resolver;
use crate::webhooks::settings::{AttemptSettings, Settings};

/// Numbers that count up.
struct Counting(i64);

impl Entropy for Counting {
    fn number(&mut self, _now: Timestamp) -> i64 {
        self.0 += 1024;
        self.0
    }

    fn start_after(&mut self, number: i64) {
        self.0 = self.0.max(number);
    }

    fn newest(&self) -> i64 {
        self.0
    }

    fn random(&mut self) -> u128 {
        7
    }
}

fn open(folder: &Path) -> Store {
    let settings = store::Settings {
        place: folder.join("test.db").into(),
        mode: Mode::Sandbox,
        currency: "NGN".to_owned(),
        synchronous: Synchronous::Full,
        readers: 1,
        long_readers: 1,
        long_reads_waiting_max: 1,
        read_time_max: Duration::from_secs(5),
        queue_commands_max: 8,
        group_commands_max: 8,
        checkpoint_pages: 1000,
        accept_loss: false,
        clock_jump_max: Duration::from_hours(72),
        accept_clock: false,
        vacuum_free_bytes_min: None,
    };
    let (store, _writer_ended) = Store::open(&settings, Box::new(SystemClock), Box::new(Counting(1 << 26))).unwrap();
    store
}

#[tokio::test]
async fn the_queue_of_an_endpoint_that_failed_is_removed_when_it_is_turned_off() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let timeout = Duration::from_secs(1);
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
    let (_messages, received) = unbounded_channel();
    let mut orders = Orders::new(received, settings, client);
    let mut deliverer = Deliverer::new(store.clone(), &mut orders, Arc::default());
    let url = WebhookUrl::parse("http://127.0.0.1:9/", Mode::Sandbox).unwrap();
    let set = store.write(move |tx| {
        let merchant = tx.insert_merchant(None, Some(&SigningSecret::new("sk_test_1")))?;
        tx.save_webhook_endpoint(merchant, &WebhookUrlChoice::Url(url), None)?;
        Ok::<_, Error>(merchant)
    });
    let merchant = set.await.unwrap();
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
