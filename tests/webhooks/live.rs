//! Live mode: webhooks are not sent to addresses inside the operator's network.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::receiver::Receiver;
use crate::service::Disk;

const KEY: &str = "sk_live_the_only_one";

/// Writes the configuration of a live service whose only merchant has this callback URL. It
/// holds a secret, so other users must not read it.
fn configure(disk: &Disk, url: &str, more: &str) {
    let hash = hex::encode(Sha256::digest(KEY));
    let text = format!(
        "mode = \"live\"\n[webhooks]\nretry_seconds = []\n[[merchant]]\nname = \"shop\"\nkey_sha256 = [\"{hash}\"]\n\
         callback_url = \"{url}\"\nsigning_secret = \"{KEY}\"\n{more}"
    );
    let path = disk.path("config.toml");
    fs::write(&path, text).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn a_host_name_with_a_loopback_address_is_not_connected_to() {
    let (disk, receiver) = (Disk::new(), Receiver::start());
    for name in ["localhost", "localhost.", "shop.localhost"] {
        let url = format!("https://{name}:{}/hook?token=secret", receiver.address.port());
        configure(&disk, &url, "");
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
    assert!(receiver.requests().is_empty());
}

#[test]
fn the_service_refuses_to_start_with_unknown_events() {
    let disk = Disk::new();
    for (events, problem) in [
        ("[\"escrow.*\", \"escrow.finished\"]", "escrow.completed"),
        ("[]", "must name at least one event"),
    ] {
        let more = format!("callback_events = {events}\n");
        configure(&disk, "https://shop.example/", &more);
        let message = disk.refuses_to_serve();
        assert!(
            message.contains(problem) && message.contains("line 9"),
            "{events}: {message}"
        );
    }
}

#[test]
fn a_live_merchant_gets_the_events_of_its_configuration() {
    let disk = Disk::new();
    // No server listens there; the attempts show what was sent.
    configure(
        &disk,
        "https://localhost:9/hook",
        "callback_events = [\"escrow.pending\"]\n",
    );
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

#[test]
fn the_service_refuses_to_start_with_a_callback_url_that_is_private_or_not_https() {
    let disk = Disk::new();
    for (url, problem) in [
        ("http://shop.example/", "begins with https://"),
        ("https://127.0.0.1/", "a loopback address"),
        ("https://[::ffff:10.0.0.1]/", "a translated address"),
        ("https://169.254.169.254/", "a metadata address"),
        ("https://0x0a000001/", "a private address"),
    ] {
        configure(&disk, url, "");
        let message = disk.refuses_to_serve();
        assert!(
            message.contains(problem) && message.contains("line 7"),
            "{url}: {message}"
        );
    }
}
