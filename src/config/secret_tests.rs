//! Secrets in the configuration: no error shows one, and no file with one is open to all.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::tests::error;
use super::{Config, Flags};

/// Whatever is wrong with a file, the message holds no value that may be secret.
#[test]
fn no_error_shows_a_secret() {
    const SECRET: &str = "sk_live_5ecre7";
    let merchant = "mode = \"live\"\n[[merchant]]\nname = \"a\"\n";
    for (text, place) in [
        (format!("{merchant}key_sha256 = [\"{SECRET}\"]"), "line 4"),
        (format!("{merchant}key_sha256 = \"{SECRET}\""), "line 4"),
        (format!("{merchant}key_sha256 = [\n  \"{SECRET}\",\n]"), "64 hex"),
        (format!("{merchant}key_sha256 = {{ a = \"{SECRET}\" }}"), "line 4"),
        (format!("{merchant}business_key_sha256 = \"{SECRET}\""), "line 4"),
        (
            format!("{merchant}key_sha256 = []\nsigning_secret = \"{SECRET}\""),
            "16 characters",
        ),
        (
            format!("{merchant}key_sha256 = []\nsigning_secret = [\"{SECRET}\"]"),
            "line 5",
        ),
        (
            format!("{merchant}key_sha256 = []\nsigning_secret = {SECRET}"),
            "line 5",
        ),
        (
            format!("{merchant}key_sha256 = []\nsigning_secret = \"{SECRET}"),
            "line 5",
        ),
        (
            format!("{merchant}key_sha256 = []\nsigning_secert = \"{SECRET}\""),
            "signing_secert",
        ),
        (
            format!("{merchant}key_sha256 = []\nsecret = {{ signing = \"{SECRET}\" }}"),
            "unknown field",
        ),
        (
            format!("{merchant}key_sha256 = []\nis_business = \"yes\" # {SECRET}"),
            "line 5",
        ),
        (
            format!("{merchant}key_sha256 = []\ncallback_url = \"ftp://shop.example/?token={SECRET}\""),
            "line 5",
        ),
        (
            format!("{merchant}key_sha256 = []\ncallback_url = \"https://u:{SECRET}@shop.example/\""),
            "line 5",
        ),
        (format!("public_url = \"ftp://{SECRET}@shop.example\""), "line 1"),
        (format!("public_url = [\"https://{SECRET}@shop.example\"]"), "line 1"),
        (format!("[webhooks]\ncallback_url = \"//{SECRET}\""), "line 2"),
        (
            format!("mode = \"live\"\nmerchant = [{{ name = \"a\", signing_secret = \"{SECRET}\" }}]"),
            "16 characters",
        ),
        (
            format!("mode = \"live\"\nmerchant = [{{ name = 1, key_sha256 = [], signing_secret = \"{SECRET}\" }}]"),
            "line 2",
        ),
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
    let hash = "0123456789abcdef".repeat(4);
    let twice = error(&format!("{merchant}key_sha256 = [\"{hash}\", \"{hash}\"]"), &[]);
    assert!(!twice.contains(&hash) && twice.contains("listed twice"), "{twice}");
}

#[test]
fn the_hash_of_no_key_is_refused() {
    let of_no_key = [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855",
        // The hash of a line break.
        "01ba4719c80b6fe911b091a7c05124b64eeece964e09c058ef8f9805daca546b",
    ];
    for (hash, problem) in of_no_key
        .map(|hash| (hash.to_owned(), "empty text"))
        .into_iter()
        .chain([("0".repeat(64), "placeholder"), ("f".repeat(64), "placeholder")])
    {
        for key in ["key_sha256", "business_key_sha256"] {
            let text = format!("mode = \"live\"\n[[merchant]]\nname = \"a\"\nkey_sha256 = []\n{key} = [\"{hash}\"]");
            let text = text.replace("key_sha256 = []\nkey_sha256", "key_sha256");
            let error = error(&text, &[]);
            assert!(error.contains(problem), "{error}");
        }
    }
}

#[test]
fn a_file_with_a_secret_that_every_user_may_read_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    let load = |secret: &str, mode| {
        let keys = format!("name = \"a\"\nkey_sha256 = [\"{}\"]", "a".repeat(64));
        fs::write(&path, format!("mode = \"live\"\n[[merchant]]\n{keys}\n{secret}")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let flags = Flags {
            config: Some(path.clone()),
            ..Flags::default()
        };
        Config::load(&flags, [])
    };
    for name in ["signing_secret", "paystack_secret"] {
        let secret = format!("{name} = \"sk_live_0123456789\"");
        for mode in [0o644, 0o604, 0o666] {
            let refusal = load(&secret, mode).unwrap_err().to_string();
            assert!(refusal.contains("chmod o-r") && refusal.contains(name), "{refusal}");
            assert!(load("", mode).is_ok());
        }
        for mode in [0o600, 0o640, 0o400] {
            load(&secret, mode).unwrap();
        }
    }
}
