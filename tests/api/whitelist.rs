//! Addresses that crypto withdrawals may go to (contract section 4.11).

use serde_json::{Value, json};

use crate::helpers::{Answer, TestApp, spawn_app};
use crate::shapes::{ID, ISO, assert_shape};

const PATH: &str = "/v1/whitelist-address";

fn address(last: usize) -> String {
    format!("0xAbCdef{last:034}")
}

fn add(app: &TestApp, customer: &str, address: &str) -> Answer {
    let body = json!({ "walletAddress": address, "network": "BSC", "label": "cold" });
    app.json("POST", PATH, customer, &body)
}

fn list(app: &TestApp, customer: &str) -> Answer {
    app.send("GET", PATH, &[("customer-id", customer)], None)
}

fn remove(app: &TestApp, customer: &str, id: &str) -> Answer {
    app.send("DELETE", &format!("{PATH}/{id}"), &[("customer-id", customer)], None)
}

#[test]
fn an_address_is_added_listed_and_removed() {
    let app = spawn_app();
    assert_eq!(list(&app, "ada").ok().data(), &json!([]));
    let added = add(&app, "ada", &address(1)).ok();
    assert_eq!(added.status, 201);
    assert_eq!(added.message(), "Wallet address whitelisted successfully");
    assert_shape(&added.data()["id"], ID);
    assert_shape(&added.data()["dateAdded"], ISO);
    let expected = json!({
        "id": added.data()["id"],
        "walletAddress": address(1),
        "network": "BSC",
        "label": "cold",
        "dateAdded": added.data()["dateAdded"],
        "lastUpdated": added.data()["dateAdded"],
    });
    assert_eq!(added.data().to_string(), expected.to_string());
    let second = add(&app, "ada", &address(2)).ok();

    let listed = list(&app, "ada").ok();
    assert_eq!(listed.message(), "Whitelisted addresses retrieved successfully");
    assert_eq!(listed.data(), &json!([second.data(), added.data()]), "newest first");
    assert_eq!(list(&app, "ben").ok().data(), &json!([]));

    app.refuses(400, "Address not found", |app| remove(app, "ben", &added.text("id")));
    let removed = remove(&app, "ada", &added.text("id")).ok();
    assert_eq!(
        (removed.message(), removed.data()),
        ("Address removed successfully", &json!({}))
    );
    assert_eq!(list(&app, "ada").ok().data(), &json!([second.data()]));
    for id in [added.text("id").as_str(), "x", "000000000000000000000000"] {
        app.refuses(400, "Address not found", |app| remove(app, "ada", id));
    }
}

#[test]
fn a_whitelist_has_ten_addresses_at_most_and_none_twice() {
    let app = spawn_app();
    for last in 0..10 {
        add(&app, "ada", &address(last)).ok();
    }
    app.refuses(400, "Whitelist limit reached", |app| add(app, "ada", &address(10)));
    let again = address(3).to_lowercase().replace("0xabc", "0xABC");
    app.refuses(400, "Wallet address is already whitelisted", |app| {
        add(app, "ada", &again)
    });
    add(&app, "ben", &address(3)).ok();
    let id = list(&app, "ada").data()[0]["id"].as_str().unwrap().to_owned();
    remove(&app, "ada", &id).ok();
    add(&app, "ada", &address(10)).ok();
}

#[test]
fn an_invalid_address_is_refused() {
    let app = spawn_app();
    list(&app, "ada").ok();
    let shape = "walletAddress must be a wallet address: 0x and 40 hex characters; got";
    let good = json!({ "walletAddress": address(1), "network": "BSC", "label": "cold" });
    for (field, value, message) in [
        ("walletAddress", Value::Null, "walletAddress is required".to_owned()),
        ("walletAddress", json!("0x12"), format!("{shape} \"0x12\"")),
        (
            "walletAddress",
            json!(5),
            "walletAddress must be a text; got 5".to_owned(),
        ),
        ("network", Value::Null, "network is required".to_owned()),
        (
            "network",
            json!("BASE"),
            "network must be \"BSC\"; got \"BASE\"".to_owned(),
        ),
        (
            "label",
            json!("x".repeat(51)),
            format!("label must be a text of 1 to 50 characters; got \"{}\"", "x".repeat(51)),
        ),
    ] {
        let mut body = good.clone();
        body[field] = value;
        app.refuses(400, &message, |app| app.json("POST", PATH, "ada", &body));
    }
    let mut unlabelled = good.clone();
    unlabelled["label"] = Value::Null;
    let added = app.json("POST", PATH, "ada", &unlabelled).ok();
    assert_eq!(added.data()["label"], Value::Null);
}
