//! Live mode: webhooks are not sent to addresses inside the operator's network.

use std::fs;

use actix_web::rt::System;
use escrowd::app;
use escrowd::config::Config;
use escrowd::domain::events::choice::EventChoice;
use escrowd::domain::events::webhook_endpoint::{SigningSecret, WebhookUrl, WebhookUrlChoice};
use escrowd::domain::merchant::key::{KeyScope, MerchantKey, NewKey};
use escrowd::domain::mode::Mode;
use escrowd::store::Tx;
use serde_json::{Value, json};

use crate::receiver::Receiver;
use crate::service::{DATABASE, Disk};

const KEY: &str = "sk_live_the_only_one";

/// Sets up a live service whose only merchant has this webhook endpoint.
fn configure(disk: &Disk, url: &str, events: Option<&str>) {
    fs::write(
        disk.path("config.toml"),
        "mode = \"live\"\n[webhooks]\nretry_seconds = []\n",
    )
    .unwrap();
    let config = Config {
        mode: Mode::Live,
        database: disk.path(DATABASE).into(),
        ..Config::default()
    };
    let store = app::open_store(&config).unwrap();
    let choice = WebhookUrlChoice::Url(WebhookUrl::parse(url, Mode::Live).unwrap());
    let events = events.and_then(EventChoice::parse);
    let set = move |tx: &mut Tx<'_>| {
        let merchant = if let Some(merchant) = tx.merchant_named("shop")? {
            merchant
        } else {
            let merchant = tx.insert_merchant(Some("shop"), None)?;
            let key = MerchantKey::new(NewKey::of(KEY), KeyScope::SuperAdmin, None, tx.ledger_time());
            tx.insert_merchant_key(merchant, &key)?;
            tx.save_signing_secret(merchant, &SigningSecret::new(KEY), None)?;
            merchant
        };
        tx.save_webhook_endpoint(merchant, &choice, events.as_ref())
    };
    System::new().block_on(store.write(set)).unwrap();
    store.close();
}

#[test]
fn a_host_name_with_a_loopback_address_is_not_connected_to() {
    let (disk, receiver) = (Disk::new(), Receiver::start());
    for name in ["localhost", "localhost.", "shop.localhost"] {
        let url = format!("https://{name}:{}/hook?token=secret", receiver.address.port());
        configure(&disk, &url, None);
        let service = disk.serve(&[]);
        let customer = |name: &str| {
            let unique = disk.events().len();
            let profile = json!({
                "firstname": name, "lastname": "Obi",
                "email": format!("{name}{unique}@shop.example"), "phone": format!("080{unique:07}{}", name.len()),
            });
            let made = service.send(KEY, "", "POST", "/v1/customer/create", &profile);
            made["customerId"].as_str().unwrap().to_owned()
        };
        let terms = json!({
            "amount": 200, "purpose": "Shop fit-out", "whoPays": "buyer",
            "milestones": [{ "title": "A", "amount": 100 }, { "title": "B", "amount": 100 }],
        });
        let escrow: Value = service.send(KEY, &customer("ada"), "POST", "/v1/escrow/milestone/create", &terms);
        assert!(escrow["id"].is_string());
        disk.wait_for_deliveries();
    }
    let attempts = disk.attempts();
    assert_eq!(attempts.len(), disk.events().len());
    assert!(attempts.len() >= 3);
    for attempt in attempts {
        let error = attempt.error.unwrap();
        assert!(!attempt.url.contains("secret"), "{}", attempt.url);
        // Every system resolves the first of these names. Some do not resolve the others.
        let is_refused = error.contains("which is a loopback address");
        let is_unresolved = error.contains("failed to lookup address") && !attempt.url.contains("//localhost:");
        assert!(is_refused || is_unresolved, "{}: {error}", attempt.url);
    }
    assert!(!receiver.has_connections());
}

#[test]
fn a_live_merchant_gets_the_events_that_it_has_chosen() {
    let disk = Disk::new();
    // No server listens there; the attempts show what was sent.
    configure(&disk, "https://localhost:9/hook", Some("escrow.pending"));
    let service = disk.serve(&[]);
    let profile = json!({
        "firstname": "Ada", "lastname": "Obi", "email": "ada@shop.example", "phone": "08000000001",
    });
    let seller = service.send(KEY, "", "POST", "/v1/customer/create", &profile);
    let terms = json!({
        "amount": 200, "purpose": "Shop fit-out", "whoPays": "buyer",
        "milestones": [{ "title": "A", "amount": 100 }, { "title": "B", "amount": 100 }],
    });
    let seller = seller["customerId"].as_str().unwrap();
    service.send(KEY, seller, "POST", "/v1/escrow/milestone/create", &terms);
    disk.wait_for_deliveries();
    let events = disk.events();
    let names: Vec<&str> = events.iter().map(|event| event.name.as_str()).collect();
    assert_eq!(names, ["escrow.created", "escrow.pending"], "every event is recorded");
    let attempted: Vec<String> = disk.attempts().into_iter().map(|attempt| attempt.event).collect();
    assert_eq!(attempted, [events[1].id.clone()]);
}
