//! Tests the addresses in replies and events.

use serde_json::{Value, json};

use crate::helpers::{Answer, TestApp, spawn_app, spawn_app_with};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n a drawing";

fn create(app: &TestApp, headers: &[(&str, &str)]) -> Answer {
    let body = crate::helpers::form_of(&[
        ("amount", None, b"1500"),
        ("purpose", None, b"A lamp"),
        ("whoPays", None, b"buyer"),
        ("imageUrl", Some("a.png"), PNG),
    ]);
    let form = [
        ("content-type", "multipart/form-data; boundary=form"),
        ("customer-id", "ada"),
    ];
    app.send("POST", "/v1/escrow/create", &[&form, headers].concat(), Some(&body))
}

/// Returns the address before the path of the first picture.
fn base(escrow: &Value) -> String {
    let url = escrow["imageUrl"][0].as_str().unwrap();
    url.split_once("/files/").unwrap().0.to_owned()
}

fn bases_of_events(app: &TestApp) -> Vec<String> {
    let events = app.as_merchant("GET", "/sandbox/events", None).ok();
    let events = events.data()["data"].as_array().unwrap();
    events.iter().map(|event| base(&event["payload"]["data"])).collect()
}

#[test]
fn links_in_replies_name_the_host_of_the_request() {
    let app = spawn_app_with(|config| config.sandbox.expose = true);
    let key = ("authorization", "Bearer sk_test_shop");
    for (host, expected) in [
        ("localhost:9000", "http://localhost:9000"),
        ("escrowd:8080", "http://escrowd:8080"),
        ("192.168.1.5", "http://192.168.1.5"),
        ("[::1]:8080", "http://[::1]:8080"),
    ] {
        let created = create(&app, &[("host", host), key]).ok();
        assert_eq!(base(created.data()), expected);
        let path = format!("/v1/escrow/verify/{}", created.text("paymentToken"));
        let verified = app.send("GET", &path, &[("host", "localhost:1"), key], None).ok();
        assert_eq!(base(verified.data()), "http://localhost:1");
        let list = app.send(
            "GET",
            "/v1/escrow/transactions?type=sales",
            &[("host", host), key, ("customer-id", "ada")],
            None,
        );
        assert_eq!(base(&list.ok().data()["data"][0]), expected);
    }
}

#[test]
fn a_host_that_no_client_can_reach_is_never_repeated() {
    let app = spawn_app_with(|config| config.sandbox.expose = true);
    let key = ("authorization", "Bearer sk_test_shop");
    let local = format!("http://{}", app.address);
    for host in [
        "0.0.0.0:8080",
        "[::]:8080",
        "0",
        "evil.example/a",
        "user@evil.example",
        "evil\"><b>",
        "a b",
        "",
    ] {
        let created = create(&app, &[("host", host), key]).ok();
        assert_eq!(base(created.data()), local, "{host}");
    }
}

#[test]
fn events_and_repeated_replies_do_not_follow_the_host_of_a_later_request() {
    let app = spawn_app();
    let key = ("idempotency-key", "one");
    let first = create(&app, &[("host", "localhost:9000"), key]).ok();
    assert_eq!(base(first.data()), "http://localhost:9000");
    let again = create(&app, &[("host", "127.0.0.1:7000"), key]).ok();
    assert_eq!(again.text, first.text);
    let local = format!("http://{}", app.address);
    assert_eq!(bases_of_events(&app), [local.clone(), local]);
}

#[test]
fn a_configured_address_is_used_everywhere() {
    let app = spawn_app_with(|config| config.public_url = Some("https://escrow.example/api".to_owned()));
    let created = create(&app, &[("host", "localhost:9000")]).ok();
    assert_eq!(base(created.data()), "https://escrow.example/api");
    assert!(
        bases_of_events(&app)
            .iter()
            .all(|base| base == "https://escrow.example/api")
    );
}

#[test]
fn a_socket_on_every_address_is_named_by_one_that_clients_can_reach() {
    let app = spawn_app_with(|config| {
        config.sandbox.expose = true;
        config.listen = "0.0.0.0:0".parse().unwrap();
    });
    let created = create(
        &app,
        &[("host", "0.0.0.0:80"), ("authorization", "Bearer sk_test_shop")],
    )
    .ok();
    assert_eq!(base(created.data()), format!("http://127.0.0.1:{}", app.address.port()));
    assert_eq!(json!(created.status), 201);
}
