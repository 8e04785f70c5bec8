//! The signatures of a webhook: the contract's (contract section 7.6) and that of Standard
//! Webhooks. Both use the merchant's one signing secret.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256, Sha512};

use crate::domain::events::webhook_endpoint::{SigningSecret, SigningSecrets};
use crate::domain::ids::EventId;

/// Returns the value of `x-payluk-signature`: the HMAC-SHA512 of the body in lower-case
/// hex.
pub(super) fn contract_signature(secret: &SigningSecret, body: &str) -> String {
    let mut mac = Hmac::<Sha512>::new_from_slice(secret.as_str().as_bytes()).expect("HMAC takes a key of any length");
    mac.update(body.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

/// Returns the secret for a Standard Webhooks library. Such a secret is 24 to 64 bytes in
/// base64. A signing secret is not, so the library's secret is its SHA-256.
pub fn standard_secret(secret: &SigningSecret) -> String {
    format!("whsec_{}", STANDARD.encode(standard_key(secret)))
}

/// Returns the value of `webhook-signature` for an event signed at this time: a signature by
/// each secret, separated by spaces.
pub(super) fn standard_signature(secrets: &SigningSecrets, event: EventId, unix_seconds: i64, body: &str) -> String {
    let id = event.to_string();
    let signatures: Vec<String> = secrets
        .all()
        .map(|secret| sign_standard(&standard_key(secret), &id, unix_seconds, body))
        .collect();
    signatures.join(" ")
}

fn standard_key(secret: &SigningSecret) -> [u8; 32] {
    Sha256::digest(secret.as_str()).into()
}

fn sign_standard(key: &[u8], id: &str, unix_seconds: i64, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    for part in [id, ".", &unix_seconds.to_string(), ".", body] {
        mac.update(part.as_bytes());
    }
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderMap, HeaderName};

    use super::*;
    use crate::clock::SystemClock;
    use crate::domain::time::Clock;

    #[test]
    fn a_body_is_signed_as_the_contract_shows() {
        let body = r#"{"event":"escrow.created","data":{"id":"665f1b2c9a1e4d0012ab3c10"},"timestamp":"2026-10-10T08:00:00.000Z"}"#;
        assert_eq!(body.len(), 106);
        assert_eq!(
            contract_signature(&SigningSecret::new("sk_test_contract_vector"), body),
            "53248d810f6f1598efc4a451c62e1e0fff36e9caf49e2d07438124e109a1502e\
             0d0a75d1fb8d3fc2ce831fbd97097bd6ed2c382878ad84cc085cef2099cea10e"
        );
    }

    #[test]
    fn a_body_is_signed_as_standard_webhooks_shows() {
        let key = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        assert_eq!(
            sign_standard(
                &key,
                "msg_p5jXN8AQM9LWM0D4loKWxJek",
                1_614_265_330,
                r#"{"test": 2432232314}"#
            ),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
    }

    #[test]
    fn the_two_sides_of_standard_webhooks_agree() {
        let secret = SigningSecret::new("sk_test_default");
        // printf sk_test_default | sha256sum | xxd -r -p | base64
        assert_eq!(
            standard_secret(&secret),
            "whsec_SHEVtkn43W+FPJzcQHXW7QBQacIOpQ9VJHcRTb9RSAA="
        );
        let (event, body) = (EventId::new(1, 2), "{\"event\":\"escrow.created\"}");
        let secrets = SigningSecrets {
            current: secret.clone(),
            previous: None,
        };
        let ours = standard_signature(&secrets, event, 1_782_123_300, body);
        let theirs = standardwebhooks::Webhook::new(&standard_secret(&secret)).unwrap();
        let theirs = theirs.sign(&event.to_string(), 1_782_123_300, body.as_bytes()).unwrap();
        assert_eq!(ours, theirs);
    }

    #[test]
    fn while_a_rotation_overlaps_receivers_verify_with_either_secret() {
        let secrets = SigningSecrets {
            current: SigningSecret::new("the next secret"),
            previous: Some(SigningSecret::new("the old secret")),
        };
        let (event, body) = (EventId::new(1, 2), "{\"event\":\"escrow.created\"}");
        let now = SystemClock.now().unix_seconds();
        let headers = [
            ("webhook-id", event.to_string()),
            ("webhook-timestamp", now.to_string()),
            ("webhook-signature", standard_signature(&secrets, event, now, body)),
        ];
        let headers: HeaderMap = headers
            .into_iter()
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()))
            .collect();
        let verifies = |secret: &SigningSecret| {
            let library = standardwebhooks::Webhook::new(&standard_secret(secret)).unwrap();
            library.verify(body.as_bytes(), &headers).is_ok()
        };
        assert!(secrets.all().all(verifies));
        assert!(!verifies(&SigningSecret::new("another secret")));
        assert_eq!(secrets.single().as_str(), "the old secret");
    }
}
