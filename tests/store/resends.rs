//! Deliveries that are asked for before they are due, and the end of those of an endpoint that is
//! turned off.

use escrowd::commands::webhook_endpoints::{self, WebhookEndpointSetting};
use escrowd::domain::events::webhook_endpoint::WebhookUrl;
use escrowd::domain::ids::EventId;
use escrowd::domain::mode::Mode;
use escrowd::domain::time::Timestamp;
use escrowd::store::{Error, Hastened};

use crate::deliveries::Shop;
use crate::helpers::{START, TestDatabase, read, write};

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis).unwrap()
}

impl Shop {
    fn hasten(&self, event: EventId) -> Hastened {
        let merchant = self.merchant;
        write(&self.store, move |tx| tx.hasten_event(merchant, event))
    }

    /// Sets the merchant's webhook endpoint, or turns it off.
    fn set(&self, url: Option<&str>) {
        let url = url.map(|url| WebhookUrl::parse(url, Mode::Sandbox).unwrap());
        let (merchant, setting) = (self.merchant, WebhookEndpointSetting { url, events: None });
        write(&self.store, move |tx| webhook_endpoints::set(tx, merchant, Ok(setting)));
    }

    fn discard_left(&self) -> bool {
        let merchant = self.merchant;
        write(&self.store, move |tx| webhook_endpoints::discard_left(tx, merchant))
    }
}

#[test]
fn a_pending_event_is_attempted_when_it_is_asked_for() {
    let database = TestDatabase::new();
    let shop = Shop::on(&database);
    let [first, second] = [Some(0), Some(0)].map(|escrow| shop.emit(escrow));
    let [free, done] = [None, None].map(|escrow| shop.emit(escrow));
    assert_eq!(
        shop.hasten(first),
        Hastened::Due,
        "it is due and has a place in an order"
    );
    assert_eq!(shop.hasten(free), Hastened::UnderWay, "another attempt delays none");
    for event in [first, free] {
        shop.attempt(event, 503);
    }
    shop.attempt(done, 200);
    assert_eq!(shop.hasten(done), Hastened::NotPending);
    let due = || -> Vec<_> {
        let next = shop.next();
        next.iter().map(|delivery| (delivery.event, delivery.due_at)).collect()
    };
    let (now, later) = (at(START), at(START + 63_000));
    assert_eq!(due(), [(first, later), (free, later)]);
    assert_eq!(shop.hasten(second), Hastened::Due, "so the first one is");
    assert_eq!(due(), [(first, now), (free, later)]);
    assert_eq!(shop.hasten(free), Hastened::Due);
    assert_eq!(due(), [(first, now), (free, now)]);
}

#[test]
fn setting_an_endpoint_makes_retries_due() {
    let database = TestDatabase::new();
    let shop = Shop::on(&database);
    let [first, free, new] = [Some(0), None, None].map(|escrow| shop.emit(escrow));
    for event in [first, free] {
        shop.attempt(event, 503);
    }
    let due = || shop.next().iter().map(|delivery| delivery.due_at).max();
    assert_eq!(due(), Some(at(START + 63_000)));
    shop.set(Some("http://127.0.0.1:9/"));
    assert_eq!((due(), shop.next().len()), (Some(at(START)), 3));
    assert!(shop.next().iter().any(|delivery| delivery.event == new));
}

#[test]
fn what_is_left_of_an_endpoint_that_was_turned_off_is_deleted_in_steps() {
    let database = TestDatabase::new();
    let shop = Shop::on(&database);
    shop.set(Some("http://127.0.0.1:9/"));
    let (event, merchant) = (shop.emit(None), shop.merchant);
    let many = || {
        write(&shop.store, move |tx| {
            (0..2_500).try_for_each(|_| tx.insert_resend(merchant, event, None))
        });
    };
    let pending = || read(&shop.store, move |snapshot| snapshot.next_deliveries(merchant, 5_000)).len();
    many();
    assert!(!shop.discard_left(), "the endpoint is on");
    assert_eq!(pending(), 2_501);
    assert_eq!(shop.heard(), Some([merchant].into()));
    shop.set(None);
    assert_eq!(shop.heard(), Some([merchant].into()), "the deliverer deletes the rest");
    assert_eq!(pending(), 1_501);
    assert!(shop.discard_left());
    assert!(!shop.discard_left());
    assert_eq!(pending(), 0);
    shop.set(Some("http://127.0.0.1:9/"));
    many();
    write(&shop.store, move |tx| {
        tx.save_webhook_gone(merchant, at(START))?;
        Ok::<_, Error>(())
    });
    assert!(shop.discard_left(), "an endpoint that is gone is off too");
}
