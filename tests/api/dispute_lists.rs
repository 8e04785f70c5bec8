//! Tests the lists of disputes and the list of a merchant's escrows (contract sections 4.6.3
//! to 4.6.6).

use serde_json::{Value, json};

use crate::cluster;
use crate::helpers::{Answer, Deal, TestApp, spawn_app, standard_terms};

const NO_ID: &str = "0123456789abcdef01234567";

fn offered(app: &TestApp, seller: &str) -> Deal {
    Deal::of(&app.create_escrow(seller, &standard_terms()).ok())
}

/// Creates a seller's escrow that the buyer has paid and disputed.
fn disputed(app: &TestApp, seller: &str, buyer: &str) -> Deal {
    let deal = offered(app, seller);
    app.pay_for(buyer, &deal).ok();
    let path = format!("/v1/escrow/submit-dispute/{}", deal.token);
    app.json("POST", &path, buyer, &json!({ "message": "It squeaks" })).ok();
    deal
}

fn resolve(app: &TestApp, deal: &Deal, status: &str) {
    let path = format!("/v1/escrow/dispute/resolve/{}", deal.id);
    let body = json!({ "resolution": "So be it", "status": status }).to_string();
    let headers = [("content-type", "application/json")];
    app.send("POST", &path, &headers, Some(body.as_bytes())).ok();
}

fn get(app: &TestApp, customer: &str, path: &str) -> Answer {
    let customer = [("customer-id", customer)];
    let headers = if customer[0].1.is_empty() { &[] } else { &customer[..] };
    app.send("GET", path, headers, None)
}

/// Returns the ids on a page, in order.
#[track_caller]
fn ids(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.status, 200, "{answer:?}");
    let rows = answer.data()["data"].as_array().unwrap();
    rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}

fn ids_of(deals: &[&Deal]) -> Vec<String> {
    deals.iter().map(|deal| deal.id.clone()).collect()
}

/// Changes the time at which an escrow was created.
fn set_created_at(app: &TestApp, deal: &Deal, day: &str) {
    let sql = "UPDATE escrow SET created_at = unixepoch(?1) * 1000,
                   checksum = changed_checksum(checksum, 'created_at', created_at, unixepoch(?1) * 1000)
               WHERE payment_token = ?2";
    assert_eq!(app.sqlite().execute(sql, [day, &deal.token]).unwrap(), 1);
    app.wallet(&format!("someone-{}", deal.token)).ok();
}

#[test]
fn each_side_lists_its_own_disputes() {
    let app = spawn_app();
    let by_ada = disputed(&app, "ada", "ben");
    let by_cleo = disputed(&app, "cleo", "ben");
    let undisputed = offered(&app, "ada");
    app.pay_for("ben", &undisputed).ok();
    let listed = get(&app, "ben", "/v1/escrow/dispute/get");
    assert_eq!(listed.message(), "Escrow retrieved successfully");
    assert_eq!(ids(&listed), ids_of(&[&by_cleo, &by_ada]), "newest first");
    let expected = json!({
        "count": 2, "pages": 1, "isLastPage": true, "nextPage": null, "previousPage": null, "nextCursor": null,
    });
    assert_eq!(listed.data()["pagination"], expected);
    assert_eq!(listed.data()["data"][0]["isSeller"], false);
    let list_of_ada = get(&app, "ada", "/v1/escrow/dispute/get");
    assert_eq!(ids(&list_of_ada), ids_of(&[&by_ada]));
    assert_eq!(list_of_ada.data()["data"][0]["isSeller"], true);
    assert_eq!(ids(&get(&app, "dan", "/v1/escrow/dispute/get")), [""; 0]);

    let by_token = format!("/v1/escrow/dispute/get?paymentToken={}", by_ada.token);
    assert_eq!(ids(&get(&app, "ben", &by_token)), ids_of(&[&by_ada]));
    assert_eq!(
        ids(&get(&app, "cleo", &by_token)),
        [""; 0],
        "a dispute of other parties"
    );
    // A resolved dispute stays in the list.
    resolve(&app, &by_ada, "REFUNDED");
    assert_eq!(ids(&get(&app, "ada", "/v1/escrow/dispute/get")), ids_of(&[&by_ada]));
}

#[test]
fn only_buyer_and_seller_see_a_dispute() {
    let app = spawn_app();
    let deal = disputed(&app, "ada", "ben");
    for who in ["ada", "ben"] {
        let shown = get(&app, who, &format!("/v1/escrow/dispute/get/{}", deal.id)).ok();
        assert_eq!(shown.message(), "Escrow dispute retrieved successfully");
        assert_eq!(shown.data()["dispute"][0]["message"], "It squeaks");
        assert_eq!(shown.data()["isSeller"], who == "ada");
    }
    let undisputed = offered(&app, "ada");
    for who in ["dan", "ada"] {
        app.wallet(who).ok();
        for id in [NO_ID, "x", &deal.token, &undisputed.id] {
            app.refuses(400, "Access denied", |app| {
                get(app, who, &format!("/v1/escrow/dispute/get/{id}"))
            });
        }
    }
    app.refuses(400, "Access denied", |app| {
        get(app, "dan", &format!("/v1/escrow/dispute/get/{}", deal.id))
    });
    app.json_with_key("sk_test_other", "GET", "/v1/wallet", "ben", &json!({}))
        .ok();
    app.refuses(400, "Access denied", |app| {
        let path = format!("/v1/escrow/dispute/get/{}", deal.id);
        app.json_with_key("sk_test_other", "GET", &path, "ben", &json!({}))
    });
}

#[test]
fn the_merchant_lists_every_dispute() {
    let app = spawn_app();
    let first = disputed(&app, "ada", "ben");
    offered(&app, "ada");
    let second = disputed(&app, "cleo", "dan");
    resolve(&app, &second, "COMPLETED");
    let listed = get(&app, "", "/v1/escrow/all-dispute");
    assert_eq!(listed.message(), "Dispute fetched successfully");
    assert_eq!(ids(&listed), ids_of(&[&second, &first]));
    let by_token = format!("/v1/escrow/all-dispute?paymentId={}", first.token);
    assert_eq!(ids(&get(&app, "", &by_token)), ids_of(&[&first]));
    let by_id = format!("/v1/escrow/all-dispute?paymentId={}", first.id);
    assert_eq!(
        ids(&get(&app, "", &by_id)),
        [""; 0],
        "paymentId expects a payment token"
    );
    let last = get(&app, "", "/v1/escrow/all-dispute?limit=1&page=2");
    assert_eq!(ids(&last), ids_of(&[&first]));
    let expected = json!({
        "count": 2, "pages": 2, "isLastPage": true, "nextPage": null, "previousPage": 1, "nextCursor": null,
    });
    assert_eq!(last.data()["pagination"], expected);
    let other_wallet = app.json_with_key("sk_test_other", "GET", "/v1/wallet", "ben", &json!({}));
    other_wallet.ok();
    let other = [("authorization", "Bearer sk_test_other")];
    for path in ["/v1/escrow/all-dispute", "/v1/escrow/feeds"] {
        assert_eq!(ids(&app.send("GET", path, &other, None)), [""; 0]);
    }
}

#[test]
fn the_merchants_list_has_every_escrow_and_every_filter() {
    if cluster::is_wanted() {
        // It changes rows of a file.
        return;
    }
    let app = spawn_app();
    let pending = offered(&app, "ada");
    let stages = app.funded();
    let completed = offered(&app, "cleo");
    app.pay_for("ada", &completed).ok();
    app.confirm_payment("ada", &completed.id).ok();
    let open_dispute = disputed(&app, "ada", "dan");
    let refunded = disputed(&app, "cleo", "dan");
    resolve(&app, &refunded, "REFUNDED");
    let listed_ids = |query: &str| ids(&get(&app, "", &format!("/v1/escrow/feeds{query}")));
    let all = [&refunded, &open_dispute, &completed, &stages, &pending];
    let listed = get(&app, "", "/v1/escrow/feeds");
    assert_eq!(listed.message(), "Escrow transactions fetched successfully");
    assert_eq!(ids(&listed), ids_of(&all));
    for (status, deals) in [
        ("PENDING", vec![&pending]),
        ("ONGOING", vec![&stages]),
        ("DISPUTED", vec![&open_dispute]),
        ("INVESTIGATING", vec![]),
        ("COMPLETED", vec![&completed]),
        ("CLAIMED", vec![]),
        ("REFUNDED", vec![&refunded]),
        ("SPLIT", vec![]),
    ] {
        assert_eq!(listed_ids(&format!("?status={status}")), ids_of(&deals), "{status}");
    }
    assert_eq!(
        listed_ids("?customerId=ada"),
        ids_of(&[&open_dispute, &completed, &stages, &pending])
    );
    assert_eq!(listed_ids("?customerId=dan"), ids_of(&[&refunded, &open_dispute]));
    assert_eq!(listed_ids("?customerId=nobody"), [""; 0]);
    assert_eq!(listed_ids("?customerId=dan&status=REFUNDED"), ids_of(&[&refunded]));
    assert_eq!(
        listed_ids(&format!("?paymentToken={}", stages.token)),
        ids_of(&[&stages])
    );
    assert_eq!(
        listed_ids(&format!("?paymentToken={}&status=PENDING", stages.token)),
        [""; 0]
    );
    assert_eq!(listed_ids("?limit=2&page=2"), ids_of(&[&completed, &stages]));
    assert_eq!(listed_ids("?page=99"), [""; 0]);

    let category = "INSERT INTO category (id, guard, merchant_id, name, position, created_at)
        VALUES (1024, 7, 1, 'Boats', 1, 1)";
    let connection = app.sqlite();
    connection.execute_batch(category).unwrap();
    let sort = "UPDATE escrow SET category_id = 1024, checksum = changed_checksum(checksum, 'category_id', NULL, 1024)
                WHERE payment_token = ?1";
    connection.execute(sort, [&pending.token]).unwrap();
    app.wallet("efe").ok();
    assert_eq!(
        listed_ids(&format!("?categoryId={:016x}{:08x}", 1024, 7)),
        ids_of(&[&pending])
    );
    assert_eq!(
        listed_ids(&format!("?categoryId={:016x}{:08x}", 1024, 8)),
        [""; 0],
        "the second half of the id is wrong"
    );
}

#[test]
fn the_merchants_list_includes_vaults() {
    if cluster::is_wanted() {
        // It changes rows of a file.
        return;
    }
    let app = spawn_app();
    app.wallet("ada").ok();
    let connection = app.sqlite();
    connection
        .execute_batch(
            "INSERT INTO escrow (id, guard, merchant_id, payment_token, settlement_type, amount, purpose, who_pays,
                 max_delivery, delivery_timeline, total_quantity, is_link, fee, commission, buyer_fee, state, paid_at,
                 created_at, updated_at, checksum)
             VALUES (1024, 1, 1, 'PY_VAULT', 'VAULT', 100000, 'A bet', 'seller', 30, 'days', 1, 0, 2000, 0, 0, 'OPENED',
                 1, 1, 1, 0);
             INSERT INTO vault_stake VALUES (1024, 0, 1, 'ada', 100000, 0);",
        )
        .unwrap();
    app.wallet("ben").ok();
    for query in ["", "?customerId=ada", "?status=ONGOING", "?paymentToken=PY_VAULT"] {
        let listed = get(&app, "", &format!("/v1/escrow/feeds{query}")).ok();
        assert_eq!(listed.data()["data"][0]["settlementType"], "VAULT", "{query}");
    }
    assert_eq!(ids(&get(&app, "", "/v1/escrow/feeds?customerId=ben")), [""; 0]);
    connection
        .execute_batch("DELETE FROM vault_stake; DELETE FROM escrow")
        .unwrap();
}

#[test]
fn date_filters_include_their_days_and_use_the_escrows_creation_time() {
    if cluster::is_wanted() {
        // It changes rows of a file.
        return;
    }
    let app = spawn_app();
    let early = disputed(&app, "ada", "ben");
    let today = app
        .column("SELECT date(created_at / 1000, 'unixepoch') FROM escrow")
        .remove(0);
    let late = disputed(&app, "ada", "ben");
    set_created_at(&app, &late, "2999-06-30 23:59:59");
    for (path, customer) in [
        ("/v1/escrow/dispute/get", "ben"),
        ("/v1/escrow/all-dispute", ""),
        ("/v1/escrow/feeds", ""),
    ] {
        let listed = |query: &str| ids(&get(&app, customer, &format!("{path}?{query}")));
        assert_eq!(listed(&format!("fromDate={today}")), ids_of(&[&late, &early]));
        assert_eq!(listed(&format!("fromDate={today}&toDate={today}")), ids_of(&[&early]));
        assert_eq!(listed(&format!("toDate={today}")), ids_of(&[&early]));
        assert_eq!(
            listed("toDate=2999-06-30"),
            ids_of(&[&late, &early]),
            "includes the last second of the day"
        );
        assert_eq!(listed("toDate=2999-06-29"), ids_of(&[&early]));
        assert_eq!(listed("fromDate=2999-07-01"), [""; 0]);
        assert_eq!(
            listed("fromDate=0000-01-01&toDate=9999-12-31"),
            ids_of(&[&late, &early])
        );
        assert_eq!(listed("fromDate=2026-01-02&toDate=2026-01-01"), [""; 0]);
    }
    // Midnight belongs to the day that starts.
    set_created_at(&app, &early, "2999-07-01 00:00:00");
    assert_eq!(
        ids(&get(&app, "", "/v1/escrow/feeds?toDate=2999-06-30")),
        ids_of(&[&late])
    );
}

#[test]
fn a_refusal_names_the_invalid_query_field() {
    let app = spawn_app();
    app.wallet("ben").ok();
    let paths = [
        ("/v1/escrow/dispute/get", "ben"),
        ("/v1/escrow/all-dispute", ""),
        ("/v1/escrow/feeds", ""),
    ];
    for (path, customer) in paths {
        for field in ["fromDate", "toDate"] {
            for date in ["2026-02-29", "tomorrow", "01-01-2026", "2026-06-22T10:15"] {
                let message = format!("{field} must be a date written YYYY-MM-DD; got {date}");
                app.refuses(400, &message, |app| {
                    get(app, customer, &format!("{path}?{field}={date}"))
                });
            }
        }
        let message = "page must be a whole number of 1 or more; got 0";
        app.refuses(400, message, |app| get(app, customer, &format!("{path}?page=0")));
    }
    for (path, customer) in &paths[1..] {
        let message = "limit must be a whole number from 1 to 100; got 101";
        app.refuses(400, message, |app| get(app, customer, &format!("{path}?limit=101")));
    }
    // This list has a fixed page size and ignores the limit.
    assert_eq!(get(&app, "ben", "/v1/escrow/dispute/get?limit=101").status, 200);
    for (query, message) in [
        (
            "status=OPEN",
            "status must be \"PENDING\" or \"ONGOING\" or \"DISPUTED\" or \"INVESTIGATING\" or \"COMPLETED\" or \
             \"CLAIMED\" or \"REFUNDED\" or \"SPLIT\"; got OPEN",
        ),
        (
            "categoryId=x",
            "categoryId must be the id of a category of the seller or of the merchant; got x",
        ),
    ] {
        app.refuses(400, message, |app| get(app, "", &format!("/v1/escrow/feeds?{query}")));
    }
    let wrong = app.send("GET", "/v1/escrow/feeds?customerId=not%20an%20id", &[], None);
    assert_eq!(
        (wrong.status, &wrong.body["details"]["field"]),
        (400, &json!("customerId"))
    );
}

#[test]
fn a_customers_list_requires_the_header_and_the_merchants_forbids_it() {
    let app = spawn_app();
    let deal = disputed(&app, "ada", "ben");
    for path in ["/v1/escrow/dispute/get", &format!("/v1/escrow/dispute/get/{}", deal.id)] {
        app.refuses(400, "customer-id header is required", |app| get(app, "", path));
    }
    for path in ["/v1/escrow/all-dispute", "/v1/escrow/feeds"] {
        app.refuses(400, "customer-id is not allowed in request header", |app| {
            get(app, "ada", path)
        });
    }
}

#[test]
fn a_key_that_was_never_used_has_nothing_to_list() {
    let app = spawn_app();
    let before = app.dump();
    for path in ["/v1/escrow/all-dispute", "/v1/escrow/feeds"] {
        let listed = get(&app, "", path);
        assert_eq!(ids(&listed), [""; 0]);
        assert_eq!(listed.data()["pagination"]["count"], json!(0));
        assert_eq!(listed.data()["pagination"]["nextPage"], Value::Null);
    }
    assert_eq!(app.dump(), before);
}
