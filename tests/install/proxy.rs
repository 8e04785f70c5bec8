//! The configuration of nginx in `packaging/nginx`, in front of the real service, with TLS.

use std::fs;
use std::io::{BufRead, BufReader};
use std::ops::Deref;
use std::process::Stdio;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::nginx::{self, Nginx};
use crate::service::Service;

/// nginx in front of a service. Dropping it ends both.
struct Proxy {
    nginx: Nginx,
    service: Service,
}

impl Proxy {
    /// Starts nginx before a sandbox with these settings, or returns `None` if a program is
    /// missing.
    fn start(settings: &[(&str, &str)]) -> Option<Self> {
        if !nginx::is_installed() {
            return None;
        }
        let settings = [&[("ESCROWD_SANDBOX_EXPOSE", "true")], settings].concat();
        let service = Service::start(&settings);
        let configuration = include_str!("../../packaging/nginx/escrowd.conf");
        let nginx = Nginx::start(configuration, &[("escrowd:8080", &service.address)]);
        Some(Self { nginx, service })
    }
}

impl Deref for Proxy {
    type Target = Nginx;

    fn deref(&self) -> &Nginx {
        &self.nginx
    }
}

/// Creates an escrow with three pictures of 4 MiB, more than nginx takes by default.
fn create_with_pictures(proxy: &Proxy) -> (u16, Value) {
    let picture = proxy.folder.path().join("photo.png");
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    bytes.resize(4 << 20, 7);
    fs::write(&picture, bytes).unwrap();
    let file = format!("imageUrl=@{};type=image/png", picture.display());
    let fields = [
        "amount=1000",
        "purpose=A bicycle",
        "whoPays=seller",
        "maxDelivery=3",
        "deliveryTimeline=days",
    ];
    let mut arguments = vec!["-H", "customer-id: ada"];
    for field in fields.iter().copied().chain([file.as_str(); 3]) {
        arguments.extend(["-F", field]);
    }
    proxy.curl("/v1/escrow/create", &arguments)
}

#[test]
fn a_deal_goes_through_the_proxy() {
    let Some(proxy) = Proxy::start(&[]) else { return };
    proxy.walk_a_deal();
}

#[test]
fn large_files_go_through_the_proxy_and_back() {
    let Some(proxy) = Proxy::start(&[("ESCROWD_PUBLIC_URL", "https://escrow.example")]) else {
        return;
    };
    let (status, created) = create_with_pictures(&proxy);
    assert_eq!(status, 201, "{created}");
    let url = created["data"]["imageUrl"][0].as_str().unwrap();
    let path = url.strip_prefix("https://escrow.example").unwrap();
    let fetched = proxy.request(path, &[]).output().unwrap();
    assert_eq!(fetched.stdout.len(), 4 << 20);
}

#[test]
fn events_leave_the_proxy_as_they_happen() {
    let Some(proxy) = Proxy::start(&[]) else { return };
    let mut stream = proxy
        .request("/sandbox/events/stream", &["-N"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (sender, lines) = mpsc::channel();
    let output = BufReader::new(stream.stdout.take().unwrap());
    thread::spawn(move || {
        for line in output.lines() {
            let Ok(()) = sender.send(line.unwrap()) else { break };
        }
    });
    // The stream begins with a line of its own, so the event below comes behind it.
    let next = |what: &str| lines.recv_timeout(Duration::from_secs(20)).expect(what);
    let _opened = next("the stream opens at once");
    proxy.ok(
        "/v1/payment/topup",
        &["-H", "customer-id: ada", "--json", "{\"amount\": 1000}"],
    );
    while !next("the event comes at once").contains("payment.deposit.success") {}
    drop(stream.kill());
    drop(stream.wait());
}

/// nginx keeps a connection to the service for longer than the service does here.
#[test]
fn a_connection_that_the_service_has_closed_fails_no_request() {
    let Some(proxy) = Proxy::start(&[("ESCROWD_LIMITS_KEEP_ALIVE_SECONDS", "1")]) else {
        return;
    };
    for _ in 0..2 {
        assert_eq!(proxy.curl("/healthz", &[]).0, 200);
        thread::sleep(Duration::from_secs(3));
    }
    assert_eq!(proxy.curl("/healthz", &[]).0, 200);
}

#[test]
fn a_service_that_is_gone_is_a_502_of_the_proxy() {
    let Some(mut proxy) = Proxy::start(&[]) else { return };
    proxy.service.stop();
    assert_eq!(proxy.curl("/healthz", &[]).0, 502);
}

/// The record of acts has the client's address, which only the proxy knows.
#[test]
fn the_service_sees_the_client_behind_the_proxy() {
    let Some(proxy) = Proxy::start(&[("ESCROWD_TRUSTED_PROXIES", "[\"127.0.0.1\"]")]) else {
        return;
    };
    proxy.ok("/v1/wallet", &["-H", "customer-id: ada"]);
    let receipt = json!({ "amount": 10, "bankReference": "FT-1", "valueDate": "2026-11-02", "customerId": "ada" });
    let from_elsewhere = ["--interface", "127.0.0.2", "--json", &receipt.to_string()];
    proxy.ok("/operator/receipts", &from_elsewhere);
    let acts = proxy.ok("/operator/acts", &[]);
    assert_eq!(acts["data"][0]["address"], "127.0.0.2", "{acts}");
    // A list that the client sends is not believed.
    let receipt = json!({ "amount": 10, "bankReference": "FT-2", "valueDate": "2026-11-02", "customerId": "ada" });
    let forged = ["-H", "x-forwarded-for: 192.0.2.7", "--json", &receipt.to_string()];
    proxy.ok("/operator/receipts", &forged);
    let acts = proxy.ok("/operator/acts", &[]);
    assert_eq!(acts["data"][0]["address"], "127.0.0.1", "{acts}");
}
