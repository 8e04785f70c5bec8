//! Tests of Paystack's notices. The bodies have the form that Paystack documents.

use proptest::prelude::*;
use serde_json::json;

use super::*;

const SECRET: &str = "sk_test_0123456789abcdef";

/// Returns the body of a charge, as Paystack sends it.
fn charge() -> Value {
    json!({
        "event": "charge.success",
        "data": {
            "id": 4_099_260_516_u64,
            "domain": "live",
            "status": "success",
            "reference": "re4lyvq3s3",
            "amount": 40_333,
            "message": null,
            "gateway_response": "Successful",
            "paid_at": "2026-11-27T09:15:02.000Z",
            "created_at": "2026-11-27T09:15:00.000Z",
            "channel": "dedicated_nuban",
            "currency": "NGN",
            "ip_address": null,
            "metadata": { "depositReference": "DEP-7K2M9Q", "custom_fields": [
                { "display_name": "Deposit", "variable_name": "deposit_reference", "value": "DEP-OTHER1" },
                { "display_name": "Cart", "variable_name": "cart_id", "value": 398 },
            ] },
            "fees": 10_283,
            "fees_split": null,
            "authorization": {
                "authorization_code": "AUTH_0ozsafcpdf",
                "channel": "dedicated_nuban",
                "sender_name": "ADA OBI",
                "narration": "NIP: ADA OBI DEP-7K2M9Q",
            },
            "customer": { "id": 82_796_315, "email": "ada@example.com", "customer_code": "CUS_1rkzaqsv4rrhqo6" },
            "plan": {},
            "paidAt": "2026-11-27T09:15:02.000Z",
        },
    })
}

fn parse(body: &Value) -> Parsed<Option<Notice>> {
    Paystack.parse(body.to_string().as_bytes())
}

/// Returns the outcome of a charge with this value at this place of its data.
fn with(name: &str, value: Value) -> Parsed<Option<Notice>> {
    let mut body = charge();
    body["data"][name] = value;
    parse(&body)
}

#[test]
fn a_time_that_cannot_be_read_is_left_out() {
    for time in ["yesterday", "1969-12-31T23:59:59Z", "0000-01-01T00:00:00Z"] {
        let notice = with("paid_at", json!(time)).unwrap().unwrap();
        assert_eq!(notice.paid_at, None, "{time}");
    }
}

fn references(metadata: Value) -> Vec<String> {
    with("metadata", metadata).unwrap().unwrap().deposit_references
}

#[test]
fn a_charge_becomes_a_notice() {
    let notice = Notice {
        provider_reference: "paystack:4099260516".to_owned(),
        deposit_references: ["DEP-7K2M9Q", "DEP-OTHER1", "re4lyvq3s3"].map(str::to_owned).to_vec(),
        narration: Some("NIP: ADA OBI DEP-7K2M9Q".to_owned()),
        amount: Amount::from_minor(40_333).unwrap(),
        fee: Amount::from_minor(10_283),
        currency: "NGN".to_owned(),
        customer_email: Some("ada@example.com".to_owned()),
        paid_at: Timestamp::parse("2026-11-27T09:15:02Z"),
        is_test: false,
    };
    assert_eq!(parse(&charge()), Ok(Some(notice)));
    assert!(with("domain", json!("test")).unwrap().unwrap().is_test);
}

#[test]
fn a_deposit_reference_stands_in_the_metadata_or_is_the_own_one() {
    for (metadata, expected) in [
        (json!({ "depositReference": " A1 " }), &["A1", "re4lyvq3s3"][..]),
        (json!({ "deposit_reference": "A1" }), &["A1", "re4lyvq3s3"]),
        (json!({ "depositReference": "re4lyvq3s3" }), &["re4lyvq3s3"]),
        (json!({ "depositReference": 7, "custom_fields": 7 }), &["re4lyvq3s3"]),
        (
            json!({ "custom_fields": [7, {}, { "variable_name": "depositReference", "value": "A1" }] }),
            &["A1", "re4lyvq3s3"],
        ),
        (json!("{\"depositReference\":\"A1\"}"), &["A1", "re4lyvq3s3"]),
        (json!("{\"depositReference\":"), &["re4lyvq3s3"]),
        (json!("\"A1\""), &["re4lyvq3s3"]),
        (json!("gift"), &["re4lyvq3s3"]),
        (json!(""), &["re4lyvq3s3"]),
        (json!(0), &["re4lyvq3s3"]),
        (json!({ "depositReference": "a".repeat(256) }), &["re4lyvq3s3"]),
        (json!(["A1"]), &["re4lyvq3s3"]),
        (Value::Null, &["re4lyvq3s3"]),
    ] {
        assert_eq!(references(metadata.clone()), expected, "{metadata}");
    }
}

/// They stand in the note of a receipt, where an operator reads them.
#[test]
fn a_text_that_no_line_can_have_is_left_out() {
    for c in ['\n', '\0', '\u{85}', '\u{2028}', '\u{2029}', '\u{202e}', '\u{2066}'] {
        let text = format!("ADA{c}OBI");
        let narrated = with("authorization", json!({ "narration": text })).unwrap().unwrap();
        assert_eq!(narrated.narration, None, "{text:?}");
        let of_customer = with("customer", json!({ "email": text })).unwrap().unwrap();
        assert_eq!(of_customer.customer_email, None, "{text:?}");
        let metadata = json!({ "depositReference": text });
        assert_eq!(references(metadata), ["re4lyvq3s3"], "{text:?}");
    }
}

#[test]
fn hints_may_be_missing() {
    let mut body = charge();
    for name in ["metadata", "fees", "customer", "authorization", "domain"] {
        body["data"].as_object_mut().unwrap().remove(name);
    }
    let notice = parse(&body).unwrap().unwrap();
    assert_eq!(
        (notice.fee, notice.customer_email, notice.narration),
        (None, None, None)
    );
    assert_eq!(with("customer", json!("ada")).unwrap().unwrap().customer_email, None);
}

#[test]
fn wrong_and_missing_fields_are_told() {
    let kobo = "data.amount must be a whole number of kobo from 1 to 9007199254740991; got";
    for (name, value, expected) in [
        ("amount", json!(403.33), format!("{kobo} 403.33")),
        ("amount", json!(40_333.0), format!("{kobo} 40333.0")),
        ("amount", json!("40333"), format!("{kobo} \"40333\"")),
        ("amount", json!(-40_333), format!("{kobo} -40333")),
        ("amount", json!(0), format!("{kobo} 0")),
        (
            "amount",
            json!(9_007_199_254_740_992_i64),
            format!("{kobo} 9007199254740992"),
        ),
        ("amount", Value::Null, "data.amount is required".to_owned()),
        (
            "fees",
            json!(-1),
            "data.fees must be a whole number of kobo from 0; got -1".to_owned(),
        ),
        ("id", json!("7"), "data.id must be a whole number; got \"7\"".to_owned()),
        ("id", Value::Null, "data.id is required".to_owned()),
        ("reference", json!(7), "data.reference must be a text; got 7".to_owned()),
        (
            "reference",
            json!(" "),
            "data.reference must be a text; got \" \"".to_owned(),
        ),
        (
            "status",
            json!("failed"),
            "data.status must be success; got \"failed\"".to_owned(),
        ),
        (
            "paid_at",
            json!(1_795_000_000),
            "data.paid_at must be a text; got 1795000000".to_owned(),
        ),
        (
            "currency",
            json!("naira"),
            "data.currency must be a code of three capital letters, such as NGN; got \"naira\"".to_owned(),
        ),
        ("currency", Value::Null, "data.currency is required".to_owned()),
    ] {
        assert_eq!(
            with(name, value.clone()).unwrap_err().to_string(),
            expected,
            "{name}: {value}"
        );
    }
    for (body, expected) in [
        (json!({ "event": "charge.success" }), "data is required"),
        (
            json!({ "event": "charge.success", "data": [] }),
            "data must be an object; got []",
        ),
        (json!({ "event": 7 }), "event must be a text; got 7"),
        (json!({}), "event is required"),
        (json!([]), "event is required"),
    ] {
        assert_eq!(parse(&body).unwrap_err().to_string(), expected);
    }
    let refused = Paystack.parse(b"event=charge.success").unwrap_err().to_string();
    assert_eq!(
        refused,
        "body must be a JSON object with event and data; got no JSON value at line 1 column 1"
    );
}

#[test]
fn other_events_are_ignored() {
    for event in [
        "transfer.success",
        "charge.dispute.create",
        "refund.processed",
        "Charge.Success",
    ] {
        assert_eq!(
            parse(&json!({ "event": event, "data": { "amount": -1 } })),
            Ok(None),
            "{event}"
        );
    }
}

#[test]
fn only_the_signature_over_these_bytes_is_accepted() {
    let body = r#"{"event":"charge.success","data":{"id":84}}"#;
    // printf '%s' "$body" | openssl dgst -sha512 -hmac sk_test_0123456789abcdef
    let signature = SIGNATURE;
    let is_signed = |headers: &[(&str, &str)], body: &str, secret: &str| {
        let notice = RawNotice {
            headers,
            body: body.as_bytes(),
        };
        Paystack.is_signed(&notice, secret)
    };
    let upper = signature.to_uppercase();
    assert!(is_signed(&[("X-Paystack-Signature", signature)], body, SECRET));
    assert!(is_signed(&[("x-paystack-signature", &upper)], body, SECRET));

    let other_bytes = body.replace(':', ": ");
    assert!(!is_signed(&[(SIGNATURE_HEADER, signature)], &other_bytes, SECRET));
    assert!(!is_signed(&[(SIGNATURE_HEADER, signature)], body, "sk_test_other"));
    assert!(!is_signed(&[], body, SECRET));
    assert!(!is_signed(&[("x-signature", signature)], body, SECRET));
    let twice = [(SIGNATURE_HEADER, signature), (SIGNATURE_HEADER, "00")];
    assert!(!is_signed(&twice, body, SECRET));
    let changed = signature.replace('a', "b");
    for wrong in [
        "",
        "00",
        "zz",
        &signature[..126],
        &format!("{signature}00"),
        &format!("sha512={signature}"),
        &changed,
    ] {
        assert!(!is_signed(&[(SIGNATURE_HEADER, wrong)], body, SECRET), "{wrong}");
    }
    let mut of_no_secret = Hmac::<Sha512>::new_from_slice(b"").unwrap();
    of_no_secret.update(body.as_bytes());
    let of_no_secret = hex::encode(of_no_secret.finalize().into_bytes());
    assert!(
        !is_signed(&[(SIGNATURE_HEADER, &of_no_secret)], body, ""),
        "an empty secret signs nothing"
    );
}

/// The signature of the test's body, made with OpenSSL.
const SIGNATURE: &str = "a80ea496869a8f13e0fce3c4a1507f9e41c5cedac7a827ace09f27e90bb524fdd833a09f15a2325d04b122db64cb83c09cda478847d72c478ebe0b1ab0867a93";

proptest! {
    #[test]
    fn no_bytes_make_the_parser_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..100),
        signature in ".{0,130}",
        at in any::<prop::sample::Index>(),
        byte: u8,
    ) {
        let _notice = Paystack.parse(&bytes);
        let mut damaged = charge().to_string().into_bytes();
        let at = at.index(damaged.len());
        damaged[at] = byte;
        let _notice = Paystack.parse(&damaged);
        let headers = [(SIGNATURE_HEADER, signature.as_str())];
        let notice = RawNotice { headers: &headers, body: &damaged };
        prop_assert!(!Paystack.is_signed(&notice, SECRET));
    }
}
