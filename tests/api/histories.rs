//! Tests payment histories and the merchant's own account (contract sections 1.8, 3.5, 4.3.4
//! and 4.7).

use serde_json::{Value, json};

use crate::helpers::{Answer, Deal, TestApp, spawn_app, spawn_app_with, standard_terms};

fn merchant(app: &TestApp, path: &str) -> Answer {
    app.send("GET", &format!("/v1/merchant/{path}"), &[], None)
}

/// Returns one field of each row of a page.
fn page_fields(answer: &Answer, field: &str) -> Vec<Value> {
    row_fields(&answer.data()["data"], field)
}

fn row_fields(rows: &Value, field: &str) -> Vec<Value> {
    rows.as_array().unwrap().iter().map(|row| row[field].clone()).collect()
}

#[test]
fn a_buyer_and_a_seller_see_what_they_paid_and_received() {
    let app = spawn_app();
    let deal = app.funded();
    app.confirm_milestone("ben", &deal.id, &deal.milestones[0]).ok();
    let history_of_ben = app.history("ben", "").ok();
    assert_eq!(history_of_ben.message(), "Transactions retrieved successfully");
    assert_eq!(
        history_of_ben.data()["pagination"].to_string(),
        json!({ "count": 2, "pages": 1, "isLastPage": true, "nextPage": null, "previousPage": null, "nextCursor": null }).to_string()
    );
    let paid = &history_of_ben.data()["data"][0];
    assert_eq!(
        (
            &paid["transactionType"],
            &paid["creditType"],
            &paid["amount"],
            &paid["status"]
        ),
        (&json!("escrow"), &json!("debit"), &json!(10_200), &json!("success"))
    );
    assert_eq!(paid["escrowDetails"]["escrowId"], deal.id);
    assert_eq!(history_of_ben.data()["data"][1]["transactionType"], "deposit");

    let history_of_ada = app.history("ada", "").ok();
    let received = &history_of_ada.data()["data"][0];
    assert_eq!(
        (
            &received["transactionType"],
            &received["creditType"],
            &received["amount"],
            &received["fee"]
        ),
        (&json!("escrow"), &json!("credit"), &json!(4000), &json!(0))
    );
    assert_eq!(received["escrowDetails"]["paymentToken"], deal.token);
    assert_eq!(received["escrowDetails"]["amount"], 10_000);
}

#[test]
fn a_payment_for_several_escrows_lists_them_all() {
    let app = spawn_app();
    let deals = [app.offered(), app.offered()];
    let ids: Vec<&str> = deals.iter().map(|deal| deal.id.as_str()).collect();
    let paid = app.pay("ben", &json!({ "escrowDetails": { "escrowId": ids } })).ok();
    let listed = app.history("ben", "?limit=1").ok();
    assert_eq!(listed.data()["data"][0].to_string(), paid.data().to_string());
}

#[test]
fn a_history_has_pages() {
    let app = spawn_app();
    for major in 1001..=1025 {
        app.top_up("ada", major).ok();
    }
    let page = |query: &str| app.history("ada", query).ok();
    let first = page("");
    assert_eq!(
        page_fields(&first, "amount"),
        (1016..=1025).rev().map(Value::from).collect::<Vec<_>>()
    );
    assert_eq!(
        first.data()["pagination"],
        json!({
            "count": 26, "pages": 3, "isLastPage": false, "nextPage": 2, "previousPage": null,
            "nextCursor": first.data()["pagination"]["nextCursor"],
        })
    );
    let last = page("?page=3");
    assert_eq!(page_fields(&last, "amount").len(), 6);
    assert_eq!(
        last.data()["pagination"],
        json!({ "count": 26, "pages": 3, "isLastPage": true, "nextPage": null, "previousPage": 2, "nextCursor": null })
    );
    assert_eq!(page("?page=4").data()["data"], json!([]));
    assert_eq!(page("?page=4294967295&limit=100").data()["data"], json!([]));
    // The service caps a limit at 100, and an invalid limit means the default of 10.
    for (limit, rows) in [("5", 5), ("100", 26), ("101", 26), ("99999999", 26)] {
        assert_eq!(
            page_fields(&page(&format!("?limit={limit}")), "id").len(),
            rows,
            "{limit}"
        );
    }
    for limit in ["0", "-5", "x", "1.5", ""] {
        let answer = page(&format!("?limit={limit}"));
        assert_eq!(page_fields(&answer, "id").len(), 10, "{limit}");
        assert_eq!(answer.data()["pagination"]["pages"], 3, "{limit}");
    }
    for number in ["0", "-1"] {
        let message = format!("page must be a whole number of 1 or more; got {number}");
        app.refuses(400, &message, |app| app.history("ada", &format!("?page={number}")));
    }
    app.refuses(400, "page must be a whole number; got x", |app| {
        app.history("ada", "?page=x")
    });
}

#[test]
fn a_type_filters_the_pages() {
    let app = spawn_app();
    for _ in 0..3 {
        app.funded();
        app.top_up("ben", 1000).ok();
    }
    let escrows = app.history("ben", "?type=escrow&limit=2").ok();
    assert_eq!(page_fields(&escrows, "transactionType"), ["escrow", "escrow"]);
    assert_eq!(escrows.data()["pagination"]["count"], 3);
    assert_eq!(escrows.data()["pagination"]["pages"], 2);
    let rest = app.history("ben", "?type=escrow&limit=2&page=2").ok();
    assert_eq!(page_fields(&rest, "transactionType"), ["escrow"]);
    assert_eq!(
        app.history("ben", "?type=deposit").ok().data()["pagination"]["count"],
        4
    );
    for empty in ["withdrawal", "transfer", "wallet_transfer", "delivery"] {
        let answer = app.history("ben", &format!("?type={empty}")).ok();
        assert_eq!(
            answer.data()["pagination"],
            json!({ "count": 0, "pages": 0, "isLastPage": true, "nextPage": null, "previousPage": null, "nextCursor": null })
        );
    }
    let types = "\"deposit\" or \"withdrawal\" or \"transfer\" or \"wallet_transfer\" or \"escrow\" or \"delivery\"";
    for wrong in ["commission", "Escrow"] {
        app.refuses(400, &format!("type must be {types}; got {wrong}"), |app| {
            app.history("ben", &format!("?type={wrong}"))
        });
    }
}

#[test]
fn a_reference_or_a_date_gives_a_plain_list() {
    let app = spawn_app();
    let deal = app.offered();
    app.pay(
        "ben",
        &json!({ "reference": "order 1", "escrowDetails": { "escrowId": deal.id } }),
    )
    .ok();
    app.top_up("ben", 1000).ok();
    let flat = |query: &str| {
        let answer = app.history("ben", query).ok();
        assert_eq!(answer.message(), "Transactions retrieved successfully");
        assert!(answer.data().is_array(), "{query}: {answer:?}");
        row_fields(answer.data(), "transactionType")
    };
    assert_eq!(flat("?reference=order%201"), ["escrow"]);
    assert_eq!(flat("?reference=order+1&type=deposit"), [""; 0]);
    assert_eq!(flat("?reference=other"), [""; 0]);
    let all = ["deposit", "escrow", "deposit"];
    let today = app.history("ben", "").ok().data()["data"][0]["createdAt"]
        .as_str()
        .unwrap()[..10]
        .to_owned();
    assert_eq!(flat(&format!("?fromDate={today}")), all);
    assert_eq!(
        flat(&format!("?toDate={today}&limit=1&page=7")),
        all,
        "a plain list ignores limit and page"
    );
    assert_eq!(
        flat(&format!("?fromDate={today}&toDate={today}&type=escrow")),
        ["escrow"]
    );
    assert_eq!(flat("?fromDate=2000-01-01&toDate=2001-01-01"), [""; 0]);
    assert_eq!(flat("?toDate=1969-12-31"), [""; 0]);
    assert_eq!(flat("?fromDate=9999-12-31"), [""; 0]);
    for (query, got) in [
        ("fromDate=yesterday", "yesterday"),
        ("fromDate=2026-02-30", "2026-02-30"),
    ] {
        let message = format!("fromDate must be a date written YYYY-MM-DD; got {got}");
        app.refuses(400, &message, |app| app.history("ben", &format!("?{query}")));
    }
}

#[test]
fn the_history_includes_pending_and_failed_payments() {
    let app = spawn_app();
    let withdrawal = |reference: &str, account_number: &str| {
        json!({
            "amount": 1000, "reference": reference, "transactionType": "withdrawal",
            "withdrawalDetails": {
                "bankCode": "058", "accountNumber": account_number, "accountName": "Ada", "bankName": "GTB",
            },
        })
    };
    for (reference, account_number) in [("w-1", "0123456789"), ("w-2", "0000000001"), ("w-3", "0000000002")] {
        app.create_intent("ada", &withdrawal(reference, account_number)).ok();
    }
    app.create_intent("ada", &withdrawal("w-4", "0123456789")).ok();
    for reference in ["w-1", "w-2", "w-3"] {
        app.verify_payment("ada", reference).ok();
    }
    let listed = app.history("ada", "?type=withdrawal").ok();
    assert_eq!(
        page_fields(&listed, "status"),
        ["pending", "reversed", "failed", "success"]
    );
    assert_eq!(page_fields(&listed, "fee"), [10, 10, 10, 10]);
    let verified = app.verify_payment("ada", "w-1").ok();
    let by_reference = app.history("ada", "?reference=w-1").ok();
    assert_eq!(by_reference.data()[0].to_string(), verified.data().to_string());
}

#[test]
fn a_new_customers_history_is_the_opening_balance() {
    let app = spawn_app();
    assert_eq!(page_fields(&app.history("ada", "").ok(), "amount"), [1_000_000]);
    app.refuses(400, "customer-id header is required", |app| {
        app.send("GET", "/v1/payment/history", &[], None)
    });
}

#[test]
fn a_merchant_sees_its_commission() {
    let app = spawn_app_with(|config| config.fees.commission_bps = 100);
    let balance = merchant(&app, "balance").ok();
    assert_eq!(balance.data()["mainBalance"], 0);
    assert_eq!(merchant(&app, "transactions").ok().data()["pagination"]["count"], 0);

    let deal = Deal::of(&app.create_escrow("ada", &standard_terms()).ok());
    let paid = app.pay_for("ben", &deal).ok();
    app.confirm_payment("ben", &deal.id).ok();
    let after = merchant(&app, "balance").ok();
    assert_eq!(
        (after.text("id"), &after.data()["mainBalance"]),
        (balance.text("id"), &json!(12.35))
    );
    let listed = merchant(&app, "transactions?type=commission").ok();
    assert_eq!(listed.message(), "Transactions retrieved successfully");
    let commission = &listed.data()["data"][0];
    assert_eq!(commission["transactionType"], "commission");
    assert_eq!(commission["amount"], 12.35);
    assert_eq!(commission["escrowDetails"]["escrowId"], deal.id);
    let reference = format!("CMSN-{}", paid.text("reference"));
    let flat = merchant(&app, &format!("transactions?reference={reference}")).ok();
    assert_eq!(flat.data(), &json!([commission]));
    assert_eq!(
        merchant(&app, "transactions?type=escrow").ok().data()["data"],
        json!([])
    );
}

#[test]
fn the_merchants_account_forbids_the_customer_header() {
    let app = spawn_app();
    for path in ["/v1/merchant/balance", "/v1/merchant/transactions"] {
        let before = app.dump();
        let refused = app.send("GET", path, &[("customer-id", "ada")], None);
        assert_eq!(
            (refused.status, refused.message()),
            (400, "customer-id is not allowed in request header")
        );
        assert_eq!(refused.data(), &Value::Null);
        assert_eq!(app.dump(), before);
    }
    // Each key's merchant has a separate account.
    let balance = |key: &str| {
        let bearer = format!("Bearer {key}");
        app.send("GET", "/v1/merchant/balance", &[("authorization", &bearer)], None)
            .ok()
            .text("id")
    };
    assert_ne!(balance("sk_test_one"), balance("sk_test_two"));
}
