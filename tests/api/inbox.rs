//! The inbox: the events of a merchant, by page, by filter and after a given event.

use serde_json::{Value, json};

use crate::cluster;
use crate::helpers::{Answer, Deal, LIVE_KEY, TestApp, new_customer, spawn_app, spawn_live_app, two_milestones};

const NO_ID: &str = "0123456789abcdef01234567";

impl TestApp {
    /// Fetches a page of the inbox.
    pub(crate) fn inbox(&self, query: &str) -> Answer {
        self.send("GET", &format!("/sandbox/events{query}"), &[], None)
    }

    /// Returns all events of the inbox, oldest first.
    #[track_caller]
    pub(crate) fn all_events(&self) -> Vec<Value> {
        let page = self.inbox("?limit=100").ok();
        assert_eq!(page.data()["pagination"]["isLastPage"], true);
        let mut events = page.data()["data"].as_array().unwrap().clone();
        events.reverse();
        events
    }

    /// Creates an offer and returns the id of its first event.
    #[track_caller]
    pub(crate) fn event_of_new_offer(&self) -> String {
        let deal = self.offered();
        let events = self.inbox(&format!("?type=escrow.created&escrowId={}", deal.id)).ok();
        events.data()["data"][0]["id"].as_str().unwrap().to_owned()
    }
}

#[test]
fn a_merchant_sees_its_own_events_only() {
    let app = spawn_app();
    let id = app.event_of_new_offer();
    let of_other = |path: &str| app.send("GET", path, &[("authorization", "Bearer sk_test_other")], None);
    assert_eq!(of_other("/sandbox/events").ok().data()["data"], json!([]));
    app.json_with_key(
        "sk_test_other",
        "POST",
        "/v1/payment/topup",
        "ada",
        &json!({ "amount": 1000 }),
    )
    .ok();
    let listed = of_other("/sandbox/events").ok();
    assert_eq!(listed.data()["pagination"]["count"], 1);
    let newest = listed.data()["data"][0]["id"].as_str().unwrap();
    let behind = of_other(&format!("/sandbox/events?after={newest}")).ok();
    assert_eq!(behind.data()["pagination"]["count"], 0);
    let foreign = of_other(&format!("/sandbox/events/{id}"));
    assert_eq!((foreign.status, foreign.message()), (400, "Event not found"));
    let own = app.send("GET", &format!("/sandbox/events/{id}"), &[], None).ok();
    assert_eq!(own.message(), "Event fetched successfully");
    assert_eq!(own.data(), &app.all_events()[0]);
    app.refuses(400, "Event not found", |app| {
        app.send("GET", &format!("/sandbox/events/{NO_ID}"), &[], None)
    });
    app.refuses(400, "Event not found", |app| {
        app.send("GET", "/sandbox/events/x", &[], None)
    });
}

#[test]
fn the_inbox_is_filtered_by_type_escrow_and_customer() {
    let app = spawn_app();
    let deal = app.funded();
    let other = Deal::of(&app.create_milestone_escrow("cleo", &two_milestones()).ok());
    app.top_up("ben", 1000).ok();
    let vault = json!({
        "purpose": "A race",
        "participants": [{ "customerId": "dan", "amount": 600 }, { "customerId": "eve", "amount": 400 }],
    });
    app.as_merchant("POST", "/v1/escrow/vault/create", Some(&vault)).ok();
    let names = |query: &str| -> Vec<String> {
        let page = app.inbox(query).ok();
        let names = page.data()["data"].as_array().unwrap().iter();
        let names: Vec<String> = names.map(|event| event["type"].as_str().unwrap().to_owned()).collect();
        assert_eq!(page.data()["pagination"]["count"], names.len(), "{query}");
        names
    };
    let of_deal = [
        "escrow.ongoing",
        "payment.escrow.success",
        "escrow.pending",
        "escrow.created",
    ];
    assert_eq!(names(&format!("?escrowId={}", deal.id)), of_deal);
    assert_eq!(
        names(&format!("?escrowId={}&type=payment", deal.id)),
        ["payment.escrow.success"]
    );
    assert_eq!(names(&format!("?escrowId={NO_ID}")), [""; 0]);
    let unguessable = format!("{}ffffffff", &deal.id[..16]);
    assert_eq!(
        names(&format!("?escrowId={unguessable}")),
        [""; 0],
        "an id matched without its guard"
    );
    assert_eq!(names("?type=escrow.created").len(), 2);
    assert_eq!(names("?type=escrow").len(), 6);
    assert_eq!(names("?type=escrow.*").len(), 6);
    assert_eq!(names("?type=payment.escrow").len(), 3);
    assert_eq!(names("?type=payment.escrow.success").len(), 3);
    assert_eq!(
        names("?customerId=ada"),
        ["escrow.ongoing", "escrow.pending", "escrow.created"]
    );
    let of_ben = [
        "payment.deposit.success",
        "escrow.ongoing",
        "payment.escrow.success",
        "escrow.pending",
        "escrow.created",
    ];
    assert_eq!(names("?customerId=ben"), of_ben);
    assert_eq!(names("?customerId=cleo"), ["escrow.pending", "escrow.created"]);
    assert_eq!(names("?customerId=eve"), ["escrow.ongoing", "payment.escrow.success"]);
    assert_eq!(names("?customerId=nobody"), [""; 0]);
    assert_eq!(
        names(&format!("?customerId=cleo&escrowId={}", other.id)),
        ["escrow.pending", "escrow.created"]
    );
    assert_eq!(
        names("?type=&escrowId=&customerId=&after=").len(),
        10,
        "an empty filter is no filter"
    );
}

#[test]
fn the_inbox_has_pages_and_lists_events_after_a_given_one() {
    let app = spawn_app();
    assert_eq!(
        app.inbox("").ok().body,
        json!({
            "status": 200,
            "message": "Events fetched successfully",
            "data": {
                "data": [],
                "pagination": { "count": 0, "pages": 0, "isLastPage": true, "nextPage": null, "previousPage": null, "nextCursor": null },
            },
        })
    );
    for amount in 1..=7 {
        app.top_up("ada", amount * 1000).ok();
    }
    let amounts = |query: &str| -> Vec<i64> {
        let page = app.inbox(query).ok();
        let events = page.data()["data"].as_array().unwrap().iter();
        events
            .map(|event| event["payload"]["data"]["amount"].as_i64().unwrap() / 1000)
            .collect()
    };
    assert_eq!(amounts("?limit=3"), [7, 6, 5]);
    assert_eq!(amounts("?limit=3&page=3"), [1]);
    assert_eq!(amounts("?limit=3&page=4"), [0; 0]);
    let pagination = app.inbox("?limit=3&page=2").ok().data()["pagination"].clone();
    let expected = json!({
        "count": 7, "pages": 3, "isLastPage": false, "nextPage": 3, "previousPage": 1,
        "nextCursor": pagination["nextCursor"],
    });
    assert_eq!(pagination, expected);
    let fifth = app.all_events()[4]["id"].as_str().unwrap().to_owned();
    assert_eq!(amounts(&format!("?after={fifth}")), [6, 7]);
    assert_eq!(amounts(&format!("?after={fifth}&limit=1&page=2")), [7]);
    let all = format!("?after={}", "0".repeat(24));
    assert_eq!(amounts(&all), [1, 2, 3, 4, 5, 6, 7], "the lowest id lists all events");
}

#[test]
fn an_invalid_filter_is_named() {
    let app = spawn_app();
    for (query, name) in [
        ("?limit=0", "limit"),
        ("?limit=101", "limit"),
        ("?page=0", "page"),
        ("?type=Escrow", "type"),
        ("?type=escrow.", "type"),
        ("?type=escrow%20created", "type"),
        ("?escrowId=x", "escrowId"),
        ("?escrowId=0123456789ABCDEF01234567", "escrowId"),
        ("?customerId=a%20b", "customerId"),
        ("?after=1", "after"),
    ] {
        let answer = app.inbox(query);
        assert_eq!(answer.status, 400, "{query}");
        assert!(
            answer.message().starts_with(&format!("{name} must be")),
            "{query}: {}",
            answer.message()
        );
    }
}

#[test]
fn live_mode_records_events_and_has_no_inbox() {
    if cluster::is_wanted() {
        // It changes rows of a file.
        return;
    }
    let app = spawn_live_app(|_| {});
    let key = format!("Bearer {LIVE_KEY}");
    let headers = [("authorization", key.as_str()), ("content-type", "application/json")];
    let customer = new_customer().to_string();
    let created = app
        .send("POST", "/v1/customer/create", &headers, Some(customer.as_bytes()))
        .ok();
    let seller = created.text("customerId");
    let body = two_milestones();
    app.json_with_key(LIVE_KEY, "POST", "/v1/escrow/milestone/create", &seller, &body)
        .ok();
    assert_eq!(app.events(), ["escrow.created", "escrow.pending"]);
    assert_eq!(
        app.column("SELECT DISTINCT unpack(data) ->> '$.environment' FROM event WHERE data IS NOT NULL"),
        ["live"]
    );
    for (method, path) in [
        ("GET", "/sandbox/events".to_owned()),
        ("GET", format!("/sandbox/events/{NO_ID}")),
        ("POST", format!("/sandbox/events/{NO_ID}/resend")),
        ("POST", "/sandbox/events/replay".to_owned()),
        ("GET", "/sandbox/callback".to_owned()),
        ("PUT", "/sandbox/callback".to_owned()),
    ] {
        let body: Option<&[u8]> = if method == "GET" { None } else { Some(b"{}") };
        assert_eq!(app.send(method, &path, &headers, body).status, 404, "{method} {path}");
    }
}
