//! Secrets that a configuration may hold by mistake: no error shows one.

use super::tests::error;

/// No message about a wrong file holds a value that may be secret.
#[test]
fn no_error_shows_a_secret() {
    const SECRET: &str = "sk_live_5ecre7";
    for (text, place) in [
        (
            format!("mode = \"live\"\nsigning_secret = \"{SECRET}\""),
            "signing_secret",
        ),
        (
            format!("mode = \"live\"\n[merchant]\nkey = \"{SECRET}\""),
            "unknown field",
        ),
        (
            format!("mode = \"live\"\nsecret = {{ signing = \"{SECRET}\" }}"),
            "unknown field",
        ),
        (format!("public_url = \"ftp://{SECRET}@shop.example\""), "line 1"),
        (format!("public_url = [\"https://{SECRET}@shop.example\"]"), "line 1"),
        (format!("[webhooks]\ncallback_url = \"//{SECRET}\""), "line 2"),
        (format!("database = \"postgresql:ada:{SECRET}@db/escrow\""), "line 1"),
        (format!("database = \"postgres:/ada:{SECRET}@db/escrow\""), "line 1"),
    ] {
        let error = error(&text, &[]);
        assert!(!error.contains("5ecre7"), "{text}: {error}");
        assert!(error.contains(place), "{text}: {error}");
    }
    for name in [
        "ESCROWD_PUBLIC_URL",
        "ESCROWD_WEBHOOKS_CALLBACK_URL",
        "ESCROWD_SIGNING_SECRET",
    ] {
        let error = error("", &[(name, SECRET)]);
        assert!(!error.contains("5ecre7") && error.contains(name), "{error}");
    }
}
