//! Fields that escrowd's own routes do not know: each is refused by its name.

use escrowd::domain::mode::{Mode, Variant};
use escrowd::http;
use serde_json::json;

use crate::cluster;
use crate::contract;
use crate::helpers::{LIVE_KEY, new_customer, spawn_app, spawn_live_app};

/// Returns method and path of every route that the contract does not have. A placeholder
/// stands for itself.
fn own_routes(mode: Mode) -> Vec<(String, &'static str)> {
    let mut routes = http::routes(Variant::lenient(mode));
    // The fields of a notice are its sender's, and those of a checkout the hosted API's.
    let is_foreign = |path: &str| path.starts_with("/notices/") || path == "/v1/checkout/session";
    routes.retain(|(method, path)| !contract::has_route(method, path) && !is_foreign(path));
    routes
}

/// Returns true if the body of a route is a CSV file.
fn takes_csv(path: &str) -> bool {
    path.ends_with("/reconcile") || path.ends_with("/results")
}

#[test]
fn every_own_route_refuses_an_unknown_query_field() {
    if cluster::is_wanted() {
        // It looks into a file.
        return;
    }
    for (mode, app) in [(Mode::Sandbox, spawn_app()), (Mode::Live, spawn_live_app(|_| {}))] {
        let operator = app.insert_operator("Ada", "admin");
        if mode == Mode::Live {
            // The service sees the operator after a commit of its own.
            app.json_with_key(LIVE_KEY, "POST", "/v1/customer/create", "", &new_customer())
                .ok();
        }
        for (method, path) in own_routes(mode) {
            for query in ["bogus=1", "bogus=", "limit=3&bogus=1", "page=1&Limit=3", "state=failed"] {
                // No list of the sandbox has a field of this name.
                let before = app.dump();
                let is_operators = path.starts_with("/operator/");
                let bearer = format!("Bearer {}", if is_operators { &operator } else { LIVE_KEY });
                let content_type = if takes_csv(path) {
                    "text/csv"
                } else {
                    "application/json"
                };
                let mut headers = vec![("customer-id", "ada"), ("content-type", content_type)];
                headers.extend((mode == Mode::Live).then_some(("authorization", bearer.as_str())));
                let answer = app.send(&method, &format!("{path}?{query}"), &headers, Some(b"{}"));
                let name = answer.message().split(' ').next().unwrap_or_default().to_owned();
                assert_eq!(answer.status, 400, "{method} {path}?{query}: {answer:?}");
                assert!(
                    query.contains(&format!("{name}=")),
                    "{path}?{query}: {}",
                    answer.message()
                );
                assert!(answer.message().contains(" must be "), "{}", answer.message());
                assert!(
                    answer.message().ends_with(&format!("got {name:?}")),
                    "{}",
                    answer.message()
                );
                assert_eq!(app.dump(), before, "{method} {path}?{query} changed the file");
            }
        }
    }
}

#[test]
fn every_own_route_refuses_an_unknown_body_field() {
    let app = spawn_app();
    for (method, path) in own_routes(Mode::Sandbox) {
        if method == "GET" || takes_csv(path) {
            continue;
        }
        let before = app.dump();
        for body in [json!({ "bogus": 1 }), json!({ "bogus": null }), json!({ "Times": 1 })] {
            let answer = app.json(&method, path, "ada", &body);
            let (name, _) = body.as_object().and_then(|fields| fields.iter().next()).unwrap();
            assert_eq!(answer.status, 400, "{method} {path}: {answer:?}");
            let expected = format!("{name} must be ");
            assert!(answer.message().starts_with(&expected), "{path}: {}", answer.message());
        }
        assert_eq!(app.dump(), before, "{method} {path} changed the file");
    }
}

/// Some clients send a form where the route takes JSON too.
#[test]
fn a_form_of_an_own_route_refuses_an_unknown_field() {
    let app = spawn_app();
    let deal = app.funded();
    let path = format!("/operator/deals/{}/resolve", deal.id);
    let parts = [("resolution", None, &b"No delivery"[..]), ("status", None, b"REFUNDED")];
    let before = app.dump();
    for name in [
        "additionalFeeRefundble",
        "additionalFeeRefundable[]",
        "sellerAmount[0]",
        "file[x]",
    ] {
        let wrong = [&parts[..], &[(name, None, &b"false"[..])]].concat();
        let answer = app.form("POST", &path, "", &wrong);
        assert_eq!(answer.status, 400, "{name}");
        let message = format!("{name} must be one of the fields ");
        assert!(answer.message().starts_with(&message), "{}", answer.message());
    }
    // A text in the place of a file has a message of its own.
    let text = [&parts[..], &[("file[0]", None, &b"photo.png"[..])]].concat();
    let answer = app.form("POST", &path, "", &text);
    assert!(
        answer.message().starts_with("file[0] must be sent as a file"),
        "{}",
        answer.message()
    );
    assert_eq!(app.dump(), before);
}

#[test]
fn the_message_names_the_known_fields() {
    let app = spawn_app();
    let page = app.inbox("?tpye=escrow");
    let known = "type, escrowId, customerId, after, ";
    assert!(
        page.message().starts_with("tpye must be one of the fields "),
        "{}",
        page.message()
    );
    assert!(page.message().contains(known), "{}", page.message());
    let reset = app.json("POST", "/sandbox/reset", "", &json!({ "customer": "ada" }));
    assert_eq!(
        reset.message(),
        "customer must be left out, since this route reads no fields here; got \"customer\""
    );
    app.json("POST", "/sandbox/reset", "", &json!({})).ok();
}

#[test]
fn an_unknown_field_leaves_the_idempotency_key_free() {
    let app = spawn_app();
    let send = |body: &str| {
        let headers = [("idempotency-key", "k"), ("content-type", "application/json")];
        app.send("POST", "/sandbox/faults", &headers, Some(body.as_bytes()))
    };
    assert_eq!(send(r#"{"status":503,"customer":"ada"}"#).status, 400);
    assert_eq!(send(r#"{"status":503,"customerId":"ada"}"#).status, 201);
}

#[test]
fn routes_of_the_contract_ignore_unknown_fields() {
    let app = spawn_app();
    app.top_up("ada", 1000).ok();
    app.history("ada", "?bogus=1").ok();
    app.json(
        "POST",
        "/v1/payment/topup",
        "ada",
        &json!({ "amount": 1000, "bogus": 1 }),
    )
    .ok();
}

#[test]
fn the_type_of_an_event_must_be_known() {
    let app = spawn_app();
    for unknown in [
        "bogus",
        "payment.esc",
        "escrow.creat",
        "escrow.created.success",
        "payment.refund",
    ] {
        let answer = app.inbox(&format!("?type={unknown}"));
        assert_eq!(answer.status, 400, "{unknown}");
        let message = answer.message();
        assert!(message.starts_with("type must be the name of an event"), "{message}");
        assert!(
            message.contains("escrow.completed, ") && message.ends_with(&format!("got {unknown}")),
            "{message}"
        );
    }
    for known in ["escrow", "payment", "payment.escrow", "payment.withdrawal.reversed"] {
        app.inbox(&format!("?type={known}")).ok();
    }
}
