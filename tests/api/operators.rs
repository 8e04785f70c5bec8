//! Operators: their keys, roles and merchants, and the record of what they do.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::cluster;
use crate::desk::{
    ADA, BEN, DAYO, EFE, STALL_KEY, paid, payout_of, reason, receipt, spawn_desk, spawn_desk_of_two, spawn_desk_with,
};
use crate::helpers::{LIVE_KEY, TestApp, new_customer, spawn_app};
use crate::live_merchants::Merchant;

const NO_ID: &str = "665f1b2c9a1e4d0012ab3c10";

/// Makes an operator with the admin's key, and returns its key and its id.
#[track_caller]
fn make(app: &TestApp, name: &str, role: &str, merchants: &[i64]) -> (String, String) {
    let limits = (!merchants.is_empty()).then_some(merchants);
    let body = json!({ "name": name, "role": role, "merchantIds": limits });
    let made = app.by(ADA, "POST", "/operators", &body).ok();
    let (key, id) = (made.text("key"), made.text("id"));
    // The first use is saved beside the request.
    app.by(&key, "GET", "/operators", &Value::Null);
    let used = format!("SELECT count(*) FROM operator WHERE name = '{name}' AND last_used_at IS NOT NULL");
    while app.column(&used) == ["0"] {
        app.by_for(&key, "shop", "GET", "/receipts", &Value::Null);
        app.by_for(&key, "stall", "GET", "/receipts", &Value::Null);
    }
    (key, id)
}

#[test]
fn each_role_does_what_its_rights_allow_and_nothing_else() {
    let app = spawn_desk();
    let id = |action: &str| format!("/payouts/{NO_ID}/{action}");
    let of_receipt = |action: &str| format!("/receipts/{NO_ID}/{action}");
    let routes = [
        ("Record", "/receipts".to_owned(), json!({})),
        ("Record", of_receipt("assign"), json!({ "customerId": "x" })),
        ("Record", of_receipt("reverse"), reason()),
        ("Record", "/deposits/expire".to_owned(), json!({})),
        ("Record", "/payouts".to_owned(), json!({})),
        ("Record", id("pay"), paid("out-1")),
        ("Record", id("return"), reason()),
        ("Record", id("reopen"), reason()),
        ("Approve", of_receipt("approve"), Value::Null),
        ("Approve", of_receipt("reject"), reason()),
        ("Approve", id("approve"), Value::Null),
        ("Approve", id("reject"), reason()),
        ("Administer", "/operators".to_owned(), json!({})),
        ("Administer", format!("/operators/{NO_ID}/revoke"), reason()),
    ];
    for (right, path, body) in routes {
        for (key, role, rights) in [
            (ADA, "admin", &["Record", "Approve", "Administer"][..]),
            (BEN, "cashier", &["Record"]),
            (DAYO, "approver", &["Approve"]),
            (EFE, "auditor", &[]),
        ] {
            if rights.contains(&right) {
                let answer = app.by(key, "POST", &path, &body);
                assert!([400, 404].contains(&answer.status), "{role} {path}: {answer:?}");
                continue;
            }
            let message = format!("An operator with the role {role} cannot do this");
            app.refuses(403, &message, |app| app.by(key, "POST", &path, &body));
        }
    }
    for path in ["/operators", "/acts", "/deposits", "/receipts", "/payouts"] {
        for key in [ADA, BEN, DAYO, EFE] {
            app.by(key, "GET", path, &Value::Null).ok();
        }
    }
}

#[test]
fn a_revoked_key_opens_nothing() {
    let app = spawn_desk();
    let (key, id) = make(&app, "Gbenga", "cashier", &[]);
    app.by(&key, "POST", "/receipts", &receipt(10, "in-1", &json!({}))).ok();
    let revoked = app.by(ADA, "POST", &format!("/operators/{id}/revoke"), &reason()).ok();
    assert!(revoked.data()["revokedAt"].is_string());
    for (method, path, body) in [
        ("GET", "/receipts", Value::Null),
        ("GET", "/acts", Value::Null),
        ("POST", "/receipts", receipt(10, "in-2", &json!({}))),
    ] {
        app.refuses(403, "Unauthorized Access", |app| app.by(&key, method, path, &body));
    }
    app.refuses(409, "This operator's key is already revoked", |app| {
        app.by(ADA, "POST", &format!("/operators/{id}/revoke"), &reason())
    });
    // The name stays that person's in the record.
    app.refuses(409, "An operator with this name exists", |app| {
        app.by(
            ADA,
            "POST",
            "/operators",
            &json!({ "name": "Gbenga", "role": "cashier" }),
        )
    });
    app.refuses(404, "Operator not found", |app| {
        app.by(ADA, "POST", &format!("/operators/{NO_ID}/revoke"), &reason())
    });
}

#[test]
fn the_last_admin_of_all_merchants_stays() {
    let app = spawn_desk();
    let ada = app.column("SELECT printf('%016x%08x', id, guard) FROM operator WHERE name = 'ada'");
    let revoke = |id: &str| format!("/operators/{id}/revoke");
    let message = "The last admin cannot be revoked";
    app.refuses(409, message, |app| app.by(ADA, "POST", &revoke(&ada[0]), &reason()));
    // One who is limited to a merchant cannot take the place.
    make(&app, "Limited", "admin", &[1]);
    app.refuses(409, message, |app| app.by(ADA, "POST", &revoke(&ada[0]), &reason()));
    let (hauwa, _) = make(&app, "Hauwa", "admin", &[]);
    app.by(&hauwa, "POST", &revoke(&ada[0]), &reason()).ok();
    app.refuses(403, "Unauthorized Access", |app| {
        app.by(ADA, "GET", "/acts", &Value::Null)
    });
}

#[test]
fn keys_of_merchants_and_of_operators_do_not_mix() {
    let app = spawn_desk();
    for path in ["/receipts", "/payouts", "/acts", "/operators"] {
        app.refuses(403, "Unauthorized Access", |app| {
            app.by(LIVE_KEY, "GET", path, &Value::Null)
        });
    }
    app.refuses(403, "Unauthorized Access", |app| {
        app.by(LIVE_KEY, "POST", "/receipts", &receipt(10, "in-1", &json!({})))
    });
    for path in ["/v1/customers", "/v1/countries", "/v1/merchant/balance"] {
        app.refuses(403, "Unauthorized Access", |app| {
            app.json_with_key(ADA, "GET", path, "", &Value::Null)
        });
    }
}

/// A sandbox has no business keys of its own; one is put into the file.
#[test]
fn a_business_key_is_no_operator_in_a_sandbox() {
    if cluster::is_wanted() {
        // It changes rows of a file.
        return;
    }
    let app = spawn_app();
    app.wallet("ada").ok();
    let connection = app.sqlite();
    let hash: [u8; 32] = Sha256::digest("sk_test_business").into();
    let sql = "INSERT INTO merchant_key (key_hash, merchant_id, scope, created_at) VALUES (?1, 1, 'BUSINESS', 0)";
    connection.execute(sql, [hash]).unwrap();
    drop(connection);
    app.top_up("ada", 1000).ok();
    for (method, path, body) in [
        ("GET", "/receipts", Value::Null),
        ("POST", "/receipts", receipt(10, "in-1", &json!({}))),
        ("POST", "/payouts", json!({})),
    ] {
        app.refuses(401, "Access denied", |app| {
            app.by("sk_test_business", method, path, &body)
        });
    }
}

#[test]
fn a_sandbox_has_no_operators_and_its_key_does_all_that_they_do() {
    let app = spawn_app();
    let key = "sk_test_rehearsal";
    let recorded = app
        .by(key, "POST", "/receipts", &receipt(900_000, "in-1", &json!({})))
        .ok();
    assert_eq!(recorded.text("status"), "suspense");
    let source = json!({ "source": "suspense", "receiptId": recorded.text("id") });
    let payout = app.by(key, "POST", "/payouts", &payout_of(&source)).ok().text("id");
    app.by(key, "POST", &format!("/payouts/{payout}/approve"), &Value::Null)
        .ok();
    app.by(key, "POST", &format!("/payouts/{payout}/pay"), &paid("out-1"))
        .ok();
    for (path, body) in [
        ("/operators".to_owned(), json!({ "name": "Ada", "role": "admin" })),
        (format!("/operators/{NO_ID}/revoke"), reason()),
    ] {
        app.refuses_code(403, "live_only", |app| app.by(key, "POST", &path, &body));
    }
    // Another key sees nothing of it.
    let receipt = format!("/receipts/{}", recorded.text("id"));
    let other = "sk_test_other";
    app.by(other, "GET", "/receipts", &Value::Null).ok();
    app.refuses_code(404, "receipt_not_found", |app| {
        app.by(other, "GET", &receipt, &Value::Null)
    });
    let acts = app.by(other, "GET", "/acts", &Value::Null).ok();
    assert_eq!(acts.data()["data"], json!([]));
}

#[test]
fn an_act_between_two_pages_of_acts_repeats_none() {
    let app = spawn_app();
    let key = "sk_test_rehearsal";
    let act = |reference: &str| {
        app.by(key, "POST", "/receipts", &receipt(10, reference, &json!({})))
            .ok();
    };
    let page = |page: u32| -> Vec<i64> {
        let path = format!("/acts?limit=2&page={page}");
        let acts = app.by(key, "GET", &path, &Value::Null).ok();
        let acts = acts.data()["data"].as_array().unwrap();
        acts.iter().map(|act| act["number"].as_i64().unwrap()).collect()
    };
    for reference in ["in-1", "in-2", "in-3", "in-4"] {
        act(reference);
    }
    assert_eq!(page(1), [4, 3]);
    act("in-5");
    assert_eq!(page(2), [2, 1]);
    assert_eq!(page(1), [5, 4]);
}

#[test]
fn a_request_names_one_of_several_merchants() {
    let app = spawn_desk_of_two();
    let body = receipt(10, "in-1", &json!({}));
    app.refuses_code(400, "merchant_id_required", |app| {
        app.by(BEN, "POST", "/receipts", &body)
    });
    for named in ["nobody", "3", "0", "01", "SHOP"] {
        app.refuses_code(404, "merchant_not_found", |app| {
            app.by_for(BEN, named, "POST", "/receipts", &body)
        });
    }
    app.by_for(BEN, "shop", "POST", "/receipts", &body).ok();
    app.by_for(BEN, "2", "POST", "/receipts", &receipt(20, "in-2", &json!({})))
        .ok();
    assert_eq!(
        app.column("SELECT merchant_id || ' ' || amount FROM receipt"),
        ["1 1000", "2 2000"]
    );
    // A customer and a deposit of the other merchant are unknown.
    let ada = app.live_customer("ada", "08012345678");
    let quoted = app.announce(&ada, "dep-1", 500);
    for (target, status, code) in [
        (json!({ "customerId": ada }), 400, "no_such_customer"),
        (json!({ "depositReference": "dep-1" }), 404, "deposit_not_found"),
        (quoted, 404, "deposit_not_found"),
    ] {
        app.refuses_code(status, code, |app| {
            app.by_for(BEN, "stall", "POST", "/receipts", &receipt(500, "in-3", &target))
        });
    }
}

/// A name may look like the id of another merchant.
#[test]
fn a_merchant_is_named_by_its_id_before_its_name() {
    let app = spawn_desk_with(|config| {
        let other = Merchant {
            name: "stall",
            key: STALL_KEY,
            ..config.merchant[0].clone()
        };
        config.merchant[0].name = "2";
        config.merchant.push(other);
    });
    app.by_for(BEN, "2", "POST", "/receipts", &receipt(10, "in-1", &json!({})))
        .ok();
    assert_eq!(app.column("SELECT merchant_id FROM receipt"), ["2"]);
}

#[test]
fn an_operator_is_limited_to_merchants() {
    let app = spawn_desk_of_two();
    let of_shop = app
        .by_for(BEN, "shop", "POST", "/receipts", &receipt(10, "in-1", &json!({})))
        .ok()
        .text("id");
    let (key, _) = make(&app, "Ike", "cashier", &[2]);
    app.refuses_code(404, "merchant_not_found", |app| {
        app.by_for(&key, "shop", "POST", "/receipts", &receipt(10, "in-2", &json!({})))
    });
    // Its only merchant need not be named, and is no way to the objects of others.
    let own = app
        .by(&key, "POST", "/receipts", &receipt(20, "in-2", &json!({})))
        .ok()
        .text("id");
    assert_eq!(app.column("SELECT merchant_id FROM receipt"), ["1", "2"]);
    for (method, path, body) in [
        ("GET", format!("/receipts/{of_shop}"), Value::Null),
        ("POST", format!("/receipts/{of_shop}/reverse"), reason()),
        (
            "POST",
            format!("/receipts/{of_shop}/assign"),
            json!({ "customerId": "ada" }),
        ),
    ] {
        app.refuses_code(404, "receipt_not_found", |app| app.by(&key, method, &path, &body));
    }
    app.by(&key, "GET", &format!("/receipts/{own}"), &Value::Null).ok();
    // Nor does the record of the others' acts concern it.
    let acts = app.by(&key, "GET", "/acts", &Value::Null).ok();
    let merchants: Vec<&Value> = acts.data()["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|act| &act["merchantId"])
        .collect();
    assert_eq!(merchants, [&json!(2)]);
    app.refuses_code(404, "merchant_not_found", |app| {
        app.by_for(&key, "shop", "GET", "/acts", &Value::Null)
    });
    // The merchant's own key is no way to it either.
    app.json_with_key(STALL_KEY, "POST", "/v1/customer/create", "", &new_customer())
        .ok();
}

/// A name in the record must be one person's to every reader.
#[test]
fn names_that_look_alike_are_refused() {
    let app = spawn_desk();
    let create =
        |app: &TestApp, name: &str| app.by(ADA, "POST", "/operators", &json!({ "name": name, "role": "cashier" }));
    create(&app, "Émile Obi").ok();
    for name in ["émile obi", "ÉMILE OBI", "Émile  Obi", "CLEO"] {
        app.refuses_code(409, "operator_name_taken", |app| create(app, name));
    }
    for name in ["cleo ", " cleo", "Cl\u{200b}eo", "cleo\u{202e}"] {
        app.refuses_code(400, "invalid_request", |app| create(app, name));
    }
}

/// The fields that the list shows can be sent to make another operator with the same limits.
#[test]
fn an_operator_of_all_merchants_is_listed_as_a_request_names_one() {
    let app = spawn_desk();
    let list = app.by(ADA, "GET", "/operators", &Value::Null).ok();
    let limits = list.data()["data"][0]["merchantIds"].clone();
    assert_eq!(limits, Value::Null);
    let body = json!({ "name": "Zola", "role": "auditor", "merchantIds": limits });
    let made = app.by(ADA, "POST", "/operators", &body).ok();
    assert_eq!(made.data()["merchantIds"], Value::Null);
}

/// An empty value must not grant what the field's absence does.
#[test]
fn an_empty_limit_is_refused() {
    let app = spawn_desk();
    let operator = |limits: Value| json!({ "name": "Zola", "role": "auditor", "merchantIds": limits });
    for (method, path, body, field) in [
        ("POST", "/operators", operator(json!([])), "merchantIds"),
        ("POST", "/operators", operator(json!("")), "merchantIds"),
        ("POST", "/keys", json!({ "scope": "" }), "scope"),
        (
            "PUT",
            "/merchant",
            json!({ "allowedAddresses": [] }),
            "allowedAddresses",
        ),
        (
            "PUT",
            "/merchant",
            json!({ "allowedAddresses": "" }),
            "allowedAddresses",
        ),
        ("PUT", "/merchant", json!({ "isBusiness": "" }), "isBusiness"),
        (
            "PUT",
            "/callback",
            json!({ "url": "https://shop.example/hook", "events": "" }),
            "events",
        ),
        (
            "PUT",
            "/callback",
            json!({ "url": "https://shop.example/hook", "events": [] }),
            "events",
        ),
    ] {
        let refused = app.refuses_code(400, "invalid_request", |app| app.by(ADA, method, path, &body));
        assert_eq!(refused.body["details"]["field"], field, "{body}");
    }
    let refused = app.by(ADA, "POST", "/operators", &operator(json!([])));
    assert!(refused.text.contains("left out for all merchants"), "{refused:?}");
}

#[test]
fn a_limited_admin_makes_and_revokes_no_wider_operator() {
    let app = spawn_desk_of_two();
    let (key, _) = make(&app, "Jide", "admin", &[2]);
    for merchants in [Value::Null, json!([1]), json!([1, 2])] {
        let body = json!({ "name": "Kemi", "role": "admin", "merchantIds": merchants });
        app.refuses_code(404, "merchant_not_found", |app| {
            app.by(&key, "POST", "/operators", &body)
        });
    }
    let body = json!({ "name": "Kemi", "role": "cashier", "merchantIds": [2] });
    let kemi = app.by(&key, "POST", "/operators", &body).ok().text("id");
    let (_, of_shop) = make(&app, "Lola", "cashier", &[1]);
    let ben = app.column("SELECT printf('%016x%08x', id, guard) FROM operator WHERE name = 'ben'");
    for id in [&of_shop, &ben[0]] {
        app.refuses_code(404, "operator_not_found", |app| {
            app.by(&key, "POST", &format!("/operators/{id}/revoke"), &reason())
        });
    }
    app.by(&key, "POST", &format!("/operators/{kemi}/revoke"), &reason())
        .ok();
    let body = json!({ "name": "Musa", "role": "cashier", "merchantIds": [99] });
    app.refuses_code(404, "merchant_not_found", |app| {
        app.by(ADA, "POST", "/operators", &body)
    });
}

/// The record says who did what, when, why, from where, and what it moved.
#[test]
fn each_act_is_recorded() {
    let app = spawn_desk();
    let customer = app.live_customer("ada", "08012345678");
    let mut note = app.announce(&customer, "dep-1", 500);
    note["note"] = json!("paid at the counter");
    app.announce(&customer, "dep-2", 600);
    app.by(
        BEN,
        "POST",
        "/deposits/expire",
        &json!({ "reference": "dep-2", "reason": "no money came" }),
    )
    .ok();
    let first = app
        .by(BEN, "POST", "/receipts", &receipt(500, "in-1", &note))
        .ok()
        .text("id");
    let large = app
        .by(BEN, "POST", "/receipts", &receipt(6000, "in-2", &json!({})))
        .ok()
        .text("id");
    app.by(DAYO, "POST", &format!("/receipts/{large}/approve"), &Value::Null)
        .ok();
    app.by(DAYO, "POST", &format!("/receipts/{first}/reverse"), &reason());
    app.by(BEN, "POST", &format!("/receipts/{first}/reverse"), &reason())
        .ok();
    let acts = app.by(EFE, "GET", "/acts?limit=50", &Value::Null).ok();
    let acts: Vec<&Value> = acts.data()["data"].as_array().unwrap().iter().rev().collect();
    let of_shop: Vec<String> = acts
        .iter()
        .filter(|act| act["merchantId"] == 1)
        .map(|act| {
            let text = |field: &str| act[field].as_str().unwrap_or("-").to_owned();
            let moved = act["transfers"]
                .as_object()
                .map_or("-".to_owned(), |range| format!("{}..{}", range["first"], range["last"]));
            assert!(act["createdAt"].is_string());
            format!(
                "{} {} {} {} {}",
                text("operator"),
                text("act"),
                text("reason"),
                text("address"),
                moved
            )
        })
        .collect();
    assert_eq!(
        of_shop,
        [
            "ben deposit_expired no money came 127.0.0.1 -",
            "ben receipt_recorded paid at the counter 127.0.0.1 1..1",
            "ben receipt_recorded - 127.0.0.1 -",
            "dayo receipt_approved - 127.0.0.1 2..2",
            "ben receipt_reversed typed wrongly 127.0.0.1 3..3",
        ]
    );
    let subjects: Vec<&Value> = acts.iter().rev().take(3).map(|act| &act["subject"]).collect();
    assert_eq!(subjects, [&json!(first), &json!(large), &json!(large)]);
    let numbers: Vec<i64> = acts
        .iter()
        .filter(|act| act["merchantId"] == 1)
        .map(|act| act["number"].as_i64().unwrap())
        .collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5]);
    let of_deployment = acts.iter().filter(|act| act["merchantId"].is_null());
    assert!(
        of_deployment
            .clone()
            .all(|act| act["act"] == "operator_created" && act["operator"].is_null())
    );
    assert_eq!(of_deployment.count(), 5);
}

#[test]
fn a_limited_operator_learns_nothing_of_other_merchants() {
    let app = spawn_desk_of_two();
    let (of_shop, _) = make(&app, "Lola", "auditor", &[1]);
    let (of_stall, _) = make(&app, "Musa", "cashier", &[2]);
    make(&app, "Nneka", "cashier", &[1]);
    make(&app, "Ola", "cashier", &[1, 2]);
    let names = |key: &str| {
        let listed = app.by(key, "GET", "/operators", &Value::Null).ok();
        let data = listed.data();
        let rows = data["data"].as_array().unwrap();
        let names: Vec<String> = rows.iter().map(|row| row["name"].to_string()).collect();
        assert_eq!(data["pagination"]["count"], rows.len(), "{listed:?}");
        names.join(" ")
    };
    assert_eq!(names(&of_shop), "\"Lola\" \"Nneka\"");
    assert_eq!(names(&of_stall), "\"Musa\"");
    assert!(names(EFE).contains("ada") && names(EFE).contains("Ola"));
    // The id of a receipt is shown to those who may act for its merchant.
    let record = |key: &str, merchant: &str| {
        let body = receipt(10, "in-1", &json!({}));
        app.by_for(key, merchant, "POST", "/receipts", &body)
    };
    let id = record(BEN, "shop").ok().text("id");
    let of_stall = record(&of_stall, "stall");
    assert_eq!(of_stall.body["code"], "bank_reference_used");
    assert!(!of_stall.text.contains(&id), "{of_stall:?}");
    assert_eq!(record(BEN, "stall").body["details"]["id"], id);
}

#[test]
fn an_operator_of_several_merchants_sees_them_together() {
    let app = spawn_desk_of_two();
    app.by(ADA, "POST", "/merchants", &json!({ "name": "bakery" })).ok();
    let (key, _) = make(&app, "Ola", "auditor", &[1, 2]);
    for (merchant, reference, major) in [("shop", "in-1", 10), ("stall", "in-2", 20), ("bakery", "in-3", 40)] {
        let body = receipt(major, reference, &json!({}));
        app.by_for(BEN, merchant, "POST", "/receipts", &body).ok();
    }
    let position = app.by(&key, "GET", "/position", &Value::Null).ok();
    assert_eq!(position.data()["bankShouldHold"], 30, "{position:?}");
    assert_eq!(position.data()["merchants"].as_array().unwrap().len(), 2);
    let path = "/position/reconcile?closing=30";
    let bearer = format!("Bearer {key}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "text/csv")];
    let compared = app.send("POST", &format!("/operator{path}"), &headers, Some(b""));
    assert_eq!(compared.ok().data()["agrees"], true);
    let acts = app.by(&key, "GET", "/acts", &Value::Null).ok();
    let rows = acts.data()["data"].as_array().unwrap();
    let merchants: Vec<&Value> = rows.iter().map(|row| &row["merchantId"]).collect();
    assert_eq!(merchants, [2, 1], "{acts:?}");
    assert_eq!(acts.data()["pagination"]["count"], 2, "{acts:?}");
    let all = app.by(EFE, "GET", "/acts", &Value::Null).ok();
    assert!(all.data()["data"].as_array().unwrap().len() > 3);
    // A request that acts for one merchant still has to name it.
    let body = receipt(10, "in-4", &json!({}));
    app.refuses_code(400, "merchant_id_required", |app| {
        app.by(BEN, "POST", "/receipts", &body)
    });
}
