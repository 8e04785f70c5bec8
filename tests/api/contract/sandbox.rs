//! A row for each route that only the sandbox has.

use serde_json::json;

use super::matrix::{self, Route};
use super::row::{Request, Row, row};
use crate::helpers::TestApp;

/// Returns each route that only the sandbox has, with its row.
pub(super) fn every_row() -> Vec<(Route, Row)> {
    let rows = rows();
    let routes = matrix::sandbox_routes();
    assert!(routes.iter().map(Route::name).eq(rows.iter().map(|row| row.name)));
    routes.into_iter().zip(rows).collect()
}

fn rows() -> Vec<Row> {
    [of_payments(), of_requests_and_time(), of_events()]
        .into_iter()
        .flatten()
        .collect()
}

fn of_payments() -> Vec<Row> {
    const NO_ACCOUNT: (u16, &str) = (400, "Test account not found");
    vec![
        row(
            "POST /sandbox/test-accounts/{accountNumber}/pay",
            200,
            "Test account paid successfully",
            |app| {
                let deposit = json!({ "amount": 2500, "transactionType": "deposit" });
                let intent = app.create_intent("ada", &deposit).ok();
                let account = intent.data()["testAccount"]["accountNumber"].as_str().unwrap();
                Request::of_merchant().to(account).with(json!({}))
            },
        )
        .hidden(NO_ACCOUNT),
        row("POST /sandbox/cards", 201, "Card saved successfully", |_| {
            Request::by("ada").with(json!({ "number": "4242424242424242" }))
        }),
        row("POST /sandbox/faults", 201, "Fault set successfully", |app| {
            app.as_merchant("DELETE", "/sandbox/faults", None).ok();
            let fault = json!({ "status": 503, "route": "/v1/escrow/vault/cancel/*" });
            Request::of_merchant().with(fault)
        }),
        row("GET /sandbox/faults", 200, "Faults fetched successfully", |_| {
            Request::of_merchant()
        }),
        row("DELETE /sandbox/faults", 200, "Faults cleared successfully", |_| {
            Request::of_merchant()
        }),
    ]
}

fn of_requests_and_time() -> Vec<Row> {
    const NO_REQUEST: (u16, &str) = (
        404,
        "Request not found; the last 10000 requests of all keys together are kept",
    );
    vec![
        row("GET /sandbox/requests", 200, "Requests fetched successfully", |_| {
            Request::of_merchant()
        }),
        row(
            "GET /sandbox/requests/{requestId}",
            200,
            "Request fetched successfully",
            |app| {
                let wallet = app.wallet("ada").ok();
                Request::of_merchant().to(wallet.header("x-request-id").unwrap())
            },
        )
        .hidden(NO_REQUEST),
        row(
            "GET /sandbox/publishable-key",
            200,
            "Publishable key fetched successfully",
            |_| Request::of_merchant(),
        ),
        row("GET /sandbox/clock", 200, "Clock fetched successfully", |_| {
            Request::of_merchant()
        }),
        row(
            "POST /sandbox/clock/advance",
            200,
            "Clock advanced successfully",
            |_| Request::of_merchant().with(json!({ "by": "1h" })),
        ),
        row("POST /sandbox/reset", 200, "Sandbox reset successfully", |_| {
            Request::of_merchant()
        }),
        row("POST /sandbox/seed", 201, "Sandbox seeded successfully", seed),
        row("PUT /sandbox/balance", 200, "Balance set successfully", |_| {
            Request::of_merchant().with(json!({ "customerId": "ada", "balance": 250.5 }))
        }),
    ]
}

/// Returns a request to load a seed that differs from every seed before.
fn seed(app: &TestApp) -> Request {
    let number = app.count("escrow");
    Request::of_merchant().with(json!({
        "escrows": [{ "seller": "ada", "buyer": "ben", "amount": 1500, "purpose": format!("Bicycle {number}") }],
    }))
}

fn of_events() -> Vec<Row> {
    const NO_EVENT: (u16, &str) = (400, "Event not found");
    vec![
        row("GET /sandbox/callback", 200, "Callback fetched successfully", |_| {
            Request::of_merchant()
        }),
        row("PUT /sandbox/callback", 200, "Callback updated successfully", |_| {
            Request::of_merchant().with(json!({ "url": "http://127.0.0.1:9/hook" }))
        }),
        row("GET /sandbox/events", 200, "Events fetched successfully", |_| {
            Request::of_merchant()
        }),
        row(
            "POST /sandbox/events/replay",
            200,
            "Events queued successfully",
            |app| {
                let url = json!({ "url": "http://127.0.0.1:9/hook" });
                app.as_merchant("PUT", "/sandbox/callback", Some(&url)).ok();
                Request::of_merchant().with(json!({ "since": "2031-03-04T05:06:07.008Z" }))
            },
        ),
        row("GET /sandbox/events/{id}", 200, "Event fetched successfully", |app| {
            Request::of_merchant().to(app.event_of_new_offer())
        })
        .hidden(NO_EVENT),
        row(
            "POST /sandbox/events/{id}/resend",
            200,
            "Event queued successfully",
            |app| {
                let url = json!({ "url": "http://127.0.0.1:9/hook" });
                app.as_merchant("PUT", "/sandbox/callback", Some(&url)).ok();
                Request::of_merchant().to(app.event_of_new_offer())
            },
        )
        .hidden(NO_EVENT),
    ]
}
