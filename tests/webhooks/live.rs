//! Live mode: callbacks lead out of the operator's network, or nowhere.

use std::fs;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::receiver::Receiver;
use crate::service::Disk;

const KEY: &str = "sk_live_the_only_one";

/// A live service whose only merchant has this callback URL.
fn configuration(url: &str) -> String {
    let hash = hex::encode(Sha256::digest(KEY));
    format!(
        "mode = \"live\"\n[webhooks]\nretry_seconds = []\n[[merchant]]\nname = \"shop\"\nkey_sha256 = [\"{hash}\"]\n\
         callback_url = \"{url}\"\nsigning_secret = \"{KEY}\"\n"
    )
}

#[test]
fn a_name_that_leads_to_this_machine_is_not_called() {
    let (disk, receiver) = (Disk::new(), Receiver::start());
    for name in ["localhost", "localhost.", "shop.localhost"] {
        let url = format!("https://{name}:{}/hook?token=secret", receiver.address.port());
        fs::write(disk.path("config.toml"), configuration(&url)).unwrap();
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
        let offered: Value = service.send(KEY, &customer("ada"), "POST", "/v1/escrow/milestone/create", &terms);
        assert!(offered["id"].is_string());
        disk.settles();
    }
    let attempts = disk.attempts();
    assert_eq!(attempts.len(), disk.events().len());
    assert!(attempts.len() >= 3);
    for attempt in attempts {
        let error = attempt.error.unwrap();
        assert!(!attempt.url.contains("secret"), "{}", attempt.url);
        // Not every system knows every one of these names, but all know the first.
        let is_refused = error.contains("which is a loopback address");
        let is_unknown = error.contains("failed to lookup address") && !attempt.url.contains("//localhost:");
        assert!(is_refused || is_unknown, "{}: {error}", attempt.url);
    }
    assert!(receiver.calls().is_empty());
}

#[test]
fn a_callback_that_leads_inside_or_is_not_encrypted_stops_the_start() {
    let disk = Disk::new();
    for (url, problem) in [
        ("http://shop.example/", "begins with https://"),
        ("https://127.0.0.1/", "a loopback address"),
        ("https://[::ffff:10.0.0.1]/", "a translated address"),
        ("https://169.254.169.254/", "a metadata address"),
        ("https://0x0a000001/", "a private address"),
    ] {
        fs::write(disk.path("config.toml"), configuration(url)).unwrap();
        let said = disk.refuses_to_serve();
        assert!(said.contains(problem) && said.contains("line 7"), "{url}: {said}");
    }
}
