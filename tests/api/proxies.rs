//! The address of a client behind a trusted proxy. The requests are written to a socket, as a
//! client would that wants to seem to be another.

use std::io::Write as _;

use escrowd::domain::address_range::AddressRange;
use serde_json::{Value, json};

use crate::desk::{BEN, receipt, spawn_desk_with};
use crate::helpers::{Answer, LIVE_KEY, TestApp, spawn_app_with, spawn_live_app};
use crate::live_merchants::TestConfig;

const CLIENT: &str = "192.0.2.7";

/// Trusts proxies on this machine, and those of a network.
fn trust_this_machine(config: &mut TestConfig) {
    config.trusted_proxies = ["127.0.0.1", "10.0.0.0/8"]
        .map(|range| AddressRange::parse(range).unwrap())
        .into();
}

/// Sends a request with this key, or without one, and these header lines as they stand.
fn send(app: &TestApp, path: &str, key: Option<&str>, lines: &[&str]) -> Answer {
    let mut stream = app.connect();
    let key = key.map_or(String::new(), |key| format!("authorization: Bearer {key}\r\n"));
    let lines = [&["host: localhost"], lines].concat().join("\r\n");
    write!(stream, "GET {path} HTTP/1.1\r\n{key}{lines}\r\n\r\n").unwrap();
    Answer::read_from(&stream)
}

/// Spawns a live service whose merchant may be used from [`CLIENT`] only.
fn spawn_for_client(change: impl FnOnce(&mut TestConfig)) -> TestApp {
    spawn_live_app(|config| {
        config.merchant[0].allowed_addresses = vec![AddressRange::parse(CLIENT).unwrap()];
        change(config);
    })
}

#[test]
fn a_key_is_used_from_the_address_that_the_proxy_tells() {
    let app = spawn_for_client(trust_this_machine);
    let status = |lines: &[&str]| send(&app, "/v1/countries", Some(LIVE_KEY), lines).status;
    for lines in [
        &["x-forwarded-for: 192.0.2.7"][..],
        &["X-Forwarded-For: 192.0.2.7:40123"],
        &["x-forwarded-for: ::ffff:192.0.2.7, 10.0.0.9"],
        &["x-forwarded-for: 198.51.100.1", "x-forwarded-for: 192.0.2.7, 10.0.0.9"],
    ] {
        assert_eq!(status(lines), 200, "{lines:?}");
    }
    for lines in [
        &[][..],
        &["x-forwarded-for: 192.0.2.8"],
        // The client wrote the first address itself.
        &["x-forwarded-for: 192.0.2.7, 198.51.100.1"],
        &["x-forwarded-for: 192.0.2.7", "x-forwarded-for: 198.51.100.1"],
        &["x-forwarded-for: 192.0.2.7, 198.51.100.1, 10.0.0.9"],
        &["x-forwarded-for: 192.0.2.7, unknown"],
        &["x-forwarded-for: 192.0.2.7,"],
        &["forwarded: for=192.0.2.7"],
        &["x-real-ip: 192.0.2.7"],
    ] {
        let answer = send(&app, "/v1/countries", Some(LIVE_KEY), lines);
        assert_eq!(
            (answer.status, answer.message()),
            (403, "Unauthorized IP address"),
            "{lines:?}"
        );
    }
}

#[test]
fn the_header_of_a_client_that_is_no_proxy_is_ignored() {
    for trusted in [&[][..], &["10.0.0.0/8", "::1"]] {
        let ranges = trusted.iter().map(|range| AddressRange::parse(range).unwrap());
        let app = spawn_for_client(|config| config.trusted_proxies = ranges.collect());
        let answer = send(
            &app,
            "/v1/countries",
            Some(LIVE_KEY),
            &["x-forwarded-for: 192.0.2.7, 10.0.0.9"],
        );
        assert_eq!(answer.status, 403, "{trusted:?}");
    }
}

#[test]
fn each_client_behind_a_proxy_guesses_for_itself() {
    let app = spawn_live_app(|config| {
        config.limits.unknown_keys_per_minute = 2;
        trust_this_machine(config);
    });
    let guess = |forwarded: &str| {
        let line = format!("x-forwarded-for: {forwarded}");
        send(&app, "/v1/countries", Some("sk_live_guess"), &[&line]).status
    };
    // A made-up address on the left makes no new client.
    let statuses: Vec<u16> = (0..3).map(|n| guess(&format!("203.0.113.{n}, 192.0.2.7"))).collect();
    assert_eq!(statuses, [403, 403, 429]);
    assert_eq!(guess("192.0.2.7, 198.51.100.1"), 403);
}

/// A customer of a provider has a /64 network of IPv6 addresses at least, and IPv4 addresses may be
/// written as IPv6 ones.
#[test]
fn a_network_of_ipv6_addresses_is_one_client() {
    let guesses = |addresses: [&str; 3]| {
        let app = spawn_live_app(|config| {
            config.limits.unknown_keys_per_minute = 2;
            trust_this_machine(config);
        });
        addresses.map(|address| {
            let line = format!("x-forwarded-for: {address}");
            send(&app, "/v1/countries", Some("sk_live_guess"), &[&line]).status
        })
    };
    let of_one = ["2001:db8:1:2::1", "2001:db8:1:2:ffff::", "2001:db8:1:2:3:4:5:6"];
    assert_eq!(guesses(of_one), [403, 403, 429]);
    assert_eq!(
        guesses(["2001:db8:1:2::1", "2001:db8:1:3::1", "2001:db8:1:4::1"]),
        [403; 3]
    );
    assert_eq!(guesses(["::ffff:192.0.2.7", "::ffff:192.0.2.8", "192.0.2.9"]), [403; 3]);
    assert_eq!(guesses(["::ffff:192.0.2.7", "192.0.2.7", "192.0.2.7"]), [403, 403, 429]);
}

#[test]
fn no_header_makes_a_client_one_of_this_machine() {
    let app = spawn_app_with(trust_this_machine);
    for lines in [
        &["x-forwarded-for: 192.0.2.7"][..],
        &["x-forwarded-for: 127.0.0.1"],
        &["x-forwarded-for: 127.0.0.1, 127.0.0.1"],
        &["x-forwarded-for: ::1"],
        &["x-forwarded-for: unknown"],
        &[],
    ] {
        assert_eq!(send(&app, "/v1/countries", None, lines).status, 401, "{lines:?}");
        let with_key = send(&app, "/v1/countries", Some("sk_test_shop"), lines);
        assert_eq!(with_key.status, 200, "{lines:?}");
    }
}

/// A proxy on this machine that nobody has listed brings the requests of clients anywhere.
#[test]
fn a_header_of_proxies_takes_the_trust_of_this_machine_away() {
    let app = spawn_app_with(|config| config.trusted_proxies = vec![AddressRange::parse("10.0.0.0/8").unwrap()]);
    assert_eq!(send(&app, "/v1/countries", None, &[]).status, 200);
    assert_eq!(send(&app, "/console/customers", None, &[]).status, 200);
    for line in [
        "x-forwarded-for: 127.0.0.1",
        "X-Forwarded-For:",
        "x-forwarded-proto: http",
        "x-forwarded-host: localhost",
        "forwarded: for=127.0.0.1",
        "via: 1.1 proxy",
        "x-real-ip: 127.0.0.1",
    ] {
        assert_eq!(send(&app, "/v1/countries", None, &[line]).status, 401, "{line}");
        assert_eq!(send(&app, "/console/customers", None, &[line]).status, 303, "{line}");
        let with_key = send(&app, "/v1/countries", Some("sk_test_shop"), &[line]);
        assert_eq!(with_key.status, 200, "{line}");
    }
}

#[test]
fn an_operators_act_is_recorded_with_the_clients_address() {
    let app = spawn_desk_with(trust_this_machine);
    let bearer = format!("Bearer {BEN}");
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
        ("x-forwarded-for", "203.0.113.9, 192.0.2.7"),
    ];
    let body = receipt(100, "bank-1", &json!({})).to_string();
    app.send("POST", "/operator/receipts", &headers, Some(body.as_bytes()))
        .ok();
    let acts = app.by(BEN, "GET", "/acts?limit=1", &Value::Null).ok();
    assert_eq!(acts.data()["data"][0]["address"], CLIENT);
}
