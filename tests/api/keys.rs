//! The routes that a key may use, and the addresses from which it may use them (contract
//! section 1.2).

use escrowd::domain::address_range::AddressRange;
use serde_json::json;

use crate::helpers::{
    Answer, LIVE_KEY, TestApp, new_customer, spawn_app_with, spawn_live_app, standard_terms, two_milestones,
};
use crate::live_merchants::TestConfig;

const BUSINESS_KEY: &str = "sk_live_business";

fn with_both_keys(config: &mut TestConfig) {
    config.merchant[0].business_key = Some(BUSINESS_KEY);
}

fn send(app: &TestApp, key: &str, method: &str, path: &str, customer: Option<&str>) -> Answer {
    let bearer = format!("Bearer {key}");
    let mut headers = vec![("authorization", bearer.as_str()), ("content-type", "application/json")];
    headers.extend(customer.map(|customer| ("customer-id", customer)));
    app.send(method, path, &headers, Some(b"{"))
}

#[test]
fn a_business_key_may_use_only_escrow_routes() {
    let app = spawn_live_app(with_both_keys);
    let super_admin_routes = [
        ("POST", "/v1/payment/escrow"),
        ("POST", "/v1/payment/topup"),
        ("GET", "/v1/wallet"),
        ("POST", "/v1/escrow/confirm-payment/665f1b2c9a1e4d0012ab3c10"),
        ("POST", "/v1/customer/create"),
        ("GET", "/v1/customers"),
        ("GET", "/v1/customers?limit=51"),
        ("GET", "/v1/customer/get/ada"),
        ("PUT", "/v1/customer/update/ada"),
        ("PUT", "/v1/customer/permissions/ada"),
        ("PUT", "/v1/customer/block/ada"),
        ("PUT", "/v1/customer/unblock/ada"),
        ("GET", "/v1/countries"),
    ];
    for (method, path) in super_admin_routes {
        // The service checks the scope before the header and the body.
        for customer in [None, Some("ada"), Some("a b")] {
            app.refuses(401, "Access denied", |app| {
                send(app, BUSINESS_KEY, method, path, customer)
            });
        }
        let super_admin = send(&app, LIVE_KEY, method, path, Some("ada"));
        assert_ne!(super_admin.status, 401, "{path}: {super_admin:?}");
    }
    let business_routes = [
        ("POST", "/v1/escrow/milestone/create"),
        ("PUT", "/v1/escrow/milestone/edit/PY_ABCDEFGH0000"),
        (
            "POST",
            "/v1/escrow/milestone/confirm/665f1b2c9a1e4d0012ab3c10/665f1b2c9a1e4d0012ab3c11",
        ),
    ];
    for (method, path) in business_routes {
        app.refuses(404, "Customer not found", |app| {
            send(app, BUSINESS_KEY, method, path, Some("nobody"))
        });
        app.refuses(400, "customer-id header is required", |app| {
            send(app, BUSINESS_KEY, method, path, None)
        });
    }
    for path in ["verify", "milestone"] {
        app.refuses(400, "Escrow not found", |app| {
            send(
                app,
                BUSINESS_KEY,
                "GET",
                &format!("/v1/escrow/{path}/PY_ABCDEFGH0000"),
                None,
            )
        });
    }
}

#[test]
fn both_keys_belong_to_one_merchant() {
    let app = spawn_live_app(with_both_keys);
    let ada = app
        .json_with_key(LIVE_KEY, "POST", "/v1/customer/create", "", &new_customer())
        .ok()
        .text("customerId");
    let path = "/v1/escrow/milestone/create";
    let created = app
        .json_with_key(BUSINESS_KEY, "POST", path, &ada, &two_milestones())
        .ok();
    let verify = format!("/v1/escrow/verify/{}", created.text("paymentToken"));
    let seen = app.json_with_key(LIVE_KEY, "GET", &verify, &ada, &json!({})).ok();
    assert_eq!(seen.data()["isSeller"], true);
}

fn from(addresses: &[&str]) -> TestApp {
    let addresses: Vec<AddressRange> = addresses
        .iter()
        .map(|range| AddressRange::parse(range).unwrap())
        .collect();
    spawn_live_app(|config| {
        with_both_keys(config);
        config.merchant[0].allowed_addresses = addresses;
    })
}

#[test]
fn a_key_is_used_from_a_listed_address_only() {
    for addresses in [
        &[][..],
        &["127.0.0.1"],
        &["192.0.2.7", "127.0.0.1"],
        &["::ffff:127.0.0.1"],
    ] {
        let app = from(addresses);
        app.json_with_key(LIVE_KEY, "GET", "/v1/countries", "", &json!({})).ok();
    }
    for addresses in [&["192.0.2.7"][..], &["::1"], &["127.0.0.2", "2001:db8::7"]] {
        let app = from(addresses);
        for (key, path) in [
            (LIVE_KEY, "/v1/countries"),
            (LIVE_KEY, "/v1/wallet"),
            (LIVE_KEY, "/v1/escrow/verify/PY_ABCDEFGH0000"),
            // The service checks the address before the scope of the key.
            (BUSINESS_KEY, "/v1/countries"),
        ] {
            app.refuses(403, "Unauthorized IP address", |app| send(app, key, "GET", path, None));
        }
        app.refuses(403, "Unauthorized Access", |app| {
            send(app, "sk_live_other", "GET", "/v1/countries", None)
        });
        app.send("GET", "/healthz", &[], None).ok();
    }
}

/// The service ignores forwarding headers of clients that are no trusted proxies.
#[test]
fn an_address_in_a_header_is_ignored() {
    let app = from(&["192.0.2.7"]);
    let bearer = format!("Bearer {LIVE_KEY}");
    let headers = [
        ("authorization", bearer.as_str()),
        ("x-forwarded-for", "192.0.2.7"),
        ("forwarded", "for=192.0.2.7"),
    ];
    app.refuses(403, "Unauthorized IP address", |app| {
        app.send("GET", "/v1/countries", &headers, None)
    });
}

#[test]
fn a_sandbox_key_may_use_routes_of_both_kinds() {
    let app = spawn_app_with(|_| {});
    app.create_escrow("ada", &standard_terms()).ok();
    app.as_merchant("GET", "/v1/countries", None).ok();
}

#[test]
fn an_address_that_sends_many_unknown_keys_must_wait() {
    let app = spawn_live_app(|config| config.limits.unknown_keys_per_minute = 2);
    let with_key = |key: &str| {
        let bearer = format!("Bearer {key}");
        app.send("GET", "/v1/countries", &[("authorization", &bearer)], None)
            .status
    };
    assert_eq!(
        [
            with_key("sk_live_a"),
            with_key("sk_live_b"),
            with_key("sk_live_c"),
            with_key("sk_live_a")
        ],
        [403, 403, 429, 429]
    );
    assert_eq!(with_key(LIVE_KEY), 200, "a right key is still served");
}
