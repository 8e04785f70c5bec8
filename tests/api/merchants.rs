//! Merchants, their keys and their settings, as operators keep them while the service runs.

use serde_json::{Value, json};

use crate::cluster;
use crate::desk::{ADA, EFE, spawn_desk};
use crate::helpers::{Answer, LIVE_KEY, TestApp, new_customer, standard_terms};
use crate::waiting::{until, until_some};

/// Creates a merchant and returns its name and its key.
fn create(app: &TestApp, name: &str, settings: &Value) -> String {
    let mut body = json!({ "name": name });
    for (field, value) in settings.as_object().unwrap() {
        body[field] = value.clone();
    }
    let made = app.by(ADA, "POST", "/merchants", &body).ok();
    made.data()["key"]["key"].as_str().unwrap().to_owned()
}

/// Sends a request that every merchant's key may send.
fn countries(app: &TestApp, key: &str) -> Answer {
    app.json_with_key(key, "GET", "/v1/countries", "", &Value::Null)
}

/// Sends a request often enough to meet every worker of the service, and returns the statuses.
fn statuses(app: &TestApp, key: &str) -> Vec<u16> {
    let mut statuses: Vec<u16> = (0..40)
        .map(|_| {
            let headers = [("authorization", &*format!("Bearer {key}")), ("connection", "close")];
            app.send("GET", "/v1/countries", &headers, None).status
        })
        .collect();
    statuses.dedup();
    statuses
}

#[test]
fn a_merchant_is_created_while_the_service_runs() {
    let app = spawn_desk();
    let key = create(&app, "bakery", &json!({ "commissionBps": 100 }));
    let customer = app.json_with_key(&key, "POST", "/v1/customer/create", "", &new_customer());
    let ada = customer.ok().text("customerId");
    let terms =
        json!({ "amount": 1000, "purpose": "Bread", "whoPays": "buyer", "maxDelivery": 1, "deliveryTimeline": "days" });
    let offer = app.json_with_key(&key, "POST", "/v1/escrow/create", &ada, &terms).ok();
    // 2 percent for the platform and 1 percent for the merchant.
    assert_eq!(offer.data()["fee"], 30);
    // The other merchant sees nothing of it.
    let token = offer.text("paymentToken");
    let path = format!("/v1/escrow/verify/{token}");
    assert_eq!(app.json_with_key(LIVE_KEY, "GET", &path, "", &Value::Null).status, 400);
    let acts = app.by(ADA, "GET", "/acts?limit=1", &Value::Null);
    assert_eq!(acts.data()["data"][0]["act"], "merchant_created");
    assert!(!app.dump().contains(&key), "the key itself is stored");
}

#[test]
fn a_change_of_the_commission_concerns_later_offers_only() {
    let app = spawn_desk();
    let offer = || {
        app.json_with_key(LIVE_KEY, "POST", "/v1/escrow/create", "", &standard_terms())
            .ok()
    };
    let before = offer();
    app.by(ADA, "PUT", "/merchant", &json!({ "commissionBps": 1000 })).ok();
    let after = offer();
    let fee_of = |token: &str| {
        let path = format!("/v1/escrow/verify/{token}");
        app.json_with_key(LIVE_KEY, "GET", &path, "", &Value::Null).data()["fee"].clone()
    };
    assert_eq!(fee_of(&before.text("paymentToken")), before.data()["fee"]);
    assert!(after.data()["fee"].as_f64() > before.data()["fee"].as_f64());
    app.by(ADA, "PUT", "/merchant", &json!({ "isBusiness": false })).ok();
    let refused = app.json_with_key(LIVE_KEY, "POST", "/v1/escrow/create", "", &standard_terms());
    assert_eq!(refused.body["code"], "merchant_may_not_sell", "{refused:?}");
}

#[test]
fn both_keys_of_a_rotation_open_routes_until_the_overlap_ends() {
    let app = spawn_desk();
    let key = create(&app, "bakery", &json!({}));
    assert_eq!(statuses(&app, &key), [200]);
    let id = app.by_for(ADA, "bakery", "GET", "/keys", &Value::Null).data()[0]["id"].clone();
    let path = format!("/keys/{}/rotate", id.as_str().unwrap());
    let rotated = app.by_for(ADA, "bakery", "POST", &path, &json!({ "overlapHours": 2 }));
    let next = rotated.ok().text("key");
    assert_eq!((statuses(&app, &key), statuses(&app, &next)), (vec![200], vec![200]));
    app.pass_seconds(2 * 3_600 - 60);
    assert_eq!(statuses(&app, &key), [200]);
    app.pass_seconds(60);
    assert_eq!((statuses(&app, &key), statuses(&app, &next)), (vec![403], vec![200]));
    // The old key can be revoked no more, since it opens nothing.
    let revoke = format!("/keys/{}/revoke", id.as_str().unwrap());
    let refused = app.by_for(ADA, "bakery", "POST", &revoke, &json!({ "reason": "left" }));
    assert_eq!(refused.body["code"], "key_ended", "{refused:?}");
}

#[test]
fn a_revoked_key_opens_nothing_at_any_worker() {
    let app = spawn_desk();
    let key = create(&app, "bakery", &json!({}));
    assert_eq!(statuses(&app, &key), [200]);
    let keys = app.by_for(ADA, "bakery", "GET", "/keys", &Value::Null);
    let id = keys.data()[0]["id"].as_str().unwrap();
    app.by_for(
        ADA,
        "bakery",
        "POST",
        &format!("/keys/{id}/revoke"),
        &json!({ "reason": "lost" }),
    )
    .ok();
    assert_eq!(statuses(&app, &key), [403]);
    assert_eq!(statuses(&app, LIVE_KEY), [200], "another merchant's key");
    // The merchant and its money stay, and another key opens them.
    let made = app.by_for(ADA, "bakery", "POST", "/keys", &json!({})).ok();
    assert_eq!(statuses(&app, &made.text("key")), [200]);
}

#[test]
fn a_key_of_another_merchant_is_not_found() {
    let app = spawn_desk();
    create(&app, "bakery", &json!({}));
    let keys = app.by_for(ADA, "shop", "GET", "/keys", &Value::Null);
    let id = keys.data()[0]["id"].as_str().unwrap().to_owned();
    for (action, body) in [("rotate", json!({})), ("revoke", json!({ "reason": "x" }))] {
        app.refuses(404, "Key not found", |app| {
            app.by_for(ADA, "bakery", "POST", &format!("/keys/{id}/{action}"), &body)
        });
    }
    assert_eq!(countries(&app, LIVE_KEY).status, 200);
}

#[test]
fn the_last_use_of_a_key_is_kept_to_the_hour() {
    let app = spawn_desk();
    let key = create(&app, "bakery", &json!({}));
    let last_used = || {
        let keys = app.by_for(ADA, "bakery", "GET", "/keys", &Value::Null);
        keys.data()[0]["lastUsedAt"].as_str().map(str::to_owned)
    };
    assert_eq!(last_used(), None);
    // It is saved beside the request.
    let used_after = |before: Option<String>| {
        until("the use is saved", || {
            countries(&app, &key).ok();
            last_used().is_some_and(|used| before.as_ref() != Some(&used))
        });
        last_used()
    };
    let first = used_after(None);
    app.pass_seconds(30 * 60);
    assert_eq!(statuses(&app, &key), [200]);
    assert_eq!(last_used(), first);
    app.pass_seconds(31 * 60);
    used_after(first);
}

/// By the last use an operator decides if a client still has the old key.
#[test]
fn the_last_use_of_a_rotated_key_is_kept_to_the_minute() {
    let app = spawn_desk();
    let key = create(&app, "bakery", &json!({}));
    let old = || {
        let keys = app.by_for(ADA, "bakery", "GET", "/keys", &Value::Null).ok();
        let ends = |key: &&Value| keys.data().as_array().unwrap().len() == 1 || !key["expiresAt"].is_null();
        keys.data().as_array().unwrap().iter().find(ends).unwrap().clone()
    };
    while old()["lastUsedAt"].is_null() {
        countries(&app, &key).ok();
    }
    let before = old()["lastUsedAt"].clone();
    let rotate = format!("/keys/{}/rotate", old()["id"].as_str().unwrap());
    app.by_for(ADA, "bakery", "POST", &rotate, &json!({ "overlapHours": 24 }))
        .ok();
    app.pass_seconds(61);
    // It is saved beside the request.
    until("the use is saved", || {
        countries(&app, &key).ok();
        old()["lastUsedAt"] != before
    });
}

#[test]
fn addresses_are_allowed_and_no_more_while_the_service_runs() {
    let app = spawn_desk();
    let allow = |ranges: Value| {
        app.by(ADA, "PUT", "/merchant", &json!({ "allowedAddresses": ranges }))
            .ok()
    };
    allow(json!(["192.0.2.0/24", "2001:db8::/32"]));
    assert_eq!(statuses(&app, LIVE_KEY), [403]);
    allow(json!(["192.0.2.0/24", "127.0.0.0/8"]));
    assert_eq!(statuses(&app, LIVE_KEY), [200]);
    allow(json!(["192.0.2.7"]));
    app.refuses(403, "Unauthorized IP address", |app| countries(app, LIVE_KEY));
    allow(Value::Null);
    assert_eq!(statuses(&app, LIVE_KEY), [200]);
}

#[test]
fn a_signing_secret_is_shown_once_and_both_sign_while_a_rotation_overlaps() {
    let app = spawn_desk();
    let set = |url: &str| app.by(ADA, "PUT", "/callback", &json!({ "url": url })).ok();
    let first = set("https://shop.example/hook").text("signingSecret");
    assert!(set("https://shop.example/other").data().get("signingSecret").is_none());
    let rotated = app.by(ADA, "POST", "/callback/rotate-secret", &json!({ "overlapHours": 1 }));
    let second = rotated.ok().text("signingSecret");
    assert_ne!(first, second);
    for key in [ADA, EFE] {
        let shown = app.by(key, "GET", "/callback", &Value::Null).ok();
        assert!(
            !shown.text.contains(&first) && !shown.text.contains(&second),
            "{shown:?}"
        );
    }
    let stored = "SELECT previous_signing_secret || ' ' || signing_secret FROM merchant WHERE name = 'shop'";
    assert_eq!(app.column(stored), [format!("{first} {second}")]);
    // Without an overlap the old secret signs no more.
    app.by(ADA, "POST", "/callback/rotate-secret", &json!({ "overlapHours": 0 }))
        .ok();
    assert_eq!(app.column("SELECT count(previous_signing_secret) FROM merchant"), ["0"]);
}

#[test]
fn events_of_live_mode_are_listed_and_sent_again() {
    let app = spawn_desk();
    let seller = app.json_with_key(LIVE_KEY, "POST", "/v1/customer/create", "", &new_customer());
    let seller = seller.ok().text("customerId");
    app.json_with_key(LIVE_KEY, "POST", "/v1/escrow/create", &seller, &standard_terms())
        .ok();
    let events = app.by(EFE, "GET", "/events?type=escrow.created", &Value::Null).ok();
    let event = &events.data()["data"][0];
    assert_eq!(
        (&event["delivery"]["reason"], &event["type"]),
        (&json!("no_endpoint"), &json!("escrow.created"))
    );
    let resend = format!("/events/{}/resend", event["id"].as_str().unwrap());
    app.refuses_code(400, "no_callback_url", |app| app.by(ADA, "POST", &resend, &json!({})));
    // Deliveries refuse localhost, a loopback address: the attempt fails and is listed.
    app.by(ADA, "PUT", "/callback", &json!({ "url": "https://localhost:9/hook" }))
        .ok();
    app.by(ADA, "POST", &resend, &json!({})).ok();
    let path = format!("/events/{}", event["id"].as_str().unwrap());
    let attempt = until_some("an attempt is listed", || {
        let shown = app.by(EFE, "GET", &path, &Value::Null).ok();
        let attempts = shown.data()["delivery"]["attempts"].as_array().unwrap();
        attempts.first().cloned()
    });
    assert!(attempt["error"].as_str().unwrap().contains("loopback"), "{attempt}");
    app.refuses(403, "An operator with the role auditor cannot do this", |app| {
        app.by(EFE, "POST", &resend, &json!({}))
    });
}

#[test]
fn an_admin_of_one_merchant_keeps_that_one_only() {
    let app = spawn_desk();
    create(&app, "bakery", &json!({}));
    let limited = json!({ "name": "Limited", "role": "admin", "merchantIds": [2] });
    let key = app.by(ADA, "POST", "/operators", &limited).ok().text("key");
    let listed = app.by(&key, "GET", "/merchants", &Value::Null).ok();
    assert_eq!(listed.data()["data"].as_array().unwrap().len(), 1);
    assert_eq!(
        app.by(ADA, "GET", "/merchants", &Value::Null).data()["data"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    app.by(&key, "PUT", "/merchant", &json!({ "commissionBps": 5 })).ok();
    for (method, path, body) in [
        ("PUT", "/merchant", json!({ "commissionBps": 5 })),
        ("POST", "/keys", json!({})),
        ("PUT", "/callback", json!({ "url": null })),
    ] {
        assert_eq!(app.by_for(&key, "shop", method, path, &body).status, 404, "{path}");
    }
    assert_eq!(
        app.by(&key, "POST", "/merchants", &json!({ "name": "third" })).body["code"],
        "operator_limited"
    );
}

/// A client that disconnects may leave a revocation in the file before the workers forget the
/// key. The same request again closes it.
#[test]
fn a_revocation_that_is_sent_again_closes_the_key_at_every_worker() {
    if cluster::is_wanted() {
        // It changes rows of a file.
        return;
    }
    let app = spawn_desk();
    let key = create(&app, "bakery", &json!({}));
    assert_eq!(statuses(&app, &key), [200]);
    app.sqlite()
        .execute(
            "UPDATE merchant_key SET revoked_at = created_at WHERE merchant_id = 2",
            [],
        )
        .unwrap();
    // A commit, after which the readers see the change.
    app.live_customer("ada", "08012345678");
    assert_eq!(statuses(&app, &key), [200], "the workers remember it");
    let keys = app.by_for(ADA, "bakery", "GET", "/keys", &Value::Null);
    let revoke = format!("/keys/{}/revoke", keys.data()[0]["id"].as_str().unwrap());
    let again = app.by_for(ADA, "bakery", "POST", &revoke, &json!({ "reason": "lost" }));
    assert_eq!(again.body["code"], "key_ended");
    assert_eq!(statuses(&app, &key), [403]);
}

#[test]
fn a_second_rotation_within_the_overlap_keeps_the_secret_that_receivers_have() {
    let app = spawn_desk();
    let first = app.by(
        ADA,
        "PUT",
        "/callback",
        &json!({ "url": "https://shop.example/?token=t" }),
    );
    let first = first.ok();
    assert!(!first.text.contains("token"), "{first:?}");
    let rotate = |hours: u32| {
        let body = json!({ "overlapHours": hours });
        app.by(ADA, "POST", "/callback/rotate-secret", &body)
            .ok()
            .text("signingSecret")
    };
    let (_lost, third) = (rotate(2), rotate(2));
    let stored = "SELECT previous_signing_secret || ' ' || signing_secret FROM merchant WHERE name = 'shop'";
    assert_eq!(app.column(stored), [format!("{} {third}", first.text("signingSecret"))]);
    app.pass_seconds(2 * 3_600);
    let shown = app.by(ADA, "GET", "/callback", &Value::Null).ok();
    assert_eq!(shown.data()["previousSecretUntil"], Value::Null, "the overlap is over");
}

#[test]
fn requests_that_name_nothing_change_nothing() {
    let app = spawn_desk();
    for (path, field) in [
        ("/merchant", "the body"),
        ("/notices/paystack", "secret"),
        ("/callback", "url"),
    ] {
        let refused = app.refuses_code(400, "invalid_request", |app| app.by(ADA, "PUT", path, &json!({})));
        assert_eq!(refused.body["details"]["field"], field, "{refused:?}");
    }
    app.by(ADA, "PUT", "/merchant", &json!({ "country": "KE", "commissionBps": 5 }))
        .ok();
    let acts = app.by(ADA, "GET", "/acts?limit=1", &Value::Null).ok();
    assert_eq!(acts.data()["data"][0]["reason"], "country, commissionBps");
}

#[test]
fn an_operator_of_several_merchants_lists_them_without_naming_one() {
    let app = spawn_desk();
    create(&app, "bakery", &json!({}));
    create(&app, "stall", &json!({}));
    let limited = json!({ "name": "Limited", "role": "admin", "merchantIds": [3, 2, 2] });
    let made = app.by(ADA, "POST", "/operators", &limited).ok();
    assert_eq!(made.data()["merchantIds"], json!([2, 3]));
    let listed = app.by(&made.text("key"), "GET", "/merchants", &Value::Null).ok();
    let names: Vec<&Value> = listed.data()["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| &row["name"])
        .collect();
    assert_eq!(names, ["bakery", "stall"]);
    app.by(&made.text("key"), "GET", "/operators", &Value::Null).ok();
}

#[test]
fn the_secret_of_a_provider_is_removed_by_null_alone() {
    let app = spawn_desk();
    let set = |secret: Value| app.by(ADA, "PUT", "/notices/paystack", &json!({ "secret": secret }));
    let secret = "sk_live_0123456789abcdef";
    let done = set(json!(secret)).ok();
    assert_eq!(done.message(), "Secret updated successfully");
    for wrong in ["", " ", &format!("{secret}\n"), &format!(" {secret}")] {
        let refused = app.refuses_code(400, "invalid_request", |_| set(json!(wrong)));
        assert_eq!(refused.body["details"]["field"], "secret", "{refused:?}");
        assert!(!refused.text.contains(secret), "{refused:?}");
    }
    let removed = set(Value::Null).ok();
    assert!(removed.message().starts_with("Secret removed"), "{removed:?}");
}
