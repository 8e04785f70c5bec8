//! Secret keys in the wrong place: no reply repeats them.

use serde_json::json;

use crate::desk::{ADA, spawn_desk};
use crate::helpers::{Answer, spawn_app};

const SECRET: &str = "0123456789abcdef";

#[track_caller]
fn assert_untold(answer: &Answer) {
    assert!((400..500).contains(&answer.status), "{answer:?}");
    assert!(!answer.text.contains(SECRET), "{}", answer.text);
    assert!(answer.text.contains("a secret key"), "{}", answer.text);
}

#[test]
fn a_secret_key_in_the_place_of_another_value_is_not_repeated() {
    let app = spawn_app();
    let json = ("content-type", "application/json");
    for key in ["sk_live_", "sk_test_", "op_live_"].map(|beginning| format!("{beginning}{SECRET}")) {
        let session = json!({ "publicKey": key, "paymentToken": "PY_ABCDEFGH1234" }).to_string();
        let refused = app.send("POST", "/v1/checkout/session", &[json], Some(session.as_bytes()));
        assert_untold(&refused);
        let expected = "publicKey must be a publishable key, which begins with pk_test_ or pk_live_ and has no spaces; got a secret key";
        assert_eq!(refused.message(), expected);

        let body = json!({ "amount": key, "transactionType": key }).to_string();
        let headers = [json, ("customer-id", "ada")];
        assert_untold(&app.send("POST", "/v1/payment/create-intent", &headers, Some(body.as_bytes())));
        assert_untold(&app.send("GET", &format!("/v1/{key}"), &[], None));
        assert_untold(&app.send("GET", &format!("/sandbox/events?{key}=1"), &[], None));
        assert_untold(&app.send("GET", &format!("/sandbox/events?type={key}"), &[], None));
        let named = format!("{key} x");
        assert_untold(&app.send("GET", "/v1/wallet", &[("customer-id", &named)], None));
        let placeholder = format!("Bearer <{key}>");
        assert_untold(&app.send("GET", "/v1/wallet", &[("authorization", &placeholder)], None));
    }
}

#[test]
fn the_secret_of_a_provider_is_not_repeated() {
    let app = spawn_desk();
    let digits: u64 = 1_234_567_890_123_456;
    let set = |secret| app.by(ADA, "PUT", "/notices/paystack", &json!({ "secret": secret }));
    for secret in [json!(digits), json!([digits]), json!("short-1234")] {
        let refused = set(secret);
        assert_eq!(refused.status, 400, "{refused:?}");
        assert!(!refused.text.contains("1234"), "{}", refused.text);
    }
}

#[test]
fn a_sandbox_takes_no_live_key() {
    let app = spawn_app();
    for key in ["sk_live_a", "op_live_a"] {
        let bearer = format!("Bearer {key}");
        for path in ["/v1/wallet", "/sandbox/clock", "/operator/receipts"] {
            let headers = [("authorization", bearer.as_str()), ("customer-id", "ada")];
            let refused = app.send("GET", path, &headers, None);
            assert_eq!(refused.status, 403, "{key} {path}: {refused:?}");
            assert_eq!(refused.body["code"], "unknown_key", "{refused:?}");
        }
    }
    assert_eq!(app.count("merchant"), 0);
}
